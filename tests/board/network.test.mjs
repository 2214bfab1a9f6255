// A box on a real network with real servers (lan.mjs): DHCP, no DHCP, its name by mDNS, a cable that is pulled, a static
// address, and a clock that is years off. One box goes through all of it. With PIXPOP_BOARD; wants root.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { build } from '../system/box.mjs';
import { buildImage, shell } from './booted.mjs';
import { unpackImage } from './disk.mjs';
import { host, Lan, LanBox } from './lan.mjs';
import { limits } from './qemu.mjs';
import { until } from './wire.mjs';

process.env.PIXPOP_BOARD_PROGRAMS ??= build;
const board = 'qemu-x86_64';
const typeA = 1, typePtr = 12, typeSrv = 33;
const newName = 'pictures';

function describeNetwork() {
  let folder, lan, dhcp, box, name;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-network-'));
    buildImage(board, '0.0.1', '--shell');
    lan = new Lan();
    lan.ntp(board);
    dhcp = give('10.99.0.50');
    box = new LanBox({ name: 'network', lan, disk: unpackImage(board, join(folder, 'disk.img'), { version: '0.0.1', bytes: 2 ** 31 }), clock: '2020-01-01' });
  });
  after(async () => {
    await box?.finish();
    lan?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const give = (address) => lan.dhcp(address, address, [`option dns ${host} 192.0.2.53`, `option ntpsrv ${host}`]);
  const acknowledged = () => dhcp.said.split('sending ACK').length - 1;
  const addresses = async () => [...(await shell(box, 'ip -4 address show dev eth0')).matchAll(/inet ([\d.]+)/g)].map((match) => match[1]);
  const answers = async () => assert.equal((await box.waitForReply('console', '/healthz')).status, 200);

  // The console shows it, and nothing but it leads to the box.
  async function movesTo(address) {
    await box.shown(new RegExp(address.replaceAll('.', '\\.')));
    await answers();
    assert.deepEqual(await addresses(), [address]);
  }

  async function setNetwork(...lines) {
    const reply = await box.api('/system/network', {
      method: 'PUT', body: JSON.stringify({ text: lines.map((line) => `${line}\n`).join('') }), headers: { 'content-type': 'application/json' },
    });
    assert.equal(reply.status, 200, String(reply.body));
  }

  async function isFoundAs(wanted, address) {
    await lan.mdns(`${wanted}.local`, typeA, (one) => one.name === `${wanted}.local` && one.type === typeA && one.data === address, { address });
    for (const [service, port] of [['_https._tcp.local', 8443], ['_http._tcp.local', 80]]) {
      await lan.mdns(service, typePtr, (one) => one.name === service && one.data === `${wanted}.${service}`, { address });
      await lan.mdns(`${wanted}.${service}`, typeSrv, (one) => one.type === typeSrv && one.data.port === port && one.data.target === `${wanted}.local`, { address });
    }
  }

  // By the server out here, whose time is this machine's; a box that has only been set to the day of its image, or not at
  // all, has no such source.
  async function hasTheTime() {
    const source = new RegExp(`^\\^\\* ${host} `, 'm');
    await until('the time', async () => source.test(await shell(box, 'chronyc -n -h /run/chrony/chronyd.sock sources')), limits.boot);
    const before = Date.now();
    const { headers } = await box.request('delivery', '/');
    const now = Date.parse(headers.date);
    assert.ok(now > before - 3000 && now < Date.now() + 3000, `${headers.date} instead of ${new Date(before)}`);
  }

  it('has_address_gateway_and_name_servers_by_dhcp_and_its_console_shows_where_it_is', async () => {
    await box.first();
    assert.equal(box.address, '10.99.0.50');
    assert.match(dhcp.said, /sending ACK to 10\.99\.0\.50/);
    assert.match(await shell(box, 'ip route'), /^default via 10\.99\.0\.1 dev eth0/m);
    assert.equal(await shell(box, 'cat /run/resolv.conf'), `nameserver ${host}\nnameserver 192.0.2.53`);
    name = (await box.api('/status')).json.host_name;
    assert.match(name, /^pixpop-[0-9a-z]{4}$/);
  });

  it('has_a_clock_that_was_years_behind_set_by_the_time_server_that_dhcp_names', hasTheTime);

  it('is_found_by_its_name_and_as_a_service', () => isFoundAs(name, '10.99.0.50'));

  it('is_found_by_another_name_once_it_has_one_and_no_longer_by_the_old_one', async () => {
    await setNetwork(`host_name ${newName}`);
    await box.waitFor(new RegExp(`page +https://${newName}\\.local:8443/ +or +https://10\\.99\\.0\\.50:8443/`));
    await until('URLs with the new name', async () => (await box.api('/status')).json.delivery_url === `http://${newName}.local`, limits.reply);
    await isFoundAs(newName, '10.99.0.50');
    await assert.rejects(lan.mdns(`${name}.local`, typeA, (one) => one.name === `${name}.local` && one.data !== undefined, { seconds: 8 }));
  });

  // Pulls the cable for as long as the box needs to see it.
  async function withoutCable(meanwhile) {
    await box.cable(false);
    await shell(box, 'while [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do sleep 1; done; sleep 5', limits.boot);
    await meanwhile?.();
    await box.cable(true);
  }

  it('asks_for_its_address_again_when_its_cable_is_plugged_in_again', async () => {
    const count = acknowledged();
    await withoutCable();
    await until('another lease', () => acknowledged() > count, limits.boot);
    await answers();
    assert.equal(box.address, '10.99.0.50');
  });

  it('takes_another_address_when_its_cable_leads_into_another_network', async () => {
    await withoutCable(async () => {
      await dhcp.stop();
      dhcp = give('10.99.0.70');
    });
    await movesTo('10.99.0.70');
  });

  it('chooses_an_address_itself_when_nobody_gives_one', async () => {
    await dhcp.stop();
    await setNetwork(`host_name ${newName}`, `ntp ${host}`);
    const address = await box.shown(/169\.254\.\d+\.\d+/);
    await answers();
    await isFoundAs(newName, address);
  });

  it('takes_a_servers_address_as_soon_as_there_is_one', async () => {
    dhcp = give('10.99.0.80');
    await movesTo('10.99.0.80');
  });

  it('needs_no_server_for_a_static_address', async () => {
    await dhcp.stop();
    await setNetwork('mode static', 'address 10.99.0.200/24', `gateway ${host}`, `ntp ${host}`, `host_name ${newName}`);
    await movesTo('10.99.0.200');
    await isFoundAs(newName, '10.99.0.200');
  });

  it('has_all_of_that_after_a_restart_too_and_a_clock_that_was_years_ahead_set_by_the_time_server_of_its_settings', async () => {
    await box.healthy();
    await box.switchedOff({ isAsked: true });
    box.options.clock = '2035-01-01';
    await box.start();
    await box.shown(/10\.99\.0\.200/);
    await box.healthy(limits.boot);
    await hasTheTime();
    assert.deepEqual(await addresses(), ['10.99.0.200']);
    await isFoundAs(newName, '10.99.0.200');
  });
}

if (process.env.PIXPOP_BOARD) describe('a box on a network', describeNetwork);

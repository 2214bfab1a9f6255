// A box in QEMU on a real network: its card is a tap, bridged to the cable of wire.mjs, at whose other end are the servers
// (10.99.0.1). Wants root.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { boardOut, BootedBox } from './booted.mjs';
import { clean, limits, request } from './qemu.mjs';
import { until, Wire } from './wire.mjs';

const client = new URL('wire_client.mjs', import.meta.url).pathname;
export const host = '10.99.0.1';
const selfChosen = '169.254.0.1';  // the same one, for boxes that have chosen an address themselves

export class Lan extends Wire {
  constructor() {
    super();
    const ip = (...words) => execFileSync('ip', ['-n', this.box, ...words], { stdio: ['ignore', 'ignore', 'inherit'] });
    ip('link', 'add', 'bridge0', 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0', 'mcast_snooping', '0');
    ip('tuntap', 'add', 'tap0', 'mode', 'tap');
    for (const name of ['eth0', 'tap0']) ip('link', 'set', name, 'master', 'bridge0', 'up');
    ip('link', 'set', 'bridge0', 'up');
    execFileSync('ip', ['-n', this.out, 'addr', 'add', `${selfChosen}/16`, 'dev', 'lan0']);
    this.reached = new Map();
    this.servers = 0;
  }

  // A Unix socket that leads to a port out there.
  relayTo(address, port) {
    const place = `${address}:${port}`;
    if (!this.reached.has(place)) this.reached.set(place, this.relay(address, port));
    return this.reached.get(place);
  }

  // A server in the outer namespace: {said, stop()}.
  serve(program, args) {
    const child = this.spawn(this.out, program, args);
    let hasEnded = false;
    const server = {
      said: '',
      stop() {
        child.kill('SIGKILL');
        return until(`the end of ${program}`, () => hasEnded);
      },
    };
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { server.said += text; });
    child.exited.then(() => { hasEnded = true; });
    return server;
  }

  // DHCP from `first` to `last`; leases of an hour, forgotten with the server. `more`: lines of udhcpd.conf.
  dhcp(first, last, more = []) {
    const base = join(this.folder, `dhcp${this.servers++}`);
    writeFileSync(`${base}.leases`, '');
    writeFileSync(`${base}.conf`, [
      `start ${first}`, `end ${last}`, 'interface lan0', 'option subnet 255.255.255.0', `option router ${host}`, 'option lease 3600',
      `lease_file ${base}.leases`, `pidfile ${base}.pid`, ...more, '',
    ].join('\n'));
    return this.serve('busybox', ['udhcpd', '-f', `${base}.conf`]);
  }

  // NTP: this machine's own time, from the chronyd that lies in the image of that board (its Debian package would take the
  // place of this machine's own time service).
  ntp(board) {
    const stage = join(boardOut, board, 'stage');
    const base = join(this.folder, 'ntp');
    writeFileSync(`${base}.conf`, `local stratum 3\nallow all\ncmdport 0\nbindcmdaddress /\npidfile ${base}.pid\nuser root\n`);
    return this.serve(join(stage, 'usr/lib64/ld-linux-x86-64.so.2'), [
      '--library-path', join(stage, 'usr/lib/x86_64-linux-gnu'), join(stage, 'usr/sbin/chronyd'), '-x', '-d', '-f', `${base}.conf`,
    ]);
  }

  // Asks by multicast, from the network of `address`; resolves with the first answer that holds what is wanted: [{name,
  // type, data}].
  mdns(name, type, isWanted, { address = host, seconds = limits.reply } = {}) {
    const from = address.startsWith('169.254.') ? selfChosen : host;
    return until(`an mDNS answer for ${name}`, async () => {
      const { stdout } = await this.outside(process.execPath, [client, 'mdns', from, name, String(type)]);
      const records = stdout.split('\n').filter((line) => line !== '').flatMap((line) => parseDns(Buffer.from(line, 'hex')));
      return records.some(isWanted) && records;
    }, seconds);
  }
}

// The records of a DNS message (RFC 1035, 4.1): A as text, PTR as name, SRV as {port, target}.
export function parseDns(bytes) {
  let at = 12;
  const nameAt = (start) => {
    const labels = [];
    let here = start, next;
    while (bytes[here] !== 0) {
      if (bytes[here] >= 0xc0) {
        next ??= here + 2;
        here = bytes.readUInt16BE(here) & 0x3fff;
      } else {
        labels.push(bytes.toString('utf8', here + 1, here + 1 + bytes[here]));
        here += 1 + bytes[here];
      }
    }
    return { name: labels.join('.'), next: next ?? here + 1 };
  };
  for (let i = bytes.readUInt16BE(4); i > 0; i--) at = nameAt(at).next + 4;
  const records = [];
  for (let i = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10); i > 0; i--) {
    const { name, next } = nameAt(at);
    const type = bytes.readUInt16BE(next), start = next + 10, end = start + bytes.readUInt16BE(next + 8);
    const data = { 1: () => [...bytes.subarray(start, end)].join('.'), 12: () => nameAt(start).name, 33: () => ({ port: bytes.readUInt16BE(start + 4), target: nameAt(start + 6).name }) }[type];
    records.push({ name, type, data: data?.() });
    at = end;
  }
  return records;
}

// A box on that network, spoken to at the address that its console shows.
export class LanBox extends BootedBox {
  constructor({ lan, ...options }) {
    super({
      nic: '', extra: ['-netdev', 'tap,id=net,ifname=tap0,script=no,downscript=no', '-device', 'virtio-net-pci,id=card,netdev=net,romfile='], ...options,
    });
    this.lan = lan;
  }

  arguments() { return ['ip', 'netns', 'exec', this.lan.box, ...super.arguments()]; }

  // The last one that the console has shown.
  get address() {
    const found = [...clean(this.log).matchAll(/page +https:\/\/[\w.-]+:8443\/ +or +https:\/\/([\d.]+):8443\//g)].at(-1);
    if (!found) throw new Error('the console shows no address yet');
    return found[1];
  }

  async request(name, path, options) {
    const { address } = this;
    const port = this.options.forwards[name];
    return request(`http${port === 80 ? '' : 's'}://${address}:${port}${path}`, { socketPath: await this.lan.relayTo(address, port), ...options });
  }

  // Until the console shows an address like that behind the last match; resolves with it.
  async shown(pattern, seconds = limits.boot) {
    const [, address] = await this.waitFor(new RegExp(`page +https://[\\w.-]+:8443/ +or +https://(${pattern.source}):8443/[\\r\\n]`), seconds);
    return address;
  }

  cable(isIn) { return this.ask('set_link', { name: 'card', up: isIn }); }
}

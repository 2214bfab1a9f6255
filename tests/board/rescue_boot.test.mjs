// The rescue system of a real image in QEMU: reached when no slot can boot and when somebody asks for it; over lwIP it
// makes the box whole again; and the same program beside the running system, on a second interface. With PIXPOP_BOARD.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { build } from '../system/box.mjs';
import { BootedBox, buildBundle, buildImage } from './booted.mjs';
import { slots, unpackImage } from './disk.mjs';
import { bearer, claim, claimCode } from './journey.mjs';
import { limits, request } from './qemu.mjs';

process.env.PIXPOP_BOARD_PROGRAMS ??= build;
const board = 'qemu-x86_64', old = '0.0.1', newer = '0.0.2';
let folder, disk, box, bundle, token;

// The page is there; its code stands on the console.
async function rescued(start) {
  await start();
  const [, code] = await box.waitFor(/code +([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})\b/, limits.rescue);
  const reply = await box.waitForReply('secure', '/healthz', { seconds: limits.rescue });
  assert.equal(String(reply.body), 'rescue\n');
  const session = await box.request('secure', '/api/v1/session', { method: 'POST', body: code });
  assert.equal(session.status, 201, String(session.body));
  token = session.json.token;
  console.log(`# rescue page ${reply.secondsOn.toFixed(1)} s after the start`);
}

async function ask(method, path, options = {}) {
  const reply = await box.request('secure', `/api/v1${path}`, { method, headers: bearer(token), ...options });
  assert.ok(reply.status < 300, `${path}: ${reply.status} ${reply.body.subarray(0, 300)}`);
  return reply;
}

if (process.env.PIXPOP_BOARD) {
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-rescue-boot-'));
    buildImage(board, old, '--shell'); // as the other tests have them: made once
    bundle = readFileSync(buildBundle(board, newer, '--shell').bundle);
    disk = unpackImage(board, join(folder, 'disk.img'), { version: old, bytes: 2 ** 31 });
    // A second network, whose machine is 10.0.3.15.
    const second = ['-netdev', 'user,id=service,restrict=on,net=10.0.3.0/24,hostfwd=tcp:127.0.0.1:0-:443', '-device', 'virtio-net-pci,netdev=service,romfile='];
    box = new BootedBox({ name: 'rescue', disk, extra: second });
  });
  after(async () => {
    await box?.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  test('comes when neither slot can boot, with an address by DHCP', async () => {
    slots(disk, 'reset');
    await rescued(() => box.start());
    const { json: status } = await ask('GET', '/status');
    assert.deepEqual([status.board, status.next, status.slots.map(({ mark }) => mark)], [board, 'rescue', ['bad', 'bad']]);
    assert.deepEqual(status.interfaces.map(({ origin, addresses }) => [origin, addresses[0]]), [['dhcp', '10.0.2.15'], ['dhcp', '10.0.3.15']]);
  });

  test('has the kernel’s log and a support archive', async () => {
    assert.match(String((await ask('GET', '/log')).body), /Linux version/);
    const { body } = await ask('GET', '/support');
    assert.match(execFileSync('tar', ['xOf', '-', 'cmdline'], { input: body, encoding: 'latin1' }), /pixpop\.rescue=failed/);
  });

  test('makes a data partition anew that was never made', async () => {
    const { json } = await ask('POST', '/factory-reset');
    const { json: status } = await ask('POST', `/factory-reset?confirm=${json.confirm}`, { seconds: limits.variant });
    assert.equal(status.is_reset_done, true);
  });

  test('installs a bundle over the network, and the box boots from it', async () => {
    const { json } = await ask('PUT', '/slots/B', { body: bundle, seconds: limits.update });
    assert.equal(json.install.phase, 'done');
    await ask('POST', '/reboot');
    const code = await claimCode(box, limits.boot);
    await box.waitForReply('console', '/healthz', { seconds: limits.boot });
    box.token = await claim(box, code);
    const status = await box.healthy();
    assert.deepEqual([status.running, status.version, json.install.version], ['B', newer, newer]);
  });

  test('comes once when it is asked for, and a restart leads back', async () => {
    const wish = await box.api('/system/slots', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ next: 'rescue' }) });
    assert.equal(wish.status, 200, String(wish.body));
    const { boot } = await box.status();
    await rescued(() => box.api('/system/reboot', { method: 'POST' }));
    const { json: status } = await ask('GET', '/status');
    assert.equal(status.next, 'B');
    assert.match(String((await ask('GET', '/log')).body), /pixpop\.rescue=asked/);
    await ask('POST', '/reboot');
    const back = await box.waitForStatus((one) => one.boot !== boot && one.health === 'good');
    assert.equal(back.running, 'B');
  });

  test('stands beside the running system on an interface of its own', async () => {
    box.seen = box.log.length; // the rescue system has said the same before
    const reply = await box.api('/system/network', { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ text: 'service eth1\n' }) });
    assert.equal(reply.status, 200, String(reply.body));
    const [, code] = await box.waitFor(/page +https:\/\/10\.0\.3\.15\/\s[^]*?code +([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})\b/, limits.rescue);
    const text = await box.ask('human-monitor-command', { 'command-line': 'info usernet' });
    const port = text.match(/TCP\[HOST_FORWARD\]\s+\S+\s+127\.0\.0\.1\s+(\d+)\s+10\.0\.3\.15\s+443/)[1];
    const url = `https://127.0.0.1:${port}/api/v1`;
    const session = await request(`${url}/session`, { method: 'POST', body: code });
    assert.equal(session.status, 201, String(session.body));
    const headers = bearer(session.json.token);
    const { json: status } = await request(`${url}/status`, { headers });
    assert.deepEqual(status.slots.map((slot) => slot.is_running), [false, true]);
    const refused = await request(`${url}/slots/B`, { method: 'PUT', headers, body: bundle.subarray(0, 1000) });
    assert.equal(refused.status, 409, String(refused.body));
    assert.equal((await box.status()).health, 'good');
    const { boot } = await box.status();
    assert.equal((await request(`${url}/reboot`, { method: 'POST', headers })).status, 202);
    await box.waitForStatus((one) => one.boot !== boot && one.health === 'good');
  });
}

// qemu-arm64: the image, compiled on another machine, starts by UEFI, serves what it decoded in its sandbox, and falls to
// its rescue system when no slot is left.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { photos } from '../system/box.mjs';
import { BootedBox, buildImage } from './booted.mjs';
import { slots, unpackImage } from './disk.mjs';
import { bearer, device, upload, variant } from './journey.mjs';
import { limits } from './qemu.mjs';

delete process.env.PIXPOP_BOARD_PROGRAMS;  // those are this machine's
const makeFormats = new URL('../support/make_formats.py', import.meta.url).pathname;

describe('qemu-arm64', () => {
  let folder, disk, box;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-arm64-'));
    buildImage('qemu-arm64', '0.0.1');
    disk = unpackImage('qemu-arm64', join(folder, 'disk.img'), { version: '0.0.1', bytes: 2 * 2 ** 30 });
    execFileSync('/usr/bin/python3', [makeFormats, photos(1)[0], folder], { stdio: ['ignore', 'inherit', 'inherit'] });
    for (const name of ['flat.jpg', 'flat.webp']) execFileSync('convert', [join(folder, 'flat.png'), join(folder, name)]);
    box = new BootedBox({ name: 'arm64', disk, arch: 'arm64' });
  });
  after(async () => {
    await box?.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  it('starts_by_uefi_and_finds_itself_healthy', async () => {
    const status = await box.first(limits.slowBoot);
    assert.deepEqual([status.running, status.version, status.board], ['A', '0.0.1', 'qemu-arm64']);
  });

  it('decodes_every_kind_of_library_inside_the_sandbox', async () => {
    for (const name of ['flat.jpg', 'flat.png', 'flat.webp', 'phone.heic', 'print.tif', 'web.avif']) {
      const id = await upload(box, box.token, readFileSync(join(folder, name)), name);
      await variant(box, id);
    }
  });

  it('resamples_with_lavapipe', async () => {
    assert.match((await device(box, box.token)).device.name, /llvmpipe/);
  });

  // The rescue page of the start that has just begun; resolves with how to ask its API.
  async function rescued() {
    const [, code] = await box.waitFor(/pixpop rescue[^]*?code +([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})\b/, limits.slowBoot);
    const { body } = await box.waitForReply('secure', '/healthz', { seconds: limits.rescue });
    assert.equal(String(body), 'rescue\n');
    const session = await box.request('secure', '/api/v1/session', { method: 'POST', body: code });
    assert.equal(session.status, 201, String(session.body));
    return async (method, path) => {
      const reply = await box.request('secure', `/api/v1${path}`, { method, headers: bearer(session.json.token) });
      assert.ok(reply.status < 300, `${path}: ${reply.status} ${reply.body.subarray(0, 300)}`);
      return reply;
    };
  }

  it('starts_the_rescue_system_once_when_it_is_asked_for', async () => {
    const wish = await box.api('/system/slots', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ next: 'rescue' }) });
    assert.equal(wish.status, 200, String(wish.body));
    await box.api('/system/reboot', { method: 'POST' });
    const ask = await rescued();
    assert.match(String((await ask('GET', '/log')).body), /pixpop\.rescue=asked/);
    const { json } = await ask('GET', '/status');
    assert.deepEqual([json.next, json.slots.map(({ mark }) => mark)], ['A', ['good', 'bad']]);
  });

  it('falls_to_the_rescue_system_when_both_slots_are_bad', async () => {
    await box.powerCut();
    slots(disk, 'reset');
    await box.start();
    const ask = await rescued();
    const { json } = await ask('GET', '/status');
    assert.deepEqual([json.board, json.next, json.slots.map(({ mark }) => mark)], ['qemu-arm64', 'rescue', ['bad', 'bad']]);
    assert.deepEqual(json.interfaces.map(({ origin, addresses }) => [origin, addresses[0]]), [['dhcp', '10.0.2.15']]);
  });
});

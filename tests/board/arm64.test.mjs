// qemu-arm64: the image, compiled on another machine, starts by UEFI and serves what it decoded in its sandbox.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { photos } from '../system/box.mjs';
import { BootedBox, buildImage } from './booted.mjs';
import { unpackImage } from './disk.mjs';
import { device, upload, variant } from './journey.mjs';
import { limits } from './qemu.mjs';

delete process.env.PIXPOP_BOARD_PROGRAMS;  // those are this machine's
const makeFormats = new URL('../support/make_formats.py', import.meta.url).pathname;

describe('qemu-arm64', () => {
  let folder, box;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-arm64-'));
    buildImage('qemu-arm64', '0.0.1');
    const disk = unpackImage('qemu-arm64', join(folder, 'disk.img'), { version: '0.0.1', bytes: 2 * 2 ** 30 });
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
});

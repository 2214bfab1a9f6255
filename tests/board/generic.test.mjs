// generic-x86_64: the image for real PCs on an emulated one: UEFI, NVMe disk, Intel network card, hardware watchdog.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { build, photos } from '../system/box.mjs';
import { BootedBox, buildImage } from './booted.mjs';
import { partitions, readPartition, unpackImage } from './disk.mjs';
import { device, upload, variant } from './journey.mjs';
import { limits } from './qemu.mjs';

process.env.PIXPOP_BOARD_PROGRAMS ??= build;
const diskBytes = 3 * 2 ** 30;

describe('generic-x86_64', () => {
  let folder, disk, box;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-generic-'));
    buildImage('generic-x86_64', '0.0.1');
    disk = unpackImage('generic-x86_64', join(folder, 'disk.img'), { version: '0.0.1', bytes: diskBytes });
    box = new BootedBox({
      name: 'generic', disk, firmware: 'uefi', bus: 'nvme', nic: 'e1000e', watchdog: 'i6300esb', memory: 1024,
    });
  });
  after(async () => {
    await box?.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  it('starts_by_uefi_from_nvme_and_finds_itself_healthy', async () => {
    const status = await box.first(limits.slowBoot);
    assert.deepEqual([status.running, status.version, status.board], ['A', '0.0.1', 'generic-x86_64']);
  });

  it('serves_a_variant_that_the_cpu_made', async () => {
    const id = await upload(box, box.token, readFileSync(photos(1)[0]));
    await variant(box, id);
    assert.equal((await device(box, box.token)).device, null);
  });

  it('found_the_drivers_of_disk_network_and_watchdog', async () => {
    const reply = await box.api('/support', { seconds: limits.variant });
    assert.equal(reply.status, 200, String(reply.body.subarray(0, 300)));
    const text = reply.body.toString('latin1');
    assert.match(text, /nvme nvme0: /);
    assert.match(text, /e1000e 0000:[0-9a-f:.]+ eth0: /);
    assert.match(text, /i6300esb/i);
  });

  it('switches_itself_off_by_its_power_button', async () => {
    await box.switchedOff({ isAsked: true });
  });

  it('has_grown_the_data_partition_to_the_disk', () => {
    const { data } = partitions(disk);
    assert.ok(data.at + data.bytes > diskBytes - 2 ** 21, `data ends at ${data.at + data.bytes}`);
    // Blocks of 1 KiB shifted by the number at 24 (ext4's superblock lies at 1024).
    const head = readPartition(disk, 'data', { at: 1024, bytes: 1024 });
    const bytes = head.readUInt32LE(4) * (1024 << head.readUInt32LE(24));
    assert.ok(bytes > data.bytes - 2 ** 20, `the file system has ${bytes} of ${data.bytes} bytes`);
  });
});

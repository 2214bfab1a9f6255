// generic-x86_64: the image for real PCs on emulated ones: UEFI, NVMe disk, Intel network card, hardware watchdog; other
// disks and cards; and one that has a screen and a keyboard, but no serial line.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { sleep } from '../support/waiting.mjs';
import { build, photos } from '../system/box.mjs';
import { BootedBox, buildImage } from './booted.mjs';
import { dataBytes } from './data.mjs';
import { copyDisk, unpackImage } from './disk.mjs';
import { bearer, claim, claimCode, device, upload, variant } from './journey.mjs';
import { limits } from './qemu.mjs';

process.env.PIXPOP_BOARD_PROGRAMS ??= build;
const memory = 1024;
const imageBytes = 2 ** 30, diskBytes = 3 * imageBytes;
const photo = readFileSync(photos(1)[0]);
let folder, image;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'pixpop-generic-'));
  buildImage('generic-x86_64', '0.0.1');
  image = unpackImage('generic-x86_64', join(folder, 'image'), { version: '0.0.1', bytes: imageBytes });
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe('generic-x86_64', () => {
  let disk, box;
  before(() => {
    disk = copyDisk(image, join(folder, 'disk.img'), { bytes: diskBytes });
    box = new BootedBox({ name: 'generic', disk, firmware: 'uefi', bus: 'nvme', nic: 'e1000e', watchdog: 'i6300esb', memory });
  });
  after(() => box?.finish());

  it('starts_by_uefi_from_nvme_and_finds_itself_healthy', async () => {
    const status = await box.first(limits.slowBoot);
    assert.deepEqual([status.running, status.version, status.board], ['A', '0.0.1', 'generic-x86_64']);
  });

  it('serves_a_variant_that_the_cpu_made', async () => {
    await variant(box, await upload(box, box.token, photo));
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
    const { end, partition, fileSystem } = dataBytes(disk);
    assert.ok(end > diskBytes - 2 ** 21, `data ends at ${end}`);
    assert.ok(fileSystem > partition - 2 ** 20, `the file system has ${fileSystem} of ${partition} bytes`);
  });
});

describe('generic-x86_64 starts and makes a variant', () => {
  for (const [what, firmware, bus, nic] of [
    ['by_bios_from_sata_with_e1000', 'bios', 'ahci', 'e1000'],
    ['by_uefi_from_a_usb_stick_with_vmxnet3', 'uefi', 'usb', 'vmxnet3'],
    ['by_bios_from_a_usb_disk_that_speaks_uas', 'bios', 'uas', 'e1000e'],
    ['by_bios_from_a_memory_card', 'bios', 'sd', 'e1000e'],
    ['by_bios_from_vmwares_disk_and_card', 'bios', 'vmware', 'vmxnet3'],
    ['by_bios_from_virtio', 'bios', 'virtio', 'virtio-net-pci'],
  ]) {
    it(what, async (test) => {
      const box = new BootedBox({ name: `generic-${bus}`, disk: image, isKept: true, firmware, bus, nic, memory });
      try {
        await box.start();
        const code = await claimCode(box, limits.slowBoot);
        const { secondsOn } = await box.waitForReply('console', '/healthz', { seconds: limits.slowBoot });
        test.diagnostic(`first 200 after ${secondsOn.toFixed(1)} s`);
        const token = await claim(box, code);
        await variant(box, await upload(box, token, photo));
      } finally {
        await box.finish();
      }
    });
  }
});

describe('generic-x86_64 with a screen and a keyboard alone', () => {
  const code = /([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})\b/.source;
  let box;
  before(() => {
    box = new BootedBox({ name: 'generic-screen', disk: image, isKept: true, bus: 'ahci', nic: 'e1000', memory, hasSerial: false });
  });
  after(() => box?.finish());

  it('shows_its_address_and_the_code_that_claims_it', async () => {
    await box.start();
    const [, shown] = await box.waitForScreen(new RegExp(`claim +${code}`), limits.slowBoot);
    assert.match(await box.screen(), /page +https:\/\/pixpop-[0-9a-z]{4}\.local:8443\/ +or +https:\/\/10\.0\.2\.15:8443\//);
    await box.waitForReply('console', '/healthz', { seconds: limits.slowBoot });
    await claim(box, shown);
  });

  it('starts_the_rescue_system_by_the_key_r', async () => {
    await box.reset();
    const [, shown] = await box.waitForScreen(new RegExp(`pixpop rescue[^]*code +${code}`), limits.rescue, async () => {
      await box.press('r');
      await sleep(200);
    });
    assert.equal(String((await box.waitForReply('secure', '/healthz', { seconds: limits.rescue })).body), 'rescue\n');
    const session = await box.request('secure', '/api/v1/session', { method: 'POST', body: shown });
    assert.equal(session.status, 201, String(session.body));
    const log = await box.request('secure', '/api/v1/log', { headers: bearer(session.json.token) });
    assert.match(String(log.body), /pixpop\.rescue=key/);
  });
});

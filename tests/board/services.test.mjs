// What keeps a box going when a part of it does not: services that are brought back, Linux's own watchdog (a PC's:
// pc.test.mjs), the power button. With PIXPOP_BOARD.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { build, photos, sleep } from '../system/box.mjs';
import { BootedBox, buildImage, freeze, pidOf, shell } from './booted.mjs';
import { isClean } from './data.mjs';
import { unpackImage } from './disk.mjs';
import { upload, variant } from './journey.mjs';
import { limits } from './qemu.mjs';
import { until } from './wire.mjs';

process.env.PIXPOP_BOARD_PROGRAMS ??= build;
const photo = readFileSync(photos(1)[0]);
const watchdogSeconds = 60;  // BASE_WATCHDOG_S in firmware/base/include/base/watchdog.h

const started = (box, old, seconds) => box.waitForStatus((status) => status.boot !== old && status.health === 'good', seconds);

function describeServices() {
  let folder, disk, box;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-services-'));
    buildImage('qemu-x86_64', '0.0.1', '--shell');
    disk = unpackImage('qemu-x86_64', join(folder, 'disk.img'), { version: '0.0.1', bytes: 2 ** 31 });
    box = new BootedBox({ name: 'services', disk });
  });
  after(async () => {
    await box?.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  it('are_brought_back_when_they_are_killed_and_the_box_stays_on', async () => {
    const { boot } = await box.first();
    const { resets } = box;
    for (const program of ['pixpopd', 'pixpop-system']) {
      const old = await pidOf(box, program);
      await shell(box, `kill -9 ${old}; until pid=$(pidof ${program}) && [ $pid != ${old} ]; do sleep 1; done`, limits.boot);
      assert.equal((await box.waitForStatus((status) => status.health === 'good')).boot, boot);
    }
    await variant(box, await upload(box, box.token, photo));
    // The watchdog counts on without the one that fed it: the next one must have taken over.
    await sleep((watchdogSeconds + 15) * 1000);
    assert.equal((await box.status()).boot, boot);
    assert.equal(box.resets, resets);
  });

  it('keep_settings_for_the_next_start_while_the_box_gets_another_name', async () => {
    const put = async (path, type, body) => {
      const { status, body: said } = await box.api(path, { method: 'PUT', body, headers: { 'content-type': type } });
      assert.equal(Math.floor(status / 100), 2, `${path}: ${said}`);
    };
    // Connections end meanwhile.
    const becomes = (url) => until(url, async () => {
      try {
        return (await box.api('/status')).json?.delivery_url === url;
      } catch {
        return false;
      }
    }, limits.boot);
    const { body } = await box.api('/settings');
    await put('/settings', 'text/plain', `${body}\n[delivery]\npublic_url = https://later.example\n`);
    await put('/system/network', 'application/json', JSON.stringify({ text: 'host_name pictures\n' }));
    await becomes('http://pictures.local');
    await shell(box, 'sv restart /etc/sv/pixpopd >/dev/null', limits.boot);
    await becomes('https://later.example');
    await put('/settings', 'text/plain', body);
  });

  // As usr/lib/pixpop/trim does it each week: what was written and removed leaves the medium.
  it('tell_the_disk_which_blocks_are_free', async () => {
    const mib = 2 ** 20, blockBytes = 512;
    const bytes = () => statSync(disk).blocks * blockBytes;
    const before = bytes();
    await shell(box, 'dd if=/dev/urandom of=/data/log/boot/large bs=1M count=64 2>/dev/null; sync', limits.boot);
    assert.ok(bytes() > before + 48 * mib, `${before} became ${bytes()}`);
    await shell(box, `rm /data/log/boot/large; sync; (eval "$(sed '/^sleep 600/,$d' /usr/lib/pixpop/trim)"; trim)`, limits.boot);
    assert.ok(bytes() < before + 16 * mib, `${before} became ${bytes()}`);
    assert.match(await shell(box, 'find /data/system/trimmed -mtime -1'), /trimmed$/);
  });

  it('reset_the_box_when_the_one_that_feeds_the_watchdog_is_frozen', async () => {
    box.seen = box.log.length;
    const boot = await freeze(box, 'pixpop-system');
    await box.waitFor(/softdog: Initiating system reboot/);
    await started(box, boot);
  });

  it('reset_the_box_when_pixpopd_does_not_answer_any_more', async () => {
    const boot = await freeze(box, 'pixpopd');
    await started(box, boot);
    await variant(box, await upload(box, box.token, photo));
  });

  it('end_in_good_order_by_the_power_button', async () => {
    await box.switchedOff({ isAsked: true });
    assert.ok(isClean(disk), 'the data partition was not unmounted');
  });
}

if (process.env.PIXPOP_BOARD) describe('the services of a box', describeServices);

// What keeps a box going when a part of it does not: services that are brought back, Linux's own watchdog (a PC's:
// pc.test.mjs), the power button. With PIXPOP_BOARD.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { build, photos, sleep } from '../system/box.mjs';
import { BootedBox, buildImage, freeze, pidOf, shell } from './booted.mjs';
import { isClean } from './data.mjs';
import { unpackImage } from './disk.mjs';
import { upload, variant } from './journey.mjs';
import { limits } from './qemu.mjs';

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

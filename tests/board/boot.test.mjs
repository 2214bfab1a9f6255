// qemu-x86_64, the short set: from power-on to a claimed box that makes variants on Vulkan, takes an update, and switches
// itself off in good order. The images are made of the programs of $PIXPOP_BUILD as they lie there.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { build, photos } from '../system/box.mjs';
import { BootedBox, buildBundle, buildImage, keepAsking } from './booted.mjs';
import { isClean } from './data.mjs';
import { slots, unpackImage } from './disk.mjs';
import { device, upload, variant } from './journey.mjs';

process.env.PIXPOP_BOARD_PROGRAMS ??= build;
const board = 'qemu-x86_64';

describe('a box from power-on to its first update', () => {
  let folder, disk, box, id, bundle;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-boot-'));
    buildImage(board, '0.0.1', '--shell');
    ({ bundle } = buildBundle(board, '0.0.2', '--shell'));
    disk = unpackImage(board, join(folder, 'disk.img'), { version: '0.0.1', bytes: 2 * 2 ** 30 });
    box = new BootedBox({ name: 'boot', disk });
  });
  after(async () => {
    await box?.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  it('boots_by_bios_is_claimed_with_the_code_on_its_console_and_finds_itself_healthy', async () => {
    const status = await box.first();
    assert.equal(status.running, 'A');
    assert.equal(status.version, '0.0.1');
    assert.equal(status.board, board);
  });

  it('makes_a_variant_on_vulkan', async () => {
    id = await upload(box, box.token, readFileSync(photos(1)[0]));
    await variant(box, id);
    assert.match((await device(box, box.token)).device, /llvmpipe/);
  });

  it('takes_an_update_while_it_delivers_and_starts_from_the_other_slot', async () => {
    const asking = keepAsking(box, `/i/${id}?w=320&dpr=1&fm=png`);
    const reply = await box.update(readFileSync(bundle));
    const asked = await asking.stop();
    assert.equal(reply.status, 200, String(reply.body));
    assert.deepEqual([reply.json.version, reply.json.slot], ['0.0.2', 'B']);
    assert.deepEqual(asked.dropped, []);
    assert.ok(asked.count > 0);
    const status = await box.restart();
    assert.deepEqual([status.running, status.version, status.health], ['B', '0.0.2', 'good']);
    await variant(box, id, 320);
  });

  it('switches_itself_off_in_good_order_when_asked_to', async () => {
    const reply = await box.api('/system/poweroff', { method: 'POST' });
    assert.equal(reply.status, 200, String(reply.body));
    await box.switchedOff();
    assert.ok(isClean(disk), 'the data partition was not unmounted');
    const state = slots(disk);
    assert.deepEqual([state.next, state.A.mark, state.B.mark], ['B', 'good', 'good']);
  });
});

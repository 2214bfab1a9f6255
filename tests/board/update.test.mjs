// Updates of a running box: from one slot to the other, refused ones, bad ones that roll back, power cuts on the way.
//
// For the long set (PIXPOP_BOARD): the short one makes its update in boot.test.mjs, with the same image and bundle.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

import { fingerprintOf } from '../support/requests.mjs';
import { bin, build, readPhoto } from '../system/box.mjs';
import { BootedBox, buildBundle, buildImage, developmentKey, keepAsking } from './booted.mjs';
import { makeBundle, makeKey } from './bundles.mjs';
import { builtFile, damagePartition, readFatImage, slots, unpackImage, writeFatImage } from './disk.mjs';
import { upload } from './journey.mjs';
import { limits } from './qemu.mjs';

process.env.PIXPOP_BOARD_PROGRAMS ??= build;
const board = 'qemu-x86_64', old = '0.0.1', newer = '0.0.2', deaf = '0.0.3';
const isLong = process.env.PIXPOP_BOARD !== undefined;
const run = promisify(execFile);
const other = { A: 'B', B: 'A' };
const slotOf = (status, name) => status.slots.find((slot) => slot.name === name);

if (isLong) describe('a box that is updated', () => {
  let folder, disk, box, path, picture, made;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-update-'));
    buildImage(board, old, '--shell');
    made = buildBundle(board, newer, '--shell');
    disk = unpackImage(board, join(folder, 'disk.img'), { version: old, bytes: 2 ** 31 });
    box = new BootedBox({ name: 'update', disk });
    await box.first();
    path = `/i/${await upload(box, box.token, readPhoto())}?w=320&dpr=1&fm=png`;
    picture = await get();
  });
  after(async () => {
    await box?.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  async function get() {
    const reply = await box.request('delivery', path, { seconds: limits.variant });
    assert.equal(reply.status, 200, String(reply.body.subarray(0, 300)));
    return reply.body;
  }

  // What runs is as it was, the pictures too.
  async function assertStays(running) {
    const status = await box.status();
    assert.equal(status.running, running.running);
    assert.equal(status.version, running.version);
    assert.equal(status.health, 'good');
    assert.equal(slotOf(status, status.running).mark, 'good');
    assert.deepEqual(await get(), picture);
    return status;
  }

  it('has_proven_itself', async () => {
    const status = await box.status();
    assert.deepEqual([status.running, status.next, slotOf(status, 'A').mark, slotOf(status, 'B').mark], ['A', 'A', 'good', 'bad']);
  });

  it('takes_an_update_while_it_serves_and_runs_it_after_the_reboot', async () => {
    const asking = keepAsking(box, path);
    const reply = await box.update(readFileSync(made.bundle));
    assert.equal(reply.status, 200, String(reply.body));
    assert.deepEqual([reply.json.result, reply.json.version, reply.json.slot], ['ok', newer, 'B']);
    const { count, dropped } = await asking.stop();
    assert.deepEqual(dropped, []);
    assert.ok(count > 10, `${count} requests`);
    const before = await box.status();
    assert.deepEqual([before.running, before.next, before.is_reboot_needed, slotOf(before, 'B').mark], ['A', 'B', true, 'untried']);
    const status = await box.restart();
    assert.deepEqual([status.running, status.version, status.next, slotOf(status, 'B').mark, slotOf(status, 'A').mark], ['B', newer, 'B', 'good', 'good']);
    assert.deepEqual(await get(), picture);
  });

  it('refuses_bundles_that_are_not_for_it_and_says_why', async () => {
    const running = await box.status();
    const key = developmentKey(), images = { boot: Buffer.alloc(1 << 20, 1), root: Buffer.alloc(1 << 20, 2) };
    const right = { board, version: '0.0.9', ...images, keys: [key] };
    const whole = makeBundle(right);
    const flipped = Buffer.from(whole);
    flipped[whole.length - 1000] ^= 1;
    const inHead = Buffer.from(whole);
    inHead[40] ^= 1;
    for (const [name, bundle, status, text] of [
      ['wrong key', makeBundle({ ...right, keys: [makeKey()] }), 403, /key/],
      ['wrong board', makeBundle({ ...right, board: 'rpi5' }), 409, new RegExp(`^the bundle is for the board rpi5; this is ${board}`)],
      ['older', makeBundle({ ...right, version: '0.0.0' }), 409, /0\.0\.0/],
      ['flipped bit in the head', inHead, 403, /signature|key/],
      ['no bundle', Buffer.alloc(100000, 7), 400, /^this is not an update bundle of pixpop/],
      ['nothing', Buffer.alloc(0), 400, /cut off/],
      ['flipped bit', flipped, 460, /root/],
      ['truncated', whole.subarray(0, whole.length - 1), 400, /cut off|ends|bytes/],
      ['bytes behind the end', Buffer.concat([whole, Buffer.from('x')]), 400, /^there are bytes behind the end/],
    ]) {
      const reply = await box.update(bundle);
      assert.equal(reply.status, status, `${name}: ${reply.body}`);
      assert.match(reply.json.detail, text, name);
      const now = await assertStays(running);
      assert.equal(now.next, running.running, name);
    }
  });

  it('is_updated_by_the_command_line_also_to_an_older_version', async () => {
    const { running } = await box.status();
    const token = join(folder, 'token');
    writeFileSync(token, box.token);
    const fingerprint = await fingerprintOf(box.ports.console);
    const bundle = builtFile(board, '.pixpop', old);
    const words = ['--console', box.url('console'), '--fingerprint', fingerprint, '--token-file', token, 'update', bundle];
    const refused = await run(join(bin, 'pixpop'), words).catch((error) => error);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /older/);
    const { stdout } = await run(join(bin, 'pixpop'), [...words, '--older', '--reboot'], { timeout: limits.rollback * 1000 });
    assert.match(stdout, new RegExp(`version ${old.replaceAll('.', '\\.')} is in slot ${other[running]} and boots next`));
    const status = await box.healthy();
    assert.deepEqual([status.running, status.version], [other[running], old]);
    assert.deepEqual(await get(), picture);
  });

  // Installs what is bad, restarts, and waits for the slot of before.
  async function rollsBack(bundle, { damage, leftTries = 0 } = {}) {
    const running = await box.status(), target = other[running.running];
    const reply = await box.update(bundle);
    assert.equal(reply.status, 200, String(reply.body));
    assert.equal(reply.json.slot, target);
    if (damage) {
      await box.powerCut();
      damage(target);
      await box.start();
    } else {
      assert.equal((await box.api('/system/reboot', { method: 'POST' })).status, 200);
    }
    await box.waitForStatus((status) => status.boot !== running.boot && status.running === running.running && status.health === 'good', limits.rollback);
    const status = await assertStays(running);
    assert.equal(status.next, running.running);
    const { mark, tries } = slotOf(status, target);
    // A kernel that cannot be loaded costs one try: the other slot has its turn in the same start.
    assert.ok(mark === 'bad' || (mark === 'untried' && tries <= leftTries), `slot ${target} is ${mark} with ${tries} tries`);
  }

  it('rolls_back_from_a_kernel_that_is_none', async () => {
    const boot = join(folder, 'boot.img');
    writeFileSync(boot, readFileSync(made.boot));
    assert.ok(readFatImage(boot, 'vmlinuz').length > 1 << 20);
    writeFatImage(boot, 'vmlinuz', Buffer.alloc(4 << 20, 0xa5));
    await rollsBack(makeBundle({ board, version: newer, boot: readFileSync(boot), root: readFileSync(made.root), keys: [developmentKey()] }), { leftTries: 2 });
  });

  it('rolls_back_from_a_root_that_was_damaged_after_the_installation', async () => {
    await rollsBack(readFileSync(made.bundle), {
      damage(target) {
        for (let at = 0; at < 32 << 20; at += 1 << 20) damagePartition(disk, `root${target}`, { at, bytes: 64 });
      },
    });
  });

  it('rolls_back_from_a_version_whose_page_is_dead', async () => {
    const overlay = join(folder, 'overlay'), program = join(overlay, 'usr/lib/pixpop/pixpopd');
    mkdirSync(join(overlay, 'usr/lib/pixpop'), { recursive: true });
    writeFileSync(program, '#!/bin/sh\nexec sleep 1000000\n');
    chmodSync(program, 0o755);
    await rollsBack(readFileSync(buildBundle(board, deaf, '--overlay', overlay).bundle));
  });

  it('keeps_what_runs_when_the_power_goes_during_an_installation', async () => {
    const running = await box.status(), target = other[running.running];
    for (const share of [0.02, 0.5, 0.97]) {
      const replied = box.update(readFileSync(made.bundle)).then((reply) => reply.status, () => 'gone');
      await box.waitForStatus((status) => status.total > 0 && status.done >= share * status.total && ['writing', 'checking'].includes(status.phase), limits.update);
      await box.powerCut();
      assert.equal(await replied, 'gone', 'the installation was over too early');
      const state = slots(disk);
      assert.deepEqual([state.next, state[target].mark], [running.running, 'bad']);
      await box.start();
      await box.healthy(limits.boot);
      await assertStays(running);
    }
    const reply = await box.update(readFileSync(made.bundle));
    assert.equal(reply.status, 200, String(reply.body));
    const status = await box.restart();
    assert.deepEqual([status.running, status.version], [target, newer]);
    assert.deepEqual(await get(), picture);
  });
});

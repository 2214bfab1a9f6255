// The image for real PCs where only hardware of theirs does it: a watchdog that resets the machine, and the key r for the
// rescue system at the boot loader's serial console (at the keyboard: generic.test.mjs). With PIXPOP_BOARD.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { build } from '../system/box.mjs';
import { BootedBox, buildImage, freeze, shell } from './booted.mjs';
import { unpackImage } from './disk.mjs';
import { bearer } from './journey.mjs';
import { limits } from './qemu.mjs';

process.env.PIXPOP_BOARD_PROGRAMS ??= build;

function describePc() {
  let folder, box;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-pc-'));
    buildImage('generic-x86_64', '0.0.3', '--shell');
    const disk = unpackImage('generic-x86_64', join(folder, 'disk.img'), { version: '0.0.3', bytes: 2 ** 31 });
    box = new BootedBox({ name: 'pc', disk, firmware: 'uefi', bus: 'nvme', nic: 'e1000e', watchdog: 'i6300esb', memory: 1024 });
  });
  after(async () => {
    await box?.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is_reset_by_its_watchdog_when_the_one_that_feeds_it_is_frozen', async () => {
    await box.first(limits.slowBoot);
    assert.match(await shell(box, 'cat /sys/class/watchdog/watchdog0/identity'), /i6300ESB/);
    await freeze(box, 'pixpop-system');
    assert.ok(box.events.some(({ event }) => event === 'WATCHDOG'), 'another one has reset it');
  });

  it('starts_the_rescue_system_by_the_key_r_at_the_serial_console_and_a_restart_leads_back', async () => {
    const typing = setInterval(() => box.type('r'), 300);
    try {
      await box.waitFor(/pixpop rescue[\r\n]/, limits.slowBoot);
    } finally {
      clearInterval(typing);
    }
    const [, code] = await box.waitFor(/code +([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})\b/, limits.rescue);
    await box.waitForReply('secure', '/healthz', { seconds: limits.rescue, isWanted: (reply) => String(reply.body) === 'rescue\n' });
    const session = await box.request('secure', '/api/v1/session', { method: 'POST', body: code });
    assert.equal(session.status, 201, String(session.body));
    const headers = bearer(session.json.token);
    assert.match(String((await box.request('secure', '/api/v1/log', { headers })).body), /pixpop\.rescue=key/);
    assert.equal((await box.request('secure', '/api/v1/reboot', { method: 'POST', headers })).status, 202);
    await box.waitForStatus((status) => status.running === 'A' && status.health === 'good', limits.slowBoot);
  });
}

if (process.env.PIXPOP_BOARD) describe('a PC', describePc);

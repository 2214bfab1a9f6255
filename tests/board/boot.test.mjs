// qemu-x86_64 from power-on. The short set: a first start by BIOS, claim, a variant on Vulkan, one update, switching off.
// The long one (PIXPOP_BOARD; updates have a file of their own there): UEFI, a wrong clock, addresses, logs, a power cut
// amid uploads, the same box later on, factory reset, the disk's room. One disk lives through all of it. The images are
// made of the programs of $PIXPOP_BUILD as they lie there.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { fingerprintOf } from '../support/requests.mjs';
import { build, photos, sha256 } from '../system/box.mjs';
import { BootedBox, buildBundle, buildImage, keepAsking, shell } from './booted.mjs';
import { dataBytes, isClean } from './data.mjs';
import { slots, unpackImage } from './disk.mjs';
import { bearer, claim, claimCode, device, upload, variant } from './journey.mjs';
import { limits } from './qemu.mjs';

process.env.PIXPOP_BOARD_PROGRAMS ??= build;
const board = 'qemu-x86_64';
const diskBytes = 3 * 2 ** 30;
const budgetKiB = 7 * 1000;  // of each service's log: current and six older files

const status = async (box) => (await box.api('/status')).json;
const setNetwork = (box, text) => box.api('/system/network', {
  method: 'PUT', body: JSON.stringify({ text }), headers: { 'content-type': 'application/json' },
});

function describeBox() {
  const [photo, ...morePhotos] = photos(4).map((path) => readFileSync(path));
  const kept = new Map();  // id -> digest of what was acknowledged
  let folder, disk, box, identity;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-boot-'));
    buildImage(board, '0.0.1', '--shell');
    disk = unpackImage(board, join(folder, 'disk.img'), { version: '0.0.1', bytes: diskBytes });
    box = new BootedBox({ name: 'boot', disk, firmware: 'uefi', clock: '2020-01-01' });
  });
  after(async () => {
    await box?.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  it('boots_by_uefi_with_a_wrong_clock_and_is_claimed_with_the_code_on_its_console', async () => {
    const { running, version } = await box.first(limits.slowBoot);
    assert.deepEqual([running, version], ['A', '0.0.1']);
    identity = { name: (await status(box)).host_name, fingerprint: await fingerprintOf(box.ports.console) };
    assert.match(identity.name, /^pixpop-[0-9a-z]{4}$/);
  });

  it('sets_the_clock_to_the_day_of_the_image_at_least', async () => {
    const made = Number(await shell(box, 'cat /etc/pixpop/made'));
    const { headers } = await box.request('delivery', '/');
    assert.ok(Date.parse(headers.date) / 1000 >= made, `${headers.date} is before ${new Date(made * 1000)}`);
  });

  it('refuses_a_second_claim_with_the_right_code', async () => {
    const reply = await box.request('console', '/api/v1/claim', {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ code: box.code }),
    });
    assert.equal(reply.status, 409, String(reply.body));
  });

  it('makes_a_variant_on_vulkan', async () => {
    const id = await upload(box, box.token, photo);
    kept.set(id, sha256(photo).toString('hex'));
    await variant(box, id);
    assert.equal((await device(box, box.token)).device.type, 'software');
  });

  it('gives_its_services_no_more_than_they_need', async () => {
    const text = await shell(box, 'grep -hE "^(Uid|CapEff|CapBnd|NoNewPrivs)" /proc/$(pidof pixpopd)/status; ls -ld /data/system /data/system/box /data/pixpop');
    assert.match(text, /Uid:\s+100\s/);
    assert.match(text, /CapEff:\s+0000000000000400\b/);
    assert.match(text, /CapBnd:\s+0000000000000400\b/);
    assert.match(text, /NoNewPrivs:\s+1/);
    assert.match(text, /drwxr-xr-x +\d+ root +root .* \/data\/system\s/);
    for (const name of ['system/box', 'pixpop']) assert.match(text, new RegExp(`drwx------ +\\d+ pixpop +pixpop .* /data/${name}(\\s|$)`));
  });

  it('keeps_its_logs_within_their_budget', async () => {
    // Standard input of pixpopd's log writer is what the service's output goes into.
    const pid = await shell(box, 'for p in $(pidof svlogd); do grep -q pixpopd /proc/$p/cmdline && echo $p; done');
    assert.match(pid, /^\d+$/);
    await shell(box, `yes "a line of some forty bytes in a service log" | head -c 12000000 >/proc/${pid}/fd/0`, limits.update);
    const kib = Number((await shell(box, 'sync; du -sk /data/log/pixpopd')).split(/\s/)[0]);
    assert.ok(kib > 1000 && kib < budgetKiB, `${kib} KiB`);
  });

  it('takes_a_static_address_and_refuses_a_wrong_one', async () => {
    const refused = await setNetwork(box, 'mode static\naddress 10.0.2.300/24\n');
    assert.ok(refused.status >= 400 && refused.status < 500, `${refused.status}`);
    assert.match(refused.json.detail, /line 2/);
    const text = 'mode static\naddress 10.0.2.15/24\ngateway 10.0.2.2\ndns 10.0.2.3\n';
    const taken = await setNetwork(box, text);
    assert.equal(taken.status, 200, String(taken.body));
    await box.waitFor(/page +https:\/\/pixpop-[0-9a-z]{4}\.local:8443\/ +or +https:\/\/10\.0\.2\.15:8443\//);
    await box.waitForReply('console', '/healthz');
    assert.equal((await box.api('/system/network')).json.text, text);
    assert.equal(await shell(box, 'pidof udhcpc'), '');
  });

  it('has_after_a_power_cut_amid_uploads_all_that_it_acknowledged', async () => {
    let isCut = false;
    const uploading = (async () => {
      for (let i = 0; !isCut; i++) {
        const bytes = Buffer.concat([morePhotos[i % morePhotos.length], Buffer.from(`${i}`)]);
        try {
          kept.set(await upload(box, box.token, bytes, `${i}.jpg`), sha256(bytes).toString('hex'));
        } catch (error) {
          if (!isCut) throw error;
        }
      }
    })();
    while (kept.size < 4) await Promise.race([uploading, new Promise((done) => { setTimeout(done, 50); })]);
    isCut = true;
    await box.powerCut();
    await uploading;
    box.options.firmware = 'bios';
    await box.start();
    await box.healthy(limits.boot);
    for (const [id, digest] of kept) {
      const reply = await box.api(`/originals/${id}/content`, { seconds: limits.variant });
      assert.equal(reply.status, 200, `${id}: ${reply.status} ${reply.body.subarray(0, 200)}`);
      assert.equal(sha256(reply.body).toString('hex'), digest);
    }
  });

  it('is_the_same_box_after_that', async () => {
    assert.deepEqual({ name: (await status(box)).host_name, fingerprint: await fingerprintOf(box.ports.console) }, identity);
    assert.equal(await shell(box, 'pidof udhcpc'), '');
  });

  it('is_another_box_after_a_factory_reset', async () => {
    const reply = await box.api('/system/factory-reset', {
      method: 'POST', body: JSON.stringify({ confirm: identity.name }), headers: { 'content-type': 'application/json' },
    });
    assert.equal(reply.status, 200, String(reply.body));
    const reboot = await box.api('/system/reboot', { method: 'POST' });
    assert.ok(reboot.status === 200 || reboot.status === 409 || reboot.status === 423, `${reboot.status} ${reboot.body}`);
    const old = box.token;
    const code = await claimCode(box, limits.boot);
    await box.waitForReply('console', '/healthz');
    assert.equal((await box.request('console', '/api/v1/status', { headers: bearer(old) })).status, 401);
    box.token = await claim(box, code);
    const now = { name: (await status(box)).host_name, fingerprint: await fingerprintOf(box.ports.console) };
    assert.notEqual(now.name, identity.name);
    assert.notEqual(now.fingerprint, identity.fingerprint);
    assert.equal((await status(box)).store.originals, 0);
  });

  it('switches_itself_off_in_good_order_when_asked_to', async () => {
    await box.healthy();
    const reply = await box.api('/system/poweroff', { method: 'POST' });
    assert.equal(reply.status, 200, String(reply.body));
    await box.switchedOff();
    assert.ok(isClean(disk), 'the data partition was not unmounted');
  });

  it('has_grown_the_data_partition_to_the_disk', () => {
    const { end, partition, fileSystem } = dataBytes(disk);
    assert.ok(end > diskBytes - 2 ** 21, `data ends at ${end}`);
    assert.ok(fileSystem > partition - 2 ** 20, `the file system has ${fileSystem} of ${partition} bytes`);
  });
}

function describeStart() {
  let folder, disk, box, id, bundle;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-boot-'));
    buildImage(board, '0.0.1', '--shell');
    ({ bundle } = buildBundle(board, '0.0.2', '--shell'));
    disk = unpackImage(board, join(folder, 'disk.img'), { version: '0.0.1', bytes: 2 * 2 ** 30 });
    box = new BootedBox({ name: 'start', disk });
  });
  after(async () => {
    await box?.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  it('boots_by_bios_is_claimed_with_the_code_on_its_console_and_finds_itself_healthy', async () => {
    const status = await box.first();
    assert.deepEqual([status.board, status.running, status.version], [board, 'A', '0.0.1']);
  });

  it('makes_a_variant_on_vulkan', async () => {
    id = await upload(box, box.token, readFileSync(photos(1)[0]));
    await variant(box, id);
    assert.match((await device(box, box.token)).device.name, /llvmpipe/);
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
    await variant(box, id);
  });

  it('switches_itself_off_in_good_order_when_asked_to', async () => {
    const reply = await box.api('/system/poweroff', { method: 'POST' });
    assert.equal(reply.status, 200, String(reply.body));
    await box.switchedOff();
    assert.ok(isClean(disk), 'the data partition was not unmounted');
    const state = slots(disk);
    assert.deepEqual([state.next, state.A.mark, state.B.mark], ['B', 'good', 'good']);
  });
}

if (process.env.PIXPOP_BOARD) describe('a box from its first start to its factory reset', describeBox);
else describe('a box from power-on to its first update', describeStart);

// The first token for a one-time code, and backups: tar archives that tar itself reads.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { idOf, readPhoto, request, sha256, startBox } from './box.mjs';

describe('a box that waits to be claimed', () => {
  let box, folder, claimFile;
  const claim = (body, headers = { 'content-type': 'application/json' }) =>
    request(`${box.console}/api/v1/claim`, { method: 'POST', headers, body: JSON.stringify(body) });
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-claim-'));
    claimFile = join(folder, 'claim');
    writeFileSync(claimFile, `${sha256('K7QX2M9P4TRW').toString('hex')}\n`);
    box = await startBox({ settings: [`console.claim_file=${claimFile}`] });
  });
  after(async () => {
    await box.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  it('prints_no_token_and_lets_nobody_in', async () => {
    assert.equal(box.token, undefined);
    assert.match(box.output, /Nobody has claimed this box yet/);
    assert.deepEqual((await request(`${box.console}/api/v1/session`)).json, { authenticated: false, needs_claim: true });
    assert.equal((await request(`${box.console}/api/v1/status`, { headers: { authorization: 'Bearer x' } })).status, 401);
    assert.equal((await request(`${box.console}/healthz`)).status, 200);
  });

  it('refuses_wrong_codes_and_forms_of_other_sites', async () => {
    assert.equal((await claim({ code: 'AAAA-BBBB-CCCC' })).status, 403);
    assert.equal((await claim({ code: '' })).status, 400);
    assert.equal((await claim({ code: 'K7QX2M9P4TRW' }, { 'content-type': 'text/plain' })).status, 415);
    assert.ok(existsSync(claimFile));
  });

  it('issues_one_token_when_many_claim_at_once', async () => {
    const replies = await Promise.all(Array.from({ length: 8 }, () => claim({ code: 'k7qx-2m9p-4trw' })));
    const issued = replies.filter(({ status }) => status === 201);
    assert.equal(issued.length, 1);
    assert.ok(replies.every(({ status }) => status === 201 || status === 409));
    box.token = issued[0].json.token;
    assert.equal((await box.api('/api/v1/status')).status, 200);
    assert.ok(!existsSync(claimFile));
  });

  it('keeps_the_token_over_a_restart', async () => {
    await box.restart();
    assert.equal((await box.api('/api/v1/status')).status, 200);
    assert.equal((await request(`${box.console}/api/v1/session`)).json.needs_claim, undefined);
    assert.equal((await claim({ code: 'K7QX2M9P4TRW' })).status, 409);
  });

  it('gives_a_backup_that_tar_unpacks_byte_for_byte', async () => {
    const photo = readPhoto();
    const id = await box.put(photo, 'sea.jpg');
    assert.equal((await request(`${box.console}/api/v1/backup`)).status, 401);
    const reply = await box.api('/api/v1/backup');
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['content-type'], 'application/x-tar');
    assert.match(reply.headers['content-disposition'], /^attachment; filename="pixpop-[\w-]*backup-\d{4}-\d\d-\d\d\.tar"$/);
    const unpacked = join(folder, 'unpacked');
    const tar = spawnSync('sh', ['-c', `mkdir ${unpacked} && tar -xf - -C ${unpacked}`], { input: reply.body });
    assert.equal(tar.status, 0, String(tar.stderr));
    assert.equal(idOf(readFileSync(join(unpacked, `originals/default/${id}`))), id);
    const about = JSON.parse(readFileSync(join(unpacked, `originals/default/${id}.json`)));
    assert.equal(about.name, 'sea.jpg');
    assert.equal(about.bytes, photo.length);
    assert.deepEqual(JSON.parse(readFileSync(join(unpacked, 'backup-end.json'))), { originals: 1, omitted_count: 0, omitted: [] });
    assert.equal(JSON.parse(readFileSync(join(unpacked, 'pixpop-backup.json'))).format, 1);
    const head = await box.api('/api/v1/backup', { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(head.body.length, 0);
  });

  it('leaves_a_damaged_original_out_and_says_so', async () => {
    const id = (await box.api('/api/v1/originals')).json.items[0].id;
    const path = join(box.data, 'store/originals', id.slice(0, 2), id);
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.concat([bytes.subarray(0, -1), Buffer.from([bytes.at(-1) ^ 1])]));
    const reply = await box.api('/api/v1/backup');
    const end = reply.body.toString('latin1').match(/\{"originals":.*?\}/)[0];
    assert.deepEqual(JSON.parse(end), { originals: 0, omitted_count: 1, omitted: [id] });
  });
});

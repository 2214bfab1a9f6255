// The bytes of originals over the console: whole, in ranges, as patches (RFC 9842) and as rolling deltas. The witnesses
// are the zstd and rdiff programs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { idOf, readPhoto, sha256, startBox } from './box.mjs';
import { commented, described, noise, noisePicture, retouched } from './edits.mjs';

const block = 64 * 1024;
const inBase64 = (bytes) => sha256(bytes).toString('base64');
const digestField = (bytes) => `sha-256=:${inBase64(bytes)}:`;

describe('bytes of originals', () => {
  let box, folder;
  const small = readPhoto(0), large = noisePicture(1, 1);
  const edited = commented(retouched(large, 1500000, 900, 2), 'edited');
  const path = (bytes, leaf) => `/api/v1/originals/${idOf(bytes)}/${leaf}`;
  const content = (bytes, options) => box.api(path(bytes, 'content'), options);
  const dictionary = (bytes) => ({ 'accept-encoding': 'gzip, dcz', 'available-dictionary': `:${inBase64(bytes)}:` });
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-delta-'));
    box = await startBox();
    for (const bytes of [small, large, edited]) assert.equal(await box.put(bytes, 'picture'), idOf(bytes));
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await box.finish();
  });
  const write = (name, bytes) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };

  for (const [name, bytes] of [['small', small], ['large', large]]) {
    it(`sends_a_${name}_original_as_it_was_uploaded`, async () => {
      const reply = await content(bytes);
      assert.equal(reply.status, 200);
      assert.ok(reply.body.equals(bytes));
      assert.equal(reply.headers.etag, `"${idOf(bytes)}"`);
      assert.equal(reply.headers['content-length'], String(bytes.length));
      assert.equal(reply.headers['repr-digest'], digestField(bytes));
      assert.equal(reply.headers['content-digest'], digestField(bytes));
      assert.match(reply.headers['cache-control'], /^private\b/);
      assert.equal(reply.headers['x-content-type-options'], 'nosniff');
      assert.match(reply.headers['content-disposition'], /^attachment; filename\*=UTF-8''picture$/);
      const since = await content(bytes, { headers: { 'if-modified-since': reply.headers['last-modified'] } });
      assert.equal(since.status, 304);
      assert.equal(since.headers['last-modified'], reply.headers['last-modified']);
      for (const field of ['Accept-Encoding', 'Available-Dictionary', 'Authorization']) assert.match(reply.headers.vary, new RegExp(`\\b${field}\\b`));
      const head = await content(bytes, { method: 'HEAD' });
      assert.equal(head.status, 200);
      assert.equal(head.body.length, 0);
      for (const field of ['content-length', 'etag', 'content-type', 'repr-digest', 'vary']) assert.equal(head.headers[field], reply.headers[field]);
    });

    it(`sends_ranges_of_a_${name}_original`, async () => {
      const etag = `"${idOf(bytes)}"`;
      for (const [from, to] of [[0, 0], [1, block], [block - 1, block], [bytes.length - 5, bytes.length - 1], [100, bytes.length - 1]]) {
        const reply = await content(bytes, { headers: { range: `bytes=${from}-${to}`, 'if-range': etag } });
        assert.equal(reply.status, 206);
        assert.equal(reply.headers['content-range'], `bytes ${from}-${to}/${bytes.length}`);
        assert.ok(reply.body.equals(bytes.subarray(from, to + 1)), `${from}-${to}`);
        assert.equal(reply.headers['repr-digest'], digestField(bytes));
      }
      assert.equal((await content(bytes, { headers: { range: 'bytes=5-6', 'if-range': '"another"' } })).status, 200);
      assert.equal((await content(bytes, { headers: { range: `bytes=${bytes.length}-` } })).status, 416);
      assert.equal((await content(bytes, { headers: { 'if-none-match': etag } })).status, 304);
      assert.equal((await content(bytes, { headers: { 'if-match': '"another"' } })).status, 412);
      const several = await content(bytes, { headers: { range: 'bytes=0-9,1000-1009' } });
      assert.ok(several.status === 206 || several.body.equals(bytes));  // both are allowed
    });
  }

  it('sends_a_patch_as_a_download_and_none_to_who_has_the_bytes', async () => {
    const patch = await content(edited, { headers: dictionary(large) });
    assert.equal(patch.headers['content-encoding'], 'dcz');
    assert.match(patch.headers['content-disposition'], /^attachment; filename\*=UTF-8''picture$/);
    for (const tag of [`"${idOf(edited)}"`, `W/"${idOf(edited)}"`, '*']) {
      const reply = await content(edited, { headers: { ...dictionary(large), 'if-none-match': tag } });
      assert.equal(reply.status, 304, tag);
      assert.equal(reply.headers.etag, `"${idOf(edited)}"`);
    }
    assert.equal((await content(edited, { headers: { ...dictionary(large), 'if-none-match': patch.headers.etag } })).status, 304);
  });

  it('keeps_the_connection_after_a_large_original', async () => {
    const { Agent } = await import('node:http');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    assert.ok((await content(large, { agent })).body.equals(large));
    const reply = await content(large, { agent, headers: { range: 'bytes=0-2000000' } });
    assert.ok(reply.body.equals(large.subarray(0, 2000001)));
    assert.equal(reply.headers.connection, 'keep-alive');
    agent.destroy();
  });

  it('refuses_whom_it_does_not_know_and_what_it_does_not_have', async () => {
    for (const leaf of ['content', 'leaves']) {
      assert.equal((await box.api(path(small, leaf), { headers: { authorization: 'Bearer wrong' } })).status, 401);
      assert.equal((await box.api(path(Buffer.from('nobody has this'), leaf))).status, 404);
      assert.equal((await box.api(`/api/v1/originals/short/${leaf}`)).status, 404);
      assert.equal((await box.api(path(small, leaf), { method: 'POST' })).status, 405);
    }
  });

  it('sends_a_patch_that_zstd_reads', async () => {
    const reply = await content(edited, { headers: dictionary(large) });
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['content-encoding'], 'dcz');
    assert.ok(reply.body.length < 5000, `${reply.body.length} bytes`);
    assert.equal(reply.body.subarray(0, 8).toString('hex'), '5e2a4d1820000000');
    assert.equal(reply.body.subarray(8, 40).toString('hex'), sha256(large).toString('hex'));
    const made = execFileSync('zstd', ['-d', '-c', '--long=27', `--patch-from=${write('old', large)}`, write('patch.zst', reply.body)], { maxBuffer: 2 ** 28 });
    assert.ok(made.equals(edited));
  });

  it('gives_a_patch_its_own_validators', async () => {
    const whole = await content(edited), patch = await content(edited, { headers: dictionary(large) });
    assert.notEqual(patch.headers.etag, whole.headers.etag);
    assert.equal(patch.headers['repr-digest'], digestField(patch.body));
    assert.equal(patch.headers['content-digest'], digestField(patch.body));
    assert.equal(patch.headers.vary, whole.headers.vary);
    assert.equal(patch.headers['content-type'], whole.headers['content-type']);
    const head = await content(edited, { method: 'HEAD', headers: dictionary(large) });
    assert.equal(head.headers['content-length'], String(patch.body.length));
    assert.equal(head.headers.etag, patch.headers.etag);
    const fresh = await content(edited, { headers: { ...dictionary(large), 'if-none-match': patch.headers.etag } });
    assert.equal(fresh.status, 304);
    const part = await content(edited, { headers: { ...dictionary(large), range: 'bytes=10-19' } });
    assert.equal(part.status, 206);
    assert.ok(part.body.equals(patch.body.subarray(10, 20)));
    const rest = await content(edited, { headers: { ...dictionary(large), range: 'bytes=10-19', 'if-range': whole.headers.etag } });
    assert.equal(rest.status, 200);
  });

  it('sends_a_small_patch_for_other_metadata', async () => {
    const titled = described(small, 'a title');
    await box.put(titled, 'titled.jpg');
    const reply = await content(titled, { headers: dictionary(small) });
    assert.equal(reply.headers['content-encoding'], 'dcz');
    assert.ok(reply.body.length < 1000, `${reply.body.length} bytes`);
  });

  it('sends_the_whole_when_a_patch_is_not_asked_for_or_not_worth_it', async () => {
    const offers = [
      { ...dictionary(large), 'accept-encoding': 'gzip, br' },
      { ...dictionary(large), 'accept-encoding': 'dcz;q=0' },
      { ...dictionary(large), 'accept-encoding': 'dcz; q=0.000' },
      { 'accept-encoding': 'dcz' },
      dictionary(small),  // has nothing in common with it
      dictionary(edited),  // the same
      dictionary(Buffer.from('nobody has this')),
      { 'accept-encoding': 'dcz', 'available-dictionary': inBase64(large) },
      { 'accept-encoding': 'dcz', 'available-dictionary': ':AAAA:' },
      { 'accept-encoding': 'dcz', 'available-dictionary': ':' },
    ];
    for (const headers of offers) {
      const reply = await content(edited, { headers });
      assert.equal(reply.headers['content-encoding'], undefined, JSON.stringify(headers));
      assert.ok(reply.body.equals(edited));
    }
  });

  it('lists_the_leaves_of_the_tree', async () => {
    const reply = await box.api(path(large, 'leaves'));
    const leaves = [];
    for (let at = 0; at < large.length; at += block) leaves.push(createHash('sha256').update('\0').update(large.subarray(at, at + block)).digest());
    assert.ok(reply.body.equals(Buffer.concat(leaves)));
    assert.equal((await box.api(path(large, 'leaves'), { headers: { 'if-none-match': reply.headers.etag } })).status, 304);
  });

  const delta = (bytes, signature, headers = {}) => box.api(path(bytes, 'delta'), {
    method: 'POST', body: signature, headers: { 'content-type': 'application/octet-stream', 'content-length': signature.length, ...headers },
  });
  const sign = (bytes, ...options) => {
    const out = join(folder, 'signature');
    execFileSync('rdiff', ['-f', ...options, 'signature', write('signed', bytes), out]);
    return readFileSync(out);
  };

  it('makes_a_delta_that_rdiff_applies', async () => {
    const ours = retouched(large.subarray(0, 2900000), 77777, 100, 9);  // the box never had it
    const reply = await delta(edited, sign(ours, '-b', '4096', '-S', '8'));
    assert.equal(reply.status, 200);
    assert.ok(reply.body.length < 150000, `${reply.body.length} bytes`);
    assert.equal(reply.headers['content-digest'], digestField(reply.body));
    execFileSync('rdiff', ['-f', 'patch', write('ours', ours), write('delta', reply.body), join(folder, 'made')]);
    assert.ok(readFileSync(join(folder, 'made')).equals(edited));
  });

  it('packs_a_delta_for_whoever_takes_zstd', async () => {
    const plain = Buffer.concat([large.subarray(0, 17), Buffer.alloc(3000000, 'a long word ')]);  // its literals pack well
    await box.put(plain, 'plain.ppm');
    const signature = sign(noise(200000, 70), '-b', '4096', '-S', '8');
    assert.equal((await delta(plain, signature)).status, 204);
    const known = sign(Buffer.concat([plain.subarray(0, 1000000), noise(300000, 71)]), '-b', '4096', '-S', '8');
    const [whole, packed] = [await delta(plain, known), await delta(plain, known, { 'accept-encoding': 'br, zstd' })];
    assert.equal(whole.headers['content-encoding'], undefined);
    assert.equal(packed.headers['content-encoding'], 'zstd');
    assert.equal(packed.headers.vary, 'Accept-Encoding');
    assert.equal(packed.headers['content-digest'], digestField(packed.body));
    assert.ok(packed.body.length < whole.body.length);
    assert.ok(execFileSync('zstd', ['-d', '-c', write('packed.zst', packed.body)], { maxBuffer: 2 ** 28 }).equals(whole.body));
  });

  it('says_when_the_whole_is_no_worse_than_a_delta', async () => {
    const reply = await delta(edited, sign(noise(1000000, 50), '-b', '4096', '-S', '8'));
    assert.equal(reply.status, 204);
  });

  it('refuses_signatures_that_are_none', async () => {
    const good = sign(large, '-b', '4096', '-S', '8');
    const huge = Buffer.from(good);
    huge.writeUInt32BE(0x7fffffff, 4);
    for (const signature of [Buffer.alloc(0), good.subarray(0, 11), good.subarray(0, 100), Buffer.from('hello, hello, hello'), huge]) {
      const reply = await delta(edited, signature);
      assert.equal(reply.status, 400, `${signature.length} bytes`);
      assert.equal(reply.json.subject, 'signature');
    }
    assert.equal((await delta(edited, good, { 'content-type': 'text/plain' })).status, 415);
    assert.equal((await delta(edited, Buffer.alloc(70000))).status, 413);
    assert.equal((await delta(Buffer.from('nobody has this'), good)).status, 404);
    assert.equal((await delta(edited, good, { authorization: 'Bearer wrong' })).status, 401);
  });

  // One row whose rolling sum fits at every byte of a run, and whose other sum does not: a block is hashed for each of them.
  it('stops_although_a_signature_keeps_it_busy', async () => {
    const other = await startBox();
    const black = Buffer.concat([Buffer.from('P6 2000 2000 255\n'), Buffer.alloc(12000000)]);
    const endless = sign(Buffer.alloc(65536), '-b', '65536', '-S', '32');
    endless.fill(0x55, endless.length - 32);
    await other.put(black, 'black.ppm');
    const asked = other.api(path(black, 'delta'), {
      method: 'POST', body: endless, headers: { 'content-type': 'application/octet-stream', 'content-length': endless.length },
    }).catch((error) => error);
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal((await other.api('/healthz')).status, 200);
    const ended = await other.stop();
    assert.deepEqual([ended.code, ended.signal], [0, null]);
    const reply = await asked;
    assert.ok(reply instanceof Error || reply.status === 204, `${reply.status}`);
    await other.finish();
  });

  it('sends_the_sound_blocks_of_a_damaged_original_and_never_the_others', async () => {
    const bytes = noisePicture(0.9, 60), id = idOf(bytes), at = 1600000;
    await box.put(bytes, 'damaged');
    const file = openSync(join(box.data, 'store/originals', id.slice(0, 2), id), 'r+');
    writeSync(file, Buffer.from([bytes[at] ^ 1]), 0, 1, at);
    closeSync(file);
    const sound = await content(bytes, { headers: { range: `bytes=0-${block - 1}` } });
    assert.ok(sound.body.equals(bytes.subarray(0, block)));
    assert.equal((await content(bytes, { headers: { range: `bytes=${at}-${at}` } })).status, 500);
    // The whole begins before it comes upon the damage, and then breaks off; no patch is made of it.
    for (const headers of [{}, dictionary(large)]) {
      const whole = await content(bytes, { headers }).catch((error) => error);
      assert.ok(whole instanceof Error || whole.status === 500, `${whole.status} ${whole.body?.length}`);
    }
    assert.match(box.log, /damage|not what they were/);
  });
});

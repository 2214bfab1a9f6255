// The ledger over HTTP: what goes to whom (unsigned, signed, with a token, public), headers, conditions and ranges, and
// every way to be refused; and what the box says of itself in status, configuration entries and --new-ledger.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { described } from './edits.mjs';
import { bin, idOf, metric, readPhoto, sha256, sleep, startBox } from './box.mjs';
import { parseProof, parseSubject } from './tlog.mjs';

const field = (bytes) => `sha-256=:${sha256(bytes).toString('base64')}:`;
const quick = ['render.resampler=cpu'];  // nothing to calibrate at the start
const secret = 'key-of-a-test';
function sign(path, options = {}) {
  const text = Object.keys(options).sort().map((name) => `${name}=${options[name]}`).join('&');
  const signed = text ? `${path}?${text}` : path;
  return `${signed}${text ? '&' : '?'}sig=${createHmac('sha256', secret).update(`s-1${signed}`).digest('base64url')}`;
}
const sizeOf = (checkpoint) => Number(checkpoint.toString().split('\n')[1]);
const nowS = () => Math.floor(Date.now() / 1000);
const isNoStore = (reply) => assert.equal(reply.headers['cache-control'], 'no-store');

describe('the ledger over HTTP', () => {
  let box, folder, config, id, variant;
  const write = (...lines) => writeFileSync(config, `${lines.join('\n')}\n[tenant locked]\nhosts = locked.test\nunsigned = none\nsign_keys = ${secret}:s-1\n`);
  const locked = { headers: { host: 'locked.test' } };
  const withToken = (more = {}) => ({ headers: { ...box.bearer, ...more } });
  const status = async () => (await box.api('/api/v1/status')).json;
  const reload = async (...lines) => {
    const seen = box.log.split('configuration reloaded').length;
    write(...lines);
    box.child.kill('SIGHUP');
    for (let i = 0; i < 100 && box.log.split('configuration reloaded').length === seen; i++) await sleep(50);
  };
  const entriesPath = async () => {
    const size = sizeOf((await box.get('/ledger/checkpoint')).body);
    return { size, hashes: `/ledger/tile/0/000.p/${size}`, entries: `/ledger/tile/entries/000.p/${size}` };
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-ledger-'));
    config = join(folder, 'box.ini');
    write('[ledger]', 'commit_ms = 50');
    box = await startBox({ config, settings: quick });
    const photo = readPhoto();
    id = await box.put(photo);
    variant = await box.get(`/i/${id}?w=320&fm=webp&dpr=1&q=80`);
    for (let i = 0; i < 100 && (await status()).ledger.signed_size < 3; i++) await sleep(50);
  });
  after(async () => {
    await box.finish();
    rmSync(folder, { recursive: true });
  });

  it('serves_checkpoint_and_hashes_to_everybody', async () => {
    const checkpoint = await box.get('/ledger/checkpoint');
    assert.equal(checkpoint.status, 200);
    assert.equal(checkpoint.headers['content-type'], 'text/plain; charset=utf-8');
    const maxAge = Number(/max-age=(\d+)/.exec(checkpoint.headers['cache-control'])[1]);
    assert.ok(maxAge <= 5 && !checkpoint.headers['cache-control'].includes('immutable'), checkpoint.headers['cache-control']);
    const { ledger } = await status();
    const [origin, size, root] = checkpoint.body.toString().split('\n');
    assert.equal(origin, ledger.origin);
    assert.match(origin, /^pixpop-[0-9a-f]{8}\.local\/ledger$/);
    assert.equal(Number(size), ledger.signed_size);
    assert.equal(Buffer.from(root, 'base64').toString('base64url'), ledger.root);
    const tile = await box.get(`/ledger/tile/0/000.p/${size}`);
    assert.equal(tile.status, 200);
    assert.equal(tile.headers['content-type'], 'application/octet-stream');
    assert.equal(tile.headers['cache-control'], 'public, immutable, max-age=31536000');
    assert.equal(tile.body.length, 32 * size);
    for (const reply of [checkpoint, tile]) {
      assert.equal(reply.headers['content-digest'], field(reply.body));
      assert.equal(reply.headers['repr-digest'], field(reply.body));
      assert.equal(reply.headers.etag, `"${idOf(reply.body)}"`);
      assert.equal(reply.headers['access-control-allow-origin'], '*');
      assert.equal(reply.headers['x-content-type-options'], 'nosniff');
      assert.equal(reply.headers.vary, undefined);
    }
  });

  it('serves_entries_and_proofs_to_who_has_the_token', async () => {
    const { size, entries } = await entriesPath();
    for (const path of [entries, `/ledger/proof/${id}`, `/ledger/proof/${idOf(variant.body)}`]) {
      for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'Basic cGl4OnBvcA==' }, { authorization: '' }]) {
        const refused = await box.get(path, { headers });
        assert.equal(refused.status, 401, path);
        assert.match(refused.headers['www-authenticate'], /^Bearer/);
        assert.equal(refused.headers['access-control-allow-origin'], '*');
        isNoStore(refused);
      }
      const reply = await box.get(path, withToken());
      assert.equal(reply.status, 200, path);
      assert.equal(reply.headers['cache-control'], 'private, no-store');
      assert.equal(reply.headers.vary, 'Authorization');
    }
    const bundle = await box.get(entries, withToken());
    assert.equal(bundle.body.length, 60 * size);
    const proof = (await box.get(`/ledger/proof/${id}`, withToken())).body.toString();
    assert.match(proof, /^c2sp\.org\/tlog-proof@v1\nextra [A-Za-z0-9+/=]+\nindex \d+\n/);
    assert.ok(Buffer.from(/^extra (.*)$/m.exec(proof)[1], 'base64').includes(`original ${id}\n`));
  });

  it('is_checked_by_hand_as_the_manual_says', async () => {
    const manual = readFileSync(new URL('../../firmware/integrity/ledger.md', import.meta.url), 'utf8');
    writeFileSync(join(folder, 'check.py'), /```python\n([^]*?)```/.exec(manual)[1]);
    const { ledger } = await status();
    const run = (program, ...args) => new Promise((done) => execFile(program, args, { cwd: folder }, (error, stdout, stderr) => done({ code: error?.code ?? 0, stdout, stderr })));
    const check = async () => {
      const read = await run('python3', 'check.py', 'proof', 'object', ledger.vkey);
      if (read.code !== 0) return read.stderr.trim().split('\n').at(-1);
      const verified = await run('openssl', 'pkeyutl', '-verify', '-pubin', '-inkey', 'key.pem', '-rawin', '-in', 'text', '-sigfile', 'signature');
      return verified.code === 0 ? 'right' : 'the signature is wrong';
    };
    for (const bytes of [readPhoto(), variant.body]) {
      const proof = (await box.get(`/ledger/proof/${idOf(bytes)}`, withToken())).body;
      const others = Buffer.from(bytes);
      others[others.length >> 1] ^= 1;
      const size = proof.toString().replace(/\n(\d+)\n(?=[^\n]{44}\n\n)/, (_, digits) => `\n${digits}0\n`);
      writeFileSync(join(folder, 'object'), bytes);
      writeFileSync(join(folder, 'proof'), proof);
      assert.equal(await check(), 'right');
      writeFileSync(join(folder, 'proof'), size);
      assert.notEqual(size, proof.toString());
      assert.notEqual(await check(), 'right');
      writeFileSync(join(folder, 'proof'), proof);
      writeFileSync(join(folder, 'object'), others);
      assert.equal(await check(), 'AssertionError: these are other bytes');
    }
  });

  it('does_not_tell_strangers_what_is_there', async () => {
    const unknown = await box.get(`/ledger/proof/${idOf('nothing')}`);
    const known = await box.get(`/ledger/proof/${id}`);
    assert.equal(unknown.status, 401);
    assert.deepEqual({ ...unknown.json, request_id: '' }, { ...known.json, request_id: '' });
    assert.equal((await box.get(`/ledger/proof/${idOf('nothing')}`, withToken())).status, 404);
  });

  it('proves_objects_to_their_tenant_only', async () => {
    assert.equal((await box.get(`/ledger/proof/${id}`, withToken({ host: 'locked.test' }))).status, 404);
  });

  it('wants_a_signature_or_the_token_where_nothing_goes_unsigned', async () => {
    const { hashes, entries } = await entriesPath();
    for (const path of ['/ledger/checkpoint', hashes]) {
      const refused = await box.get(path, locked);
      assert.equal(refused.status, 403);
      assert.match(refused.json.detail, /must be signed/);
      isNoStore(refused);
      const signed = await box.get(sign(path), locked);
      assert.equal(signed.status, 200);
      assert.match(signed.headers['cache-control'], /^public/);
      assert.equal(signed.headers.vary, undefined);
      const known = await box.get(path, withToken(locked.headers));
      assert.equal(known.status, 200);
      assert.equal(known.headers['cache-control'], 'private, no-store');
      assert.equal(known.headers.vary, 'Authorization');
      assert.equal((await box.get(path, { headers: { ...locked.headers, authorization: 'Bearer wrong' } })).status, 401);
    }
    assert.equal((await box.get(sign(entries), locked)).status, 401);
  });

  it('checks_every_signature_and_expiry_that_comes', async () => {
    const { hashes } = await entriesPath();
    const wrong = sign(hashes).replace(/.$/, (last) => (last === 'A' ? 'E' : 'A'));
    assert.equal((await box.get(wrong, locked)).status, 403);
    assert.equal((await box.get(wrong)).status, 403);
    assert.equal((await box.get(sign('/ledger/checkpoint').replace('checkpoint', 'tile/0/000.p/1'), locked)).status, 403);
    const soon = await box.get(sign(hashes, { exp: nowS() + 600 }), locked);
    assert.equal(soon.status, 200);
    const maxAge = Number(/^public, max-age=(\d+)$/.exec(soon.headers['cache-control'])[1]);
    assert.ok(maxAge > 500 && maxAge <= 600, soon.headers['cache-control']);
    assert.equal((await box.get(sign(hashes, { exp: nowS() - 5 }), locked)).status, 410);
    for (const query of ['?w=100', `?exp=${nowS() + 60}`, '?exp=x', '?sig=a&sig=b', '?exp']) {
      const refused = await box.get(`/ledger/checkpoint${query}`);
      assert.equal(refused.status, 400, query);
      isNoStore(refused);
    }
  });

  it('answers_conditions_ranges_and_heads', async () => {
    const { hashes } = await entriesPath();
    const whole = await box.get(hashes);
    const same = await box.get(hashes, { headers: { 'if-none-match': whole.headers.etag } });
    assert.equal(same.status, 304);
    assert.equal(same.headers['repr-digest'], field(whole.body));
    assert.equal(same.headers['content-digest'], undefined);
    assert.equal((await box.get(hashes, { headers: { 'if-none-match': '"other"' } })).status, 200);
    const failed = await box.get(hashes, { headers: { 'if-match': '"other"' } });
    assert.equal(failed.status, 412);
    assert.equal(failed.headers['access-control-allow-origin'], '*');
    isNoStore(failed);
    const part = await box.get(hashes, { headers: { range: 'bytes=32-63' } });
    assert.equal(part.status, 206);
    assert.deepEqual(part.body, whole.body.subarray(32, 64));
    assert.equal(part.headers['content-digest'], field(part.body));
    assert.equal((await box.get(hashes, { headers: { range: 'bytes=9999-' } })).status, 416);
    for (const path of ['/ledger/checkpoint', hashes]) {
      const head = await box.get(path, { method: 'HEAD' });
      assert.equal(head.status, 200);
      assert.equal(head.body.length, 0);
      assert.ok(Number(head.headers['content-length']) > 0);
    }
    assert.equal((await box.get(`/ledger/proof/${id}`, { method: 'HEAD', ...withToken() })).status, 200);
    assert.equal((await box.get(`/ledger/proof/${id}`, { method: 'HEAD' })).status, 401);
  });

  it('tells_pages_of_other_sites_that_they_may_send_the_token', async () => {
    const reply = await box.get(`/ledger/proof/${id}`, {
      method: 'OPTIONS', headers: { origin: 'https://elsewhere.test', 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' },
    });
    assert.equal(reply.status, 204);
    assert.match(reply.headers['access-control-allow-headers'], /\bAuthorization\b/);
    assert.equal(reply.headers['access-control-allow-methods'], 'GET, HEAD, OPTIONS');
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const refused = await box.get('/ledger/checkpoint', { method });
      assert.equal(refused.status, 405);
      assert.equal(refused.headers.allow, 'GET, HEAD, OPTIONS');
      isNoStore(refused);
    }
  });

  it('knows_one_spelling_of_every_path', async () => {
    const { size, hashes } = await entriesPath();
    const bad = ['', 'checkpoint/', 'Checkpoint', 'tile', 'tile/', 'tile/0', 'tile/0/000', `tile/0/000.p/${size + 1}`, 'tile/0/000.p/0', 'tile/0/000.p/01',
      'tile/0/001', 'tile/0/x000/000', 'tile/1/000', 'tile/1/000.p/1', 'tile/8/000', 'tile/63/000', 'tile/-1/000', 'tile/entries/001.p/1', 'tile/data/000',
      'tile/0/%30%30%30', 'proof', 'proof/', 'proof/short', `proof/${id}=`, `proof/${id.slice(0, 42)}B`, 'key', 'vkey'];
    for (const path of bad) {
      const reply = await box.get(`/ledger/${path}`, withToken());
      assert.equal(reply.status, 404, path);
      isNoStore(reply);
      assert.ok(reply.json.detail, path);
    }
    assert.equal((await box.get(hashes)).status, 200);
    assert.equal((await box.get('/ledger')).status, 404);
  });

  it('serves_the_same_at_the_console_to_who_has_logged_in', async () => {
    const { hashes, entries } = await entriesPath();
    for (const path of ['/ledger/checkpoint', hashes, entries, `/ledger/proof/${id}`]) {
      assert.equal((await box.api(path, { headers: { authorization: '' } })).status, 401);
      const reply = await box.api(path);
      assert.equal(reply.status, 200, path);
      assert.equal(reply.headers['cache-control'], 'private, no-store');
      if (path === hashes || path === entries) assert.deepEqual(reply.body, (await box.get(path, withToken())).body);
    }
    assert.equal((await box.api('/ledger/tile/0/001')).status, 404);
    assert.equal((await box.api('/ledger/checkpoint', { method: 'DELETE' })).status, 405);
  });

  it('opens_entries_and_proofs_when_they_are_made_public', async () => {
    const before = (await status()).ledger.size;
    await reload('[ledger]', 'commit_ms = 50', 'public = on');
    const { entries } = await entriesPath();
    const reply = await box.get(entries);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['cache-control'], 'public, immutable, max-age=31536000');
    const proof = await box.get(`/ledger/proof/${id}`);
    assert.equal(proof.status, 200);
    assert.match(proof.headers['cache-control'], /^public, max-age=\d, must-revalidate$/);
    assert.equal((await box.get(entries, locked)).status, 403);
    assert.equal((await box.get(sign(entries), locked)).status, 200);
    assert.equal((await status()).ledger.size, before + 1, 'the change of the settings is entered');
    await reload('[ledger]', 'commit_ms = 50', 'public = on');
    assert.equal((await status()).ledger.size, before + 1, 'the same settings are not entered again');
    await reload('[ledger]', 'commit_ms = 50');
    assert.equal((await box.get(entries)).status, 401);
    assert.equal((await status()).ledger.size, before + 2);
  });

  it('begins_a_round_of_the_scrubber_and_tells_of_it', async () => {
    const { scrub } = await status();
    assert.equal(scrub.on, true);
    assert.equal((await box.api('/api/v1/scrub')).status, 405);
    assert.equal((await box.api('/api/v1/scrub', { method: 'POST', headers: { authorization: '' } })).status, 401);
    assert.equal((await box.api('/api/v1/scrub', { method: 'POST' })).status, 202);
    for (let i = 0; i < 200 && (await status()).scrub.rounds === scrub.rounds; i++) await sleep(50);
    const { scrub: done } = await status();
    assert.equal(done.rounds, scrub.rounds + 1);
    assert.ok(done.round_objects >= 2 && done.verified_bytes > variant.body.length);
    assert.deepEqual(done.damaged, []);
  });

  it('proves_the_object_that_is_meant_where_several_have_the_same_bytes', async () => {
    const subjectOf = async (digest, query = '') => {
      const path = `/ledger/proof/${digest}${query}`;
      for (let i = 0; ; i++) {
        const reply = await box.get(path, withToken());
        if (reply.status !== 404 || i === 40) {
          assert.equal(reply.status, 200, path);
          return parseSubject(parseProof(reply.body).subject);
        }
        await sleep(50);
      }
    };
    const get = async (one, recipe) => (await box.get(`/i/${one}?${recipe}`)).body;
    // An original that is passed through: its bytes are a variant too.
    const small = await get(id, 'dpr=1&fm=jpeg&q=30&w=200');
    const passed = await box.put(small);
    assert.equal(idOf((await box.get(`/i/${passed}?dpr=1&fm=jpeg&q=80&w=200`)).body), passed, 'it is passed through');
    const derived = await subjectOf(passed, `?original=${passed}&dpr=1&fm=jpeg&q=80&w=200`);
    assert.deepEqual([derived.what, derived.original, derived.variant], ['derive', passed, passed]);
    assert.equal((await subjectOf(passed)).what, 'put');
    // Two originals of the same pixels.
    const titled = await box.put(described(readPhoto(), 'a title'));
    const recipe = 'dpr=1&fm=webp&q=80&w=320';
    const bytes = await get(titled, recipe);
    assert.ok(bytes.equals(variant.body), 'both give the same bytes');
    for (const one of [titled, id]) assert.equal((await subjectOf(idOf(bytes), `?original=${one}&${recipe}`)).original, one);
    for (const one of [titled, id]) assert.equal((await subjectOf(idOf(bytes), `?original=${one}`)).original, one);
    // Two recipes of one picture.
    const twins = ['dpr=1&fm=jpeg&q=80&w=200', 'dpr=1&fm=jpeg&q=95&w=200'];
    for (const one of twins) assert.equal(idOf(await get(passed, one)), passed, 'both give the same bytes');
    for (const one of twins) assert.equal((await subjectOf(passed, `?original=${passed}&${one}`)).recipe, one);
    // What is not so is not found, and what is no question is refused.
    const ask = async (query) => (await box.get(`/ledger/proof/${idOf(bytes)}${query}`, withToken())).status;
    assert.equal(await ask(`?original=${id}&dpr=1&fm=webp&q=80&w=321`), 404);
    assert.equal(await ask(`?original=${passed}`), 404);
    for (const query of ['?original=abc', `?${recipe}`, `?original=${id}&original=${id}`, `?original=${id}&w=%00`, '?original']) assert.equal(await ask(query), 400, query);
    assert.equal(await ask(`?original=${id}&w=${'1'.repeat(300)}`), 400);
    assert.equal((await box.get(`/ledger/checkpoint?original=${id}`)).status, 400);
  });

  it('counts_what_it_serves', async () => {
    const text = (await box.api('/metrics')).body.toString();
    for (const what of ['checkpoint', 'tile', 'entries', 'proof', 'error']) {
      assert.ok(metric(text, 'pixpop_pop_ledger_requests_total', `what="${what}"`) > 0, what);
    }
  });

  it('makes_guessing_slow_without_locking_the_console', async () => {
    let last;
    for (let i = 0; i < 12; i++) last = await box.get(`/ledger/proof/${id}`, { headers: { authorization: `Bearer guess-${i}` } });
    assert.equal(last.status, 429);
    isNoStore(last);
    assert.equal((await box.get(`/ledger/proof/${id}`, withToken())).status, 429);
    assert.equal((await box.api('/api/v1/status')).status, 200);
    assert.equal((await box.get('/ledger/checkpoint')).status, 200);
  });
});

describe('a box whose ledger is off, or begun anew', () => {
  let box;
  const newLedger = (...args) => new Promise((done) => {
    execFile(join(bin, 'pixpopd'), ['--data', box.data, '--new-ledger', ...args], (error, stdout, stderr) => done({ code: error?.code ?? 0, stdout, stderr }));
  });
  before(async () => { box = await startBox({ settings: quick }); });
  after(async () => { await box.finish(); });

  it('keeps_its_key_to_itself', () => {
    const ledger = join(box.data, 'store/ledger');
    assert.equal(statSync(join(ledger, 'key')).mode & 0o777, 0o600);
    assert.ok(readdirSync(ledger).includes('checkpoint'));
  });

  it('begins_a_new_ledger_only_when_it_is_stopped', async () => {
    const id = await box.put(readPhoto(0));
    const { ledger } = (await box.api('/api/v1/status')).json;
    const refused = await newLedger();
    assert.equal(refused.code, 4, refused.stderr);
    assert.match(refused.stderr, /^pixpopd: .*\n$/);
    await box.stop();
    const done = await newLedger();
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /new key/);
    assert.equal(done.stderr, '');
    await box.start();
    const { ledger: next } = (await box.api('/api/v1/status')).json;
    assert.equal(next.state, 'running');
    assert.notEqual(next.vkey, ledger.vkey);
    assert.notEqual(next.origin, ledger.origin);
    let proof;
    for (let i = 0; i < 100 && proof?.status !== 200; i++) {
      proof = await box.get(`/ledger/proof/${id}`, { headers: box.bearer });
      if (proof.status !== 200) await sleep(50);
    }
    assert.ok(proof.body.includes(next.origin), 'what was on the disk is in the new ledger');
    const aside = readdirSync(join(box.data, 'store')).filter((name) => name.startsWith('ledger.'));
    assert.equal(aside.length, 1);
  });

  it('says_so_when_the_ledger_is_halted_and_how_to_go_on', async () => {
    await box.stop();
    const path = join(box.data, 'store/ledger/checkpoint');
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('\n') + 3] ^= 1;
    chmodSync(path, 0o644);
    writeFileSync(path, bytes);
    await box.start();
    const { ledger } = (await box.api('/api/v1/status')).json;
    assert.equal(ledger.state, 'halted');
    assert.match(ledger.reason, /--new-ledger/);
    assert.match(box.log, /--new-ledger/);
    const id = await box.put(readPhoto(1));
    assert.equal((await box.get(`/i/${id}?w=320&fm=jpeg`)).status, 200, 'pictures go on');
    const proof = await box.get(`/ledger/proof/${id}`, { headers: box.bearer });
    assert.equal(proof.status, 409);
    assert.ok(proof.json.detail.length > 10);
  });

  it('serves_nothing_of_it_when_it_is_off', async () => {
    await box.stop();
    box.options.settings = [...quick, 'ledger.on=off', 'scrub.on=off'];
    await box.start();
    const { ledger, scrub } = (await box.api('/api/v1/status')).json;
    assert.equal(ledger.state, 'off');
    assert.equal(scrub.on, false);
    for (const path of ['checkpoint', 'tile/0/000.p/1', 'tile/entries/000.p/1', `proof/${idOf('x')}`]) {
      const reply = await box.get(`/ledger/${path}`, { headers: box.bearer });
      assert.equal(reply.status, 404, path);
    }
    const refused = await box.api('/api/v1/scrub', { method: 'POST' });
    assert.equal(refused.status, 404);
    assert.match(refused.json.detail, /scrub\.on/);
    await box.stop();
    const off = await newLedger('--set', 'ledger.on=off');
    assert.equal(off.code, 2);
    assert.match(off.stderr, /ledger\.on/);
    const nowhere = await newLedger('--data', join(box.data, 'nowhere'));
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.stderr, /there is no ledger in/);
    assert.ok(!readdirSync(box.data).includes('nowhere'));
    await box.start();
  });
});

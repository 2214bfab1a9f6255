// kill -9 at random moments while pictures are put, rendered, purged and deleted: what was acknowledged is in the ledger's files already, what is signed
// only ever grows, and after a start ledger and store say the same. The seed is printed; PIXPOP_SEED repeats a run. PIXPOP_LONG: 100 rounds.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { idOf, sleep, startBox } from './box.mjs';
import { noisePng, random } from './noise.mjs';
import * as tlog from './tlog.mjs';
import { proven, runPixpop, wrong } from './verifying.mjs';

const rounds = process.env.PIXPOP_LONG ? 100 : 3;
const seed = Number(process.env.PIXPOP_SEED ?? Date.now() % 1_000_000);
const next = random(seed);
const between = (low, high) => low + Math.floor(next() * (high - low));
const mostLoadMs = 700;

const verify = (args, token) => runPixpop(['verify', ...args], token ? { PIXPOP_TOKEN: token } : {});

// The entries as they lie on the disk (store/ledger_file.h): [{index, kind, refers, subject}]; a torn one at the end is none.
function readEntries(data) {
  const entries = [];
  for (let bundle = 0; ; bundle++) {
    const path = join(data, 'store/ledger', tlog.tileName('entries', bundle));
    if (!existsSync(path)) return entries;
    const bytes = readFileSync(path);
    for (let at = 0; at + 76 <= bytes.length;) {
      const subjectBytes = bytes.readUInt16BE(at), end = at + 76 + subjectBytes;
      if (end + 8 > bytes.length) return entries;
      const { kind, refers } = tlog.parseEntry(bytes.subarray(at + 2, at + 60));
      entries.push({ index: entries.length, kind, refers, subject: tlog.parseSubject(bytes.subarray(at + 76, end)) });
      at = end + 8;
    }
  }
}

// The ids whose newest put has not ended.
function putsOf(entries) {
  const ended = new Set(entries.filter(({ kind }) => kind === 'evict' || kind === 'purge').map(({ refers }) => refers));
  const newest = new Map(entries.filter(({ kind }) => kind === 'put').map(({ index, subject }) => [subject.original, index]));
  return new Set([...newest].filter(([, index]) => !ended.has(index)).map(([id]) => id));
}

// What the box has said: an id is 'there', 'gone', or null while nobody knows.
const said = new Map();

async function load(box) {
  let isKilled = false;
  const work = async (act) => {
    try {
      while (!isKilled) await act();
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    }
  };
  const put = async () => {
    const bytes = noisePng(next, between(20, 120), between(20, 200)), id = idOf(bytes);
    said.set(id, null);
    const reply = await box.upload(bytes, 'noise.png');
    assert.equal(reply.status, 201, reply.body.toString());
    said.set(id, 'there');
  };
  const someId = () => { const ids = [...said].filter(([, what]) => what === 'there').map(([id]) => id); return ids[between(0, ids.length)]; };
  const render = async () => {
    const id = someId();
    if (!id) return sleep(5);
    const reply = await box.get(`/i/${id}?dpr=1&fm=webp&w=${between(8, 60)}`);
    assert.ok([200, 404].includes(reply.status), reply.body.toString());
  };
  const remove = async () => {
    await sleep(between(5, 60));
    const id = someId();
    if (!id) return;
    said.set(id, null);
    const reply = await box.api(`/api/v1/originals/${id}`, { method: 'DELETE' });
    assert.equal(reply.status, 204, reply.body.toString());
    said.set(id, 'gone');
  };
  const purge = async () => {
    await sleep(between(10, 120));
    const id = someId();
    if (!id) return;
    const reply = await box.api('/api/v1/purge', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ id }) });
    assert.ok([200, 404].includes(reply.status), reply.body.toString());
  };
  const all = [put, put, render, render, remove, purge].map(work);
  await sleep(between(20, mostLoadMs));
  isKilled = true;
  await box.stop('SIGKILL');
  await Promise.all(all);
}

it(`the_ledger_says_what_the_store_has_after_kill_9_in_${rounds}_rounds`, async (test) => {
  test.diagnostic(`PIXPOP_SEED=${seed}`);
  const folder = mkdtempSync(join(tmpdir(), 'pixpop-ledger-'));
  const state = join(folder, 'state.json');
  const box = await startBox({ settings: ['render.resampler=cpu'] });
  const status = async () => (await box.api('/api/v1/status')).json.ledger;
  const vkey = tlog.parseVkey((await status()).vkey);
  const read = async (name) => {
    const reply = await box.get(`/ledger/tile/${name}`, { headers: box.bearer });
    assert.equal(reply.status, 200, `${name}: ${reply.body}`);
    return reply.body;
  };
  let before = { size: 0 }, leaves = [];
  for (let round = 0; round < rounds; round++) {
    const where = `round ${round} of PIXPOP_SEED=${seed}`;
    await load(box);
    // As the kill left it.
    const puts = putsOf(readEntries(box.data));
    for (const [id, what] of said) {
      if (what === 'there') assert.ok(puts.has(id), `${where}: ${id} was acknowledged and is not in the ledger`);
      if (what === 'gone') assert.ok(!puts.has(id), `${where}: the deletion of ${id} was acknowledged and is not in the ledger`);
    }
    const dead = await verify(['--offline', box.data, '--state', state]);
    assert.notEqual(dead.status, wrong, `${where}: ${dead.text}`);
    await box.start();
    assert.equal((await status()).state, 'running', where);
    // Running, by its files and by its API.
    const offline = await verify(['--offline', box.data, '--state', state]);
    assert.equal(offline.status, proven, `${where}: ${offline.text}`);
    const online = await verify([box.console, '--state', state], box.token);
    assert.equal(online.status, proven, `${where}: ${online.text}`);
    const now = tlog.openCheckpoint((await box.get('/ledger/checkpoint')).body, vkey);
    const log = await tlog.auditLog(read, now);
    assert.ok(now.size >= before.size, where);
    assert.deepEqual(log.leaves.slice(0, leaves.length), leaves, `${where}: what was signed before has changed`);
    tlog.checkConsistency(before, now, before.size > 0 ? tlog.consistencyOf(log.leaves, before.size) : []);
    [before, leaves] = [now, log.leaves];
    // What nobody was told is settled now.
    for (const [id, what] of said) {
      const reply = await box.api(`/api/v1/originals/${id}`);
      assert.equal(reply.status, what === 'there' ? 200 : what === 'gone' ? 404 : reply.status, `${where}: ${id}`);
      said.set(id, reply.status === 200 ? 'there' : 'gone');
    }
    const settled = putsOf(readEntries(box.data));
    assert.deepEqual([...settled].sort(), [...said].filter(([, what]) => what === 'there').map(([id]) => id).sort(), where);
  }
  assert.ok(before.size > said.size && said.size > 0);
  test.diagnostic(`${said.size} originals, ${before.size} entries`);
  await box.finish();
  rmSync(folder, { recursive: true });
});

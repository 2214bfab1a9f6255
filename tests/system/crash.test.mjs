// kill -9 at random moments while uploads come: nothing that was acknowledged is lost, nothing is left over. The seed is
// printed; PIXPOP_SEED repeats a run. PIXPOP_LONG: 200 rounds.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { idOf, sleep, startBox } from './box.mjs';
import { noisePng, random } from './noise.mjs';

const rounds = process.env.PIXPOP_LONG ? 200 : 6;
const seed = Number(process.env.PIXPOP_SEED ?? Date.now() % 1_000_000);
const next = random(seed);
const between = (low, high) => low + Math.floor(next() * (high - low));
const version = { 'tus-resumable': '1.0.0' };
const sessionCount = 4;
const mostLoadMs = 600;

// All of a run's state: what the box has said.
const sessions = [];         // {bytes, path, acked, id}: id once the box has named the original
const promised = new Map();  // ids that the box has said to have stored

const newPicture = () => noisePng(next, between(100, 200), between(60, 160));

// Makes and fills one session until the box dies; what the box has answered counts.
async function fill(box, session) {
  if (!session.path) {
    const reply = await box.api('/api/v1/uploads', { method: 'POST', headers: { ...version, 'upload-length': String(session.bytes.length) } });
    assert.equal(reply.status, 201, reply.body.toString());
    session.path = reply.headers.location;
  }
  const head = await box.api(session.path, { method: 'HEAD', headers: version });
  assert.equal(head.status, 200, `HEAD ${head.status}`);
  let offset = Number(head.headers['upload-offset']);
  assert.ok(offset >= session.acked, `${session.acked} bytes were acknowledged, ${offset} are there`);
  session.id = head.headers['pixpop-original'];
  while (!session.id) {
    const chunk = session.bytes.subarray(offset, offset + session.chunk);
    // With and without, in any order: a chunk that was cut off must not take back what comes after it.
    const checksum = next() < 0.4 ? { 'upload-checksum': `sha256 ${createHash('sha256').update(chunk).digest('base64')}` } : {};
    const reply = await box.api(session.path, {
      method: 'PATCH', body: chunk,
      headers: { ...version, ...checksum, 'content-type': 'application/offset+octet-stream', 'upload-offset': String(offset) },
    });
    assert.equal(reply.status, 204, reply.body.toString());
    offset = session.acked = Number(reply.headers['upload-offset']);
    session.id = reply.headers['pixpop-original'];
  }
  assert.equal(session.id, idOf(session.bytes));
  promised.set(session.id, session.bytes.length);
}

async function post(box, isGoingOn) {
  while (isGoingOn()) {
    const files = [newPicture(), newPicture()];
    const boundary = 'a-boundary';
    const body = Buffer.concat([...files.flatMap((bytes, i) => [
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="image"; filename="${i}.png"\r\n\r\n`), bytes, Buffer.from('\r\n'),
    ]), Buffer.from(`--${boundary}--\r\n`)]);
    const reply = await box.api('/api/v1/originals', { method: 'POST', body, headers: { 'content-type': `multipart/form-data; boundary=${boundary}` } });
    assert.equal(reply.status, 201, reply.body.toString());
    assert.deepEqual(reply.json.map(({ id }) => id), files.map(idOf));
    for (const bytes of files) promised.set(idOf(bytes), bytes.length);
  }
}

// Failures of a connection are the point; failures of an assertion are not.
function whileAlive(work) {
  return work.catch((error) => { if (error instanceof assert.AssertionError) throw error; });
}

async function load(box) {
  const end = Date.now() + between(20, mostLoadMs);
  let isKilled = false;
  const isGoingOn = () => !isKilled;
  const feed = async () => {
    while (isGoingOn()) {
      const session = { bytes: newPicture(), acked: 0, chunk: between(4, 40) * 1024 };
      sessions.push(session);
      await fill(box, session);
    }
  };
  const open = sessions.filter(({ id, path }) => path && !id).slice(0, sessionCount);
  const work = [
    ...open.map((session) => fill(box, session)),
    ...Array.from({ length: sessionCount - open.length }, feed),
    post(box, isGoingOn), post(box, isGoingOn),
  ].map(whileAlive);
  await sleep(Math.max(0, end - Date.now()));
  isKilled = true;
  const restarted = box.restart('SIGKILL');
  await Promise.all(work);
  await restarted;
}

function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)]));
}

async function check(box) {
  const store = join(box.data, 'store');
  // Sessions whose last byte had come are checked by the box itself as it starts.
  const list = async () => (await box.api('/api/v1/uploads')).json.items;
  let items = await list();
  for (let i = 0; i < 200 && items.some(({ state, is_locked }) => state === 'checking' || is_locked); i++) {
    await sleep(20);
    items = await list();
  }
  const known = new Set(items.map(({ id }) => id));
  assert.deepEqual(readdirSync(join(store, 'tmp')), [], 'tmp/ is empty');
  const partial = readdirSync(join(store, 'partial'));
  for (const name of partial) assert.ok(known.has(name.slice(0, 43)), `partial/${name} belongs to no upload`);
  for (const name of partial.filter((one) => one.length === 43)) assert.ok(partial.includes(`${name}.rec`), `partial/${name} has no record`);
  for (const session of sessions.filter(({ path }) => path)) {
    const reply = await box.api(session.path, { method: 'HEAD', headers: version });
    assert.equal(reply.status, 200, `HEAD of ${session.path} is ${reply.status}`);
    assert.ok(Number(reply.headers['upload-offset']) >= session.acked, `${session.acked} bytes were acknowledged, ${reply.headers['upload-offset']} are there`);
  }
  // Uploads whose creation was answered to nobody stay until they expire; two hundred rounds leave many.
  const paths = new Set(sessions.map(({ path }) => path?.split('/').at(-1)));
  for (const { id } of items.filter((one) => !paths.has(one.id))) {
    assert.equal((await box.api(`/api/v1/uploads/${id}`, { method: 'DELETE', headers: version })).status, 204);
  }
  const originals = new Set(walk(join(store, 'originals')).map((path) => path.split('/').at(-1)));
  for (const name of originals) {
    const id = name.slice(0, 43);
    assert.ok(originals.has(name === id ? `${id}.default.rec` : id), `originals/${name} is alone`);
  }
  for (const [id, bytes] of promised) {
    const content = readFileSync(join(store, 'originals', id.slice(0, 2), id));
    assert.equal(idOf(content), id);
    assert.equal(content.length, bytes);
    assert.equal((await box.api(`/api/v1/originals/${id}`)).status, 200);
  }
  // What has been looked at once needs no other look.
  promised.clear();
  for (let i = sessions.length - 1; i >= 0; i--) if (sessions[i].id || !sessions[i].path) sessions.splice(i, 1);
}

it(`nothing_acknowledged_is_lost_by_kill_9_in_${rounds}_rounds`, async (test) => {
  test.diagnostic(`PIXPOP_SEED=${seed}`);
  const box = await startBox({ settings: ['render.resampler=cpu', 'uploads.sessions=900'] });
  let stored = 0;
  for (let round = 0; round < rounds; round++) {
    await load(box).catch((error) => { throw new Error(`round ${round} of PIXPOP_SEED=${seed}`, { cause: error }); });
    stored += promised.size;
    await check(box).catch((error) => { throw new Error(`round ${round} of PIXPOP_SEED=${seed}`, { cause: error }); });
  }
  for (const session of sessions) await fill(box, session);
  stored += promised.size;
  await check(box);
  test.diagnostic(`${stored} originals were promised and are there`);
  assert.ok(stored > 0);
  await box.finish();
});

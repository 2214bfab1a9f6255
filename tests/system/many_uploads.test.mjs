// Many slow uploads at once: all are taken, and while they wait they cost next to nothing.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import https from 'node:https';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { build, idOf, metric, readPhoto, sleep, startBox } from './box.mjs';

const isLong = Boolean(process.env.PIXPOP_LONG);
const isSanitized = /(asan|tsan)$/.test(build);
const mostHeapKb = 64;  // a waiting client
const poolFiles = 128;  // descriptors that do not grow with the number of clients

const memoryKb = (box, field) => Number(readFileSync(`/proc/${box.child.pid}/status`, 'utf8').match(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm'))[1]);
const descriptors = (box) => readdirSync(`/proc/${box.child.pid}/fd`).length;
// The pictures are small and take long: more slowly than the console wants them by default.
const settings = ['console.connections_per_client=20000', 'console.body_min_rate=8', 'delivery.max_connections=100', 'render.resident=0'];

// A small real photograph.
async function smallPhoto(box) {
  const id = await box.put(readPhoto());
  const { status, body } = await box.get(`/i/${id}?w=320&fm=jpeg&q=70`);
  assert.equal(status, 200);
  return body;
}

// Runs the load in a process of its own; `whileOpen` is called when every client has begun, and
// the clients go on when it is done.
async function load(box, photoPath, { count, seconds, pieces, args = [] }, whileOpen) {
  const child = spawn(join(build, 'tests/slow_uploads'), ['--port', box.consolePort, '--token', box.token, '--file', photoPath, '--connections', count, '--seconds', seconds, '--pieces', pieces, '--wait', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  let watching;
  child.stdout.on('data', (chunk) => {
    text += chunk;
    if (!watching && text.startsWith('open ')) watching = whileOpen().finally(() => child.stdin.end('go'));
  });
  await once(child, 'close');
  await watching;
  return JSON.parse(text.trim().split('\n').at(-1));
}

async function untilReceiving(box, count) {
  let receiving;
  for (let i = 0; i < 200; i++) {
    receiving = (await box.api('/api/v1/status')).json.console.uploads_receiving;
    if (receiving === count) return;
    await sleep(20);
  }
  assert.equal(receiving, count);
}

describe('many slow uploads', () => {
  let box, folder, photoPath;
  before(async () => {
    box = await startBox({ settings });
    await box.deviceIsOpen();
    folder = mkdtempSync(join(tmpdir(), 'pixpop-many-'));
    photoPath = join(folder, 'small.jpg');
    writeFileSync(photoPath, await smallPhoto(box));
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await box.finish();
  });

  async function check(t, shape) {
    const beforeKb = memoryKb(box, 'VmRSS');
    const beforeFiles = descriptors(box);
    let waitingKb, files, healthMs;
    const outcome = await load(box, photoPath, shape, async () => {
      await untilReceiving(box, shape.count);
      waitingKb = (memoryKb(box, 'VmRSS') - beforeKb) / shape.count;
      files = descriptors(box) - beforeFiles;
      const begin = performance.now();
      assert.equal((await box.api('/healthz')).status, 200);
      healthMs = performance.now() - begin;
    });
    t.diagnostic(`${shape.count} uploads in ${outcome.ms} ms: ${waitingKb.toFixed(1)} KiB and ${(files / shape.count).toFixed(2)} descriptors a waiting client, VmHWM ${memoryKb(box, 'VmHWM')} KiB, /healthz in ${healthMs.toFixed(1)} ms`);
    const complaints = box.log.split('\n').filter((line) => /warn|silent|slowly|left after/.test(line)).slice(0, 10);
    assert.deepEqual(outcome.statuses, { [shape.status]: shape.count }, `${JSON.stringify(outcome)}\n${complaints.join('\n')}`);
    // The sanitizers' own memory counts as the box's.
    if (!isSanitized) assert.ok(waitingKb <= mostHeapKb, `${waitingKb} KiB a client`);
    assert.ok(files <= shape.count + poolFiles, `${files} descriptors`);
    return outcome;
  }

  it('all_finish_and_cost_little_while_they_wait', async (t) => {
    await check(t, { count: 300, seconds: 4, pieces: 4, status: 201 });
    const { json } = await box.api('/api/v1/originals?limit=1000');
    assert.equal(json.items.length, 301);
  });

  it('all_finish_as_resumable_uploads_too', async (t) => {
    await check(t, { count: 60, seconds: 2, pieces: 4, status: 204, args: ['--tus'] });
  });

  if (isLong) {
    it('finish_by_the_ten_thousand', async (t) => {
      await check(t, { count: 10000, seconds: 75, pieces: 5, status: 201 });
      const text = (await box.api('/metrics')).body.toString();
      assert.equal(metric(text, 'pixpop_console_refused_connections_total', 'limit="total"'), 0);
    });
  }
});

describe('slow uploads over TLS', () => {
  let box;
  before(async () => {
    box = await startBox({ tls: true, settings: [...settings, 'console.handshake_timeout_ms=30000'] });
    await box.deviceIsOpen();
  });
  after(() => box.finish());

  // Sends the first half of the picture, and the second when it is told to.
  async function uploadSlowly(bytes, go) {
    const request = https.request(`${box.console}/api/v1/originals`, {
      method: 'POST', rejectUnauthorized: false, agent: false,
      headers: { ...box.bearer, 'content-type': 'image/jpeg', 'content-length': bytes.length },
    });
    const replied = once(request, 'response');
    request.write(bytes.subarray(0, bytes.length / 2));
    await go;
    request.end(bytes.subarray(bytes.length / 2));
    const [reply] = await replied;
    let text = '';
    for await (const chunk of reply) text += chunk;
    return { status: reply.statusCode, json: JSON.parse(text) };
  }

  it('are_taken_whole_at_little_cost', async (t) => {
    const count = 60;
    const photo = await smallPhoto(box);
    await uploadSlowly(photo);
    const beforeKb = memoryKb(box, 'VmRSS');
    // Different in a comment behind the first two bytes.
    const pictures = Array.from({ length: count }, (_, i) => Buffer.concat([photo.subarray(0, 2), Buffer.from([0xff, 0xfe, 0, 4, i, i]), photo.subarray(2)]));
    let goOn;
    const go = new Promise((done) => { goOn = done; });
    const uploads = pictures.map((bytes) => uploadSlowly(bytes, go));
    await untilReceiving(box, count);
    const waitingKb = (memoryKb(box, 'VmRSS') - beforeKb) / count;
    t.diagnostic(`${waitingKb.toFixed(1)} KiB a waiting client`);
    goOn();
    if (!isSanitized) assert.ok(waitingKb <= mostHeapKb, `${waitingKb} KiB a client`);
    const replies = await Promise.all(uploads);
    assert.deepEqual(replies.map((reply) => reply.status), pictures.map(() => 201));
    assert.deepEqual(replies.map((reply) => reply.json[0].id), pictures.map(idOf));
  });
});

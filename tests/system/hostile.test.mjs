// Clients that take without giving: what they may not take from the box and from others.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { metric, readPhoto, sha256, sleep, startBox } from './box.mjs';

// Sends bytes and then neither reads nor closes.
async function deafClient(port, bytes) {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.pause();
  await once(socket, 'connect');
  if (bytes) socket.write(bytes);
  return socket;
}

const residentBytes = (box) => {
  const line = readFileSync(`/proc/${box.child.pid}/status`, 'latin1').match(/^VmRSS:\s+(\d+) kB$/m);
  return Number(line[1]) * 1024;
};

const openConnections = async (box) =>
  metric((await box.api('/metrics')).body.toString(), 'pixpop_delivery_connections_open');

async function untilNobodyIsConnected(box) {
  for (let i = 0; i < 100; i++) {
    if ((await openConnections(box)) === 0) return;
    await sleep(100);
  }
  assert.equal(await openConnections(box), 0);
}

describe('ranges of a large variant', () => {
  let box, path, whole;
  before(async () => {
    box = await startBox({ settings: ['delivery.loops=1'] });
    await box.deviceIsOpen();
    path = `/i/${await box.put(readPhoto())}?w=1600&dpr=1&fm=png&q=lossless`;
    whole = (await box.get(path)).body;
    assert.ok(whole.length > 1 << 20);
  });
  after(() => box.finish());

  it('borrows_the_bytes_when_many_clients_ask_and_do_not_read', async () => {
    const clients = [];
    const count = 100;
    const beforeBytes = residentBytes(box);
    for (let i = 0; i < count; i++) {
      clients.push(await deafClient(box.deliveryPort, `GET ${path} HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0,2-\r\n\r\n`));
    }
    // All of them wait with a reply when a new request of the same kind has been answered.
    await box.get(path, { headers: { range: 'bytes=0-0,2-' } });
    await sleep(500);
    const grown = residentBytes(box) - beforeBytes;
    for (const client of clients) client.destroy();
    assert.ok(grown < (count * whole.length) / 4, `${grown} bytes for ${count} clients of ${whole.length} bytes`);
    await untilNobodyIsConnected(box);
  });

  it('hashes_them_beside_the_event_loop', async () => {
    const request = `GET ${path} HTTP/1.1\r\nHost: a\r\nRange: bytes=1-\r\n\r\n`;
    const clients = [];
    for (let i = 0; i < 60; i++) clients.push(await deafClient(box.deliveryPort, request));
    const start = performance.now();
    assert.equal((await box.get('/healthz')).status, 200);
    const waitedMs = performance.now() - start;
    for (const client of clients) client.destroy();
    // On the only loop sixty of them take a second and more.
    assert.ok(waitedMs < 400, `/healthz took ${waitedMs} ms`);
    await untilNobodyIsConnected(box);
  });

  it('sends_the_right_bytes_and_digests', async () => {
    const one = await box.get(path, { headers: { range: 'bytes=100000-' } });
    assert.equal(one.status, 206);
    assert.deepEqual(one.body, whole.subarray(100000));
    const many = await box.get(path, { headers: { range: 'bytes=0-9,1000000-,500-599' } });
    assert.equal(many.status, 206);
    assert.equal(many.headers['content-digest'], `sha-256=:${sha256(many.body).toString('base64')}:`);
    for (const [first, last] of [[0, 9], [1000000, whole.length - 1], [500, 599]]) {
      const head = `Content-Range: bytes ${first}-${last}/${whole.length}\r\n\r\n`;
      const at = many.body.indexOf(head) + head.length;
      assert.deepEqual(many.body.subarray(at, at + last - first + 1), whole.subarray(first, last + 1));
    }
  });
});

describe('connections', () => {
  let box, id;
  before(async () => {
    box = await startBox({
      under: ['prlimit', '--nofile=128:600'],
      settings: ['delivery.loops=1', 'delivery.max_connections=1000', 'delivery.connections_per_client=0', 'console.threads=8'],
    });
    id = await box.put(readPhoto());
  });
  after(() => box.finish());

  it('leave_descriptors_for_the_making_of_pictures', async () => {
    assert.match(box.log, /connections instead of 1000/);
    const clients = [];
    for (let i = 0; i < 320; i++) clients.push(await deafClient(box.deliveryPort));
    await sleep(300);
    // One more is refused, but those that are in get their picture, and the console works.
    assert.equal((await box.get(`/i/${id}?w=150`)).status, 503);
    let text = '';
    clients[0].on('data', (chunk) => { text += chunk.toString('latin1'); });
    clients[0].resume();
    clients[0].write(`GET /i/${id}?w=151 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    await once(clients[0], 'close');
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.equal((await box.upload(readPhoto(1))).status, 201);
    for (const client of clients) client.destroy();
    await untilNobodyIsConnected(box);
    assert.doesNotMatch(box.log, /Too many open files/);
  });

  it('are_given_up_when_clients_vanish_at_any_stage', async () => {
    const stages = [
      '', 'GET /i/', `GET /i/${id}?w=160 HTTP/1.1\r\nHost: a\r\n\r\n`,
      `GET /i/${id}?w=1200&fm=jpeg HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(40), 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1',
    ];
    for (let round = 0; round < 60; round++) {
      const client = await deafClient(box.deliveryPort, stages[round % stages.length]);
      await sleep(round % 7);
      if (round % 2) client.resetAndDestroy(); else client.destroy();
    }
    await untilNobodyIsConnected(box);
    assert.equal((await box.get(`/i/${id}?w=160`)).status, 200);
  });
});

// The public side over HTTP/2, in the clear with prior knowledge and over TLS: curl, nghttp, h2load and node:http2 as
// outside clients; the same replies as over HTTP/1.1.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { metric, readPhoto, sha256, startBox } from './box.mjs';

const run = promisify(execFile);
const curl = (...args) => run('curl', ['-sS', '-k', '-o', '/dev/null', '-w', '%{http_version} %{http_code} %{size_download}', ...args]);
const pinned = 'w=400&dpr=1&fm=webp&q=80';
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const { HTTP2_METHOD_GET, NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = http2.constants;

function frame(type, flags, stream, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

async function connect(url, options = {}) {
  const session = http2.connect(url, { rejectUnauthorized: false, ...options });
  session.on('error', () => {});
  session.farewell = once(session, 'goaway').then(([code]) => code, () => undefined);
  await once(session, 'connect');
  return session;
}

// One exchange; resolves with {status, headers, body, json}.
function ask(session, path, { method = HTTP2_METHOD_GET, headers = {}, body } = {}) {
  return new Promise((done, fail) => {
    const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: body === undefined });
    const chunks = [];
    let head;
    stream.on('response', (received) => { head = received; });
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('error', fail);
    stream.on('close', () => {
      if (!head) { fail(new Error(`no reply to ${path}: closed with ${stream.rstCode}`)); return; }
      const bytes = Buffer.concat(chunks);
      const isJson = /[/+]json/.test(head['content-type'] ?? '');
      done({ status: head[':status'], headers: head, body: bytes, json: isJson && bytes.length > 0 ? JSON.parse(bytes) : undefined });
    });
    if (body !== undefined) stream.end(body);
  });
}

describe('http2', () => {
  let box, id, plain, secure;
  const number = async (name, labels) => metric((await box.api('/metrics')).body.toString(), name, labels) ?? 0;
  before(async () => {
    box = await startBox({ settings: ['delivery.tls_listen=127.0.0.1:0'] });
    id = await box.put(readPhoto());
    plain = await connect(box.delivery);
    secure = await connect(box.secure);
  });
  after(async () => {
    plain.destroy();
    secure.destroy();
    await box.finish();
  });

  it('is_chosen_by_alpn_by_prior_knowledge_and_never_against_the_clients_will', async () => {
    const path = `/i/${id}?${pinned}`;
    assert.match((await curl('--http2', box.secure + path)).stdout, /^2 200 [1-9]/);
    assert.match((await curl('--http1.1', box.secure + path)).stdout, /^1\.1 200 [1-9]/);
    assert.match((await curl('--http2-prior-knowledge', box.delivery + path)).stdout, /^2 200 [1-9]/);
    // An offer to upgrade (RFC 7540 3.2, gone in RFC 9113) is not taken.
    assert.match((await curl('--http2', box.delivery + path)).stdout, /^1\.1 200 [1-9]/);
    assert.equal(secure.alpnProtocol, 'h2');
  });

  it('tells_documents_their_address_by_the_authority', async () => {
    for (const [session, url] of [[plain, box.delivery], [secure, box.secure]]) {
      const redirect = await ask(session, `/iiif/3/${id}`);
      assert.equal(redirect.status, 303);
      assert.equal(redirect.headers.location, `${url}/iiif/3/${id}/info.json`);
      const info = await ask(session, `/iiif/3/${id}/info.json`);
      assert.equal(info.status, 200);
      assert.equal(info.json.id, `${url}/iiif/3/${id}`);
    }
  });

  it('gives_the_replies_of_http1', async () => {
    const requests = [
      { path: `/i/${id}?${pinned}` },
      { path: `/i/${id}?${pinned}`, method: 'HEAD' },
      { path: `/i/${id}`, method: 'OPTIONS' },
      { path: '/nowhere' },
      { path: `/i/${id}?w=none` },
      { path: `/i/${id}?${pinned}`, method: 'DELETE' },
      { path: `/i/${id}?${pinned}`, headers: { range: 'bytes=10-109' } },
      { path: `/i/${id}?${pinned}`, headers: { range: 'bytes=0-9, 100-199' } },
      { path: `/i/${id}?${pinned}`, headers: { range: 'bytes=99999999-' } },
      { path: `/i/${id}?${pinned}`, headers: { 'if-match': '"other"' } },
    ];
    await box.get(requests[0].path);
    const volatile = ['date', 'x-request-id', 'connection', 'keep-alive', ':status'];
    const kept = (headers) => Object.fromEntries(Object.entries(headers).filter(([name]) => !volatile.includes(name)));
    for (const { path, method, headers } of requests) {
      const one = await box.get(path, { method, headers });
      for (const session of [plain, secure]) {
        const two = await ask(session, path, { method, headers });
        assert.equal(two.status, one.status, `${method} ${path}`);
        assert.deepEqual(kept({ ...two.headers }), kept(one.headers));
        if (two.json) {
          assert.deepEqual({ ...two.json, request_id: '' }, { ...one.json, request_id: '' });
        } else {
          assert.deepEqual(two.body, one.body);
        }
        assert.match(two.headers['x-request-id'], /^[0-9a-f]{16}$/);
        assert.ok(!Number.isNaN(Date.parse(two.headers.date)));
      }
    }
  });

  it('answers_304_without_a_body', async () => {
    const whole = await ask(plain, `/i/${id}?${pinned}`);
    assert.equal(whole.headers['repr-digest'], `sha-256=:${sha256(whole.body).toString('base64')}:`);
    for (const headers of [{ 'if-none-match': whole.headers.etag }, { 'if-modified-since': whole.headers['last-modified'] }]) {
      const same = await ask(plain, `/i/${id}?${pinned}`, { headers });
      assert.equal(same.status, 304);
      assert.equal(same.body.length, 0);
      assert.equal(same.headers['content-length'], undefined);
      assert.equal(same.headers.etag, whole.headers.etag);
    }
  });

  it('serves_many_streams_at_once_misses_and_hits_mixed', async () => {
    const widths = Array.from({ length: 40 }, (_, i) => 100 + 4 * i);
    const paths = widths.map((w) => `/i/${id}?w=${w}&dpr=1&fm=webp&q=60`);
    const mixed = paths.flatMap((path) => [path, '/healthz', `/i/${id}?${pinned}`]);
    const overOne = (await Promise.all(mixed.map((path) => ask(secure, path)))).filter((_, i) => i % 3 === 0);
    const again = await Promise.all(paths.map((path) => ask(plain, path)));
    for (const [i, path] of paths.entries()) {
      assert.equal(overOne[i].status, 200, path);
      assert.match(again[i].headers['cache-status'], /^pixpop; hit/);
      assert.deepEqual(again[i].body, overOne[i].body);
    }
    assert.deepEqual((await box.get(paths[7])).body, again[7].body);
  });

  it('answers_a_page_of_a_hundred_pictures_that_nobody_has_seen', async () => {
    // More than one client may have made at once, and more than wait at the renderer: the rest waits for its turn.
    const paths = Array.from({ length: 100 }, (_, i) => `/i/${id}?w=${301 + i}&dpr=1&fm=webp&q=55`);
    const session = await connect(box.secure);
    const replies = await Promise.all(paths.map((path) => ask(session, path)));
    assert.deepEqual(replies.map((reply) => reply.status), paths.map(() => 200));
    for (const reply of replies) assert.match(reply.headers['cache-status'], /^pixpop; fwd=miss/);
    assert.equal(new Set(replies.map((reply) => sha256(reply.body).toString('hex'))).size, 100);
    assert.equal(await number('pixpop_pop_waiting'), 0);
    session.close();
    await once(session, 'close');
  });

  it('refuses_as_a_problem_what_http1_refuses', async () => {
    const large = await ask(plain, `/i/${id}`, { headers: { 'x-large': 'v'.repeat(17000) } }).catch((error) => error);
    // node itself may refuse to send more than the server takes.
    if (!(large instanceof Error)) assert.equal(large.status, 431);
    const long = await ask(plain, `/i/${id}?${'a'.repeat(9000)}`);
    assert.equal(long.status, 414);
    assert.match(long.headers['content-type'], /problem\+json/);
    assert.equal(long.headers['cache-control'], 'no-store');
    assert.equal(long.json.status, 414);
    const host = await ask(plain, `/i/${id}`, { headers: { ':authority': 'a.example', host: 'b.example' } });
    assert.equal(host.status, 400);
    assert.equal(host.json.subject, 'host');
  });

  it('answers_a_request_with_a_body_and_stops_it', async () => {
    const reply = await ask(plain, `/i/${id}`, { method: 'POST', body: Buffer.alloc(1 << 20) });
    assert.equal(reply.status, 405);
    assert.match(reply.headers.allow, /GET/);
    assert.equal((await ask(plain, '/healthz')).status, 200);
  });

  it('goes_on_when_streams_are_cancelled', async () => {
    const session = await connect(box.delivery);
    const streams = Array.from({ length: 60 }, (_, i) => {
      const stream = session.request({ ':path': `/i/${id}?w=${301 + i}&dpr=1&fm=webp&q=50` });
      stream.on('error', () => {});
      return stream;
    });
    for (const stream of streams) stream.close(NGHTTP2_CANCEL);
    await Promise.all(streams.map((stream) => once(stream, 'close')));
    assert.equal((await ask(session, '/healthz')).body.toString(), 'ok\n');
    session.close();
    await once(session, 'close');
  });

  it('cuts_off_a_client_that_resets_rapidly_and_serves_the_others', async () => {
    const floods = await number('pixpop_delivery_http2_floods_total', 'of="resets"');
    const socket = net.connect(box.deliveryPort, '127.0.0.1');
    let received = Buffer.alloc(0);
    socket.on('data', (chunk) => { received = Buffer.concat([received, chunk]); });
    socket.on('error', () => {});
    // GET http a /i/{id}, from the static table but for the host and the path; with no window, so that no reply is whole.
    const path = Buffer.from(`/i/${id}?${pinned}`);
    const head = Buffer.concat([Buffer.from([0x82, 0x86, 0x01, 0x01, 0x61, 0x04, path.length]), path]);
    const noWindow = Buffer.from([0, 4, 0, 0, 0, 0]);
    const attack = [preface, frame(4, 0, 0, noWindow)];
    for (let i = 0; i < 1000; i++) attack.push(frame(1, 5, 2 * i + 1, head), frame(3, 0, 2 * i + 1, Buffer.from([0, 0, 0, 8])));
    socket.write(Buffer.concat(attack));
    await once(socket, 'close');
    // The last frame is the GOAWAY; its code follows the last stream's number.
    let last;
    for (let at = 0; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3)) last = received.subarray(at);
    assert.equal(last[3], 7);
    assert.equal(last.readUInt32BE(13), NGHTTP2_ENHANCE_YOUR_CALM);
    assert.ok(last.readUInt32BE(9) < 2 * 1000 - 1, 'before the end');
    assert.equal(await number('pixpop_delivery_http2_floods_total', 'of="resets"'), floods + 1);
    assert.equal((await ask(plain, '/healthz')).status, 200);
  });

  it('says_goaway_to_what_is_no_http2', async () => {
    for (const [name, bytes] of [
      ['no settings', frame(6, 0, 0, Buffer.alloc(8))],
      ['data on no stream', Buffer.concat([frame(4, 0, 0), frame(0, 1, 0, Buffer.from('x'))])],
      ['an even stream', Buffer.concat([frame(4, 0, 0), frame(1, 5, 2, Buffer.from([0x82, 0x86, 0x84]))])],
      ['broken compression', Buffer.concat([frame(4, 0, 0), frame(1, 5, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]))])],
      ['a frame too large', Buffer.concat([frame(4, 0, 0), frame(0x42, 0, 0, Buffer.alloc(20000))])],
    ]) {
      const socket = net.connect(box.deliveryPort, '127.0.0.1');
      const chunks = [];
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('error', () => {});
      socket.end(Buffer.concat([preface, bytes]));
      await once(socket, 'close');
      const types = [];
      const received = Buffer.concat(chunks);
      for (let at = 0; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3)) types.push(received[at + 3]);
      assert.equal(types.at(-1), 7, name);
    }
  });

  it('satisfies_nghttp_and_h2load', async () => {
    const path = `/i/${id}?${pinned}`;
    for (const base of [box.delivery, box.secure]) {
      const { stdout } = await run('nghttp', ['-nv', '-m', '5', '-H', 'priority: u=1, i', base + path]);
      assert.equal([...stdout.matchAll(/:status: 200/g)].length, 5);
      assert.doesNotMatch(stdout, /\bconnection:/i);
      const load = (await run('h2load', ['-n', '2000', '-c', '8', '-m', '20', base + path])).stdout;
      assert.match(load, /2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored/);
      assert.match(load, /status codes: 2000 2xx/);
    }
  });

  // Another box, whose start takes most of this file's time: in the long set only.
  if (process.env.PIXPOP_LONG) it('can_be_switched_off', async () => {
    const off = await startBox({ settings: ['delivery.http2=off', 'delivery.tls_listen=127.0.0.1:0'] });
    assert.match((await curl('--http2', `${off.secure}/healthz`)).stdout, /^1\.1 200 3/);
    await assert.rejects(curl('--http2-prior-knowledge', `${off.delivery}/healthz`));
    await off.finish();
  });

  it('answers_what_is_in_flight_and_says_goaway_when_stopped', async () => {
    const session = await connect(box.secure);
    const idle = await connect(box.delivery);
    const inFlight = ask(session, `/i/${id}?w=1501&dpr=1&fm=webp&q=70`);
    // The server has it once it answers something that came later.
    await ask(session, '/healthz');
    const stopped = box.stop();
    assert.equal(await idle.farewell, NGHTTP2_NO_ERROR);
    assert.equal(await session.farewell, NGHTTP2_NO_ERROR);
    assert.equal((await inFlight).status, 200);
    assert.deepEqual(await stopped, { code: 0, signal: null });
  });
});

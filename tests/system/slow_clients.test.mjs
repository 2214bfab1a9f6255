// Clients of the console that send slowly, not at all, or too often: each is given up soon. Clients of delivery that ask
// for much and do not read: they have their share of RAM, and the others their pictures.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { metric, raw, readPhoto, request, sleep, startBox } from './box.mjs';
import { noisePng, random } from './noise.mjs';

// Sends `head`, then a byte now and then until the server closes. Resolves with what came and how long it took.
function drip(port, head, ms) {
  return new Promise((done) => {
    const begin = Date.now();
    let text = '';
    const socket = net.connect(port, '127.0.0.1', () => socket.write(head));
    const dripping = setInterval(() => socket.write('x'), 300);
    const timer = setTimeout(() => socket.destroy(), ms);
    socket.on('data', (chunk) => { text += chunk; });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(dripping);
      clearTimeout(timer);
      done({ text, took_ms: Date.now() - begin });
    });
  });
}

describe('slow clients', { concurrency: true }, () => {
  let box;
  before(async () => { box = await startBox({ settings: ['console.request_timeout_ms=1500'] }); });
  after(() => box.finish());
  const head = (path, fields) => `POST ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
  const bearer = () => `Authorization: Bearer ${box.token}\r\n`;

  it('are_dropped_when_they_drip_what_nobody_wants', async () => {
    const { text, took_ms } = await drip(box.consolePort, head('/api/v1/originals', 'Content-Length: 100000\r\n'), 20000);
    assert.match(text, /^HTTP\/1\.1 401 /);
    assert.ok(took_ms < 12000, `${took_ms} ms`);
  });

  it('are_dropped_when_they_drip_a_log_in', async () => {
    const fields = 'Content-Type: application/json\r\nContent-Length: 1000\r\n';
    const { text, took_ms } = await drip(box.consolePort, head('/api/v1/session', fields), 25000);
    assert.match(text, /^HTTP\/1\.1 408 /);
    assert.ok(took_ms < 18000, `${took_ms} ms`);
  });

  it('are_dropped_when_they_drip_an_upload', async () => {
    const { text, took_ms } = await drip(box.consolePort, head('/api/v1/originals', `${bearer()}Content-Length: 100000\r\n`), 20000);
    assert.match(text, /^HTTP\/1\.1 408 /);
    assert.ok(took_ms < 12000, `${took_ms} ms`);
    assert.equal((await box.api('/api/v1/originals')).json.items.length, 0);
  });

  it('are_dropped_when_they_drip_a_head', async () => {
    const { text, took_ms } = await drip(box.consolePort, 'GET /healthz HTTP/1.1\r\nX-', 20000);
    assert.equal(text, '');
    assert.ok(took_ms < 8000, `${took_ms} ms`);
  });

  it('get_408_when_they_fall_silent_within_an_upload', async () => {
    const replies = await Promise.all([
      raw(box.consolePort, `${head('/api/v1/originals', `${bearer()}Content-Length: 1000\r\n`)}abc`),
      raw(box.consolePort, `${head('/api/v1/originals', `${bearer()}Transfer-Encoding: chunked\r\n`)}9\r\nabc`),
    ]);
    for (const reply of replies) assert.match(reply, /^HTTP\/1\.1 408 /);
  });

  it('get_400_for_chunks_that_break_the_rules', async () => {
    for (const chunks of ['zz\r\nabc', '3\r\nabcd\r\n0\r\n\r\n', '1\r\na\r\n7fffffffffffffff\r\nb']) {
      const reply = await raw(box.consolePort, `${head('/api/v1/originals', `${bearer()}Transfer-Encoding: chunked\r\n`)}${chunks}`, { end: true });
      assert.match(reply, /^HTTP\/1\.1 400 /, chunks);
    }
  });
});

describe('clients that guess', () => {
  let box;
  before(async () => { box = await startBox(); });
  after(() => box.finish());

  it('get_429_while_sessions_go_on', async () => {
    const login = await request(`${box.console}/api/v1/session`, {
      method: 'POST', body: JSON.stringify({ token: box.token }), headers: { 'content-type': 'application/json' },
    });
    assert.equal(login.status, 201);
    const [cookie] = login.headers['set-cookie'][0].split(';');
    const guess = () => request(`${box.console}/api/v1/status`, { headers: { authorization: 'Bearer guess' } });
    for (let i = 0; i < 10; i++) assert.equal((await guess()).status, 401);
    const refused = await guess();
    assert.equal(refused.status, 429);
    assert.equal(refused.headers['retry-after'], '60');
    assert.equal(refused.json.type, 'urn:pixpop:problem:too-many-requests');
    assert.equal((await request(`${box.console}/api/v1/status`, { headers: { cookie } })).status, 200);
  });
});

// Readers that take the head of their reply and then nothing. Each returns the status, or the problem of a refusal.
const readers = {
  'HTTP/1.1': (box) => {
    const sockets = [];
    const ask = async (path, localAddress) => {
      const socket = net.connect({ port: box.deliveryPort, host: '127.0.0.1', localAddress });
      socket.on('error', () => {});
      sockets.push(socket);
      await once(socket, 'connect');
      socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const [bytes] = await once(socket, 'data');
      socket.pause();
      const [head, body] = bytes.toString('latin1').split('\r\n\r\n');
      const status = Number(head.slice(9, 12));
      return { status, json: status === 503 ? JSON.parse(body) : undefined };
    };
    return { ask, leave: () => sockets.forEach((socket) => socket.destroy()) };
  },
  // As many streams as the client likes, on one connection an address, with windows that are never opened.
  'HTTP/2': (box) => {
    const sessions = new Map();
    const sessionOf = async (localAddress) => {
      if (!sessions.has(localAddress)) {
        const session = http2.connect(box.delivery, {
          settings: { initialWindowSize: 1 }, createConnection: () => net.connect({ port: box.deliveryPort, host: '127.0.0.1', localAddress }),
        });
        session.on('error', () => {});
        await once(session, 'connect');
        sessions.set(localAddress, session);
      }
      return sessions.get(localAddress);
    };
    const ask = async (path, localAddress) => {
      const stream = (await sessionOf(localAddress)).request({ ':path': path });
      stream.on('error', () => {});
      const [head] = await once(stream, 'response');
      if (head[':status'] === 200) return { status: 200 };
      stream.close();  // its problem would come a byte at a time
      return { status: head[':status'] };
    };
    return { ask, leave: () => sessions.forEach((session) => session.destroy()) };
  },
};

// A whole exchange from another address.
const readAs = (box, localAddress, path) => new Promise((done, fail) => {
  http.get(box.delivery + path, { localAddress, agent: false }, (response) => {
    const chunks = [];
    response.on('data', (chunk) => chunks.push(chunk));
    response.on('end', () => {
      const body = Buffer.concat(chunks);
      done({ status: response.statusCode, headers: response.headers, body, json: response.statusCode === 200 ? undefined : JSON.parse(body) });
    });
  }).on('error', fail);
});

// [cache.ram, side of a picture of noise, the bound in MiB]: the floor, and the default.
const sizes = [['1M', 2000, 32], ...(process.env.PIXPOP_LONG ? [['256M', 3600, 256]] : [])];
for (const [ram, side, boundMib] of sizes) {
  describe(`readers that do not read, with cache.ram = ${ram}`, () => {
    const slow = '127.0.0.3', neighbour = '127.0.0.2';
    let box, large, small, width = 300;
    const sending = async () => metric((await box.api('/metrics')).body.toString(), 'pixpop_pop_sending_bytes');
    const fresh = () => `/i/${small}?w=${++width}&dpr=1&fm=webp&q=80`;
    before(async () => {
      box = await startBox({ settings: [`cache.ram=${ram}`] });
      large = `/i/${await box.put(noisePng(random(7), side, side), 'noise.png')}?w=${side}&dpr=1&fm=png&q=80`;
      small = await box.put(readPhoto());
      assert.equal((await readAs(box, slow, large)).status, 200);  // made, and on disk
    });
    after(() => box.finish());

    for (const [protocol, open] of Object.entries(readers)) {
      it(`have_their_share_over_${protocol}_and_the_others_their_pictures`, async () => {
        const bytes = 3 * side * side, mib = 2 ** 20;
        const readersOf = open(box);
        let served = 0, reply;
        while ((reply = await readersOf.ask(large, slow)).status === 200 && served < 100) served++;
        assert.equal(reply.status, 503);
        if (reply.json) {
          assert.equal(reply.json.subject, 'client');
          assert.match(reply.json.detail, /this client has [\d.]+ MiB/);
        }
        assert.ok(served >= 2, `${served} were served`);
        assert.ok(await sending() <= boundMib / 2 * mib + bytes * 1.1, `${await sending()} bytes are being sent`);
        // Whoever holds nothing gets what is new, what is on disk and what is in RAM, and a large one besides.
        const path = fresh();
        for (const expected of [/fwd=miss/, /hit/]) {
          const whole = await readAs(box, neighbour, path);
          assert.equal(whole.status, 200, JSON.stringify(whole.json));
          assert.match(whole.headers['cache-status'], expected);
        }
        for (let i = 0; i < 5; i++) assert.equal((await readAs(box, neighbour, fresh())).status, 200);
        // The slow one has of that only what is small and in RAM, until it has read or left; and it is told why.
        assert.match((await readAs(box, slow, path)).headers['cache-status'], /hit/);
        const refused = await readAs(box, slow, fresh());
        assert.equal(refused.status, 503);
        assert.equal(refused.json.subject, 'client');
        assert.equal(refused.headers['cache-control'], 'no-store');
        assert.ok(Number(refused.headers['retry-after']) > 0);
        // Many more of its kind come to the bound together; what is small and for who holds little goes on.
        for (let i = 4; i < 24; i++) await readersOf.ask(large, `127.0.0.${i}`);
        assert.ok(await sending() <= boundMib * mib + bytes * 1.1, `${await sending()} bytes are being sent`);
        for (let i = 0; i < 5; i++) assert.equal((await readAs(box, neighbour, fresh())).status, 200);
        const full = await readAs(box, neighbour, large);
        assert.equal(full.status, 503);
        assert.equal(full.json.subject, undefined);
        assert.match(full.json.detail, new RegExp(`are being sent to clients that read slowly.*${boundMib}\\.0 MiB`));
        readersOf.leave();
        for (let i = 0; i < 200 && await sending() > 0; i++) await sleep(25);
        assert.equal(await sending(), 0);
        assert.equal((await readAs(box, slow, large)).status, 200);
      });
    }
  });
}

// Clients of the console that send slowly, not at all, or too often: each is given up soon.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { raw, request, startBox } from './box.mjs';

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

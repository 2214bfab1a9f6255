// The delivery side over TLS, with other people's clients: curl, openssl and Node.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { fingerprintOf } from '../support/requests.mjs';
import { metric, raw, readPhoto, request, sleep, startBox } from './box.mjs';

const portOf = (url) => Number(new URL(url).port);
const listening = ['delivery.tls_listen=127.0.0.1:0'];

// s_client's words on a connection to the port.
function openssl(port, ...args) {
  const outcome = spawnSync('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args], { input: '', encoding: 'latin1', timeout: 20000 });
  return outcome.stdout + outcome.stderr;
}

// What curl received, heads included.
function curl(...args) {
  const outcome = spawnSync('curl', ['-ski', ...args], { timeout: 20000, maxBuffer: 1 << 26 });
  const at = outcome.stdout.indexOf('\r\n\r\n') + 4;
  return { text: outcome.stdout.toString('latin1'), head: outcome.stdout.subarray(0, at).toString('latin1'), body: outcome.stdout.subarray(at) };
}

function makeIdentity(path, name) {
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
    '-subj', `/CN=${name}`, '-days', '2', '-keyout', `${path}.key`, '-out', `${path}.crt`], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  spawnSync('sh', ['-c', 'cat "$0.key" "$0.crt" > "$0"', path]);
}

async function waitForLog(box, pattern) {
  for (let i = 0; i < 200 && !pattern.test(box.log); i++) await sleep(25);
  assert.match(box.log, pattern);
}

describe('delivery over TLS', () => {
  let box, port, path, plain;
  before(async () => {
    box = await startBox({ settings: [...listening, 'delivery.handshake_timeout_ms=700', 'delivery.head_timeout_ms=700'] });
    port = portOf(box.secure);
    path = `/i/${await box.put(readPhoto())}?w=1600&dpr=1&fm=webp&q=80`;
    plain = await box.get(path);
  });
  after(() => box.finish());

  it('gives_the_same_reply_as_without_tls', async () => {
    const { body, head } = curl('--http1.1', box.secure + path);
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
    assert.deepEqual(body, plain.body);
    assert.ok(head.includes(`ETag: ${plain.headers.etag}\r\n`), head);
  });
  it('makes_its_certificate_for_itself', () => {
    assert.equal(statSync(join(box.data, 'delivery.pem')).mode & 0o777, 0o600);
    assert.match(openssl(port, '-showcerts'), /CN ?= ?pixpop/);
  });
  it('speaks_http1_over_one_connection', () => {
    const { text } = curl('--http1.1', '-w', '%{num_connects} made\n', `${box.secure}/healthz`, `${box.secure}/healthz`);
    assert.equal(text.match(/HTTP\/1\.1 200 OK\r\n/g).length, 2);
    assert.deepEqual(text.match(/\d made/g), ['1 made', '0 made']);
  });
  it('chooses_the_protocol_by_alpn', () => {
    assert.match(openssl(port, '-alpn', 'http/1.1,h2'), /ALPN protocol: h2/);
    assert.match(openssl(port, '-alpn', 'http/1.1'), /ALPN protocol: http\/1\.1/);
    assert.match(openssl(port), /No ALPN negotiated/);
    assert.match(openssl(port, '-alpn', 'imap'), /no application protocol/i);
  });
  it('resumes_sessions_from_tickets', () => {
    const words = openssl(port, '-reconnect');
    assert.match(words, /TLS session ticket:/);
    assert.equal(words.match(/^New, TLSv1\.2/gm).length, 1);
    assert.equal(words.match(/^Reused, TLSv1\.2/gm).length, 5);
  });
  it('agrees_on_nothing_without_forward_secrecy', () => {
    assert.match(openssl(port, '-cipher', 'AES128-GCM-SHA256'), /handshake failure/);
    assert.match(openssl(port, '-cipher', 'ECDHE-ECDSA-AES128-SHA'), /handshake failure/);
    assert.match(openssl(port), /Server Temp Key: ECDH, (prime256v1|P-256)/);
  });
  it('keeps_to_short_records_when_the_client_asks_for_them', () => {
    const outcome = spawnSync('sh', ['-c',
      'printf "GET $1 HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n\\r\\n" | openssl s_client -quiet -maxfraglen 512 -connect "$0" -ign_eof', `127.0.0.1:${port}`, path],
    { timeout: 20000, maxBuffer: 1 << 26 });
    const at = outcome.stdout.indexOf('\r\n\r\n');
    assert.deepEqual(outcome.stdout.subarray(at + 4), plain.body);
  });
  it('answers_pipelined_requests_in_order', async () => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    const one = (target) => `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`;
    const chunks = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.write(one(path) + one('/healthz') + one(path.replace('w=1600', 'w=1601')));
    socket.write(one('/none'));
    socket.write('GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
    await new Promise((done, fail) => socket.on('close', done).on('error', fail));
    const statuses = Buffer.concat(chunks).toString('latin1').match(/HTTP\/1\.1 \d{3}/g);
    assert.deepEqual(statuses.map((status) => Number(status.slice(-3))), [200, 200, 200, 404, 200]);
  });
  it('drops_slow_handshakes_and_slow_heads', async () => {
    assert.equal(await raw(port, '\x16\x03\x01', { ms: 15000 }), '');
    const metrics = (await box.api('/metrics')).body.toString();
    assert.equal(metric(metrics, 'pixpop_delivery_timeouts_total', 'state="handshake"'), 1);
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    let text = '';
    socket.on('data', (chunk) => { text += chunk; });
    socket.write('GET /healthz HTTP/1.1\r\nX-Slow: ');
    await new Promise((done, fail) => socket.on('close', done).on('error', fail));
    assert.match(text, /^HTTP\/1\.1 408 /);
  });
  it('offers_no_http2_when_that_is_off', async () => {
    const other = await startBox({ settings: [...listening, 'delivery.http2=off'] });
    assert.match(openssl(portOf(other.secure), '-alpn', 'h2,http/1.1'), /ALPN protocol: http\/1\.1/);
    const prior = await other.get('/healthz');
    assert.equal(prior.status, 200);
    assert.doesNotMatch(curl('--http2-prior-knowledge', `${other.delivery}/healthz`).head, /^HTTP\/2 200/);
    await other.finish();
  });
});

// More clients at once than can be served in time: each is served or refused, none is kept for nothing, and clients
// without TLS go on being served meanwhile.
describe('a crowd of handshakes', () => {
  const [count, timeoutMs] = process.env.PIXPOP_LONG ? [2000, 5000] : [200, 2000];
  let box, path;
  before(async () => {
    box = await startBox({ settings: [...listening, 'delivery.connections_per_client=0', `delivery.handshake_timeout_ms=${timeoutMs}`] });
    path = `/i/${await box.put(readPhoto())}?w=320&dpr=1&fm=webp&q=80`;
    assert.equal((await box.get(path)).status, 200);
  });
  after(() => box.finish());

  const shakeHands = () => new Promise((done) => {
    const socket = tls.connect({ port: portOf(box.secure), host: '127.0.0.1', rejectUnauthorized: false }, () => {
      socket.destroy();
      done('served');
    });
    socket.on('error', (error) => done(error.code));
  });

  it('is_served_or_refused_while_others_are_answered', async (t) => {
    const crowd = [];
    while (crowd.length < count) {
      crowd.push(shakeHands());
      if (crowd.length % 20 === 0) await sleep(0);  // so that what was connected speaks
    }
    const silent = Array.from({ length: 50 }, () => raw(portOf(box.secure), '\x16\x03\x01\x02\x00', { ms: 100 }));
    for (let i = 0; i < 20; i++) assert.equal((await box.get(path)).status, 200);
    const outcomes = await Promise.all(crowd);
    await Promise.all(silent);
    const served = outcomes.filter((one) => one === 'served').length;
    const refused = outcomes.filter((one) => one === 'ECONNRESET').length;
    t.diagnostic(`${served} served, ${refused} refused`);
    assert.equal(served + refused, count, [...new Set(outcomes)].join(' '));
    assert.ok(served > 0);
    const metrics = (await box.api('/metrics')).body.toString();
    const counted = metric(metrics, 'pixpop_delivery_connections_refused_total', 'limit="handshake"')
      + metric(metrics, 'pixpop_delivery_timeouts_total', 'state="handshake"');
    assert.equal(counted, refused);
    assert.equal(await shakeHands(), 'served');
  });
});

describe('certificates', () => {
  let folder;
  before(() => { folder = mkdtempSync(join(tmpdir(), 'pixpop-tls-')); });
  after(() => rmSync(folder, { recursive: true }));

  it('are_read_again_on_sighup_on_both_sides', async () => {
    const live = join(folder, 'live.pem'), next = join(folder, 'next.pem');
    makeIdentity(live, 'first');
    makeIdentity(next, 'second');
    const box = await startBox({ tls: true, settings: [...listening, `delivery.tls_certificate=${live}`] });
    const before = await fingerprintOf(portOf(box.secure));
    const consoleBefore = await fingerprintOf(box.consolePort);
    assert.equal(consoleBefore, box.fingerprint);
    const open = tls.connect({ port: portOf(box.secure), host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise((done) => open.on('secureConnect', done));

    copyFileSync(next, live);
    copyFileSync(next, join(box.data, 'console.pem'));
    box.child.kill('SIGHUP');
    await waitForLog(box, /configuration reloaded/);
    const after = await fingerprintOf(portOf(box.secure));
    assert.notEqual(after, before);
    assert.equal(await fingerprintOf(box.consolePort), after);
    // What is open goes on.
    let text = '';
    open.on('data', (chunk) => { text += chunk; });
    open.write('GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
    await new Promise((done) => open.on('close', done));
    assert.match(text, /^HTTP\/1\.1 200 /);

    writeFileSync(live, 'nonsense');
    box.child.kill('SIGHUP');
    await waitForLog(box, /live\.pem/);
    assert.equal(await fingerprintOf(portOf(box.secure)), after, 'the old one stays');
    await box.finish();
  });
  it('of_the_operator_must_be_there', async () => {
    const missing = join(folder, 'missing.pem');
    await assert.rejects(startBox({ settings: [...listening, `delivery.tls_certificate=${missing}`] }), /missing\.pem/);
  });
  it('carry_the_public_name', async () => {
    const box = await startBox({ settings: [...listening, 'delivery.public_url=https://images.example:4443/'] });
    const reply = await request(`${box.secure}/healthz`);
    assert.equal(reply.status, 200);
    const text = spawnSync('openssl', ['x509', '-noout', '-ext', 'subjectAltName', '-in', join(box.data, 'delivery.pem')], { encoding: 'utf8' }).stdout;
    assert.match(text, /DNS:images\.example/);
    assert.match(box.output, /delivery +https:\/\/images\.example:4443\/i\/$/m);
    await box.finish();
  });
});

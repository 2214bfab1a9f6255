// The certificate of the operator's own name: over the API and the command line, under connections that are open,
// across restarts and crashes; and what is refused.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { Authority } from '../support/authority.mjs';
import { fingerprintOf } from '../support/requests.mjs';
import { sleep, until } from '../support/waiting.mjs';
import { bin, build, metric, request, startBox } from './box.mjs';

const onCpu = 'render.resampler=cpu';  // starts quicker
const overTls = [onCpu, 'delivery.tls_listen=127.0.0.1:0'];
const host = 'img.example.com';
const portOf = (url) => Number(new URL(url).port);
const crashes = process.env.PIXPOP_LONG ? 30 : 4;

let folder, authority;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pixpop-certificate-'));
  authority = new Authority(folder);
  const san = `DNS:${host},DNS:*.pix.example`;
  authority.certificate('first', { san });
  authority.certificate('second', { san });
  authority.certificate('rsa', { san, kind: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'] });
  authority.certificate('p384', { san, kind: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'] });
  authority.certificate('short', { san, days: 90, over: 80 });
  authority.certificate('brief', { san, days: 7, over: 1 });
  await sleep(1100);  // of the days that they have, one is not whole any more
});
after(() => rmSync(folder, { recursive: true, force: true }));

const whole = (name) => authority.text(`${name}.key`, `${name}.pem`, 'inter.pem');
const certificate = (box, options) => box.api('/api/v1/certificate', options);
const put = (box, body) => certificate(box, { method: 'PUT', body, headers: { 'content-type': 'application/x-pem-file' } });
const shown = (box) => fingerprintOf(portOf(box.secure));

// What a client that trusts only the authority gets from the name: the body, or curl's exit status.
function fetchAs(box, name = host) {
  const port = portOf(box.secure);
  const outcome = spawnSync('curl', ['-sS', '--cacert', authority.at('root.pem'), '--resolve', `${name}:${port}:127.0.0.1`, `https://${name}:${port}/healthz`],
    { encoding: 'utf8', timeout: 20000 });
  return outcome.status === 0 ? outcome.stdout : outcome.status;
}
const notTrusted = 60, otherName = 60;  // CURLE_PEER_FAILED_VERIFICATION

async function set(box, name) {
  const reply = await put(box, whole(name));
  assert.equal(reply.status, 200, String(reply.body));
  return reply.json.delivery;
}

describe('the certificate of the operator', () => {
  let box;
  before(async () => { box = await startBox({ tls: true, settings: overTls }); });
  after(() => box.finish());
  const pixpop = (args, input) => spawnSync(join(bin, 'pixpop'), args, {
    encoding: 'utf8', cwd: folder, input, env: { ...process.env, PIXPOP_CONSOLE: box.console, PIXPOP_TOKEN: box.token, PIXPOP_FINGERPRINT: box.fingerprint },
  });

  it('is_told_of_before_there_is_one', async () => {
    const { status, json, headers } = await certificate(box);
    assert.equal(status, 200);
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(json.delivery.source, 'self-made');
    assert.equal(json.delivery.fingerprint, await shown(box));
    assert.deepEqual(json.delivery.warnings, []);
    assert.equal(json.console.fingerprint, box.fingerprint);
    assert.equal(fetchAs(box), notTrusted);
  });

  it('counts_at_once_in_whatever_order_it_came', async () => {
    const reply = await put(box, authority.text('root.pem', 'inter.pem', 'first.key', 'first.pem'));
    assert.equal(reply.status, 200, String(reply.body));
    assert.equal(fetchAs(box), 'ok\n');
    assert.equal(fetchAs(box, 'a.pix.example'), 'ok\n');
    assert.equal(fetchAs(box, 'other.example'), otherName);
    const { delivery } = reply.json;
    assert.deepEqual(delivery.names, [host, '*.pix.example']);
    assert.deepEqual([delivery.source, delivery.issuer, delivery.key, delivery.chain, delivery.is_replaceable], ['given', 'CN=Test intermediate', 'EC P-256', 3, true]);
    assert.equal(delivery.fingerprint, authority.fingerprint('first'));
    assert.equal(await shown(box), delivery.fingerprint);
    assert.equal(delivery.days_left, 59);
    assert.equal(statSync(join(box.data, 'delivery.pem')).mode & 0o777, 0o600);
    assert.deepEqual((await certificate(box)).json, reply.json);
  });

  it('may_have_another_kind_of_key', async () => {
    for (const [name, key] of [['rsa', 'RSA 2048'], ['p384', 'EC P-384']]) {
      assert.equal((await set(box, name)).key, key);
      assert.equal(fetchAs(box), 'ok\n');
    }
  });

  it('leaves_the_console_its_own', async () => {
    await set(box, 'first');
    assert.equal(await fingerprintOf(box.consolePort), box.fingerprint);
    assert.equal((await box.api('/api/v1/status')).json.fingerprint, box.fingerprint);
  });

  it('does_not_end_connections_that_are_open', async () => {
    await set(box, 'first');
    const socket = tls.connect({ port: portOf(box.secure), host: '127.0.0.1', servername: host, ca: authority.text('root.pem') });
    let text = '';
    socket.on('data', (chunk) => { text += chunk; });
    const ask = async (count) => {
      socket.write('GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n');
      await until('an answer', () => text.match(/\r\n\r\nok\n/g)?.length === count);
    };
    const session = http2.connect(box.secure, { ca: authority.text('root.pem'), servername: host });
    const askH2 = () => new Promise((done, fail) => {
      session.on('error', fail);
      const stream = session.request({ ':path': '/healthz' });
      stream.on('response', (headers) => { stream.resume().on('end', () => done(headers[':status'])); }).on('error', fail);
    });
    await ask(1);
    assert.equal(await askH2(), 200);
    const delivery = await set(box, 'second');
    await ask(2);
    assert.equal(await askH2(), 200);
    assert.equal(socket.getPeerCertificate().fingerprint256, authority.fingerprint('first'));
    assert.equal(await shown(box), delivery.fingerprint);
    assert.equal(delivery.fingerprint, authority.fingerprint('second'));
    socket.destroy();
    session.close();
  });

  it('counts_after_every_kind_of_start', async () => {
    await set(box, 'first');
    const wanted = authority.fingerprint('first');
    const lines = () => box.log.match(/listening on \S+ port \d+ with TLS/g).length;
    box.child.kill('SIGHUP');
    await until('the reload', () => /configuration reloaded/.test(box.log));
    assert.equal(await shown(box), wanted);
    const before = lines();
    box.child.kill('SIGUSR2');
    await until('the restart in place', () => lines() === before + 1);
    assert.equal(await shown(box), wanted);
    for (const signal of ['SIGTERM', 'SIGKILL']) {
      await box.restart(signal);
      assert.equal(await shown(box), wanted);
      assert.equal((await certificate(box)).json.delivery.source, 'given');
    }
    assert.equal(fetchAs(box), 'ok\n');
  });

  it('is_the_last_that_was_answered_or_the_next_after_a_crash', async () => {
    const names = ['first', 'second', 'rsa', 'p384'];
    const texts = names.map(whole), known = names.map((name) => authority.fingerprint(name));
    let begun = 0, done;
    await set(box, names[done = 0]);
    for (let round = 0; round < crashes; round++) {
      const before = begun;
      const loop = (async () => {
        for (;;) {
          const next = ++begun % names.length;
          if ((await put(box, texts[next]).catch(() => ({}))).status !== 200) break;
          done = next;
        }
      })();
      await until('some of them', () => begun > before + 2 + round, 30, 5);
      await box.stop('SIGKILL');
      await loop;
      await box.start();
      const now = known.indexOf(await shown(box));
      assert.ok([done, begun % names.length].includes(now), `${now} is neither ${done} nor ${begun % names.length}`);
      done = now;
      assert.equal((await certificate(box)).json.delivery.source, 'given');
      assert.equal(fetchAs(box), 'ok\n');
      assert.deepEqual(readdirSync(box.data).filter((one) => one.startsWith('delivery.pem')), ['delivery.pem']);
      assert.equal(statSync(join(box.data, 'delivery.pem')).mode & 0o777, 0o600);
    }
  });

  it('leaves_nothing_of_a_write_that_a_crash_ended', async () => {
    const { fingerprint } = await set(box, 'first');
    const half = join(box.data, 'delivery.pem.tmp');
    await box.stop('SIGKILL');
    writeFileSync(half, whole('second').slice(0, 200));
    await box.start();
    assert.ok(!existsSync(half));
    assert.equal(await shown(box), fingerprint);
  });

  it('is_whole_when_many_replace_it_at_once', async () => {
    const names = ['first', 'second', 'rsa', 'first', 'second', 'rsa', 'first', 'second'];
    const replies = await Promise.all(names.map((name) => put(box, whole(name))));
    assert.deepEqual(replies.map(({ status }) => status), names.map(() => 200));
    assert.equal(await shown(box), (await certificate(box)).json.delivery.fingerprint);
    assert.equal(fetchAs(box), 'ok\n');
    await box.restart();
    assert.equal(fetchAs(box), 'ok\n');
  });

  it('is_taken_back_to_one_of_the_box', async () => {
    await set(box, 'first');
    const { status, json } = await certificate(box, { method: 'DELETE' });
    assert.equal(status, 200);
    assert.equal(json.delivery.source, 'self-made');
    const made = await shown(box);
    assert.equal(made, json.delivery.fingerprint);
    assert.notEqual(made, authority.fingerprint('first'));
    assert.equal(fetchAs(box), notTrusted);
    assert.equal((await certificate(box, { method: 'DELETE' })).json.delivery.fingerprint, made, 'and stays that');
    await box.restart();
    assert.equal(await shown(box), made);
  });

  it('is_refused_with_what_is_wrong_and_nothing_changes', async () => {
    const { delivery } = (await put(box, whole('first'))).json;
    const file = readFileSync(join(box.data, 'delivery.pem'));
    spawnSync('openssl', ['pkey', '-in', authority.at('first.key'), '-aes256', '-passout', 'pass:1234', '-out', authority.at('locked.key')]);
    authority.certificate('weak', { san: `DNS:${host}`, kind: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'] });
    authority.certificate('client', { extensions: `subjectAltName=DNS:${host}\nextendedKeyUsage=clientAuth\n` });
    authority.certificate('nameless', { extensions: 'extendedKeyUsage=serverAuth\n' });
    const der = spawnSync('openssl', ['x509', '-in', authority.at('first.pem'), '-outform', 'der']).stdout;
    const cases = [
      ['', 400, /neither a private key nor a certificate/],
      ['nonsense', 400, /neither a private key nor a certificate/],
      [authority.text('first.pem', 'inter.pem'), 400, /private key is missing/],
      [authority.text('first.key'), 400, /certificate is missing/],
      [authority.text('second.key', 'first.pem', 'inter.pem'), 400, /private key does not belong to the certificate of 'first'/],
      [authority.text('first.key', 'second.key', 'first.pem'), 400, /several private keys/],
      [authority.text('first.key', 'first.pem', 'root.pem'), 400, /who signed 'first' is missing/],
      [authority.text('locked.key', 'first.pem', 'inter.pem'), 400, /locked with a passphrase; take it off with/],
      [authority.text('weak.key', 'weak.pem', 'inter.pem'), 400, /RSA of 1024 bits; accepted are EC P-256/],
      [authority.text('client.key', 'client.pem', 'inter.pem'), 400, /not for servers/],
      [authority.text('nameless.key', 'nameless.pem', 'inter.pem'), 400, /names no host/],
      [Buffer.concat([Buffer.from(authority.text('first.key')), der]), 400, /not PEM but binary/],
      [`${whole('first')}\0`, 400, /not PEM but binary/],
      [whole('first').slice(0, -40), 400, /has no end/],
      [`${whole('first')}${'#'.repeat(64 * 1024)}`, 413, /65536 bytes/],
    ];
    for (const [body, status, text] of cases) {
      const reply = await put(box, body);
      assert.equal(reply.status, status, `${text} ${reply.body}`);
      assert.match(reply.json.detail, text);
    }
    assert.deepEqual(readFileSync(join(box.data, 'delivery.pem')), file);
    assert.equal(await shown(box), delivery.fingerprint);
    assert.deepEqual((await certificate(box)).json.delivery, delivery);
  });

  it('stays_when_the_new_one_can_not_be_written', async () => {
    const before = (await put(box, whole('first'))).json;
    const file = readFileSync(join(box.data, 'delivery.pem'));
    const inode = statSync(join(box.data, 'delivery.pem')).ino, said = box.log.length;
    mkdirSync(join(box.data, 'delivery.pem.tmp'));
    for (const reply of [await put(box, whole('second')), await certificate(box, { method: 'DELETE' })]) assert.equal(reply.status, 500);
    assert.deepEqual(readFileSync(join(box.data, 'delivery.pem')), file);
    assert.equal(statSync(join(box.data, 'delivery.pem')).ino, inode, 'it is not written again');
    assert.equal(box.log.slice(said).match(/error +pixpopd/g), null);
    assert.equal(await shown(box), before.delivery.fingerprint);
    rmdirSync(join(box.data, 'delivery.pem.tmp'));
    assert.equal((await set(box, 'second')).fingerprint, authority.fingerprint('second'));
  });

  it('is_nobodys_without_the_token', async () => {
    const url = `${box.console}/api/v1/certificate`;
    const fingerprint = await shown(box);
    const login = await request(`${box.console}/api/v1/session`, { method: 'POST', body: JSON.stringify({ token: box.token }), headers: { 'content-type': 'application/json' } });
    const cookie = login.headers['set-cookie'][0].split(';')[0];
    for (const [method, body] of [['GET'], ['PUT', whole('rsa')], ['DELETE']]) {
      assert.equal((await request(url, { method, body })).status, 401);
      assert.equal((await request(url, { method, body, headers: { authorization: 'Bearer wrong' } })).status, 401);
      if (method !== 'GET') assert.equal((await request(url, { method, body, headers: { cookie } })).status, 403);
    }
    assert.equal((await certificate(box, { method: 'POST', body: whole('rsa') })).status, 405);
    assert.equal(await shown(box), fingerprint);
  });

  it('never_shows_its_key', async () => {
    const answer = await put(box, whole('first'));
    const lines = authority.text('first.key').split('\n').filter((line) => line && !line.startsWith('---'));
    const said = [answer.body, (await certificate(box)).body, (await box.api('/api/v1/status')).body, (await box.api('/api/v1/backup')).body,
      (await box.api('/api/v1/support')).body, Buffer.from(box.log)];
    await put(box, authority.text('second.key', 'first.pem'));
    said.push(Buffer.from(box.log));
    assert.ok(lines.length >= 3);
    assert.ok(said.every((one) => one.length > 100));
    for (const text of said) {
      for (const line of lines) assert.ok(!text.includes(line));
      assert.ok(!text.includes('PRIVATE KEY'));
    }
  });

  it('is_shown_set_and_removed_by_the_command_line', async () => {
    const set2 = pixpop(['certificate', '--set', 'first.pem', 'inter.pem', 'first.key']);
    assert.equal(set2.status, 0, set2.stderr);
    assert.match(set2.stdout, /^names +img\.example\.com\n +\*\.pix\.example\nsource +given to the box\n/);
    assert.equal(fetchAs(box), 'ok\n');
    assert.equal(pixpop(['certificate']).stdout, set2.stdout);
    const joined = pixpop(['certificate', '--set', '-'], whole('second').trimEnd());
    assert.equal(joined.status, 0, joined.stderr);
    assert.equal(await shown(box), authority.fingerprint('second'));
    assert.equal(JSON.parse(pixpop(['certificate', '--json']).stdout).delivery.fingerprint, authority.fingerprint('second'));
    assert.match(pixpop(['status']).stdout, /^certificate +given\n +valid until 20/m);
    const wrong = pixpop(['certificate', '--set', 'first.pem', 'second.key']);
    assert.deepEqual([wrong.status, wrong.stdout], [1, '']);
    assert.match(wrong.stderr, /^pixpop: Bad request: the private key does not belong/);
    assert.equal(pixpop(['certificate', '--set', 'none.pem']).status, 1);
    assert.match(pixpop(['certificate', '--set', '.']).stderr, /^pixpop: \.: .*directory/);
    assert.equal(pixpop(['certificate', 'first.pem']).status, 2);
    assert.equal(pixpop(['certificate', '--set', 'first.pem', '--remove']).status, 2);
    assert.equal(await shown(box), authority.fingerprint('second'));
    const removed = pixpop(['certificate', '--remove']);
    assert.equal(removed.status, 0, removed.stderr);
    assert.match(removed.stdout, /made by the box itself/);
    assert.match(pixpop(['certificate', '--help']).stdout, /^pixpop certificate - [^]*--set FILE[^]*deploy hook/);
    assert.match(pixpop(['--help']).stdout, /^ {2}certificate /m);
  });

  it('may_come_from_pipes_of_the_shell', async () => {
    const script = `exec '${join(bin, 'pixpop')}' certificate --set <(cat second.pem inter.pem) <(cat second.key)`;
    const env = { ...process.env, PIXPOP_CONSOLE: box.console, PIXPOP_TOKEN: box.token, PIXPOP_FINGERPRINT: box.fingerprint };
    await set(box, 'first');
    const outcome = spawnSync('bash', ['-c', script], { encoding: 'utf8', cwd: folder, env });
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.equal(await shown(box), authority.fingerprint('second'));
  });

  it('says_once_that_its_issuers_are_missing', async () => {
    const missing = /it came without the certificates of its issuer \(CN=Test intermediate\)/;
    const alone = await put(box, authority.text('first.key', 'first.pem'));
    assert.match(alone.json.advice, missing);
    assert.deepEqual(alone.json.delivery.warnings, []);
    assert.equal(fetchAs(box), notTrusted);
    assert.equal((await certificate(box)).json.advice, undefined);
    assert.deepEqual((await box.api('/api/v1/status')).json.certificate.warnings, []);
    assert.match(pixpop(['certificate', '--set', 'second.pem', 'second.key']).stdout, new RegExp(`^NOTE +${missing.source}`, 'm'));
    assert.doesNotMatch(pixpop(['certificate']).stdout, /NOTE|WARNING/);
    assert.equal((await put(box, whole('first'))).json.advice, undefined);
  });

  // As certbot runs it: with the name of what was renewed, and nothing else.
  it('is_renewed_by_the_hook_that_the_handbook_shows', async () => {
    const lineage = join(folder, 'live', host), tokenFile = join(folder, 'pixpop.token'), hook = join(folder, 'hook');
    const readme = readFileSync(new URL('../../board/README.md', import.meta.url), 'utf8');
    const indented = readme.match(/^( +)#!\/bin\/sh\n(?:\1.*\n)+/m);
    const shownByHelp = pixpop(['certificate', '--help']).stdout.match(/^( +)#!\/bin\/sh\n(?:\1.*\n)+/m);
    mkdirSync(lineage, { recursive: true });
    writeFileSync(join(lineage, 'fullchain.pem'), authority.text('first.pem', 'inter.pem'));
    writeFileSync(join(lineage, 'privkey.pem'), authority.text('first.key'));
    writeFileSync(tokenFile, box.token, { mode: 0o600 });
    for (const [text, indent] of [indented, shownByHelp]) {
      await set(box, 'second');
      writeFileSync(hook, text.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
        .replace(/PIXPOP_CONSOLE=\S+/, `PIXPOP_CONSOLE=${box.console}`).replace(/PIXPOP_FINGERPRINT=\S+/, `PIXPOP_FINGERPRINT=${box.fingerprint}`)
        .replace(/--token-file \S+/, `--token-file '${tokenFile}'`).replace('exec pixpop', `exec '${join(bin, 'pixpop')}'`), { mode: 0o755 });
      const run = (name) => spawnSync(hook, [], { encoding: 'utf8', cwd: '/', env: { PATH: '/usr/bin:/bin', RENEWED_LINEAGE: name, RENEWED_DOMAINS: host } });
      assert.equal(run('/etc/letsencrypt/live/other.example').status, 0);
      assert.equal(await shown(box), authority.fingerprint('second'), 'another name is no business of the hook');
      const outcome = run(lineage);
      assert.equal(outcome.status, 0, outcome.stderr);
      assert.equal(await shown(box), authority.fingerprint('first'));
    }
  });
});

describe('a certificate on a slow disk', () => {
  it('keeps_nobody_else_waiting', async () => {
    const hold = join(folder, 'hold');
    const env = { LD_PRELOAD: join(build, 'tests/slow_disk.so'), PIXPOP_TEST_SLOW_DISK: hold, ASAN_OPTIONS: 'verify_asan_link_order=0' };
    const box = await startBox({ settings: overTls, env });
    const first = await set(box, 'first');
    writeFileSync(hold, '');
    const answers = [put(box, whole('second')), put(box, whole('second'))];
    await until('the write', () => existsSync(join(box.data, 'delivery.pem.tmp')));
    let isOver = false;
    Promise.race(answers).then(() => { isOver = true; });
    const others = async () => {
      for (let i = 0; i < 20; i++) {
        assert.equal((await certificate(box)).json.delivery.fingerprint, first.fingerprint);
        assert.equal((await box.api('/api/v1/status')).json.certificate.not_after_s, first.not_after_s);
        assert.equal((await box.api('/healthz')).status, 200);
      }
      assert.equal(await shown(box), first.fingerprint);
      return 'answered';
    };
    assert.equal(await Promise.race([others(), sleep(20000)]), 'answered');
    assert.ok(!isOver);
    rmSync(hold);
    for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
    assert.equal(await shown(box), authority.fingerprint('second'));
    await box.finish();
  });
});

describe('a certificate that ends soon', () => {
  it('is_told_of_in_log_status_metrics_and_answers', async () => {
    const box = await startBox({ settings: overTls });
    const endOf = async () => metric(String((await box.api('/metrics')).body), 'pixpop_delivery_certificate_expires_timestamp_seconds');
    const ending = /the certificate of delivery: it ends on \d{4}-\d\d-\d\d \d\d:\d\d UTC, in 9 days$/gm;
    await set(box, 'first');
    assert.doesNotMatch(box.log, /it ends on/);
    const delivery = await set(box, 'short');
    assert.match(delivery.warnings[0], /^it ends on .*, in 9 days$/);
    assert.equal(await endOf(), delivery.not_after_s);
    const { json } = await box.api('/api/v1/status');
    assert.deepEqual(json.certificate, { source: 'given', not_after_s: delivery.not_after_s, days_left: 9, warnings: delivery.warnings });
    await until('the log', () => box.log.match(ending)?.length === 1);
    box.child.kill('SIGHUP');
    await until('the log, after a reload', () => box.log.match(ending)?.length === 2);
    await box.restart();
    await until('the log, after a start', () => box.log.match(ending)?.length === 3);
    for (const name of ['first', 'brief']) assert.deepEqual((await set(box, name)).warnings, []);
    assert.deepEqual((await box.api('/api/v1/status')).json.certificate.warnings, []);
    await box.finish();
  });

  it('and_one_that_is_not_for_the_public_host', async () => {
    const withUrl = (url) => [...overTls, `delivery.public_url=${url}`];
    const box = await startBox({ settings: withUrl('https://pictures.example:444/') });
    const warning = 'it is not for pictures.example, the host of delivery.public_url';
    assert.deepEqual((await certificate(box)).json.delivery.warnings, []);
    assert.deepEqual((await set(box, 'first')).warnings, [warning]);
    authority.certificate('named', { san: 'DNS:pictures.example' });
    assert.deepEqual((await set(box, 'named')).warnings, []);
    assert.deepEqual((await set(box, 'first')).warnings, [warning]);
    box.options.settings = withUrl('http://pictures.example/');  // by way of a proxy, for instance
    await box.restart();
    assert.deepEqual((await certificate(box)).json.delivery.warnings, []);
    await box.finish();
  });
});

describe('a certificate of the box for a name that it has not any more', () => {
  it('is_made_anew_when_that_is_asked_for', async () => {
    const withUrl = (url) => [...overTls, `delivery.public_url=${url}`];
    const box = await startBox({ settings: withUrl('https://old.example') });
    const remove = async () => (await certificate(box, { method: 'DELETE' })).json.delivery;
    const old = (await certificate(box)).json.delivery;
    assert.ok(old.names.includes('old.example'));
    assert.equal((await remove()).fingerprint, old.fingerprint);
    box.options.settings = withUrl('https://new.example');
    await box.restart();
    const made = await remove();
    assert.notEqual(made.fingerprint, old.fingerprint);
    assert.ok(made.names.includes('new.example') && !made.names.includes('old.example'));
    assert.equal(await shown(box), made.fingerprint);
    assert.equal((await remove()).fingerprint, made.fingerprint);
    await box.finish();
  });
});

describe('a damaged certificate', () => {
  const warning = /warn +pixpopd the certificate of delivery is damaged, and visitors see one that the box made; kept for you: (\S+)$/m;
  let box, path;
  const aside = () => readdirSync(box.data).filter((name) => name.startsWith('delivery.pem.')).sort();
  before(async () => {
    box = await startBox({ settings: overTls });
    path = join(box.data, 'delivery.pem');
  });
  after(() => box.finish());

  async function startWith(damage) {
    await box.stop();
    rmSync(path);
    damage();
    box.log = '';
    await box.start();
    const kept = box.log.match(warning)?.[1];
    assert.ok(kept, box.log);
    const { delivery } = (await certificate(box)).json;
    assert.equal(delivery.source, 'self-made');
    assert.equal(await shown(box), delivery.fingerprint);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    return kept;
  }

  it('is_put_aside_at_the_start_for_one_of_the_box_until_there_is_another', async () => {
    await set(box, 'first');
    const stored = readFileSync(path, 'utf8');
    for (const text of ['', 'nonsense', stored.slice(0, 400), authority.text('second.key', 'first.pem'), '#'.repeat(65 * 1024)]) {
      const kept = await startWith(() => writeFileSync(path, text));
      assert.equal(kept, `${path}.damaged`);
      assert.equal(readFileSync(kept, 'utf8'), text);
      await set(box, 'second');
      assert.deepEqual(aside(), []);
    }
    assert.equal(fetchAs(box), 'ok\n');
  });

  it('never_takes_the_place_of_one_that_was_put_aside_before', async () => {
    const texts = ['one', 'two', 'three'];
    for (const text of texts) await startWith(() => writeFileSync(path, text));
    assert.deepEqual(aside().map((name) => readFileSync(join(box.data, name), 'utf8')), texts);
    const { delivery } = (await certificate(box, { method: 'DELETE' })).json;
    assert.equal(delivery.source, 'self-made');
    assert.deepEqual(aside(), []);
  });

  it('may_be_no_file_at_all', async () => {
    await startWith(() => mkdirSync(path));
    assert.deepEqual(aside(), ['delivery.pem.damaged']);
    await startWith(() => assert.equal(spawnSync('mkfifo', [path]).status, 0));
    assert.deepEqual(aside(), ['delivery.pem.damaged', 'delivery.pem.damaged.2']);
    await set(box, 'first');
    assert.deepEqual(aside(), ['delivery.pem.damaged'], 'a folder is nothing of the box');
  });
});

describe('a box whose certificate is not set here', () => {
  it('says_what_to_set_when_it_delivers_without_tls', async () => {
    const box = await startBox({ settings: [onCpu] });
    assert.deepEqual((await certificate(box)).json, { delivery: null, console: { fingerprint: null } });
    assert.equal((await box.api('/api/v1/status')).json.certificate, null);
    for (const reply of [await put(box, whole('first')), await certificate(box, { method: 'DELETE' })]) {
      assert.equal(reply.status, 409);
      assert.match(reply.json.detail, /set delivery\.tls_listen/);
    }
    assert.ok(!existsSync(join(box.data, 'delivery.pem')));
    assert.doesNotMatch(String((await box.api('/metrics')).body), /certificate_expires/);
    await box.finish();
  });

  it('names_the_setting_that_names_the_file', async () => {
    const file = join(folder, 'named-by-settings.pem');
    writeFileSync(file, whole('first'));
    const box = await startBox({ settings: [...overTls, `delivery.tls_certificate=${file}`] });
    const { json } = await certificate(box);
    assert.deepEqual([json.delivery.source, json.delivery.is_replaceable, json.delivery.fingerprint], ['settings', false, authority.fingerprint('first')]);
    for (const reply of [await put(box, whole('second')), await certificate(box, { method: 'DELETE' })]) {
      assert.equal(reply.status, 409);
      assert.match(reply.json.detail, /named by the settings \(delivery\.tls_certificate\)/);
    }
    assert.equal(readFileSync(file, 'utf8'), whole('first'));
    writeFileSync(file, whole('second'));
    box.child.kill('SIGHUP');
    await until('the new one', async () => (await certificate(box)).json.delivery.fingerprint === authority.fingerprint('second'));
    assert.equal(await shown(box), authority.fingerprint('second'));
    await box.finish();
  });
});

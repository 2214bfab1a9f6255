// pixpop-rescue, its own network stack on a real interface of a namespace of its own. Wants root.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { makeBundle, makeKey } from './bundles.mjs';
import { Rescue, sleep, until, Wire } from './wire.mjs';

const fixed = ['--address', '10.99.0.2/24', '--gateway', '10.99.0.1'];
const key = makeKey();
const stranger = makeKey();
const image = (bytes) => randomBytes(bytes);
let wire;
let rescue;

before(async () => {
  wire = new Wire();
  rescue = await new Rescue(wire, { 'release.pem': key.pem }).start(...fixed);
});
after(async () => {
  await rescue.finish();
  wire.remove();
});

function firstBytes(path, bytes) {
  const fd = openSync(path, 'r');
  const out = Buffer.alloc(bytes);
  readSync(fd, out, 0, bytes, 0);
  closeSync(fd);
  return out;
}

const install = (slot, bundle, more = '') => rescue.ask('PUT', `/api/v1/slots/${slot}${more}`, { body: bundle });
const slotOf = (status, name) => status.slots.find((slot) => slot.name === name);

test('answers pings', async () => {
  const { code, stdout } = await wire.outside('ping', ['-c', '3', '-i', '0.2', '-W', '2', '10.99.0.2']);
  assert.equal(code, 0, stdout);
});

test('the kernel keeps no address of its own on the interface', () => {
  const shown = execFileSync('ip', ['-n', wire.box, '-o', 'addr', 'show', 'eth0'], { encoding: 'utf8' });
  assert.doesNotMatch(shown, /inet/);
});

test('TLS 1.2 with the certificate whose fingerprint the console shows; nothing older', async () => {
  const pem = join(wire.folder, 'own.pem');
  writeFileSync(pem, readFileSync(rescue.path('state/identity.pem'), 'utf8').match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/)[0]);
  const trusted = await wire.outside('curl', ['-sS', '--cacert', pem, '--resolve', 'pixpop-test.local:443:10.99.0.2', 'https://pixpop-test.local/healthz']);
  assert.equal(trusted.stdout, 'rescue\n', trusted.stderr);
  const shown = rescue.output.match(/fingerprint +(\S+)/)[1];
  assert.ok(execFileSync('openssl', ['x509', '-in', pem, '-noout', '-fingerprint', '-sha256'], { encoding: 'utf8' }).includes(shown));
  for (const version of ['-tls1', '-tls1_1']) {
    const { code } = await wire.outside('openssl', ['s_client', '-connect', '10.99.0.2:443', version, '-cipher', 'ALL:@SECLEVEL=0', '-no_ign_eof'], { input: '' });
    assert.notEqual(code, 0, version);
  }
  const weak = await wire.outside('openssl', ['s_client', '-connect', '10.99.0.2:443', '-tls1_2', '-cipher', 'AES128-SHA:AES256-SHA256:@SECLEVEL=0']);
  assert.notEqual(weak.code, 0, 'no forward secrecy');
});

test('plain HTTP only shows the way to HTTPS', async () => {
  const { stdout } = await wire.curl('--write-out', '%{http_code} %{redirect_url}', 'http://10.99.0.2/healthz?x=1');
  assert.equal(stdout, '308 https://10.99.0.2/healthz?x=1');
  const upload = await wire.curl('--write-out', '%{http_code}', '--upload-file', '/etc/hostname', 'http://10.99.0.2/api/v1/slots/A');
  assert.equal(upload.stdout, '308');
});

test('its page is whole and brings everything along', async () => {
  for (const [path, type] of [['/', 'text/html'], ['/rescue.css', 'text/css'], ['/rescue.js', 'text/javascript']]) {
    const reply = await rescue.ask('GET', path, { token: null });
    assert.equal(reply.status, 200);
    assert.ok(reply.headers['content-type'].startsWith(type));
    assert.match(reply.headers['content-security-policy'], /default-src 'none'/);
    assert.doesNotMatch(reply.text, /(src|href)="(https?:)?\/\/|@import|url\(/);
    const [head] = [await rescue.ask('HEAD', path, { token: null })];
    assert.equal(Number(head.headers['content-length']), reply.body.length);
  }
});

test('nothing is told or changed without the code', async () => {
  for (const [method, path] of [['GET', 'status'], ['GET', 'log'], ['GET', 'support'], ['POST', 'choose?slot=A'], ['POST', 'factory-reset'], ['POST', 'network/forget'], ['POST', 'reboot'], ['PUT', 'slots/A']]) {
    const reply = await rescue.ask(method, `/api/v1/${path}`, { token: 'x'.repeat(43), body: method === 'PUT' ? 'bundle' : undefined });
    assert.equal(reply.status, 401, path);
    assert.match(reply.json.detail, /code that the console shows/);
  }
});

test('wrong codes are limited for their sender, not for others', async () => {
  const wrong = '0000-0000-0000';
  for (let i = 0; i < 5; i++) assert.equal((await rescue.logIn(wrong)).status, 401);
  const over = await rescue.logIn(wrong);
  assert.equal(over.status, 429);
  assert.match(over.json.detail, /too many wrong codes/);
  assert.equal((await rescue.logIn()).status, 429, 'the right one too, from there');
  execFileSync('ip', ['-n', wire.out, 'addr', 'replace', '10.99.0.7/24', 'dev', 'lan0']);
  const other = await wire.curl('--interface', '10.99.0.7', '--write-out', ' %{http_code}', '--data-binary', rescue.code.toLowerCase(), 'https://10.99.0.2/api/v1/session');
  assert.match(other.stdout, /"token".* 201$/);
  await until('the right code', async () => (await rescue.logIn()).status === 201, 20);
});

test('an update goes into a slot, whole and checked, and boots next', async () => {
  const boot = image(300_000);
  const root = image(5_000_001);
  const reply = await install('B', makeBundle({ version: '1.2.0', boot, root, keys: [key] }));
  assert.equal(reply.status, 200, reply.text);
  assert.deepEqual([reply.json.install.phase, reply.json.install.version], ['done', '1.2.0']);
  assert.ok(firstBytes(rescue.path('boot-b'), boot.length).equals(boot));
  assert.ok(firstBytes(rescue.path('root-b'), root.length).equals(root));
  const status = await rescue.status();
  assert.deepEqual(slotOf(status, 'B'), { name: 'B', mark: 'untried', tries: 3, version: '1.2.0', is_running: false });
  assert.equal(status.next, 'B');
  assert.match(rescue.slots('show'), /1\.2\.0/);
});

test('a key that rotates: a bundle signed by an unknown key and a known one is taken', async () => {
  const reply = await install('A', makeBundle({ version: '1.1.0', boot: image(1000), root: image(1000), keys: [stranger, key] }));
  assert.equal(reply.status, 200, reply.text);
});

test('somebody chooses the slot that boots', async () => {
  for (const slot of ['B', 'A']) {
    const reply = await rescue.ask('POST', `/api/v1/choose?slot=${slot}`);
    assert.equal(reply.status, 200, reply.text);
    assert.equal(reply.json.next, slot);
  }
  assert.equal((await rescue.ask('POST', '/api/v1/choose?slot=C')).status, 400);
});

const good = { version: '2.0.0', boot: image(70_000), root: image(900_000), keys: [key] };
const flipped = (bytes, at) => {
  const copy = Buffer.from(bytes);
  copy[at < 0 ? copy.length + at : at] ^= 1;
  return copy;
};
// [what, bundle, status, text, is the slot lost?]
const refusals = [
  ['another key', () => makeBundle({ ...good, keys: [stranger] }), 403, /sign|key/i, false],
  ['another board', () => makeBundle({ ...good, board: 'rpi5' }), 409, /rpi5.*test-board|test-board.*rpi5/, false],
  ['a changed manifest', () => flipped(makeBundle(good), 30), 403, /sign/i, false],
  ['a flipped bit in the kernel', () => flipped(makeBundle(good), -950_000), 460, /boot/i, true],
  ['a flipped bit in the root', () => flipped(makeBundle(good), -5), 460, /root/i, true],
  ['a bundle that was cut off', () => makeBundle(good).subarray(0, -1000), 400, /end|cut|short|trunc/i, true],
  ['bytes behind its end', () => Buffer.concat([makeBundle(good), Buffer.from('x')]), 400, /end|more|behind/i, true],
  ['no bundle at all', () => Buffer.from('<html>'.repeat(5000)), 400, /bundle/i, false],
  ['a photograph’s first bytes', () => Buffer.from([0xff, 0xd8, 0xff, 0xe0]), 400, /bundle/i, false],
  ['an image that is larger than the partition', () => makeBundle({ ...good, boot: Buffer.alloc((64 << 20) + 1) }), 413, /boot|partition|large/i, false],
];
for (const [what, make, wanted, text, isLost] of refusals) {
  test(`refused: ${what}`, async () => {
    rescue.slots('written', 'B', '1.9.0');
    const reply = await install('B', make());
    assert.equal(reply.status, wanted, reply.text);
    const { install: last, ...status } = await rescue.status();
    assert.equal(last.phase, 'failed');
    assert.match(last.failure, text);
    assert.equal(slotOf(status, 'B').mark, isLost ? 'bad' : 'untried');
    assert.equal(status.next, isLost ? 'A' : 'B');
  });
}

test('refused: a version below the floor, also for somebody who asks for it', async () => {
  rescue.slots('good', 'A', '2.0.0');
  for (const more of ['', '?older=1']) {
    const reply = await install('B', makeBundle({ ...good, version: '1.9.9' }), more);
    assert.equal(reply.status, 409, reply.text);
    assert.match(reply.json.detail, /1\.9\.9.*2\.0\.0|2\.0\.0.*1\.9\.9/);
  }
  rescue.slots('reset', 'untried');
});

test('refused: uploads without a length, to no slot, and a second one beside the first', async () => {
  const chunked = await rescue.ask('PUT', '/api/v1/slots/B', { body: undefined, headers: { 'transfer-encoding': 'chunked' } });
  assert.equal(chunked.status, 411, chunked.text);
  assert.equal((await install('C', 'x')).status, 404);
  const bundle = makeBundle(good);
  const slow = tls.connect({ socket: net.connect(rescue.socket), rejectUnauthorized: false });
  slow.on('error', () => {});
  slow.write(`PUT /api/v1/slots/B HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${rescue.token}\r\nContent-Length: ${bundle.length}\r\n\r\n`);
  slow.write(bundle.subarray(0, 200_000));
  await until('the slow upload', async () => (await rescue.status()).install.phase === 'writing');
  assert.equal((await install('B', bundle)).status, 423);
  assert.equal((await rescue.ask('POST', '/api/v1/choose?slot=A')).status, 423);
  assert.equal((await rescue.ask('POST', '/api/v1/reboot')).status, 423);
  slow.destroy();
  const { install: last } = await until('the end of it', async () => {
    const status = await rescue.status();
    return status.install.phase === 'failed' && status;
  });
  assert.match(last.failure, /cut off/);
  assert.equal((await install('B', bundle)).status, 200);
});

test('what expects 100 Continue gets it', async () => {
  const path = join(wire.folder, 'good.pixpop');
  writeFileSync(path, makeBundle(good));
  const { stdout, stderr } = await wire.curl('--verbose', '--header', 'Expect: 100-continue', '--header', `Authorization: Bearer ${rescue.token}`, '--upload-file', path, '--write-out', ' %{http_code}', 'https://10.99.0.2/api/v1/slots/A');
  assert.match(stdout, / 200$/);
  assert.match(stderr, /HTTP\/1\.1 100 Continue/);
});

test('requests that are none get a clear answer, and the next one is served', async () => {
  const wrong = [
    ['GET / HTTP/1.1\r\n\r\n', 400], ['GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400], ['\0\0\0\0\r\n\r\n', 400],
    [`GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 4], [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(9000)}\r\n\r\n`, 431],
    ['GET / HTTP/2.5\r\nHost: x\r\n\r\n', 5], ['POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n', 413],
    ['GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n', 4],
  ];
  for (const [bytes, status] of wrong) {
    const text = await new Promise((done, fail) => {
      const socket = tls.connect({ socket: net.connect(rescue.socket), rejectUnauthorized: false }, () => socket.write(bytes));
      let got = '';
      socket.on('data', (piece) => {
        got += piece;
        const [head, body] = got.split('\r\n\r\n');
        if (body === undefined || body.length < Number(head.match(/content-length: (\d+)/i)[1])) return;
        socket.destroy();
        done(got);
      });
      socket.on('end', () => fail(new Error(`no whole reply: ${got}`)));
      socket.on('error', fail);
    });
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status}`), JSON.stringify(bytes.slice(0, 60)));
  }
  assert.equal((await rescue.ask('GET', '/healthz', { token: null })).status, 200);
});

test('twenty silent clients keep nobody out', async () => {
  const silent = [];
  for (let i = 0; i < 21; i++) {
    const socket = net.connect(rescue.socket);
    socket.on('error', () => {});
    silent.push(socket);
    if (i % 3 === 1) socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]));
    if (i % 3 === 2) {
      const secure = tls.connect({ socket, rejectUnauthorized: false });
      secure.on('error', () => {});
      secure.write('GET / HTTP/1.1\r\nHo');
    }
  }
  await sleep(300);
  for (let i = 0; i < 5; i++) assert.equal((await rescue.status()).system, 'rescue');
  assert.equal((await install('B', makeBundle(good))).status, 200);
  for (const socket of silent) socket.destroy();
});

test('the host’s name and service by mDNS', async () => {
  const encoded = (name) => Buffer.concat(name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])));
  const ask = (name, type) => wire.outside(process.execPath, [new URL('wire_client.mjs', import.meta.url).pathname, 'mdns', '10.99.0.1', name, String(type)]);
  const host = await ask('pixpop-test.local', 1);
  assert.equal(host.code, 0, host.stderr);
  assert.ok(Buffer.from(host.stdout.trim(), 'hex').includes(Buffer.from([10, 99, 0, 2])), host.stdout);
  const service = await ask('_https._tcp.local', 12);
  assert.equal(service.code, 0, service.stderr);
  assert.ok(Buffer.from(service.stdout.trim(), 'hex').includes(encoded('pixpop-test')), service.stdout);
});

test('the log, and a support archive without secrets', async () => {
  const log = await rescue.ask('GET', '/api/v1/log');
  assert.equal(log.status, 200);
  assert.match(log.text, /eth0: the link is up/);
  const archive = await rescue.ask('GET', '/api/v1/support');
  assert.match(archive.headers['content-disposition'], /pixpop-test-rescue\.tar/);
  const names = execFileSync('tar', ['tf', '-'], { input: archive.body, encoding: 'utf8' }).split('\n');
  for (const name of ['status.json', 'log.txt', 'cmdline', 'bootenv.bin']) assert.ok(names.includes(name), name);
  const { next } = JSON.parse(execFileSync('tar', ['xOf', '-', 'status.json'], { input: archive.body, encoding: 'utf8' }));
  assert.match(next, /^[AB]$/);
  for (const secret of [rescue.code, rescue.code.replaceAll('-', ''), rescue.token, 'PRIVATE KEY']) assert.ok(!archive.body.includes(secret));
});

test('a factory reset is asked for twice and noted on the data partition', async () => {
  const note = rescue.path('data/system/factory-reset');
  assert.equal((await rescue.ask('POST', `/api/v1/factory-reset?confirm=${'0'.repeat(32)}`)).status, 409);
  const first = await rescue.ask('POST', '/api/v1/factory-reset');
  assert.ok(!existsSync(note));
  const second = await rescue.ask('POST', `/api/v1/factory-reset?confirm=${first.json.confirm}`);
  assert.equal(second.status, 200, second.text);
  assert.equal(second.json.is_reset_done, true);
  assert.ok(existsSync(note));
  assert.equal((await rescue.ask('POST', `/api/v1/factory-reset?confirm=${first.json.confirm}`)).status, 409, 'only once');
});

test('network settings that lock everybody out are forgotten, and nothing else', async () => {
  const settings = rescue.path('data/system/network.conf');
  const name = rescue.path('data/system/host_name');
  writeFileSync(settings, 'mode static\naddress 192.0.2.1/24\n');
  writeFileSync(name, 'pixpop-test\n');
  assert.equal((await rescue.ask('GET', '/api/v1/network/forget')).status, 405);
  assert.ok(existsSync(settings));
  for (const what of ['settings', 'none any more']) {
    const reply = await rescue.ask('POST', '/api/v1/network/forget');
    assert.equal(reply.status, 200, `${what}: ${reply.text}`);
    assert.ok(!existsSync(settings));
  }
  assert.equal(readFileSync(name, 'utf8'), 'pixpop-test\n');
});

test('after a crash the same code counts; a restart of the machine is asked for by the exit status', async () => {
  const { code } = rescue;
  await rescue.stop('SIGKILL');
  await rescue.start(...fixed);
  assert.equal(rescue.code, code);
  assert.equal((await rescue.ask('GET', '/api/v1/status')).status, 401, 'sessions end with the program');
  assert.equal((await rescue.logIn()).status, 201);
  assert.equal((await rescue.ask('POST', '/api/v1/reboot')).status, 202);
  assert.deepEqual(await rescue.exit(), { code: 10, signal: null });
});

test('DHCP: an address, the router and the name of the host from a real server', async () => {
  const conf = join(wire.folder, 'udhcpd.conf');
  const leases = join(wire.folder, 'leases');
  writeFileSync(leases, '');
  writeFileSync(conf, `start 10.99.0.50\nend 10.99.0.60\ninterface lan0\noption subnet 255.255.255.0\noption router 10.99.0.1\noption lease 600\nlease_file ${leases}\npidfile ${conf}.pid\n`);
  const server = wire.spawn(wire.out, 'busybox', ['udhcpd', '-f', conf]);
  await rescue.start();
  await rescue.connect(await rescue.shown(/10\.99\.0\.5\d/));
  await rescue.logIn();
  const [port] = (await rescue.status()).interfaces;
  assert.deepEqual([port.name, port.has_link, port.origin], ['eth0', true, 'dhcp']);
  assert.ok(port.addresses.includes(rescue.address));
  server.kill();
  await rescue.stop();
});

// Another box on the same cable, for the time of one test; nobody asks it for an address.
function another(t) {
  const other = new Rescue(wire, { 'release.pem': key.pem });
  t.after(() => other.finish());
  writeFileSync(other.path('watchdog'), '');
  other.watchdog = () => readFileSync(other.path('watchdog'), 'utf8');
  return other;
}

test('when no system started and nobody comes, the machine is started again', async (t) => {
  const other = another(t);
  other.slots('reset', 'good');
  await other.start('--rearm', '1', '--reason', 'failed', '--watchdog', other.path('watchdog'));
  assert.deepEqual(await other.exit(), { code: 10, signal: null });
  assert.match(other.log, /slot A is tried again: restart/);
  assert.match(other.watchdog(), /^f+$/, 'it stays awake');
});

test('who asked for the rescue system keeps it, and so does a machine without a slot to start', async (t) => {
  for (const [mark, reason] of [['good', 'asked'], ['bad', 'failed']]) {
    const other = another(t);
    other.slots('reset', mark);
    await other.start('--rearm', '1', '--reason', reason, '--watchdog', other.path('watchdog'));
    await until('the tries are back', () => /may be tried again/.test(other.log));
    await sleep(1500);
    assert.deepEqual(await other.stop(), { code: 0, signal: null });
    assert.match(other.watchdog(), /^f+V$/, 'it is put to sleep');
  }
});

test('beside a system that has not proven healthy nothing is changed', async (t) => {
  const other = another(t);
  other.slots('written', 'A', '1.0.0');
  await other.start(...fixed, '--running', 'A', '--interface', 'eth0');
  await other.logIn();
  const ask = () => other.ask('PUT', '/api/v1/slots/B', { body: makeBundle(good) });
  for (const reply of [await ask(), await other.ask('POST', '/api/v1/choose?slot=A')]) {
    assert.equal(reply.status, 409, reply.text);
    assert.match(reply.json.detail, /slot A, which runs, has not passed its health check/);
  }
  other.slots('good', 'A');
  const reply = await ask();
  assert.equal(reply.status, 200, reply.text);
});

test('network settings stay on a data partition that is not there or can not be written', async (t) => {
  for (const isThere of [false, true]) {
    const other = another(t);
    const settings = other.path('data/system/network.conf');
    writeFileSync(settings, 'mode static\naddress 192.0.2.1/24\n');
    if (isThere) {
      execFileSync('mount', ['--bind', other.path('data'), other.path('data')]);
      t.after(() => execFileSync('umount', ['--lazy', other.path('data')]));
      execFileSync('mount', ['-o', 'remount,bind,ro', other.path('data')]);
    }
    await other.start(...fixed, '--data', other.path(isThere ? 'data' : 'keys'));
    await other.logIn();
    const reply = await other.ask('POST', '/api/v1/network/forget');
    assert.equal(reply.status, 409, reply.text);
    assert.match(reply.json.detail, isThere ? /can not be removed/ : /data partition is not there/);
    assert.ok(existsSync(settings));
    await other.stop();
  }
});

test('the image’s own floor counts when what was remembered is lost', async (t) => {
  const other = another(t);
  writeFileSync(other.path('board'), 'board test-board\nversion 2.1.0\nfloor 2.0.0\n');
  writeFileSync(other.path('bootenv'), Buffer.alloc(1 << 20));
  await other.start(...fixed, '--board-file', other.path('board'));
  await other.logIn();
  assert.match(other.slots('show'), /floor {5}2\.0\.0/);
  other.slots('reset', 'untried');
  const ask = (version) => other.ask('PUT', '/api/v1/slots/B?older=1', { body: makeBundle({ ...good, version }) });
  const reply = await ask('1.9.9');
  assert.equal(reply.status, 409, reply.text);
  assert.match(reply.json.detail, /1\.9\.9 is below 2\.0\.0/);
  assert.equal((await ask('2.0.0')).status, 200);
});

test('an own floor that can not be read is not taken for none', async (t) => {
  const other = another(t);
  writeFileSync(other.path('board'), 'board test-board\nversion 2.1.0\nfloor two\n');
  writeFileSync(other.path('bootenv'), Buffer.alloc(1 << 20));
  await other.start(...fixed, '--board-file', other.path('board'));
  await other.logIn();
  const status = await other.status();
  assert.match(status.slots_fault, /lowest version that may be installed is not known/);
  assert.deepEqual(status.slots, []);
  other.slots('reset', 'untried');
  const reply = await other.ask('PUT', '/api/v1/slots/B?older=1', { body: makeBundle({ ...good, version: '1.9.9' }) });
  assert.equal(reply.status, 409, reply.text);
  assert.match(reply.json.detail, /lowest version that may be installed is not known/);
  assert.match(other.slots('show'), /slot B {4}untried, 3 tries, version -/);
});

// pixpop-rescue for longer: large uploads, offloads, floods, broken frames, cables that come and go. With PIXPOP_BOARD.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, createReadStream, existsSync, renameSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { bin, build } from '../system/box.mjs';
import { makeBundle, makeKey } from './bundles.mjs';
import { Rescue, sleep, until, Wire } from './wire.mjs';

const fixed = ['--address', '10.99.0.2/24', '--gateway', '10.99.0.1'];
const key = makeKey();
const isSanitized = /\b(asan|tsan)/.test(build);
let wire;
let rescue;
let large; // the path of a bundle of 100 MB

const ip = (...words) => execFileSync('ip', words, { encoding: 'utf8' });
const both = (...words) => {
  for (const [space, name] of [[wire.out, 'lan0'], [wire.box, 'eth0']]) execFileSync('ip', ['netns', 'exec', space, 'ethtool', '-K', name, ...words], { stdio: 'ignore' });
};

function digestOf(path, bytes) {
  return new Promise((done, fail) => {
    const hash = createHash('sha256');
    createReadStream(path, { end: bytes - 1 }).on('data', (piece) => hash.update(piece)).on('end', () => done(hash.digest('hex'))).on('error', fail);
  });
}
const sha = (bytes) => createHash('sha256').update(bytes).digest('hex');
const boot = randomBytes(20 << 20);
const root = randomBytes(80 << 20);

// AddressSanitizer keeps what was freed.
function assertResident(before_kb, more_kb) {
  if (isSanitized) return;
  const now_kb = rescue.residentKb;
  assert.ok(now_kb - before_kb < more_kb && now_kb < 40 * 1024, `${before_kb} -> ${now_kb} KB`);
}

function seedOf() {
  const seed = Number(process.env.PIXPOP_SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`# PIXPOP_SEED=${seed}`);
  return seed;
}

async function sendLarge(slot) {
  const { stdout, stderr } = await wire.curl('--header', `Authorization: Bearer ${rescue.token}`, '--upload-file', large, '--max-time', '300', '--write-out', ' %{http_code} %{time_total}', `https://${rescue.address}/api/v1/slots/${slot}`);
  assert.match(stdout, / 200 [\d.]+$/, stdout + stderr);
  return Number(stdout.split(' ').at(-1));
}

async function begin(...args) {
  rescue = await new Rescue(wire, { 'release.pem': key.pem }).start(...args);
  if (rescue.address) assert.equal((await rescue.logIn()).status, 201);
}

if (process.env.PIXPOP_BOARD) {
  before(async () => {
    wire = new Wire();
    large = join(wire.folder, 'large.pixpop');
    const at = (name, bytes) => {
      writeFileSync(join(wire.folder, name), bytes);
      return join(wire.folder, name);
    };
    const words = [`boot=${at('boot.img', boot)}`, `root=${at('root.img', root)}`, `key=${at('key.pem', key.privatePem)}`];
    execFileSync(join(bin, 'pixpop'), ['bundle', 'make', large, 'board=test-board', 'version=3.0.0', 'created=1790000000', ...words]);
    await begin(...fixed);
  });
  after(async () => {
    await rescue.finish();
    wire.remove();
  });

  test('100 MB by TLS into a slot, in bounded memory', async () => {
    await sendLarge('A');
    const before_kb = rescue.residentKb;
    const seconds = await sendLarge('B');
    console.log(`# 100 MB with check in ${seconds} s, resident ${before_kb} -> ${rescue.residentKb} KB`);
    assertResident(before_kb, 2048);
    assert.equal(await digestOf(rescue.path('boot-b'), boot.length), sha(boot));
    assert.equal(await digestOf(rescue.path('root-b'), root.length), sha(root));
    const { next, slots } = await rescue.status();
    assert.equal(next, 'B');
    assert.deepEqual(slots.map(({ mark, tries, version }) => [mark, tries, version]), [['untried', 3, '3.0.0'], ['untried', 3, '3.0.0']]);
  });

  for (const setting of ['on', 'off']) {
    test(`offloads ${setting}`, async () => {
      both('tx', setting, 'rx', setting, 'sg', setting, 'tso', setting, 'gso', setting, 'gro', setting);
      await sendLarge('A');
      assert.equal(await digestOf(rescue.path('root-a'), root.length), sha(root));
      for (let i = 0; i < 10; i++) {
        const archive = await rescue.ask('GET', '/api/v1/support');
        assert.equal(archive.status, 200);
        execFileSync('tar', ['tf', '-'], { input: archive.body });
      }
    });
  }

  test('offloads on at one end only', async () => {
    for (const [space, name] of [[wire.out, 'lan0'], [wire.box, 'eth0']]) {
      both('tx', 'off', 'rx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off');
      execFileSync('ip', ['netns', 'exec', space, 'ethtool', '-K', name, 'tx', 'on', 'rx', 'on', 'tso', 'on', 'gso', 'on', 'gro', 'on'], { stdio: 'ignore' });
      await sendLarge('A');
    }
    both('tx', 'on', 'rx', 'on', 'tso', 'on', 'gso', 'on', 'gro', 'on');
  });

  test('a bad line: frames lost, doubled, out of order', async () => {
    const seed = seedOf();
    const bad = new Wire({ lossySeed: seed });
    const far = await new Rescue(bad, { 'release.pem': key.pem }).start(...fixed);
    assert.equal((await far.logIn()).status, 201);
    const image = randomBytes(4 << 20);
    const reply = await far.ask('PUT', '/api/v1/slots/B', { body: makeBundle({ version: '3.0.1', boot: randomBytes(100_000), root: image, keys: [key] }) });
    assert.equal(reply.status, 200, reply.text);
    assert.equal(await digestOf(far.path('root-b'), image.length), sha(image));
    for (let i = 0; i < 5; i++) execFileSync('tar', ['tf', '-'], { input: (await far.ask('GET', '/api/v1/support')).body });
    await far.finish();
    bad.remove();
  });

  test('hundreds of silent clients from many addresses, during an upload', async (context) => {
    for (let i = 20; i < 60; i++) ip('-n', wire.out, 'addr', 'add', `10.99.0.${i}/24`, 'dev', 'lan0');
    const flood = wire.spawn(wire.out, process.execPath, ['--input-type=module', '--eval', `
      import net from 'node:net';
      let i = 0;
      setInterval(() => {
        for (let j = 0; j < 10; j++) {
          const socket = net.connect({ host: '10.99.0.2', port: i % 4 ? 443 : 80, localAddress: '10.99.0.' + (20 + (i++ % 40)) });
          socket.on('error', () => {});
          if (i % 2) socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0]));
        }
      }, 50);`]);
    context.after(() => flood.kill());
    await sleep(1000);
    const before_kb = rescue.residentKb;
    await sendLarge('B');
    for (let i = 0; i < 10; i++) assert.equal((await rescue.status()).system, 'rescue');
    assertResident(before_kb, 8192);
  });

  test('an upload that falls silent gives its place up; silent clients are shut out in time', async () => {
    const open = (bytes) => {
      const socket = tls.connect({ socket: net.connect(rescue.socket), rejectUnauthorized: false }, () => socket.write(bytes));
      socket.on('error', () => {});
      return { socket, closed: new Promise((done) => socket.on('close', done)), since: Date.now() };
    };
    const upload = open(`PUT /api/v1/slots/B HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${rescue.token}\r\nContent-Length: 1000000\r\n\r\npxupdate`);
    const head = open('GET / HTTP/1.1\r\nHo');
    await head.closed;
    assert.ok(Date.now() - head.since > 10_000);
    await upload.closed;
    assert.ok(Date.now() - upload.since > 25_000);
    const { install } = await rescue.status();
    assert.equal(install.phase, 'failed');
    assert.match(install.failure, /cut off/);
  });

  test('broken frames of every kind', async () => {
    const [{ mac }] = (await rescue.status()).interfaces;
    const seed = seedOf();
    const before_kb = rescue.residentKb;
    const { code, stderr } = await wire.outside('python3', [new URL('broken_frames.py', import.meta.url).pathname, 'lan0', mac, '100000', String(seed)]);
    assert.equal(code, 0, stderr);
    await until('an answer', async () => (await wire.outside('ping', ['-c', '1', '-W', '1', '10.99.0.2'])).code === 0);
    assert.equal((await rescue.status()).system, 'rescue');
    assertResident(before_kb, 8192);
    await sendLarge('A');
  });

  test('a cable that is pulled, an interface that goes and comes back', async () => {
    ip('-n', wire.out, 'link', 'set', 'lan0', 'down');
    await until('the lost link', () => rescue.log.includes('there is no link'));
    ip('-n', wire.out, 'link', 'set', 'lan0', 'up');
    await rescue.connect('10.99.0.2');
    ip('-n', wire.out, 'link', 'del', 'lan0');
    await until('the lost interface', () => rescue.log.includes('eth0 has gone'));
    ip('link', 'add', 'lan0', 'netns', wire.out, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', wire.box);
    ip('-n', wire.out, 'link', 'set', 'lan0', 'up');
    ip('-n', wire.out, 'addr', 'add', '10.99.0.1/24', 'dev', 'lan0');
    await rescue.connect('10.99.0.2');
    assert.equal((await rescue.status()).interfaces.length, 1);
  });

  test('IPv6: link-local', async () => {
    const address = (await rescue.status()).interfaces[0].addresses.find((one) => one.startsWith('fe80:'));
    // The kernel at the other end needs some seconds for an address of its own.
    await until('an answer', async () => (await wire.curl(`https://[${address}%25lan0]/healthz`)).stdout === 'rescue\n');
  });

  test('slots get their tries back after a long silence', async () => {
    await rescue.stop();
    await begin(...fixed, '--rearm', '3');
    rescue.slots('reset', 'good');
    rescue.slots('rescue', 'on');
    await until('the tries', () => /tries may|may be tried again/.test(rescue.log), 20);
    assert.equal((await rescue.status()).is_rearmed, true);
  });

  test('a state that is lost is made anew, and the slot that was healthy last comes first', async () => {
    await rescue.stop();
    const lost = new Rescue(wire, { 'release.pem': key.pem });
    writeFileSync(lost.path('bootenv'), Buffer.alloc(1 << 20));
    writeFileSync(lost.path('data', 'system', 'healthy'), 'B\n');
    rescue = await lost.start(...fixed);
    await rescue.logIn();
    assert.deepEqual((await rescue.status()).slots.map(({ mark }) => mark), ['untried', 'untried']);
    assert.match(rescue.log, /no copy of the state/);
    assert.equal((await rescue.status()).next, 'B');
  });

  test('a disk that comes late', async () => {
    await rescue.stop();
    const late = new Rescue(wire, { 'release.pem': key.pem });
    renameSync(late.path('bootenv'), late.path('unplugged'));
    rescue = await late.start(...fixed);
    await rescue.logIn();
    assert.match((await rescue.status()).slots_fault, /can not be opened/);
    const bundle = makeBundle({ version: '1.0.0', boot: randomBytes(1000), root: randomBytes(1000), keys: [key] });
    const reply = await rescue.ask('PUT', '/api/v1/slots/A', { body: bundle });
    assert.ok(reply.status >= 400, reply.text);
    renameSync(late.path('unplugged'), late.path('bootenv'));
    assert.equal((await rescue.ask('PUT', '/api/v1/slots/A', { body: bundle })).status, 200);
    assert.equal((await rescue.status()).next, 'A');
  });

  test('a data partition that can not be used is made anew', async () => {
    await rescue.stop();
    const other = new Rescue(wire, { 'release.pem': key.pem });
    const program = other.path('format');
    writeFileSync(program, `#!/bin/sh\ntouch ${other.path('formatted')}\n`);
    chmodSync(program, 0o755);
    rescue = await other.start(...fixed, '--data', '/nonexistent', '--format', program);
    await rescue.logIn();
    const { json } = await rescue.ask('POST', '/api/v1/factory-reset');
    assert.equal((await rescue.ask('POST', `/api/v1/factory-reset?confirm=${json.confirm}`)).status, 200);
    assert.ok(existsSync(rescue.path('formatted')));
  });

  test('beside a running system: its slot is not written, its agent’s changes are waited for', async () => {
    await rescue.stop();
    const beside = new Rescue(wire, { 'release.pem': key.pem });
    beside.slots('written', 'A', '2.0.0');
    beside.slots('good', 'A');
    rescue = await beside.start(...fixed, '--running', 'A', '--interface', 'eth0', '--rearm', '1');
    await rescue.logIn();
    const bundle = (version) => makeBundle({ version, boot: randomBytes(1000), root: randomBytes(1000), keys: [key] });
    const put = (slot, version, more = '') => rescue.ask('PUT', `/api/v1/slots/${slot}${more}`, { body: bundle(version) });
    assert.equal((await put('A', '2.1.0')).status, 409);
    const older = await put('B', '1.0.0');
    assert.equal(older.status, 409, older.text);
    assert.equal((await put('B', '1.0.0', '?older=1')).status, 200);
    const holder = spawn('flock', [rescue.path('bootenv'), 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] });
    await until('the lock', async () => (await put('B', '2.1.0')).status === 423);
    assert.equal((await rescue.ask('POST', '/api/v1/choose?slot=A')).status, 423);
    holder.stdin.end();
    await until('the lock’s end', async () => (await put('B', '2.1.0')).status === 200);
    await sleep(2500);
    assert.doesNotMatch(rescue.log, /tried again/);
  });

  test('AutoIP when no DHCP server answers', async () => {
    await rescue.stop();
    await begin();
    const address = await rescue.shown(/169\.254\.\d+\.\d+/);
    ip('-n', wire.out, 'addr', 'add', '169.254.0.1/16', 'dev', 'lan0');
    await rescue.connect(address);
    await rescue.logIn();
    assert.equal((await rescue.status()).interfaces[0].origin, 'autoip');
  });
}

// pixpop-system: what it answers and does, with files in place of partitions.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Appliance, board, isRoot, until } from './appliance.mjs';
import { bin, sleep, startBox } from './box.mjs';

const isLong = process.env.PIXPOP_LONG !== undefined;
const good = [['reset'], ['written', 'A', '1.0.0'], ['good', 'A']];
let box, health;

before(async () => {
  box = await startBox({ tls: true });
  // The console's own file, as on an appliance, where whoever the probe runs as can read it.
  health = { url: `${box.console}/healthz`, ca: `/tmp/pixpop-agent-${process.pid}.pem` };
  copyFileSync(join(box.data, 'console.pem'), health.ca);
  chmodSync(health.ca, 0o644);
});
after(async () => {
  rmSync(health.ca);
  await box.finish();
});

// A healthy appliance, past its gate, for the time of one test.
async function healthy(t, options = {}, ...more) {
  const appliance = new Appliance({ health, ...options });
  t.after(() => appliance.finish());
  await appliance.start(...more);
  await appliance.hasHealth('good');
  return appliance;
}

test('a slot on trial that does its work is good, and its floor holds', async (t) => {
  const appliance = new Appliance({ health, floor: '0.9.0' });
  t.after(() => appliance.finish());
  await appliance.start('--probe', join(bin, 'pixpop-probe'), '--user', userInfo().username);
  await appliance.hasHealth('good');
  assert.match(appliance.log, /a variant was made by/);
  assert.match(appliance.slots('show'), /slot A {4}good, 3 tries, version 1\.0\.0, first/);
  assert.match(appliance.slots('show'), /floor {5}0\.9\.0/);
  assert.deepEqual(readdirSync(appliance.path('data')), ['healthy']);
  assert.equal(readFileSync(appliance.path('data/healthy'), 'utf8'), 'A\n');
});

test('the status says what runs', async (t) => {
  const appliance = await healthy(t);
  const { progress, ...status } = await appliance.status();
  assert.deepEqual(progress, []);
  assert.deepEqual(status, {
    board, version: '1.0.0', boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(), running: 'A', next: 'A',
    slots: [{ name: 'A', mark: 'good', tries: 3, version: '1.0.0' }, { name: 'B', mark: 'bad', tries: 0, version: '' }],
    floor: '', is_reboot_needed: false, health: 'good', health_text: '', phase: 'idle', installing: '', done: 0, total: 0,
    failure: '', result: 'ok',
  });
});

test('an update arrives byte for byte, is next, and survives a new start of the program', async (t) => {
  const appliance = await healthy(t);
  const { bytes, boot, root } = appliance.bundle();
  const reply = await appliance.install(bytes);
  assert.deepEqual({ ...reply, progress: [] }, { version: '1.1.0', slot: 'B', result: 'ok', progress: [] });
  for (const phase of ['reading', 'writing', 'checking']) assert.ok(reply.progress.some((line) => line.phase === phase), phase);
  assert.deepEqual(readFileSync(appliance.path('bootB')).subarray(0, boot.length), boot);
  assert.deepEqual(readFileSync(appliance.path('rootB')).subarray(0, root.length), root);
  assert.ok(readFileSync(appliance.path('rootA')).every((byte) => byte === 0));
  const expected = { next: 'B', is_reboot_needed: true, phase: 'done', installing: '1.1.0', failure: '' };
  const picked = (status) => Object.fromEntries(Object.keys(expected).map((key) => [key, status[key]]));
  assert.deepEqual(picked(await appliance.status()), expected);
  assert.deepEqual((await appliance.status()).slots[1], { name: 'B', mark: 'untried', tries: 3, version: '1.1.0' });
  await appliance.stop();
  await appliance.start();
  await appliance.hasHealth('good');
  assert.equal((await appliance.status()).next, 'B');
});

test('an update signed by one of two keys is taken, an older one only when asked for', async (t) => {
  const appliance = await healthy(t, { version: '1.2.0' });
  appliance.makeKey('second');
  const { bytes } = appliance.bundle({ version: '1.1.9', key: 'second' });
  const refused = await appliance.install(bytes);
  assert.equal(refused.result, 'conflict');
  assert.match(refused.text, /1\.1\.9 is older than 1\.2\.0/);
  assert.equal((await appliance.install(bytes, { older: true })).result, 'ok');
});

test('what is not right is refused with the reason, and what runs stays next', async (t) => {
  const appliance = await healthy(t, { floor: '1.0.0' });
  appliance.makeKey('stranger', false);
  const { bytes } = appliance.bundle();
  const flipped = (at) => { const copy = Buffer.from(bytes); copy[at < 0 ? copy.length + at : at] ^= 4; return copy; };
  const cases = [
    ['a key nobody knows', appliance.bundle({ key: 'stranger' }).bytes, 'forbidden', /sign/],
    ['another board', appliance.bundle({ forBoard: 'other' }).bytes, 'conflict', /for the board other; this is test-board/],
    ['below the floor', appliance.bundle({ version: '0.9.0' }).bytes, 'conflict', /below 1\.0\.0/],
    ['too large an image', appliance.bundle({ bootBytes: (1 << 20) + 1 }).bytes, 'too-large', /room for 1048576/],
    ['a flipped bit in the manifest', flipped(30), 'forbidden', /sign/],
    ['a flipped bit in the last image', flipped(-1), 'checksum-mismatch', /root image is damaged/],
    ['a flipped bit in the first image', flipped(-(3 << 20) - 5), 'checksum-mismatch', /boot image is damaged/],
    ['a cut in the images', bytes.subarray(0, -1), 'bad-input', /cut off/],
    ['a cut in the head', bytes.subarray(0, 60), 'bad-input', /cut off/],
    ['bytes behind the end', Buffer.concat([bytes, Buffer.from('x')]), 'bad-input', /behind the end/],
    ['no bundle', Buffer.from('GIF89a'.repeat(100)), 'bad-input', /bundle/],
    ['nothing', Buffer.alloc(0), 'bad-input', /cut off/],
  ];
  for (const [name, sent, result, text] of cases) {
    const reply = await appliance.install(sent, { older: true });
    assert.equal(reply.result, result, `${name}: ${reply.text}`);
    assert.match(reply.text, text, name);
    const status = await appliance.status();
    assert.deepEqual([status.next, status.phase, status.failure], ['A', 'failed', reply.text], name);
  }
  assert.equal((await appliance.install(bytes)).result, 'ok');
});

test('one change at a time; the status is answered meanwhile', async (t) => {
  const appliance = await healthy(t);
  const { bytes } = appliance.bundle();
  const call = appliance.connect();
  call.send('{"do":"install"}\n');
  call.send(bytes.subarray(0, 2 << 20));
  const status = await until(async () => {
    const now = await appliance.status();
    return now.phase === 'writing' && now.done >= 1 << 20 && now;
  }, 'the update is being written');
  assert.equal(status.installing, '1.1.0');
  assert.equal(status.total, 300000 + (3 << 20));
  assert.equal(status.slots[1].mark, 'bad');
  for (const request of [{ do: 'choose', slot: 'A' }, { do: 'reboot' }, { do: 'poweroff' }, { do: 'rescue' },
    { do: 'factory-reset' }, { do: 'network', text: 'mode dhcp\n' }]) {
    const reply = await appliance.ask(request);
    assert.equal(reply.result, 'locked', request.do);
    assert.match(reply.text, /an update is being installed/);
  }
  assert.equal((await appliance.install(bytes)).result, 'locked');
  assert.equal(appliance.text('power'), '');
  call.end(bytes.subarray(2 << 20));
  assert.equal((await call.lines()).at(-1).result, 'ok');
});

test('kill -9 in the middle of an update leaves what runs, and the next one works', async (t) => {
  const appliance = await healthy(t);
  const { bytes, root } = appliance.bundle();
  for (const part of [100, 400000, bytes.length]) {
    const call = appliance.connect();
    call.send('{"do":"install"}\n');
    call.send(bytes.subarray(0, part));
    await until(() => call.text.includes(part < 1000 ? 'reading' : 'writing'), 'the update has begun');
    await appliance.stop('SIGKILL');
    assert.match(appliance.slots('show'), /next {6}A/);
    await appliance.start();
    await appliance.hasHealth('good');
  }
  assert.equal((await appliance.install(bytes)).result, 'ok');
  assert.deepEqual(readFileSync(appliance.path('rootB')).subarray(0, root.length), root);
});

if (isLong) {
  test('kill -9 at any moment leaves a slot that boots: the old one, or the new one whole', async (t) => {
    const appliance = await healthy(t);
    const { bytes, boot, root } = appliance.bundle();
    const starts = Date.now();
    await appliance.install(bytes);
    const wholeMs = Date.now() - starts;
    const outcomes = { A: 0, B: 0 };
    for (let round = 0; round < 40; round++) {
      assert.equal((await appliance.ask({ do: 'choose', slot: 'A' })).result, 'ok');
      const call = appliance.connect();
      call.send('{"do":"install"}\n');
      call.end(bytes);
      if (round < 39)
        await sleep(wholeMs * (round + 1) / 40);
      else
        await until(async () => (await appliance.status()).phase === 'done', 'the update is whole');
      await appliance.stop('SIGKILL');
      const next = appliance.slots('show').match(/next {6}(\S+)/)[1];
      outcomes[next]++;
      if (next === 'B') {
        assert.deepEqual(readFileSync(appliance.path('bootB')).subarray(0, boot.length), boot);
        assert.deepEqual(readFileSync(appliance.path('rootB')).subarray(0, root.length), root);
      }
      await appliance.start();
      await appliance.hasHealth('good');
    }
    assert.ok(outcomes.A > 0 && outcomes.B > 0, JSON.stringify(outcomes));
  });
}

test('hundreds who ask at once are all answered, while an update arrives', async (t) => {
  const appliance = await healthy(t);
  const { bytes } = appliance.bundle();
  const installing = appliance.install(bytes);
  for (let round = 0; round < 20; round++) {
    const replies = await Promise.all(Array.from({ length: 12 }, (_, i) => (i % 4 === 0
      ? appliance.ask({ do: 'network' }) : appliance.status())));
    for (const reply of replies) assert.equal(reply.result, 'ok');
  }
  assert.equal((await installing).result, 'ok');
});

test('a stop in the middle of an update ends it in order', async (t) => {
  const appliance = await healthy(t);
  const { bytes } = appliance.bundle();
  const call = appliance.connect();
  call.send('{"do":"install"}\n');
  call.send(bytes.subarray(0, 1 << 20));
  await until(() => call.text.includes('writing'), 'the update has begun');
  assert.deepEqual(await appliance.stop(), { code: 0, signal: null });
  assert.equal((await call.lines()).at(-1).result, 'cancelled');
  assert.match(appliance.slots('show'), /next {6}A/);
});

test('no update before the running slot has passed', async (t) => {
  const appliance = new Appliance({ health });
  t.after(() => appliance.finish());
  writeFileSync(appliance.path('variant-fails'), '');
  writeFileSync(appliance.path('variant'), 'the picture is green\n');
  await appliance.start();
  await until(async () => (await appliance.status()).health_text === 'the picture is green', 'the probe is heard');
  assert.equal((await appliance.status()).health, 'waiting');
  const reply = await appliance.install(appliance.bundle().bytes);
  assert.equal(reply.result, 'conflict');
  assert.match(reply.text, /the picture is green/);
});

test('a slot on trial that fails is given up for the other one, at once', async (t) => {
  const state = [['reset', 'good'], ['written', 'A', '1.0.0']];
  const appliance = new Appliance({ health: 'http://127.0.0.1:9/healthz', state });
  t.after(() => appliance.finish());
  await appliance.start('--gate', '700ms');
  await until(() => appliance.text('power') === 'reboot\n', 'the box restarts');
  assert.match(appliance.slots('show'), /next {6}B\nslot A {4}bad/);
  const status = await appliance.status();
  assert.equal(status.health, 'failed');
  assert.match(status.health_text, /cannot connect/);
});

test('a slot on trial that fails stays when the other one cannot boot', async (t) => {
  const appliance = new Appliance({ health: 'http://127.0.0.1:9/healthz' });
  t.after(() => appliance.finish());
  await appliance.start('--gate', '300ms');
  await appliance.hasHealth('failed');
  assert.match((await appliance.status()).health_text, /the only one that can boot/);
  assert.match(appliance.slots('show'), /next {6}A\nslot A {4}untried/);
  assert.equal(appliance.text('power'), '');
});

test('a slot known to be good that fails is only reported, and passes later', async (t) => {
  const appliance = new Appliance({ health, state: [...good, ['written', 'B', '1.1.0'], ['good', 'B'], ['choose', 'A']] });
  t.after(() => appliance.finish());
  writeFileSync(appliance.path('variant-fails'), '');
  await appliance.start('--gate', '300ms');
  await appliance.hasHealth('failed');
  assert.equal(appliance.text('power'), '');
  assert.match(appliance.slots('show'), /next {6}A/);
  rmSync(appliance.path('variant-fails'));
  await appliance.hasHealth('good');
});

test('a data folder that takes no file is not healthy', async (t) => {
  const appliance = new Appliance({ health });
  t.after(() => appliance.finish());
  await appliance.start('--data', appliance.path('missing'));
  await until(async () => /data folder/.test((await appliance.status()).health_text), 'the data folder is missed');
});

test('the watchdog is fed while the page answers, and put to sleep in order', async (t) => {
  const page = http.createServer((request, response) => response.end('ok'));
  await new Promise((ready) => page.listen(0, '127.0.0.1', ready));
  const appliance = new Appliance({ health: `http://127.0.0.1:${page.address().port}/healthz`, state: good });
  t.after(() => appliance.finish());
  const meals = () => statSync(appliance.path('watchdog')).size;
  await appliance.start('--patience', '600ms');
  await appliance.hasHealth('good');
  await until(() => meals() > 10, 'it is fed');
  assert.doesNotMatch(appliance.text('watchdog'), /V/);
  page.close();
  page.closeAllConnections();
  await until(() => /is not fed any more/.test(appliance.log), 'it goes hungry');
  const eaten = meals();
  await until(async () => (await appliance.status()).health === 'failing', 'the page is missed');
  assert.equal(meals(), eaten);
  await appliance.stop();
  assert.match(appliance.text('watchdog'), /^f+V$/);
});

test('a page that never answers is given its time, and no more', async (t) => {
  const appliance = new Appliance({ health: 'http://127.0.0.1:9/healthz', state: good });
  t.after(() => appliance.finish());
  await appliance.start('--patience', '60ms', '--grace', '500ms');
  await until(() => appliance.text('watchdog') !== '', 'it is fed');
  await until(() => /is not fed any more/.test(appliance.log), 'it goes hungry');
});

test('a page that is still starting passes no gate, and yet is alive', async (t) => {
  let body = 'starting\n';
  const page = http.createServer((request, response) => response.end(body));
  await new Promise((ready) => page.listen(0, '127.0.0.1', ready));
  const appliance = new Appliance({ health: `http://127.0.0.1:${page.address().port}/healthz` });
  t.after(() => appliance.finish().finally(() => page.close()));
  await appliance.start('--patience', '2s', '--grace', '2s');
  await until(async () => /is still starting/.test((await appliance.status()).health_text), 'it says so');
  await sleep(6000);
  assert.equal((await appliance.status()).health, 'waiting');
  assert.doesNotMatch(appliance.log, /is not fed any more/);
  body = 'ok\n';
  await appliance.hasHealth('good');
});

test('a page that is starting for ever is given up', async (t) => {
  const page = http.createServer((request, response) => response.end('starting\n'));
  await new Promise((ready) => page.listen(0, '127.0.0.1', ready));
  const appliance = new Appliance({ health: `http://127.0.0.1:${page.address().port}/healthz`, state: good });
  t.after(() => appliance.finish().finally(() => page.close()));
  await appliance.start('--patience', '1s', '--grace', '2s', '--gate', '3s');
  await until(() => appliance.text('watchdog') !== '', 'it is fed');
  await until(() => /is not fed any more/.test(appliance.log), 'it goes hungry');
});

test('while a start goes on, it is life', async (t) => {
  const appliance = new Appliance({ health: 'http://127.0.0.1:9/healthz', state: good });
  t.after(() => appliance.finish());
  const steps = appliance.path('starting');
  let bytes = 0;
  const goOn = () => {
    writeFileSync(steps, Buffer.alloc(++bytes));
    if (isRoot) execFileSync('chown', [appliance.user, steps]);
  };
  goOn();
  await appliance.start('--patience', '60ms', '--grace', '2s', '--starting-file', steps);
  const until6s = Date.now() + 6000;
  while (Date.now() < until6s) {
    goOn();
    await sleep(100);
  }
  assert.doesNotMatch(appliance.log, /is not fed any more/);
  await until(() => /is not fed any more/.test(appliance.log), 'it goes hungry');
});

test('restart and power-off are answered, then done; the watchdog stays awake for a restart', async (t) => {
  const appliance = await healthy(t);
  assert.deepEqual(await appliance.ask({ do: 'poweroff' }), { result: 'ok', progress: [] });
  await until(() => appliance.text('power') === 'poweroff\n', 'poweroff is called');
  assert.equal((await appliance.ask({ do: 'choose', slot: 'A' })).result, 'locked');
  await appliance.stop();
  assert.match(appliance.text('watchdog'), /V$/);
  writeFileSync(appliance.path('watchdog'), '');
  writeFileSync(appliance.path('power'), '');
  await appliance.start();
  assert.equal((await appliance.ask({ do: 'reboot' })).result, 'ok');
  await until(() => appliance.text('power') === 'reboot\n', 'reboot is called');
  await appliance.stop();
  assert.match(appliance.text('watchdog'), /^f+$/);
});

test('a restart that does not come leaves the box to its work', async (t) => {
  const appliance = await healthy(t);
  appliance.script('reboot', 'echo there is no way down; exit 1');
  assert.equal((await appliance.ask({ do: 'reboot' })).result, 'ok');
  await until(() => /there is no way down/.test(appliance.log), 'the reason is heard');
  await until(async () => (await appliance.ask({ do: 'choose', slot: 'A' })).result === 'ok', 'changes are made again');
});

test('slots are chosen, rescue and factory reset asked for', async (t) => {
  const appliance = await healthy(t);
  const bad = await appliance.ask({ do: 'choose', slot: 'B' });
  assert.equal(bad.result, 'conflict');
  assert.match(bad.text, /slot B is bad/);
  assert.equal((await appliance.install(appliance.bundle().bytes)).result, 'ok');
  for (const slot of ['A', 'B']) {
    assert.equal((await appliance.ask({ do: 'choose', slot })).result, 'ok');
    const status = await appliance.status();
    assert.deepEqual([status.next, status.is_reboot_needed], [slot, slot === 'B']);
  }
  assert.equal((await appliance.ask({ do: 'rescue' })).result, 'ok');
  assert.equal((await appliance.status()).next, 'rescue');
  for (let i = 0; i < 2; i++) assert.equal((await appliance.ask({ do: 'factory-reset' })).result, 'ok');
  assert.deepEqual(readdirSync(appliance.path('data')).sort(), ['factory-reset', 'healthy']);
});

test('a slot chosen before the gate is passed stays chosen', async (t) => {
  const appliance = new Appliance({ health, state: [['reset', 'good'], ['written', 'A', '1.0.0']] });
  t.after(() => appliance.finish());
  writeFileSync(appliance.path('variant-fails'), '');
  await appliance.start();
  assert.equal((await appliance.ask({ do: 'choose', slot: 'B' })).result, 'ok');
  rmSync(appliance.path('variant-fails'));
  await appliance.hasHealth('good');
  assert.match(appliance.slots('show'), /next {6}B\nslot A {4}good/);
});

test('the network is set once its program has nothing against it', async (t) => {
  const appliance = await healthy(t);
  const get = async () => (await appliance.ask({ do: 'network' })).text;
  assert.equal(await get(), '');
  const text = 'mode static\naddress 192.168.1.20/24\n';
  assert.equal((await appliance.ask({ do: 'network', text })).result, 'ok');
  assert.equal(await get(), text);
  await until(() => appliance.text('network.log').includes('apply'), 'it is applied');
  const refused = await until(async () => {
    const reply = await appliance.ask({ do: 'network', text: 'mode bad\n' });
    return reply.result !== 'locked' && reply;
  }, 'the program that applies it ends');
  assert.deepEqual([refused.result, refused.text], ['bad-input', 'mode bad']);
  assert.equal(await get(), text);
  assert.deepEqual(readdirSync(appliance.path('data')).sort(), ['healthy', 'network.conf']);
});

test('links that another user has planted are not followed', async (t) => {
  const appliance = await healthy(t);
  writeFileSync(appliance.path('precious'), 'precious');
  symlinkSync(appliance.path('precious'), appliance.path('data/network.conf'));
  assert.notEqual((await appliance.ask({ do: 'network' })).result, 'ok');
  assert.equal((await appliance.ask({ do: 'network', text: 'mode dhcp\n' })).result, 'ok');
  assert.equal(appliance.text('precious'), 'precious');
  assert.equal(appliance.text('data/network.conf'), 'mode dhcp\n');
});

test('damaged memory of the boot loader is said, and made anew by a healthy slot', async (t) => {
  const appliance = new Appliance({ health });
  t.after(() => appliance.finish());
  writeFileSync(appliance.path('bootenv'), Buffer.alloc(1 << 20, 'x'));
  writeFileSync(appliance.path('variant-fails'), '');
  await appliance.start();
  const status = await appliance.status();
  assert.deepEqual([status.result, status.running, status.slots], ['corrupt', 'A', undefined]);
  rmSync(appliance.path('variant-fails'));
  await appliance.hasHealth('good');
  assert.match(appliance.slots('show'), /slot A {4}good, 3 tries, version 1\.0\.0, first\nslot B {4}bad/);
});

test('lines that are no request are refused', async (t) => {
  const appliance = await healthy(t);
  const lines = ['', 'x', 'null', '[]', '{}', '{"do":1}', '{"do":"dance"}', '{"do":"status","slot":"A"}', '{"do":"choose"}',
    '{"do":"choose","slot":"C"}', '{"do":"choose","slot":0}', '{"do":"choose","slot":"A","slot":"B"}', '{"do":"status","do":"reboot"}',
    '{"do":"install","older":1}', '{"do":"network","text":7}', '{"do":"network","text":"\\u0007"}', '{"do":"reboot"} {"do":"reboot"}',
    '{"do":"\\u0000reboot"}', `${'['.repeat(4000)}`, '{"do":"status"}\nmore', '\xff\xfe'];
  for (const line of lines) {
    const reply = await appliance.ask(Buffer.from(`${line}\n`, 'latin1'));
    assert.equal(reply.result, 'bad-input', line);
    assert.ok(reply.text.length > 0, line);
  }
  assert.equal((await appliance.ask(Buffer.alloc(5000, ' '))).result, 'too-large');
  assert.equal((await appliance.status()).result, 'ok');
  assert.equal(appliance.text('power'), '');
});

test('many who say nothing do not keep others out for good', async (t) => {
  const appliance = await healthy(t);
  const silent = Array.from({ length: 16 }, () => appliance.connect());
  await until(async () => {
    const reply = await appliance.status().catch(() => ({}));
    return reply.result === 'busy';
  }, 'the places are taken');
  for (const call of silent.slice(0, 8)) call.socket.destroy();
  await until(async () => (await appliance.status()).result === 'ok', 'there is room again');
  if (isLong) for (const call of silent.slice(8)) assert.equal((await call.lines())[0].result, 'slow-client');
  for (const call of silent) call.socket.destroy();
});

test('two at one socket are one too many', async (t) => {
  const appliance = await healthy(t);
  const second = spawnSync(join(bin, 'pixpop-system'), ['--socket', appliance.path('system.sock'), '--board-file',
    appliance.path('board'), '--slot', 'A', '--bootenv', appliance.path('bootenv'), '--user', appliance.user], { encoding: 'utf8' });
  assert.equal(second.status, 1);
  assert.match(second.stderr, /somebody listens at/);
  assert.equal((await appliance.status()).result, 'ok');
});

test('the command line is explained and checked', () => {
  const run = (...words) => spawnSync(join(bin, 'pixpop-system'), words, { encoding: 'utf8' });
  assert.match(run('--help').stdout, /--bootenv DEVICE/);
  assert.equal(run('--version').status, 0);
  assert.equal(run('--nonsense').status, 2);
  assert.equal(run('--slot').status, 2);
  assert.equal(run('--every', '5').status, 2);
  const missing = run('--user', 'root', '--board-file', '/nowhere/board');
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /\/nowhere\/board/);
});

if (isRoot) {
  test('root does not run the probe itself for want of another user', () => {
    const folder = mkdtempSync('/tmp/pixpop-agent-');
    writeFileSync(join(folder, 'board'), 'board a\nversion 1\n');
    const run = spawnSync(join(bin, 'pixpop-system'), ['--board-file', join(folder, 'board'), '--slot', 'A', '--user', 'no-such-user'],
      { encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    assert.deepEqual([run.status, run.stderr], [1, 'pixpop-system: there is no user no-such-user\n']);
  });

  const asUser = (uid, gid, path, line) => spawnSync(process.execPath, ['-e', `
    const socket = require('net').connect(${JSON.stringify(path)});
    socket.on('error', (error) => console.log(error.code));
    socket.on('data', (text) => process.stdout.write(text));
    ${line ? `socket.write(${JSON.stringify(`${line}\n`)});` : ''}`], { uid, gid, encoding: 'utf8', cwd: '/', env: {} }).stdout;

  test('only root and one other user are let in', async (t) => {
    const appliance = await healthy(t);
    const socket = appliance.path('system.sock');
    const { uid, gid, mode } = statSync(socket);
    const nobody = { uid: Number(spawnSync('id', ['-u', 'nobody'], { encoding: 'utf8' }).stdout), gid };
    assert.deepEqual([uid, mode & 0o777], [0, 0o660]);
    assert.match(asUser(nobody.uid, gid, socket, '{"do":"status"}'), /"result":"ok"/);
    assert.match(asUser(1, 1, socket, '{"do":"status"}'), /EACCES/);
    // Of the right group, and still not the right one.
    const refused = asUser(1, gid, socket);
    assert.match(refused, /"result":"forbidden","text":"user 1 may not ask the system program"/);
    assert.equal(appliance.text('power'), '');
  });

  test('the probe has no rights of root', async (t) => {
    const appliance = new Appliance({ health });
    t.after(() => appliance.finish());
    appliance.script('probe', '[ "$1" = variant ] || exit 0\nid -un; grep -E "^(CapEff|NoNewPrivs)" /proc/self/status >"$here/shared"');
    writeFileSync(appliance.path('shared'), '');
    spawnSync('chmod', ['666', appliance.path('shared')]);
    await appliance.start();
    await appliance.hasHealth('good');
    assert.match(appliance.log, /health +nobody/);
    assert.match(appliance.text('shared'), /CapEff:\s*0{16}\nNoNewPrivs:\s*1/);
  });
}

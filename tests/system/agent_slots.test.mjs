// pixpop-system when the slots are not as they should be: changed by others too, not the one that should run, below the
// floor; and a data partition that is full or broken.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Appliance, isRoot, until } from './appliance.mjs';

let page, health;

before(async () => {
  page = http.createServer((request, response) => response.end('ok'));
  await new Promise((ready) => page.listen(0, '127.0.0.1', ready));
  health = `http://127.0.0.1:${page.address().port}/healthz`;
});
after(() => page.close());

async function healthy(t, options = {}) {
  const appliance = new Appliance({ health, ...options });
  t.after(() => appliance.finish());
  await appliance.start();
  await appliance.hasHealth('good');
  return appliance;
}

// Another program's lock, as pixpop-rescue holds it beside the system; what is returned ends it.
async function lock(appliance) {
  const holder = spawn('flock', ['--no-fork', appliance.path('bootenv'), 'sh', '-c', 'echo held; exec sleep 600'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  return async () => {
    holder.kill();
    await once(holder, 'exit');
  };
}

test('another program that changes the slots is waited for', async (t) => {
  const appliance = await healthy(t);
  const { bytes } = appliance.bundle();
  const release = await lock(appliance);
  for (const reply of [await appliance.ask({ do: 'choose', slot: 'A' }), await appliance.install(bytes)]) {
    assert.equal(reply.result, 'locked');
    assert.match(reply.text, /another program changes the slots/);
  }
  assert.throws(() => appliance.slots('rescue', 'on'), /another program changes the slots/);
  assert.match(appliance.slots('show'), /rescue {4}-/);
  await release();
  assert.equal((await appliance.install(bytes)).result, 'ok');
});

test('while an update arrives no other program changes the slots', async (t) => {
  const appliance = await healthy(t);
  const { bytes } = appliance.bundle();
  const call = appliance.connect();
  call.send('{"do":"install"}\n');
  call.send(bytes.subarray(0, 2 << 20));
  await until(async () => (await appliance.status()).phase === 'writing', 'the update is being written');
  assert.throws(() => appliance.slots('choose', 'A'), /another program changes the slots/);
  call.end(bytes.subarray(2 << 20));
  assert.equal((await call.lines()).at(-1).result, 'ok');
  appliance.slots('choose', 'A');
});

test('a good slot that did not start is named, and next once more', async (t) => {
  const appliance = new Appliance({ health, state: [['reset'], ['written', 'A', '1.0.0'], ['good', 'A'], ['written', 'B', '1.1.0'], ['good', 'B']] });
  t.after(() => appliance.finish());
  appliance.countDown('200');
  assert.match(appliance.slots('show'), /slot B {4}good, 0 tries, version 1\.1\.0, first/);
  await appliance.start();
  await appliance.hasHealth('good');
  const status = await appliance.status();
  assert.equal(status.health_text, 'slot B (version 1.1.0) did not start, and slot A runs in its place; the next restart tries it once more');
  assert.match(appliance.log, /good: slot B \(version 1\.1\.0\) did not start/);
  assert.deepEqual([status.next, status.slots[1].mark, status.slots[1].tries], ['B', 'untried', 1]);
  assert.equal((await appliance.ask({ do: 'choose', slot: 'A' })).result, 'ok');
  assert.equal((await appliance.status()).next, 'A');
});

test('a slot below the floor cannot be chosen', async (t) => {
  const appliance = await healthy(t, { state: [['reset'], ['written', 'B', '0.9.0'], ['good', 'B'], ['written', 'A', '1.0.0']], floor: '1.0.0' });
  const reply = await appliance.ask({ do: 'choose', slot: 'B' });
  assert.equal(reply.result, 'conflict');
  assert.match(reply.text, /slot B has version 0\.9\.0: that is below 1\.0\.0/);
  assert.equal((await appliance.status()).next, 'A');
});

// Wants a file system of its own, which root can make.
const mount = (...words) => spawnSync('mount', words, { stdio: 'ignore' }).status === 0;
if (isRoot) {
  test('a full data partition is said and rolls nothing back; one that became read-only is missed', async (t) => {
    const appliance = new Appliance({ health, state: [['reset', 'good'], ['written', 'A', '1.0.0']] });
    const data = appliance.path('data');
    if (!mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', data)) {
      rmSync(appliance.folder, { recursive: true });
      t.skip('no file system can be mounted here');
      return;
    }
    t.after(async () => {
      await appliance.stop();
      spawnSync('umount', ['-l', data]);
      await appliance.finish();
    });
    writeFileSync(join(data, 'pictures'), Buffer.alloc(64 << 10));
    assert.throws(() => writeFileSync(join(data, 'more'), Buffer.alloc(4096)), { code: 'ENOSPC' });
    await appliance.start('--gate', '2s');
    await appliance.hasHealth('good');
    assert.equal((await appliance.status()).health_text, 'the data partition is full');
    assert.match(appliance.slots('show'), /slot A {4}good, 3 tries/);
    rmSync(join(data, 'pictures'));
    await until(async () => (await appliance.status()).health_text === '', 'there is room again');
    assert.ok(mount('-o', 'remount,ro', data));
    await appliance.hasHealth('failing');
    assert.match((await appliance.status()).health_text, /read-only/);
    assert.ok(mount('-o', 'remount,rw', data));
    await appliance.hasHealth('good');
    assert.equal(appliance.text('power'), '');
  });
}

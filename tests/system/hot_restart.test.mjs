// SIGUSR2: the program starts again in place, and the delivery side's clients notice nothing but a wait.
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bin, readPhoto, request, sleep, startBox } from './box.mjs';

const restarts = process.env.PIXPOP_LONG ? 20 : 3;
const starts = (box) => (box.log.match(/listening on \S+ port \d+ with \d+ loops/g) ?? []).length;
const environment = (box) => readFileSync(`/proc/${box.child.pid}/environ`, 'latin1').split('\0');

async function restartInPlace(box) {
  const before = starts(box);
  box.child.kill('SIGUSR2');
  for (let i = 0; i < 1200 && starts(box) === before; i++) await sleep(25);
  assert.equal(starts(box), before + 1, box.log);
  assert.equal(box.child.exitCode, null);
}

// One GET over the agent's connection, and what there is to know about that.
function askOver(agent, url) {
  return new Promise((done, fail) => {
    const client = url.startsWith('https:') ? https : http;
    const outgoing = client.get(url, { agent, rejectUnauthorized: false }, (reply) => {
      const isLast = reply.headers.connection === 'close';
      reply.on('end', () => done({ status: reply.statusCode, isReused: outgoing.reusedSocket, isLast }));
      reply.on('error', fail).resume();
    });
    outgoing.on('error', fail);
  });
}

describe('a hot restart', () => {
  let box, path;
  before(async () => {
    box = await startBox({ settings: ['delivery.tls_listen=127.0.0.1:0', 'delivery.loops=2'] });
    path = `/i/${await box.put(readPhoto())}?w=320&dpr=1&fm=webp&q=80`;
    assert.equal((await box.get(path)).status, 200);
  });
  after(() => box.finish());

  it('fails_no_request_of_clients_that_keep_coming', async () => {
    let isOver = false, served = 0;
    const failures = [];
    const come = async (url) => {
      while (!isOver) {
        try {
          const reply = await request(url);
          if (reply.status !== 200) failures.push(`${url}: ${reply.status}`);
          served++;
        } catch (error) {
          failures.push(`${url}: ${error.code ?? error.message}`);
        }
      }
    };
    const clients = [];
    for (let i = 0; i < 6; i++) clients.push(come(box.delivery + path));
    for (let i = 0; i < 2; i++) clients.push(come(box.secure + path));
    const pid = box.child.pid, descriptors = () => readdirSync(`/proc/${pid}/fd`).length;
    for (let i = 0; i < restarts; i++) {
      await sleep(200);
      await restartInPlace(box);
    }
    await sleep(300);
    isOver = true;
    await Promise.all(clients);
    assert.deepEqual(failures, []);
    assert.ok(served > 20 * restarts, `${served} requests`);
    assert.equal((await box.get(path)).status, 200);
    const early = descriptors();
    await restartInPlace(box);
    assert.ok(descriptors() <= early + 4, `${early} descriptors before, ${descriptors()} after`);
    assert.ok(!environment(box).some((one) => one.includes('PIXPOP_LISTENERS=') && !one.includes(`=${pid} `)));
  });

  // Each client sends its next request over the connection of the last one, as soon as it has the reply or after a
  // pause, so that there are always some on their way when the box begins to end. None of them tries again.
  it('fails_no_request_on_connections_that_are_used_again', async () => {
    const failures = [];
    let isOver = false, served = 0, reused = 0, told = 0;
    const stay = async (url, pauseMs) => {
      const agent = new (url.startsWith('https:') ? https : http).Agent({ keepAlive: true, maxSockets: 1 });
      while (!isOver) {
        try {
          const reply = await askOver(agent, url);
          if (reply.status !== 200) failures.push(`${url}: ${reply.status}`);
          served++;
          if (reply.isReused) reused++;
          if (reply.isLast) told++;
        } catch (error) {
          failures.push(`${url}: ${error.code ?? error.message}`);
        }
        if (pauseMs > 0) await sleep(Math.random() * pauseMs);
      }
      agent.destroy();
    };
    const clients = [];
    for (let i = 0; i < 8; i++) clients.push(stay(box.delivery + path, 0), stay(box.delivery + path, 20));
    for (let i = 0; i < 4; i++) clients.push(stay(box.secure + path, 20), stay(box.delivery + path, 300));
    for (let i = 0; i < restarts; i++) {
      await sleep(100 + Math.random() * 100);
      await restartInPlace(box);
    }
    isOver = true;
    await Promise.all(clients);
    assert.deepEqual(failures, []);
    assert.ok(reused > served / 2, `${reused} of ${served} requests on connections that were there`);
    // They learn it from a reply, and not from the connection's end.
    assert.ok(told >= restarts, `${told} replies that said so`);
  });

  it('lets_a_request_in_flight_finish', async () => {
    const slow = box.get(path.replace('w=320', 'w=3001'));
    await sleep(30);
    await restartInPlace(box);
    assert.equal((await slow).status, 200);
  });

  it('runs_the_program_that_lies_there_now', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pixpop-restart-'));
    const program = join(folder, 'pixpopd');
    copyFileSync(join(bin, 'pixpopd'), program);
    const other = await startBox({
      under: ['/bin/sh', '-c', `exec ${program} "$@"`], settings: [`decoder.path=${join(bin, 'decoder')}`],
    });
    const replace = (script) => {
      writeFileSync(`${program}.new`, `#!/bin/sh\n${script}\n`);
      chmodSync(`${program}.new`, 0o755);
      renameSync(`${program}.new`, program);
    };
    // One that can not start is not tried.
    replace('exit 7');
    other.child.kill('SIGUSR2');
    for (let i = 0; i < 200 && !/does not accept the configuration/.test(other.log); i++) await sleep(25);
    assert.match(other.log, /does not accept the configuration/);
    assert.equal((await other.get('/healthz')).status, 200);
    assert.equal(starts(other), 1);

    replace(`IS_NEW=yes exec ${join(bin, 'pixpopd')} "$@"`);
    await restartInPlace(other);
    assert.equal((await other.get('/healthz')).status, 200);
    assert.ok(environment(other).includes('IS_NEW=yes'));
    // The signals still reach it.
    await other.finish();
    rmSync(folder, { recursive: true });
  });

  it('starts_again_with_the_settings_of_now_when_the_program_is_gone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pixpop-restart-'));
    const program = join(folder, 'pixpopd');
    const config = join(folder, 'pixpop.conf');
    copyFileSync(join(bin, 'pixpopd'), program);
    writeFileSync(config, '[delivery]\nunsigned = open\n');
    const other = await startBox({
      under: ['/bin/sh', '-c', `exec ${program} "$@"`], config, policy: 'default', settings: [`decoder.path=${join(bin, 'decoder')}`],
    });
    const odd = `/i/${await other.put(readPhoto())}?w=123&fm=webp&q=80`;
    assert.equal((await other.get(odd)).status, 200);
    writeFileSync(config, '[delivery]\nunsigned = ladder\n');
    other.child.kill('SIGHUP');
    for (let i = 0; i < 200 && !/configuration reloaded/.test(other.log); i++) await sleep(25);
    assert.equal((await other.get(odd)).status, 403);
    // It accepts the configuration and then is not there any more.
    writeFileSync(`${program}.new`, '#!/bin/sh\nrm "$0"\n');
    chmodSync(`${program}.new`, 0o755);
    renameSync(`${program}.new`, program);
    await restartInPlace(other);
    assert.equal((await other.get(odd)).status, 403);
    await other.finish();
    rmSync(folder, { recursive: true });
  });
});

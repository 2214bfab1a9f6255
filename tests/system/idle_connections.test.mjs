// What idle keep-alive connections cost. PIXPOP_LONG: 10,000 of each kind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { build, readPhoto, sleep, startBox } from './box.mjs';

const isLong = Boolean(process.env.PIXPOP_LONG);
const isSanitized = /\b(asan|tsan)$/.test(build);
const clients = new URL('./idle_clients.mjs', import.meta.url).pathname;

describe('idle connections', { skip: isSanitized && 'sanitizers keep memory of their own' }, () => {
  let box, path;
  before(async () => {
    box = await startBox({
      settings: ['delivery.tls_listen=127.0.0.1:0', 'delivery.max_connections=11000', 'delivery.connections_per_client=0',
        'delivery.idle_timeout_ms=600000', 'delivery.handshake_timeout_ms=60000'],
    });
    await box.deviceIsOpen();
    path = `/i/${await box.put(readPhoto())}?w=320&dpr=1&fm=webp&q=80`;
    assert.equal((await box.get(path)).status, 200);
  });
  after(() => box.finish());

  const residentKib = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${box.child.pid}/status`, 'utf8'))[1]);
  async function hold(base, count) {
    const child = spawn(process.execPath, [clients, base + path, String(count)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [first] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
    assert.match(String(first), /^ready/);
    return async () => {
      child.stdin.end();
      await once(child, 'exit');
    };
  }
  async function costKib(base, count) {
    await (await hold(base, 50))();  // what is there for the first ones is not counted
    await sleep(300);
    const before = residentKib();
    const letGo = await hold(base, count);
    const each = (residentKib() - before) / count;
    const health = await box.get('/healthz');
    assert.equal(health.status, 200);
    await letGo();
    return each;
  }

  it('take_less_than_8_kib_each', async (t) => {
    const count = isLong ? 10000 : 500;
    const each = await costKib(box.delivery, count);
    t.diagnostic(`${count} connections: ${each.toFixed(2)} KiB each`);
    assert.ok(each < 8, `${each} KiB`);
  });
  it('take_at_most_48_kib_each_over_tls', async (t) => {
    const count = isLong ? 10000 : 150;
    const each = await costKib(box.secure, count);
    t.diagnostic(`${count} connections: ${each.toFixed(2)} KiB each`);
    assert.ok(each <= 48, `${each} KiB`);
  });
});

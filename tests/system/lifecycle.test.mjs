// Starting, stopping, reloading, crashing: the box as a process.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { baseSettings, bin, idOf, readPhoto, sha256, sleep, startBox, suppressions } from './box.mjs';

const pixpopd = join(bin, 'pixpopd');
const run = (args, env = {}) => spawnSync(pixpopd, args, { encoding: 'utf8', timeout: 60000, env: { ...process.env, ...suppressions, ...env } });

describe('the command line', () => {
  let folder;
  before(() => { folder = mkdtempSync(join(tmpdir(), 'pixpop-cli-')); });
  after(() => rmSync(folder, { recursive: true }));
  const quiet = () => ['--data', join(folder, 'data'), ...baseSettings.flatMap((one) => ['--set', one]), '--set', 'console.listen=127.0.0.1:0', '--set', 'delivery.listen=127.0.0.1:0'];

  it('prints_help_and_version', () => {
    assert.match(run(['--help']).stdout, /Usage: pixpopd/);
    assert.match(run(['--version']).stdout, /^pixpopd \d+\.\d+\.\d+\n$/);
  });
  it('prints_a_configuration_that_it_accepts', () => {
    const { stdout, status } = run(['--print-config']);
    assert.equal(status, 0);
    const path = join(folder, 'all.conf');
    writeFileSync(path, stdout);
    assert.equal(run(['--config', path, '--check-config']).status, 0);
  });
  it('lists_the_devices', () => assert.match(run(['--list-devices']).stdout, /^0: /));
  it('refuses_unknown_arguments', () => {
    const outcome = run(['--bogus']);
    assert.equal(outcome.status, 2);
    assert.match(outcome.stderr, /--bogus/);
  });
  it('refuses_an_unreadable_configuration', () => {
    const missing = run(['--config', join(folder, 'none.conf'), ...quiet()]);
    assert.equal(missing.status, 2);
    assert.match(missing.stderr, /none\.conf/);
    const path = join(folder, 'bad.conf');
    writeFileSync(path, '[cache]\nram = lots\n');
    const bad = run(['--config', path, ...quiet()]);
    assert.equal(bad.status, 2);
    assert.match(bad.stderr, /bad\.conf:2.*ram/);
  });
  it('says_so_when_there_is_no_vulkan_device', () => {
    const outcome = run(['--resampler', 'vulkan', ...quiet()], { VK_ICD_FILENAMES: '/nonexistent.json', VK_DRIVER_FILES: '/nonexistent.json' });
    assert.equal(outcome.status, 3);
    assert.match(outcome.stderr, /Vulkan/);
  });
  it('says_so_when_the_device_is_unknown', () => {
    const outcome = run(['--device', 'no such card', ...quiet()]);
    assert.equal(outcome.status, 3);
    assert.match(outcome.stderr, /no such card/);
  });
  it('refuses_plain_http_beyond_loopback', () => {
    const outcome = run(['--data', join(folder, 'data'), ...baseSettings.flatMap((one) => ['--set', one]), '--set', 'console.tls=off', '--set', 'console.listen=0.0.0.0:0', '--set', 'delivery.listen=127.0.0.1:0']);
    assert.equal(outcome.status, 2);
    assert.match(outcome.stderr, /loopback/);
  });
  it('says_so_when_a_port_or_the_data_is_in_use', async () => {
    const box = await startBox();
    const port = run([...quiet(), '--set', `delivery.listen=127.0.0.1:${box.deliveryPort}`]);
    assert.equal(port.status, 4, port.stderr);
    assert.match(port.stderr, new RegExp(String(box.deliveryPort)));
    const consolePort = run([...quiet(), '--set', `console.listen=127.0.0.1:${box.consolePort}`]);
    assert.equal(consolePort.status, 4, consolePort.stderr);
    const data = run([...quiet(), '--data', box.data]);
    assert.equal(data.status, 4, data.stderr);
    await box.finish();
  });
});

describe('a running box', () => {
  it('keeps_only_the_hash_of_its_token', async () => {
    const box = await startBox();
    const files = readdirSync(box.data).filter((name) => statSync(join(box.data, name)).isFile());
    for (const name of files) assert.ok(!readFileSync(join(box.data, name)).includes(box.token), name);
    assert.equal(statSync(join(box.data, 'token.sha256')).mode & 0o777, 0o600);
    await box.restart();
    assert.doesNotMatch(box.output, /token {2,}/);
    assert.equal((await box.api('/api/v1/status')).status, 200);
    await box.finish();
  });

  it('finds_everything_after_a_restart', async () => {
    const box = await startBox();
    const id = await box.put(readPhoto());
    const path = `/i/${id}?w=222&dpr=1&fm=webp&q=80`;
    const before = await box.get(path);
    await box.restart();
    const after = await box.get(path);
    assert.match(after.headers['cache-status'], /^pixpop; hit; detail=disk|^pixpop; hit;.*disk/);
    assert.deepEqual(after.body, before.body);
    assert.equal(after.headers.etag, before.headers.etag);
    assert.equal(after.headers['last-modified'], before.headers['last-modified']);
    await box.finish();
  });

  it('makes_variants_anew_when_the_encoder_settings_changed', async () => {
    const box = await startBox({ settings: ['render.webp_effort=0'] });
    const id = await box.put(readPhoto());
    const path = `/i/${id}?w=222&dpr=1&fm=webp&q=80`;
    const before = await box.get(path);
    box.options.settings = ['render.webp_effort=6'];
    await box.restart();
    const after = await box.get(path);
    assert.match(after.headers['cache-status'], /fwd=/);
    assert.notEqual(after.headers.etag, before.headers.etag);
    await box.finish();
  });

  it('reloads_its_configuration_on_sighup', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pixpop-conf-'));
    const config = join(folder, 'box.conf');
    writeFileSync(config, '[log]\nlevel = info\n');
    const box = await startBox({ config });
    const id = await box.put(readPhoto());
    const get = () => box.get(`/i/${id}?w=150`, { headers: { host: 'img.shop.example' } });
    // Originals belong to a tenant: the shop does not have this one until its host is known and it is uploaded there.
    assert.equal((await get()).status, 200);
    writeFileSync(config, '[log]\nlevel = debug\nformat = json\n[tenant shop]\nhosts = img.shop.example\n');
    box.child.kill('SIGHUP');
    for (let i = 0; i < 50 && !/configuration reloaded/.test(box.log); i++) await sleep(50);
    assert.match(box.log, /configuration reloaded/);
    assert.equal((await get()).status, 404);
    writeFileSync(config, '[log]\nlevel = nonsense\n');
    box.child.kill('SIGHUP');
    for (let i = 0; i < 50 && !/nonsense|log\.level/.test(box.log); i++) await sleep(50);
    assert.equal((await box.get('/healthz')).status, 200);
    assert.equal((await get()).status, 404, 'the old configuration stays');
    const last = box.log.trim().split('\n').at(-1);
    assert.doesNotThrow(() => JSON.parse(last), last);
    await box.finish();
    rmSync(folder, { recursive: true });
  });

  it('finishes_requests_in_flight_on_sigterm', async () => {
    const box = await startBox();
    const id = await box.put(readPhoto());
    const pending = Promise.all([1500, 1501, 1502].map((w) => box.get(`/i/${id}?w=${w}&fm=webp`)));
    await sleep(60);
    const stopped = box.stop();
    const replies = await pending;
    assert.deepEqual(replies.map((reply) => reply.status), [200, 200, 200]);
    assert.deepEqual(await stopped, { code: 0, signal: null });
    rmSync(box.data, { recursive: true });
  });

  it('refuses_with_503_past_its_queue_while_health_answers', async () => {
    const box = await startBox({ settings: ['render.threads=1', 'render.queue=1', 'render.per_client=1'] });  // and four wait
    const id = await box.put(readPhoto());
    const pending = Promise.all(Array.from({ length: 12 }, (_, i) => box.get(`/i/${id}?w=${1000 + i}&fm=webp`)));
    const started = process.hrtime.bigint();
    assert.equal((await box.get('/healthz')).status, 200);
    assert.equal((await box.api('/healthz')).status, 200);
    const healthMs = Number(process.hrtime.bigint() - started) / 1e6;
    const replies = await pending;
    const busy = replies.filter((reply) => reply.status === 503);
    assert.ok(busy.length >= 5, `${busy.length} refused`);
    assert.ok(replies.some((reply) => reply.status === 200));
    for (const reply of busy) {
      assert.match(reply.headers['retry-after'], /^\d+$/);
      assert.equal(reply.headers['cache-control'], 'no-store');
    }
    assert.ok(healthMs < 20000);
    await box.finish();
  });

  it('never_serves_a_variant_with_a_flipped_bit', async () => {
    const box = await startBox();
    const id = await box.put(readPhoto());
    const path = `/i/${id}?w=333&dpr=1&fm=webp&q=80`;
    const good = await box.get(path);
    await box.stop();
    const variants = join(box.data, 'store/variants');
    const records = readdirSync(variants, { recursive: true }).filter((name) => name.endsWith('.rec')).map((name) => join(variants, name));
    assert.ok(records.length >= 1);
    for (const record of records) {
      const bytes = readFileSync(record);
      bytes[bytes.length - 100] ^= 4;
      writeFileSync(record, bytes);
    }
    await box.start();
    const again = await box.get(path);
    assert.equal(again.status, 200);
    assert.match(again.headers['cache-status'], /fwd=/);
    assert.equal(again.headers['repr-digest'], `sha-256=:${sha256(again.body).toString('base64')}:`);
    assert.deepEqual(again.body, good.body);
    await box.finish();
  });

  it('rebuilds_its_index_with_pixpop_reindex', async () => {
    const box = await startBox();
    const ids = [];
    for (const index of [0, 1, 2]) ids.push(await box.put(readPhoto(index), `photo ${index}.jpg`));
    await box.get(`/i/${ids[0]}?w=100&dpr=1&fm=webp&q=80`);
    // The delivery port, and so the URLs, change with the restart.
    const list = async () => (await box.api('/api/v1/originals')).json.items.map(({ url, ...item }) => item);
    const before = await list();
    await box.stop();
    for (const name of readdirSync(join(box.data, 'store')).filter((one) => one.startsWith('index.sqlite'))) rmSync(join(box.data, 'store', name));
    const outcome = spawnSync(join(bin, 'pixpop'), ['reindex', '--data', box.data], { encoding: 'utf8' });
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.match(outcome.stdout, /3 originals/);
    await box.start();
    assert.deepEqual(await list(), before);
    assert.match((await box.get(`/i/${ids[0]}?w=100&dpr=1&fm=webp&q=80`)).headers['cache-status'], /disk/);
    await box.finish();
  });
});

describe('a store that has to be read before the box answers', () => {
  let box, folder, steps;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-starting-'));
    steps = join(folder, 'starting');
    writeFileSync(steps, 'of an earlier start');
    box = await startBox({ args: ['--starting-file', steps] });
  });
  after(async () => {
    await box.finish();
    rmSync(folder, { recursive: true });
  });

  it('tells_nothing_of_a_start_without_it', async () => {
    await box.restart();
    assert.equal(statSync(steps).size, 0);
  });

  it('tells_how_it_goes_on_after_a_kill', async () => {
    await box.restart('SIGKILL');
    assert.ok(statSync(steps).size > 0);
  });

  it('starts_where_it_can_not_be_told', async () => {
    box.options.args = ['--starting-file', join(folder, 'none/starting')];
    await box.restart('SIGKILL');
    assert.match(box.log, /cannot tell in .*none\/starting how the start goes on/);
  });
});

describe('kill -9', () => {
  it('loses_no_acknowledged_upload_and_leaves_no_orphan', async () => {
    const rounds = process.env.PIXPOP_LONG ? 40 : 4;
    const box = await startBox();
    const base = readPhoto(2);
    const acknowledged = [];
    let serial = 0;
    for (let round = 0; round < rounds; round++) {
      let isOver = false;
      const uploader = async () => {
        while (!isOver) {
          // A trailing number makes each file another original.
          const bytes = Buffer.concat([base, Buffer.from(`#${serial++}`)]);
          try {
            const reply = await box.upload(bytes);
            if (reply.status === 201) acknowledged.push(idOf(bytes));
          } catch { /* the box was killed under this request */ }
        }
      };
      const uploaders = [uploader(), uploader(), uploader()];
      await sleep(300 + Math.random() * 1200);
      isOver = true;
      await box.stop('SIGKILL');
      await Promise.all(uploaders);
      await box.start();
      const folder = join(box.data, 'store');
      assert.deepEqual(readdirSync(join(folder, 'tmp')), []);
      for (const id of acknowledged) {
        const reply = await box.api(`/api/v1/originals/${id}`);
        assert.equal(reply.status, 200, `round ${round}: ${id} is lost`);
      }
      const files = readdirSync(join(folder, 'originals'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => entry.name);
      const originals = files.filter((name) => !/\.(rec|tree)$/.test(name));
      for (const name of files.filter((one) => one.endsWith('.tree'))) assert.ok(originals.includes(name.slice(0, -5)), `${name} has no original`);
      for (const name of originals) assert.ok(files.some((one) => one.startsWith(name) && one.endsWith('.rec')), `${name} has no record`);
    }
    assert.ok(acknowledged.length > 0);
    for (const id of acknowledged.slice(-3)) assert.equal((await box.get(`/i/${id}?w=64`)).status, 200);
    await box.finish();
  });
});

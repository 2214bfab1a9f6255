// What resamples: the modes, what is measured and remembered, and a device that is lost again and again.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from '../support/waiting.mjs';
import { baseSettings, bin, metric, readPhoto, sleep, startBox, suppressions } from './box.mjs';
import { decodePng, largestStep } from './png.mjs';

const withoutDrivers = { VK_ICD_FILENAMES: '/nonexistent.json', VK_DRIVER_FILES: '/nonexistent.json' };
const deviceNow = async (box) => (await box.api('/api/v1/device')).json;

// Once it is open, or is known not to be.
async function deviceOf(box) {
  for (let i = 0; i < 600; i++) {
    const device = await deviceNow(box);
    if (device.state !== 'opening') return device;
    await sleep(100);
  }
  throw new Error(`the device is still being opened: ${box.log}`);
}

// PNG originals are resampled as RGBA, so that a step in the result is a step of the kernel.
async function pngOriginal(box) {
  const id = await box.put(readPhoto());
  const reply = await box.get(`/i/${id}?w=900&fm=png`);
  assert.equal(reply.status, 200);
  return reply.body;
}

describe('resampler', () => {
  let cpu, vulkan, original;
  before(async () => {
    cpu = await startBox({ args: ['--resampler', 'cpu'] });
    vulkan = await startBox({ args: ['--resampler=vulkan'] });
    original = await pngOriginal(cpu);
  });
  after(async () => {
    await cpu.finish();
    await vulkan.finish();
  });

  it('makes_the_same_pictures_on_the_cpu_and_on_the_device', async () => {
    const ids = [await cpu.put(original, 'a.png'), await vulkan.put(original, 'a.png')];
    assert.equal(ids[0], ids[1]);
    for (const options of ['w=400', 'w=1500&fit=outside', 'w=301&h=200&fit=cover', 'w=200&rot=90&filter=lanczos3']) {
      const [a, b] = await Promise.all([cpu, vulkan].map((box) => box.get(`/i/${ids[0]}?${options}&fm=png`)));
      assert.equal(a.status, 200, options);
      assert.equal(b.status, 200, options);
      assert.ok(largestStep(decodePng(a.body), decodePng(b.body)) <= 1, options);
    }
  });

  it('says_what_it_runs_on', async () => {
    const onCpu = await deviceOf(cpu), onVulkan = await deviceOf(vulkan);
    assert.deepEqual([onCpu.mode, onCpu.state, onCpu.device], ['cpu', 'none', null]);
    assert.deepEqual([onVulkan.mode, onVulkan.state], ['vulkan', 'ok']);
    assert.match(cpu.output, /^ {2}device +zimg on the CPU \(as configured\)$/m);
    assert.ok(vulkan.log.includes(`resampling on ${onVulkan.device.name} (as configured)`), vulkan.log);
    assert.ok(['software', 'integrated', 'discrete'].includes(onVulkan.device.type));
    assert.ok(onVulkan.memory.budget_bytes > 0);
    assert.equal((await vulkan.api('/api/v1/status')).json.device, `${onVulkan.device.name} (as configured)`);
    for (const one of onVulkan.calibration.cases) {
      assert.ok(['two-pass', 'tile'].includes(one.choice), one.name);
      assert.ok(one.kernels.every((kernel) => kernel.microseconds > 0), one.name);
    }
    const jobs = async (box, kernel) => metric((await box.api('/metrics')).body.toString(), 'pixpop_resample_jobs_total', `kernel="${kernel}"`);
    assert.ok(await jobs(cpu, 'cpu') > 0);
    assert.equal(await jobs(cpu, 'two-pass'), 0);
    assert.ok(await jobs(vulkan, 'two-pass') + await jobs(vulkan, 'tile') > 0);
    assert.equal(await jobs(vulkan, 'cpu'), 0);
  });

  it('is_shown_by_pixpop_device', async () => {
    const pixpop = (box, ...args) => new Promise((done) => {
      execFile(join(bin, 'pixpop'), ['--console', box.console, '--token', box.token, 'device', ...args], (error, stdout, stderr) => done({ status: error?.code ?? 0, stdout, stderr }));
    });
    const table = await pixpop(vulkan);
    assert.equal(table.status, 0, table.stderr);
    assert.match(table.stdout, /^CASE +two-pass/m);
    assert.match(table.stdout, /^2x up, RGBA +[0-9.]+ ms/m);
    const { cases } = (await deviceOf(vulkan)).calibration;
    assert.equal(table.stdout.split('\n').filter((line) => / (ms|-)\*/.test(line)).length, cases.length);
    assert.match(table.stdout, /^losses +0, recovered 0$/m);
    assert.deepEqual(JSON.parse((await pixpop(vulkan, '--json')).stdout).calibration, (await deviceOf(vulkan)).calibration);
    assert.match((await pixpop(cpu)).stdout, /^device +none: the CPU does the work$/m);
    assert.equal((await pixpop(cpu, 'bogus')).status, 2);
  });

  it('keeps_its_answers_to_itself', async () => {
    assert.equal((await cpu.api('/api/v1/device', { headers: { authorization: 'Bearer wrong' } })).status, 401);
    assert.equal((await cpu.api('/api/v1/device', { method: 'POST' })).status, 405);
  });
});

describe('a device that is lost again and again', () => {
  let box, id;
  before(async () => {
    box = await startBox({ settings: ['render.resampler=vulkan', 'render.lose_device_after=3', 'render.threads=4'] });
    id = await box.put(readPhoto());
  });
  after(() => box.finish());

  it('costs_no_request', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, (_, i) => box.get(`/i/${id}?w=${100 + i}&fm=webp`)));
    assert.deepEqual(replies.map((reply) => reply.status), replies.map(() => 200));
    for (let i = 0; i < 600 && (await deviceOf(box)).recoveries === 0; i++) await sleep(100);
    const device = await deviceOf(box);
    assert.ok(device.losses >= 1, JSON.stringify(device));
    assert.ok(device.recoveries >= 1, JSON.stringify(device));
    const metrics = (await box.api('/metrics')).body.toString();
    assert.ok(metric(metrics, 'pixpop_device_losses_total') >= 1);
    assert.ok(metric(metrics, 'pixpop_device_recoveries_total') >= 1);
    assert.match(box.log, /is lost \(/);
    assert.match(box.log, /is back/);
  });
});

describe('automatic choice', () => {
  let data;
  before(() => { data = mkdtempSync(join(tmpdir(), 'pixpop-auto-')); });
  after(() => rmSync(data, { recursive: true }));
  const files = () => readdirSync(join(data, 'gpu-cache')).filter((name) => /^calibration-.*\.json$/.test(name));
  const visit = async (options) => {
    const box = await startBox({ data, ...options });
    const device = await deviceOf(box);
    await box.finish();
    return { device, box };
  };

  it('is_measured_remembered_and_explained', async () => {
    const first = await startBox({ data });
    const { token } = first;
    const device = await deviceOf(first);
    await first.finish();
    assert.equal(device.mode, 'auto');
    assert.equal(device.calibration.remembered, false);
    const usesDevice = device.calibration.cases.some((one) => one.choice !== 'cpu');
    assert.equal(device.state, usesDevice ? 'ok' : 'none');
    assert.ok(first.log.includes(`(${device.reason})`), first.log);
    assert.equal(files().length, 1);
    const second = await visit({ token });
    assert.equal(second.device.calibration.remembered, true);
    assert.deepEqual(second.device.calibration.cases, device.calibration.cases);

    const path = join(data, 'gpu-cache', files()[0]);
    writeFileSync(path, readFileSync(path).subarray(0, 100));
    assert.equal((await visit({ token })).device.calibration.remembered, false);
    assert.equal((await visit({ token })).device.calibration.remembered, true);

    const without = await visit({ token, env: withoutDrivers });
    assert.equal(without.device.state, 'none');
    assert.match(without.box.log, /resampling on the CPU \(no Vulkan device: /);
  });
});

// The Vulkan loader reads the list of drivers; one entry is a pipe that nobody writes to yet.
describe('a device that is still being opened', () => {
  const manifests = '/usr/share/vulkan/icd.d';
  let folder, data, token, id, pipes;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-driver-'));
    data = mkdtempSync(join(tmpdir(), 'pixpop-opening-'));
    pipes = 0;
    const first = await startBox({ data, args: ['--resampler', 'cpu'] });
    token = first.token;
    id = await first.put(readPhoto());
    assert.equal((await first.get(`/i/${id}?w=320&fm=webp`)).status, 200);
    await first.finish();
  });
  after(() => {
    rmSync(folder, { recursive: true });
    rmSync(data, { recursive: true });
  });

  async function startSlowly(mode, options = {}) {
    const pipe = join(folder, `${pipes++}.json`);
    execFileSync('mkfifo', [pipe]);
    const real = readdirSync(manifests).filter((name) => name.startsWith('lvp')).map((name) => join(manifests, name));
    const list = [pipe, ...real].join(':');
    const box = await startBox({ data, token, args: ['--resampler', mode], env: { VK_DRIVER_FILES: list, VK_ICD_FILENAMES: list }, ...options });
    // The loader's open() returns, and it finds nothing in this one, nor later in its place.
    box.letGo = () => {
      const end = openSync(pipe, 'r+');
      unlinkSync(pipe);
      closeSync(end);
    };
    return box;
  }

  // What an appliance's health gate asks.
  const lookOf = (box) => spawnSync(join(bin, 'pixpop-probe'), ['answer', `${box.console}/healthz`], {
    encoding: 'utf8', env: { ...process.env, ...suppressions }, timeout: 60000,
  });

  async function checkItServes(box, hasPicture = true) {
    assert.equal((await deviceNow(box)).state, 'opening');
    assert.equal((await deviceNow(box)).device, null);
    assert.match((await box.api('/api/v1/status')).json.device, /is being opened/);
    assert.match(box.output, /^ {2}device +a Vulkan device is being opened$/m);
    assert.equal((await box.get('/healthz')).status, 200);
    const health = await box.api('/healthz');
    assert.deepEqual([health.status, health.body.toString()], [200, 'starting\n']);
    const gate = lookOf(box);
    assert.notEqual(gate.status, 0);
    assert.match(gate.stdout, /is still starting/);
    if (!hasPicture) return;
    const cached = await box.get(`/i/${id}?w=320&fm=webp`);
    assert.equal(cached.status, 200);
    assert.equal((await box.api(`/api/v1/originals/${id}`)).status, 200);
  }

  it('keeps_new_pictures_waiting_when_only_it_may_make_them', async () => {
    const box = await startSlowly('vulkan');
    await checkItServes(box);
    let isOver = false;
    const made = box.get(`/i/${id}?w=333&fm=webp`).finally(() => { isOver = true; });
    await checkItServes(box);
    assert.equal(isOver, false);
    box.letGo();
    assert.equal((await made).status, 200);
    assert.equal((await deviceOf(box)).state, 'ok');
    assert.equal((await box.api('/healthz')).body.toString(), 'ok\n');
    assert.equal(lookOf(box).status, 0);
    const metrics = (await box.api('/metrics')).body.toString();
    assert.equal(metric(metrics, 'pixpop_resample_jobs_total', 'kernel="cpu"'), 0);
    await box.finish();
  });

  it('leaves_new_pictures_to_the_cpu_when_that_may_make_them', async () => {
    const box = await startSlowly('auto');
    assert.equal((await box.get(`/i/${id}?w=334&fm=webp`)).status, 200);
    await checkItServes(box);
    box.letGo();
    assert.notEqual((await deviceOf(box)).calibration.cases.length, 0);
    await box.finish();
  });

  it('ends_in_good_order_when_it_is_told_to', async () => {
    const box = await startSlowly('vulkan');
    await checkItServes(box);
    const ended = box.finish();
    await sleep(100);  // the end has begun by then, or begins with a device that opens
    box.letGo();
    await ended;
    const next = await startBox({ data, token, args: ['--resampler', 'cpu'] });
    assert.doesNotMatch(next.log, /brought up to date/);
    await next.finish();
  });

  // The driver keeps the process, but nothing else: the next one may have the data folder already.
  it('closes_its_store_when_it_is_told_to_end_while_the_driver_hangs', async () => {
    const box = await startSlowly('vulkan');
    await checkItServes(box);
    const refused = box.get(`/i/${id}?w=336&fm=webp`);
    await checkItServes(box);  // the other request is under way by then
    const ended = box.finish();
    const reply = await refused;
    assert.equal(reply.status, 503);
    assert.match(reply.body.toString(), /ends before its Vulkan device is open/);
    const next = await until('the data folder is free', () => startBox({ data, token, args: ['--resampler', 'cpu'] }).catch((error) => {
      if (!/ended \(4\)/.test(error.message)) throw error;
    }));
    assert.equal(box.child.exitCode ?? box.child.signalCode, null);
    assert.doesNotMatch(next.log, /brought up to date/);
    assert.equal((await next.get(`/i/${id}?w=336&fm=webp`)).status, 200);
    await next.finish();
    box.letGo();
    await ended;
  });

  it('ends_and_keeps_what_is_to_be_made_when_its_start_fails', async () => {
    const own = mkdtempSync(join(tmpdir(), 'pixpop-failing-'));
    const taken = net.createServer().unref();
    await new Promise((ready) => { taken.listen(0, '127.0.0.1', ready); });
    const json = { 'content-type': 'application/json' };
    const first = await startBox({ data: own, args: ['--resampler', 'cpu'] });
    const { token: key } = first;
    await first.put(readPhoto());
    await first.finish();
    const asked = await startSlowly('vulkan', { data: own, token: key });
    const listed = await asked.api('/api/v1/prewarm', { method: 'PUT', headers: json, body: JSON.stringify({ recipes: ['w=64&fm=webp', 'w=96&fm=jpeg'] }) });
    assert.equal(listed.status, 200);
    assert.equal((await asked.api('/api/v1/prewarm/run', { method: 'POST', headers: json, body: '{}' })).status, 202);
    await checkItServes(asked, false);
    const ended = asked.finish();
    asked.letGo();
    await ended;
    for (const setting of ['console.listen', 'delivery.listen']) {
      const failing = startBox({ data: own, token: key, tls: true, args: ['--resampler', 'vulkan'], settings: [`${setting}=127.0.0.1:${taken.address().port}`] });
      await assert.rejects(failing, /ended \(4\): [^]*is in use/);
    }
    const last = await startBox({ data: own, token: key, args: ['--resampler', 'cpu'] });
    assert.doesNotMatch(last.log, /brought up to date/);
    const { run } = await until('the run ends', async () => {
      const { json: now } = await last.api('/api/v1/prewarm');
      return !now.run.is_running && now;
    });
    assert.deepEqual([run.originals, run.made + run.present, run.failed], [1, 2, 0]);
    const metrics = (await last.api('/metrics')).body.toString();
    assert.equal(metric(metrics, 'pixpop_prewarm_variants_total', 'result="made"'), 2);  // by the run or before it
    await last.finish();
    taken.close();
    rmSync(own, { recursive: true });
  });

  it('gives_way_to_the_next_program_when_that_is_asked_for', async () => {
    const box = await startSlowly('vulkan');
    await checkItServes(box);
    box.child.kill('SIGUSR2');
    const served = box.get(`/i/${id}?w=320&fm=webp`);
    box.letGo();
    assert.equal((await served).status, 200);
    for (let i = 0; i < 600 && box.log.split('listening on').length < 3; i++) await sleep(100);
    assert.equal((await box.get(`/i/${id}?w=335&fm=webp`)).status, 200);
    await box.finish();
  });
});

describe('pixpopd --resampler', () => {
  const run = (args, env = {}) => {
    const data = mkdtempSync(join(tmpdir(), 'pixpop-usage-'));
    const settings = ['console.listen=127.0.0.1:0', 'delivery.listen=127.0.0.1:0', ...baseSettings];
    const outcome = spawnSync(join(bin, 'pixpopd'), ['--data', data, ...settings.flatMap((setting) => ['--set', setting]), ...args], {
      encoding: 'utf8', env: { ...process.env, ...suppressions, ...env }, timeout: 60000,
    });
    rmSync(data, { recursive: true });
    return outcome;
  };

  it('refuses_what_it_does_not_know', () => {
    const outcome = run(['--resampler', 'nonsense']);
    assert.equal(outcome.status, 2);
    assert.match(outcome.stderr, /render\.resampler must be one of: auto vulkan cpu/);
    assert.match(run(['--help']).stdout, /--resampler/);
  });

  it('fails_without_a_device_only_where_one_is_asked_for', () => {
    const without = run(['--resampler', 'vulkan'], withoutDrivers);
    assert.equal(without.status, 3);
    assert.match(without.stderr, /^pixpopd: vulkan: there is no Vulkan driver on this machine/m);
    const named = run(['--device', 'no such device']);
    assert.equal(named.status, 3);
    assert.match(named.stderr, /no such device/);
  });
});

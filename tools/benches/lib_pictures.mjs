// What the benches of whole pictures share: photographs with references, sharp in a process of its own, a box that can be
// restarted and measured, and the comparison with the references.
import { execFileSync, fork, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { request } from './lib.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const parts = join(here, 'pictures');
const python = '/usr/bin/python3';  // Debian's own, which has python3-pil
const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
// Both sides run on the same two cores.
const pinned = ['taskset', '--cpu-list', '0,1'];

// Installs sharp by lock file and builds the comparison in `folder`; idempotent.
function install(folder) {
  const lock = join(parts, 'package-lock.json'), stamp = join(folder, 'node_modules/.pixpop-lock');
  if (!existsSync(stamp) || !readFileSync(stamp).equals(readFileSync(lock))) {
    console.log(`bench: installing sharp into ${folder}`);
    for (const name of ['package.json', 'package-lock.json', '.npmrc']) copyFileSync(join(parts, name), join(folder, name));
    execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
    copyFileSync(lock, stamp);
  }
  const support = join(here, '../../tests/support');
  execFileSync('cc', ['-O2', '-std=c11', '-D_GNU_SOURCE', `-I${support}`, join(parts, 'compare.c'), join(support, 'ssim.c'),
    '-o', join(folder, 'compare'), '-lwebp', '-lm'], { stdio: 'inherit' });
}

// Photographs of 6 megapixels as {name, file, references: {width: path}}.
export function preparePictures(folder, widths) {
  mkdirSync(join(folder, 'photos'), { recursive: true });
  install(folder);
  const photos = join(folder, 'photos');
  execFileSync(python, [join(parts, 'make.py'), photos, ...widths.map(String)], { stdio: 'inherit' });
  return readdirSync(photos).filter((name) => name.endsWith('.jpg')).sort().map((name) => ({
    name: name.slice(0, -4),
    file: join(photos, name),
    references: Object.fromEntries(widths.map((width) => [width, join(photos, `${name.slice(0, -4)}-${width}.ppm`)])),
  }));
}

// The same photograph under another digest: a comment behind the start-of-image marker.
export function withComment(jpeg, text) {
  const comment = Buffer.from(text);
  const head = Buffer.from([0xff, 0xfe, (comment.length + 2) >> 8, (comment.length + 2) & 255]);
  return Buffer.concat([jpeg.subarray(0, 2), head, comment, jpeg.subarray(2)]);
}

// --- processes and what they use ---

// The process and all below it.
function familyOf(pid) {
  const family = [pid];
  for (let i = 0; i < family.length; i++) {
    let children = '';
    try {
      for (const task of readdirSync(`/proc/${family[i]}/task`)) children += readFileSync(`/proc/${family[i]}/task/${task}/children`, 'utf8');
    } catch { /* it has just ended */ }
    family.push(...children.split(' ').filter(Boolean).map(Number));
  }
  return family;
}

// Processor seconds of a process, its children that are there and those that were.
function cpuSeconds(pid) {
  let ticks = 0;
  for (const one of familyOf(pid)) {
    try {
      // Behind the name in parentheses: state is field 3, utime, stime, cutime and cstime are 14 to 17.
      const fields = readFileSync(`/proc/${one}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
      ticks += Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]);
    } catch { /* it has just ended; its parent counts it from now on */ }
  }
  return ticks / ticksPerSecond;
}

// Peak resident bytes since the last reset, summed over the family.
function peakBytes(pid) {
  let kilobytes = 0;
  for (const one of familyOf(pid)) {
    try {
      kilobytes += Number(readFileSync(`/proc/${one}/status`, 'utf8').match(/^VmHWM:\s+(\d+)/m)?.[1] ?? 0);
    } catch { /* it has just ended */ }
  }
  return kilobytes * 1024;
}

function resetPeak(pid) {
  for (const one of familyOf(pid)) {
    try { writeFileSync(`/proc/${one}/clear_refs`, '5'); } catch { /* it has just ended, or has dropped its rights */ }
  }
}

// Runs `work` and returns {seconds, cpu, peak} of it.
export async function metered(pid, work) {
  resetPeak(pid);
  const cpuBefore = cpuSeconds(pid), begin = performance.now();
  await work();
  const seconds = (performance.now() - begin) / 1000;
  return { seconds, cpu: cpuSeconds(pid) - cpuBefore, peak: peakBytes(pid) };
}

// Calls work(item) for all items, `lanes` at a time, in order.
export async function inLanes(items, lanes, work) {
  let next = 0;
  await Promise.all(Array.from({ length: lanes }, async () => {
    while (next < items.length) await work(items[next++]);
  }));
}

// --- sharp ---

export class Sharp {
  constructor(folder, threads) {
    this.child = fork(join(parts, 'sharp_worker.mjs'), [folder, String(threads)], {
      execPath: pinned[0], execArgv: [...pinned.slice(1), process.execPath], serialization: 'advanced',
      env: { ...process.env, UV_THREADPOOL_SIZE: String(threads) },
    });
    this.waiting = new Map();
    this.last = 0;
    this.child.on('message', ({ number, error, ...answer }) => {
      const { done, fail } = this.waiting.get(number);
      this.waiting.delete(number);
      if (error) fail(new Error(`sharp: ${error}`));
      else done(answer);
    });
    this.child.on('exit', () => { for (const { fail } of this.waiting.values()) fail(new Error('sharp ended')); });
  }

  get pid() { return this.child.pid; }

  // {lengths} of the files made; with `keep` also {files}.
  make(file, widths, how, { keep = false, lossless = false } = {}) {
    const number = ++this.last;
    return new Promise((done, fail) => {
      this.waiting.set(number, { done, fail });
      this.child.send({ number, file, widths, how, keep, lossless });
    });
  }

  stop() { this.child.removeAllListeners('exit'); this.child.kill(); }
}

// --- the box ---

export class Box {
  constructor(bin, settings) {
    this.bin = bin;
    this.settings = settings;
    this.data = mkdtempSync(join(tmpdir(), 'pixpop-bench-'));
  }

  async start() {
    const settings = ['log.level=warn', 'console.listen=127.0.0.1:0', 'console.tls=off', 'delivery.listen=127.0.0.1:0',
      'delivery.unsigned=open', ...this.settings];
    const args = [...pinned.slice(1), join(this.bin, 'pixpopd'), '--data', this.data, ...settings.flatMap((one) => ['--set', one])];
    this.child = spawn(pinned[0], args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    await new Promise((ready, fail) => {
      this.child.once('exit', (code) => fail(new Error(`pixpopd ended with status ${code}`)));
      this.child.stdout.on('data', (chunk) => {
        text += chunk;
        if (/^ {2}data /m.test(text)) ready();
      });
    });
    const field = (name) => text.match(new RegExp(`^  ${name} +(\\S+)`, 'm'))?.[1];
    this.console = field('console').replace(/\/$/, '');
    this.delivery = field('delivery').replace(/\/i\/$/, '');
    this.token = field('token') ?? this.token;
    return this;
  }

  get pid() { return this.child.pid; }
  get headers() { return { authorization: `Bearer ${this.token}` }; }

  async stop() {
    this.child.removeAllListeners('exit');
    const gone = new Promise((done) => this.child.once('exit', done));
    this.child.kill('SIGTERM');
    await gone;
  }

  async restart() { await this.stop(); await this.start(); }
  async finish() { await this.stop(); rmSync(this.data, { recursive: true, force: true }); }

  async upload(bytes) {
    const reply = await request(`${this.console}/api/v1/originals?name=photo.jpg`, {
      method: 'POST', body: bytes, headers: { ...this.headers, 'content-type': 'application/octet-stream' },
    });
    if (reply.status !== 201) throw new Error(`upload: status ${reply.status} ${reply.body}`);
    return JSON.parse(reply.body)[0].id;
  }

  async get(id, options) {
    const reply = await request(`${this.delivery}/i/${id}?${options}`);
    if (reply.status !== 200) throw new Error(`${options}: status ${reply.status} ${reply.body}`);
    return reply;
  }

  // Makes all widths in one go and fetches them: {width: body}.
  async srcset(id, widths, options) {
    const reply = await request(`${this.console}/api/v1/originals/${id}/variants`, {
      method: 'POST', body: JSON.stringify({ widths, recipe: options }),
      headers: { ...this.headers, 'content-type': 'application/json', accept: 'application/json' },
    });
    if (reply.status !== 200) throw new Error(`variants: status ${reply.status} ${reply.body}`);
    const { failed } = JSON.parse(reply.body);
    if (failed) throw new Error(`variants: ${reply.body}`);
    const bodies = await Promise.all(widths.map((width) => this.get(id, `w=${width}&${options}`)));
    return Object.fromEntries(widths.map((width, i) => [width, bodies[i].body]));
  }
}

// --- quality ---

// Compares files with references: {ssim, psnr} each.
export class Comparison {
  constructor(folder) {
    this.child = spawn(join(folder, 'compare'), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.scratch = join(folder, `compared-${process.pid}.webp`);
  }

  async of(reference, bytes) {
    writeFileSync(this.scratch, bytes);
    this.child.stdin.write(`${reference} ${this.scratch}\n`);
    const { value, done } = await this.lines.next();
    if (done || value === '-') throw new Error(`${reference}: the picture can not be compared with it`);
    const [ssim, psnr] = value.split(' ').map(Number);
    return { ssim, psnr };
  }

  stop() {
    this.child.kill();
    rmSync(this.scratch, { force: true });
  }
}

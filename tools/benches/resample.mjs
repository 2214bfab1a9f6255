// resample BIN OUT.json [ROUNDS]: pixpop's resampling kernels beside zimg, libvips, OpenCV and Pillow: photographs cut from
// lomiri-wallpapers, decoded and in memory (on the device, for ours) before the first round. Wall time; rounds interleaved
// (ours, peer, ours, ...); medians and quartiles. BIN holds the programs of tools/benches/resample.
//
// Threads: pixpop's CPU kernel, zimg and Pillow have one. Vulkan kernels on llvmpipe take all cores, and so do libvips and
// OpenCV beside them; both are also shown with one thread.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { median, report } from './lib.mjs';

const python = '/usr/bin/python3';  // Debian's own, which has python3-pil
const pillow = join(dirname(fileURLToPath(import.meta.url)), 'resample/pillow.py');
const cases = ['1080p-4k-rgba', '12mp-1200-rgb', '12mp-1200-yuv', '6mp-5-yuv'];
const cores = availableParallelism?.() ?? cpus().length;
const kernels = ['two-pass', 'tile'];

class Worker {
  constructor(command, args) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.about = [];
  }

  async line() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.child.spawnfile} ended`);
    return value;
  }

  async ready() {
    for (let line = await this.line(); line !== 'ready'; line = await this.line()) this.about.push(line);
  }

  // Milliseconds; null where the worker does not take the case.
  async run(name, variant) {
    this.child.stdin.write(`${name} ${variant}\n`);
    const answer = await this.line();
    return answer === '-' ? null : Number(answer);
  }

  stop() { this.child.kill(); }
}

function quartile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * share)];
}

// In the order of a round: ours and peers alternate.
function contenders(workers) {
  const list = [
    ['pixpop cpu', workers.ours, 'cpu-batch'], ['zimg float', workers.zimg, 'float'],
    ['pixpop vulkan two-pass', workers.ours, 'two-pass-batch'], ['pillow', workers.pillow, '1'],
    ['pixpop vulkan tile', workers.ours, 'tile-batch'], [`libvips, ${cores} threads`, workers.vips, `${cores}`],
    ['pixpop cpu, one by one', workers.ours, 'cpu-single'], [`opencv cubic, ${cores} threads`, workers.opencv, `cubic-${cores}`],
    ['pixpop vulkan two-pass, one by one', workers.ours, 'two-pass-single'], [`opencv area, ${cores} threads`, workers.opencv, `area-${cores}`],
    ['zimg byte (not exact)', workers.zimg, 'byte'], ['libvips, 1 thread', workers.vips, '1'],
    ['opencv cubic, 1 thread', workers.opencv, 'cubic-1'], ['opencv area, 1 thread', workers.opencv, 'area-1'],
  ];
  return list.map(([name, worker, variant]) => ({ name, worker, variant, times: [] }));
}

// Only several sizes make "one by one" another thing.
const isMeant = (one, name) => !one.variant.endsWith('-single') || name.includes('-5-');

async function measure(workers, name, rounds) {
  let list = contenders(workers).filter((one) => isMeant(one, name));
  for (let round = 0; round <= rounds; round++) {
    for (const one of list) {
      const milliseconds = await one.worker.run(name, one.variant);
      if (milliseconds === null) one.isAbsent = true;
      else if (round > 0) one.times.push(milliseconds);  // round 0 warms up
    }
    list = list.filter((one) => !one.isAbsent);
  }
  console.log(`\n${name.padEnd(36)} ${'median'.padStart(9)} ${'quartiles, ms'.padStart(19)}`);
  for (const one of list) {
    const [low, high] = [quartile(one.times, 0.25), quartile(one.times, 0.75)].map((value) => value.toFixed(2));
    console.log(`  ${one.name.padEnd(34)} ${median(one.times).toFixed(2).padStart(9)} ${`${low} .. ${high}`.padStart(19)}`);
  }
  return (variant, worker) => list.find((one) => one.variant === variant && one.worker === worker)?.times;
}

function rowsOf(name, workers, times) {
  const rows = [];
  const add = (metric, ours, peer, peer_name) => {
    if (ours && peer) rows.push({ metric, unit: 'ms', ours: median(ours), peer: median(peer), peer_name, higherIsBetter: false });
  };
  add(`cpu-floor/${name}`, times('cpu-batch', workers.ours), times('float', workers.zimg), 'zimg');
  for (const kernel of kernels) {
    const ours = times(`${kernel}-batch`, workers.ours);
    add(`vulkan/${kernel}/${name}`, ours, times('1', workers.pillow), 'pillow');
    add(`vulkan/${kernel}/${name}`, ours, times(`${cores}`, workers.vips), 'libvips');
    add(`vulkan/${kernel}/${name}`, ours, times(`cubic-${cores}`, workers.opencv), 'opencv');
    add(`vulkan/${kernel}/${name}`, ours, times(`area-${cores}`, workers.opencv), 'opencv-area');
  }
  return rows;
}

async function main() {
  const [bin, out, rounds = '9'] = process.argv.slice(2);
  const folder = mkdtempSync(join(tmpdir(), 'pixpop-resample-'));
  const workers = {};
  try {
    execFileSync(python, [pillow, '--pictures', folder], { stdio: 'inherit' });
    for (const name of ['ours', 'zimg', 'vips', 'opencv']) workers[name] = new Worker(join(bin, `resample_${name}`), [folder]);
    workers.pillow = new Worker(python, [pillow, folder]);
    for (const worker of Object.values(workers)) await worker.ready();
    console.log(`${cpus()[0].model.trim()}, ${cores} cores, load ${loadavg()[0].toFixed(2)}; ${workers.ours.about.join('; ')}`);
    console.log(`${rounds} rounds; 1 thread: pixpop cpu, zimg, pillow; all cores: pixpop vulkan on llvmpipe`);
    const rows = [];
    for (const name of cases) rows.push(...rowsOf(name, workers, await measure(workers, name, Number(rounds))));
    console.log();
    report(rows, out);
  } finally {
    for (const worker of Object.values(workers)) worker.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

main().catch((error) => { console.error(`bench resample: ${error.message}`); process.exit(1); });

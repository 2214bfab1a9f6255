// variants BIN OUT.json [ROUNDS [CASE...]]: end to end JPEG -> WebP (quality 80, effort 4) of 6 megapixel photographs: the box over
// HTTP on loopback beside sharp in a process of its own, both on the same two cores with two threads and two pictures in
// flight. Rounds are interleaved; medians. Prints pictures a second, processor seconds a picture, peak memory, and SSIM and
// bytes beside an exact bicubic of the whole photograph.
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { median, report } from './lib.mjs';
import { Box, Comparison, Sharp, inLanes, metered, preparePictures, withComment } from './lib_pictures.mjs';

const options = 'dpr=1&fm=webp&q=80';
const srcset = [320, 640, 960, 1280, 1920];
const widths = [400, 1200, ...srcset];
const threads = 2;
const lanes = 2;

// What a case does with one picture on either side. `prepare` is not timed.
const allCases = {
  'cold-1200': {
    before: (box) => box.restart(),
    ours: async (box, id) => ({ 1200: (await box.get(id, `w=1200&${options}`)).body }),
    peers: { sharp: [[1200], 'calls'] },
  },
  'restart-400': {
    before: (box) => box.restart(),
    ours: async (box, id) => ({ 400: (await box.get(id, `w=400&${options}`)).body }),
    peers: { sharp: [[400], 'calls'] },
  },
  'resident-1200': {
    isFresh: true,
    prepare: (box, id) => box.get(id, `w=1190&${options}`),
    ours: async (box, id) => ({ 1200: (await box.get(id, `w=1200&${options}`)).body }),
    peers: { sharp: [[1200], 'calls'] },
  },
  'srcset-5': {
    isFresh: true,
    before: (box) => box.restart(),
    ours: (box, id) => box.srcset(id, srcset, options),
    peers: { sharp: [srcset, 'calls'], 'sharp-clone': [srcset, 'clone'] },
  },
};

// Copies that the box has never seen.
async function uploadAll(box, photos, mark) {
  const ids = [];
  for (const photo of photos) ids.push(await box.upload(withComment(readFileSync(photo.file), `${mark} ${photo.name}`)));
  return ids;
}

async function runOurs(box, one, photos, ids, results) {
  await one.before?.(box);
  if (one.prepare) await inLanes(ids, lanes, (id) => one.prepare(box, id));
  const usage = await metered(box.pid, () => inLanes(ids.map((id, i) => [id, photos[i]]), lanes, async ([id, photo]) => {
    const made = await one.ours(box, id);
    for (const [width, body] of Object.entries(made)) photo.ours[width] = body;
  }));
  results.push(usage);
}

async function runSharp(sharp, [sizes, how], photos, keep, results) {
  results.push(await metered(sharp.pid, () => inLanes(photos, lanes, async (photo) => {
    const made = await sharp.make(photo.file, sizes, how, { keep });
    if (keep) sizes.forEach((width, i) => { photo.peer[width] = Buffer.from(made.files[i]); });
  })));
}

// Latency of one request at a time beside what its encoding took (Server-Timing): {request, encode} in milliseconds.
async function residentLatency(box, photos, mark) {
  const ids = await uploadAll(box, photos, mark);
  const times = [];
  for (const id of ids) {
    await box.get(id, `w=1190&${options}`);
    const begin = performance.now();
    const reply = await box.get(id, `w=1200&${options}`);
    const request = performance.now() - begin;
    const encode = Number(reply.headers['server-timing']?.match(/encode;dur=([\d.]+)/)?.[1]);
    if (!(encode > 0)) throw new Error(`no encoding time in "${reply.headers['server-timing']}"`);
    times.push({ request, encode });
  }
  return times;
}

async function quality(comparison, photos) {
  console.log(`\n${'width'.padEnd(6)} ${'bytes'.padStart(9)} ${'sharp'.padStart(9)} ${'ratio'.padStart(6)}   ${'SSIM'.padStart(7)} ${'sharp'.padStart(7)}   ${'PSNR'.padStart(6)} ${'sharp'.padStart(6)}`);
  for (const width of [...widths].sort((a, b) => a - b)) {
    const sums = { ours: { bytes: 0, ssim: 0, psnr: 0 }, peer: { bytes: 0, ssim: 0, psnr: 0 } };
    if (!photos[0].ours[width]) continue;
    for (const photo of photos) {
      for (const side of ['ours', 'peer']) {
        const { ssim, psnr } = await comparison.of(photo.references[width], photo[side][width]);
        sums[side].bytes += photo[side][width].length;
        sums[side].ssim += ssim / photos.length;
        sums[side].psnr += psnr / photos.length;
      }
    }
    const { ours, peer } = sums;
    console.log(`${String(width).padEnd(6)} ${String(ours.bytes).padStart(9)} ${String(peer.bytes).padStart(9)} ${(ours.bytes / peer.bytes).toFixed(3).padStart(6)}   ${ours.ssim.toFixed(5)} ${peer.ssim.toFixed(5)}   ${ours.psnr.toFixed(2).padStart(6)} ${peer.psnr.toFixed(2).padStart(6)}`);
  }
}

function table(measured, perPicture) {
  console.log(`\n${'case'.padEnd(16)} ${'who'.padEnd(12)} ${'pictures/s'.padStart(10)} ${'CPU s each'.padStart(10)} ${'peak MiB'.padStart(9)}`);
  for (const [name, sides] of Object.entries(measured)) {
    for (const [who, results] of Object.entries(sides)) {
      const count = perPicture(name);
      const speed = median(results.map((one) => count / one.seconds));
      const cpu = median(results.map((one) => one.cpu / count)), peak = median(results.map((one) => one.peak));
      console.log(`${name.padEnd(16)} ${who.padEnd(12)} ${speed.toFixed(2).padStart(10)} ${cpu.toFixed(3).padStart(10)} ${(peak / 1048576).toFixed(0).padStart(9)}`);
    }
  }
}

async function main() {
  const [bin, out, roundText, ...wanted] = process.argv.slice(2);
  const cases = Object.fromEntries(Object.entries(allCases).filter(([name]) => wanted.length === 0 || wanted.includes(name)));
  const rounds = Number(roundText ?? 5);
  const folder = resolve(dirname(out), 'pictures');
  mkdirSync(folder, { recursive: true });
  const photos = preparePictures(folder, widths).map((photo) => ({ ...photo, ours: {}, peer: {} }));
  const box = await new Box(bin, [`render.threads=${threads}`, `decoder.workers=${threads}`]).start();
  const sharp = new Sharp(folder, threads), comparison = new Comparison(folder);
  const measured = Object.fromEntries(Object.entries(cases).map(([name, one]) =>
    [name, Object.fromEntries(['pixpop', ...Object.keys(one.peers)].map((who) => [who, []]))]));
  const latencies = [];
  try {
    await sharp.make(photos[0].file, [100], 'calls');  // loads and warms up
    for (let round = 0; round < rounds; round++) {
      let ids = null;
      for (const [name, one] of Object.entries(cases)) {
        if (!ids || one.isFresh) ids = await uploadAll(box, photos, `${name} ${round}`);
        await runOurs(box, one, photos, ids, measured[name].pixpop);
        for (const [peer, how] of Object.entries(one.peers)) await runSharp(sharp, how, photos, round === 0 && peer === 'sharp', measured[name][peer]);
      }
      if (cases['resident-1200']) latencies.push(...await residentLatency(box, photos, `latency ${round}`));
      console.log(`round ${round + 1} of ${rounds}`);
    }
    const perPicture = (name) => photos.length * (name === 'srcset-5' ? srcset.length : 1);
    await quality(comparison, photos);
    table(measured, perPicture);
    console.log();
    const rows = Object.entries(cases).flatMap(([name, one]) => Object.keys(one.peers).map((peer) => ({
      metric: name, unit: 'pics/s', higherIsBetter: true, peer_name: peer,
      ours: median(measured[name].pixpop.map((result) => perPicture(name) / result.seconds)),
      peer: median(measured[name][peer].map((result) => perPicture(name) / result.seconds)),
    })));
    if (latencies.length > 0) rows.push({ metric: 'resident-1200', unit: 'ms', peer_name: 'webp-encode', higherIsBetter: false,
      ours: median(latencies.map((one) => one.request)), peer: median(latencies.map((one) => one.encode)) });
    report(rows, out);
  } finally {
    sharp.stop();
    comparison.stop();
    await box.finish();
  }
}

main().catch((error) => { console.error(`bench variants: ${error.message}`); process.exit(1); });

// quality BIN OUT.json: how near variants of real photographs come to an exact bicubic of the whole picture (double
// precision weights, Pillow's float path), ours from whatever level the recipe asks for, beside sharp's (libvips, shrink on
// load, kernel cubic): lossless WebP, which shows the resampling alone, and WebP of quality 80. Means over the photographs of
// SSIM (luma) and PSNR (R, G, B).
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { report } from './lib.mjs';
import { Box, Comparison, Sharp, preparePictures } from './lib_pictures.mjs';

const widths = [200, 400, 640, 800, 1200, 1600];
const kinds = [{ name: 'lossless', options: 'dpr=1&fm=webp&q=lossless', lossless: true }, { name: 'q80', options: 'dpr=1&fm=webp&q=80' }];

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// The means of one width and kind: {ssim, psnr, bytes} of ours and theirs.
async function measure({ box, sharp, comparison }, photos, width, kind) {
  const results = { ours: [], peer: [] };
  for (const photo of photos) {
    const files = {
      ours: (await box.get(photo.id, `w=${width}&${kind.options}`)).body,
      peer: Buffer.from((await sharp.make(photo.file, [width], 'calls', { keep: true, lossless: kind.lossless })).files[0]),
    };
    for (const side of ['ours', 'peer']) {
      results[side].push({ ...await comparison.of(photo.references[width], files[side]), bytes: files[side].length });
    }
  }
  const means = (list) => Object.fromEntries(['ssim', 'psnr', 'bytes'].map((name) => [name, mean(list.map((one) => one[name]))]));
  return { ours: means(results.ours), peer: means(results.peer) };
}

async function main() {
  const [bin, out] = process.argv.slice(2);
  const folder = resolve(dirname(out), 'pictures');
  mkdirSync(folder, { recursive: true });
  const photos = preparePictures(folder, widths);
  const box = await new Box(bin, []).start();
  const sharp = new Sharp(folder, 2), comparison = new Comparison(folder);
  const rows = [];
  try {
    for (const photo of photos) photo.id = await box.upload(readFileSync(photo.file));
    console.log(`${photos.length} photographs of 3072 x 2048`);
    console.log(`${'kind'.padEnd(9)} ${'width'.padStart(5)}   ${'SSIM'.padStart(7)} ${'libvips'.padStart(7)}   ${'PSNR'.padStart(6)} ${'libvips'.padStart(7)}   ${'KB'.padStart(7)} ${'libvips'.padStart(7)}`);
    for (const kind of kinds) {
      for (const width of widths) {
        const { ours, peer } = await measure({ box, sharp, comparison }, photos, width, kind);
        console.log(`${kind.name.padEnd(9)} ${String(width).padStart(5)}   ${ours.ssim.toFixed(5)} ${peer.ssim.toFixed(5)}   ${ours.psnr.toFixed(2).padStart(6)} ${peer.psnr.toFixed(2).padStart(7)}   ${(ours.bytes / 1024).toFixed(1).padStart(7)} ${(peer.bytes / 1024).toFixed(1).padStart(7)}`);
        // What is missing to a perfect picture, in thousandths.
        rows.push({ metric: `quality/${kind.name}/${width}`, unit: '1-SSIM', peer_name: 'sharp', higherIsBetter: false, ours: 1000 * (1 - ours.ssim), peer: 1000 * (1 - peer.ssim) });
      }
    }
    console.log('\n1 - SSIM in thousandths:');
    report(rows, out);
  } finally {
    sharp.stop();
    comparison.stop();
    await box.finish();
  }
}

main().catch((error) => { console.error(`bench quality: ${error.message}`); process.exit(1); });

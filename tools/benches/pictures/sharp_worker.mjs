// sharp_worker FOLDER THREADS: makes WebP variants with sharp, one message a picture. Calls run beside each other on THREADS
// threads (UV_THREADPOOL_SIZE, set by the parent), each call on one: that is sharp's fastest way to many pictures.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder, threads] = process.argv.slice(2);
const sharp = createRequire(join(folder, 'package.json'))('sharp');
sharp.cache(false);  // every picture is a new one
sharp.concurrency(1);
if (process.env.UV_THREADPOOL_SIZE !== threads) throw new Error('UV_THREADPOOL_SIZE is not set');

// The same filter (Keys, a = -0.5), quality and effort as pixpop's.
const variant = (picture, width, lossless) =>
  picture.resize(width, null, { kernel: 'cubic' }).webp(lossless ? { lossless: true } : { quality: 80, effort: 4 }).toBuffer();

// "calls": one call a width, each from the file; "clone": one decode, cloned.
function make({ file, widths, how, lossless }) {
  if (how === 'calls') return Promise.all(widths.map((width) => variant(sharp(file), width, lossless)));
  const picture = sharp(file);
  return Promise.all(widths.map((width) => variant(picture.clone(), width, lossless)));
}

process.on('message', async (message) => {
  try {
    const files = await make(message);
    const lengths = files.map((one) => one.length);
    process.send({ number: message.number, lengths, files: message.keep ? files : undefined });
  } catch (error) {
    process.send({ number: message.number, error: error.message });
  }
});

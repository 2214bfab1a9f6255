// A small PNG decoder (8 bits, RGB or RGBA, not interlaced) for tests that compare pixels.
import { inflateSync } from 'node:zlib';

const SIGNATURE_BYTES = 8;

function paeth(a, b, c) {
  const p = a + b - c, pa = Math.abs(p - a), pb = Math.abs(p - b), pc = Math.abs(p - c);
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

function unfilter(raw, height, stride, step) {
  const out = Buffer.alloc(height * stride);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)];
    for (let i = 0; i < stride; i++) {
      const at = y * stride + i;
      const a = i >= step ? out[at - step] : 0, b = y > 0 ? out[at - stride] : 0, c = i >= step && y > 0 ? out[at - stride - step] : 0;
      out[at] = raw[y * (stride + 1) + 1 + i] + [0, a, b, (a + b) >> 1, paeth(a, b, c)][filter];
    }
  }
  return out;
}

// {width, height, channels, pixels}
export function decodePng(bytes) {
  const parts = [];
  let header;
  for (let at = SIGNATURE_BYTES; at < bytes.length;) {
    const length = bytes.readUInt32BE(at), type = bytes.toString('latin1', at + 4, at + 8);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === 'IHDR') header = { width: data.readUInt32BE(0), height: data.readUInt32BE(4), depth: data[8], colour: data[9], interlace: data[12] };
    if (type === 'IDAT') parts.push(data);
    at += length + 12;
  }
  const channels = { 2: 3, 6: 4 }[header.colour];
  if (header.depth !== 8 || header.interlace !== 0 || !channels) throw new Error(`PNG of another kind: ${JSON.stringify(header)}`);
  const pixels = unfilter(inflateSync(Buffer.concat(parts)), header.height, header.width * channels, channels);
  return { width: header.width, height: header.height, channels, pixels };
}

// The largest difference of two pictures of the same size and kind.
export function largestStep(a, b) {
  if (a.width !== b.width || a.height !== b.height || a.channels !== b.channels) throw new Error('pictures of different sizes or kinds');
  let largest = 0;
  for (let i = 0; i < a.pixels.length; i++) largest = Math.max(largest, Math.abs(a.pixels[i] - b.pixels[i]));
  return largest;
}

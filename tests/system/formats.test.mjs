// What phones, printers and browsers upload beside JPEG, PNG and WebP: HEIC, TIFF and AVIF become variants.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { photos, startBox } from './box.mjs';
import { decodePng } from './png.mjs';

const script = new URL('../support/make_formats.py', import.meta.url).pathname;

// Width and height of a lossy WebP (RFC 9649, section 2.5).
function webpSize(bytes) {
  assert.equal(bytes.toString('latin1', 0, 4) + bytes.toString('latin1', 8, 16), 'RIFFWEBPVP8 ');
  return [bytes.readUInt16LE(26) & 0x3fff, bytes.readUInt16LE(28) & 0x3fff];
}

// The mean difference of a channel, of two pictures of one size; alpha does not count.
function meanStep(a, b) {
  assert.deepEqual([a.width, a.height], [b.width, b.height]);
  let sum = 0;
  for (let i = 0; i < a.width * a.height; i++) {
    for (let c = 0; c < 3; c++) sum += Math.abs(a.pixels[i * a.channels + c] - b.pixels[i * b.channels + c]);
  }
  return sum / (a.width * a.height * 3);
}

describe('originals in formats of other worlds', () => {
  let box, folder;
  const file = (name) => readFileSync(join(folder, name));
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-formats-'));
    execFileSync('/usr/bin/python3', [script, photos(1)[0], folder], { stdio: ['ignore', 'inherit', 'inherit'] });
    box = await startBox();
  });
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await box.finish();
  });

  const original = async (id) => (await box.api(`/api/v1/originals/${id}`)).json;
  const picture = async (id) => {
    const reply = await box.get(`/i/${id}?fm=png&q=lossless&dpr=1`);
    assert.equal(reply.status, 200, reply.body.toString().slice(0, 300));
    assert.equal(reply.headers['content-type'], 'image/png');
    return decodePng(reply.body);
  };

  it('turns_a_photograph_of_a_phone_once_and_makes_it_a_webp', async () => {
    const id = await box.put(file('phone.heic'), 'phone.heic');
    const facts = await original(id);
    assert.equal(facts.format, 'heic');
    assert.deepEqual([facts.width, facts.height, facts.orientation], [1200, 900, 6]);
    const reply = await box.get(`/i/${id}?w=600&dpr=1&fm=webp&q=80`);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['content-type'], 'image/webp');
    assert.deepEqual(webpSize(reply.body), [600, 800]);
    assert.ok(meanStep(await picture(id), decodePng(file('upright.png'))) < 4);
  });

  it('shows_what_a_printer_would_of_a_cmyk_tiff', async () => {
    const id = await box.put(file('print.tif'), 'print.tif');
    const facts = await original(id);
    assert.equal(facts.format, 'tiff');
    assert.deepEqual([facts.width, facts.height], [640, 400]);
    const reply = await box.get(`/i/${id}?w=320&dpr=1&fm=webp&q=80`);
    assert.equal(reply.headers['content-type'], 'image/webp');
    assert.deepEqual(webpSize(reply.body), [320, 200]);
    assert.ok(meanStep(await picture(id), decodePng(file('print.png'))) < 1.5);
  });

  it('makes_a_png_of_an_avif_of_10_bits', async () => {
    const id = await box.put(file('web.avif'), 'web.avif');
    assert.equal((await original(id)).format, 'avif');
    assert.ok(meanStep(await picture(id), decodePng(file('flat.png'))) < 2);
  });

  it('brings_planes_of_limited_range_into_every_format', async () => {
    const colours = await box.put(file('video.avif'), 'video.avif'), grey = await box.put(file('video_grey.avif'), 'grey.avif');
    const flat = decodePng(file('flat.png'));
    assert.ok(meanStep(await picture(colours), flat) < 3);
    const shown = await picture(grey);
    let sum = 0;
    for (let i = 0; i < flat.width * flat.height; i++) {
      const [r, g, b] = flat.pixels.subarray(i * flat.channels);
      sum += Math.abs(shown.pixels[i * shown.channels] - (0.299 * r + 0.587 * g + 0.114 * b));
    }
    assert.ok(sum / (flat.width * flat.height) < 2);
    for (const id of [colours, grey]) {
      for (const form of ['webp', 'jpeg']) {
        for (const width of ['', 'w=640&', 'w=200&']) {
          const reply = await box.get(`/i/${id}?${width}dpr=1&fm=${form}&q=90`);
          assert.equal(reply.status, 200, reply.body.toString().slice(0, 300));
          assert.equal(reply.headers['content-type'], `image/${form}`);
        }
      }
    }
    // A JPEG of it, read back: its range has become JPEG's.
    const jpeg = await box.get(`/i/${colours}?dpr=1&fm=jpeg&q=95`);
    assert.ok(meanStep(await picture(await box.put(jpeg.body, 'again.jpg')), flat) < 4);
  });

  it('refuses_each_of_them_cut_in_half', async () => {
    for (const name of ['phone.heic', 'print.tif', 'web.avif']) {
      const bytes = file(name);
      const reply = await box.upload(bytes.subarray(0, bytes.length / 2), name);
      assert.equal(reply.status, 422, `${name}: ${reply.status}`);
    }
  });
});

// Where a URL asks for no change of size, what comes is not larger than the original.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { photos, startBox } from './box.mjs';

const modern = 'image/avif,image/webp,*/*;q=0.8';

// A small photograph, well compressed, with EXIF, in every format that browsers show.
function makeOriginals(folder) {
  execFileSync('/usr/bin/python3', ['-c', `
import sys
from PIL import Image
picture = Image.open(sys.argv[1]).convert("RGB").resize((480, 320))
exif = Image.Exif()
exif[0x010e] = "secret description"
picture.save(sys.argv[2] + "/a.jpg", quality=30, exif=exif.tobytes(), comment=b"secret comment")
picture.save(sys.argv[2] + "/a.webp", quality=25, method=6, exif=exif.tobytes())
picture.quantize(16).save(sys.argv[2] + "/a.png", optimize=True, exif=exif.tobytes())
`, photos(1)[0], folder]);
  return ['jpg', 'webp', 'png'].map((end) => ({ name: `a.${end}`, type: `image/${end.replace('jpg', 'jpeg')}`, bytes: readFileSync(join(folder, `a.${end}`)) }));
}

describe('never_larger', () => {
  let box, folder, originals;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-small-'));
    originals = makeOriginals(folder);
    box = await startBox();
    for (const original of originals) original.id = await box.put(original.bytes);
  });
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await box.finish();
  });

  for (const accept of [modern, 'image/webp,*/*', '*/*', 'image/jpeg', 'image/png']) {
    it(`sends_only_what_the_client_takes_and_no_metadata_when_it_accepts_${accept}`, async () => {
      for (const { id, name, bytes } of originals) {
        const reply = await box.get(`/i/${id}`, { headers: { accept } });
        const type = reply.headers['content-type'];
        assert.equal(reply.status, 200);
        assert.ok(!reply.body.includes('secret'), name);
        if (!accept.includes('image/webp')) assert.notEqual(type, 'image/webp', name);
        if (!accept.includes('*/*')) assert.equal(type, accept, name);
        if (accept === modern) assert.ok(reply.body.length <= bytes.length, `${name}: ${reply.body.length} of ${bytes.length}, ${type}`);
        // The pinned URL is the same variant.
        const pinned = await box.get(reply.headers['content-location'], { headers: { accept } });
        assert.equal(pinned.headers['content-type'], type, name);
        assert.equal(pinned.headers.etag, reply.headers.etag, name);
      }
    });
  }
  it('keeps_the_format_that_was_asked_for', async () => {
    for (const { id, type, bytes } of originals) {
      for (const format of ['webp', 'jpeg', 'png', 'avif']) {
        const reply = await box.get(`/i/${id}?fm=${format}`);
        assert.equal(reply.headers['content-type'], `image/${format}`);
        if (type === `image/${format}`) assert.ok(reply.body.length <= bytes.length);
        assert.ok(!reply.body.includes('secret'));
      }
    }
  });
});

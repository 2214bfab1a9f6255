// A real Chromium that has one original uses it as the dictionary of another (RFC 9842): only the patch travels, and the page gets
// the bytes themselves.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { idOf, sha256, startBox } from '../system/box.mjs';
import { noisePicture, retouched } from '../system/edits.mjs';
import { Relay } from '../system/relay.mjs';
import { openChromium } from './chromium.mjs';

describe('originals as dictionaries in a browser', () => {
  const old = noisePicture(0.3, 80), edited = retouched(old, 300000, 300, 81);
  let box, relay, chromium, page;
  before(async () => {
    box = await startBox();
    for (const bytes of [old, edited]) await box.put(bytes, 'picture.ppm');
    relay = await new Relay(box.console).start();
    chromium = await openChromium();
    ({ page } = chromium);
    await page.goto(relay.address);
  });
  after(async () => {
    await chromium?.close();
    relay.stop();
    await box.finish();
  });

  const fetchDigest = (bytes) => page.evaluate(async ([path, token]) => {
    const reply = await fetch(path, { headers: { authorization: `Bearer ${token}` }, cache: 'reload' });
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await reply.arrayBuffer()));
    return btoa(String.fromCharCode(...digest));
  }, [`/api/v1/originals/${idOf(bytes)}/content`, box.token]);

  it('fetches_a_patch_and_sees_the_whole', async () => {
    // It offers the dictionary once it has put it away, in its own time; one that comes while it still starts may be lost.
    let last;
    do {
      assert.equal(await fetchDigest(old), sha256(old).toString('base64'));
      assert.equal(await fetchDigest(edited), sha256(edited).toString('base64'));
      last = relay.asked.at(-1);
    } while (last.headers['available-dictionary'] !== `:${sha256(old).toString('base64')}:`);
    assert.match(last.headers['accept-encoding'], /\bdcz\b/);
    assert.equal(last.coding, 'dcz');
    assert.ok(last.bytes < 2000, `${last.bytes} bytes`);
  });
});

// A photograph in OpenSeadragon, a IIIF viewer as museums have them: it reads info.json, zooms in by tiles, and what it shows
// is the photograph. On another site than the box, with and without signatures.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readPhoto, startBox } from '../system/box.mjs';
import { openChromium } from './chromium.mjs';

const library = readFileSync(new URL('../node_modules/openseadragon/build/openseadragon/openseadragon.min.js', import.meta.url));
const html = `<!doctype html><meta charset="utf-8"><title>Viewer</title><link rel="icon" href="data:,">
<style>body { margin: 0 } #viewer { width: 900px; height: 600px; background: #202020 }</style>
<div id="viewer"></div><script src="/openseadragon.js"></script>`;

// The museum's own site.
async function startSite() {
  const server = http.createServer((request, response) => {
    const isLibrary = request.url === '/openseadragon.js';
    response.setHeader('content-type', isLibrary ? 'text/javascript' : 'text/html');
    response.end(isLibrary ? library : html);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}/`, stop: () => new Promise((done) => { server.close(done); server.closeAllConnections(); }) };
}

// Opens a viewer and resolves when it shows all tiles of its first view, or with what went wrong.
const openViewer = (page, info) => page.evaluate((url) => new Promise((done) => {
  const viewer = new window.OpenSeadragon.Viewer({
    id: 'viewer', tileSources: [url], drawer: 'canvas', crossOriginPolicy: 'Anonymous', showNavigationControl: false,
    animationTime: 0, immediateRender: true, blendTime: 0,
  });
  window.viewer = viewer;
  viewer.addHandler('open-failed', ({ message }) => done(message));
  viewer.addHandler('tile-load-failed', ({ message }) => done(`a tile: ${message}`));
  viewer.addHandler('open', () => {
    const item = viewer.world.getItemAt(0);
    if (item.getFullyLoaded()) done('loaded');
    item.addOnceHandler('fully-loaded-change', () => done('loaded'));
  });
}), info);

// Moves to a part of the picture, in its pixels, and waits for its tiles.
const lookAt = (page, x, y, width, height) => page.evaluate(async (rect) => {
  const { viewer, OpenSeadragon } = window;
  const item = viewer.world.getItemAt(0);
  const settled = new Promise((done) => { item.addHandler('fully-loaded-change', ({ fullyLoaded }) => { if (fullyLoaded) done(); }); });
  viewer.viewport.fitBounds(item.imageToViewportRectangle(new OpenSeadragon.Rect(...rect)), true);
  viewer.forceRedraw();
  await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
  if (!item.getFullyLoaded()) await settled;
  await new Promise((done) => { viewer.addOnceHandler('update-viewport', () => requestAnimationFrame(done)); viewer.forceRedraw(); });
}, [x, y, width, height]);

// The mean step in 0..255 between what the viewer shows and a variant of the same part of the picture.
const compareWith = (page, url) => page.evaluate(async (source) => {
  const { viewer, OpenSeadragon } = window;
  const [columns, rows] = [45, 30];
  const read = (picture, ...from) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: columns, height: rows });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.imageSmoothingQuality = 'high';
    context.drawImage(picture, ...from, 0, 0, columns, rows);
    return context.getImageData(0, 0, columns, rows).data;
  };
  const image = Object.assign(new Image(), { crossOrigin: 'anonymous', src: source });
  await image.decode();
  const item = viewer.world.getItemAt(0), size = item.getContentSize();
  const whole = item.imageToViewportRectangle(new OpenSeadragon.Rect(0, 0, size.x, size.y));
  const shown = viewer.viewport.viewportToViewerElementRectangle(whole.intersection(viewer.viewport.getBounds()));
  const scale = window.devicePixelRatio;
  const drawn = read(viewer.drawer.canvas, ...[shown.x, shown.y, shown.width, shown.height].map((value) => value * scale));
  const wanted = read(image, 0, 0, image.naturalWidth, image.naturalHeight);
  let sum = 0;
  for (let i = 0; i < drawn.length; i++) if (i % 4 !== 3) sum += Math.abs(drawn[i] - wanted[i]);
  return sum / (columns * rows * 3);
}, url);

describe('OpenSeadragon', () => {
  let box, site, chromium, page, failures, shot, id, info;
  const replies = [];
  before(async () => {
    [box, site, chromium] = [await startBox(), await startSite(), await openChromium()];
    ({ page, failures, shot } = chromium);
    id = await box.put(readPhoto());
    info = `${box.delivery}/iiif/3/${id}/info.json`;
    page.on('response', (response) => { if (response.url().startsWith(box.delivery)) replies.push(response); });
    await page.goto(site.url);
  });
  after(async () => {
    await chromium?.close();
    await site?.stop();
    await box?.finish();
  });
  const tiles = () => replies.map((reply) => reply.url()).filter((url) => /\/default\.\w+$/.test(url));
  const photo = async () => (await box.get(`/iiif/3/${id}/info.json`, { headers: { accept: 'application/ld+json' } })).body;

  it('shows_the_whole_photograph', async () => {
    assert.equal(await openViewer(page, info), 'loaded');
    const { width, height } = JSON.parse(await photo());
    await lookAt(page, 0, 0, width, height);
    const step = await compareWith(page, `${box.delivery}/i/${id}?w=900&dpr=1&fm=png&q=80`);
    await shot('11-iiif');
    assert.ok(step < 6, `the picture is off by ${step}`);
    assert.ok(tiles().length >= 2, tiles().join());
    assert.deepEqual(failures, []);
  });

  it('zooms_in_by_tiles_of_the_full_size', async () => {
    const { width, height } = JSON.parse(await photo());
    const [x, y] = [Math.floor(width * 0.53), Math.floor(height * 0.53)]; // where there is something to see
    await lookAt(page, x, y, 900, 600);
    const step = await compareWith(page, `${box.delivery}/i/${id}?crop=${x},${y},900,600&w=900&dpr=1&fm=png&q=80`);
    await shot('12-iiif-zoomed');
    assert.ok(step < 6, `the picture is off by ${step}`);
    const full = tiles().map((url) => /\/\d+,\d+,(\d+),(\d+)\/\^?(\d+),(\d+)\/0\/default/.exec(url)).filter((match) => match && match[1] === match[3]);
    assert.ok(full.length >= 4, tiles().join('\n'));
    assert.deepEqual(failures, []);
  });

  it('got_every_tile_as_webp_for_good', async () => {
    assert.ok(tiles().length >= 6);
    for (const reply of replies) assert.equal(reply.status(), 200, reply.url());
    for (const reply of replies.filter((one) => /\/default\.\w+$/.test(one.url()))) {
      assert.equal(reply.headers()['content-type'], 'image/webp', reply.url());
      assert.match(reply.headers()['cache-control'], /immutable/);
    }
  });
});

describe('OpenSeadragon where not everything goes unsigned', () => {
  const key = 'secret-key', salt = 'museum';
  let box, site, chromium, page, folder, id;
  const replies = [];
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-iiif-'));
    const config = join(folder, 'pixpop.conf');
    writeFileSync(config, `[tenant default]\nsign_keys = ${key}:${salt}\n`);
    [box, site, chromium] = [await startBox({ policy: 'default', config }), await startSite(), await openChromium()];
    ({ page } = chromium);
    id = await box.put(readPhoto(1));
    page.on('response', (response) => { if (response.url().startsWith(box.delivery)) replies.push(response); });
    await page.goto(site.url);
  });
  after(async () => {
    await chromium?.close();
    await site?.stop();
    await box?.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  it('opens_a_signed_identifier_with_all_its_tiles', async () => {
    const signature = createHmac('sha256', key).update(`${salt}/iiif/3/${id}?exp=1893456000`).digest('base64url');
    const identifier = `${id}.1893456000.${signature}`;
    assert.equal(await openViewer(page, `${box.delivery}/iiif/3/${identifier}/info.json`), 'loaded');
    await lookAt(page, 200, 100, 900, 600);
    await chromium.shot('13-iiif-signed');
    assert.ok(replies.length >= 5);
    for (const reply of replies) {
      assert.equal(reply.status(), 200, reply.url());
      assert.ok(reply.url().startsWith(`${box.delivery}/iiif/3/${identifier}/`), reply.url());
    }
  });

  it('is_told_no_without_a_signature', async () => {
    replies.length = 0;
    await page.reload();
    assert.match(await openViewer(page, `${box.delivery}/iiif/3/${id}/info.json`), /^a tile/);
    assert.ok(replies.some((reply) => reply.status() === 403));
  });
});

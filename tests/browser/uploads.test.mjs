// Uploads by the page in a real Chromium: in chunks, paused, cut, over a restart of the box and a reload; refusals and the
// report of the inspection.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ruleMeanings } from '../../web/src/rules.js';
import { metric, photos, readPhoto, sleep, startBox } from '../system/box.mjs';
import { bigPicture, withGps, withScript } from '../system/odd_pictures.mjs';
import { Valve } from '../system/valve.mjs';
import { logIn, openChromium } from './chromium.mjs';

const mib = 1024 * 1024;
const sourceRoot = new URL('../..', import.meta.url).pathname;

describe('uploads by the page', () => {
  let box, valve, chromium, page, profile, failures, shot;
  const requests = [];
  before(async () => {
    box = await startBox();
    // The same port after a restart.
    box.options = { ...box.options, settings: [`console.listen=127.0.0.1:${box.consolePort}`] };
    valve = await new Valve(box.consolePort).start();
    chromium = await openChromium();
    ({ page, profile, failures, shot } = chromium);
    page.on('request', (request) => requests.push(request));
    await page.goto(`http://${valve.address}/`);
    await logIn(page, box.token);
  });
  after(async () => {
    await chromium?.close();
    await valve.stop();
    await box.finish();
  });

  const write = (name, bytes) => {
    const path = join(profile, name);
    writeFileSync(path, bytes);
    return path;
  };
  const choose = (...paths) => page.locator('#files').setInputFiles(paths);
  const row = (name) => page.locator('#uploads li', { hasText: name });
  const card = (name) => page.locator('article.original', { has: page.getByRole('heading', { name, exact: true }) });
  const stored = (name) => card(name).waitFor({ timeout: 60000 });
  const received = async () => metric((await box.api('/metrics')).body.toString(), 'pixpop_ingest_received_bytes_total') ?? 0;
  const asked = (method) => requests.filter((one) => one.method() === method && /\/api\/v1\/uploads/.test(one.url()));

  it('sends_a_big_file_in_chunks', async () => {
    const bytes = bigPicture(11);
    await choose(write('big.ppm', bytes));
    await stored('big.ppm');
    const offsets = asked('PATCH').map((one) => Number(one.headers()['upload-offset']));
    assert.deepEqual(offsets, Array.from({ length: Math.ceil(bytes.length / (5 * mib)) }, (_, i) => i * 5 * mib));
    assert.deepEqual(failures, []);
  });

  it('pauses_and_resumes_without_sending_a_byte_twice', async () => {
    const bytes = bigPicture(12), before = await received();
    const held = valve.holdAfter(7 * mib);
    await choose(write('paused.ppm', bytes));
    await held;
    await row('paused.ppm').getByText(/ of 24\.0 MB/).waitFor();
    await shot('6-uploading');
    await row('paused.ppm').getByRole('button', { name: 'Pause' }).click();
    await row('paused.ppm').getByText(/^paused at \d+ %$/).waitFor();
    valve.release();
    // The lane is free for others meanwhile.
    await choose(photos(1)[0]);
    await page.locator('article.original').nth(1).waitFor({ timeout: 60000 });
    await row('paused.ppm').getByRole('button', { name: 'Resume' }).click();
    await stored('paused.ppm');
    assert.equal(await received() - before, bytes.length + readPhoto().length);
    assert.deepEqual(failures, []);
  });

  it('cancels_and_frees_what_had_come', async () => {
    const held = valve.holdAfter(6 * mib);
    await choose(write('cancelled.ppm', bigPicture(13)));
    await held;
    await row('cancelled.ppm').getByRole('button', { name: 'Cancel' }).click();
    valve.release();
    await row('cancelled.ppm').waitFor({ state: 'detached' });
    // The first DELETE may find the upload locked: the box has not noticed yet that the chunk under way was given up.
    const open = async () => (await box.api('/api/v1/uploads')).json.items.filter(({ state }) => state === 'open');
    for (let i = 0; i < 500 && (await open()).length > 0; i++) await sleep(20);
    assert.deepEqual(await open(), []);
    assert.equal(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('pixpop-upload')).length), 0);
    failures.length = 0; // the browser logs the 423
  });

  it('finishes_when_the_box_is_killed_and_started_again', async () => {
    const bytes = bigPicture(14), passedBefore = valve.passed;
    const held = valve.holdAfter(7 * mib);
    await choose(write('restarted.ppm', bytes));
    await held;
    valve.port = undefined;
    await box.restart('SIGKILL');
    valve.port = box.consolePort;
    valve.release();
    // A restart ends all sessions; the upload waits for the next one.
    await page.locator('#log-in-error', { hasText: 'The session has ended' }).waitFor({ timeout: 60000 });
    await logIn(page, box.token);
    await stored('restarted.ppm');
    assert.ok(valve.passed - passedBefore < bytes.length + 6 * mib, String(valve.passed - passedBefore));
    failures.length = 0; // the browser logs the broken connection and the 401
  });

  it('goes_on_after_a_reload_when_the_file_is_chosen_again', async () => {
    const bytes = bigPicture(15), path = write('reloaded.ppm', bytes), before = await received();
    const held = valve.holdAfter(7 * mib);
    await choose(path);
    await held;
    const reloaded = page.reload();
    valve.release();
    await reloaded;
    await page.locator('#unfinished li', { hasText: /^reloaded\.ppm: \d+\.\d MB of 24\.0 MB are there/ }).waitFor();
    await shot('7-unfinished');
    await choose(path);
    await stored('reloaded.ppm');
    assert.equal(await received() - before, bytes.length);
    await page.locator('#unfinished').waitFor({ state: 'hidden' });
    failures.length = 0;
  });

  it('names_and_explains_the_rule_when_a_file_is_refused', async () => {
    await choose(write('caption.jpg', withScript(readPhoto(1))));
    await row('caption.jpg').locator('.error').waitFor({ timeout: 60000 });
    const text = await row('caption.jpg').locator('.error').innerText();
    const rule = /^Refused by the rule “([a-z-]+)”/.exec(text)?.[1];
    assert.ok(['text', 'polyglot'].includes(rule), text);
    assert.ok(text.includes(ruleMeanings[rule]), text);
    await shot('8-refused');
    await row('caption.jpg').getByRole('button', { name: 'Dismiss' }).click();
    await row('caption.jpg').waitFor({ state: 'detached' });
    failures.length = 0; // the browser logs the 422
  });

  it('shows_what_the_inspection_found', async () => {
    await choose(write('place.jpg', withGps(readPhoto(1))));
    await stored('place.jpg');
    assert.match(await card('place.jpg').locator('.badge').innerText(), /^\d+ alerts?$/);
    await card('place.jpg').getByText('Inspection', { exact: true }).click();
    const report = card('place.jpg').getByRole('region', { name: 'Inspection of place.jpg' });
    await report.locator('.finding.alert', { hasText: 'gps' }).waitFor();
    assert.match(await report.locator('table').innerText(), /Type\s+jpeg.*EXIF\s+.*says where it was taken.*Entropy\s+7\.\d+ to 7\.\d+ bits/s);
    await shot('9-report');
    await page.emulateMedia({ colorScheme: 'dark' });
    await shot('9-report-dark');
    await page.setViewportSize({ width: 390, height: 800 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    await shot('9-report-phone');
    await page.setViewportSize({ width: 1100, height: 900 });
    await page.emulateMedia({ colorScheme: null });
    assert.ok(overflow <= 0, `${overflow} px too wide`);
    assert.deepEqual(failures, []);
  });

  it('shows_previews_of_formats_that_browsers_may_not_know', async () => {
    const png = join(profile, 'photo.png');
    execFileSync('/usr/bin/python3', ['-c', 'import sys; from PIL import Image; p = Image.open(sys.argv[1]).convert("RGB").resize((900, 600)); p.save(sys.argv[2]); p.save(sys.argv[3])',
      photos(1)[0], png, join(profile, 'photo.tif')]);
    execFileSync('heif-enc', [png, '-o', join(profile, 'photo.heic')], { stdio: 'ignore' });
    execFileSync('avifenc', ['-s', '9', png, join(profile, 'photo.avif')], { stdio: 'ignore' });
    const names = ['photo.heic', 'photo.avif', 'photo.tif'];
    await choose(...names.map((name) => join(profile, name)));
    for (const name of names) {
      await stored(name);
      await page.waitForFunction((wanted) => [...document.querySelectorAll('.preview img')].some((one) => one.alt === wanted && one.complete && one.naturalWidth === 480), name, { timeout: 60000 });
    }
    await shot('10-formats');
    assert.deepEqual(failures, []);
  });

  it('has_words_for_every_rule_of_the_box', () => {
    const source = readFileSync(join(sourceRoot, 'firmware/image/rules.c'), 'utf8');
    const rules = [...source.matchAll(/\{"([a-z-]+)", "([^"]+)"\}/g)].map(([, name, meaning]) => [name, meaning]);
    assert.ok(rules.length >= 18);
    assert.deepEqual(ruleMeanings, Object.fromEntries(rules));
  });
});

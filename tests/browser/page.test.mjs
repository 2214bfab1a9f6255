// The console's page in a real Chromium: log in, drop photos, see variants, copy srcset, delete.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { photos, startBox } from '../system/box.mjs';
import { logIn, openChromium } from './chromium.mjs';

describe('the page', () => {
  let box, chromium, page, profile, failures, shot;
  before(async () => {
    box = await startBox({ tls: true });
    chromium = await openChromium();
    ({ page, profile, failures, shot } = chromium);
  });
  after(async () => {
    await chromium?.close();
    await box.finish();
  });

  it('refuses_a_wrong_token_with_a_clear_text', async () => {
    await page.goto(`${box.console}/`);
    await page.getByLabel('Token').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.locator('#log-in-error:not(:empty)').waitFor();
    await shot('1-log-in');
    failures.length = 0; // the browser logs the 401s
  });

  it('logs_in_with_the_token', async () => {
    await logIn(page, box.token);
    assert.match(await page.locator('#empty').innerText(), /Nothing stored/);
    assert.equal(await page.locator('.system').count(), 0, 'this is no appliance');
    await page.locator('.upkeep').waitFor();
  });

  it('uploads_photos_and_shows_their_variants_with_sizes', async () => {
    const notAPhoto = join(profile, 'notes.jpg');
    writeFileSync(notAPhoto, 'not a picture');
    await page.locator('#files').setInputFiles([...photos(3), notAPhoto]);
    await page.locator('#uploads .error').waitFor({ timeout: 60000 });
    assert.match(await page.locator('#uploads li:has(.error)').innerText(), /notes\.jpg/);
    failures.length = 0; // the browser logs the 415
    await page.locator('article.original').nth(2).waitFor({ timeout: 60000 });
    await page.waitForFunction(() => {
      const sizes = [...document.querySelectorAll('.variants .size')];
      return sizes.length >= 9 && sizes.every((one) => /\d [KM]?B$/.test(one.textContent));
    }, null, { timeout: 120000 });
    await page.waitForFunction(() => [...document.querySelectorAll('.preview img')].every((img) => img.complete && img.naturalWidth === 480), null, { timeout: 60000 });
    await shot('2-originals');
    assert.deepEqual(failures, []);
  });

  it('offers_a_srcset_whose_urls_work', async () => {
    const card = page.locator('article.original').first();
    const srcset = await card.locator('textarea').inputValue();
    const entries = srcset.split(',\n').map((entry) => entry.split(' '));
    assert.ok(entries.length >= 3);
    for (const [url, width] of entries) {
      const reply = await fetch(url);
      assert.equal(reply.status, 200);
      assert.match(reply.headers.get('cache-control'), /immutable/);
      assert.match(width, /^\d+w$/);
    }
    await card.getByRole('button', { name: 'Copy srcset' }).click();
    await card.getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), srcset);
  });

  it('makes_variants_with_a_line_for_each_as_it_comes', async () => {
    const card = page.locator('article.original').first();
    await card.getByText('Make variants', { exact: true }).click();
    const form = card.getByRole('form', { name: /^Make variants of/ });
    await form.getByLabel('Widths in pixels').fill('333, 444 555');
    await form.getByLabel('Format').selectOption('jpeg');
    await form.getByLabel('Quality').fill('70');
    await form.getByRole('button', { name: 'Make' }).click();
    await card.getByRole('status').filter({ hasText: /^3 of 3 are there \(/ }).waitFor({ timeout: 60000 });
    const links = await card.locator('.made a').all();
    assert.equal(links.length, 3);
    for (const link of links) {
      const url = await link.getAttribute('href');
      assert.match(url, /\?dpr=1&fm=jpeg&q=70&w=(333|444|555)$/);
      const reply = await fetch(url);
      assert.equal(reply.status, 200);
      assert.equal(reply.headers.get('cache-status'), 'pixpop; hit');
      assert.equal(reply.headers.get('content-type'), 'image/jpeg');
    }
    assert.match(await card.locator('.made').innerText(), /made, \d+ ms/);
    await shot('4-make');
    await page.emulateMedia({ colorScheme: 'dark' });
    await shot('5-make-dark');
    await page.emulateMedia({ colorScheme: null });
    await form.getByRole('button', { name: 'Make' }).click();
    await card.locator('.made li').filter({ hasText: 'was in memory' }).nth(2).waitFor();
    assert.deepEqual(failures, []);
  });

  it('says_what_is_wrong_with_the_widths', async () => {
    const card = page.locator('article.original').first();
    const form = card.getByRole('form', { name: /^Make variants of/ });
    await form.getByLabel('Widths in pixels').fill('wide');
    await form.getByRole('button', { name: 'Make' }).click();
    await card.getByRole('alert').filter({ hasText: 'whole numbers' }).waitFor();
    assert.equal(await form.getByLabel('Widths in pixels').getAttribute('aria-invalid'), 'true');
    await form.getByLabel('Widths in pixels').fill('100, 99999');
    await form.getByRole('button', { name: 'Make' }).click();
    await card.getByRole('alert').filter({ hasText: /recipe 1: w must be/ }).waitFor();
    failures.length = 0; // the browser logs the 400
  });

  it('stays_logged_in_over_a_reload_and_deletes', async () => {
    await page.reload();
    await page.locator('article.original').nth(2).waitFor();
    page.once('dialog', (dialog) => dialog.accept());
    await page.locator('article.original').first().getByRole('button', { name: 'Delete' }).click();
    await page.waitForFunction(() => document.querySelectorAll('article.original').length === 2);
    assert.equal((await box.api('/api/v1/originals')).json.items.length, 2);
  });

  it('fits_a_phone', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${overflow} px too wide`);
    await shot('3-phone');
  });

  it('logs_out', async () => {
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Token').waitFor({ state: 'visible' });
    await page.reload();
    await page.getByLabel('Token').waitFor({ state: 'visible' });
  });
});

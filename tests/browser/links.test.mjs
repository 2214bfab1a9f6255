// The page's links where the policy asks for signatures: signed ones to copy, or a word about what is missing.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readPhoto, sleep, startBox } from '../system/box.mjs';
import { logIn, openChromium } from './chromium.mjs';

describe('the links of the page', () => {
  let box, chromium, page, folder, config;
  const srcset = () => page.locator('article.original textarea').inputValue();

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-links-'));
    config = join(folder, 'box.ini');
    writeFileSync(config, '[tenant default]\nladder = 320\nsign_keys = secret-key:tenant-a\n');
    box = await startBox({ config, policy: 'default' });
    await box.put(readPhoto());
    chromium = await openChromium();
    ({ page } = chromium);
    await page.goto(`${box.console}/`);
    await logIn(page, box.token);
  });
  after(async () => {
    await chromium?.close();
    await box.finish();
    rmSync(folder, { recursive: true });
  });

  it('are_signed_where_the_policy_asks_for_it', async () => {
    await page.waitForFunction(() => /sig=/.test(document.querySelector('article.original textarea')?.value ?? ''));
    const urls = (await srcset()).split(',\n').map((entry) => entry.split(' ')[0]);
    assert.ok(urls.length >= 3);
    for (const url of urls) {
      assert.equal(/sig=/.test(url), !/w=320&|w=320$/.test(url), url);
      assert.equal((await fetch(url)).status, 200, url);
    }
    const anchors = await page.locator('article.original .variants a').evaluateAll((all) => all.map((one) => one.href));
    assert.deepEqual(anchors, urls);
    assert.equal(await page.locator('article.original a.preview').getAttribute('href'), urls.at(-1));
  });

  it('say_so_when_there_is_no_key', async () => {
    writeFileSync(config, '[tenant default]\nladder = 320\n');
    box.child.kill('SIGHUP');
    for (let i = 0; i < 100 && !/configuration reloaded/.test(box.log); i++) await sleep(50);
    await page.reload();
    await page.locator('article.original').getByRole('alert').filter({ hasText: 'sign_keys' }).waitFor();
    assert.doesNotMatch(await srcset(), /sig=/);
  });
});

// A real Chromium for one test file, with a page whose errors are gathered.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { build } from '../system/box.mjs';

export async function openChromium() {
  const profile = mkdtempSync(join(tmpdir(), 'pixpop-chromium-'));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium',
    ignoreHTTPSErrors: true,
    viewport: { width: 1100, height: 900 },
    permissions: ['clipboard-read', 'clipboard-write'],
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  const page = await browser.newPage();
  const failures = [];
  page.on('pageerror', (error) => failures.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') failures.push(`${message.text()} ${message.location().url}`); });
  mkdirSync(join(build, 'screenshots'), { recursive: true });
  return {
    page,
    profile,
    failures,
    shot: (name) => page.screenshot({ path: join(build, 'screenshots', `${name}.png`), fullPage: true }),
    async close() {
      await browser.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

export async function logIn(page, token) {
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.locator('#workspace').waitFor({ state: 'visible' });
}

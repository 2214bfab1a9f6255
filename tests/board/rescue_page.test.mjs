// The page of pixpop-rescue in a real Chromium. With PIXPOP_BOARD.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openChromium } from '../browser/chromium.mjs';
import { makeBundle, makeKey } from './bundles.mjs';
import { Rescue, Wire } from './wire.mjs';

const key = makeKey();
let wire;
let rescue;
let server;
let browser;
let page;

const button = (name) => page.getByRole('button', { name, exact: true });
const says = (text, seconds = 60) => page.getByText(text).waitFor({ timeout: seconds * 1000 });

function bundleFile(name, version, keys) {
  const path = join(wire.folder, name);
  writeFileSync(path, makeBundle({ version, boot: randomBytes(8 << 20), root: randomBytes(120 << 20), keys }));
  return path;
}

async function install(path) {
  await page.getByLabel(/Update bundle/).setInputFiles(path);
  await button('Install').click();
}

if (process.env.PIXPOP_BOARD) {
  before(async () => {
    wire = new Wire();
    rescue = await new Rescue(wire, { 'release.pem': key.pem }).start('--address', '10.99.0.2/24');
    // From this machine's loopback into the namespace.
    server = net.createServer((near) => {
      const far = net.connect(rescue.socket);
      near.pipe(far).pipe(near);
      near.on('error', () => far.destroy()).on('close', () => far.destroy());
      far.on('error', () => near.destroy()).on('close', () => near.destroy());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    browser = await openChromium();
    ({ page } = browser);
    await page.goto(`https://127.0.0.1:${server.address().port}/`);
  });
  after(async () => {
    await browser.close();
    server.close();
    await rescue.finish();
    wire.remove();
  });

  test('asks for the code, and says when it is the wrong one', async () => {
    await page.getByLabel('Code').fill('0000-0000-0000');
    await button('Continue').click();
    await says('This is not the code on the console');
    await page.getByLabel('Code').fill(rescue.code.toLowerCase());
    await button('Continue').click();
    await says('Neither can start');
  });

  test('shows the network and the log', async () => {
    await says('10.99.0.2 (set by hand)');
    await button('Show').click();
    await page.locator('#log', { hasText: 'eth0: the link is up' }).waitFor();
    await button('Hide').click();
  });

  test('installs a bundle with progress, and the slot is next', async () => {
    await install(bundleFile('good.pixpop', '4.0.0', [key]));
    await says(/Writing version 4\.0\.0 to slot A/);
    assert.ok(await page.locator('#bar').isVisible());
    assert.ok(await button('Restart the box').isDisabled());
    await browser.shot('rescue_install');
    await says('Version 4.0.0 is installed in slot A');
    await says('A restart starts slot A.');
  });

  test('says why a bundle is refused', async () => {
    await install(bundleFile('bad.pixpop', '4.1.0', [makeKey()]));
    await says(/was not installed: the bundle is not signed by a key that this box trusts/);
  });

  test('cancels an upload', async () => {
    await page.getByRole('radio', { name: 'B' }).check();
    await install(join(wire.folder, 'good.pixpop'));
    await button('Cancel').click();
    await says(/was not installed: the upload was cut off/);
  });

  test('saves a support archive', async () => {
    const [download] = await Promise.all([page.waitForEvent('download'), button('Save a support archive').click()]);
    assert.equal(download.suggestedFilename(), 'pixpop-test-rescue.tar');
    assert.match(execFileSync('tar', ['tf', await download.path()], { encoding: 'utf8' }), /status\.json/);
  });

  test('fits a phone', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await browser.shot('rescue_phone');
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    const low = await page.evaluate(() => [...document.querySelectorAll('button')].filter((one) => one.offsetHeight > 0 && one.offsetHeight < 44).map((one) => one.textContent));
    assert.deepEqual(low, [], 'buttons that a thumb can hit');
  });

  test('forgets the network settings', async () => {
    const settings = rescue.path('data/system/network.conf');
    writeFileSync(settings, 'mode static\naddress 192.0.2.1/24\n');
    await button('Forget the network settings').click();
    await says('from its next start on the system asks for an address by DHCP');
    assert.ok(!existsSync(settings));
  });

  test('asks twice before a factory reset', async () => {
    await button('Factory reset…').click();
    await button('No, keep it').click();
    await button('Factory reset…').click();
    await button('Yes, delete everything').click();
    await says('It begins like a new one');
  });

  test('restarts the box; a log-out ends the session', async () => {
    await button('Log out').click();
    await page.getByLabel('Code').fill(rescue.code);
    await button('Continue').click();
    await says('A restart starts slot A.');
    await button('Restart the box').click();
    await says('The box restarts.');
    assert.equal((await rescue.exit()).code, 10);
    const unexpected = browser.failures.filter((text) => !/status of 40[13]|ERR_/.test(text));
    assert.deepEqual(unexpected, []);
  });
}

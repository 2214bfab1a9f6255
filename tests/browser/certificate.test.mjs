// The card "Certificate" of the page: what visitors see, the operator's own, and the way back.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Authority } from '../support/authority.mjs';
import { fingerprintOf } from '../support/requests.mjs';
import { startBox } from '../system/box.mjs';
import { logIn, openChromium } from './chromium.mjs';

const phone = { width: 390, height: 800 };
const desk = { width: 1100, height: 900 };

describe('the card of the certificate', () => {
  let box, chromium, page, failures, shot, folder, authority, answer;
  const card = () => page.locator('.certificate');
  const form = () => card().getByRole('form', { name: 'Certificate' });
  const at = (name) => join(folder, name);
  const shown = () => fingerprintOf(Number(new URL(box.secure).port));

  async function install(files, key) {
    await form().getByLabel('Certificate and its chain').setInputFiles(files.map(at));
    if (key) await form().getByLabel('Private key').setInputFiles(at(key));
    await form().getByRole('button', { name: 'Install' }).click();
  }

  async function fitsAPhone(name) {
    await page.setViewportSize(phone);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    await shot(name);
    await page.setViewportSize(desk);
    assert.ok(overflow <= 0, `${overflow} px too wide`);
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-certificate-'));
    authority = new Authority(folder);
    const names = ['img.example.com', 'pictures.example.com', '*.pix.a-rather-long-name-of-a-shop.example'].map((name) => `DNS:${name}`);
    authority.certificate('long', { san: names.join() });
    authority.certificate('short', { san: 'DNS:img.example.com', days: 90, over: 80 });
    authority.certificate('many', { san: Array.from({ length: 120 }, (_, i) => `DNS:host${i}.example`).join() });
    for (const name of ['long', 'short', 'many']) {
      writeFileSync(at(`${name}-chain.pem`), authority.text(`${name}.pem`, 'inter.pem'));
      writeFileSync(at(`${name}-all.pem`), authority.text('inter.pem', `${name}.key`, `${name}.pem`));
    }
    box = await startBox({ tls: true, settings: ['render.resampler=cpu', 'delivery.tls_listen=127.0.0.1:0'] });
    chromium = await openChromium();
    ({ page, failures, shot } = chromium);
    page.on('dialog', (dialog) => (answer ? dialog.accept() : dialog.dismiss()));
    await page.goto(`${box.console}/`);
    await logIn(page, box.token);
  });
  after(async () => {
    await chromium?.close();
    await box.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  it('tells_that_the_box_has_made_it', async () => {
    await card().getByText('made by the box').waitFor();
    await card().locator('summary').click();
    await card().getByRole('row', { name: `Fingerprint ${await shown()}` }).waitFor();
    assert.match(await card().getByRole('row', { name: /^Names/ }).innerText(), /localhost/);
    assert.ok(await form().getByRole('button', { name: 'Remove' }).isHidden());
    await shot('40-certificate');
    assert.deepEqual(failures, []);
  });

  it('installs_one_from_two_files', async () => {
    await install(['long-chain.pem'], 'long.key');
    await card().getByRole('status').filter({ hasText: 'Installed: visitors see it from now on.' }).waitFor();
    assert.equal(await shown(), authority.fingerprint('long'));
    assert.match(await card().getByRole('row', { name: /^Names/ }).innerText(), /img\.example\.com, pictures\.example\.com, \*\.pix\./);
    assert.match(await card().getByRole('row', { name: /^Valid until/ }).innerText(), /\d{4}, (59|60) days left/);
    assert.match(await card().getByRole('row', { name: /^Issuer/ }).innerText(), /CN=Test intermediate/);
    assert.match(await card().locator('summary').innerText(), /your own\s+valid until \w+ \d+, \d{4}/);
    await shot('41-certificate-own');
    await fitsAPhone('42-certificate-own-phone');
    assert.deepEqual(failures, []);
  });

  it('says_what_is_wrong_in_the_words_of_the_box', async () => {
    await install(['short-chain.pem'], 'long.key');
    await card().getByRole('alert').filter({ hasText: "Nothing was changed: the private key does not belong to the certificate of 'short'" }).waitFor();
    assert.equal(await shown(), authority.fingerprint('long'));
    await shot('43-certificate-refused');
    await fitsAPhone('44-certificate-refused-phone');
    assert.ok(failures.every((one) => one.includes('400')), failures.join());
    failures.length = 0;
  });

  it('warns_of_one_that_ends_soon_whose_files_may_be_one', async () => {
    await page.reload();
    await card().locator('summary').click();
    await install(['short-all.pem']);
    await card().getByRole('status').filter({ hasText: 'Installed' }).waitFor();
    assert.equal(await shown(), authority.fingerprint('short'));
    const warnings = card().getByRole('list', { name: 'Warnings' });
    assert.match(await warnings.innerText(), /^it ends on \d{4}-\d\d-\d\d .*, in (9|10) days$/);
    await page.reload();
    await card().locator('summary').filter({ hasText: /it ends on/ }).waitFor();
    assert.ok(await card().locator('.badge.alert').isVisible());
    await card().locator('summary').click();
    await warnings.waitFor();
    await card().locator('summary').filter({ hasText: /valid until/ }).waitFor();
    assert.equal((await card().innerText()).match(/it ends on/g).length, 1, 'in the list alone');
    await shot('45-certificate-ending');
    await fitsAPhone('46-certificate-ending-phone');
    assert.deepEqual(failures, []);
  });

  it('shows_few_of_many_names', async () => {
    await install(['many-chain.pem'], 'many.key');
    await card().getByRole('row', { name: /^Names host0\.example, .*, host9\.example, and 110 more$/ }).waitFor();
    assert.equal(await shown(), authority.fingerprint('many'));
    assert.deepEqual(failures, []);
  });

  it('says_that_issuers_are_missing_when_it_is_installed', async () => {
    await install(['long.pem'], 'long.key');
    await card().getByRole('status').filter({ hasText: 'Installed: visitors see it from now on. But it came without the certificates of its issuer (CN=Test intermediate)' }).waitFor();
    assert.ok(await card().getByRole('list', { name: 'Warnings' }).isHidden());
    await shot('47-certificate-alone');
    assert.deepEqual(failures, []);
  });

  it('does_not_say_that_nothing_changed_when_it_can_not_know', async () => {
    const routes = '**/api/v1/certificate';
    await page.route(routes, async (route) => {
      if (route.request().method() === 'PUT') await route.fetch();  // the box has it, the page no answer
      await (route.request().method() === 'PUT' ? route.abort('connectionreset') : route.continue());
    });
    await install(['short-chain.pem'], 'short.key');
    const alert = card().getByRole('alert');
    await alert.filter({ hasText: 'The connection broke: it is not known whether that was done. Shown here is what visitors see now.' }).waitFor();
    await card().getByRole('row', { name: `Fingerprint ${authority.fingerprint('short')}` }).waitFor();
    assert.equal(await shown(), authority.fingerprint('short'));
    await page.unroute(routes);
    await page.route(routes, (route) => route.abort('connectionreset'));
    await install(['long-chain.pem'], 'long.key');
    await alert.filter({ hasText: 'it is not known whether that was done. Open this card again to see.' }).waitFor();
    await page.unroute(routes);
    assert.ok(failures.length > 0 && failures.every((one) => /ERR_CONNECTION_RESET|connection/i.test(one)), failures.join());
    failures.length = 0;
  });

  it('removes_it_when_that_is_meant', async () => {
    const remove = form().getByRole('button', { name: 'Remove' });
    await remove.click();
    assert.equal(await shown(), authority.fingerprint('short'), 'no was the answer');
    answer = true;
    await remove.click();
    await card().getByRole('status').filter({ hasText: 'Removed: the box has made one of its own.' }).waitFor();
    await card().getByRole('row', { name: `Fingerprint ${await shown()}` }).waitFor();
    assert.ok(await remove.isHidden());
    assert.ok(await card().getByRole('list', { name: 'Warnings' }).isHidden());
    assert.deepEqual(failures, []);
  });

  it('is_not_there_without_tls', async () => {
    const plain = await startBox({ settings: ['render.resampler=cpu'] });
    await page.goto(`${plain.console}/`);
    await logIn(page, plain.token);
    await page.locator('.upkeep').waitFor();
    assert.equal(await card().count(), 0);
    await plain.finish();
  });
});

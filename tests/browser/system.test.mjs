// The pages of an appliance: claiming a new box, and the cards "System" and "Backup and support".
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readPhoto, sha256, startBox } from '../system/box.mjs';
import { goodStatus, startLyingAgent } from '../system/lying_agent.mjs';
import { logIn, openChromium } from './chromium.mjs';

const phone = { width: 390, height: 800 };
const desk = { width: 1100, height: 900 };

async function fitsAPhone(page, shot, name) {
  await page.setViewportSize(phone);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  await shot(name);
  await page.setViewportSize(desk);
  assert.ok(overflow <= 0, `${overflow} px too wide`);
}

describe('the pages of an appliance', () => {
  let box, agent, chromium, page, failures, shot, folder;
  const card = () => page.locator('.system');
  const told = (what) => agent.requests.filter((one) => one.do === what);
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-system-'));
    writeFileSync(join(folder, 'claim'), `${sha256('K7QX2M9P4TRW').toString('hex')}\n`);
    agent = await startLyingAgent(join(folder, 'system.sock'));
    agent.network = '# by the electrician\nhost_name shop-1\n\naddress 10.0.0.9/8\ndns 9.9.9.9\nservice eth1\nwifi none\n';
    agent.answer = answer;
    box = await startBox({ tls: true, settings: ['render.resampler=cpu', `console.claim_file=${join(folder, 'claim')}`, `system.socket=${agent.path}`, `system.settings_file=${join(folder, 'box.conf')}`] });
    chromium = await openChromium();
    ({ page, failures, shot } = chromium);
    page.on('dialog', (dialog) => dialog.accept());
  });
  after(async () => {
    await chromium?.close();
    await box.finish();
    await agent.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('asks_for_the_code_and_refuses_another_one', async () => {
    await page.goto(`${box.console}/`);
    const form = page.getByRole('form', { name: 'Claim this box' });
    await form.getByLabel('Code').fill('aaaa bbbb cccc');
    await form.getByRole('button', { name: 'Claim this box' }).click();
    await form.getByRole('alert').filter({ hasText: 'This is not the code' }).waitFor();
    assert.equal(await form.getByLabel('Code').inputValue(), 'AAAA-BBBB-CCCC');
    assert.equal(await page.getByLabel('Token').count(), 1, 'only the hidden one of the log-in');
    assert.ok(await page.locator('#log-in').isHidden());
    await shot('20-claim');
    await fitsAPhone(page, shot, '21-claim-phone');
    assert.ok(failures.every((one) => one.includes('403')), failures.join());
    failures.length = 0;
  });

  it('shows_the_token_once_and_logs_in_with_it', async () => {
    await page.getByLabel('Code').fill('k7qx 2m9p 4trw');
    await page.getByRole('button', { name: 'Claim this box' }).click();
    const card = page.getByRole('region', { name: 'Token' });
    const token = await card.locator('code').innerText();
    assert.match(token, /^[\w-]{43}$/);
    const goOn = card.getByRole('button', { name: 'Go on' });
    assert.ok(await goOn.isDisabled());
    await card.getByRole('button', { name: 'Copy the token' }).click();
    await card.getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), token);
    await shot('22-token');
    await fitsAPhone(page, shot, '23-token-phone');
    await card.getByLabel('I have put it where').check();
    await goOn.click();
    await page.locator('#workspace').waitFor({ state: 'visible' });
    assert.equal(await page.getByText(token).count(), 0);
    box.token = token;
    assert.equal((await box.api('/api/v1/status')).status, 200);
    assert.deepEqual(failures, []);
  });

  it('asks_for_the_token_from_then_on', async () => {
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.reload();
    await page.getByLabel('Token').waitFor({ state: 'visible' });
    assert.equal(await page.getByLabel('Code').count(), 0);
    await logIn(page, box.token);
  });

  it('offers_backups_and_support_bundles', async () => {
    const card = page.locator('.upkeep');
    await card.locator('summary').click();
    const [download] = await Promise.all([page.waitForEvent('download'), card.getByRole('link', { name: 'Download a backup' }).click()]);
    assert.match(download.suggestedFilename(), /^pixpop-[\w-]*backup-\d{4}-\d\d-\d\d\.tar$/);
    const [support] = await Promise.all([page.waitForEvent('download'), card.getByRole('link', { name: 'Download a support bundle' }).click()]);
    assert.match(support.suggestedFilename(), /\.tar$/);
    assert.deepEqual(failures, []);
  });

  it('brings_originals_back_from_a_backup', async () => {
    const card = page.locator('.upkeep');
    const id = await box.put(readPhoto(), 'sea.jpg');
    const backup = join(folder, 'backup.tar');
    writeFileSync(backup, (await box.api('/api/v1/backup')).body);
    assert.equal((await box.api(`/api/v1/originals/${id}`, { method: 'DELETE' })).status, 204);
    await card.getByLabel('Backup file').setInputFiles(backup);
    await card.getByRole('button', { name: 'Restore' }).click();
    await card.getByText('1 original came back').waitFor({ timeout: 60000 });
    await page.locator('article.original').filter({ hasText: 'sea.jpg' }).waitFor();
    await shot('24-upkeep');
    await fitsAPhone(page, shot, '33-upkeep-phone');
    assert.deepEqual(failures, []);
    writeFileSync(backup, 'no backup');
    await card.getByLabel('Backup file').setInputFiles(backup);
    await card.getByRole('button', { name: 'Restore' }).click();
    await card.getByRole('alert').filter({ hasText: /./ }).waitFor();
    failures.length = 0; // the browser logs the refusal
  });

  // An update waits at each phase until it is let on.
  let letOn = [];
  const gate = (phase) => new Promise((done) => { letOn.push([phase, done]); });
  async function release(phase) {
    for (let i = 0; i < 500 && !letOn.some(([name]) => name === phase); i++) await new Promise((done) => { setTimeout(done, 10); });
    letOn.find(([name]) => name === phase)[1]();
    letOn = letOn.filter(([name]) => name !== phase);
  }
  const half = 3_000_000;

  function install(call) {
    const { status } = agent;
    Object.assign(status, { phase: 'reading', installing: '', done: 0, total: 0, failure: '' });
    let isHeld = false;
    call.onBody = (chunk) => {
      if (chunk.includes('not signed')) {
        Object.assign(status, { phase: 'failed', failure: 'no key that is trusted has signed this' });
        call.say({ result: 'forbidden', text: status.failure, subject: 'signature' });
        call.end();
        return;
      }
      Object.assign(status, { phase: 'writing', installing: '1.1.0', done: call.bytes, total: 2 * half });
      if (call.bytes < half || isHeld) return;
      isHeld = true;
      call.socket.pause();
      gate('writing').then(() => call.socket.resume());
    };
    call.onEnd = async () => {
      if (status.phase === 'failed') return;
      Object.assign(status, { phase: 'checking', done: half, total: 2 * half });
      await gate('checking');
      Object.assign(status, { phase: 'done', done: 2 * half, next: 'B', is_reboot_needed: true });
      status.slots[1] = { name: 'B', mark: 'untried', tries: 3, version: '1.1.0' };
      call.say({ result: 'ok', version: '1.1.0', slot: 'B' });
      call.end();
    };
  }

  function answer(request, call) {
    const { status } = agent;
    if (request.do === 'status') return 'as ever';
    if (request.do === 'install') return install(call);
    const reply = { result: 'ok' };
    if (request.do === 'choose') Object.assign(status, { next: request.slot, is_reboot_needed: request.slot !== status.running });
    else if (request.do === 'network' && request.text === undefined) reply.text = agent.network;
    else if (request.do === 'network') agent.network = request.text;
    call.say(reply);
    return call.end();
  }

  it('tells_what_runs', async () => {
    await card().getByText('1.0.0 in slot A').waitFor();
    await card().locator('summary').click();
    await card().getByRole('row', { name: /Board qemu-x86_64/ }).waitFor();
    const { fingerprint256 } = new X509Certificate(readFileSync(join(box.data, 'console.crt')));
    await card().getByRole('row', { name: `Fingerprint ${fingerprint256}` }).waitFor();
    assert.match(await card().getByRole('row', { name: /^A / }).innerText(), /1\.0\.0\s+works, runs now/);
    assert.match(await card().getByRole('row', { name: /^B / }).innerText(), /^B\s+empty\s*$/);
    await shot('25-system');
    await fitsAPhone(page, shot, '26-system-phone');
    assert.deepEqual(failures, []);
  });

  it('shows_an_update_from_its_first_byte_to_its_end', async () => {
    const file = join(folder, 'pixpop-1.1.0.pixpop');
    writeFileSync(file, Buffer.alloc(2 * half, 'bundle '));
    await card().getByLabel('Update file').setInputFiles(file);
    await card().getByRole('button', { name: 'Install' }).click();
    const note = card().getByRole('status');
    await note.filter({ hasText: /writing 1\.1\.0: .* of 6\.0 MB|Writing 1\.1\.0/i }).waitFor();
    await card().getByText('an update is being installed').waitFor();
    assert.ok(await card().getByRole('button', { name: 'Install' }).isDisabled());
    await shot('27-update-writing');
    await release('writing');
    await note.filter({ hasText: 'Checking 1.1.0 as it was written: 3.0 MB of 6.0 MB' }).waitFor();
    assert.equal(await card().getByLabel('Update', { exact: true }).locator('xpath=self::progress').evaluate((bar) => bar.value), 0.5);
    await shot('28-update-checking');
    await release('checking');
    await note.filter({ hasText: '1.1.0 is installed and starts with the next restart.' }).waitFor();
    assert.match(await card().getByRole('row', { name: /^B / }).innerText(), /1\.1\.0\s+not tried yet \(3 tries left\), starts next/);
    assert.deepEqual(told('install').at(-1), { do: 'install', older: false });
    await shot('29-update-done');
    await fitsAPhone(page, shot, '30-update-done-phone');
    assert.deepEqual(failures, []);
  });

  it('says_why_an_update_was_refused', async () => {
    const file = join(folder, 'wrong.pixpop');
    writeFileSync(file, 'not signed');
    await card().getByLabel('Update file').setInputFiles(file);
    await card().getByLabel('Also when it is older').check();
    await card().getByRole('button', { name: 'Install' }).click();
    await card().getByRole('alert').filter({ hasText: 'no key that is trusted has signed this' }).waitFor();
    assert.deepEqual(told('install').at(-1), { do: 'install', older: true });
    assert.ok(failures.every((one) => one.includes('403')), failures.join());
    failures.length = 0;
  });

  it('chooses_the_slot', async () => {
    await card().getByRole('button', { name: 'Start A next' }).click();
    await card().getByRole('button', { name: 'Start B next' }).waitFor();
    assert.ok(await card().getByRole('button', { name: 'Restart now' }).isHidden());
    await card().getByRole('button', { name: 'Start B next' }).click();
    await card().getByRole('button', { name: 'Restart now' }).waitFor();
    assert.deepEqual(told('choose'), [{ do: 'choose', slot: 'A' }, { do: 'choose', slot: 'B' }]);
  });

  it('sets_the_network_and_drops_no_line', async () => {
    const form = card().getByRole('form', { name: 'Network' });
    assert.equal(await form.getByLabel('Host name').inputValue(), 'shop-1');
    assert.ok(await form.getByLabel('Gateway').isHidden());
    assert.equal(await form.getByLabel('Interface of the rescue page').inputValue(), 'eth1');
    await form.getByLabel('Time servers').fill('time.example.net');
    await form.getByRole('button', { name: 'Save' }).click();
    await form.getByText('Saved. The box may get another address now.').waitFor();
    const byDhcp = '# by the electrician\nhost_name shop-1\n\naddress 10.0.0.9/8\ndns 9.9.9.9\nservice eth1\nwifi none\nntp time.example.net\n';
    assert.equal(agent.network, byDhcp);
    agent.network += '# somebody else\n'; // while the page stands open
    await form.getByLabel('Time servers').fill('');
    await form.getByLabel('IPv4 address').selectOption('static');
    await form.getByLabel('Address and prefix').fill('192.168.1.20/24');
    await form.getByLabel('Gateway').fill('192.168.1.1');
    await form.getByLabel('Name servers').fill('192.168.1.1, 9.9.9.9');
    await form.getByRole('button', { name: 'Save' }).click();
    await form.getByText('From now on the box is at 192.168.1.20').waitFor();
    assert.equal(agent.network, '# by the electrician\nhost_name shop-1\n\naddress 192.168.1.20/24\ndns 192.168.1.1 9.9.9.9\nservice eth1\nwifi none\n# somebody else\nmode static\ngateway 192.168.1.1\n');
    await form.scrollIntoViewIfNeeded();
    await shot('31-network');
    assert.deepEqual(failures, []);
  });

  it('changes_the_settings_and_says_which_line_is_wrong', async () => {
    const form = card().getByRole('form', { name: 'Settings' });
    const text = form.getByRole('textbox', { name: 'Settings' });
    await text.fill('[tenant shop]\nhosts = img.shop.example\nsing_keys = hex:00:a\n');
    await form.getByRole('button', { name: 'Save' }).click();
    await form.getByRole('alert').filter({ hasText: /Nothing was changed. Line 3: .*sing_keys/ }).waitFor();
    assert.ok(!existsSync(join(folder, 'box.conf')));
    assert.ok(failures.every((one) => one.includes('400')), failures.join());
    failures.length = 0;
    const right = '[tenant shop]\nhosts = img.shop.example\n';
    await text.fill(right);
    await form.getByRole('button', { name: 'Save' }).click();
    await form.getByText('Saved; they count from the next start on.').waitFor();
    assert.ok(await form.locator('.error').isHidden());
    assert.equal(readFileSync(join(folder, 'box.conf'), 'utf8'), right);
    await form.scrollIntoViewIfNeeded();
    await shot('31-settings');
    await fitsAPhone(page, shot, '31-settings-phone');
    await page.reload();
    await card().locator('summary').click();
    await page.waitForFunction((wanted) => document.querySelector('textarea[name=settings]')?.value === wanted, right);
    assert.deepEqual(failures, []);
  });

  it('erases_only_when_its_name_was_typed', async () => {
    const form = card().getByRole('form', { name: 'Factory reset' });
    const button = form.getByRole('button', { name: 'Erase everything' });
    assert.ok(await button.isDisabled());
    await form.getByLabel(`Type ${hostname()}`).fill('yes');
    assert.ok(await button.isDisabled());
    await form.getByLabel(`Type ${hostname()}`).press('Enter');
    assert.equal(told('factory-reset').length, 0);
    await form.getByLabel(`Type ${hostname()}`).fill(hostname());
    await button.click();
    await card().getByText('The box erases itself and starts anew.').waitFor();
    assert.equal(told('factory-reset').length, 1);
    assert.equal(told('reboot').length, 1);
    Object.assign(agent.status, { boot: 'b1' });
    await card().getByRole('row', { name: /^A / }).waitFor({ timeout: 20000 });
  });

  it('waits_for_the_restart_and_shows_what_came', async () => {
    await card().getByRole('button', { name: 'Restart now' }).click();
    await card().getByText('The box restarts').waitFor();
    assert.equal(told('reboot').length, 2);
    await shot('32-restarting');
    Object.assign(agent.status, { boot: 'b2', running: 'B', next: 'B', version: '1.1.0', is_reboot_needed: false, health: 'waiting', phase: 'idle', installing: '' });
    await card().getByText('1.1.0 in slot B').waitFor({ timeout: 20000 });
    await card().getByRole('row', { name: /being checked since the start/ }).waitFor();
    agent.status.health = 'good';
    await card().locator('.badge.good').waitFor({ timeout: 20000 });
    assert.deepEqual(failures, []);
  });

  it('says_when_the_system_program_does_not_answer', async () => {
    const alert = card().getByRole('alert').filter({ hasText: 'ended without an answer' });
    agent.answer = (request, call) => call.die();
    await alert.waitFor({ timeout: 60000 });
    agent.answer = answer;
    await alert.waitFor({ state: 'hidden', timeout: 60000 });
    failures.length = 0;
  });

  it('leads_back_to_the_log_in_when_the_box_has_restarted', async () => {
    await card().getByRole('button', { name: 'Start the rescue system' }).click();
    await card().getByText('restarts into the rescue system').waitFor();
    assert.equal(told('rescue').length, 1);
    await page.context().clearCookies();
    await page.locator('#log-in-error', { hasText: 'The box has restarted. Log in again.' }).waitFor({ timeout: 20000 });
    assert.equal(await card().count(), 0);
    Object.assign(agent.status, structuredClone(goodStatus));
    await logIn(page, box.token);
    await card().getByText('1.0.0 in slot A').waitFor();
    failures.length = 0;
  });
});

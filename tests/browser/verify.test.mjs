// The marks of the page in a real Chromium on a real box: verified as it comes, red when anything is changed in flight (by the
// DevTools protocol, between box and page), grey without a ledger; and the card about ledger and scrubber.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { idOf, sha256, sleep, startBox } from '../system/box.mjs';
import { noisePng, random } from '../system/noise.mjs';
import { logIn, openChromium } from './chromium.mjs';

// Of several blocks even at 320 pixels; two widths of the page's ladder.
const pictures = [1, 2].map((seed) => noisePng(random(seed), 700, 500));
const marks = '.variants .mark';
// Of every card, or of one original's, when all have come to an end: [text, class, reason].
async function readMarks(page, { count = 2, id } = {}) {
  const selector = id ? `[data-id="${id}"] ${marks}` : marks;
  await page.waitForFunction(([wanted, least]) => {
    const all = [...document.querySelectorAll(wanted)];
    return all.length >= least && all.every((one) => !one.disabled);
  }, [selector, count], { timeout: 60000 });
  return page.locator(selector).evaluateAll((all) => all.map((one) => [one.textContent, one.className, one.title]));
}
async function everyMark(page, look, reason = /./, wish = {}) {
  for (const [text, className, title] of await readMarks(page, wish)) {
    assert.equal(className, `mark ${look}`, `${text}: ${title}`);
    assert.match(title, reason);
  }
}
const flip = (bytes, at) => {
  const changed = Buffer.from(bytes);
  changed[at] ^= 1;
  return changed;
};

// A change to every reply whose path fits, as somebody between box and page could make it.
async function changeInFlight(page, pattern, change) {
  await page.route((url) => pattern.test(url.pathname + url.search), async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, ...change(await response.body(), response) });
  });
}

let box, silent, chromium, page, failures, shot, folder, config, id;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pixpop-verify-'));
  config = join(folder, 'pixpop.conf');
  writeFileSync(config, '[ledger]\npublic = on\n[scrub]\nmb_per_s = 0\n');
  [box, silent, chromium] = await Promise.all([
    startBox({ config }), startBox({ settings: ['ledger.on=off', 'scrub.on=off'] }), openChromium(),
  ]);
  ({ page, failures, shot } = chromium);
  id = await box.put(pictures[0], 'harbour.png');
  await page.goto(`${box.console}/`);
  await logIn(page, box.token);
});
after(async () => {
  await chromium?.close();
  await Promise.all([box?.finish(), silent?.finish()]);
  rmSync(folder, { recursive: true, force: true });
});
const undo = () => page.unrouteAll({ behavior: 'wait' });
afterEach(undo);

describe('the marks of the page', () => {
  const again = async () => {
    await page.reload();
    return page.locator('article.original').first().waitFor();
  };

  it('say_verified_for_what_the_box_made', async () => {
    await everyMark(page, 'verified', /Proven in this browser/);
    await page.locator(marks).first().click();
    const region = page.getByRole('region', { name: 'What was checked of harbour.png' });
    for (const step of ['the digest that the reply names', "signed with the ledger's key", 'in the tree of the checkpoint', 'about these bytes', 'the variant that was asked for', 'The root over their blocks fits']) {
      assert.ok((await region.innerText()).includes(step), step);
    }
    const [download] = await Promise.all([page.waitForEvent('download'), region.getByRole('link', { name: 'Download the proof' }).click()]);
    assert.match(download.suggestedFilename(), /^harbour\.png-320px\.tlog-proof$/);
    assert.match(readFileSync(await download.path(), 'utf8'), /^c2sp\.org\/tlog-proof@v1\nextra /);
    await shot('14-verified');
    assert.deepEqual(failures, []);
  });

  it('say_verified_for_variants_that_are_made_by_hand', async () => {
    const card = page.locator('article.original').first();
    await card.getByText('Make variants', { exact: true }).click();
    const form = card.getByRole('form', { name: /^Make variants of/ });
    await form.getByLabel('Widths in pixels').fill('333');
    await form.getByLabel('Format').selectOption('png');
    await form.getByRole('button', { name: 'Make' }).click();
    await card.locator('.made .mark.verified').waitFor({ timeout: 60000 });
    assert.deepEqual(failures, []);
  });

  it('turn_red_when_a_byte_is_changed_in_flight', async () => {
    await changeInFlight(page, /^\/i\/.*w=640$/, (body) => ({ body: flip(body, body.length >> 1) }));
    await again();
    const all = await readMarks(page);
    assert.deepEqual(all.map(([, className]) => className), all.map((_, i) => (i === 1 ? 'mark failed' : 'mark verified')));
    assert.match(all[1][2], /not those of Repr-Digest: they were changed on the way/);
    await page.locator(marks).nth(1).click();
    await shot('15-changed-in-flight');
    await page.emulateMedia({ colorScheme: 'dark' });
    await shot('16-changed-in-flight-dark');
    await page.emulateMedia({ colorScheme: null });
  });

  it('turn_red_when_the_digests_are_changed_along', async () => {
    await changeInFlight(page, /^\/i\/.*w=\d+$/, (body, response) => {
      const changed = flip(body, 100);
      const headers = { ...response.headers(), etag: `"${idOf(changed)}"` };
      for (const name of ['repr-digest', 'content-digest']) headers[name] = `sha-256=:${sha256(changed).toString('base64')}:`;
      return { body: changed, headers };
    });
    await again();
    await everyMark(page, 'failed', /The ledger has nothing about these bytes/);
    failures.length = 0; // the browser logs the 404s
  });

  it('turn_red_when_another_variant_comes_with_its_own_proof', async () => {
    const other = await box.get(`/i/${id}?w=200&dpr=1&fm=webp&q=80`);
    await changeInFlight(page, /^\/i\/.*w=\d+$/, () => ({ body: other.body, headers: other.headers }));
    await again();
    await everyMark(page, 'failed', /nothing about these bytes|another variant of this original/);
    await undo();
    const stranger = await box.get(`/i/${await box.put(pictures[1], 'stranger.png')}?w=320&dpr=1&fm=webp&q=80`);
    await changeInFlight(page, new RegExp(`^/i/${id}.*w=\\d+$`), () => ({ body: stranger.body, headers: stranger.headers }));
    await again();
    await everyMark(page, 'failed', /nothing about these bytes|a variant of another original/, { id });
    assert.equal((await box.api(`/api/v1/originals/${idOf(pictures[1])}`, { method: 'DELETE' })).status, 204);
  });

  it('turn_red_when_the_proof_or_its_checkpoint_is_changed', async () => {
    const lines = (text) => text.split('\n');
    const changes = [
      [/about something else|not in the tree/, (text) => text.replace(/^extra (.*)$/m, (_, extra) => `extra ${flip(Buffer.from(extra, 'base64'), 80).toString('base64')}`)],
      [/not in the tree/, (text) => lines(text).map((line, i) => (i === 3 ? flip(Buffer.from(line, 'base64'), 3).toString('base64') : line)).join('\n')],
      [/checkpoint or its signature was changed/, (text) => text.replace(/(\/ledger\n)(\d+)\n/, (_, name, size) => `${name}${Number(size) + 1}\n`)],
      [/checkpoint or its signature was changed/, (text) => text.replace(/ ([^ ]+)\n$/, (_, signature) => ` ${flip(Buffer.from(signature, 'base64'), 40).toString('base64')}\n`)],
      [/not signed with this ledger's key/, (text) => text.replace(/\u2014.*\n/, '')],
    ];
    for (const [reason, change] of changes) {
      await changeInFlight(page, /^\/ledger\/proof\//, (body) => {
        const changed = change(body.toString());
        assert.notEqual(changed, body.toString());
        return { body: changed };
      });
      await again();
      await everyMark(page, 'failed', reason);
      await undo();
    }
    await again();
    await everyMark(page, 'verified');
  });

  it('turn_red_under_another_key_until_a_person_trusts_it', async () => {
    const { vkey } = (await box.api('/api/v1/status')).json.ledger;
    const key = Buffer.concat([Buffer.of(1), generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)]);
    const name = 'pixpop-11111111.local/ledger';
    const another = `${name}+${sha256(Buffer.concat([Buffer.from(`${name}\n`), key])).toString('hex', 0, 4)}+${key.toString('base64')}`;
    await page.evaluate((key) => localStorage.setItem('pixpop-vkey', key), another);
    await again();
    assert.match(await page.getByRole('alert').filter({ hasText: 'another key' }).innerText(), /--new-ledger/);
    await shot('17-another-key');
    const looks = await readMarks(page);
    for (const [, className] of looks) assert.equal(className, 'mark failed');
    await page.getByRole('button', { name: 'Trust the new key' }).click();
    await page.getByRole('alert').filter({ hasText: 'another key' }).waitFor({ state: 'detached' });
    await everyMark(page, 'verified');
    assert.equal(await page.evaluate(() => localStorage.getItem('pixpop-vkey')), vkey);
  });

  it('are_grey_when_the_proof_is_kept_away', async () => {
    await page.route('**/ledger/proof/*', (route) => route.abort());
    await again();
    await everyMark(page, 'unchecked', /proof can not be fetched/);
    await page.unrouteAll({ behavior: 'wait' });
    await page.route('**/ledger/proof/*', (route) => route.fulfill({ status: 409, body: '' }));
    await again();
    await everyMark(page, 'unchecked', /no proof at the moment \(status 409\)/);
    failures.length = 0; // the browser logs both
  });
});

// The module on another site than the box, with nothing but the delivery side, its verifier key and ledger.public = on.
describe('the module on a page of another site', () => {
  let site;
  before(async () => {
    const module = readFileSync(new URL('../../web/src/verify.js', import.meta.url));
    site = http.createServer((request, response) => {
      response.setHeader('content-type', request.url === '/verify.js' ? 'text/javascript' : 'text/html');
      response.end(request.url === '/verify.js' ? module : '<!doctype html><link rel="icon" href="data:,"><title>Shop</title>');
    }).listen(0, '127.0.0.1');
    await once(site, 'listening');
    await page.goto(`http://127.0.0.1:${site.address().port}/`);
  });
  after(() => {
    site.closeAllConnections();
    site.close();
  });
  const verify = (url, options) => page.evaluate(async ([place, wish]) => {
    const { verifyVariant } = await import('/verify.js');
    const { token, ...rest } = wish;
    if (token) rest.fetch = (address) => fetch(address, /\/ledger\//.test(address) ? { headers: { Authorization: `Bearer ${token}` } } : {});
    const { state, reason, checks, proof } = await verifyVariant(place, rest);
    return { state, reason, checks: checks.map(({ name }) => name), recipe: proof?.subject.recipe };
  }, [url, options]);

  it('verifies_pictures_of_every_grammar', async () => {
    const { vkey } = (await box.api('/api/v1/status')).json.ledger;
    for (const path of [`/i/${id}?w=400`, `/i/${id}?w=400&dpr=2&fm=avif&q=50`, `/iiif/3/${id}/full/300,/0/default.jpg`]) {
      const result = await verify(box.delivery + path, { vkey });
      assert.equal(result.state, 'verified', `${path}: ${result.reason}`);
      assert.equal(result.checks.length, 7);
    }
    assert.deepEqual(failures, []);
  });

  it('takes_a_token_where_proofs_are_not_public', async () => {
    const { vkey } = (await box.api('/api/v1/status')).json.ledger;
    writeFileSync(config, '[scrub]\nmb_per_s = 0\n');
    box.child.kill('SIGHUP');
    for (let i = 0; i < 100 && !/configuration reloaded/.test(box.log); i++) await sleep(50);
    const url = `${box.delivery}/i/${id}?w=410`; // whose proof the browser has not kept
    const refused = await verify(url, { vkey });
    assert.deepEqual([refused.state, refused.reason], ['unchecked', 'The box does not show its proofs here.']);
    failures.length = 0; // the browser logs the 401
    assert.equal((await verify(url, { vkey, token: box.token })).state, 'verified');
    assert.deepEqual(failures, []);
  });
});

describe('the card about integrity', () => {
  let ids;
  before(async () => {
    ids = [id, await box.put(pictures[1], 'lighthouse.png')];
    await page.goto(`${box.console}/`);
  });
  const card = () => page.locator('.integrity');
  const cell = (name) => card().locator('tr').filter({ has: page.getByRole('rowheader', { name, exact: true }) }).getByRole('cell').innerText();

  it('shows_the_ledger_with_a_key_to_copy', async () => {
    const { ledger } = (await box.api('/api/v1/status')).json;
    await card().getByText('ledger running').waitFor();
    await card().locator('summary').click();
    assert.equal(await cell('Name'), ledger.origin);
    assert.match(await cell('Last checkpoint'), /^(just now|\d+ s ago), over \d+ entries$/);
    assert.match(await cell('On the disk'), /^[\d.]+ [KM]?B/);
    assert.ok(Number((await cell('Entries')).replaceAll(',', '')) >= 3);
    await card().getByRole('button', { name: 'Copy the key' }).click();
    await card().getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), ledger.vkey);
  });

  it('checks_everything_when_asked_and_names_what_is_damaged', async () => {
    await readMarks(page, { count: 4 });
    const file = join(box.data, 'store', 'originals', ids[0].slice(0, 2), ids[0]);
    const fd = openSync(file, 'r+');
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, 70000);
    writeSync(fd, Buffer.of(byte[0] ^ 4), 0, 1, 70000);
    closeSync(fd);
    await card().getByRole('button', { name: 'Check everything now' }).click();
    const alert = card().getByRole('alert').filter({ hasText: 'damaged on the disk' });
    await alert.waitFor({ timeout: 30000 });
    assert.match(await alert.innerText(), /1 original is damaged[^]*harbour\.png/);
    assert.doesNotMatch(await alert.innerText(), /lighthouse/);
    await card().getByRole('status').filter({ hasText: /everything was checked (just now|\d+ s ago); 1 original damaged/ }).waitFor({ timeout: 30000 });
    await shot('18-damaged');
  });

  it('forgets_the_damage_after_the_file_was_uploaded_again', async () => {
    assert.equal(await box.put(pictures[0], 'harbour.png'), ids[0]);
    await card().getByRole('button', { name: 'Check everything now' }).click();
    await card().getByRole('status').filter({ hasText: /everything was checked (just now|\d+ s ago)$/ }).waitFor({ timeout: 30000 });
    assert.equal(await card().getByRole('alert').count(), 0);
  });

  it('fits_a_phone', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    await page.locator(marks).first().click();
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${overflow} px too wide`);
    await shot('19-integrity-phone');
  });
});

describe('a box without a ledger', () => {
  before(async () => {
    await silent.put(pictures[0]);
    await page.setViewportSize({ width: 1100, height: 900 });
    await page.goto(`${silent.console}/`);
    await logIn(page, silent.token);
  });
  it('has_grey_marks_and_says_why', async () => {
    failures.length = 0;
    await everyMark(page, 'unchecked', /no ledger to check it against/);
    await page.locator('.integrity').getByText('ledger off').waitFor();
    await page.locator('.integrity summary').click();
    await page.locator('.integrity').getByText('ledger.on in the configuration').waitFor();
    await page.locator('.integrity').getByText('scrub.on in the configuration').waitFor();
    await shot('20-no-ledger');
    assert.deepEqual(failures, []);
  });

  it('still_notices_a_changed_byte_by_its_digest', async () => {
    await changeInFlight(page, /^\/i\/.*w=\d+$/, (body) => ({ body: flip(body, 9) }));
    await page.reload();
    await everyMark(page, 'failed', /changed on the way/);
  });
});

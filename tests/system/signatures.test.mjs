// The policy of a box as it comes: what goes unsigned, signatures made by an independent signer (node:crypto), rotation,
// expiry, the console's and the command line's signing; and that keys stay where they are.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bin, readPhoto, sleep, startBox } from './box.mjs';

const secret = `hunter2-${randomBytes(8).toString('hex')}`;
const oldSecret = `hunter1-${randomBytes(8).toString('hex')}`;
const hmac = (key, text) => createHmac('sha256', key).update(text).digest('base64url');

// As the manual says: options sorted by name, decoded, behind the path.
function sign(path, options = {}, { key = secret, salt = 's-2' } = {}) {
  const text = Object.keys(options).sort().map((name) => `${name}=${options[name]}`).join('&');
  const signed = text ? `${path}?${text}` : path;
  return `${signed}${text ? '&' : '?'}sig=${hmac(key, salt + signed)}`;
}

const pixpop = (box, args, env = {}) => new Promise((done) => {
  execFile(join(bin, 'pixpop'), ['--console', box.console, '--delivery', box.delivery, ...args], {
    env: { ...process.env, PIXPOP_TOKEN: box.token, PIXPOP_SIGN_KEY: '', PIXPOP_IMGPROXY_KEY: '', ...env },
  }, (error, stdout, stderr) => done({ status: error?.code ?? 0, stdout: stdout.trim(), stderr }));
});

describe('the policy of a box', () => {
  let box, id, folder, config;
  const write = (...lines) => writeFileSync(config, `[tenant default]\n${lines.join('\n')}\n`);
  const status = async (path) => (await box.get(path)).status;
  const now = () => Math.floor(Date.now() / 1000);
  const reload = async () => {
    const seen = box.log.split('configuration reloaded').length;
    box.child.kill('SIGHUP');
    for (let i = 0; i < 100 && box.log.split('configuration reloaded').length === seen; i++) await sleep(50);
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-sign-'));
    config = join(folder, 'box.ini');
    write(`sign_keys = ${secret}:s-2 ${oldSecret}:s-1`);
    box = await startBox({ config, policy: 'default' });
    id = await box.put(readPhoto());
  });
  after(async () => {
    await box.finish();
    rmSync(folder, { recursive: true });
  });

  it('lets_the_ladder_through_and_says_how_to_sign_the_rest', async () => {
    for (const query of ['?w=160', '?w=320&dpr=2&fm=jpeg', '?w=480&fm=webp&q=80&dpr=1']) assert.equal(await status(`/i/${id}${query}`), 200, query);
    for (const query of ['?w=161', '?w=160&h=160', '?w=160&q=50', '?w=160&fit=cover', '?crop=0,0,9,9', '?w=160&dpr=1.1']) {
      const reply = await box.get(`/i/${id}${query}`);
      assert.equal(reply.status, 403, query);
      assert.equal(reply.headers['content-type'], 'application/problem+json');
      assert.equal(reply.headers['cache-control'], 'no-store');
      assert.match(reply.json.detail, /pixpop url --sign/);
      assert.match(reply.json.detail, /160,320,400,480/);
    }
    assert.equal((await box.get(`/i/${id}?w=161`, { method: 'HEAD' })).status, 403);
  });

  it('serves_what_either_key_has_signed', async () => {
    const options = { w: 333, h: 222, fit: 'cover', pos: '0.1,0.9', fm: 'webp', q: 61, dpr: 1 };
    const first = await box.get(sign(`/i/${id}`, options));
    assert.equal(first.status, 200);
    assert.match(first.headers['cache-control'], /immutable/);
    const second = await box.get(sign(`/i/${id}`, options, { key: oldSecret, salt: 's-1' }));
    assert.equal(second.status, 200);
    assert.deepEqual(second.body, first.body);
    assert.match(second.headers['cache-status'], /; hit/);
    assert.equal(await status(sign(`/i/${id}`)), 200);
    assert.equal(await status(sign(`/i/${id}`, options, { salt: 's-1' })), 403);
  });

  it('takes_every_spelling_of_the_same_url_and_no_other_url', async () => {
    const url = sign(`/i/${id}`, { w: 335, fm: 'png' });
    const [, sig] = url.split('&sig=');
    assert.equal(await status(url), 200);
    assert.equal(await status(`/i/${id}?sig=${sig}&w=335&fm=png`), 200);
    assert.equal(await status(`/i/${id}?%77=%33%335&fm=p%6Eg&s%69g=${sig}`), 200);
    for (const [path, wanted] of [
      [`/i/${id}?w=336&fm=png&sig=${sig}`, 403], [`/i/${id}?w=335&sig=${sig}`, 403], [`/i/${id}?fm=png&w=335&q=80&sig=${sig}`, 403],
      [`/i/${id}?w=335&fm=png`, 403], [`/i/${id}?w=335&fm=png&sig=`, 400], [`${url}&sig=${sig}`, 400], [`${url}&w=335`, 400],
      [`/i/${id}?w=335%26fm=png&sig=${sig}`, 400], [`/i/${id}?w=%2533%2533%2535&fm=png&sig=${sig}`, 400], [`${url}%00`, 400],
      [`/i/%${id.charCodeAt(0).toString(16)}${id.slice(1)}?w=335&fm=png&sig=${sig}`, 404],
      // A wrong signature is refused even where none is asked for.
      [`/i/${id}?w=160&sig=${sig}`, 403],
    ]) assert.equal(await status(path), wanted, path);
    // What was served once is not served from memory to who can not sign it.
    assert.equal(await status(`/i/${id}?fm=png&w=335`), 403);
  });

  it('refuses_expired_urls_after_checking_who_signed_them', async () => {
    const soon = await box.get(sign(`/i/${id}`, { w: 160, dpr: 1, fm: 'webp', q: 80, exp: now() + 100 }));
    assert.equal(soon.status, 200);
    assert.doesNotMatch(soon.headers['cache-control'], /immutable/);
    const [, age] = soon.headers['cache-control'].match(/max-age=(\d+)/);
    assert.ok(Number(age) <= 100, age);
    assert.equal(await status(sign(`/i/${id}`, { w: 160, exp: now() - 1 })), 410);
    assert.equal(await status(sign(`/i/${id}`, { w: 160, exp: now() - 1 }, { key: 'other' })), 403);
    assert.equal(await status(`/i/${id}?w=160&exp=${now() + 100}`), 403);
    // One that was served from memory expires too.
    const brief = sign(`/i/${id}`, { w: 160, exp: now() + 2 });
    assert.equal(await status(brief), 200);
    assert.equal(await status(brief), 200);
    for (let i = 0; i < 50 && (await status(brief)) === 200; i++) await sleep(100);
    assert.equal(await status(brief), 410);
  });

  it('opens_a_whole_picture_to_viewers_by_a_signed_identifier', async () => {
    const exp = now() + 100;
    const signed = `${id}.${exp}.${hmac(secret, `s-2/iiif/3/${id}?exp=${exp}`)}`;
    const tile = '/0,0,64,64/32,/0/default.jpg';
    assert.equal(await status(`/iiif/3/${id}${tile}`), 403);
    assert.equal(await status(`/iiif/3/${id}/info.json`), 200);
    assert.equal(await status(`/iiif/3/${signed}${tile}`), 200);
    assert.equal(await status(`/iiif/3/${signed.replace(`.${exp}.`, `.${exp + 1}.`)}${tile}`), 403);
    assert.equal(await status(`/iiif/3/${id}.0.${hmac(secret, `s-2/iiif/3/${id}`)}${tile}`), 200);
    assert.equal(await status(`/iiif/3/${id}.1.${hmac(secret, `s-2/iiif/3/${id}?exp=1`)}${tile}`), 410);
  });

  it('finds_the_tenant_by_every_spelling_of_its_host', async () => {
    writeFileSync(config, `[tenant default]\nsign_keys = ${secret}:s-2\n[tenant shop]\nhosts = shop.test, [2001:db8::1]\nunsigned = none\n`);
    await reload();
    const as = async (host) => (await box.get(`/i/${id}?w=160`, { headers: { host } })).status;
    for (const host of ['shop.test', 'SHOP.test', 'shop.test.', 'Shop.Test.', 'shop.test:8080', 'shop.test.:8080', 'shop.test.:',
      '[2001:db8::1]', '[2001:DB8:0:0::1]:443', '[2001:0db8::0001]']) {
      assert.equal(await as(host), 403, host);
    }
    for (const host of ['shop.test..', 'test.', 'x.shop.test', '[2001:db8::2]', 'localhost']) assert.equal(await as(host), 200, host);
    const session = http2.connect(box.delivery);
    const over2 = (authority) => new Promise((done, fail) => {
      const stream = session.request({ ':path': `/i/${id}?w=160`, ':authority': authority });
      stream.on('response', (head) => { done(head[':status']); stream.close(); });
      stream.on('error', fail);
    });
    assert.equal(await over2('shop.test.:8080'), 403);
    assert.equal(await over2('shop.test..'), 200);
    session.destroy();
    write(`sign_keys = ${secret}:s-2 ${oldSecret}:s-1`);
    await reload();
    assert.equal(await as('shop.test.'), 200);
  });

  it('signs_by_the_console', async () => {
    const ask = async (query) => box.api(`/api/v1/originals/${id}/url${query}`);
    const plain = (await ask('?w=160')).json;
    assert.equal(plain.url, `${box.delivery}/i/${id}?w=160`);
    assert.equal(plain.needs_signature, false);
    assert.equal(plain.signed_url, box.delivery + sign(`/i/${id}`, { w: 160 }));
    const odd = (await ask('?w=337&fit=cover&h=20')).json;
    assert.equal(odd.needs_signature, true);
    assert.equal(odd.url, box.delivery + sign(`/i/${id}`, { w: 337, h: 20, fit: 'cover' }));
    assert.equal(await status(odd.url.slice(box.delivery.length)), 200);
    const brief = (await ask('?w=160&expires_in=60')).json;
    assert.ok(Math.abs(brief.expires_s - now() - 60) <= 2);
    assert.equal(brief.url, box.delivery + sign(`/i/${id}`, { w: 160, exp: brief.expires_s }));
    assert.equal(await status(brief.url.slice(box.delivery.length)), 200);
    const picture = (await ask('?form=iiif&expires_in=60')).json;
    assert.equal(await status(`${picture.url.slice(box.delivery.length)}/0,0,64,64/33,/0/default.jpg`), 200);
    for (const query of ['?w=0', '?colour=red', '?sig=x', '?exp=1', '?expires_in=0', '?expires_in=1&expires_in=1', '?expires_in=1d', '?form=imgproxy', '?form=iiif&w=1']) {
      assert.equal((await ask(query)).status, 400, query);
    }
    assert.equal((await box.api(`/api/v1/originals/${'A'.repeat(43)}/url`)).status, 404);
    assert.equal((await box.api(`/api/v1/originals/${id}/url`, { headers: { authorization: 'Bearer wrong' } })).status, 401);
    assert.equal((await box.api(`/api/v1/originals/${id}/url`, { method: 'POST' })).status, 405);
  });

  it('gives_signed_urls_of_what_it_was_told_to_make', async () => {
    const reply = await box.api(`/api/v1/originals/${id}/variants`, {
      method: 'POST', body: JSON.stringify({ recipes: ['w=160', 'w=342&h=30&fit=cover'] }),
      headers: { 'content-type': 'application/json', accept: 'application/x-ndjson' },
    });
    const urls = reply.body.toString().trim().split('\n').map((line) => JSON.parse(line).url).filter(Boolean);
    assert.equal(urls.length, 2);
    for (const url of urls) {
      const path = url.slice(box.delivery.length);
      assert.equal(/[?&]sig=/.test(path), /h=30/.test(path), path);
      assert.equal(await status(path), 200, path);
    }
  });

  it('shows_the_console_everything', async () => {
    assert.equal((await box.api(`/i/${id}?w=161&h=77&fit=cover&q=33`)).status, 200);
    assert.equal((await box.api(`/i/${id}?w=161&h=77&fit=cover&q=33`, { headers: { authorization: 'Bearer wrong' } })).status, 401);
    // And nobody else for that.
    assert.equal(await status(`/i/${id}?w=161&h=77&fit=cover&q=33`), 403);
  });

  it('signs_on_the_command_line_with_a_key_or_by_the_console', async () => {
    const offline = await pixpop(box, ['url', '--sign', id, 'w=338', 'h=21'], { PIXPOP_SIGN_KEY: `${secret}:s-2` });
    assert.equal(offline.stdout, box.delivery + sign(`/i/${id}`, { w: 338, h: 21 }));
    const console_ = await pixpop(box, ['url', '--sign', id, 'w=338', 'h=21']);
    assert.equal(console_.stdout, offline.stdout);
    assert.equal(await status(offline.stdout.slice(box.delivery.length)), 200);
    const brief = await pixpop(box, ['url', '--sign', '--expires', '1h', id, 'w=339'], { PIXPOP_SIGN_KEY: `hex:${Buffer.from(secret).toString('hex')}:hex:732d32` });
    assert.equal(await status(brief.stdout.slice(box.delivery.length)), 200);
    const viewer = await pixpop(box, ['url', '--iiif', '--sign', '--expires', '5m', id]);
    assert.equal(await status(`${viewer.stdout.slice(box.delivery.length)}/0,0,64,64/34,/0/default.jpg`), 200);
    for (const args of [['--sign', 'nonsense'], ['--sign', '--expires', 'soon', id], ['--expires', '1h', id], ['--sign', id, 'sig=x'], ['--iiif', '--imgproxy', id]]) {
      assert.equal((await pixpop(box, ['url', ...args], { PIXPOP_SIGN_KEY: 'a:b' })).status, 2, args.join(' '));
    }
    const refused = await pixpop(box, ['url', '--sign', id], { PIXPOP_SIGN_KEY: 'hunter3' });
    assert.equal(refused.status, 2);
    assert.doesNotMatch(refused.stderr, /hunter3/);
  });

  it('follows_a_reload_of_keys_and_policy', async () => {
    const oldUrl = sign(`/i/${id}`, { w: 340 }, { key: oldSecret, salt: 's-1' });
    const newUrl = sign(`/i/${id}`, { w: 340 });
    assert.equal(await status(oldUrl), 200);
    write(`sign_keys = ${secret}:s-2`, 'unsigned = none');
    await reload();
    assert.equal(await status(oldUrl), 403);
    assert.equal(await status(newUrl), 200);
    assert.equal(await status(`/i/${id}?w=160`), 403);
    assert.equal(await status(`/iiif/3/${id}/info.json`), 403);
    write('unsigned = open');
    await reload();
    assert.equal(await status(`/i/${id}?w=340`), 200);
    assert.equal(await status(newUrl), 403, 'a signature that is no longer good is not ignored');
    const lost = await pixpop(box, ['url', '--sign', id]);
    assert.equal(lost.status, 1);
    assert.match(lost.stderr, /sign_keys/);
    assert.equal((await box.api(`/api/v1/originals/${id}/url?expires_in=60`)).status, 409);
    write(`sign_keys = ${secret}:s-2 ${oldSecret}:s-1`, 'ladder = 100,200', `unsigned = ladder`);
    await reload();
    assert.equal(await status(`/i/${id}?w=160`), 403);
    assert.equal(await status(`/i/${id}?w=200`), 200);
    write(`sign_keys = ${secret}:a/b`);
    box.child.kill('SIGHUP');
    for (let i = 0; i < 100 && !/without '\/'/.test(box.log); i++) await sleep(50);
    assert.match(box.log, /box\.ini:2/);
    assert.equal(await status(newUrl), 200, 'the old configuration stays');
  });

  it('keeps_its_keys_to_itself', async () => {
    const seen = [box.log, box.output];
    for (const path of ['/api/v1/status', '/metrics', `/api/v1/originals/${id}`, `/api/v1/originals/${id}/url?w=341`, '/api/v1/originals']) {
      seen.push((await box.api(path)).body.toString());
    }
    for (const path of [`/i/${id}?w=341`, `/i/${id}?w=341&sig=${hmac('x', 'x')}`, `/iiif/3/${id}/info.json`]) {
      const { body, headers } = await box.get(path);
      seen.push(body.toString('latin1'), JSON.stringify(headers));
    }
    for (const text of seen) {
      for (const form of [secret, oldSecret, Buffer.from(secret).toString('hex'), Buffer.from(secret).toString('base64url')]) {
        assert.ok(!text.includes(form), text.slice(0, 200));
      }
    }
  });
});

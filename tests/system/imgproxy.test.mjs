// imgproxy's URLs on a box as it comes: signed by an independent signer (node:crypto) with keys as imgproxy has them,
// unsigned under the same policy as all others, and the same bytes as the native URL that says the same.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bin, startBox } from './box.mjs';
import { noisePng } from './noise.mjs';
import { decodePng } from './png.mjs';

const key = randomBytes(64), salt = randomBytes(64);

describe('imgproxy URLs', () => {
  let box, id, folder;
  const signature = (rest) => createHmac('sha256', key).update(salt).update(rest).digest('base64url');
  const signed = (rest) => `/imgproxy/${signature(rest)}${rest}`;
  const plain = (options, extension = '') => `/${options}/plain/local:///${id}${extension}`;
  const status = async (path) => (await box.get(path)).status;
  // Width and height of a PNG.
  const sizeOf = (bytes) => [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-imgproxy-'));
    const config = join(folder, 'box.ini');
    writeFileSync(config, `[tenant default]\nimgproxy_keys = ${'00'.repeat(32)}:${'11'.repeat(32)} ${key.toString('hex')}:${salt.toString('hex')}\n`);
    box = await startBox({ config, policy: 'default' });
    id = await box.put(makePicture(), 'bars.png');
  });
  after(async () => {
    await box.finish();
    rmSync(folder, { recursive: true });
  });

  // 400 x 200: red in the west half, blue in the east one.
  function makePicture() {
    let at = 0;
    return noisePng(() => {
      const x = Math.floor(at / 3) % 400, channel = at++ % 3;
      return channel === (x < 200 ? 0 : 2) ? 255 / 256 : 0;
    }, 400, 200);
  }

  it('have_the_size_that_imgproxy_gives_them', async () => {
    for (const [options, width, height] of [
      ['rs:fit:100:100', 100, 50], ['rs:fill:100:100', 100, 100], ['rs:force:30:70', 30, 70], ['rs:fill-down:400:400', 200, 200],
      ['rs:auto:100:60', 100, 60], ['w:100/dpr:2', 200, 100], ['w:800', 400, 200], ['w:800/el:1', 800, 400],
      ['rs:fit:100:100:0:1', 100, 100], ['w:100/pd:1:2:3:4', 106, 54], ['rot:90/w:50', 50, 100], ['c:0.5:50:nowe', 200, 50],
    ]) {
      const reply = await box.get(signed(plain(options, '@png')));
      assert.equal(reply.status, 200, `${options} ${reply.body}`);
      assert.equal(reply.headers['content-type'], 'image/png');
      assert.deepEqual(sizeOf(reply.body), [width, height], options);
    }
  });

  it('are_the_bytes_of_the_native_url_that_says_the_same', async () => {
    for (const [options, native] of [
      ['rs:fill:100:100/g:we', 'w=100&h=100&fit=cover&pos=left'], ['w:100/q:70', 'w=100&q=70'], ['c:50:60:soea', 'crop=350,140,50,60'],
      ['w:100/pd:5/bg:00ff00', 'w=100&pad=5,5,5,5&bg=00ff00'], ['rot:180/h:40', 'rot=180&h=40'],
    ]) {
      const theirs = await box.get(signed(plain(options, '@webp')));
      const ours = await box.api(`/i/${id}?dpr=1&fm=webp${native.includes('q=') ? '' : '&q=80'}&${native}`);
      assert.equal(theirs.status, 200, `${options} ${theirs.body}`);
      assert.equal(ours.status, 200, native);
      assert.equal(theirs.headers.etag, ours.headers.etag, options);
      assert.match(ours.headers['cache-status'], /; hit/, 'one variant for both');
    }
  });

  it('choose_the_part_by_gravity', async () => {
    const pixelOf = async (options) => {
      const reply = await box.get(signed(plain(options, '@png')));
      assert.equal(reply.status, 200, `${options} ${reply.body}`);
      return [...decodePng(reply.body).pixels.subarray(0, 3)];
    };
    assert.deepEqual(await pixelOf('rs:fill:10:200/g:we'), [255, 0, 0]);
    assert.deepEqual(await pixelOf('rs:fill:10:200/g:ea'), [0, 0, 255]);
    assert.deepEqual(await pixelOf('rs:fill:10:200/g:fp:0.9:0.5'), [0, 0, 255]);
    assert.deepEqual(await pixelOf('rs:fill:10:200/g:we:300:0'), [0, 0, 255]);
    assert.deepEqual(await pixelOf('c:10:10:nowe'), [255, 0, 0]);
    assert.deepEqual(await pixelOf('rot:180/c:10:10:nowe'), [0, 0, 255]);
    assert.deepEqual(await pixelOf('rot:90/c:10:10:so'), [0, 0, 255]);
  });

  it('take_base64_sources_in_pieces_and_extensions', async () => {
    const encoded = Buffer.from(`local:///${id}`).toString('base64url');
    const whole = await box.get(signed(`/w:100/${encoded}.jpg`));
    assert.equal(whole.status, 200);
    assert.equal(whole.headers['content-type'], 'image/jpeg');
    const pieces = await box.get(signed(`/w:100/${encoded.match(/.{1,16}/g).join('/')}.jpg`));
    assert.equal(pieces.headers.etag, whole.headers.etag);
    const auto = await box.get(signed(`/w:100/${encoded}`), { headers: { accept: 'image/webp,*/*' } });
    assert.equal(auto.headers['content-type'], 'image/webp');
    assert.match(auto.headers.vary, /accept/i);
  });

  it('are_refused_when_signed_wrongly', async () => {
    const rest = plain('rs:fill:100:90', '@png'), good = signature(rest);
    assert.equal(await status(`/imgproxy/${good}${rest}`), 200);
    for (const bad of [`${good.slice(0, -1)}_`, good.slice(0, 20), `${good}=`, good.toUpperCase(), 'unsafe', '_', 'insecure', 'x']) {
      if (bad === good) continue;
      assert.equal(await status(`/imgproxy/${bad}${rest}`), 403, bad);
    }
    assert.equal(await status(`/imgproxy/${good}${plain('rs:fill:100:91', '@png')}`), 403);
    assert.equal(await status(`/imgproxy/${good}${plain('rs%3Afill:100:90', '@png')}`), 400);
    assert.equal(await status(`/imgproxy/${good}${plain('rs:fill:100:90', '%40png')}`), 404);
  });

  it('go_unsigned_on_the_ladder_only', async () => {
    assert.equal(await status(`/imgproxy/unsafe${plain('w:160', '@webp')}`), 200);
    assert.equal(await status(`/imgproxy/_${plain('rs:fit:160/dpr:2')}`), 200);
    for (const options of ['w:161', 'h:160', 'rs:fill:160:160', 'w:160/q:50', 'w:160/pd:1', 'w:160/c:10:10', 'w:160/cb:1', 'w:160/exp:4000000000']) {
      const reply = await box.get(`/imgproxy/insecure${plain(options)}`);
      assert.equal(reply.status, 403, options);
      assert.match(reply.json.detail, /--imgproxy/);
    }
  });

  it('expire', async () => {
    const now = Math.floor(Date.now() / 1000);
    const soon = await box.get(signed(plain(`w:101/exp:${now + 60}`, '@png')));
    assert.equal(soon.status, 200);
    assert.doesNotMatch(soon.headers['cache-control'], /immutable/);
    assert.equal(await status(signed(plain(`w:101/exp:${now - 1}`, '@png'))), 410);
    assert.equal(await status(`/imgproxy/${signature('x')}${plain(`w:101/exp:${now - 1}`, '@png')}`), 403);
  });

  it('name_what_is_not_known', async () => {
    for (const [options, subject] of [['blur:2', 'blur'], ['wm:0.5', 'wm'], ['f:gif', 'format'], ['rs:stretch:1:1', 'resize'], ['ar:0', 'auto_rotate']]) {
      const reply = await box.get(signed(plain(options)));
      assert.equal(reply.status, 400, options);
      assert.equal(reply.json.subject, subject);
    }
    assert.equal(await status(signed('/w:100/plain/http://example.com/a.jpg')), 404);
    assert.equal(await status(signed(`/w:100/plain/local:///${'A'.repeat(43)}`)), 404);
    assert.equal((await box.get(signed(plain('w:100')), { method: 'POST' })).status, 405);
  });

  it('take_no_query_and_say_what_there_is_instead', async () => {
    const good = signed(plain('w:100', '@png'));
    assert.equal(await status(good), 200);
    assert.equal(await status(`${good}?`), 200);
    for (const [query, subject] of [['v=2', 'v'], ['cb', 'cb'], ['w=5000&h=1', 'w'], ['exp=1', 'exp']]) {
      const reply = await box.get(`${good}?${query}`);
      assert.equal(reply.status, 400, query);
      assert.equal(reply.headers['cache-control'], 'no-store');
      assert.equal(reply.json.subject, subject);
      assert.match(reply.json.detail, /cachebuster/);
    }
    assert.equal(await status(signed(plain('w:100/cb:v2', '@png'))), 200);
    // A signature over the query is none of the path.
    assert.equal(await status(`/imgproxy/${signature(`${plain('w:100', '@png')}?v=2`)}${plain('w:100', '@png')}?v=2`), 400);
    assert.equal(await status(`/imgproxy/${signature(`${plain('w:100', '@png')}?v=2`)}${plain('w:100', '@png')}`), 403);
  });

  it('are_printed_by_the_command_line', async () => {
    const run = (args, env = {}) => new Promise((done) => {
      execFile(join(bin, 'pixpop'), ['--delivery', box.delivery, 'url', '--imgproxy', ...args], { env: { ...process.env, ...env } },
        (error, stdout, stderr) => done({ status: error?.code ?? 0, stdout: stdout.trim(), stderr }));
    });
    const pair = { PIXPOP_IMGPROXY_KEY: `${key.toString('hex')}:${salt.toString('hex')}` };
    const url = (await run(['--sign', id, 'rs:fill:102:50', 'f:png'], pair)).stdout;
    assert.equal(url, box.delivery + signed(plain('rs:fill:102:50/f:png')));
    assert.equal(await status(url.slice(box.delivery.length)), 200);
    const brief = (await run(['--sign', '--expires', '1m', id, 'w:103'], pair)).stdout;
    assert.equal(await status(brief.slice(box.delivery.length)), 200);
    assert.equal((await run([id, 'w:160'])).stdout, `${box.delivery}/imgproxy/_/w:160/plain/local:///${id}`);
    assert.equal((await run(['--sign', id, 'w:160'])).status, 2);
  });
});

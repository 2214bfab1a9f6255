// Sampling by the request: client hints, Save-Data and networks, AVIF in the background, and few variants of all that.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { metric, readPhoto, sleep, startBox } from './box.mjs';

const modern = 'image/avif,image/webp,*/*;q=0.8';
const iphone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15';
const webpWidth = (body) => {
  assert.equal(body.subarray(12, 16).toString(), 'VP8 ');
  return body.readUInt16LE(26) & 0x3fff;
};

describe('hints', () => {
  let box, id;
  before(async () => {
    box = await startBox({ settings: ['delivery.avif=on'] });
    id = await box.put(readPhoto());
  });
  after(() => box.finish());

  const get = async (options, headers = {}) => {
    const reply = await box.get(`/i/${id}${options}`, { headers: { accept: 'image/webp', ...headers } });
    assert.equal(reply.status, 200, reply.body.toString());
    return reply;
  };
  const counter = async (name, labels) => metric((await box.api('/metrics')).body.toString(), name, labels);

  it('sends_the_pixels_that_the_screen_has', async () => {
    const cases = [
      ['?w=160', {}, 160, undefined],
      ['?w=160', { dpr: '2' }, 320, '2'],
      ['?w=160', { 'sec-ch-dpr': '1.5' }, 240, '1.5'],
      ['?w=160', { 'user-agent': iphone }, 480, '3'],
      ['?w=160&dpr=1', { dpr: '2' }, 160, undefined],
      ['', { 'sec-ch-width': '300' }, 320, undefined],
      ['', { 'viewport-width': '200', dpr: '2' }, 480, '2'],
    ];
    for (const [options, headers, width, contentDpr] of cases) {
      const reply = await get(options, headers);
      assert.equal(webpWidth(reply.body), width, `${options} ${JSON.stringify(headers)}`);
      assert.equal(reply.headers['content-dpr'], contentDpr);
      // The pinned URL gives the same bytes, whoever asks.
      const pinned = await box.get(reply.headers['content-location'], { headers: { dpr: '3', 'save-data': 'on' } });
      assert.deepEqual(pinned.body, reply.body);
      assert.match(pinned.headers['cache-control'], /immutable/);
      assert.equal(pinned.headers.vary, undefined);
    }
  });

  it('spares_slow_networks', async () => {
    const sizes = [];
    for (const headers of [{}, { ect: '3g' }, { 'save-data': 'on' }]) sizes.push((await get('?w=640&dpr=1', headers)).body.length);
    assert.ok(sizes[0] > sizes[1] && sizes[1] > sizes[2], sizes.join(' '));
    assert.equal((await get('?w=640&dpr=1', { rtt: '2000' })).body.length, sizes[2]);
    assert.equal((await get('?w=640&dpr=1', { downlink: '0.9' })).body.length, sizes[1]);
    const fixed = (headers) => get('?w=640&dpr=1&q=80', headers);
    assert.deepEqual((await fixed({ 'save-data': 'on' })).body, (await fixed({})).body);
  });

  it('says_what_an_answer_depends_on_whatever_came', async () => {
    const varies = async (options, headers) => (await get(options, headers)).headers.vary;
    for (const options of ['', '?w=160', '?w=160&fm=webp', '?w=160&dpr=2']) {
      const without = await varies(options);
      assert.equal(await varies(options, { dpr: '2', width: '100', 'save-data': 'on', 'user-agent': iphone }), without);
      assert.ok(without.includes('Save-Data'), without);
      assert.equal(without.includes('Width'), options === '', without);
    }
    const reply = await get('?w=160');
    assert.match(reply.headers['accept-ch'], /Sec-CH-DPR/);
    assert.equal(reply.headers['critical-ch'], 'Sec-CH-DPR');
    assert.equal(reply.headers['cache-control'], 'max-age=3600');
  });

  it('makes_few_variants_whatever_the_fields_say', async () => {
    const before = await counter('pixpop_render_products_total', 'result="ok"');
    for (let i = 0; i < 300; i++) {
      await get('?w=80&fm=webp', {
        dpr: String(0.5 + i * 0.013), width: String(i * 7), 'viewport-width': String(i * 5), rtt: String(i * 10),
        downlink: String(i * 0.05), 'user-agent': i % 2 ? iphone : `agent ${i}`,
      });
    }
    const made = await counter('pixpop_render_products_total', 'result="ok"') - before;
    assert.ok(made >= 4 && made <= 12, `${made} variants`);  // four DPRs, three networks
  });

  it('answers_webp_at_once_and_avif_when_it_is_made', async () => {
    const headers = { accept: modern };
    const first = await get('?w=480&dpr=1&q=60', headers);
    assert.equal(first.headers['content-type'], 'image/webp');
    assert.equal(first.headers['cache-control'], 'max-age=60');
    let next = first;
    for (let i = 0; i < 300 && next.headers['cache-control'] === 'max-age=60'; i++) {
      await sleep(100);
      next = await get('?w=480&dpr=1&q=60', headers);
    }
    assert.equal(next.headers['cache-control'], 'max-age=3600');
    const replaced = await counter('pixpop_pop_upgrades_total', 'result="replaced"');
    const larger = await counter('pixpop_pop_upgrades_total', 'result="larger"');
    assert.equal(replaced + larger, 1);
    assert.equal(next.headers['content-type'], replaced ? 'image/avif' : 'image/webp');
    if (!replaced) return;
    assert.equal(next.body.subarray(4, 12).toString(), 'ftypavif');
    assert.ok(next.body.length < first.body.length);
    assert.equal((await get('?w=480&dpr=1&q=60')).headers['content-type'], 'image/webp');
    await box.restart();
    const kept = await get('?w=480&dpr=1&q=60', headers);
    assert.equal(kept.headers['content-type'], 'image/avif');
    assert.equal(kept.headers['cache-status'], 'pixpop; hit; detail=disk');
  });
});

describe('a tenant without hints', () => {
  let box, folder;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-hints-'));
    const config = join(folder, 'pixpop.conf');
    writeFileSync(config, '[tenant default]\nhints = off\nunsigned = open\n');
    box = await startBox({ config });
  });
  after(async () => {
    await box.finish();
    rmSync(folder, { recursive: true });
  });

  it('pins_every_url', async () => {
    const id = await box.put(readPhoto());
    const reply = await box.get(`/i/${id}?w=160`, { headers: { accept: 'image/webp', dpr: '2', 'save-data': 'on' } });
    assert.equal(webpWidth(reply.body), 160);
    assert.equal(reply.headers['cache-control'], 'public, immutable, max-age=31536000');
    assert.equal(reply.headers.vary, 'Accept');
    assert.equal(reply.headers['accept-ch'], undefined);
    assert.equal(reply.headers['content-dpr'], undefined);
  });
});

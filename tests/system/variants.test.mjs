// Many variants of one original in one call: progress, one decode, the same bytes that delivery serves.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bin, metric, readPhoto, request, sha256, sleep, startBox } from './box.mjs';

const ladder = [320, 640, 960, 1280, 1920];
const lines = (reply) => reply.body.toString().trimEnd().split('\n').map((line) => JSON.parse(line));

describe('POST /api/v1/originals/{id}/variants', () => {
  let box, id;
  before(async () => {
    box = await startBox();
    id = await box.put(readPhoto());
  });
  after(() => box.finish());

  const make = (wishes, { original = id, headers = {} } = {}) => box.api(`/api/v1/originals/${original}/variants`, {
    method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: typeof wishes === 'string' ? wishes : JSON.stringify(wishes),
  });
  const metrics = async () => (await box.api('/metrics')).body.toString();
  const decodes = async () => metric(await metrics(), 'pixpop_sandbox_seconds_count', 'operation="decode"');
  const made = async () => metric(await metrics(), 'pixpop_render_products_total', 'result="ok"');

  it('makes_five_widths_from_one_decode_that_delivery_serves_from_memory', async () => {
    const before = await decodes();
    assert.ok(before >= 1, 'the upload was checked by a decode');
    const reply = await make({ recipes: ladder.map((width) => `w=${width}&dpr=1&fm=webp&q=80`) });
    assert.equal(reply.status, 200, reply.body.toString());
    assert.equal(reply.headers['content-type'], 'application/x-ndjson');
    const items = lines(reply);
    const counts = items.pop();
    assert.equal(counts.done, 5);
    assert.equal(counts.failed, 0);
    assert.ok(await decodes() - before <= 1, 'the original is decoded at most once');
    assert.equal(await made(), 5);
    assert.deepEqual(items.map((item) => item.index).sort(), [0, 1, 2, 3, 4]);
    for (const item of items) {
      assert.equal(item.source, 'made');
      assert.equal(item.width, ladder[item.index]);
      assert.ok(item.url.startsWith(`${box.delivery}/i/${id}?`), item.url);
      const served = await request(item.url);
      assert.equal(served.status, 200);
      assert.equal(served.headers['cache-status'], 'pixpop; hit');
      assert.match(served.headers['cache-control'], /immutable/);
      assert.equal(served.headers['repr-digest'], item.digest);
      assert.equal(item.digest, `sha-256=:${sha256(served.body).toString('base64')}:`);
      assert.equal(served.body.length, item.bytes);
      assert.equal(served.headers['content-type'], item.media_type);
    }
  });

  it('finds_them_in_memory_and_after_a_restart_on_disk', async () => {
    const wishes = { widths: ladder, recipe: 'fm=webp' };
    const sources = async () => new Set(lines(await make(wishes)).slice(0, -1).map((item) => item.source));
    assert.deepEqual(await sources(), new Set(['ram']));
    await box.restart();
    assert.deepEqual(await sources(), new Set(['disk']));
    const object = await make(wishes, { headers: { accept: 'application/json' } });
    assert.equal(object.json.variants.length, 5);
    assert.equal(object.json.done, 5);
  });

  it('tells_of_each_variant_as_soon_as_it_is_there', async () => {
    const times = [];
    await new Promise((done, fail) => {
      const outgoing = http.request(`${box.console}/api/v1/originals/${id}/variants`, {
        method: 'POST', agent: false, headers: { ...box.bearer, 'content-type': 'application/json' },
      }, (response) => {
        response.on('data', (chunk) => { for (const line of chunk.toString().split('\n').filter(Boolean)) times.push([performance.now(), JSON.parse(line)]); });
        response.on('end', done);
        response.on('error', fail);
      });
      outgoing.on('error', fail);
      outgoing.end(JSON.stringify({ widths: [1919, 1918, 1917, 1916, 1915, 1914], recipe: 'fm=webp' }));
    });
    assert.equal(times.length, 7);
    const [first] = times[0];
    const [last, counts] = times.at(-1);
    assert.equal(counts.done, 6);
    assert.ok(last - first > counts.ms / 20, `the first came ${Math.round(last - first)} ms before the last of ${counts.ms} ms`);
  });

  it('refuses_a_bad_recipe_by_its_place_and_makes_nothing', async () => {
    const before = await made();
    const reply = await make({ recipes: ['w=111', 'w=112', 'w=113&zoom=2'] });
    assert.equal(reply.status, 400);
    assert.equal(reply.json.subject, 'recipes[2].zoom');
    assert.match(reply.json.detail, /recipe 2/);
    const huge = await make({ recipes: ['w=111', 'w=8192&h=8192&fit=fill&dpr=4'] });
    assert.equal(huge.status, 422);
    assert.match(huge.json.subject, /^recipes\[1\]/);
    assert.equal(await made(), before);
    assert.equal((await box.get(`/i/${id}?w=111&dpr=1&fm=webp&q=80`)).headers['cache-status'], 'pixpop; fwd=miss; stored');
  });

  it('refuses_strangers_unknown_originals_and_what_is_over_its_limits', async () => {
    assert.equal((await request(`${box.console}/api/v1/originals/${id}/variants`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"widths":[10]}' })).status, 401);
    assert.equal((await make({ widths: [10] }, { original: `${'B'.repeat(42)}A` })).status, 404);
    assert.equal((await make({ widths: Array.from({ length: 65 }, (_, i) => i + 1) })).status, 400);
    assert.equal((await make(`{"widths":[10],"recipe":"${'x'.repeat(70000)}"}`)).status, 413);
    assert.equal((await make('widths=10')).status, 400);
    assert.equal((await make({ widths: [10] }, { headers: { 'content-type': 'text/plain' } })).status, 415);
    const wrong = await box.api(`/api/v1/originals/${id}/variants`);
    assert.equal(wrong.status, 405);
    assert.equal(wrong.headers.allow, 'POST');
  });

  it('shares_the_work_with_gets_of_the_same_moment', async () => {
    const other = await box.put(readPhoto(1));
    const before = await made();
    const batch = make({ widths: [700, 800, 900], recipe: 'fm=webp' }, { original: other });
    const gets = [700, 800, 900, 700, 800, 900].map((width) => box.get(`/i/${other}?w=${width}&dpr=1&fm=webp&q=80`));
    const items = lines(await batch);
    assert.equal(items.pop().done, 3);
    for (const reply of await Promise.all(gets)) {
      assert.equal(reply.status, 200);
      assert.ok(items.some((item) => item.digest === reply.headers['repr-digest']));
    }
    assert.equal(await made() - before, 3);
  });
});

describe('a client of a batch that leaves', () => {
  for (const tls of [false, true]) {
    it(`ends_the_work_it_wanted_${tls ? 'over_tls' : 'over_plain_tcp'}`, async () => {
      const box = await startBox({ tls, settings: ['render.threads=1'] });
      try {
        const id = await box.put(readPhoto());
        const count = 24;
        const widths = Array.from({ length: count }, (_, i) => 1000 + i);
        await new Promise((done) => {
          const outgoing = (tls ? https : http).request(`${box.console}/api/v1/originals/${id}/variants`, {
            method: 'POST', agent: false, rejectUnauthorized: false, headers: { ...box.bearer, 'content-type': 'application/json' },
          }, (response) => response.once('data', () => { outgoing.destroy(); }));
          outgoing.on('error', () => {});
          outgoing.on('close', done);
          outgoing.end(JSON.stringify({ widths, recipe: 'fm=webp' }));
        });
        const batch = async (result) => metric((await box.api('/metrics')).body.toString(), 'pixpop_pop_batch_variants_total', `result="${result}"`);
        let made, failed;
        for (let i = 0; i < 600; i++) {
          [made, failed] = [await batch('render'), await batch('error')];
          if (made + failed === count) break;
          await sleep(100);
        }
        assert.equal(made + failed, count);
        assert.ok(failed > count / 2, `${made} were made, ${failed} were not`);
        assert.equal((await box.get(`/i/${id}?w=${widths.at(-1)}&dpr=1&fm=webp&q=80`)).status, 200);
      } finally {
        await box.finish();
      }
    });
  }
});

describe('a busy box', () => {
  it('says_so_before_the_first_byte', async () => {
    const box = await startBox({ settings: ['render.threads=1', 'render.queue=1'] });
    try {
      const id = await box.put(readPhoto());
      const make = (base) => box.api(`/api/v1/originals/${id}/variants`, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ widths: [base, base + 1, base + 2] }),
      });
      const replies = await Promise.all([1500, 1510, 1520, 1530, 1540, 1550].map(make));
      const refused = replies.filter((reply) => reply.status === 503);
      assert.ok(refused.length > 0, replies.map((reply) => reply.status).join());
      for (const reply of refused) {
        assert.ok(Number(reply.headers['retry-after']) >= 1);
        assert.match(reply.headers['content-type'], /problem\+json/);
      }
      for (const reply of replies.filter((one) => one.status === 200)) assert.equal(lines(reply).at(-1).failed, 0);
      assert.ok(replies.some((reply) => reply.status === 200));
    } finally {
      await box.finish();
    }
  });
});

describe('pixpop make', () => {
  let box, first, second;
  before(async () => {
    box = await startBox({ tls: true });
    [first, second] = [await box.put(readPhoto()), await box.put(readPhoto(1))];
  });
  after(() => box.finish());
  const pixpop = (args, input = '') => new Promise((done) => {
    const child = execFile(join(bin, 'pixpop'), args, {
      encoding: 'utf8',
      env: { ...process.env, PIXPOP_CONSOLE: box.console, PIXPOP_TOKEN: box.token, PIXPOP_FINGERPRINT: box.fingerprint },
    }, (error, stdout, stderr) => done({ status: error ? error.code : 0, stdout, stderr }));
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(input);
  });

  it('prints_a_line_for_each_variant_with_an_url_that_works', async () => {
    const outcome = await pixpop(['make', first, '--widths', '200,300', '--fm', 'jpeg', '--q', '60']);
    assert.equal(outcome.status, 0, outcome.stderr);
    const rows = outcome.stdout.trimEnd().split('\n').map((line) => line.trim().split(/\s{2,}/));
    assert.deepEqual(rows.map((row) => row[0].split('x')[0]).sort(), ['200', '300']);
    for (const [, , source, , url] of rows) {
      assert.equal(source, 'made');
      assert.match(url, /fm=jpeg&q=60/);
      assert.equal((await request(url)).headers['cache-status'], 'pixpop; hit');
    }
    assert.match(outcome.stderr, /2 of 2 variants in/);
  });

  it('takes_recipes_and_several_originals_also_from_stdin', async () => {
    const outcome = await pixpop(['make', '-', 'w=210', 'w=220&fm=png'], `${first}\thttp://example/\n${second}\n`);
    assert.equal(outcome.status, 0, outcome.stderr);
    for (const id of [first, second]) {
      for (const text of ['fm=webp&q=80&w=210', 'fm=png&q=80&w=220']) assert.ok(outcome.stdout.includes(`/i/${id}?dpr=1&${text}`), outcome.stdout);
    }
  });

  it('prints_what_the_box_sends_with_json', async () => {
    const { status, stdout } = await pixpop(['make', first, '--widths', '200,310', '--json']);
    assert.equal(status, 0);
    const items = stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.equal(items.pop().done, 2);
    assert.deepEqual(items.map((item) => item.index).sort(), [0, 1]);
  });

  it('fails_when_one_original_does_and_goes_on_with_the_others', async () => {
    const outcome = await pixpop(['make', `${'B'.repeat(42)}A`, second, '--widths', '230']);
    assert.equal(outcome.status, 1);
    assert.match(outcome.stderr, /BBBB.*Not found/);
    assert.ok(outcome.stdout.includes(`/i/${second}?`));
    const refused = await pixpop(['make', first, 'w=1', 'zoom=2']);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /recipe 1: there is no option "zoom"/);
  });

  it('explains_wrong_usage', async () => {
    for (const args of [['make'], ['make', first], ['make', 'w=10'], ['make', 'xyz', 'w=10'], ['make', first, '--widths', '10,x'], ['make', first, 'w=10', '--fm', 'png'], ['rm', first, '--widths', '10']]) {
      const outcome = await pixpop(args);
      assert.equal(outcome.status, 2, `${args.join(' ')}: ${outcome.stderr}`);
      assert.match(outcome.stderr, /--help/);
    }
  });
});

// Prewarming: the list's variants are there before anybody asks, for every way that an original comes in, after a restart, and for all that are there.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from '../support/waiting.mjs';
import { bin, metric, readPhoto, request, sleep, startBox } from './box.mjs';

describe('prewarm', () => {
  let box;
  before(async () => { box = await startBox({ settings: ['delivery.avif=off'] }); });
  after(() => box.finish());

  const json = { 'content-type': 'application/json' };
  const show = async () => (await box.api('/api/v1/prewarm')).json;
  const set = (body) => box.api('/api/v1/prewarm', { method: 'PUT', headers: json, body: typeof body === 'string' ? body : JSON.stringify(body) });
  const run = (body = {}) => box.api('/api/v1/prewarm/run', { method: 'POST', headers: json, body: JSON.stringify(body) });
  const variants = async (id) => (await box.api(`/api/v1/originals/${id}`)).json.variants.map((one) => `${one.width} ${one.media_type}`).sort();
  const untilThere = (id, wanted) => until(`${id} has ${wanted}`, async () => (await variants(id)).join() === wanted.join());
  const untilEnded = () => until('the run ends', async () => !(await show()).run.is_running);
  const two = ['w=64&fm=webp', 'w=96&fm=jpeg&q=70'];
  const made = ['64 image/webp', '96 image/jpeg'];
  const pixpop = (...args) => new Promise((done) => {
    execFile(join(bin, 'pixpop'), args, { env: { ...process.env, PIXPOP_CONSOLE: box.console, PIXPOP_TOKEN: box.token } }, (error, stdout, stderr) => done([error?.code ?? 0, stdout, stderr]));
  });
  const ids = [];

  it('has_an_empty_list_and_makes_nothing_at_first', async () => {
    assert.deepEqual(await show(), { recipes: [], max_recipes: 64, queued: 0, run: null });
    ids.push(await box.put(readPhoto(0)));
    await sleep(1100);  // originals know their second only: after a crash, those of the second in which the list was set belong to it
    const refused = await run();
    assert.equal(refused.status, 400);
    assert.equal(refused.json.subject, 'recipes');
  });
  it('makes_the_list_for_whatever_comes_in_by_any_way', async () => {
    const reply = await set({ recipes: two });
    assert.equal(reply.status, 200, reply.body.toString());
    assert.deepEqual(reply.json.recipes, two);
    const raw = await box.put(readPhoto(1));
    const form = new FormData();
    form.set('metadata', JSON.stringify({ tags: ['sea'] }));
    form.set('image', new Blob([readPhoto(2)]), 'photo.jpg');
    const sent = await fetch(`${box.console}/api/v1/originals`, { method: 'POST', body: form, headers: box.bearer });
    const multipart = (await sent.json())[0].id;
    const bytes = readPhoto(3);
    const tus = await box.api('/api/v1/uploads', {
      method: 'POST', headers: { 'tus-resumable': '1.0.0', 'upload-length': String(bytes.length), 'content-type': 'application/offset+octet-stream' }, body: bytes,
    });
    assert.equal(tus.status, 201, tus.body.toString());
    ids.push(raw, multipart, tus.headers['pixpop-original']);
    for (const id of ids.slice(1)) {
      await untilThere(id, made);
      const reply = await box.get(`/i/${id}?w=64&fm=webp&dpr=1&q=80`);
      assert.match(reply.headers['cache-status'], /; hit/);
    }
    assert.deepEqual(await variants(ids[0]), [], 'what came before is left alone');
    assert.ok(metric((await box.api('/metrics')).body.toString(), 'pixpop_prewarm_variants_total', 'result="made"') >= 6);
  });
  it('keeps_the_list_over_a_restart', async () => {
    await box.restart();
    assert.deepEqual((await show()).recipes, two);
    const id = await box.put(readPhoto(4));
    await untilThere(id, made);
    ids.push(id);
  });
  it('goes_on_after_a_crash_with_what_came_just_before', async () => {
    const id = await box.put(readPhoto(5));
    await box.restart('SIGKILL');
    assert.deepEqual((await show()).recipes, two);
    await untilThere(id, made);
    ids.push(id);
  });
  it('runs_over_what_is_there_and_says_how_far_it_is', async () => {
    const tagged = await run({ tag: 'sea' });
    assert.equal(tagged.status, 202, tagged.body.toString());
    assert.equal(tagged.json.run.tag, 'sea');
    await untilEnded();
    const first = (await show()).run;
    assert.deepEqual([first.originals, first.done, first.made, first.present, first.failed], [1, 1, 0, 2, 0]);
    assert.equal((await run()).status, 202);
    await untilEnded();
    const second = (await show()).run;
    assert.deepEqual([second.tag, second.originals, second.done, second.made, second.failed], [null, ids.length, ids.length, 2, 0]);
    assert.deepEqual(await variants(ids[0]), made);
    assert.ok(second.ended_s >= second.started_s);
  });
  it('makes_the_others_when_an_original_can_not_follow_one', async () => {
    await set({ recipes: ['crop=5000,5000,4000,4000&w=50&fm=webp', ...two] });
    const id = await box.put(readPhoto(6));
    await untilThere(id, made);
    await set({ recipes: two });
  });
  it('refuses_lists_that_are_wrong_and_keeps_the_old_one', async () => {
    const cases = [
      [{}, 400, 'recipes'], [{ recipes: 'w=1' }, 400, 'recipes'], [{ recipes: [1] }, 400, 'recipes'], [{ recipes: ['w=20', 'w=0'] }, 400, 'recipes[1].w'],
      [{ recipes: ['w=20', 'w=20'] }, 400, 'recipes[1]'], [{ recipes: ['sig=abc'] }, 400], [{ recipes: Array.from({ length: 65 }, (_, i) => `w=${i + 1}`) }, 400, 'recipes'],
      [{ recipes: [], more: 1 }, 400, 'body'], ['[]', 400, 'body'], ['{', 400], [JSON.stringify({ recipes: ['w='.padEnd(70000, '1')] }), 413],
    ];
    for (const [body, code, subject] of cases) {
      const reply = await set(body);
      assert.equal(reply.status, code, `${JSON.stringify(body).slice(0, 80)}: ${reply.body}`);
      if (subject) assert.equal(reply.json.subject, subject, reply.body.toString());
    }
    assert.deepEqual((await show()).recipes, two);
    for (const body of [{ tag: 5 }, { tag: '' }, { tag: 'x'.repeat(70) }, { tags: 'sea' }]) assert.equal((await run(body)).status, 400, JSON.stringify(body));
    assert.equal((await request(`${box.console}/api/v1/prewarm`)).status, 401);
    const reply = await box.api('/api/v1/prewarm', { method: 'DELETE' });
    assert.equal(reply.status, 405);
    assert.equal(reply.headers.allow, 'GET, HEAD, PUT');
  });
  it('has_commands', async () => {
    assert.deepEqual(await pixpop('prewarm'), [0, `${two.join('\n')}\n`, '']);
    assert.equal((await pixpop('prewarm', 'add', 'w=32', 'w=64&fm=webp'))[1], `${two.join('\n')}\nw=32\n`);
    assert.equal((await pixpop('prewarm', 'rm', two[1]))[1], `${two[0]}\nw=32\n`);
    const [status, , stderr] = await pixpop('prewarm', 'rm', 'w=999');
    assert.equal(status, 1);
    assert.match(stderr, /not in the list/);
    const file = join(box.data, 'list.txt');
    writeFileSync(file, '# widths\nw=48&fm=webp\r\n\n  w=56  \n');
    assert.deepEqual(await pixpop('prewarm', 'set', file), [0, 'w=48&fm=webp\nw=56\n', '']);
    const [ran, stdout] = await pixpop('prewarm', 'run', '--tag', 'sea');
    assert.equal(ran, 0);
    assert.equal(stdout, '1 originals: 2 variants made, 0 were there\n');
    assert.equal(JSON.parse((await pixpop('prewarm', 'list', '--json'))[1]).run.made, 2);
    for (const [args, code, text] of [
      [['bogus'], 2, /no 'bogus'/], [['add'], 2, /RECIPE is missing/], [['set'], 2, /FILE is missing/], [['list', 'x'], 2, /too many/], [['add', 'w=0'], 1, /w/],
      [['list', '--tag', 'x'], 2, /only run/], [['set', '/none'], 1, /none/],
    ]) {
      const [code_, , text_] = await pixpop('prewarm', ...args);
      assert.equal(code_, code, text_);
      assert.match(text_, text);
    }
  });
});

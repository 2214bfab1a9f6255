// Purging: by original, by recipe and by tag, through the console and the command line.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bin, idOf, metric, readPhoto, request, startBox } from './box.mjs';

describe('purge', () => {
  let box;
  const ids = [];
  const recipes = ['dpr=1&fm=webp&q=80&w=60', 'dpr=1&fm=webp&q=80&w=70', 'dpr=1&fm=jpeg&q=80&w=60'];
  before(async () => {
    box = await startBox({ settings: ['delivery.avif=off'] });
    for (const [index, tags] of [[0, ['red', 'round']], [1, ['red']], [2, ['blue']]]) {
      const form = new FormData();
      form.set('metadata', JSON.stringify({ tags }));
      form.set('image', new Blob([readPhoto(index)]), 'photo.jpg');
      const reply = await fetch(`${box.console}/api/v1/originals`, { method: 'POST', body: form, headers: box.bearer });
      assert.equal(reply.status, 201);
      ids.push((await reply.json())[0].id);
    }
  });
  after(() => box.finish());

  const purge = (body, headers = { 'content-type': 'application/json' }) => box.api('/api/v1/purge', { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
  const status = async (id, recipe) => (await box.get(`/i/${id}?${recipe}`)).headers['cache-status'];
  const makeAll = async () => { for (const id of ids) for (const recipe of recipes) assert.equal((await box.get(`/i/${id}?${recipe}`)).status, 200); };
  const missing = async () => {
    const gone = [];
    for (const [i, id] of ids.entries()) for (const [j, recipe] of recipes.entries()) if (!/; hit/.test(await status(id, recipe))) gone.push(`${i}${j}`);
    return gone.join(' ');
  };

  it('drops_all_of_an_original_from_memory_and_disk', async () => {
    await makeAll();
    const reply = await purge({ id: ids[0] });
    assert.equal(reply.status, 200, reply.body.toString());
    assert.deepEqual(reply.json, { dropped: 3, originals: 1 });
    assert.equal((await box.api(`/api/v1/originals/${ids[0]}`)).json.variants.length, 0);
    assert.equal(await missing(), '00 01 02');
    assert.deepEqual((await purge({ id: ids[0] })).json, { dropped: 3, originals: 1 }, 'they were made anew in between');
    assert.deepEqual((await purge({ id: ids[0] })).json, { dropped: 0, originals: 1 });
  });
  it('drops_what_lies_on_the_disk_alone', async () => {
    await makeAll();
    await box.restart();
    assert.deepEqual((await purge({ id: ids[1] })).json, { dropped: 3, originals: 1 });
    assert.match(await status(ids[1], recipes[0]), /fwd=/);
  });
  it('drops_one_recipe_and_leaves_the_others', async () => {
    await makeAll();
    assert.deepEqual((await purge({ id: ids[0], recipe: 'w=70&fm=webp' })).json, { dropped: 1, originals: 1 });
    assert.equal(await missing(), '01');
    assert.deepEqual((await purge({ id: ids[0], recipe: 'w=60' })).json, { dropped: 2, originals: 1 }, 'without fm, in every format');
    assert.equal(await missing(), '00 02');
    assert.deepEqual((await purge({ id: ids[0], recipe: 'w=999&fm=webp' })).json, { dropped: 0, originals: 1 });
  });
  it('drops_all_that_carry_a_tag', async () => {
    await makeAll();
    assert.deepEqual((await purge({ tag: 'red' })).json, { dropped: 6, originals: 2 });
    assert.equal(await missing(), '00 01 02 10 11 12');
    assert.deepEqual((await purge({ tag: 're' })).json, { dropped: 0, originals: 0 }, 'a whole tag');
    assert.ok(metric((await box.api('/metrics')).body.toString(), 'pixpop_store_variant_drops_total') > 0);
  });
  it('refuses_what_it_does_not_understand', async () => {
    const unknown = idOf(Buffer.from('nobody has this'));
    const cases = [
      [{}, 400, 'body'], [{ recipe: 'w=1' }, 400, 'body'], [{ id: ids[0], tag: 'red' }, 400, 'body'], [{ tag: 'red', recipe: 'w=1' }, 400, 'body'],
      [{ id: 5 }, 400, 'id'], [{ id: 'short' }, 400, 'id'], [{ id: `${ids[0]}x` }, 400, 'id'], [{ id: ids[0], recipe: ['w=1'] }, 400, 'recipe'],
      [{ id: ids[0], recipe: 'w=0' }, 400, 'w'], [{ id: ids[0], recipe: 'width=5' }, 400, 'width'], [{ id: ids[0], recipes: 'w=1' }, 400, 'body'],
      [{ tag: '' }, 400, 'tag'], [{ tag: 'a\nb' }, 400, 'tag'], [{ tag: null }, 400, 'tag'], [[ids[0]], 400, 'body'], ['{"id":', 400], ['', 400, 'body'],
      [`{"id":"${ids[0]}","id":"${ids[1]}"}`, 400, 'id'], [{ id: unknown }, 404, 'id'], [JSON.stringify({ tag: 'x'.repeat(5000) }), 413],
    ];
    for (const [body, code, subject] of cases) {
      const reply = await purge(body);
      assert.equal(reply.status, code, `${JSON.stringify(body)}: ${reply.body}`);
      assert.equal(reply.headers['content-type'], 'application/problem+json');
      if (subject) assert.equal(reply.json.subject, subject, `${JSON.stringify(body)}: ${reply.body}`);
    }
    assert.equal((await purge({ id: ids[0] }, { 'content-type': 'text/plain' })).status, 415);
    assert.equal((await request(`${box.console}/api/v1/purge`, { method: 'POST', body: '{}' })).status, 401);
    assert.equal((await box.api('/api/v1/purge')).status, 405);
  });
  it('has_a_command', async () => {
    const pixpop = (...args) => new Promise((done) => {
      execFile(join(bin, 'pixpop'), args, { env: { ...process.env, PIXPOP_CONSOLE: box.console, PIXPOP_TOKEN: box.token } }, (error, stdout, stderr) => done([error?.code ?? 0, stdout, stderr]));
    });
    await makeAll();
    assert.deepEqual(await pixpop('purge', ids[2]), [0, 'dropped 3 variants of 1 originals\n', '']);
    assert.deepEqual(await pixpop('purge', ids[0], '--recipe', 'w=60&fm=jpeg'), [0, 'dropped 1 variants of 1 originals\n', '']);
    assert.deepEqual(await pixpop('purge', '--tag', 'round'), [0, 'dropped 2 variants of 1 originals\n', '']);
    for (const [args, code, text] of [
      [[], 2, /ID or --tag/], [[ids[0], '--tag', 'red'], 2, /do not go together/], [['--recipe', 'w=1', '--tag', 'red'], 2, /wants an ID/], [['nonsense'], 2, /not an id/],
      [[idOf(Buffer.from('none'))], 1, /no such original/], [[ids[0], '--recipe', 'w=0'], 1, /w/],
    ]) {
      const [status, , stderr] = await pixpop('purge', ...args);
      assert.equal(status, code, stderr);
      assert.match(stderr, text);
    }
  });
});

// `pixpop verify` and a real box: its data folder after a clean end, with every kind of file damaged, exchanged or set back; and while it runs.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { idOf, readPhoto, startBox } from './box.mjs';
import { noisePng, random } from './noise.mjs';
import { flipped, proven, runPixpop as run, unchecked, wrong } from './verifying.mjs';

const isLong = Boolean(process.env.PIXPOP_LONG);
const walk = (folder) => readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)]));
const damage = (path, at) => writeFileSync(path, flipped(readFileSync(path), at));

describe('pixpop verify and the files of a box', () => {
  const next = random(11);
  let folder, state, box, data, ids, count = 0;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-verify-'));
    box = await startBox({ settings: ['render.resampler=cpu'] });
    ids = [await box.put(readPhoto(), 'photo.jpg')];
    for (let i = 0; i < 3; i++) ids.push(await box.put(noisePng(next, 90, 40 + 600 * i), `noise ${i}.png`));
    for (const id of ids) for (const width of [40, 50]) assert.equal((await box.get(`/i/${id}?dpr=1&fm=webp&w=${width}`)).status, 200);
    // More than a bundle of entries.
    for (let i = 0; i < 255; i++) assert.equal((await box.get(`/i/${ids[1]}?dpr=1&fm=webp&w=${10 + (i % 30)}&q=${30 + Math.floor(i / 30)}`)).status, 200);
    await box.stop();
    data = join(folder, 'data');
    copy();
  });
  after(() => {
    rmSync(folder, { recursive: true });
    rmSync(box.data, { recursive: true });
  });
  beforeEach(() => { state = join(folder, `state-${count++}.json`); });
  const copy = () => {
    rmSync(data, { recursive: true, force: true });
    cpSync(box.data, data, { recursive: true });
  };
  const verify = (...args) => run(['verify', '--offline', data, '--state', state, ...args]);
  const expect = async (status, pattern) => {
    const outcome = await verify();
    assert.equal(outcome.status, status, outcome.text);
    assert.match(outcome.text, pattern);
    return outcome.text;
  };
  const files = (pattern) => walk(join(data, 'store')).filter((path) => pattern.test(path)).sort();

  it('proves_all_that_is_on_the_disk', async () => {
    const text = await expect(proven, /everything is proven/);
    assert.match(text, /originals +4 proven/);
    const variants = Number(text.match(/variants +(\d+) proven/)[1]);
    assert.ok(variants > 100, text);
    assert.match(await expect(proven, /continues the/), /levels +\d+ whole/);
    data = join(data, 'store');
    await expect(proven, /everything is proven/);
    data = join(folder, 'data');
  });

  it('names_every_file_with_a_flipped_bit', async () => {
    const kinds = {
      'an original': /originals\/..\/[\w-]{43}$/, 'a record of one': /originals\/..\/.*\.default\.rec$/, 'its leaves': /originals\/..\/.*\.tree$/, 'a variant or level': /variants\/..\/.*\.rec$/,
    };
    for (const [kind, pattern] of Object.entries(kinds)) {
      const all = files(pattern);
      for (const path of all.filter((_, i) => i % Math.ceil(all.length / (isLong ? 20 : 2)) === 0)) {
        const whole = readFileSync(path);
        for (const at of isLong ? [3, 40, 70, 100, 140, whole.length >> 1, whole.length - 1] : [70, 140, whole.length - 1]) {
          damage(path, at);
          const name = path.slice(join(data, 'store').length + 1);
          await expect(wrong, new RegExp(`WRONG +${name}`), kind);
          writeFileSync(path, whole);
        }
      }
    }
    await expect(proven, /everything is proven/);
  });

  it('names_what_is_missing_added_or_exchanged', async () => {
    const [original] = files(/originals\/..\/[\w-]{43}$/);
    const id = original.slice(-43), aside = join(folder, 'aside');
    renameSync(original, aside);
    await expect(wrong, new RegExp(`${id}.default.rec: the record of an original whose bytes are missing`));
    renameSync(`${original}.default.rec`, `${aside}.rec`);
    await expect(wrong, new RegExp(`original ${id}.*: the ledger has it, and it is not on the disk`));
    renameSync(aside, original);
    renameSync(`${aside}.rec`, `${original}.default.rec`);

    // Two variants change places; then one is there that the ledger does not know.
    const [first, second] = files(/variants\/..\/.*\.rec$/).filter((path) => readFileSync(path)[10] === 2);
    const exchange = () => {
      renameSync(first, aside);
      renameSync(second, first);
      renameSync(aside, second);
    };
    exchange();
    assert.match(await expect(wrong, /belongs to something else/), /result +2 wrong/);
    exchange();
    const foreign = noisePng(next, 30, 30), foreignId = idOf(foreign);
    const other = await startBox({ settings: ['render.resampler=cpu', 'ledger.on=off'] });
    await other.put(foreign, 'foreign.png');
    await other.stop();
    cpSync(join(other.data, 'store/originals'), join(data, 'store/originals'), { recursive: true });
    assert.match(await expect(wrong, new RegExp(`original ${foreignId} \\(foreign.png\\): the ledger has no entry`)), /result +1 wrong/);
    rmSync(other.data, { recursive: true });
    rmSync(join(data, 'store/originals', foreignId.slice(0, 2)), { recursive: true });
    // A variant that is gone is made anew.
    renameSync(first, aside);
    await expect(proven, /1 variants in the ledger are not on the disk/);
    renameSync(aside, first);
    await expect(proven, /everything is proven/);
  });

  it('finds_damage_of_the_ledger', async () => {
    const bundles = files(/ledger\/entries\//);
    assert.ok(bundles.length >= 2);
    for (const path of bundles) {
      const whole = readFileSync(path);
      for (const at of isLong ? Array.from({ length: 300 }, (_, i) => Math.floor((i * whole.length) / 300)) : [0, 1, 20, 60, 90, whole.length - 1]) {
        damage(path, at);
        await expect(wrong, /WRONG +ledger/);
      }
      writeFileSync(path, whole.subarray(0, whole.length - 200));
      await expect(wrong, /WRONG/);
      writeFileSync(path, whole);
    }
    // A record that is whole in itself and another one than was signed.
    const last = bundles.at(-1), kept = readFileSync(last);
    writeFileSync(last, readFileSync(bundles[0]).subarray(0, kept.length));
    await expect(wrong, /WRONG/);
    rmSync(last);
    await expect(wrong, /are missing/);
    writeFileSync(last, kept);
    const checkpoint = join(data, 'store/ledger/checkpoint'), note = readFileSync(checkpoint);
    for (let at = 0; at < note.length; at += isLong ? 1 : 23) {
      damage(checkpoint, at);
      const outcome = await verify();
      assert.notEqual(outcome.status, proven, `byte ${at}: ${outcome.text}`);
    }
    writeFileSync(checkpoint, note);
    await expect(proven, /everything is proven/);
  });

  it('finds_a_missing_checkpoint_unless_there_was_none', async () => {
    copy();
    const ledger = join(data, 'store/ledger');
    rmSync(join(ledger, 'checkpoint'));
    for (const left of [['key', 'vkey', 'entries'], ['vkey', 'entries'], ['entries']]) {
      for (const name of readdirSync(ledger)) if (!left.includes(name)) rmSync(join(ledger, name), { recursive: true });
      assert.match(await expect(wrong, /WRONG +ledger\/checkpoint is missing/), /result +1 wrong\n/);
    }
    rmSync(join(ledger, 'entries'), { recursive: true });
    for (const name of ['pruned', 'vkey']) {
      writeFileSync(join(ledger, name), '');
      await expect(wrong, /WRONG +ledger\/checkpoint is missing/);
      rmSync(join(ledger, name));
    }
    // A first start that ended before the first checkpoint leaves these.
    writeFileSync(join(ledger, 'key'), Buffer.alloc(32));
    await expect(unchecked, /NOT CHECKED +this store has no ledger/);
    rmSync(ledger, { recursive: true });
    await expect(unchecked, /NOT CHECKED +this store has no ledger/);
    copy();
    await expect(proven, /everything is proven/);
  });

  it('finds_out_a_ledger_that_was_set_back_or_replaced', async () => {
    copy();
    await expect(proven, /everything is proven/);
    const old = join(folder, 'old');
    cpSync(join(data, 'store/ledger'), old, { recursive: true });
    const own = await startBox({ data, token: box.token, settings: ['render.resampler=cpu'] });
    await own.put(noisePng(next, 33, 33), 'newer.png');
    await own.stop();
    await expect(proven, /everything is proven/);
    rmSync(join(data, 'store/ledger'), { recursive: true });
    cpSync(old, join(data, 'store/ledger'), { recursive: true });
    await expect(wrong, /some are gone/);
    rmSync(join(data, 'store/ledger'), { recursive: true });
    await own.start();
    await own.stop();
    const text = await expect(wrong, /is another one today/);
    const vkey = text.match(/--vkey (\S+)/)[1];
    const accepted = await verify('--vkey', vkey);
    assert.equal(accepted.status, proven, accepted.text);
  });

  it('looks_at_a_running_box_without_being_in_its_way', async () => {
    copy();
    const own = await startBox({ data, token: box.token, settings: ['render.resampler=cpu'] });
    let isGoingOn = true;
    const work = async () => {
      for (let i = 0; isGoingOn; i++) {
        const id = await own.put(noisePng(next, 40, 40 + (i % 50)), 'busy.png');
        await own.get(`/i/${id}?dpr=1&fm=webp&w=20`);
        if (i % 3 === 0) assert.equal((await own.api(`/api/v1/originals/${id}`, { method: 'DELETE' })).status, 204);
      }
    };
    const working = work();
    for (let i = 0; i < (isLong ? 10 : 2); i++) {
      await expect(proven, /everything is proven/);
      const online = await run(['--token', box.token, 'verify', own.console, '--state', state]);
      assert.equal(online.status, proven, online.text);
    }
    isGoingOn = false;
    await working;
    const mirror = join(folder, 'mirror');
    const synced = await run(['--token', box.token, 'sync', own.console, mirror], { XDG_STATE_HOME: folder });
    assert.equal(synced.status, 0, synced.text);
    await own.stop();
    await expect(proven, /everything is proven/);
    const mirrored = await run(['verify', '--offline', mirror, '--state', state]);
    assert.equal(mirrored.status, proven, mirrored.text);
  });

  it('names_what_a_box_itself_refuses_to_serve', async () => {
    copy();
    const id = ids[3];
    damage(join(data, 'store/originals', id.slice(0, 2), id), 100_000);
    const own = await startBox({ data, token: box.token, settings: ['render.resampler=cpu'] });
    const outcome = await run(['--token', box.token, 'verify', own.console, '--state', state]);
    await own.stop();
    assert.equal(outcome.status, wrong, outcome.text);
    assert.match(outcome.text, new RegExp(`WRONG +original ${id}`));
    assert.match(outcome.text, /originals +3 proven/);
  });

  // Thousands of renders, until what has ended is most of a megabyte.
  if (isLong) {
    it('goes_by_a_ledger_whose_front_was_pruned', async () => {
      copy();
      const own = await startBox({ data, token: box.token, settings: ['render.resampler=cpu', 'cache.disk=1M', 'ledger.compact_mb=1', 'ledger.commit_ms=50'] });
      const status = async () => (await own.api('/api/v1/status')).json.ledger;
      const id = await own.put(noisePng(next, 400, 16), 'long.png');
      const online = () => run(['--token', box.token, 'verify', own.console, '--state', state]);
      await expect(proven, /everything is proven/);
      for (let round = 0; (await status()).compactions === 0; round++) {
        assert.ok(round < 90, JSON.stringify(await status()));
        for (let i = 0; i < 90; i += 6) {
          await Promise.all([0, 1, 2, 3, 4, 5].map((j) => own.get(`/i/${id}?dpr=1&fm=webp&w=${300 + i + j}&q=${99 - round}`)));
        }
        // Looks often enough to see the history go on.
        const outcome = await online();
        assert.equal(outcome.status, proven, outcome.text);
      }
      assert.ok((await status()).first > 0);
      await expect(proven, /have been pruned/);
      await own.stop();
      assert.match(await expect(proven, /everything is proven/), /have been pruned/);
      // Damage of what is left, and of the list of what was pruned.
      for (const path of [files(/ledger\/pruned$/)[0], files(/ledger\/entries\//)[0]]) {
        const whole = readFileSync(path);
        damage(path);
        await expect(wrong, /WRONG/);
        writeFileSync(path, whole);
      }
      rmSync(files(/ledger\/entries\//)[0]);
      await expect(wrong, /WRONG/);
    });
  }
});

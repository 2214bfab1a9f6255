// `pixpop verify`: what is as it was signed is proven, and everything else is named. Against boxes and mirrors that lie, which real ones can not be
// made to; verify_folder.test.mjs has a real box and its files.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Ledger, LyingBox } from './lying_box.mjs';
import { random } from './noise.mjs';
import * as tlog from './tlog.mjs';
import { flipped, proven, runPixpop as run, unchecked, wrong } from './verifying.mjs';

describe('pixpop verify and a box that lies', () => {
  const next = random(7);
  const noise = (length) => Buffer.from(Array.from({ length }, () => next() * 256));
  let folder, state, box, ids;

  before(() => { folder = mkdtempSync(join(tmpdir(), 'pixpop-verify-')); });
  after(() => rmSync(folder, { recursive: true }));
  let count = 0;
  beforeEach(async (test) => {
    state = join(folder, `state-${count++}.json`);
    box = await new LyingBox().start();
    test.after?.(() => box.stop());
    ids = [];
    for (const [i, length] of [1, 65536, 200_000].entries()) {
      ids.push(box.put(noise(length), `picture ${i}.jpg`));
      for (const width of [100, 200]) box.derive(ids[i], `fm=webp&w=${width}`, noise(300 * (i + 1) + width));
    }
    for (let i = 0; i < 300; i++) box.ledger.add('config', { settings: ids[0], version: `1.${i}` });  // more than one tile
  });
  const verify = (...args) => run(['--token', 'a-token', 'verify', box.url, '--state', state, ...args]);

  const expect = async (status, pattern, ...args) => {
    const outcome = await verify(...args);
    assert.equal(outcome.status, status, outcome.text);
    assert.match(outcome.text, pattern);
    return outcome.text;
  };
  // An honest run, then one with a lie.
  const expectFound = async (pattern, lie, status = wrong) => {
    await expect(proven, /everything is proven/);
    box.lie = lie;
    return expect(status, pattern);
  };
  const at = (wanted, change) => (path, body) => (path.includes(wanted) && body ? change(body, path) : body);

  it('proves_every_original_and_variant_of_an_honest_one', async () => {
    const text = await expect(proven, /everything is proven/);
    assert.match(text, /originals +3 proven/);
    assert.match(text, /variants +6 proven/);
    assert.match(text, /it was not seen before\n(?:.*\n)*key +seen for the first time, and believed from now on/);
    box.ledger.add('config', { settings: ids[0], version: '2' });
    assert.match(await expect(proven, /continues the 309 entries/), /remembered from an earlier run/);
    assert.equal(box.asked.filter((path) => path.endsWith('/content')).length, 6, 'every original was fetched in both runs');
  });

  it('names_the_object_whose_bytes_were_changed_in_flight', async () => {
    for (const [i, id] of ids.entries()) {
      box.lie = at(`${id}/content`, (body) => flipped(body));
      const text = await expect(wrong, new RegExp(`WRONG +original ${id} \\(picture ${i}\\.jpg\\): its bytes`));
      assert.match(text, /originals +2 proven/);
      assert.match(text, /result +1 wrong/);
    }
    box.lie = at(`/i/${ids[1]}?fm=webp&w=200`, (body) => flipped(body));
    await expect(wrong, new RegExp(`WRONG +variant ${ids[1]}\\?fm=webp&w=200: the ledger has no entry`));
    box.lie = at(`/i/${ids[1]}?fm=webp&w=200`, (body) => Buffer.concat([body, Buffer.of(0)]));
    await expect(wrong, /result +1 wrong/);
  });

  it('wants_the_proof_of_the_variant_itself_where_others_have_its_bytes', async () => {
    const bytes = noise(500);
    for (const id of ids.slice(0, 2)) for (const width of [300, 301]) box.derive(id, `fm=webp&w=${width}`, bytes);
    await expect(proven, /variants +10 proven/);
    const path = (id, width) => `/ledger/proof/${tlog.digestOf(bytes)}?original=${id}&fm=webp&w=${width}`;
    for (const other of [path(ids[1], 301), path(ids[0], 300)]) {
      const proof = Buffer.from(box.answer(other));
      box.lie = at(path(ids[1], 300), () => proof);
      await expect(wrong, new RegExp(`variant ${ids[1]}\\?fm=webp&w=300: its proof is about another variant`));
    }
  });

  it('rejects_a_changed_proof_of_an_honest_object', async () => {
    const lies = {
      'a bit': (body) => flipped(body),
      'an entry': (body) => Buffer.from(body.toString().replace(/extra (.)/, (_, c) => `extra ${c === 'A' ? 'B' : 'A'}`)),
      'an index': (body) => Buffer.from(body.toString().replace(/index (\d+)/, (_, n) => `index ${Number(n) + 1}`)),
      'less': (body) => body.subarray(0, body.length - 20),
      'nothing': () => Buffer.alloc(0),
      'another object': () => Buffer.from(box.ledger.proof(0)),
      'another kind': () => Buffer.from(box.ledger.proof(box.ledger.entries.length - 1)),
    };
    for (const [name, change] of Object.entries(lies)) {
      box.lie = at(`/ledger/proof/${ids[2]}`, change);
      const text = await expect(wrong, new RegExp(`WRONG +original ${ids[2]}`));
      assert.match(text, /originals +2 proven/, name);
    }
    box.lie = (path, body) => (path === `/ledger/proof/${ids[2]}` ? null : body);
    await expect(wrong, /the ledger has no entry for these bytes/);
  });

  it('rejects_entries_that_do_not_describe_the_object', async () => {
    const bytes = noise(70_000);
    const id = box.put(bytes, 'odd.jpg');
    for (const changes of [{ root: ids[0] }, { bytes: 69_999 }, { tenant: 'other' }]) {
      box.ledger.put(bytes, changes);
      await expect(wrong, new RegExp(`WRONG +original ${id}`));
    }
    box.ledger.put(bytes);
    await expect(proven, /originals +4 proven/);
  });

  it('rejects_a_changed_checkpoint_or_tile', async () => {
    const note = Buffer.from(box.ledger.checkpoint());
    for (const position of [1, note.indexOf('\n') + 1, note.indexOf('\n', note.indexOf('\n') + 1) + 3, note.length - 10]) {
      box.lie = at('/ledger/checkpoint', (body) => flipped(body, position));
      await expect(wrong, /WRONG/);
    }
    for (const name of ['/ledger/tile/0/', '/ledger/tile/1/']) {
      box.lie = at(name, (body) => flipped(body));
      await expect(wrong, /WRONG +tiles/);
    }
    box.lie = at('/ledger/tile/', (body) => body.subarray(0, 16));
    await expect(wrong, /too short/);
  });

  it('finds_out_a_history_that_was_rewritten', async () => {
    await expect(proven, /first one seen/);
    const honest = box.ledger;
    // Another history of the same length, of a greater one, and a shorter one.
    for (const [more, size, pattern] of [[8, 301, /two histories/], [12, 301, /do not begin with/], [0, 290, /are gone|some are gone/]]) {
      const lie = honest.fork(size);
      for (let i = 0; i < more; i++) lie.add('config', { settings: ids[1], version: 'x' });
      box.ledger = lie;
      await expect(wrong, pattern);
    }
    // It was not taken for the truth.
    box.ledger = honest;
    await expect(proven, /continues the 309 entries/);
  });

  it('finds_out_two_histories_within_one_run', async () => {
    const other = box.ledger.fork(250);
    for (let i = 0; i < 100; i++) other.add('config', { settings: ids[1], version: 'x' });
    const lie = at(`/ledger/proof/${ids[1]}`, () => Buffer.from(other.proof(other.find(ids[1]))));
    box.lie = lie;
    await expect(unchecked, /can not be shown/);
    // With the tiles of either one.
    box.lie = (path, body) => lie(path, path.startsWith('/ledger/tile/') ? body ?? other.tile(path.slice('/ledger/tile/'.length)) : body);
    await expect(wrong, /do not begin with/);
    while (other.entries.length < box.ledger.entries.length + 50) other.add('config', { settings: ids[1], version: 'y' });
    other.entries.length = box.ledger.entries.length;
    await expect(wrong, /two histories/);
  });

  it('goes_along_with_a_ledger_that_grows_meanwhile', async () => {
    box.lie = (path, body) => {
      if (path.startsWith('/ledger/proof/')) box.ledger.add('config', { settings: ids[2], version: '3' });
      return body;
    };
    await expect(proven, /everything is proven/);
    await expect(proven, /continues the 31[0-9] entries/);
  });

  it('finds_out_another_key_until_it_is_accepted', async () => {
    await expect(proven, /everything is proven/);
    const renewed = new Ledger();
    for (const { bytes } of box.originals.values()) renewed.put(bytes);
    for (const [id, { variants }] of box.originals) for (const [recipe, bytes] of variants) renewed.derive(id, recipe, bytes);
    const old = box.ledger;
    box.ledger = renewed;
    await expect(wrong, /another one today/);
    await expect(wrong, /another one today/);
    await expect(proven, /the one of --vkey/, '--vkey', renewed.key.vkey);
    assert.doesNotMatch(await expect(proven, /remembered from an earlier run/), /believed/);
    box.ledger = old;
    await expect(wrong, /another one today/);
    await expect(wrong, /WRONG +checkpoint/, '--vkey', renewed.key.vkey);
  });

  it('believes_no_key_but_the_pinned_one', async () => {
    const other = new Ledger().key.vkey;
    await expect(wrong, /is not the one of --vkey\. Compare that with the console's page/, '--vkey', other);
    assert.ok(!existsSync(state));
    await expect(unchecked, /is no vkey/, '--vkey', `${box.ledger.key.vkey.slice(0, -3)}AA=`);
    await expect(proven, /the one of --vkey/, '--vkey', box.ledger.key.vkey);
  });

  it('says_what_it_could_not_check', async () => {
    await expectFound(/does not answer/, (path, body) => (path.includes('/content') ? 'cut' : body), unchecked);
    box.lie = () => 401;
    await expect(unchecked, /could not be asked/);
    box.lie = at(`${ids[0]}/content`, () => 503);
    await expect(unchecked, new RegExp(`NOT CHECKED +original ${ids[0]}`));
    box.lie = (path, body) => body;
    const whole = box.ledger;
    box.ledger = whole.fork(100);
    rmSync(state);
    await expect(proven, /first one seen/);
    box.ledger = whole;
    box.lie = (path, body) => (path.startsWith('/ledger/tile/0/000') ? null : body);
    await expect(unchecked, /pruned since/);
    await expect(proven, /continues the 309/);
    box.lie = (path, body) => body;
    box.state = 'off';
    await expect(unchecked, /keeps no ledger/);
    box.state = 'halted';
    await expect(wrong, /has halted its ledger: the root is wrong/);
    box.stop();
    await expect(unchecked, /could not be asked/);
  });

  it('goes_past_what_is_deleted_meanwhile', async () => {
    const [gone] = ids;
    box.lie = (path, body) => {
      if (path.endsWith(`${gone}/content`)) box.originals.delete(gone);
      return path.endsWith(`${gone}/content`) ? null : body;
    };
    assert.match(await expect(proven, /everything is proven/), /originals +2 proven/);
  });

  it('does_not_take_a_damaged_state_for_none', async () => {
    await expect(proven, /everything is proven/);
    const whole = readFileSync(state);
    for (const content of [whole.subarray(0, whole.length >> 1), Buffer.from('{}'), Buffer.alloc(0)]) {
      writeFileSync(state, content);
      await expect(unchecked, /damaged or none of ours/);
    }
    writeFileSync(state, whole);
    await expect(proven, /continues the 309/);
  });

  it('ends_with_1_after_wrong_usage', async () => {
    for (const args of [['verify', 'a', 'b'], ['verify', '--bogus'], ['verify', '--widths', '1'], ['verify', '--offline'], ['verify', 'http://127.0.0.1:1', '--offline', folder],
      ['verify', '--offline', join(folder, 'missing')], ['verify', '--offline', folder], ['verify', 'not a url', '--token', 'x']]) {
      const outcome = await run(args, { XDG_STATE_HOME: folder });
      assert.equal(outcome.status, unchecked, `${args.join(' ')}: ${outcome.text}`);
      assert.ok(outcome.text.length > 20);
    }
    assert.equal((await run(['ls', '--bogus'])).status, 2);
  });
});

const damage = (path, at) => writeFileSync(path, flipped(readFileSync(path), at));

describe('pixpop verify and a mirror', () => {
  const next = random(13);
  let folder, mirror, ledger, items;
  before(() => { folder = mkdtempSync(join(tmpdir(), 'pixpop-mirror-')); });
  after(() => rmSync(folder, { recursive: true }));
  let count = 0, state;
  beforeEach(() => {
    state = join(folder, `state-${count++}.json`);
    mirror = mkdtempSync(join(folder, 'mirror-'));
    mkdirSync(join(mirror, '.pixpop/proofs'), { recursive: true });
    ledger = new Ledger();
    items = [0, 1, 70_000, 200_000].map((length, i) => {
      const bytes = Buffer.from(Array.from({ length: length + 1 }, () => next() * 256)), id = tlog.digestOf(bytes), file = `picture ${i}.jpg`;
      const index = ledger.put(bytes);
      writeFileSync(join(mirror, file), bytes);
      return { id, file, name: file, bytes: bytes.length, root: tlog.blocksRoot(bytes).toString('base64url'), created_s: 1, changed_ns: 1, gone: false, index };
    });
    for (let i = 0; i < 5; i++) ledger.add('config', { settings: items[0].id, version: `${i}` });
    // The last proof is older than the checkpoint, as those of a second sync are.
    items.forEach(({ id, index }, i) => writeFileSync(join(mirror, `.pixpop/proofs/${id}.tlog-proof`), ledger.proof(index, i === 3 ? 6 : 9)));
    writeFileSync(join(mirror, '.pixpop/vkey'), `${ledger.key.vkey}\n`);
    writeFileSync(join(mirror, '.pixpop/checkpoint'), ledger.checkpoint());
    mkdirSync(join(mirror, '.pixpop/tile/0/000.p'), { recursive: true });
    writeFileSync(join(mirror, '.pixpop/tile/0/000.p/9'), ledger.tile('0/000.p/9'));
    writeManifest();
  });
  const writeManifest = (head = {}) => {
    const first = JSON.stringify({ format: 1, url: 'https://box:8443', synced_s: 1, ledger: true, checkpoints: [6, 9], ...head }).slice(0, -1);
    writeFileSync(join(mirror, '.pixpop/manifest.json'), `${first}, "originals": [\n${items.map(({ index, ...item }) => JSON.stringify(item)).join(',\n')}\n]}\n`);
  };
  const expect = async (status, pattern, ...args) => {
    const outcome = await run(['verify', '--offline', mirror, '--state', state, ...args]);
    assert.equal(outcome.status, status, outcome.text);
    assert.match(outcome.text, pattern);
    return outcome.text;
  };

  it('proves_every_file', async () => {
    assert.match(await expect(proven, /everything is proven/), /originals +4 proven/);
    await expect(proven, /remembered from an earlier run/);
  });

  it('names_every_file_that_is_changed_missing_or_something_else', async () => {
    for (const { file } of items) {
      const path = join(mirror, file), whole = readFileSync(path);
      damage(path);
      await expect(wrong, new RegExp(`WRONG +${file}: its bytes`));
      truncateSync(path, whole.length - 1);
      await expect(wrong, new RegExp(`WRONG +${file}`));
      rmSync(path);
      await expect(wrong, new RegExp(`WRONG +${file}: the file is missing`));
      symlinkSync('/etc/hostname', path);
      assert.notEqual((await run(['verify', '--offline', mirror, '--state', state])).status, proven);
      rmSync(path);
      writeFileSync(path, whole);
    }
    await expect(proven, /everything is proven/);
  });

  it('rejects_damaged_and_exchanged_proofs_checkpoints_and_tiles', async () => {
    const [first, second] = items.map(({ id }) => join(mirror, `.pixpop/proofs/${id}.tlog-proof`));
    for (const path of [first, join(mirror, '.pixpop/checkpoint'), join(mirror, '.pixpop/tile/0/000.p/9')]) {
      const whole = readFileSync(path);
      for (let at = 1; at < whole.length; at += Math.ceil(whole.length / 12)) {
        damage(path, at);
        assert.equal((await run(['verify', '--offline', mirror, '--state', state])).status, wrong, `${path} at ${at}`);
      }
      writeFileSync(path, whole);
    }
    const proof = readFileSync(first);
    writeFileSync(first, readFileSync(second));
    await expect(wrong, /about another object/);
    rmSync(first);
    await expect(unchecked, /its proof is not in the mirror/);
    writeFileSync(first, proof);
    const forged = new Ledger();
    forged.put(readFileSync(join(mirror, items[0].file)));
    writeFileSync(first, forged.proof(0));
    await expect(wrong, new RegExp(`WRONG +${items[0].file}`));
    // All of it forged, which a pinned or remembered key finds out.
    writeFileSync(join(mirror, '.pixpop/vkey'), forged.key.vkey);
    await expect(wrong, /WRONG/, '--vkey', ledger.key.vkey);
  });

  it('says_what_a_mirror_lacks', async () => {
    writeManifest({ ledger: false });
    await expect(unchecked, /kept no ledger/);
    rmSync(join(mirror, '.pixpop/manifest.json'));
    assert.equal((await run(['verify', '--offline', mirror, '--state', state])).status, unchecked);
    writeFileSync(join(mirror, '.pixpop/manifest.json'), '{"format": 1, "originals": [\n');
    assert.notEqual((await run(['verify', '--offline', mirror, '--state', state])).status, proven);
    items[0].file = '../escaped';
    writeManifest();
    assert.notEqual((await run(['verify', '--offline', mirror, '--state', state])).status, proven);
  });
});

// Damage on the disk: bits flip in every region of every stored file, files get longer and shorter. Nothing damaged is ever served: it is dropped,
// counted and made again as it was; a damaged original is an error that says so, until it is uploaded again. The scrubber finds it
// before anybody asks.
import assert from 'node:assert/strict';
import {
  closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, readdirSync, rmSync, truncateSync, unlinkSync, writeFileSync, writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until as wait } from '../support/waiting.mjs';
import { metric, readPhoto, sha256, startBox } from './box.mjs';

const headBytes = 128;
const blockBytes = 64 * 1024;
const kinds = { original: 1, variant: 2, level: 3, tree: 6 };
const isLong = Boolean(process.env.PIXPOP_LONG);

// A record file as the store describes it; see store/record.h.
function readRecord(path) {
  const bytes = readFileSync(path);
  const metaBytes = bytes.readUInt32LE(12);
  const bodyBytes = Number(bytes.readBigUInt64LE(16));
  const body = headBytes + metaBytes;
  assert.equal(bytes.subarray(0, 6).toString(), 'pixpop');
  assert.equal(bytes.readUInt16LE(8), 2, 'the record is of the format with leaves');
  assert.equal(bytes.length, body + bodyBytes + 32 * Math.ceil(bodyBytes / blockBytes));
  const meta = new Map(bytes.subarray(headBytes, body).toString().trimEnd().split('\n').map((line) => line.split(/: (.*)/s)));
  return { path, bytes, kind: bytes.readUInt16LE(10), digest: bytes.subarray(32, 64).toString('base64'), meta, body, trailer: body + bodyBytes, end: bytes.length };
}

// One place in every field of the head, in every line of the metadata, in every block and in every leaf.
function placesOf(record) {
  const places = [0, 7, 8, 9, 10, 11, 12, 15, 16, 23, 24, 27, 28, 31, 32, 63, 64, 95, 96, 127];
  let at = headBytes;
  for (const [name, value] of record.meta) {
    places.push(at, at + name.length + 2);
    at += Buffer.byteLength(`${name}: ${value}\n`);
  }
  places.push(at - 1);
  for (at = record.body; at < record.trailer; at += blockBytes) places.push(at, Math.min(at + blockBytes, record.trailer) - 1);
  places.push((record.body + record.trailer) >> 1);
  for (at = record.trailer; at < record.end; at += 32) places.push(at + 1, at + 31);
  return places;
}

const filesIn = (folder) => readdirSync(folder).flatMap((shard) => readdirSync(join(folder, shard)).map((name) => join(folder, shard, name)));
const recordsIn = (folder, kind) => filesIn(folder).filter((path) => /\.(rec|tree)$/.test(path)).map(readRecord).filter((record) => record.kind === kinds[kind]);

const flip = (at) => (record) => {
  const bytes = Buffer.from(record.bytes);
  bytes[at] ^= 1 << at % 8;
  writeFileSync(record.path, bytes);
};
const resize = (length) => (record) => truncateSync(record.path, length);
const damagesOf = (record) => [
  ...placesOf(record).map(flip),
  ...[0, 1, headBytes, record.body, record.body + 1, record.trailer, record.end - 1, record.end + 1, record.end + 32].map(resize),
];

describe('damage on the disk', () => {
  let box, id, photo;
  before(async () => {
    photo = readPhoto();
    box = await startBox({ settings: ['delivery.avif=off', 'scrub.on=off'] });
    id = await box.put(photo);
  });
  after(() => box.finish());

  const folder = () => join(box.data, 'store', 'variants');
  const records = (kind) => recordsIn(folder(), kind);
  const count = async (name) => metric((await box.api('/metrics')).body.toString(), name) ?? 0;
  const get = (recipe) => box.get(`/i/${id}?${recipe}`);

  async function expectPicture(recipe, digest) {
    const reply = await get(recipe);
    assert.equal(reply.status, 200, `${recipe}: ${reply.body}`);
    assert.equal(sha256(reply.body).toString('base64'), digest, `${recipe}: the same bytes as before`);
    assert.equal(reply.headers['repr-digest'], `sha-256=:${digest}:`);
    return reply.headers['cache-status'];
  }

  it('is_never_served_from_a_variant_and_mended_by_a_render', async () => {
    // Small ones of one block, one for each damage; and of several blocks, as many as those have places.
    const digests = new Map();
    const make = async (recipe) => {
      const reply = await get(recipe);
      assert.equal(reply.status, 200, `${recipe}: ${reply.body}`);
      const digest = sha256(reply.body).toString('base64');
      assert.ok(![...digests.values()].includes(digest), 'pictures differ');
      digests.set(recipe, digest);
      return digest;
    };
    const step = isLong ? 1 : 7;  // of the many damages of the long ones
    for (const [recipe, every] of [[(i) => `dpr=1&fm=webp&q=60&w=${40 + i}`, 1], [(i) => `crop=${i},0,800,500&dpr=1&fm=png`, step]]) {
      const digest = await make(recipe(0));
      const wanted = damagesOf(records('variant').find((record) => record.digest === digest)).length;
      for (let i = every; i < wanted; i += every) await make(recipe(i));
    }
    await box.stop();
    const found = new Map(records('variant').map((record) => [record.digest, record]));
    assert.equal(found.size, digests.size);
    const blocks = new Set();
    const next = { one: 0, many: 0 };
    const used = { one: 0, many: 0 };
    for (const digest of digests.values()) {
      const record = found.get(digest);
      const kind = record.end - record.trailer > 32 ? 'many' : 'one';
      const damages = damagesOf(record);
      blocks.add((record.end - record.trailer) / 32);
      damages[next[kind] % damages.length](record);
      next[kind] += kind === 'one' ? 1 : step;
      used[kind]++;
      assert.notDeepEqual(readFileSync(record.path), record.bytes);
    }
    assert.ok(used.one > 40 && used.many > 8 && Math.max(...blocks) >= 3, `${used.one} and ${used.many} damages, up to ${Math.max(...blocks)} leaves`);
    await box.start();
    let served = 0;
    for (const [recipe, digest] of digests) {
      assert.match(await expectPicture(recipe, digest), /fwd=/, `${recipe} was made again`);
      assert.equal(await count('pixpop_store_damaged_total'), ++served, recipe);
    }
    await box.restart();
    for (const [recipe, digest] of digests) assert.doesNotMatch(await expectPicture(recipe, digest), /fwd=/, 'it is whole on the disk');
    assert.equal(await count('pixpop_store_damaged_total'), 0);
  });

  it('is_never_seen_through_a_level', async () => {
    const levels = records('level');
    assert.ok(levels.length >= 2, 'the upload has left levels');
    const widths = levels.map((level) => Math.floor(2000 / Number(level.meta.get('shrink') ?? 4)));
    const recipe = (width) => `dpr=1&fm=webp&q=77&w=${width}`;
    const all = [...new Set([...widths, 150, 300])];
    const digests = new Map();
    for (const width of all) digests.set(recipe(width), sha256((await get(recipe(width))).body).toString('base64'));
    for (let round = 0; round < (isLong ? 4 : 1); round++) {
      const purged = await box.api('/api/v1/purge', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ id }) });
      assert.equal(purged.status, 200, purged.body.toString());
      await box.stop();
      records('level').forEach((level, i) => {
        [flip((level.body + level.trailer) >> 1), flip(level.end - 5), flip(70), resize(level.end - 1)][(i + round) % 4](level);
      });
      await box.start();
      for (const [wanted, digest] of digests) await expectPicture(wanted, digest);
      assert.ok(await count('pixpop_store_damaged_total') > 0);
    }
  });

  it('is_an_error_that_says_so_when_it_is_an_original_until_that_is_uploaded_again', async () => {
    const path = join(box.data, 'store', 'originals', id.slice(0, 2), id);
    const recipe = 'dpr=1&fm=webp&q=81&w=333';
    const digest = sha256((await get(recipe)).body).toString('base64');
    for (const at of isLong ? [0, photo.length >> 1, photo.length - 1, 'shorter', 'longer'] : [photo.length >> 1, 'shorter']) {
      await box.stop();
      rmSync(folder(), { recursive: true });
      rmSync(join(box.data, 'store', 'index.sqlite'));
      const bytes = Buffer.from(photo);
      if (typeof at === 'number') bytes[at] ^= 4;
      writeFileSync(path, { shorter: bytes.subarray(0, -1), longer: Buffer.concat([bytes, Buffer.from('x')]) }[at] ?? bytes);
      await box.start();
      const reply = await get(recipe);
      if (typeof at === 'number') {
        assert.equal(reply.status, 500, `${at}: ${reply.body}`);
        assert.equal(reply.headers['content-type'], 'application/problem+json');
        assert.equal(reply.headers['cache-control'], 'no-store');
        assert.equal(reply.json.title, 'Stored data is damaged');
        assert.ok(await count('pixpop_store_damaged_originals_total') > 0);
      } else {
        assert.ok(reply.status >= 400, `${at}: ${reply.status}`);  // the scan for the new index has left its record aside
        assert.ok(await count('pixpop_store_damaged_total') > 0);
      }
      const again = await box.upload(photo);
      assert.equal(again.status, 201, again.body.toString());
      await expectPicture(recipe, digest);
    }
  });
});

describe('the scrubber', () => {
  let box;
  before(async () => {
    // As fast as it goes; with so little RAM that what is asked for comes from disk.
    box = await startBox({ settings: ['delivery.avif=off', 'scrub.mb_per_s=0', 'cache.ram=1M'] });
  });
  after(() => box.finish());

  const stored = (kind) => recordsIn(join(box.data, 'store', kind === 'variant' || kind === 'level' ? 'variants' : 'originals'), kind);
  const bytesPath = (id) => join(box.data, 'store', 'originals', id.slice(0, 2), id);
  const status = async () => (await box.api('/api/v1/status')).json.scrub;
  const count = async (name, labels) => metric((await box.api('/metrics')).body.toString(), name, labels) ?? 0;

  // At full size, for which no level will do. What was decoded before the damage may still be in memory.
  const detail = (id) => `/i/${id}?crop=10,10,300,300&dpr=1&fm=webp&q=71`;

  const until = (what, is) => wait(what, is, 60, 50);

  async function scrub() {
    const { rounds } = await status();
    const asked = await box.api('/api/v1/scrub', { method: 'POST' });
    assert.equal(asked.status, 202, asked.body.toString());
    await until('the round has ended', async () => (await status()).rounds > rounds);
    return status();
  }

  async function makeVariants(id, count) {
    const digests = new Map();
    for (let i = 0; i < count; i++) {
      const path = `/i/${id}?dpr=1&fm=webp&q=70&w=${200 + 40 * i}`;
      const reply = await box.get(path);
      assert.equal(reply.status, 200, `${path}: ${reply.body}`);
      digests.set(path, sha256(reply.body).toString('base64'));
    }
    await until('they are on disk', async () => {
      const there = new Set(stored('variant').map((record) => record.digest));
      return [...digests.values()].every((digest) => there.has(digest));
    });
    return digests;
  }

  // Flips a bit in place; false when there is no such file any more.
  function damage(path, chance) {
    let file;
    try {
      file = openSync(path, 'r+');
    } catch (error) {
      assert.equal(error.code, 'ENOENT');
      return false;
    }
    const byte = Buffer.alloc(1), at = chance(fstatSync(file).size);
    readSync(file, byte, 0, 1, at);
    byte[0] ^= 1 << chance(8);
    writeSync(file, byte, 0, 1, at);
    closeSync(file);
    return true;
  }

  async function expectAll(digests) {
    for (const [path, digest] of digests) {
      const reply = await box.get(path);
      assert.equal(reply.status, 200, `${path}: ${reply.body}`);
      assert.equal(sha256(reply.body).toString('base64'), digest, `${path}: the same bytes as before`);
    }
  }

  it('finds_damage_of_every_kind_makes_variants_anew_and_names_originals', async () => {
    const photos = [readPhoto(0), readPhoto(1), readPhoto(2)];
    const [whole, damaged, gone] = await Promise.all(photos.map((photo, i) => box.put(photo, `photo ${i}.jpg`)));
    const digests = await makeVariants(whole, 8);
    const clean = await scrub();
    assert.equal(clean.damaged_count + clean.damaged_variants + clean.damaged_levels + clean.damaged_originals, 0);
    assert.ok(clean.round_objects >= digests.size + photos.length, `${clean.round_objects} objects`);
    assert.ok(clean.round_bytes > photos.reduce((sum, photo) => sum + photo.length, 0));

    const variants = stored('variant'), levels = stored('level'), trees = stored('tree'), sidecars = stored('original');
    assert.ok(levels.length >= photos.length && trees.length === photos.length && sidecars.length === photos.length);
    const isOf = (id) => (record) => record.path.includes(id);
    // Somewhere else in each: head, metadata, body, leaves; cut; gone.
    const places = [() => 40, () => 140, (record) => record.body + 1, (record) => record.trailer - 1, (record) => record.trailer + 3, (record) => record.end - 1];
    variants.forEach((record, i) => {
      if (i < places.length) flip(places[i](record))(record);
      else if (i === places.length) truncateSync(record.path, record.end >> 1);
      else unlinkSync(record.path);
    });
    const brokenLevels = levels.slice(0, 2);
    brokenLevels.forEach((record) => flip((record.body + record.trailer) >> 1)(record));
    flip(trees.find(isOf(whole)).end - 2)(trees.find(isOf(whole)));
    flip(150)(sidecars.find(isOf(whole)));
    const bytes = Buffer.from(photos[1]);
    bytes[bytes.length >> 1] ^= 16;
    writeFileSync(bytesPath(damaged), bytes);
    unlinkSync(bytesPath(gone));

    const found = await scrub();
    assert.equal(found.damaged_variants, variants.length);
    assert.equal(found.damaged_levels, brokenLevels.length);
    assert.equal(found.damaged_originals, 2);
    assert.deepEqual(found.damaged.map(({ id }) => id).sort(), [damaged, gone].sort());
    assert.ok(found.damaged.every(({ found_s }) => found_s > 1.7e9));
    assert.equal(await count('pixpop_scrub_found_total', 'kind="variant"'), variants.length);
    assert.equal(await count('pixpop_scrub_found_total', 'kind="level"'), brokenLevels.length);
    assert.equal(await count('pixpop_scrub_found_total', 'kind="original"'), 2);
    assert.equal(await count('pixpop_store_damaged_originals'), 2);
    assert.match(box.log, new RegExp(`error.*${damaged}`, 'i'), 'the log says so');

    await until('what was dropped is made anew', () => {
      const there = new Set(stored('variant').map((record) => record.digest));
      return [...digests.values()].every((digest) => there.has(digest));
    });
    await expectAll(digests);
    readRecord(trees.find(isOf(whole)).path);
    const mended = readRecord(sidecars.find(isOf(whole)).path);
    assert.equal(mended.meta.get('name'), 'photo 0.jpg');
    const again = await scrub();
    assert.equal(again.damaged_variants, found.damaged_variants, 'what was made anew is whole');
    assert.equal(again.damaged_originals, 2, 'told once');

    await box.restart();
    const known = await status();
    assert.equal(known.damaged_count, 2, 'it is known over a restart');
    assert.equal(known.last_round_s, again.last_round_s);
    for (const id of [damaged, gone]) {
      const reply = await box.get(detail(id));
      assert.ok(reply.status >= 400, `${reply.status}`);
      assert.equal(reply.headers['content-type'], 'application/problem+json');
    }
    for (const photo of photos.slice(1)) assert.equal((await box.upload(photo)).status, 201);
    assert.equal((await status()).damaged_count, 0, 'an upload heals');
    for (const id of [damaged, gone]) assert.equal((await box.get(detail(id))).status, 200);
    assert.equal((await scrub()).damaged_originals, 0);
    assert.ok(existsSync(bytesPath(gone)));
  });

  it('and_those_who_ask_meanwhile_never_see_a_damaged_byte', async () => {
    const id = await box.put(readPhoto(3));
    const digests = await makeVariants(id, 6);
    const paths = [...digests.keys()];
    let state = Number(process.env.PIXPOP_SEED ?? Date.now() % 1e9);
    console.log(`seed ${state}`);
    const chance = (below) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor(state / 2 ** 32 * below);
    };
    const { damaged_variants: before } = await status();
    for (let i = 0; i < (isLong ? 400 : 25); i++) {
      const files = filesIn(join(box.data, 'store', 'variants'));
      const file = files[chance(files.length)];
      if (!damage(file, chance)) continue;  // it was dropped this moment
      assert.equal((await box.api('/api/v1/scrub', { method: 'POST' })).status, 202);
      const path = paths[chance(paths.length)];
      await expectAll(new Map([[path, digests.get(path)]]));
    }
    await scrub();
    const scrubbed = await status();
    assert.equal(scrubbed.damaged_count, 0);
    const drops = await count('pixpop_store_damaged_total');
    assert.ok(drops > 0 && drops >= scrubbed.damaged_variants + scrubbed.damaged_levels - before);
    await expectAll(digests);
  });
});

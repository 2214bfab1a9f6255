// Damage on the disk: bits flip in every region of every stored file, files get longer and shorter. Nothing damaged is ever served: it is dropped,
// counted and made again as it was; a damaged original is an error that says so, until it is uploaded again.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { metric, readPhoto, sha256, startBox } from './box.mjs';

const headBytes = 128;
const blockBytes = 64 * 1024;
const kinds = { variant: 2, level: 3 };
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
    box = await startBox({ settings: ['delivery.avif=off'] });
    id = await box.put(photo);
  });
  after(() => box.finish());

  const folder = () => join(box.data, 'store', 'variants');
  const records = (kind) => readdirSync(folder()).flatMap((shard) => readdirSync(join(folder(), shard)).map((name) => readRecord(join(folder(), shard, name))))
    .filter((record) => record.kind === kinds[kind]);
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

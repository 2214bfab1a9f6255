// Two verifiers that share nothing with the firmware read the ledger of a real box: sigstore's (npm @sigstore/verify: checkpoint and inclusion) and
// tlog.mjs (everything, with node:crypto). Both accept it, and both reject it with one bit flipped in an entry, a tile, a checkpoint, a proof or an object.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { sleep, startBox } from './box.mjs';
import { noisePng, random } from './noise.mjs';
import * as tlog from './tlog.mjs';

const require = createRequire(import.meta.url);
const { verifyCheckpoint } = require('@sigstore/verify/dist/tlog/checkpoint.js');
const { verifyMerkleInclusion } = require('@sigstore/verify/dist/tlog/merkle.js');

const isLong = Boolean(process.env.PIXPOP_LONG);
const originalCount = isLong ? 300 : 24;
const entryCount = isLong ? 3000 : 310;
const seed = Number(process.env.PIXPOP_SEED ?? 20260);

const flipped = (bytes, at, bit = 0) => {
  const copy = Buffer.from(bytes);
  copy[at] ^= 1 << bit;
  return copy;
};

// --- what sigstore's code is given ---

// Throws unless `entry` is in the log of the note, by sigstore's own checks.
function sigstoreAccepts({ note, index, path, entry }, vkey) {
  const log = { logID: vkey.id, publicKey: vkey.key, baseURL: `https://${vkey.name}`, validFor: { start: new Date(0), end: new Date(8.64e15) } };
  const asked = { canonicalizedBody: entry, inclusionProof: { logIndex: String(index), hashes: path, checkpoint: { envelope: note.toString() } } };
  verifyMerkleInclusion(asked, verifyCheckpoint(asked, [log]));
}

describe(`two witnesses over a ledger of ${entryCount} entries (PIXPOP_SEED=${seed})`, () => {
  let box, vkey, checkpoint, note, log, originals, variants;

  const read = async (name) => {
    const reply = await box.get(`/ledger/tile/${name}`, { headers: box.bearer });
    assert.equal(reply.status, 200, `${name}: ${reply.body}`);
    return reply.body;
  };
  const proofOf = async (digest) => {
    const reply = await box.get(`/ledger/proof/${digest}`, { headers: box.bearer });
    assert.equal(reply.status, 200, reply.body.toString());
    return reply.body;
  };
  const readCheckpoint = async () => (await box.get('/ledger/checkpoint', { headers: box.bearer })).body;

  before(async () => {
    const next = random(seed);
    box = await startBox({ settings: ['render.resampler=cpu'] });
    vkey = tlog.parseVkey((await box.api('/api/v1/status')).json.ledger.vkey);
    originals = new Map();  // id -> bytes
    variants = [];          // {id, recipe, bytes}
    for (let i = 0; i < originalCount; i++) {
      const bytes = noisePng(next, 96, 64 + (i % 3) * 640);  // the longest have three blocks
      originals.set(await box.put(bytes, `noise ${i}.png`), bytes);
    }
    const ids = [...originals.keys()];
    for (let i = 0; originals.size + variants.length < entryCount; i++) {
      const id = ids[i % ids.length], recipe = `fm=webp&q=40&w=${16 + Math.floor(i / ids.length)}`;
      const reply = await box.get(`/i/${id}?dpr=1&${recipe}`);
      assert.equal(reply.status, 200, reply.body.toString());
      variants.push({ id, recipe, bytes: reply.body });
    }
    // The proof of the last one waits for its entry to be written and signed.
    let last;
    for (let i = 0; i < 100 && last?.status !== 200; i++) {
      last = await box.get(`/ledger/proof/${digestOf(variants.at(-1).bytes)}`, { headers: box.bearer });
      if (last.status !== 200) await sleep(50);
    }
    assert.equal(last.status, 200, last.body.toString());
    note = await readCheckpoint();
    checkpoint = tlog.openCheckpoint(note, vkey);
    log = await tlog.auditLog(read, checkpoint);
  });
  after(() => box.finish());

  const digestOf = (bytes) => tlog.digestOf(bytes);

  it('accept_every_entry_of_the_log', () => {
    assert.ok(checkpoint.size >= entryCount, `${checkpoint.size} entries`);
    assert.equal(log.entries.length, checkpoint.size);
    log.entries.forEach((entry, index) => {
      const path = tlog.pathOf(log.leaves, index);
      tlog.checkInclusion(log.leaves[index], index, checkpoint, path);
      sigstoreAccepts({ note, index, path, entry }, vkey);
    });
  });

  it('find_all_that_was_stored_and_derived_in_the_entries', async () => {
    const kinds = log.entries.map((entry) => tlog.parseEntry(entry).kind);
    assert.equal(kinds.filter((kind) => kind === 'put').length, originals.size);
    assert.ok(kinds.filter((kind) => kind === 'derive').length >= new Set(variants.map(({ id, recipe }) => id + recipe)).size);
    assert.equal(new Set(log.entries.map((entry) => entry.toString('hex'))).size, log.entries.length, 'no entry is like another');
    // What is published names no original: an id is the secret of an unsigned URL.
    const published = Buffer.concat(log.entries);
    for (const id of originals.keys()) assert.ok(!published.includes(Buffer.from(id, 'base64url')) && !published.includes(id));
  });

  it('accept_the_proof_of_every_original_and_variant', async () => {
    const indices = new Set();
    for (const [id, bytes] of originals) {
      const proof = tlog.checkProof(await proofOf(id), vkey, bytes);
      assert.equal(proof.kind, 'put');
      assert.equal(proof.subject.tenant, 'default');
      sigstoreAccepts(proof, vkey);
      assert.deepEqual(log.entries[proof.index], Buffer.from(proof.entry));
      indices.add(proof.index);
    }
    for (const { id, bytes } of variants) {
      const proof = tlog.checkProof(await proofOf(digestOf(bytes)), vkey, bytes);
      assert.equal(proof.kind, 'derive');
      assert.ok(originals.has(proof.subject.original), id);
      sigstoreAccepts(proof, vkey);
      indices.add(proof.index);
    }
    assert.ok(indices.size > originals.size);
  });

  it('accept_that_every_earlier_size_is_a_beginning_of_the_log', () => {
    for (let size = 1; size <= checkpoint.size; size += size < 20 ? 1 : 17) {
      const older = { size, root: tlog.rootOf(log.leaves.slice(0, size)) };
      const path = tlog.consistencyOf(log.leaves, size);
      tlog.checkConsistency(older, checkpoint, path);
      const other = { size, root: flipped(older.root, size % 32) };
      assert.throws(() => tlog.checkConsistency(other, checkpoint, path), tlog.Rejected);
      for (let i = 0; i < path.length; i++) {
        assert.throws(() => tlog.checkConsistency(older, checkpoint, path.with(i, flipped(path[i], i))), tlog.Rejected);
      }
    }
  });

  it('reject_one_flipped_bit_in_any_byte_of_an_entry', () => {
    const index = Math.floor(log.entries.length / 2);
    const path = tlog.pathOf(log.leaves, index);
    for (let at = 0; at < tlog.entryBytes; at++) {
      const entry = flipped(log.entries[index], at, at % 8);
      assert.throws(() => tlog.checkInclusion(tlog.hashLeaf(entry), index, checkpoint, path), tlog.Rejected);
      assert.throws(() => sigstoreAccepts({ note, index, path, entry }, vkey), /root hash/);
    }
  });

  it('reject_one_flipped_bit_in_every_tile_and_bundle', async () => {
    const names = [...tlog.tilesOf('entries', checkpoint.size).map(({ index, width }) => tlog.tileName('entries', index, width))];
    for (let level = 0; tlog.tilesOf(level, checkpoint.size).length > 0; level++) {
      names.push(...tlog.tilesOf(level, checkpoint.size).map(({ index, width }) => tlog.tileName(level, index, width)));
    }
    assert.ok(names.length >= 5, names.join(' '));
    const files = new Map();
    for (const name of names) files.set(name, await read(name));
    for (const [name, bytes] of files) {
      for (const at of [0, bytes.length >> 1, bytes.length - 1]) {
        const lying = async (asked) => (asked === name ? flipped(bytes, at, at % 8) : files.get(asked));
        await assert.rejects(tlog.auditLog(lying, checkpoint), tlog.Rejected, `${name} at ${at}`);
      }
    }
    // Sigstore reads no tiles: it is given a path from a damaged one.
    const level0 = files.get(tlog.tileName(0, 0)), leaves = [...log.leaves];
    leaves[1] = flipped(level0, 32 + 5).subarray(32, 64);
    assert.throws(() => sigstoreAccepts({ note, index: 0, path: tlog.pathOf(leaves, 0), entry: log.entries[0] }, vkey), /root hash/);
  });

  it('reject_one_flipped_bit_anywhere_in_the_checkpoint', () => {
    const path = tlog.pathOf(log.leaves, 3);
    for (let at = 0; at < note.length; at++) {
      const lie = flipped(note, at, at % 7);
      assert.throws(() => tlog.openCheckpoint(lie, vkey), tlog.Rejected, `byte ${at}`);
      // Sigstore takes the name as a pattern and base64 as it comes, so a flip that leaves the signed text and the signature's bytes alone is none to it.
      const isSame = Buffer.from(signatureOf(lie)).equals(signatureOf(note)) && textOf(lie) === textOf(note);
      if (!isSame) assert.throws(() => sigstoreAccepts({ note: lie, index: 3, path, entry: log.entries[3] }, vkey), `byte ${at}`);
    }
  });
  const textOf = (bytes) => bytes.toString().split('\n\n')[0];
  const signatureOf = (bytes) => Buffer.from(bytes.toString().trimEnd().split(' ').at(-1), 'base64');

  it('reject_one_flipped_bit_anywhere_in_a_proof', async () => {
    const [id, bytes] = [...originals][5];
    const proof = await proofOf(id);
    tlog.checkProof(proof, vkey, bytes);
    for (let at = 0; at < proof.length; at++) {
      assert.throws(() => tlog.checkProof(flipped(proof, at, at % 7), vkey, bytes), `byte ${at}`);
    }
    const { path, ...rest } = tlog.parseProof(proof);
    for (let i = 0; i < path.length; i++) {
      assert.throws(() => sigstoreAccepts({ ...rest, path: path.with(i, flipped(path[i], 31 - i)) }, vkey), /root hash/);
    }
  });

  it('reject_one_flipped_bit_in_any_block_of_an_object', async () => {
    for (const [digest, bytes] of [[...originals].find(([, one]) => one.length > 2 * 65536), [digestOf(variants[0].bytes), variants[0].bytes]]) {
      const proof = await proofOf(digest);
      tlog.checkProof(proof, vkey, bytes);
      for (let at = 0; at < bytes.length; at += Math.max(1, Math.floor(bytes.length / 50))) {
        assert.throws(() => tlog.checkProof(proof, vkey, flipped(bytes, at, at % 8)), /digest/);
        assert.ok(!tlog.blocksRoot(flipped(bytes, at)).equals(tlog.blocksRoot(bytes)));
      }
      // To sigstore the object is what the entry commits to: other bytes are another subject, so another entry.
      const parsed = tlog.parseProof(proof);
      const other = tlog.commitTo(parsed.entry, parsed.salt, parsed.subject.toString().replace(digest, tlog.digestOf(flipped(bytes, 0))));
      assert.deepEqual(tlog.commitTo(parsed.entry, parsed.salt, parsed.subject.toString()), Buffer.from(parsed.entry));
      assert.throws(() => sigstoreAccepts({ ...parsed, entry: other }, vkey), /root hash/);
    }
  });

  it('reject_another_key_and_another_box', async () => {
    const other = await startBox({ settings: ['render.resampler=cpu'] });
    const foreign = tlog.parseVkey((await other.api('/api/v1/status')).json.ledger.vkey);
    await other.finish();
    assert.notEqual(foreign.name, vkey.name);
    assert.throws(() => tlog.openCheckpoint(note, foreign), tlog.Rejected);
    assert.throws(() => sigstoreAccepts({ note, index: 0, path: tlog.pathOf(log.leaves, 0), entry: log.entries[0] }, foreign), /checkpoint/);
  });

  it('accept_the_log_after_a_restart_as_a_continuation', async () => {
    await box.restart();
    const [id] = originals.keys();
    assert.equal((await box.api(`/api/v1/originals/${id}`, { method: 'DELETE' })).status, 204);
    // The purge is durable; its checkpoint is signed right afterwards.
    let newer = checkpoint;
    for (let i = 0; i < 200 && newer.size === checkpoint.size; i++) {
      newer = tlog.openCheckpoint(await readCheckpoint(), vkey);
      if (newer.size === checkpoint.size) await sleep(20);
    }
    assert.ok(newer.size > checkpoint.size);
    const grown = await tlog.auditLog(read, newer);
    tlog.checkConsistency(checkpoint, newer, tlog.consistencyOf(grown.leaves, checkpoint.size));
    assert.deepEqual(grown.entries.slice(0, log.entries.length), log.entries);
    const ended = grown.entries.slice(checkpoint.size).map(tlog.parseEntry).filter(({ kind }) => kind === 'purge').map(({ refers }) => refers);
    const put = tlog.parseEntry(grown.entries[ended.find((index) => tlog.parseEntry(grown.entries[index]).kind === 'put')]);
    assert.equal(put.kind, 'put');
    assert.equal((await box.get(`/ledger/proof/${id}`, { headers: box.bearer })).status, 404, 'what was purged is not proven any more');
    // The proof that was taken before stays good.
    assert.equal(new Set(ended).size, ended.length);
  });
});

// web/src/verify.js by itself, against a log that is made here with node:crypto: what it accepts, and every single change
// that it must notice. The page in a browser is in verify.test.mjs.
import assert from 'node:assert/strict';
import { createHash, createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { parseVkey, verifyVariant } from '../../web/src/verify.js';

const origin = 'pixpop-00c0ffee.local/ledger';
const privateKey = (seed) => createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, seed)]), format: 'der', type: 'pkcs8',
});
const [ours, another] = [privateKey(7), privateKey(8)];
const publicBytes = (key) => createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);

const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
const leaf = (data) => sha256(Buffer.of(0), data);
const node = (left, right) => sha256(Buffer.of(1), left, right);
const split = (count) => 2 ** Math.ceil(Math.log2(count) - 1);
function root(leaves) {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0];
  return node(root(leaves.slice(0, split(leaves.length))), root(leaves.slice(split(leaves.length))));
}
function path(leaves, index) {
  if (leaves.length === 1) return [];
  const left = split(leaves.length);
  return index < left
    ? [...path(leaves.slice(0, left), index), root(leaves.slice(left))]
    : [...path(leaves.slice(left), index - left), root(leaves.slice(0, left))];
}
const blocks = (bytes) => Array.from({ length: Math.ceil(bytes.length / 65536) }, (_, i) => leaf(bytes.subarray(i * 65536, (i + 1) * 65536)));

const keyId = (name, key) => sha256(Buffer.from(`${name}\n`), Buffer.of(1), publicBytes(key)).subarray(0, 4);
const vkeyOf = (name, key) => `${name}+${keyId(name, key).toString('hex')}+${Buffer.concat([Buffer.of(1), publicBytes(key)]).toString('base64')}`;
const vkey = vkeyOf(origin, ours);
const signature = (text, name, key) => `\u2014 ${name} ${Buffer.concat([keyId(name, key), sign(null, Buffer.from(text), key)]).toString('base64')}\n`;

const original = sha256(Buffer.from('an original')).toString('base64url');
const recipe = 'dpr=1&fm=webp&q=80&w=400';
const picture = Buffer.concat(Array.from({ length: 150 }, (_, i) => createHash('sha512').update(`${i}`).digest())).subarray(0, 9555);
const large = Buffer.concat(Array.from({ length: 21 }, () => picture)).subarray(0, 3 * 65536 + 1);

function subjectOf(bytes) {
  return `pixpop derive\ntenant default\noriginal ${original}\nrecipe ${recipe}\nrender 3\nvariant ${sha256(bytes).toString('base64url')}\n` +
    `bytes ${bytes.length}\nroot ${root(blocks(bytes)).toString('base64url')}\n`;
}

function entryOf(salt, subject) {
  const entry = Buffer.alloc(58, 0xff);
  entry.set([1, 2]);
  entry.writeBigUInt64BE(1900000000n, 2);
  sha256(salt, Buffer.from(subject)).copy(entry, 26);
  return entry;
}

// The parts of a proof that entry `index` of `size` is about `bytes`.
function partsOf(bytes, { index = 200, size = 321 } = {}) {
  const salt = Buffer.alloc(16, 3);
  const subject = subjectOf(bytes);
  const entry = entryOf(salt, subject);
  const leaves = Array.from({ length: size }, (_, i) => leaf(Buffer.alloc(58, i & 255)));
  leaves[index] = leaf(entry);
  const text = `${origin}\n${size}\n${root(leaves).toString('base64')}\n`;
  return { entry, salt, subject: Buffer.from(subject), index, path: path(leaves, index), text, signed: signature(text, origin, ours) };
}

function join(parts) {
  const extra = Buffer.concat([parts.entry, parts.salt, parts.subject]).toString('base64');
  return `c2sp.org/tlog-proof@v1\nextra ${extra}\nindex ${parts.index}\n${parts.path.map((hash) => `${hash.toString('base64')}\n`).join('')}\n${parts.text}\n${parts.signed}`;
}
const proofOf = (bytes, place) => join(partsOf(bytes, place));
const good = partsOf(picture);
// The proof of `picture` with other parts.
const proofWith = (other) => join({ ...good, ...other });

// A log of one entry about any subject, of version and kind `head`.
function signedSubject(text, head = [1, 2]) {
  const subject = Buffer.from(text, 'latin1');
  const entry = entryOf(good.salt, subject);
  entry.set(head);
  const note = `${origin}\n1\n${leaf(entry).toString('base64')}\n`;
  return proofWith({ subject, entry, index: 0, path: [], text: note, signed: signature(note, origin, ours) });
}

const url = `http://box.test/i/${original}?w=400&dpr=1&fm=webp&q=80`;
const fields = (bytes) => ({
  ETag: `"${sha256(bytes).toString('base64url')}"`, 'Repr-Digest': `sha-256=:${sha256(bytes).toString('base64')}:`, 'Content-Type': 'image/webp',
});

// Verifies `bytes` behind `url` with the proof, as a box would give them; `asked` gathers the proofs' addresses.
function verify({ bytes = picture, headers = fields(picture), proof = join(good), status = 200, place = url, asked = [], ...options } = {}) {
  const answer = async (address) => {
    if (address === place) return new Response(bytes, { headers });
    asked.push(address);
    return new Response(proof, { status });
  };
  return verifyVariant(place, { vkey, fetch: answer, ...options });
}
const flipped = (bytes, at) => {
  const changed = Buffer.from(bytes);
  changed[at] ^= 1 << at % 8;
  return changed;
};
async function fails(wish, reason) {
  const result = await verify(wish);
  assert.equal(result.state, 'failed', `${result.state}: ${result.reason}`);
  assert.match(result.reason, reason);
}

// Every place of a proof takes seconds.
const stride = process.env.PIXPOP_LONG ? 1 : 7;

describe('verifyVariant', () => {
  it('accepts_what_the_ledger_knows', async () => {
    const asked = [];
    const result = await verify({ asked, recipe });
    assert.equal(result.reason, '');
    assert.equal(result.state, 'verified');
    assert.deepEqual(result.checks.map(({ name }) => name), ['digest', 'signature', 'inclusion', 'commitment', 'object', 'wish', 'tree']);
    const place = `http://box.test/ledger/proof/${sha256(picture).toString('base64url')}?original=${original}`;
    assert.deepEqual(asked, [`${place}&${recipe}`]);
    assert.equal(result.proofUrl, `${place}&${recipe}`);
    const more = [];
    await verify({ asked: more });
    await verify({ asked: more, original: null });
    assert.deepEqual(more, [place, place.replace(/\?.*/, '')]);
    assert.deepEqual(result.proof.subject.recipe, recipe);
    assert.deepEqual([result.proof.index, result.proof.checkpoint.size, result.proof.time_s], [200, 321, 1900000000]);
    assert.deepEqual(Buffer.from(await result.blob.arrayBuffer()), picture);
    assert.equal(result.blob.type, 'image/webp');
  });

  it('accepts_trees_and_logs_of_every_shape', async () => {
    for (const size of [1, 2, 3, 7, 8, 9]) {
      for (let index = 0; index < size; index++) {
        const result = await verify({ proof: proofOf(picture, { index, size }) });
        assert.equal(result.state, 'verified', `entry ${index} of ${size}: ${result.reason}`);
      }
    }
    for (const bytes of [large.subarray(0, 0), large.subarray(0, 1), large.subarray(0, 65536), large.subarray(0, 65537), large.subarray(0, 2 * 65536), large]) {
      const result = await verify({ bytes, headers: fields(bytes), proof: proofOf(bytes) });
      assert.equal(result.state, 'verified', `${bytes.length} bytes: ${result.reason}`);
    }
  });

  it('rejects_a_byte_changed_in_flight', async () => {
    for (const at of [0, 4321, picture.length - 1]) {
      const bytes = flipped(picture, at);
      await fails({ bytes }, /Repr-Digest: they were changed on the way/);
      await fails({ bytes, headers: { ETag: fields(picture).ETag } }, /ETag/);
      await fails({ bytes, headers: fields(bytes) }, /about other bytes/);
      await fails({ bytes, headers: {}, proof: '', status: 404 }, /nothing about these bytes/);
    }
    await fails({ bytes: picture.subarray(1) }, /changed on the way/);
  });

  it('asks_the_box_again_when_the_browser_kept_what_the_box_has_not', async () => {
    const asked = [];
    const result = await verifyVariant(url, {
      vkey,
      async fetch(address, init) {
        asked.push([address === url ? 'picture' : 'proof', init?.cache]);
        if (address === url) return new Response(picture, { headers: fields(picture) });
        return asked.length > 2 ? new Response(join(good)) : new Response('', { status: 404 });
      },
    });
    assert.equal(result.state, 'verified', result.reason);
    assert.deepEqual(asked, [['picture', undefined], ['proof', undefined], ['picture', 'no-cache'], ['proof', undefined]]);
    assert.equal(result.checks.length, 7);
  });

  it('rejects_another_picture_with_its_own_proof', async () => {
    const elsewhere = sha256(Buffer.from('another original')).toString('base64url');
    for (const path of [`/i/${elsewhere}?w=400`, `/iiif/3/${elsewhere}.1893456000.x/full/max/0/default.jpg`, `/imgproxy/unsafe/w:4/plain/local:///${elsewhere}@webp`, `/imgproxy/unsafe/w:4/plain/local%3A%2F%2F%2F${elsewhere}`]) {
      await fails({ place: `http://box.test${path}` }, /another original/);
    }
    await fails({ original: elsewhere }, /another original/);
    await fails({ recipe: 'dpr=1&fm=webp&q=80&w=320' }, /another variant/);
    assert.equal((await verify({ place: `http://box.test/i/${elsewhere}`, original: null })).state, 'verified');
  });

  it('rejects_every_bit_flipped_in_a_part_of_the_proof', async () => {
    for (let at = 0; at < 58; at++) await fails({ proof: proofWith({ entry: flipped(good.entry, at) }) }, /./);
    for (let at = 0; at < 16; at++) await fails({ proof: proofWith({ salt: flipped(good.salt, at) }) }, /about something else/);
    for (let at = 0; at < good.subject.length; at++) await fails({ proof: proofWith({ subject: flipped(good.subject, at) }) }, /about something else/);
    assert.equal(good.path.length, 9);
    for (let i = 0; i < good.path.length; i++) {
      await fails({ proof: proofWith({ path: good.path.map((hash, k) => (k === i ? flipped(hash, 3 * i) : hash)) }) }, /not in the tree/);
    }
  });

  it(`rejects_${stride > 1 ? 'many' : 'all'}_characters_changed_in_the_proof`, async () => {
    const proof = join(good);
    for (let at = 0; at < proof.length; at += stride) {
      if (proof[at] === '\u2014') continue;
      const other = String.fromCharCode(proof.charCodeAt(at) ^ 1);
      await fails({ proof: proof.slice(0, at) + other + proof.slice(at + 1) }, /./);
    }
    for (let at = 0; at < proof.length; at += stride) await fails({ proof: proof.slice(0, at) }, /./);
  });

  it('rejects_paths_and_indices_that_do_not_lead_to_the_root', async () => {
    for (const index of [199, 201, 320, 321, 2 ** 53]) await fails({ proof: proofWith({ index }) }, /not in the tree|not a number/);
    await fails({ proof: proofWith({ path: good.path.slice(1) }) }, /not in the tree/);
    await fails({ proof: proofWith({ path: [...good.path, good.path[0]] }) }, /not in the tree/);
  });

  it('rejects_numbers_and_lengths_that_can_not_be', async () => {
    const alone = signedSubject(subjectOf(picture));
    assert.equal((await verify({ proof: alone })).state, 'verified');
    await fails({ proof: alone.replace('index 0', 'index 1') }, /not in the tree/);
    for (const extra of ['', good.entry.subarray(0, 9).toString('base64'), Buffer.concat([good.entry, good.salt]).toString('base64')]) {
      await fails({ proof: alone.replace(/extra .*/, `extra ${extra}`) }, /not of a pixpop ledger/);
    }
    await fails({ proof: proofWith({ path: [good.path[0].subarray(1), ...good.path.slice(1)] }) }, /wrong length/);
    await fails({ proof: proofWith({ path: Array(65).fill(good.path[0]) }) }, /not of a pixpop ledger/);
    const short = good.text.replace(/(?<=321\n).*/, Buffer.alloc(31).toString('base64'));
    await fails({ proof: proofWith({ text: short, signed: signature(short, origin, ours) }) }, /wrong length/);
  });

  it('rejects_other_keys_and_ledgers', async () => {
    await fails({ vkey: vkeyOf(origin, another) }, /not signed with this ledger's key/);
    await fails({ vkey: vkeyOf('pixpop-11111111.local/ledger', ours) }, /not signed with this ledger's key/);
    await fails({ proof: proofWith({ signed: signature(good.text, origin, another) }) }, /not signed/);
    // Of the right name and id, by another key.
    const forged = `\u2014 ${origin} ${Buffer.concat([keyId(origin, ours), sign(null, Buffer.from(good.text), another)]).toString('base64')}\n`;
    await fails({ proof: proofWith({ signed: forged }) }, /changed/);
    await fails({ proof: proofWith({ signed: good.signed + forged }) }, /changed/);
    const elsewhere = good.text.replace(origin, 'pixpop-11111111.local/ledger');
    await fails({ proof: proofWith({ text: elsewhere, signed: signature(elsewhere, origin, ours) }) }, /another ledger/);
  });

  it('rejects_a_tree_that_is_not_of_the_bytes', async () => {
    await fails({ proof: signedSubject(subjectOf(picture).replace(/root .*/, `root ${sha256().toString('base64url')}`)) }, /root over the blocks/);
  });

  it('rejects_subjects_and_entries_that_say_less_or_more', async () => {
    const subject = subjectOf(picture);
    assert.equal((await verify({ proof: signedSubject(subject) })).state, 'verified');
    const wrong = [`${subject}\n`, `${subject}more x\n`, subject.slice(0, -1), subject.replace('pixpop derive', 'pixpop put'),
      subject.replace(/recipe .*\n/, ''), subject.replace('tenant', 'tenants'), subject.replace(/bytes (\d+)/, 'bytes 0$1'), `${subject.slice(0, -1)}\xff\n`];
    for (const text of wrong) await fails({ proof: signedSubject(text) }, /malformed|other bytes|not a number|does not fit/);
    await fails({ proof: signedSubject(subject.replace(/bytes (\d+)/, 'bytes 1')) }, /other bytes/);
    for (const head of [[2, 2], [1, 3], [1, 4], [1, 5], [1, 6], [1, 1]]) await fails({ proof: signedSubject(subject, head) }, /not about a stored object|malformed/);
  });

  it('accepts_signatures_of_others_and_extension_lines_beside_ours', async () => {
    const text = `${good.text}an extension\n`;
    const others = signature(text, 'witness.test/w', another) + signature(text, origin, another);
    const result = await verify({ proof: proofWith({ text, signed: others + signature(text, origin, ours) }) });
    assert.equal(result.state, 'verified', result.reason);
  });

  it('says_what_could_not_be_seen', async () => {
    const cases = [[{ vkey: undefined }, /no ledger/], [{ status: 401 }, /does not show/], [{ status: 503 }, /503/], [{ status: 409 }, /409/]];
    for (const [wish, reason] of cases) {
      const result = await verify(wish);
      assert.equal(result.state, 'unchecked');
      assert.match(result.reason, reason);
      assert.deepEqual(result.checks.map(({ name }) => name), ['digest']);
    }
    await fails({ vkey: undefined, bytes: flipped(picture, 5) }, /changed on the way/); // the digest needs no key
    const coded = await verify({ headers: { ...fields(large), 'Content-Encoding': 'dcz' } });
    assert.equal(coded.state, 'verified', 'the fields speak of the coded bytes there');
  });

  it('rejects_promises_for_what_is_no_picture_or_no_key', async () => {
    await assert.rejects(verifyVariant(url, { vkey, fetch: async () => new Response('', { status: 404 }) }), /status 404/);
    await assert.rejects(verifyVariant(url, { vkey, fetch: async () => { throw new TypeError('no network'); } }), /no network/);
    for (const bad of ['x', vkey.replace(/\+(.)/, (_, digit) => `+${digit === '0' ? 1 : 0}`), vkey.slice(1).replace('+', ''), `${vkey}A`, vkey.replace(/\+[^+]*$/, `+${randomBytes(33).fill(2, 0, 1).toString('base64')}`)]) {
      await assert.rejects(verify({ vkey: bad }), /not the verifier key/, bad);
    }
    assert.equal((await parseVkey(vkey)).name, origin);
  });

  it('takes_the_proof_from_elsewhere_when_told', async () => {
    const asked = [];
    await verify({ asked, proofUrl: 'https://shop.test/proof' });
    await verify({ asked, proofUrl: (digest) => `https://shop.test/proofs/${digest}.tlog-proof` });
    assert.deepEqual(asked, ['https://shop.test/proof', `https://shop.test/proofs/${sha256(picture).toString('base64url')}.tlog-proof`]);
  });
});

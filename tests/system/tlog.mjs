// A second pair of eyes on the ledger: signed notes, checkpoints, tiles, bundles and proofs, from the definitions in RFC 6962 and c2sp.org
// with node:crypto alone. It shares nothing with the firmware. Everything throws a Rejected on what does not fit.
import { createHash, createPublicKey, verify } from 'node:crypto';

export class Rejected extends Error {}
const reject = (why) => { throw new Rejected(why); };
const sha256 = (...pieces) => pieces.reduce((hash, piece) => hash.update(piece), createHash('sha256')).digest();

export const entryBytes = 58;
const saltBytes = 16;
const tileWidth = 256;
const blockBytes = 64 * 1024;
export const kinds = { put: 1, derive: 2, evict: 3, purge: 4, config: 5 };

// --- keys, notes, checkpoints ---

const spkiHead = Buffer.from('302a300506032b6570032100', 'hex');  // SubjectPublicKeyInfo of Ed25519, RFC 8410
const strictBase64 = (text) => {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : reject(`not base64: ${text}`);
};

// "<name>+<id>+<base64 of 0x01 || public key>"
export function parseVkey(text) {
  const [, name, id, base64] = text.match(/^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/) ?? reject('no vkey');
  const bytes = strictBase64(base64);
  if (bytes.length !== 33 || bytes[0] !== 1) reject('no Ed25519 key');
  const expected = sha256(`${name}\n`, bytes).subarray(0, 4);
  if (expected.toString('hex') !== id) reject('the id is not that of the key');
  return { name, id: expected, bytes: bytes.subarray(1), key: createPublicKey({ key: Buffer.concat([spkiHead, bytes.subarray(1)]), format: 'der', type: 'spki' }) };
}

// The text that was signed.
export function openNote(note, vkey) {
  const text = typeof note === 'string' ? note : note.toString();
  if (!Buffer.from(text).equals(Buffer.from(note))) reject('a note is UTF-8');
  const at = text.lastIndexOf('\n\n');
  if (at < 0 || !text.endsWith('\n')) reject('a note has text, an empty line and signatures');
  const signed = text.slice(0, at + 1);
  let isSigned = false;
  for (const line of text.slice(at + 2, -1).split('\n')) {
    const [, name, base64] = line.match(/^\u2014 (\S+) (\S+)$/) ?? reject(`not a signature: ${line}`);
    const bytes = strictBase64(base64);
    if (name !== vkey.name || !bytes.subarray(0, 4).equals(vkey.id)) continue;
    if (!verify(null, Buffer.from(signed), vkey.key, bytes.subarray(4))) reject('the signature is wrong');
    isSigned = true;
  }
  return isSigned ? signed : reject('it is not signed by this key');
}

export function openCheckpoint(note, vkey) {
  const [origin, size, root] = openNote(note, vkey).split('\n');
  if (origin !== vkey.name) reject('another origin');
  if (!/^(0|[1-9][0-9]*)$/.test(size)) reject('the size is no number');
  const bytes = strictBase64(root);
  if (bytes.length !== 32) reject('the root is no SHA-256');
  return { origin, size: Number(size), root: bytes };
}

// --- the tree of RFC 6962, by its definition ---

export const hashLeaf = (data) => sha256(Buffer.of(0), data);
export const hashNode = (left, right) => sha256(Buffer.of(1), left, right);
const split = (count) => { let k = 1; while (k * 2 < count) k *= 2; return k; };

export function rootOf(leaves) {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0];
  const k = split(leaves.length);
  return hashNode(rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}

export function pathOf(leaves, index) {
  if (leaves.length <= 1) return [];
  const k = split(leaves.length);
  return index < k ? [...pathOf(leaves.slice(0, k), index), rootOf(leaves.slice(k))] : [...pathOf(leaves.slice(k), index - k), rootOf(leaves.slice(0, k))];
}

export function consistencyOf(leaves, oldSize, isWhole = true) {
  if (oldSize === leaves.length) return isWhole ? [] : [rootOf(leaves)];
  const k = split(leaves.length);
  return oldSize <= k
    ? [...consistencyOf(leaves.slice(0, k), oldSize, isWhole), rootOf(leaves.slice(k))]
    : [...consistencyOf(leaves.slice(k), oldSize - k, false), rootOf(leaves.slice(0, k))];
}

// The root that a leaf and its path make, from the top down.
function rootByPath(leaf, index, size, path) {
  if (size === 1) return path.length === 0 ? leaf : reject('the path is too long');
  if (path.length === 0) reject('the path is too short');
  const k = split(size), rest = path.slice(0, -1), top = path.at(-1);
  return index < k ? hashNode(rootByPath(leaf, index, k, rest), top) : hashNode(top, rootByPath(leaf, index - k, size - k, rest));
}

export function checkInclusion(leaf, index, { size, root }, path) {
  if (index >= size) reject('the index is not in the tree');
  if (!rootByPath(leaf, index, size, path).equals(root)) reject('the entry is not in the tree');
}

// Both roots that a consistency proof makes; `seed` is the old root while the old tree is a whole subtree.
function rootsByConsistency(oldSize, size, path, seed) {
  if (oldSize === size) {
    if (seed) return path.length === 0 ? [seed, seed] : reject('the proof is too long');
    return path.length === 1 ? [path[0], path[0]] : reject('the proof has a wrong length');
  }
  if (path.length === 0) reject('the proof is too short');
  const k = split(size), rest = path.slice(0, -1), top = path.at(-1);
  if (oldSize <= k) {
    const [before, now] = rootsByConsistency(oldSize, k, rest, seed);
    return [before, hashNode(now, top)];
  }
  const [before, now] = rootsByConsistency(oldSize - k, size - k, rest, undefined);
  return [hashNode(top, before), hashNode(top, now)];
}

export function checkConsistency(older, newer, path) {
  if (older.size > newer.size) reject('the log has become shorter');
  if (older.size === 0) return;
  const [before, now] = rootsByConsistency(older.size, newer.size, path, older.root);
  if (!before.equals(older.root) || !now.equals(newer.root)) reject('the newer log does not begin with the older one');
}

// --- objects ---

export const digestOf = (bytes) => sha256(bytes).toString('base64url');

export function blocksRoot(bytes) {
  const leaves = [];
  for (let at = 0; at < bytes.length; at += blockBytes) leaves.push(hashLeaf(bytes.subarray(at, at + blockBytes)));
  return rootOf(leaves);
}

// --- entries, bundles, tiles ---

export function parseEntry(bytes) {
  if (bytes.length !== entryBytes || bytes[0] !== 1) reject('no entry of version 1');
  const reference = (at) => { const number = bytes.readBigUInt64BE(at); return number === 0xffffffffffffffffn ? null : Number(number); };
  return {
    kind: Object.keys(kinds).find((name) => kinds[name] === bytes[1]) ?? reject('an unknown kind of entry'),
    timeS: Number(bytes.readBigUInt64BE(2)), refers: reference(10), renews: reference(18), commitment: bytes.subarray(26),
  };
}

// The entry with what it would commit to with that salt and subject.
export const commitTo = (entry, salt, subject) => Buffer.concat([entry.subarray(0, 26), sha256(salt, subject)]);

export function parseBundle(bytes) {
  const entries = [];
  for (let at = 0; at < bytes.length;) {
    const length = at + 2 <= bytes.length ? bytes.readUInt16BE(at) : reject('a bundle is cut off');
    if (at + 2 + length > bytes.length) reject('a bundle is cut off');
    entries.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return entries;
}

export function tileName(level, index, width = tileWidth) {
  const groups = [];
  for (let rest = index; groups.length === 0 || rest > 0; rest = Math.floor(rest / 1000)) groups.unshift(String(rest % 1000).padStart(3, '0'));
  const path = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
  return `${level}/${path}${width < tileWidth ? `.p/${width}` : ''}`;
}

// All tiles of one level for a log of `size` entries: [{index, width}].
export function tilesOf(level, size) {
  const hashes = Math.floor(size / tileWidth ** (level === 'entries' ? 0 : level));
  return Array.from({ length: Math.ceil(hashes / tileWidth) }, (_, index) => ({ index, width: Math.min(tileWidth, hashes - index * tileWidth) }));
}

// Reads a whole log (`read` resolves with the bytes of a tile's or bundle's name) and checks that entries, tiles and checkpoint say the same.
// Resolves with {entries, leaves}.
export async function auditLog(read, checkpoint) {
  const entries = [];
  for (const { index, width } of tilesOf('entries', checkpoint.size)) {
    const bundle = parseBundle(await read(tileName('entries', index, width)));
    if (bundle.length !== width) reject(`bundle ${index} has ${bundle.length} entries, not ${width}`);
    entries.push(...bundle);
  }
  entries.forEach(parseEntry);
  const leaves = entries.map(hashLeaf);
  let hashes = leaves;
  for (let level = 0; hashes.length > 0; level++) {
    for (const { index, width } of tilesOf(level, checkpoint.size)) {
      const expected = Buffer.concat(hashes.slice(index * tileWidth, index * tileWidth + width));
      const tile = await read(tileName(level, index, width));
      if (!tile.equals(expected)) reject(`tile ${tileName(level, index, width)} is not that of the entries`);
    }
    hashes = Array.from({ length: Math.floor(hashes.length / tileWidth) }, (_, i) => rootOf(hashes.slice(i * tileWidth, (i + 1) * tileWidth)));
  }
  if (!rootOf(leaves).equals(checkpoint.root)) reject('the root is not that of the entries');
  return { entries, leaves };
}

// --- proofs ---

// c2sp.org/tlog-proof@v1, whose extra data are the entry, its salt and its subject.
export function parseProof(bytes) {
  const text = bytes.toString();
  const at = text.indexOf('\n\n');
  const [first, extra, index, ...path] = text.slice(0, at).split('\n');
  if (at < 0 || first !== 'c2sp.org/tlog-proof@v1') reject('no tlog-proof@v1');
  if (!extra?.startsWith('extra ') || !/^index (0|[1-9][0-9]*)$/.test(index)) reject('a line of the proof is missing');
  const data = strictBase64(extra.slice(6));
  if (data.length <= entryBytes + saltBytes) reject('the extra data are too short');
  return {
    entry: data.subarray(0, entryBytes), salt: data.subarray(entryBytes, entryBytes + saltBytes), subject: data.subarray(entryBytes + saltBytes),
    index: Number(index.slice(6)), path: path.map(strictBase64), note: text.slice(at + 2),
  };
}

// "pixpop put\ntenant default\n..." as {what: 'put', tenant: 'default', ...}.
export function parseSubject(bytes) {
  const lines = bytes.toString().split('\n');
  if (lines.pop() !== '' || !/^pixpop (put|derive|evict|purge|config)$/.test(lines[0] ?? '')) reject('no subject');
  return { what: lines[0].slice(7), ...Object.fromEntries(lines.slice(1).map((line) => line.split(/ (.*)/s).slice(0, 2))) };
}

// Everything that a proof says, and that `object` (bytes) is what it speaks of.
export function checkProof(bytes, vkey, object) {
  const proof = parseProof(bytes);
  const checkpoint = openCheckpoint(proof.note, vkey);
  checkInclusion(hashLeaf(proof.entry), proof.index, checkpoint, proof.path);
  const entry = parseEntry(proof.entry), subject = parseSubject(proof.subject);
  if (!sha256(proof.salt, proof.subject).equals(entry.commitment)) reject('salt and subject are not what the entry commits to');
  if (subject.what !== entry.kind) reject('entry and subject are of different kinds');
  const digest = sha256(object).toString('base64url');
  if ((subject.what === 'derive' ? subject.variant : subject.original) !== digest) reject('the bytes have another digest');
  if (Number(subject.bytes) !== object.length || subject.root !== blocksRoot(object).toString('base64url')) reject('the bytes have another tree');
  return { ...proof, checkpoint, kind: entry.kind, subject };
}

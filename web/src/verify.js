// Fetches a picture from a pixpop box and proves, in the browser, that it is what the box says it is.
//
//   import { verifyVariant } from './verify.js';
//
//   const vkey = 'pixpop-1a2b3c4d.local/ledger+5e6f7a8b+AU...';  // of the box's page; ship it with yours
//   const result = await verifyVariant('https://box/i/47DEQ...?w=400&dpr=1&fm=webp&q=80', { vkey });
//   if (result.state === 'verified') image.src = URL.createObjectURL(result.blob);
//
// Show result.blob, not the URL again: those are the bytes that were checked. No dependencies; WebCrypto, which browsers
// have on https: and localhost pages only. What is checked, in this order (c2sp.org/tlog-proof, firmware/integrity):
//   digest      SHA-256 of the bytes is the one in Repr-Digest, Content-Digest and ETag
//   signature   the proof's checkpoint is signed with the ledger's key
//   inclusion   the proof's entry is in the tree which that checkpoint speaks for
//   commitment  the entry is about the proof's subject
//   object      the subject is about these bytes: digest and length
//   wish        the subject is about the original that the URL names (and about `recipe`, where it is given)
//   tree        the root over the bytes' blocks of 64 KiB is the subject's
// state is 'verified' when all of that holds, 'failed' when something does not fit, and 'unchecked' when it could not be
// seen: no vkey, no proof to be had, a browser without Ed25519. Only 'verified' says anything good: whoever can change
// bytes in flight can also keep the proof away.

const blockBytes = 64 * 1024;
const entryBytes = 58;
const saltBytes = 16;
const fields = {
  1: ['put', ['tenant', 'original', 'bytes', 'root']],
  2: ['derive', ['tenant', 'original', 'recipe', 'render', 'variant', 'bytes', 'root']],
};

class Misfit extends Error {}
class Unseen extends Error {}

function need(condition, text) {
  if (!condition) throw new Misfit(text);
}

const utf8 = new TextEncoder();
const binary = (bytes) => {
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return text;
};
const toBase64 = (bytes) => btoa(binary(bytes));
const toBase64url = (bytes) => toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
const equal = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

// Strict: every value has one spelling.
function fromBase64(text, what) {
  try {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    if (toBase64(bytes) === text) return bytes;
  } catch {
    // Said below.
  }
  throw new Misfit(`${what} is not base64`);
}

function fromDecimal(text, what) {
  need(/^(0|[1-9][0-9]{0,15})$/.test(text) && Number.isSafeInteger(Number(text)), `${what} is not a number`);
  return Number(text);
}

const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest('SHA-256', parts.length === 1 ? parts[0] : concat(...parts)));
const leafHash = (data) => sha256(Uint8Array.of(0), data);
const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

// RFC 6962 section 2.1, over the blocks of an object.
async function treeRoot(bytes) {
  let level = [];
  for (let at = 0; at < bytes.length; at += blockBytes) level.push(await leafHash(bytes.subarray(at, at + blockBytes)));
  if (level.length === 0) return sha256(bytes);
  while (level.length > 1) {
    const next = [];
    for (let i = 0; i < level.length; i += 2) next.push(i + 1 < level.length ? await nodeHash(level[i], level[i + 1]) : level[i]);
    level = next;
  }
  return level[0];
}

// RFC 9162 section 2.1.3.2: the root that leaf `index` of `size` and its path lead to; null when the path's length is wrong.
async function rootOfPath(leaf, index, size, path) {
  const half = (value) => Math.floor(value / 2);
  let [node, last] = [leaf, size - 1];
  for (const sibling of path) {
    if (last === 0) return null;
    if (index % 2 === 1 || index === last) {
      node = await nodeHash(sibling, node);
      while (index % 2 === 0 && index !== 0) [index, last] = [half(index), half(last)];
    } else {
      node = await nodeHash(node, sibling);
    }
    [index, last] = [half(index), half(last)];
  }
  return last === 0 ? node : null;
}

// "name+id+key", as the box's page and `pixpop verify` show it -> {name, id, publicKey}. Rejects with a TypeError.
export async function parseVkey(vkey) {
  const parts = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/.exec(vkey);
  if (parts) {
    const key = Uint8Array.from(atob(parts[3]), (char) => char.charCodeAt(0));
    const id = (await sha256(utf8.encode(`${parts[1]}\n`), key)).subarray(0, 4);
    const isRight = [...id].map((byte) => byte.toString(16).padStart(2, '0')).join('') === parts[2];
    if (isRight && key[0] === 1) return { name: parts[1], id, publicKey: key.subarray(1) };
  }
  throw new TypeError('vkey is not the verifier key of a ledger ("name+id+key")');
}

async function importKey(key) {
  try {
    return await crypto.subtle.importKey('raw', key.publicKey, { name: 'Ed25519' }, false, ['verify']);
  } catch {
    throw new Unseen('This browser knows no Ed25519 signatures.');
  }
}

// c2sp.org/signed-note and tlog-checkpoint -> {origin, size, root}.
async function openCheckpoint(note, key) {
  const end = note.lastIndexOf('\n\n');
  need(end > 0 && note.endsWith('\n'), 'The checkpoint is not a signed note.');
  const text = note.slice(0, end + 1);
  const prefix = `\u2014 ${key.name} `;
  const subtleKey = await importKey(key);
  let isSigned = false;
  for (const line of note.slice(end + 2, -1).split('\n')) {
    if (!line.startsWith(prefix)) continue;
    const signature = fromBase64(line.slice(prefix.length), 'The signature');
    if (!equal(signature.subarray(0, 4), key.id)) continue;
    const isRight = await crypto.subtle.verify('Ed25519', subtleKey, signature.subarray(4), utf8.encode(text));
    need(isRight, 'The checkpoint or its signature was changed.');
    isSigned = true;
  }
  need(isSigned, `The checkpoint is not signed with this ledger's key (${key.name}).`);
  const [origin, size, root] = text.split('\n');
  need(origin === key.name && root !== undefined, 'The checkpoint is of another ledger.');
  const checkpoint = { origin, size: fromDecimal(size, 'The size in the checkpoint'), root: fromBase64(root, 'The root in the checkpoint') };
  need(checkpoint.root.length === 32, 'The root in the checkpoint has a wrong length.');
  return checkpoint;
}

// c2sp.org/tlog-proof@v1 with the box's extra data: entry, salt, subject.
function parseProof(text) {
  const end = text.indexOf('\n\n');
  const [magic, extra = '', index = '', ...path] = text.slice(0, Math.max(end, 0)).split('\n');
  need(magic === 'c2sp.org/tlog-proof@v1' && extra.startsWith('extra ') && index.startsWith('index '), 'The proof is not one.');
  const data = fromBase64(extra.slice(6), 'The extra data of the proof');
  need(data.length > entryBytes + saltBytes && path.length <= 64, 'The proof is not of a pixpop ledger.');
  const hashes = path.map((line) => fromBase64(line, 'A hash in the proof'));
  need(hashes.every((hash) => hash.length === 32), 'A hash in the proof has a wrong length.');
  return {
    entry: data.subarray(0, entryBytes),
    salt: data.subarray(entryBytes, entryBytes + saltBytes),
    subject: data.subarray(entryBytes + saltBytes),
    index: fromDecimal(index.slice(6), 'The index in the proof'),
    path: hashes,
    checkpoint: text.slice(end + 2),
  };
}

// firmware/integrity/include/integrity/entry.h.
function parseEntry(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  need(bytes[0] === 1 && fields[bytes[1]], 'The entry is not about a stored object.');
  return { kind: fields[bytes[1]][0], names: fields[bytes[1]][1], time_s: Number(view.getBigUint64(2)), commitment: bytes.subarray(26) };
}

function parseSubject(bytes, { kind, names }) {
  let text = '';
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Said below.
  }
  const lines = text.split('\n');
  const isWhole = lines[0] === `pixpop ${kind}` && lines.length === names.length + 2 && lines.at(-1) === '';
  need(isWhole && names.every((name, i) => lines[i + 1].startsWith(`${name} `)), 'The subject of the entry is malformed.');
  const subject = Object.fromEntries(names.map((name, i) => [name, lines[i + 1].slice(name.length + 1)]));
  subject.bytes = fromDecimal(subject.bytes, 'The length in the subject');
  return { kind, ...subject };
}

const timeText = (seconds) => {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? 'at no time' : time.toISOString().replace('T', ' ').replace('.000Z', ' UTC');
};

// Everything that a proof says by itself -> {subject, index, time_s, checkpoint}. `pass(name, text)` is told of each step.
async function checkProof(text, key, pass) {
  const proof = parseProof(text);
  const checkpoint = await openCheckpoint(proof.checkpoint, key);
  pass('signature', `signed by ${checkpoint.origin}`);
  const entry = parseEntry(proof.entry);
  need(proof.index < checkpoint.size, 'The entry is not in the tree of the checkpoint.');
  const root = await rootOfPath(await leafHash(proof.entry), proof.index, checkpoint.size, proof.path);
  need(root && equal(root, checkpoint.root), 'The entry is not in the tree of the checkpoint.');
  pass('inclusion', `entry ${proof.index} of ${checkpoint.size}`);
  need(equal(await sha256(proof.salt, proof.subject), entry.commitment), 'The entry is about something else.');
  const subject = parseSubject(proof.subject, entry);
  pass('commitment', `${subject.kind}, ${timeText(entry.time_s)}`);
  return { subject, index: proof.index, time_s: entry.time_s, checkpoint: { ...checkpoint, root: toBase64(checkpoint.root) } };
}

// Whether proof and bytes belong together, and to what was asked for.
async function checkObject(bytes, digest, subject, wish, pass) {
  need((subject.variant ?? subject.original) === digest && subject.bytes === bytes.length, 'The proof is about other bytes.');
  pass('object', `${bytes.length} bytes`);
  need(!wish.original || subject.original === wish.original, 'The proof is about a variant of another original.');
  need(wish.recipe === undefined || subject.recipe === wish.recipe, 'The proof is about another variant of this original.');
  if (wish.original || wish.recipe !== undefined) pass('wish', subject.recipe ?? 'the original itself');
  need(toBase64url(await treeRoot(bytes)) === subject.root, 'The root over the blocks does not fit.');
  const blocks = Math.ceil(bytes.length / blockBytes);
  pass('tree', `${blocks} block${blocks === 1 ? '' : 's'}`);
}

// The ids of originals stand in every URL of the box: /i/ID, /iiif/3/ID..., /imgproxy/.../local:///ID.
const originalIn = (url) => /\/(?:i|iiif\/3|local:\/\/)\/([A-Za-z0-9_-]{43})(?![A-Za-z0-9_-])/.exec(url.pathname.replaceAll(/%3a/gi, ':').replaceAll(/%2f/gi, '/'))?.[1];

// The header fields are about what came over the wire; a content coding is undone before a page sees the bytes.
function checkHeaders(headers, digest, pass) {
  if ((headers.get('Content-Encoding') ?? 'identity') !== 'identity') return;
  const standard = `${digest.replaceAll('-', '+').replaceAll('_', '/')}=`;
  const seen = [];
  for (const name of ['Repr-Digest', 'Content-Digest']) {
    const value = /(?:^|[,\s])sha-256=:([^:]*):/.exec(headers.get(name) ?? '')?.[1];
    need(value === undefined || value === standard, `The bytes are not those of ${name}: they were changed on the way.`);
    if (value !== undefined) seen.push(name);
  }
  const tag = /^"([A-Za-z0-9_-]{43})"$/.exec(headers.get('ETag') ?? '')?.[1];
  need(tag === undefined || tag === digest, 'The bytes are not those of the ETag: they were changed on the way.');
  if (seen.length > 0 || tag) pass('digest', digest);
}

// The proof's text; null when the ledger has nothing about the object.
async function fetchProof(doFetch, url) {
  let response;
  try {
    response = await doFetch(url);
  } catch {
    throw new Unseen('The proof can not be fetched.');
  }
  if (response.status === 404) return null;
  if (response.status === 401 || response.status === 403) throw new Unseen('The box does not show its proofs here.');
  if (!response.ok) throw new Unseen(`The box has no proof at the moment (status ${response.status}).`);
  return response.text();
}

// Where the proof is: as which object the bytes are meant goes along, since others may have the same ones.
function placeOfProof(url, digest, { original, recipe }, proofUrl) {
  const query = original ? `?original=${original}${recipe ? `&${recipe}` : ''}` : '';
  if (typeof proofUrl === 'function') return proofUrl(digest, query);
  return proofUrl ?? new URL(`/ledger/proof/${digest}${query}`, new URL(url, globalThis.location?.href)).href;
}

// The picture, its digest and, when there is a ledger, its proof, into `result`.
async function load(url, init, options, wish, result) {
  const doFetch = options.fetch ?? ((...all) => fetch(...all));
  const response = await doFetch(url, init);
  if (!response.ok) throw new Error(`status ${response.status}`);
  const blob = await response.blob();
  Object.assign(result, { response, blob, checks: [] });
  if (!globalThis.crypto?.subtle) throw new Unseen('Browsers can check pictures on https: and localhost pages only.');
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const digest = toBase64url(await sha256(bytes));
  result.digest = digest;
  checkHeaders(response.headers, digest, (name, text) => result.checks.push({ name, text }));
  if (!options.vkey) throw new Unseen('There is no ledger to check it against.');
  result.proofUrl = placeOfProof(url, digest, wish, options.proofUrl);
  return { bytes, text: await fetchProof(doFetch, result.proofUrl) };
}

async function check(url, options, key, result) {
  const original = options.original === undefined ? originalIn(new URL(url, globalThis.location?.href)) : options.original;
  const wish = { original, recipe: options.recipe };
  let { bytes, text } = await load(url, undefined, options, wish, result);
  // A browser keeps a picture for a year, the box not always: asked again, it makes (and enters) the same bytes anew.
  if (text === null) ({ bytes, text } = await load(url, { cache: 'no-cache' }, options, wish, result));
  need(text !== null, wish.original ? 'The ledger has nothing about these bytes as this picture.' : 'The ledger has nothing about these bytes.');
  const pass = (name, more) => result.checks.push({ name, text: more });
  result.proof = await checkProof(text, key, pass);
  await checkObject(bytes, result.digest, result.proof.subject, wish, pass);
}

// Fetches `url` and checks what comes. options:
//   vkey      the ledger's verifier key; without it nothing but the digest is looked at
//   proofUrl  where the proof is; default /ledger/proof/DIGEST?original=ID&RECIPE of the same box. A function gets the digest
//             and that query, or ''
//   original  id of the original the picture has to be made of; default: the one in the URL; null: any
//   recipe    canonical recipe that it has to be, e.g. 'dpr=1&fm=webp&q=80&w=400'; default: any of that original
//   fetch     in place of the browser's, with its arguments, e.g. to add `Authorization` for a proof
// Resolves with {state, reason, checks: [{name, text}], digest, blob, response, proof, proofUrl}; reason says what did not fit or could
// not be seen, checks are the steps that held. Rejects when there is no picture (the network, a status of 4xx or 5xx) and
// for a vkey that is none.
export async function verifyVariant(url, options = {}) {
  const result = { state: 'unchecked', reason: '', checks: [], digest: '', blob: null, response: null, proof: null, proofUrl: null };
  const key = options.vkey && globalThis.crypto?.subtle ? await parseVkey(options.vkey) : null;
  try {
    await check(url, options, key, result);
    result.state = 'verified';
  } catch (problem) {
    if (!(problem instanceof Misfit || problem instanceof Unseen)) throw problem;
    result.reason = problem.message;
    result.state = problem instanceof Misfit ? 'failed' : 'unchecked';
  }
  return result;
}

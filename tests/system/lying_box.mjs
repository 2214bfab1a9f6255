// A box made of a few lines: it keeps an honest ledger of what it is given, signed with a key of its own, and then lies as it is told to, which
// a real box can not be made to do. For the tests of those who check ledgers.
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import * as tlog from './tlog.mjs';

const sha256 = (...pieces) => pieces.reduce((hash, piece) => hash.update(piece), createHash('sha256')).digest();
const none = 0xffffffffffffffffn;

export class Key {
  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const bytes = Buffer.concat([Buffer.of(1), publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)]);
    this.secret = privateKey;
    this.name = `pixpop-${sha256(bytes.subarray(1)).toString('hex').slice(0, 8)}.local/ledger`;
    this.id = sha256(`${this.name}\n`, bytes).subarray(0, 4);
    this.vkey = `${this.name}+${this.id.toString('hex')}+${bytes.toString('base64')}`;
  }

  signNote(text) {
    return `${text}\n\u2014 ${this.name} ${Buffer.concat([this.id, sign(null, Buffer.from(text), this.secret)]).toString('base64')}\n`;
  }
}

export class Ledger {
  constructor(key = new Key()) {
    this.key = key;
    this.entries = [];  // {bytes, salt, subject, leaf}
  }

  // Another ledger of the same key with the same entries up to `size`.
  fork(size) {
    const other = new Ledger(this.key);
    other.entries = this.entries.slice(0, size);
    return other;
  }

  add(kind, lines, refers = none) {
    const subject = Buffer.from(`pixpop ${kind}\n${Object.entries(lines).map(([name, value]) => `${name} ${value}\n`).join('')}`);
    const salt = randomBytes(16), bytes = Buffer.alloc(tlog.entryBytes);
    bytes[0] = 1;
    bytes[1] = tlog.kinds[kind];
    bytes.writeBigUInt64BE(BigInt(1_700_000_000 + this.entries.length), 2);
    bytes.writeBigUInt64BE(refers, 10);
    bytes.writeBigUInt64BE(none, 18);
    const committed = tlog.commitTo(bytes, salt, subject);
    this.entries.push({ bytes: committed, salt, subject, leaf: tlog.hashLeaf(committed) });
    return this.entries.length - 1;
  }

  put(bytes, changes = {}) {
    return this.add('put', { tenant: 'default', original: tlog.digestOf(bytes), bytes: bytes.length, root: tlog.blocksRoot(bytes).toString('base64url'), ...changes });
  }

  derive(original, recipe, bytes, changes = {}) {
    return this.add('derive', {
      tenant: 'default', original, recipe, render: 1, variant: tlog.digestOf(bytes), bytes: bytes.length, root: tlog.blocksRoot(bytes).toString('base64url'), ...changes,
    });
  }

  get leaves() { return this.entries.map(({ leaf }) => leaf); }

  checkpoint(size = this.entries.length) {
    return this.key.signNote(`${this.key.name}\n${size}\n${tlog.rootOf(this.leaves.slice(0, size)).toString('base64')}\n`);
  }

  proof(index, size = this.entries.length) {
    const { bytes, salt, subject } = this.entries[index];
    const path = tlog.pathOf(this.leaves.slice(0, size), index).map((node) => `${node.toString('base64')}\n`).join('');
    return `c2sp.org/tlog-proof@v1\nextra ${Buffer.concat([bytes, salt, subject]).toString('base64')}\nindex ${index}\n${path}\n${this.checkpoint(size)}`;
  }

  // "0/x001/002.p/3"
  tile(name) {
    const [, level, groups, width] = name.match(/^(\d+)\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d+))?$/);
    const begin = Number(groups.replace(/[x/]/g, '')) * 256;
    let hashes = this.leaves;
    for (let i = 0; i < Number(level); i++) hashes = Array.from({ length: Math.floor(hashes.length / 256) }, (_, n) => tlog.rootOf(hashes.slice(n * 256, (n + 1) * 256)));
    const part = hashes.slice(begin, begin + Number(width ?? 256));
    return part.length === Number(width ?? 256) ? Buffer.concat(part) : null;
  }

  // The newest entry that puts or derives the object: with a query "original=ID&RECIPE" the one that it is about.
  find(digest, query) {
    const [, wanted, options] = query?.match(/^original=([\w-]{43})&?(.*)$/) ?? [];
    return this.entries.findLastIndex(({ subject }) => {
      const { what, original, variant, recipe } = tlog.parseSubject(subject);
      const isMeant = (!wanted || original === wanted) && (!options || recipe === options);
      return isMeant && ((what === 'put' && original === digest) || (what === 'derive' && variant === digest));
    });
  }
}

export class LyingBox {
  constructor() {
    this.ledger = new Ledger();
    this.originals = new Map();  // id -> {bytes, name, variants: Map of recipe -> bytes}
    this.state = 'running';
    this.lie = (path, body) => body;  // may return something else, null for 404, a number for that status, or 'cut'
    this.fields = () => ({});  // more fields of the reply to a path
    this.grows = false;  // somebody else's entries come in between
    this.asked = [];
  }

  put(bytes, name) {
    const id = tlog.digestOf(bytes);
    this.originals.set(id, { bytes, name, variants: new Map() });
    this.ledger.put(bytes);
    return id;
  }

  derive(id, recipe, bytes) {
    this.originals.get(id).variants.set(recipe, bytes);
    this.ledger.derive(id, recipe, bytes);
  }

  // As a box has it: the newest first.
  page(query) {
    const all = [...this.originals].map(([id, { name, bytes }], i) => ({ id, bytes: bytes.length, created_s: 1_700_000_000 + i, metadata: { name, tags: [] } })).reverse();
    const begin = query.has('after') ? all.findIndex(({ id }) => query.get('after').endsWith(`.${id}`)) + 1 : 0;
    const end = begin + Number(query.get('limit') ?? 100), last = all[end - 1];
    return { items: all.slice(begin, end), next: end < all.length ? `${last.created_s}.${last.id}` : null };
  }

  answer(path) {
    const [, kind, id, rest] = path.match(/^\/(api\/v1\/originals|i)\/([\w-]{43})(.*)$/) ?? [];
    const original = this.originals.get(id);
    if (path === '/api/v1/status') return { tenant: 'default', ledger: { state: this.state, vkey: this.ledger.key.vkey, reason: 'the root is wrong' }, store: {} };
    if (path.startsWith('/api/v1/originals?')) return this.page(new URLSearchParams(path.split('?')[1]));
    if (kind && !original) return null;
    if (kind === 'i') return original.variants.get(rest.slice(1)) ?? null;
    if (rest === '/content') return original.bytes;
    if (rest === '') return { id, variants: [...original.variants].map(([recipe, bytes]) => ({ recipe, bytes: bytes.length, sha256: tlog.digestOf(bytes) })) };
    if (path === '/ledger/checkpoint') return this.ledger.checkpoint();
    if (path.startsWith('/ledger/tile/')) return this.ledger.tile(path.slice('/ledger/tile/'.length));
    const index = path.startsWith('/ledger/proof/') ? this.ledger.find(...path.slice('/ledger/proof/'.length).split('?')) : -1;
    if (index >= 0 && this.grows) this.ledger.add('config', { settings: tlog.digestOf(''), version: '1' });
    return index < 0 ? null : this.ledger.proof(index);
  }

  async start() {
    this.server = http.createServer((request, reply) => {
      this.asked.push(request.url);
      let body = this.answer(request.url);
      if (body !== null && !Buffer.isBuffer(body) && typeof body !== 'string') body = JSON.stringify(body);
      body = this.lie(request.url, body === null ? null : Buffer.from(body));
      if (body === 'cut') return request.socket.destroy();
      const status = body === null ? 404 : typeof body === 'number' ? body : 200;
      reply.writeHead(status, { ...this.fields(request.url), 'content-type': request.url.startsWith('/api') ? 'application/json' : 'application/octet-stream' });
      reply.end(status === 200 ? body : '{}');
    });
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

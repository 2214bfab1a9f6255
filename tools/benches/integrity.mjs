// integrity BIN OUT.json [ROUNDS [PART]]: what it costs that every stored byte is proven. BIN holds the box, the same box without the
// checks of what it reads from disk (unchecked/), and the programs of tools/benches/integrity. With PART only the rows whose name
// begins so.
//
// verify: MB/s of `pixpop verify --offline` over the data folder of a box that was stopped, some hundred MB of originals with their
// variants: signature, consistency, inclusion, digests and trees of everything. The peer is one `sha256sum` of the same bytes: of the
// originals' files and of the variants' and levels' records, each read once, all from the page cache.
// delta/EDIT: bytes on the wire; see integrity/delta.mjs.
// overhead/ram-hit, overhead/disk-hit: requests a second of 30 KB variants over HTTP/1.1, 32 connections, by wrk, of a box as it comes
// and of one with checks, ledger and scrubber off. They are the same program but for the two checks of trailer and blocks, which
// the linker has replaced in the peer; a record's head is believed by its digest in both, as it was before there were trees.
// In RAM are all of the variants, or so few that each request is read from disk: from the page cache, so that the reading hides
// nothing of the checks. The store's own counters say that it was so.
// overhead/disk-read/KB: us of such a read in the store alone, where no HTTP hides anything.
// ROUNDS (5) are interleaved; medians.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { deltaRows } from './integrity/delta.mjs';
import { median, report, request, startBox } from './lib.mjs';

const run = promisify(execFile);
const parts = join(dirname(fileURLToPath(import.meta.url)), 'integrity');
const photos = '/usr/share/backgrounds';
const load = { variants: 100, bytes: 30 * 1024, connections: 32, seconds: 3 };
const verified = { originals: 6, width: 6000, height: 4000, variants: 10 };
const diskReads = { sizesKb: [30, 200], variants: 300, seconds: 1 };

const metric = (text, name) => Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (\\d+)`, 'm').exec(text)?.[1] ?? 0);

async function upload(box, bytes) {
  const stored = await request(`${box.console}/api/v1/originals?name=picture`, {
    method: 'POST', headers: { authorization: `Bearer ${box.token}`, 'content-type': 'application/octet-stream' }, body: bytes,
  });
  if (stored.status !== 201) throw new Error(`upload: status ${stored.status} ${stored.body}`);
  return JSON.parse(stored.body)[0].id;
}

async function fetchVariant(box, path, agent) {
  const reply = await request(box.delivery + path, { agent });
  if (reply.status !== 200) throw new Error(`${path}: status ${reply.status} ${reply.body}`);
  return reply.body;
}

// --- overhead ---

const unchecked = (bin) => join(bin, 'unchecked');
const theBox = (bin) => join(bin, 'pixpop/bin');
const loadSettings = ['delivery.avif=off', 'delivery.connections_per_client=0', 'delivery.loops=1'];

// Variants of about the wanted size; writes the list of their paths for wrk.
async function makeVariants(box, list) {
  const photo = readdirSync(photos).filter((name) => name.endsWith('.jpg')).sort()[0];
  const id = await upload(box, readFileSync(join(photos, photo)));
  const pathOf = (w, q) => `/i/${id}?w=${w}&dpr=1&fm=webp&q=${q}`;
  let low = 64, high = 2000;
  while (low < high) {
    const w = (low + high) >> 1;
    if ((await fetchVariant(box, pathOf(w, 80))).length < load.bytes) low = w + 1;
    else high = w;
  }
  const paths = Array.from({ length: load.variants }, (_, i) => pathOf(low - 50 + Math.floor(i / 3), 79 + i % 3));
  const agent = new http.Agent({ keepAlive: true });
  let bytes = 0;
  for (const path of paths) bytes += (await fetchVariant(box, path, agent)).length;
  agent.destroy();
  writeFileSync(list, paths.join('\n'));
  return bytes / paths.length;
}

async function runWrk(box, list) {
  const { stdout } = await run('wrk', ['-t1', `-c${load.connections}`, `-d${load.seconds}s`, '-s', join(parts, 'cycle.lua'), box.delivery, '--', list]);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout);
  return { requests: Number(/(\d+) requests in/.exec(stdout)[1]), rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)[1]) };
}

// How many variants were read from disk.
async function countReads(box) {
  const { body } = await request(`${box.console}/metrics`, { headers: { authorization: `Bearer ${box.token}` } });
  return metric(body.toString(), 'pixpop_store_variant_gets_total{result="hit"}');
}

async function hitRate(box, list, isFromDisk) {
  const before = await countReads(box);
  const { requests, rate } = await runWrk(box, list);
  const reads = await countReads(box) - before;
  if (isFromDisk ? reads < 0.9 * requests : reads > load.variants) throw new Error(`${reads} of ${requests} requests came from disk`);
  return rate;
}

async function overheadRow(bin, name, ram, rounds, folder) {
  const settings = [...loadSettings, `cache.ram=${ram}`];
  const boxes = [
    await startBox(theBox(bin), settings),
    await startBox(unchecked(bin), [...settings, 'ledger.on=off', 'scrub.on=off', `decoder.path=${join(theBox(bin), 'decoder')}`]),
  ];
  const lists = boxes.map((_, i) => join(folder, `${name}-${i}`));
  const results = [[], []];
  try {
    for (const [i, box] of boxes.entries()) {
      const bytes = await makeVariants(box, lists[i]);
      if (i === 0) console.log(`overhead/${name}: ${load.variants} variants of ${Math.round(bytes)} bytes on average`);
      await runWrk(box, lists[i]);
    }
    for (let round = 0; round < rounds; round++) {
      for (const [i, box] of boxes.entries()) results[i].push(await hitRate(box, lists[i], name === 'disk-hit'));
    }
  } finally {
    for (const box of boxes) await box.stop();
  }
  const [ours, peer] = results.map(median);
  return { metric: `overhead/${name}`, unit: 'req/s', ours, peer, peer_name: 'checks-off', higherIsBetter: true };
}

async function diskReadRow(bin, kb, rounds) {
  const results = { store_reads: [], store_reads_unchecked: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [program, values] of Object.entries(results)) {
      const { stdout } = await run(join(bin, program), [String(kb), String(diskReads.variants), String(diskReads.seconds)]);
      values.push(JSON.parse(stdout).us);
    }
  }
  return {
    metric: `overhead/disk-read/${kb}`, unit: 'us', ours: median(results.store_reads), peer: median(results.store_reads_unchecked),
    peer_name: 'checks-off', higherIsBetter: false,
  };
}

// --- verify ---

// A large picture that is quickly decoded and like no other one.
function pixmap(seed) {
  const { width, height } = verified;
  const head = Buffer.from(`P6\n${width} ${height}\n255\n`);
  const pixels = Buffer.alloc(3 * width * height);
  let state = seed * 2654435761 >>> 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0, at = 3 * width * y; x < width; x++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      pixels[at++] = (x >> 4) + (state >>> 30);
      pixels[at++] = (y >> 4) + seed;
      pixels[at++] = (x + y) >> 5;
    }
  }
  return Buffer.concat([head, pixels]);
}

function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

async function fillStore(bin, folder) {
  const box = await startBox(theBox(bin), ['delivery.avif=off'], { folder });
  try {
    for (let i = 0; i < verified.originals; i++) {
      const id = await upload(box, pixmap(i + 1));
      for (let k = 0; k < verified.variants; k++) await fetchVariant(box, `/i/${id}?w=${300 + 100 * k}&dpr=1&fm=webp&q=80`);
    }
  } finally {
    await box.stop();
  }
  const store = join(folder, 'store');
  const originals = filesOf(join(store, 'originals')).filter((file) => !/\.(rec|tree)$/.test(file));
  return [...originals, ...filesOf(join(store, 'variants'))];
}

async function verifyRow(bin, rounds, folder) {
  const data = join(folder, 'data');
  mkdirSync(data);
  const files = await fillStore(bin, data);
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  console.log(`verify: ${files.length} files, ${Math.round(bytes / 1e6)} MB`);
  const timed = async (program, args) => {
    const start = process.hrtime.bigint();
    await run(program, args, { maxBuffer: 2 ** 24 });
    return bytes / Number(process.hrtime.bigint() - start) * 1e3;  // MB/s
  };
  const verify = () => timed(join(theBox(bin), 'pixpop'), ['verify', '--offline', data, '--state', join(folder, 'state')]);
  const sums = () => timed('sha256sum', ['--', ...files]);
  const results = { ours: [], peer: [] };
  for (let round = -1; round < rounds; round++) {  // the first one fills the page cache
    const [ours, peer] = [await verify(), await sums()];
    if (round < 0) continue;
    results.ours.push(ours);
    results.peer.push(peer);
  }
  rmSync(data, { recursive: true });
  return { metric: 'verify', unit: 'MB/s', ours: median(results.ours), peer: median(results.peer), peer_name: 'sha256sum', higherIsBetter: true };
}

// --- all of it ---

const [bin, out, rounds = '5', part = ''] = process.argv.slice(2);
const isWanted = (name) => name.startsWith(part) || part.startsWith(`${name}/`);
const folder = mkdtempSync(join(tmpdir(), 'pixpop-integrity-'));
const rows = [];
try {
  if (isWanted('verify')) rows.push(await verifyRow(bin, Number(rounds), folder));
  if (isWanted('delta')) rows.push(...await deltaRows(theBox(bin)));
  if (isWanted('overhead/ram-hit')) rows.push(await overheadRow(bin, 'ram-hit', '256M', Number(rounds), folder));
  if (isWanted('overhead/disk-hit')) rows.push(await overheadRow(bin, 'disk-hit', '1M', Number(rounds), folder));
  for (const kb of diskReads.sizesKb) {
    if (isWanted(`overhead/disk-read/${kb}`)) rows.push(await diskReadRow(bin, kb, Number(rounds)));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`load average ${loadavg()[0].toFixed(1)}`);
report(rows.filter(({ metric: name }) => name.startsWith(part)), out, { mean: false });

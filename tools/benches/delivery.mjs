// delivery BIN OUT.json [ROUNDS [PART]]: how fast cached variants go out, pixpop beside nginx and varnish, each with the same bytes on
// the same cores. With PART only the rows whose name begins so, such as plain/30.
//
// plain/KB/CONNECTIONS: variants of about 4, 30 and 200 KB over HTTP/1.1, keep-alive, by wrk. The peers are nginx serving files
// (nginx-static), nginx with proxy_cache in front of that (nginx-proxy), and varnish with its malloc storage, also in front of it.
// tls/KB/CONNECTIONS: the same over HTTPS, by h2load, which opens its connections before the clock runs. The peer is nginx-static with
// OpenSSL; varnish has no TLS. Certificates are of the same kind (P-256); the run prints what each side agreed on with the client.
// h2/KB/CONNECTIONS, h2c/KB/32: HTTP/2 with ten requests at once on a connection, over TLS and without; peer nginx-static.
// Opening 2,000 connections with TLS takes seconds, so these rows have at most three rounds.
// zipf/CONNECTIONS: 10,000 variants, several times larger than the RAM for them (cache.ram, and varnish's storage), asked for by
// Zipf's law. What is not in RAM comes from disk, for varnish from its origin.
//
// Each case has a row for requests a second, p50 and p99 of the latency (ms, with the connections always busy), and processor time a
// request of all of the server's processes (us). memory/GROUP rows: MB of resident memory of the server after its largest case; what
// processes share counts once, and the box has a renderer and a decoder in it. ROUNDS (5) are interleaved; medians.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import http from 'node:http';
import { h2load, makeCertificate, residentMb, startNginxProxy, startNginxStatic, startVarnish, wrk, wrkZipf } from './lib_delivery.mjs';
import { geometricMean, median, report, request, startBox } from './lib.mjs';

const photos = '/usr/share/backgrounds';
const sizesKb = [4, 30, 200];
const connectionCounts = [32, 256, 2000];
const streams = 10;
const seconds = 2;
const zipf = { variants: 10000, connections: 64, seconds: 4, ramMb: 16, photos: 5 };
const measures = {
  rate: { unit: 'req/s', suffix: '', higherIsBetter: true },
  p50_ms: { unit: 'ms', suffix: '/p50', higherIsBetter: false },
  p99_ms: { unit: 'ms', suffix: '/p99', higherIsBetter: false },
  cpu_us: { unit: 'us', suffix: '/cpu', higherIsBetter: false },
};
const boxSettings = (workers) => [
  `delivery.loops=${workers}`, 'delivery.connections_per_client=0', 'delivery.tls_listen=127.0.0.1:0', 'delivery.avif=off',
  'delivery.handshake_timeout_ms=60000',  // as nginx has it: thousands come at the same moment here
];

// --- what is served ---

async function upload(box, file) {
  const stored = await request(`${box.console}/api/v1/originals?name=photo.jpg`, {
    method: 'POST', headers: { authorization: `Bearer ${box.token}`, 'content-type': 'application/octet-stream' }, body: readFileSync(file),
  });
  if (stored.status !== 201) throw new Error(`upload: status ${stored.status} ${stored.body}`);
  return JSON.parse(stored.body)[0].id;
}

async function fetchVariant(box, path, agent) {
  const reply = await request(box.delivery + path, { agent });
  if (reply.status !== 200) throw new Error(`${path}: status ${reply.status} ${reply.body}`);
  return reply.body;
}

// The variant whose size is nearest to `bytes`, found by bisecting the width.
async function findVariant(box, id, bytes) {
  let low = 16, high = 3000, best = null;
  while (low <= high) {
    const w = (low + high) >> 1;
    const path = `/i/${id}?w=${w}&dpr=1&fm=webp&q=80`;
    const body = await fetchVariant(box, path);
    if (!best || Math.abs(body.length - bytes) < Math.abs(best.body.length - bytes)) best = { path, body };
    if (body.length < bytes) low = w + 1;
    else high = w - 1;
  }
  return best;
}

async function makeVariants(box, _folder, files) {
  const id = await upload(box, join(photos, 'aitzgorri_by_Aitzol_Berasategi.jpg'));
  const variants = {};
  for (const kb of sizesKb) {
    const { path, body } = await findVariant(box, id, kb * 1024);
    writeFileSync(join(files, `${kb}.webp`), body);
    variants[kb] = path;
    console.log(`${kb} KB: ${body.length} bytes, ${path.split('?')[1]}`);
  }
  return variants;
}

// Thousands of small variants in an order that has nothing to do with their sizes; writes the lists of paths for wrk.
async function makeManyVariants(box, folder, files) {
  const names = readdirSync(photos).filter((name) => name.endsWith('.jpg')).sort().slice(0, zipf.photos);
  const ids = [];
  for (const name of names) ids.push(await upload(box, join(photos, name)));
  const wanted = [];
  for (let i = 0; i < zipf.variants; i++) {
    const width = 96 + 2 * (Math.floor(i / zipf.photos) % 100), quality = 60 + 2 * Math.floor(i / zipf.photos / 100);
    wanted.push(`/i/${ids[i % zipf.photos]}?w=${width}&dpr=1&fm=webp&q=${quality}`);
  }
  // A multiplicative order: 7919 is prime and no divisor of the number.
  const paths = wanted.map((_, i) => wanted[i * 7919 % wanted.length]);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  let next = 0, bytes = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (next < paths.length) {
      const i = next++;
      const body = await fetchVariant(box, paths[i], agent);
      bytes += body.length;
      writeFileSync(join(files, `z${i}.webp`), body);
    }
  }));
  agent.destroy();
  console.log(`zipf: ${paths.length} variants, ${Math.round(bytes / 2 ** 20)} MB, with ${zipf.ramMb} MB of RAM for them`);
  writeFileSync(join(folder, 'zipf-box'), paths.join('\n'));
  writeFileSync(join(folder, 'zipf-peers'), paths.map((_, i) => `/z${i}.webp`).join('\n'));
}

// --- the cases: {name, servers, run(server, round)} ---

const urlOf = (server, base, variants, kb) => server[base] + (server.name === 'pixpop' ? variants[kb] : `/${kb}.webp`);

const plainCases = (servers, variants) => sizesKb.flatMap((kb) => connectionCounts.map((connections) => ({
  name: `plain/${kb}/${connections}`, servers, rounds: Infinity,
  run: (server) => wrk(server, connections, seconds, urlOf(server, 'url', variants, kb)),
})));

// Handshakes come first, and there are 2,000 of them in a case.
const h2loadCases = (group, servers, variants, base, atOnce, counts) => sizesKb.flatMap((kb) => counts.map((connections) => ({
  name: `${group}/${kb}/${connections}`, servers, rounds: connections > 1000 ? 3 : Infinity,
  run: (server) => h2load(server, connections, atOnce, seconds, connections > 1000 ? 7 : connections > 100 ? 2 : 1, urlOf(server, base, variants, kb)),
})));

// Rounds over all cases. Who begins changes with every round, so that nobody always runs after the same one.
async function runCases(cases, rounds) {
  const peaks = {}, ciphers = {};
  for (const one of cases) one.results = Object.fromEntries(one.servers.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, servers, rounds: most, run, results } of cases) {
      if (round >= most) continue;
      for (let i = 0; i < servers.length; i++) {
        const server = servers[(i + round) % servers.length];
        const result = await run(server, round);
        results[server.name].push(result);
        peaks[server.name] = Math.max(peaks[server.name] ?? 0, result.memory_mb);
        if (result.cipher) ciphers[`${name.split('/')[0]}: ${server.name}: ${result.cipher}`] = true;
      }
    }
    console.log(`${cases[0].name.split('/')[0]}...: round ${round + 1} of ${rounds}`);
  }
  for (const line of Object.keys(ciphers)) console.log(line);
  return { cases, peaks };
}

function rowsOf({ cases, peaks }, memoryName) {
  const rows = [];
  for (const { name, servers, results } of cases) {
    for (const peer of servers.slice(1)) {
      const of = (server, key) => median(results[server].map((result) => result[key]));
      if (of('pixpop', 'rate') === 0 || of(peer.name, 'rate') === 0) {
        console.log(`${name}: no row for ${peer.name}: the machine was too busy to answer anything in time`);
        continue;
      }
      for (const [key, { unit, suffix, higherIsBetter }] of Object.entries(measures)) {
        rows.push({ metric: name + suffix, unit, ours: of('pixpop', key), peer: of(peer.name, key), peer_name: peer.name, higherIsBetter });
      }
    }
  }
  for (const [name, peak] of Object.entries(peaks)) {
    if (name !== 'pixpop') rows.push({ metric: memoryName, unit: 'MB', ours: peaks.pixpop, peer: peak, peer_name: name, higherIsBetter: false });
  }
  return rows;
}

// --- two settings: everything in RAM, and much more than RAM ---

async function withServers(bin, settings, ramMb, prepare, use) {
  const workers = availableParallelism?.() ?? cpus().length;
  const folder = mkdtempSync(join(tmpdir(), 'pixpop-delivery-')), files = join(folder, 'files');
  const started = [];
  const start = async (server) => { started.unshift(await server); return started[0]; };
  try {
    mkdirSync(files);
    mkdirSync(join(folder, 'pixpop'));
    makeCertificate(folder);
    const box = await start(startBox(bin, [...boxSettings(workers), ...settings]));
    const made = await prepare(box, folder, files);
    const nginx = await start(startNginxStatic(join(folder, 'static'), workers, folder, files));
    const proxy = await start(startNginxProxy(join(folder, 'proxy'), workers, folder, nginx.url));
    const varnish = await start(startVarnish(join(folder, 'varnish'), nginx.url, ramMb));
    const pixpop = { name: 'pixpop', pid: box.pid, folder: join(folder, 'pixpop'), url: box.delivery, h2c: box.delivery, tls: box.delivery_tls };
    const servers = [pixpop, nginx, proxy, varnish];
    for (const server of servers) server.zipf = join(folder, server === pixpop ? 'zipf-box' : 'zipf-peers');
    return await use(servers, made);
  } finally {
    for (const server of started) await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function benchHits(bin, rounds, isWanted) {
  if (!['plain/', 'tls/', 'h2/', 'h2c/', 'memory'].some(isWanted)) return [];
  return withServers(bin, [], 256, makeVariants, async (servers, variants) => {
    const two = servers.slice(0, 2), rows = [];
    const idle = Object.fromEntries(servers.map(({ name, pid }) => [name, residentMb(pid)]));
    for (const cases of [
      plainCases(servers, variants),
      h2loadCases('tls', two, variants, 'tls', 0, connectionCounts),
      h2loadCases('h2', two, variants, 'tls', streams, connectionCounts),
      h2loadCases('h2c', two, variants, 'h2c', streams, [32]),
    ]) {
      const chosen = cases.filter(({ name }) => isWanted(name));
      if (chosen.length === 0) continue;
      const group = chosen[0].name.split('/')[0];
      rows.push(...rowsOf(await runCases(chosen, rounds), `memory/${group}`));
    }
    for (const { name } of servers.slice(1)) {
      rows.push({ metric: 'memory/idle', unit: 'MB', ours: idle.pixpop, peer: idle[name], peer_name: name, higherIsBetter: false });
    }
    return rows;
  });
}

async function benchZipf(bin, rounds, isWanted) {
  const name = `zipf/${zipf.connections}`;
  if (!isWanted(name)) return [];
  return withServers(bin, [`cache.ram=${zipf.ramMb}M`], zipf.ramMb, makeManyVariants, async (servers) => {
    // Once through, so that every cache is as full as it gets.
    for (const server of servers) await wrkZipf(server, zipf.connections, zipf.seconds, 99);
    const run = (server, round) => wrkZipf(server, zipf.connections, zipf.seconds, round);
    return rowsOf(await runCases([{ name, servers, rounds: Infinity, run }], rounds), 'memory/zipf');
  });
}

// One line for each kind of connection, measure and peer.
function printMeans(rows) {
  const groups = new Map();
  for (const row of rows) {
    const [group, ...rest] = row.metric.split('/');
    if (group === 'memory') continue;
    const measure = Object.values(measures).find(({ suffix }) => suffix && row.metric.endsWith(suffix)) ?? measures.rate;
    const key = `${group.padEnd(6)} ${(measure.suffix.slice(1) || 'req/s').padEnd(6)} ${row.peer_name}`;
    if (rest.length === 0) continue;
    groups.set(key, [...groups.get(key) ?? [], row.higherIsBetter ? row.ours / row.peer : row.peer / row.ours]);
  }
  console.log('geometric means (above 1: pixpop is better), and the worst row');
  const number = (ratio) => ratio.toFixed(2).padStart(6);
  for (const [key, ratios] of groups) console.log(`  ${key.padEnd(30)} ${number(geometricMean(ratios))} ${number(Math.min(...ratios))}`);
}

async function main() {
  const [bin, out, rounds = '5', part = ''] = process.argv.slice(2);
  // Also for a group of rows that a longer PART names one of.
  const isWanted = (name) => name.startsWith(part) || (name.endsWith('/') && part.startsWith(name)) || part.startsWith(`${name}/`);
  const rows = [...await benchHits(bin, Number(rounds), isWanted), ...await benchZipf(bin, Number(rounds), isWanted)]
    .filter(({ metric }) => metric.startsWith(part) || metric.startsWith('memory/'));
  if (rows.length === 0) throw new Error(`no row begins with '${part}'`);
  console.log(`load average ${loadavg()[0].toFixed(1)}`);
  report(rows, out, { mean: false });
  printMeans(rows);
}

main().catch((error) => { console.error(`bench delivery: ${error.message}`); process.exit(1); });

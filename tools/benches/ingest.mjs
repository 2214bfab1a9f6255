// ingest BIN OUT.json [ROUNDS [PART]]: how fast pictures come in. BIN holds the box and the programs of tools/benches/ingest. With PART
// only the rows whose name begins so, such as upload/tus/1.
//
// upload/tus/N, upload/multipart/N: MB/s over N connections, on loopback without TLS. One connection brings three photographs of
// 60 to 94 MB one after the other, 64 bring 64 different JPEGs of 4 to 7 MB at once. tus goes in chunks of 5 MiB, each on the disk
// before it is acknowledged. The peers are @tus/server with its file store (from npm; fsync after each chunk is added, since the
// file store does none) and nginx's WebDAV module (PUT; it does no fsync at all). All servers are fed by the same client
// (ingest/push.c), in interleaved rounds; medians. The peers look at no picture, the box inspects and decodes each one: so there
// are two rows a case. The plain one is the time for the bytes (tus: all but a file's last byte is acknowledged; multipart: the
// last byte has been handed to the kernel), the one with /checked goes on to the last answer, which stands for a picture that was
// decoded and committed.
//
// upload/*/memory: KiB of resident memory a connection, of 256 that have sent half of their first chunk (of their file where there
// are no chunks); all processes of a server together.
// inspect/KIND: MB/s of the inspection report beside `sha256sum` on the same file, and beside the box's own SHA-256.
// sandbox/FILE: ms of a decode by a warm worker beside the same decode in process, 12 megapixels; /overhead: what the sandbox adds to
// a decode of half a megapixel, where it can be seen, beside the target.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort, median, report, request, startBox, startNginx } from './lib.mjs';

const parts = join(dirname(fileURLToPath(import.meta.url)), 'ingest');
const python = '/usr/bin/python3';  // Debian's own, which has python3-pil and python3-numpy
const run = promisify(execFile);
const streamCounts = [1, 64];
const heldConnections = 256;

// --- what is uploaded ---

function preparePictures(folder) {
  console.log(`bench: photographs in ${folder} (made once, some minutes)`);
  execFileSync(python, [join(parts, 'pictures.py'), folder], { stdio: 'inherit' });
  const list = (name) => readdirSync(join(folder, name)).sort().map((file) => join(folder, name, file));
  return { 1: list('large'), 64: list('many'), kinds: list('kinds'), small: list('small') };
}

function installPeers(folder) {
  const lock = join(parts, 'peers/package-lock.json'), stamp = join(folder, 'node_modules/.pixpop-lock');
  mkdirSync(folder, { recursive: true });
  for (const name of ['package.json', 'package-lock.json', '.npmrc', 'tus_server.mjs']) copyFileSync(join(parts, 'peers', name), join(folder, name));
  if (existsSync(stamp) && readFileSync(stamp).equals(readFileSync(lock))) return;
  console.log(`bench: installing @tus/server into ${folder}`);
  execFileSync('npm', ['ci', '--omit=optional', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  copyFileSync(lock, stamp);
}

// --- the servers: {ways: {way: [port, path, header]}, pids(), clean(), stop()} ---

async function startPixpop(bin) {
  const box = await startBox(join(bin, 'pixpop/bin'), ['console.connections_per_client=10000']);
  const port = Number(new URL(box.console).port), header = `Authorization: Bearer ${box.token}`;
  const headers = { authorization: `Bearer ${box.token}` };
  return {
    ways: { tus: [port, '/api/v1/uploads', header], multipart: [port, '/api/v1/originals', header] },
    pid: box.pid,
    // The same pictures come again in the next round, and must not be known by then.
    async clean() {
      const list = async (what) => JSON.parse((await request(`${box.console}/api/v1/${what}`, { headers })).body).items;
      const remove = (what, id) => request(`${box.console}/api/v1/${what}/${id}`, { method: 'DELETE', headers: { ...headers, 'tus-resumable': '1.0.0' } });
      for (let items = await list('originals'); items.length > 0; items = await list('originals')) {
        for (const { id } of items) await remove('originals', id);
      }
      // One whose client has just left may be locked for a moment.
      for (let items = await list('uploads'); items.length > 0; items = await list('uploads')) {
        for (const { id } of items) await remove('uploads', id);
      }
    },
    stop: box.stop,
  };
}

const emptyFolder = (folder) => { for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true }); };

async function startTusServer(peers, folder) {
  mkdirSync(folder);
  const child = spawn(process.execPath, [join(peers, 'tus_server.mjs'), folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const [text] = await Promise.race([once(child.stdout, 'data'), ended]);
  const port = Number(/port (\d+)/.exec(text)?.[1]);
  if (!port) throw new Error('@tus/server ended');
  return {
    ways: { tus: [port, '/files', ''] }, pid: child.pid, clean: () => emptyFolder(folder),
    stop: () => { child.kill('SIGTERM'); return ended; },
  };
}

async function startDav(folder) {
  mkdirSync(join(folder, 'files'), { recursive: true });
  const port = await freePort();
  // The body's temporary file lies on the same file system, so that it is renamed, not copied.
  const nginx = await startNginx(folder, port, availableParallelism?.() ?? cpus().length, `
  client_max_body_size 0;
  server { listen 127.0.0.1:${port} backlog=4096; root ${folder}/files; location / { dav_methods PUT; } }`);
  return { ways: { put: [port, '', ''] }, pid: nginx.pid, clean: () => emptyFolder(join(folder, 'files')), stop: nginx.stop };
}

// --- uploads ---

async function push(bin, server, way, streams, files) {
  const [port, path, header] = server.ways[way];
  const { stdout } = await run(join(bin, 'push'), [way, String(streams), '127.0.0.1', String(port), path, header, ...files]);
  await server.clean();
  const { bytes, received_s, done_s } = JSON.parse(stdout);
  return { received: bytes / received_s / 1e6, done: bytes / done_s / 1e6 };
}

// Every way to upload, and the peer's nearest one.
const ways = (servers) => [
  { name: 'tus', ours: 'tus', peer: servers.tus, way: 'tus', peer_name: '@tus/server+fsync' },
  { name: 'multipart', ours: 'multipart', peer: servers.nginx, way: 'put', peer_name: 'nginx-dav' },
];

async function benchUploads(bin, pictures, servers, rounds, isWanted) {
  const cases = streamCounts
    .flatMap((streams) => ways(servers).map((way) => ({ ...way, name: `upload/${way.name}/${streams}`, streams })))
    .filter(({ name }) => isWanted(name))
    .map((one) => ({ ...one, results: { received: { ours: [], peer: [] }, done: { ours: [], peer: [] } } }));
  for (let round = 0; round < rounds; round++) {
    for (const one of cases) {
      const ours = await push(bin, servers.pixpop, one.ours, one.streams, pictures[one.streams]);
      const peer = await push(bin, one.peer, one.way, one.streams, pictures[one.streams]);
      for (const part of ['received', 'done']) {
        one.results[part].ours.push(ours[part]);
        one.results[part].peer.push(peer[part]);
      }
    }
    if (cases.length > 0) console.log(`uploads: round ${round + 1} of ${rounds}`);
  }
  return cases.flatMap((one) => ['received', 'done'].map((part) => ({
    metric: part === 'done' ? `${one.name}/checked` : one.name, unit: 'MB/s',
    ours: median(one.results[part].ours), peer: median(one.results[part].peer), peer_name: one.peer_name, higherIsBetter: true,
  })));
}

// --- memory ---

function residentKib(pid) {
  const own = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return children.reduce((sum, child) => sum + residentKib(Number(child)), own);
}

// KiB a connection. The decoders of the box are asleep meanwhile.
async function memoryOf(bin, server, way, file) {
  const [port, path, header] = server.ways[way];
  const before = residentKib(server.pid);
  const child = spawn(join(bin, 'push'), [`hold-${way}`, String(heldConnections), '127.0.0.1', String(port), path, header, file], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const [text] = await Promise.race([once(child.stdout, 'data'), ended]);
  if (!/held/.test(text)) throw new Error('the client of the memory test ended');
  await new Promise((done) => setTimeout(done, 1000));
  const grown = residentKib(server.pid) - before;
  child.stdin.end();
  await ended;
  await server.clean();
  return grown / heldConnections;
}

async function benchMemory(bin, pictures, servers, isWanted) {
  const [file] = pictures[64];
  const rows = [];
  for (const { name, ours, peer, way, peer_name } of ways(servers)) {
    const metric = `upload/${name}/memory`;
    if (!isWanted(metric)) continue;
    const own = await memoryOf(bin, servers.pixpop, ours, file), other = await memoryOf(bin, peer, way, file);
    rows.push({ metric, unit: 'KiB', ours: Math.max(own, 1), peer: Math.max(other, 1), peer_name, higherIsBetter: false });
  }
  return rows;
}

// --- inspection and sandbox ---

function sha256sumSpeed(file) {
  const bytes = statSync(file).size, times = Math.max(1, Math.ceil(2e8 / bytes));
  const begin = performance.now();
  execFileSync('sha256sum', Array(times).fill(file), { stdio: 'ignore' });
  return (bytes * times) / (performance.now() - begin) / 1e3;
}

function benchInspection(bin, files, rounds, isWanted) {
  if (!isWanted('inspect/')) return [];
  const runs = files.map(() => ({ ours: [], hash: [], peer: [] }));
  for (let round = 0; round < rounds; round++) {
    files.forEach((file, i) => {
      const result = JSON.parse(execFileSync(join(bin, 'inspect_speed'), ['200', file], { encoding: 'utf8' }));
      runs[i].ours.push(result.inspect_mb_s);
      runs[i].hash.push(result.sha256_mb_s);
      runs[i].peer.push(sha256sumSpeed(file));
    });
  }
  return files.flatMap((file, i) => {
    const kind = file.split('.').pop(), ours = median(runs[i].ours);
    return [
      { metric: `inspect/${kind}`, unit: 'MB/s', ours, peer: median(runs[i].peer), peer_name: 'sha256sum', higherIsBetter: true },
      { metric: `inspect/${kind}/own-sha256`, unit: 'MB/s', ours, peer: median(runs[i].hash), peer_name: 'own SHA-256', higherIsBetter: true },
    ];
  });
}

function runSandbox(bin, times, files) {
  const text = execFileSync(join(bin, 'sandbox_overhead'), [join(bin, 'pixpop/bin/decoder'), String(times), ...files], { encoding: 'utf8' });
  return text.trim().split('\n').map((line) => JSON.parse(line));
}

function benchSandbox(bin, pictures, isWanted) {
  if (!isWanted('sandbox/')) return [];
  const targetMs = 2, noiseMs = 0.1;
  return [
    ...runSandbox(bin, 5, pictures.kinds).map(({ row, in_process_ms: inside, sandbox_ms: there }) => (
      { metric: row, unit: 'ms', ours: there, peer: inside, peer_name: 'no sandbox', higherIsBetter: false })),
    ...runSandbox(bin, 50, pictures.small).map(({ row, overhead_ms: more }) => (
      { metric: `${row}/overhead`, unit: 'ms', ours: Math.max(more, noiseMs), peer: targetMs, peer_name: 'target', higherIsBetter: false })),
  ];
}

async function benchServers(bin, pictures, peers, rounds, isWanted) {
  if (!isWanted('upload/')) return [];
  const folder = mkdtempSync(join(tmpdir(), 'pixpop-ingest-'));
  const servers = {};
  try {
    servers.pixpop = await startPixpop(bin);
    servers.tus = await startTusServer(peers, join(folder, 'tus'));
    servers.nginx = await startDav(join(folder, 'nginx'));
    return [
      ...await benchMemory(bin, pictures, servers, isWanted),
      ...await benchUploads(bin, pictures, servers, rounds, isWanted),
    ];
  } finally {
    for (const server of Object.values(servers)) await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main() {
  const [bin, out, rounds = '5', part = ''] = process.argv.slice(2);
  // Also for a group of rows that a longer PART names one of.
  const isWanted = (name) => name.startsWith(part) || (name.endsWith('/') && part.startsWith(name));
  const pictures = preparePictures(join(bin, 'pictures')), peers = join(bin, 'peers');
  installPeers(peers);
  const rows = [
    ...await benchServers(bin, pictures, peers, Number(rounds), isWanted),
    ...benchInspection(bin, pictures.kinds, Number(rounds), isWanted),
    ...benchSandbox(bin, pictures, isWanted),
  ].filter(({ metric }) => metric.startsWith(part));
  if (rows.length === 0) throw new Error(`no row begins with '${part}'`);
  console.log(`load average ${loadavg()[0].toFixed(1)}`);
  report(rows, out);
}

main().catch((error) => { console.error(`bench ingest: ${error.message}`); process.exit(1); });

// The servers that `bench delivery` compares, the programs that load them, and what they cost meanwhile.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort, request, startNginx } from './lib.mjs';

const run = promisify(execFile);
const zipfScript = join(dirname(fileURLToPath(import.meta.url)), 'delivery/zipf.lua');

// --- what a server costs ---

const children = (pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
const family = (pid) => [pid, ...children(pid).flatMap(family)];

// Seconds of processor time of a server's processes, in user and kernel mode.
function processorSeconds(pid) {
  const ticksASecond = 100;
  return family(pid).reduce((sum, one) => {
    const fields = readFileSync(`/proc/${one}/stat`, 'utf8').split(') ')[1].split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) / ticksASecond;
  }, 0);
}

// MB of resident memory of a server's processes; what several of them share counts once.
export function residentMb(pid) {
  return family(pid).reduce((sum, one) => (
    sum + Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/smaps_rollup`, 'utf8'))[1]) / 1024), 0);
}

// --- the load ---

const msOf = (text) => {
  const [, value, unit] = /^([\d.]+)(us|ms|s|m)$/.exec(text);
  return Number(value) * { us: 0.001, ms: 1, s: 1000, m: 60000 }[unit];
};

// Runs `load` on a server and adds what a request cost it.
async function metered(server, load) {
  const before = processorSeconds(server.pid);
  const result = await load();
  return { ...result, cpu_us: (processorSeconds(server.pid) - before) * 1e6 / result.requests, memory_mb: residentMb(server.pid) };
}

async function runWrk(server, args, seconds, connections, url) {
  const { stdout } = await run('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', ...args.before ?? [], url, ...args.after ?? []]);
  // With thousands of connections wrk's own two seconds may pass for one of them; that is a result, not a failure.
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout);
  if (/Non-2xx/.test(stdout) || (errors && errors.slice(1, 4).some((count) => count !== '0'))) throw new Error(`${server.name}: ${url}: ${stdout}`);
  return {
    requests: Number(/(\d+) requests in/.exec(stdout)[1]),
    rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)[1]),
    p50_ms: msOf(/ 50%\s+(\S+)/.exec(stdout)[1]),
    p99_ms: msOf(/ 99%\s+(\S+)/.exec(stdout)[1]),
  };
}

export const wrk = (server, connections, seconds, url) => metered(server, () => runWrk(server, {}, seconds, connections, url));

// Requests over the server's list of paths, which all servers are asked for in the same order.
export const wrkZipf = (server, connections, seconds, seed) => metered(server, () => (
  runWrk(server, { before: ['-s', zipfScript], after: ['--', server.zipf, String(seed)] }, seconds, connections, server.url)));

// Runs h2load and tells `mark` about the beginning and the end of the measured time; resolves with what it printed. Over TLS Debian's
// h2load does not always come to its end when time is up: by then its log is complete, and nothing else of it is needed.
async function runH2load(args, mark) {
  const patienceMs = 700;
  const child = spawn('h2load', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  let text = '';
  child.stdout.on('data', (chunk) => {
    const before = text;
    text += chunk;
    const isNew = (line) => text.includes(line) && !before.includes(line);
    if (isNew('Main benchmark duration is started')) mark('start');
    if (isNew('Main benchmark duration is over')) mark('end');
    if (isNew('Stopped all clients')) setTimeout(() => child.kill('SIGKILL'), patienceMs).unref();
  });
  await ended;
  return text;
}

// HTTP/2 with `streams` requests at once on a connection; with 0 HTTP/1.1. Connections are opened, with their handshakes, before the
// clock runs.
export async function h2load(server, connections, streams, seconds, warmSeconds, url) {
  const log = join(server.folder, 'h2load.log');
  rmSync(log, { force: true });
  const processor = {};
  const text = await runH2load([
    ...(streams > 0 ? ['-m', String(streams)] : ['--h1']), '-t', '1', '-c', String(connections), '-D', String(seconds),
    `--warm-up-time=${warmSeconds}`, `--log-file=${log}`, url,
  ], (what) => { processor[what] = processorSeconds(server.pid); });
  const lines = readFileSync(log, 'utf8').split('\n').filter(Boolean).map((line) => line.split('\t'));
  const answered = lines.filter(([, status]) => status === '200');
  // What it had asked for when time was up is cut off.
  if (lines.length - answered.length > connections * Math.max(streams, 1)) throw new Error(`${server.name}: ${url}: ${text}`);
  const times = answered.map(([, , time]) => Number(time)).sort((a, b) => a - b);
  return {
    requests: times.length, rate: times.length / seconds,
    p50_ms: (times[Math.floor(times.length * 0.5)] ?? 0) / 1000, p99_ms: (times[Math.floor(times.length * 0.99)] ?? 0) / 1000,
    cpu_us: (processor.end - processor.start) * 1e6 / times.length, memory_mb: residentMb(server.pid),
    cipher: [/TLS Protocol: (.*)/.exec(text)?.[1], /Cipher: (.*)/.exec(text)?.[1]].filter(Boolean).join(' '),
  };
}

// --- the servers: {name, pid, folder, url, [tls], stop()} ---

// A key on P-256, as the box makes its own.
export function makeCertificate(folder) {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj', '/CN=localhost',
    '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'certificate.pem')], { stdio: 'ignore' });
}

// What both kinds of nginx have in common. Files stay open, nothing is logged, connections are never closed.
const nginxHttp = `
  sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_timeout 600s; keepalive_requests 1000000000;
  open_file_cache max=20000 inactive=600s; open_file_cache_valid 600s;
  types { image/webp webp; }
  ssl_session_cache shared:s:10m;`;
const nginxServer = (ports, certificates) => `
    listen 127.0.0.1:${ports.plain} reuseport backlog=4096;
    listen 127.0.0.1:${ports.h2c} http2 reuseport backlog=4096;
    listen 127.0.0.1:${ports.tls} ssl http2 reuseport backlog=4096;
    ssl_certificate ${certificates}/certificate.pem; ssl_certificate_key ${certificates}/key.pem;`;

async function startOneNginx(name, folder, workers, certificates, makeHttp) {
  mkdirSync(folder);
  const ports = { plain: await freePort(), h2c: await freePort(), tls: await freePort() };
  const nginx = await startNginx(folder, ports.plain, workers, `${nginxHttp}${makeHttp(nginxServer(ports, certificates))}`);
  const url = (scheme, port) => `${scheme}://127.0.0.1:${port}`;
  return { name, pid: nginx.pid, folder, url: url('http', ports.plain), h2c: url('http', ports.h2c), tls: url('https', ports.tls), stop: nginx.stop };
}

// Serves the files below `files`.
export const startNginxStatic = (folder, workers, certificates, files) => (
  startOneNginx('nginx-static', folder, workers, certificates, (listens) => `
  server {${listens}
    root ${files}; }`));

// Caches what `origin` serves. The cache lies on disk, so its RAM is the page cache.
export const startNginxProxy = (folder, workers, certificates, origin) => (
  startOneNginx('nginx-proxy', folder, workers, certificates, (listens) => `
  proxy_cache_path ${folder}/cache levels=1:2 keys_zone=all:32m max_size=4g inactive=1d use_temp_path=off;
  upstream origin { server ${new URL(origin).host}; keepalive 32; }
  server {${listens}
    location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_cache all; proxy_cache_valid 200 1d; } }`));

// Caches what `origin` serves in `ramMb` of memory.
export async function startVarnish(folder, origin, ramMb) {
  mkdirSync(folder);
  const port = await freePort(), { hostname, port: originPort } = new URL(origin);
  writeFileSync(join(folder, 'default.vcl'), `vcl 4.1;
backend origin { .host = "${hostname}"; .port = "${originPort}"; }
sub vcl_backend_response { set beresp.ttl = 1d; }
`);
  const child = spawn('varnishd', ['-F', '-j', 'none', '-n', folder, '-f', join(folder, 'default.vcl'), '-a', `127.0.0.1:${port}`, '-T', 'none',
    '-s', `default,${ramMb}m`, '-s', 'Transient=malloc', '-p', 'listen_depth=4096', '-p', 'timeout_idle=600'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.on('data', (chunk) => { text += chunk; });
  const ended = once(child, 'exit');
  ended.catch(() => {});
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 0; ; attempt++) {
    if (child.exitCode !== null || attempt === 100) throw new Error(`varnish does not start: ${text}`);
    try {
      await request(`${url}/`);
      break;
    } catch {
      await new Promise((done) => setTimeout(done, 200));
    }
  }
  return { name: 'varnish', pid: child.pid, folder, url, stop: () => { child.kill('SIGTERM'); return ended; } };
}

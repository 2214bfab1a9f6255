// What the benches share: medians, the table, the JSON file, a running box.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const geometricMean = (values) => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

// rows: {metric, unit, ours, peer, peer_name, higherIsBetter}. Prints the table, with the geometric mean of all rows unless they are
// not of a kind, and writes the JSON list.
export function report(rows, path, { mean = true } = {}) {
  const list = rows.map(({ higherIsBetter, ...row }) => ({
    ...row,
    ratio: Number((higherIsBetter ? row.ours / row.peer : row.peer / row.ours).toFixed(3)),
  }));
  const wide = Math.max(24, ...list.map((row) => row.metric.length));
  const number = (value) => value.toFixed(value < 1000 ? 1 : 0).padStart(12);
  console.log(`${'metric'.padEnd(wide)} ${'unit'.padEnd(8)} ${'pixpop'.padStart(12)} ${'peer'.padStart(12)} ${'ratio'.padStart(7)}  peer`);
  for (const row of list) {
    console.log(`${row.metric.padEnd(wide)} ${row.unit.padEnd(8)} ${number(row.ours)} ${number(row.peer)} ${row.ratio.toFixed(2).padStart(7)}  ${row.peer_name}`);
  }
  if (mean) console.log(`${'geometric mean'.padEnd(wide + 35)} ${geometricMean(list.map(({ ratio }) => ratio)).toFixed(2).padStart(7)}`);
  writeFileSync(path, `${JSON.stringify(list, null, 2)}\n`);
}

// A box on loopback with a temporary data folder, or with one of the caller's, which stays.
export function startBox(bin, settings = [], { folder } = {}) {
  const data = folder ?? mkdtempSync(join(tmpdir(), 'pixpop-bench-'));
  const args = ['--data', data, '--set', 'log.level=warn', '--set', 'console.listen=127.0.0.1:0', '--set', 'console.tls=off', '--set', 'delivery.listen=127.0.0.1:0',
    '--set', 'delivery.unsigned=open'];
  for (const setting of settings) args.push('--set', setting);
  const child = spawn(join(bin, 'pixpopd'), args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((done, fail) => {
    let text = '';
    child.once('exit', (code) => fail(new Error(`pixpopd ended with status ${code}`)));
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const token = text.match(/^ {2}token +(\S+)/m)?.[1];
      if (!token) return;
      done({
        pid: child.pid,
        console: text.match(/^ {2}console +(\S+?)\/$/m)[1],
        delivery: text.match(/^ {2}delivery +(\S+?)\/i\/$/m)[1],
        delivery_tls: text.match(/^ {2}over TLS +(https:\S+?)\/i\/$/m)?.[1],
        token,
        stop: () => new Promise((stopped) => {
          child.removeAllListeners('exit');
          child.once('exit', () => { if (!folder) rmSync(data, { recursive: true, force: true }); stopped(); });
          child.kill('SIGTERM');
        }),
      });
    });
  });
}

// One request; resolves with {status, headers, body}.
export function request(url, { method = 'GET', headers = {}, body, agent } = {}) {
  return new Promise((done, fail) => {
    const client = url.startsWith('https:') ? https : http;
    const outgoing = client.request(url, { method, headers, agent }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () => done({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    outgoing.on('error', fail);
    outgoing.end(body);
  });
}

export function freePort() {
  return new Promise((done) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

// nginx on `port` with the given inside of its http block; everything it writes goes below `folder`.
export async function startNginx(folder, port, workers, http) {
  const config = join(folder, 'nginx.conf');
  writeFileSync(config, `
worker_processes ${workers};
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
worker_rlimit_nofile 16384;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
${http}
}
`);
  const child = spawn('nginx', ['-c', config, '-p', folder, '-e', `${folder}/error.log`, '-g', 'daemon off; user root;'], { stdio: 'inherit' });
  for (let attempt = 0; ; attempt++) {
    try {
      await request(`http://127.0.0.1:${port}/`);
      break;
    } catch (error) {
      if (attempt === 50) throw error;
      await new Promise((done) => setTimeout(done, 100));
    }
  }
  return { url: `http://127.0.0.1:${port}`, pid: child.pid, stop: () => new Promise((done) => { child.once('exit', done); child.kill('SIGTERM'); }) };
}

// What the benches share: medians, the table, the JSON file, a running box.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// rows: {metric, unit, ours, peer, peer_name, higherIsBetter}. Prints the table and writes the JSON list.
export function report(rows, path) {
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
  const geometric = Math.exp(list.reduce((sum, row) => sum + Math.log(row.ratio), 0) / list.length);
  console.log(`${'geometric mean'.padEnd(wide + 35)} ${geometric.toFixed(2).padStart(7)}`);
  writeFileSync(path, `${JSON.stringify(list, null, 2)}\n`);
}

// A box on loopback with a temporary data folder.
export function startBox(bin, settings = []) {
  const data = mkdtempSync(join(tmpdir(), 'pixpop-bench-'));
  const args = ['--data', data, '--set', 'log.level=warn', '--set', 'console.listen=127.0.0.1:0', '--set', 'console.tls=off', '--set', 'delivery.listen=127.0.0.1:0'];
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
        token,
        stop: () => new Promise((stopped) => {
          child.removeAllListeners('exit');
          child.once('exit', () => { rmSync(data, { recursive: true, force: true }); stopped(); });
          child.kill('SIGTERM');
        }),
      });
    });
  });
}

// One request; resolves with {status, headers, body}.
export function request(url, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((done, fail) => {
    const client = url.startsWith('https:') ? https : http;
    const outgoing = client.request(url, { method, headers }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () => done({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    outgoing.on('error', fail);
    outgoing.end(body);
  });
}

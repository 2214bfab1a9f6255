// delivery BIN OUT.json: requests per second for cached variants of about 4, 30 and 200 KB, beside nginx serving the same
// bytes as files. wrk, keep-alive, five interleaved rounds, medians. Both servers have one worker a core.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, median, report, request, startBox, startNginx } from './lib.mjs';

const photo = '/usr/share/backgrounds/aitzgorri_by_Aitzol_Berasategi.jpg';
const sizesKb = [4, 30, 200];
const connectionCounts = [32, 256];
const rounds = 5;
const secondsPerRound = 3;
const run = promisify(execFile);

// The variant whose size is nearest to `bytes`, found by bisecting the width.
async function findVariant(box, id, bytes) {
  let low = 16, high = 3000, best = null;
  while (low <= high) {
    const w = (low + high) >> 1;
    const path = `/i/${id}?w=${w}&dpr=1&fm=webp&q=80`;
    const reply = await request(box.delivery + path);
    if (reply.status !== 200) throw new Error(`${path}: status ${reply.status}`);
    if (!best || Math.abs(reply.body.length - bytes) < Math.abs(best.body.length - bytes)) best = { path, body: reply.body };
    if (reply.body.length < bytes) low = w + 1;
    else high = w - 1;
  }
  return best;
}

async function startPeer(folder, workers) {
  const port = await freePort();
  return startNginx(folder, port, workers, `
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  open_file_cache max=100 inactive=600s;
  types { image/webp webp; }
  server { listen 127.0.0.1:${port} reuseport backlog=4096; root ${folder}/files; }`);
}

async function requestsPerSecond(url, connections) {
  const { stdout } = await run('wrk', ['-t1', `-c${connections}`, `-d${secondsPerRound}s`, url]);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${url}: ${stdout}`);
  return Number(stdout.match(/Requests\/sec:\s+([\d.]+)/)[1]);
}

async function main() {
  const [bin, out] = process.argv.slice(2);
  const workers = availableParallelism?.() ?? cpus().length;
  const folder = mkdtempSync(join(tmpdir(), 'pixpop-nginx-'));
  mkdirSync(join(folder, 'files'));
  const box = await startBox(bin, [`delivery.loops=${workers}`, 'delivery.connections_per_client=0']);
  let nginx;
  try {
    const stored = await request(`${box.console}/api/v1/originals?name=photo.jpg`, {
      method: 'POST',
      headers: { authorization: `Bearer ${box.token}`, 'content-type': 'application/octet-stream' },
      body: readFileSync(photo),
    });
    if (stored.status !== 201) throw new Error(`upload: status ${stored.status} ${stored.body}`);
    const { id } = JSON.parse(stored.body)[0];
    const variants = [];
    for (const kb of sizesKb) {
      const variant = await findVariant(box, id, kb * 1024);
      writeFileSync(join(folder, 'files', `${kb}.webp`), variant.body);
      variants.push({ kb, ...variant });
      console.log(`${kb} KB: ${variant.body.length} bytes, ${variant.path.split('?')[1]}`);
    }
    nginx = await startPeer(folder, workers);
    const cases = variants.flatMap((variant) => connectionCounts.map((connections) => ({ ...variant, connections, ours: [], peer: [] })));
    for (let round = 0; round < rounds; round++) {
      for (const one of cases) {
        one.ours.push(await requestsPerSecond(box.delivery + one.path, one.connections));
        one.peer.push(await requestsPerSecond(`${nginx.url}/${one.kb}.webp`, one.connections));
      }
      console.log(`round ${round + 1} of ${rounds}`);
    }
    report(cases.map((one) => ({
      metric: `plain/${one.kb}/${one.connections}`, unit: 'req/s', ours: median(one.ours), peer: median(one.peer),
      peer_name: 'nginx-static', higherIsBetter: true,
    })), out);
  } finally {
    await nginx?.stop();
    await box.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

main().catch((error) => { console.error(`bench delivery: ${error.message}`); process.exit(1); });

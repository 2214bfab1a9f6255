// run.mjs BIN [--once] [--data DIR] [--console PORT] [--delivery PORT]: the demonstration behind tools/run.
import { spawn, execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';

const photoFolder = '/usr/share/backgrounds'; // of the Debian package lomiri-wallpapers-16.04
const photoCount = 6;
const recipes = [
  { w: 400, fm: 'webp', q: 80, dpr: 1 },
  { w: 1200, fm: 'webp', q: 80, dpr: 1 },
  { w: 640, h: 640, fit: 'cover', fm: 'jpeg', q: 80, dpr: 1 },
  { w: 320, dpr: 2, fm: 'webp', q: 60 },
  { w: 200, h: 200, fit: 'contain', bg: '202020', fm: 'png', q: 80, dpr: 1 },
];

function usage(message) {
  console.error(`run: ${message}; see tools/run --help`);
  process.exit(2);
}

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        once: { type: 'boolean', default: false },
        data: { type: 'string' },
        console: { type: 'string' },
        delivery: { type: 'string' },
      },
    });
    if (positionals.length !== 1) usage(`'${positionals.slice(1).join(' ')}' is not understood`);
    return { ...values, bin: positionals[0] };
  } catch (error) {
    return usage(error.message);
  }
}

// The first SIGINT or SIGTERM. Listened to from the start, so that no signal leaves a box behind.
const interruption = new Promise((done) => { process.once('SIGINT', done); process.once('SIGTERM', done); });

// Starts pixpopd and resolves with what it prints when it is ready.
function startBox(bin, data, consolePort, deliveryPort) {
  const box = spawn(join(bin, 'pixpopd'), [
    '--data', data, '--set', 'log.level=warn', '--set', `console.listen=127.0.0.1:${consolePort}`, '--set', `delivery.listen=127.0.0.1:${deliveryPort}`,
    '--set', 'delivery.unsigned=open',  // the recipes shown are more than the ladder
  ], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((done) => { box.once('exit', (code, signal) => done(code ?? signal)); });
  interruption.then(() => box.kill('SIGTERM'));
  return new Promise((done, fail) => {
    let text = '';
    const field = (name) => text.match(new RegExp(`^  ${name} +(.*)$`, 'm'))?.[1];
    ended.then((status) => fail(new Error(`pixpopd ended with status ${status} before it was ready`)));
    box.stdout.on('data', (chunk) => {
      text += chunk;
      if (!/ is ready\n/.test(text) || !field('fingerprint')) return;
      setTimeout(() => done({
        process: box,
        ended,
        console: field('console').replace(/\/$/, ''),
        delivery: field('delivery').replace(/\/i\/$/, ''),
        device: field('device'),
        fingerprint: field('fingerprint'),
        token: field('token'),
      }), 50);
    });
  });
}

// GET with the body's digest, timed from the request to the last byte.
function fetchVariant(url) {
  const started = process.hrtime.bigint();
  return new Promise((done, fail) => {
    http.get(url, (response) => {
      const hash = createHash('sha256');
      let bytes = 0;
      response.on('data', (chunk) => { hash.update(chunk); bytes += chunk.length; });
      response.on('error', fail);
      response.on('end', () => done({
        status: response.statusCode,
        headers: response.headers,
        bytes,
        digest: hash.digest('base64'),
        ms: Number(process.hrtime.bigint() - started) / 1e6,
      }));
    }).on('error', fail);
  });
}

function isRight(reply) {
  return reply.status === 200
    && reply.headers['repr-digest'] === `sha-256=:${reply.digest}:`
    && reply.headers['content-digest'] === `sha-256=:${reply.digest}:`
    && Number(reply.headers['content-length']) === reply.bytes;
}

async function upload(options, box, photos) {
  const { stdout } = await promisify(execFile)(join(options.bin, 'pixpop'), [
    '--console', box.console, '--delivery', box.delivery, '--fingerprint', box.fingerprint, '--token', box.token,
    'put', ...photos,
  ]);
  const ids = stdout.match(/\b[A-Za-z0-9_-]{43}\b/g) ?? [];
  return [...new Set(ids)];
}

async function demonstrate(options, box) {
  const photos = readdirSync(photoFolder).filter((name) => name.endsWith('.jpg')).sort().slice(0, photoCount)
    .map((name) => join(photoFolder, name));
  if (photos.length < 5) throw new Error(`fewer than 5 photographs in ${photoFolder}`);
  console.log(`\nUploading ${photos.length} photographs`);
  const ids = await upload(options, box, photos);
  if (ids.length !== photos.length) throw new Error(`only ${ids.length} of ${photos.length} photographs were stored`);

  console.log('\nphotograph                       variant                                                  bytes    cold ms   hot ms  digests');
  let variants = 0, wrong = 0;
  for (const [index, id] of ids.entries()) {
    for (const recipe of recipes) {
      const query = Object.entries(recipe).map(([name, value]) => `${name}=${value}`).join('&');
      const url = `${box.delivery}/i/${id}?${query}`;
      const cold = await fetchVariant(url);
      const hot = await fetchVariant(url);
      const right = isRight(cold) && isRight(hot) && cold.digest === hot.digest && /; hit/.test(hot.headers['cache-status'] ?? '');
      variants += 1;
      wrong += right ? 0 : 1;
      console.log([
        basename(photos[index]).slice(0, 31).padEnd(31), query.padEnd(52), String(cold.bytes).padStart(9),
        cold.ms.toFixed(1).padStart(9), hot.ms.toFixed(1).padStart(8), right ? '  right' : `  WRONG (status ${cold.status})`,
      ].join('  '));
    }
  }
  console.log(`\n${variants} variants of ${ids.length} photographs, ${wrong} wrong`);
  return { variants, wrong, ids };
}

async function main() {
  const options = readOptions();
  const isTemporary = options.once && !options.data;
  const data = resolve(options.data ?? (isTemporary ? mkdtempSync(join(tmpdir(), 'pixpop-run-')) : 'build/run'));
  mkdirSync(data, { recursive: true });
  const tokenPath = join(data, 'token.demo');
  const cleanUp = () => { if (isTemporary) rmSync(data, { recursive: true, force: true }); };
  const box = await startBox(options.bin, data, options.console ?? (options.once ? 0 : 8443), options.delivery ?? (options.once ? 0 : 8080))
    .catch((error) => { cleanUp(); throw error; });
  // The box shows its token once; a demonstration that is started again keeps it beside the data.
  if (box.token) writeFileSync(tokenPath, box.token, { mode: 0o600 });
  else if (existsSync(tokenPath)) box.token = readFileSync(tokenPath, 'utf8');

  const stopBox = () => { box.process.kill('SIGTERM'); return box.ended; };
  let status = 1;
  try {
    if (!box.token) throw new Error(`the token of ${data} is not known here; remove the folder to begin anew`);
    console.log(`pixpop runs on ${box.device}`);
    const outcome = await Promise.race([
      demonstrate(options, box),
      interruption.then((signal) => { throw new Error(`stopped by ${signal} before the end`); }),
    ]);
    status = outcome.wrong === 0 && outcome.variants >= 20 ? 0 : 1;
    if (!options.once) {
      console.log(`\nOpen     ${box.console}/   (self-signed certificate, SHA-256 ${box.fingerprint})`);
      console.log(`Token    ${box.token}`);
      console.log(`Picture  ${box.delivery}/i/${outcome.ids[0]}?w=800\n\nCtrl-C stops the box.`);
      const asked = await Promise.race([interruption, box.ended.then(() => null)]);
      status = asked ? 0 : 1;
    }
  } catch (error) {
    console.error(`run: ${error.message}`);
  }
  const boxStatus = await stopBox();
  if (boxStatus !== 0) { console.error(`run: pixpopd ended with status ${boxStatus}`); status = 1; }
  cleanUp();
  process.exit(status);
}

main().catch((error) => { console.error(`run: ${error.message}`); process.exit(1); });

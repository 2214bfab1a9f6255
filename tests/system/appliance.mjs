// pixpop-system as on an appliance, with files in place of partitions, scripts in place of the programs it calls, and a
// file in place of the watchdog.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

import { stopChild, until as wait } from '../support/waiting.mjs';
import { bin, build, suppressions } from './box.mjs';

export const isRoot = process.getuid() === 0;
export const board = 'test-board';
const patienceMs = /\b(asan|tsan)$/.test(build) ? 90000 : 30000;

const running = new Set();
process.on('exit', () => { for (const child of running) child.kill('SIGKILL'); });

export const until = (look, what) => wait(what, look, patienceMs / 1000, 20);

// Bytes that look like an image and are the same every time.
export function image(bytes, seed) {
  const out = Buffer.alloc(bytes);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}

export class Appliance {
  // `health`: a URL, or {url, ca}. `state`: words for pixpop-slots that make what the boot loader remembers.
  constructor({ health, state = [['reset'], ['written', 'A', '1.0.0']], floor = '-', version = '1.0.0' }) {
    this.folder = mkdtempSync(join(tmpdir(), 'pixpop-appliance-'));
    chmodSync(this.folder, 0o755);
    this.health = typeof health === 'string' ? { url: health } : health;
    this.user = isRoot ? 'nobody' : userInfo().username;
    this.log = '';
    for (const [name, bytes] of [['bootenv', 1 << 20], ['bootA', 1 << 20], ['bootB', 1 << 20], ['rootA', 4 << 20], ['rootB', 4 << 20]]) {
      writeFileSync(this.path(name), '');
      truncateSync(this.path(name), bytes);
    }
    for (const name of ['data', 'keys', 'private']) mkdirSync(this.path(name));
    for (const words of state) this.slots(...words);
    this.writeBoard(version, floor);
    this.makeKey('release');
    this.script('reboot', 'echo reboot >>"$here/power"');
    this.script('poweroff', 'echo poweroff >>"$here/power"');
    this.script('network', 'echo "$1 $(cat "$2")" >>"$here/network.log"; ! grep bad "$2"');
    // The health URL is really asked; what becomes of the variant is the test's to say.
    this.script('probe', `[ "$1" = variant ] || exec ${bin}/pixpop-probe "$@"\ncat "$here/variant"\n[ ! -e "$here/variant-fails" ]`);
    writeFileSync(this.path('variant'), 'a variant was made\n');
    writeFileSync(this.path('watchdog'), '');
  }

  path(name) { return join(this.folder, name); }
  script(name, text) {
    writeFileSync(this.path(name), `#!/bin/sh\nhere=${this.folder}\n${text}\n`);
    chmodSync(this.path(name), 0o755);
  }
  writeBoard(version, floor = '-') {
    writeFileSync(this.path('board'), `board ${board}\nversion ${version}\nfloor ${floor}\n`);
  }
  text(name) { return existsSync(this.path(name)) ? readFileSync(this.path(name), 'utf8') : ''; }
  slots(...words) {
    return execFileSync(join(bin, 'pixpop-slots'), [this.path('bootenv'), ...words], { encoding: 'utf8' });
  }

  // As the boot loader leaves them after starts: tries of A, of B, and 1 when the rescue system is asked for ("200").
  countDown(tries) {
    const sequence = this.slots('show').match(/^sequence +(\d+)$/m)[1];
    const block = Buffer.alloc(1024, '#');
    block.write(`# GRUB Environment Block\nSEQ=${sequence}\nTRIES=${tries}\nTWIN=${sequence}.${tries}\n`);
    const bytes = readFileSync(this.path('bootenv'));
    for (const copy of [2, 3]) block.copy(bytes, 12288 + copy * 4096);
    writeFileSync(this.path('bootenv'), bytes);
  }

  makeKey(name, isTrusted = true) {
    const key = this.path(`private/${name}.key`);
    execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key], { stdio: 'pipe' });
    if (isTrusted) execFileSync('openssl', ['ec', '-in', key, '-pubout', '-out', this.path(`keys/${name}.pem`)], { stdio: 'pipe' });
  }

  // A bundle's bytes, and those of its two images.
  bundle({ version = '1.1.0', key = 'release', forBoard = board, floor = '-', bootBytes = 300000, rootBytes = 3 << 20, seed = 7 } = {}) {
    const [boot, root] = [image(bootBytes, seed), image(rootBytes, seed + 1)];
    writeFileSync(this.path('boot.img'), boot);
    writeFileSync(this.path('root.img'), root);
    execFileSync(join(bin, 'pixpop'), ['bundle', 'make', this.path('new.pixpop'), `board=${forBoard}`, `version=${version}`,
      `floor=${floor}`, 'created=1790000000', `boot=${this.path('boot.img')}`, `root=${this.path('root.img')}`,
      `key=${this.path(`private/${key}.key`)}`], { stdio: 'pipe' });
    return { bytes: readFileSync(this.path('new.pixpop')), boot, root };
  }

  async start(...more) {
    const at = (name) => this.path(name);
    const args = ['--socket', at('system.sock'), '--user', this.user, '--board-file', at('board'), '--slot', 'A',
      '--bootenv', at('bootenv'), '--boot-a', at('bootA'), '--boot-b', at('bootB'), '--root-a', at('rootA'),
      '--root-b', at('rootB'), '--keys', at('keys'), '--data', at('data'), '--health', this.health.url,
      ...(this.health.ca ? ['--health-ca', this.health.ca] : []), '--probe', at('probe'), '--every', '20ms',
      '--watchdog', at('watchdog'), '--network-program', at('network'), '--reboot-program', at('reboot'),
      '--poweroff-program', at('poweroff'), ...more];
    const from = this.log.length;
    this.child = spawn(join(bin, 'pixpop-system'), args, {
      stdio: ['ignore', 'inherit', 'pipe'], env: { ...process.env, ...suppressions },
    });
    running.add(this.child);
    this.exited = once(this.child, 'exit').then(([code, signal]) => ({ code, signal }));
    this.child.stderr.on('data', (chunk) => { this.log += chunk; });
    let hasEnded = false;
    this.exited.then(() => { hasEnded = true; });
    await until(() => hasEnded || this.log.slice(from).includes('listening at'), 'pixpop-system listens');
    if (hasEnded) throw new Error(`pixpop-system ended: ${this.log}`);
    return this;
  }

  async stop(signal = 'SIGTERM') {
    return stopChild(this.child, this.exited, signal);
  }

  async finish() {
    const { code, signal } = await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
    if (code !== 0) throw new Error(`pixpop-system ended with ${code ?? signal}:\n${this.log}`);
    if (/(ERROR|WARNING): (Address|Leak|Thread)Sanitizer|runtime error:/.test(this.log)) throw new Error(this.log);
  }

  connect() { return new Call(this.path('system.sock')); }

  // One request and all that is answered: the last line. `body` goes behind it.
  async ask(request, body) {
    const call = this.connect();
    call.send(typeof request === 'object' && !Buffer.isBuffer(request) ? `${JSON.stringify(request)}\n` : request);
    if (body !== undefined) call.end(body);
    const lines = await call.lines();
    return { ...lines.at(-1), progress: lines.slice(0, -1) };
  }

  status() { return this.ask({ do: 'status' }); }
  install(bytes, more = {}) { return this.ask({ do: 'install', ...more }, bytes); }
  hasHealth(health) { return until(async () => (await this.status()).health === health, () => `health is ${health}: ${this.log}`); }
}

class Call {
  constructor(path) {
    this.socket = net.connect({ path, allowHalfOpen: true });
    this.text = '';
    this.socket.on('data', (chunk) => { this.text += chunk; });
    // Who is refused may be so in the middle of a sentence.
    this.socket.on('error', (error) => { this.error = error; });
    this.closed = new Promise((done) => {
      this.socket.on('end', () => { this.socket.end(); });
      this.socket.on('close', done);
    });
  }

  send(bytes) { this.socket.write(bytes); }
  end(bytes) { this.socket.end(bytes); }
  async lines() {
    await this.closed;
    if (this.text === '') throw this.error ?? new Error('no answer');
    return this.text.trimEnd().split('\n').map((line) => JSON.parse(line));
  }
}

// A real pixpopd for one test file: started on loopback with ports the kernel chooses and a temporary data folder.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from '../support/requests.mjs';
import { sleep, stopChild, until } from '../support/waiting.mjs';

export { request, sleep };

const root = new URL('../..', import.meta.url).pathname;
export const build = process.env.PIXPOP_BUILD ?? join(root, 'build/dev');
export const bin = join(build, 'bin');
export const photoFolder = '/usr/share/backgrounds';

// Address-space limits and AddressSanitizer's shadow do not go together.
const isSanitized = /\b(asan|tsan)$/.test(build);
// Vulkan's validation layer is on in every test; what it says fails the test in finish().
// Tests ask for odd sizes without signing them; those of the policy start their boxes with {policy: 'default'}.
const openToAll = 'delivery.unsigned=open';
export const baseSettings = ['render.validation=on', openToAll, ...(isSanitized ? ['decoder.memory=0'] : [])];
// Faults inside drivers that are not ours; see the files.
export const suppressions = {
  LSAN_OPTIONS: `suppressions=${join(root, 'tests/lsan.supp')}:print_suppressions=0`,
  TSAN_OPTIONS: `suppressions=${join(root, 'tests/tsan.supp')}`,
};
const startSeconds = isSanitized ? 90 : 30;

export function photos(count) {
  const names = readdirSync(photoFolder).filter((name) => name.endsWith('.jpg')).sort();
  if (names.length < count) throw new Error(`only ${names.length} photographs in ${photoFolder}`);
  return names.slice(0, count).map((name) => join(photoFolder, name));
}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest();
export const idOf = (bytes) => sha256(bytes).toString('base64url');

// A test that fails leaves its box to this: nothing keeps the test process, and nothing survives it.
const running = new Set();
process.on('exit', () => { for (const child of running) child.kill('SIGKILL'); });

export class Box {
  constructor(options) {
    this.options = options;
    this.ownsData = !options.data;
    this.data = options.data ?? mkdtempSync(join(tmpdir(), 'pixpop-test-'));
    this.token = options.token;
    this.log = '';
  }

  async start() {
    const settings = [
      'console.listen=127.0.0.1:0', 'delivery.listen=127.0.0.1:0', `console.tls=${this.options.tls ? 'on' : 'off'}`,
      ...baseSettings.filter((setting) => setting !== openToAll || this.options.policy !== 'default'),
      ...(this.options.settings ?? []),
    ];
    const args = ['--data', this.data, ...settings.flatMap((setting) => ['--set', setting]), ...(this.options.args ?? [])];
    if (this.options.config) args.unshift('--config', this.options.config);
    const [program, ...words] = [...(this.options.under ?? []), join(bin, 'pixpopd'), ...args];
    this.child = spawn(program, words, {
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...suppressions, ...this.options.env },
    });
    running.add(this.child);
    this.exited = once(this.child, 'exit').then(([code, signal]) => ({ code, signal }));
    for (const part of [this.child, this.child.stdout, this.child.stderr]) part.unref();
    this.child.stderr.on('data', (chunk) => { this.log += chunk; });
    let text = '';
    await new Promise((ready, fail) => {
      const timer = setTimeout(() => fail(new Error(`pixpopd is not ready after ${startSeconds} s: ${text}${this.log}`)), startSeconds * 1000);
      this.exited.then(({ code, signal }) => {
        clearTimeout(timer);
        fail(new Error(`pixpopd ended (${code ?? signal}): ${this.log}`));
      });
      this.child.stdout.on('data', (chunk) => {
        text += chunk;
        if (!/^ {2}data /m.test(text)) return;
        clearTimeout(timer);
        setTimeout(ready, 100);
      });
    });
    const field = (name) => text.match(new RegExp(`^  ${name} +(.*)$`, 'm'))?.[1];
    this.console = field('console').replace(/\/$/, '');
    this.delivery = field('delivery').replace(/\/i\/$/, '');
    this.secure = field('over TLS')?.replace(/\/i\/$/, '');
    this.fingerprint = field('fingerprint');
    this.token = field('token') ?? this.token;
    this.output = text;
    return this;
  }

  get deliveryPort() { return Number(new URL(this.delivery).port); }
  get consolePort() { return Number(new URL(this.console).port); }
  get bearer() { return { authorization: `Bearer ${this.token}` }; }

  // Sends a signal and resolves with {code, signal}; fails when the box does not end.
  async stop(signal = 'SIGTERM') {
    return stopChild(this.child, this.exited, signal);
  }

  async restart(signal) {
    await this.stop(signal);
    return this.start();
  }

  // For after(): a clean end, without sanitizer or validation findings.
  async finish() {
    const { code, signal } = await this.stop();
    if (this.ownsData) rmSync(this.data, { recursive: true, force: true });
    if (code !== 0) throw new Error(`pixpopd ended with ${code ?? signal}:\n${this.log}`);
    if (/ERROR: (Address|Leak|Thread)Sanitizer|runtime error:|\bvalidation: /.test(this.log)) throw new Error(this.log);
  }

  async upload(bytes, name = 'photo.jpg') {
    const reply = await request(`${this.console}/api/v1/originals?name=${encodeURIComponent(name)}`, {
      method: 'POST', body: bytes, headers: { ...this.bearer, 'content-type': 'application/octet-stream' },
    });
    return reply;
  }

  // Uploads a file that must be accepted; returns its id.
  async put(bytes, name) {
    const reply = await this.upload(bytes, name);
    if (reply.status !== 201) throw new Error(`upload: status ${reply.status} ${reply.body}`);
    return reply.json[0].id;
  }

  get(path, options) { return request(this.delivery + path, options); }
  // Its driver is opened behind the first answers, and takes memory: for whoever measures that.
  async deviceIsOpen() {
    await until('the device is open', async () => (await this.api('/healthz')).body.toString() === 'ok\n');
  }
  api(path, options = {}) {
    return request(this.console + path, { ...options, headers: { ...this.bearer, ...options.headers } });
  }
}

export const startBox = (options = {}) => new Box(options).start();

// Sends raw bytes to a port and resolves with everything that came back until the server closed (or `ms` passed).
export function raw(port, bytes, { ms = 5000, end = false } = {}) {
  return new Promise((done, fail) => {
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    const timer = setTimeout(() => socket.destroy(), ms);
    socket.on('connect', () => { socket.write(bytes); if (end) socket.end(); });
    socket.on('data', (chunk) => { text += chunk.toString('latin1'); });
    socket.on('error', (error) => { if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') fail(error); });
    socket.on('close', () => { clearTimeout(timer); done(text); });
  });
}

export function metric(text, name, labels = '') {
  const line = text.split('\n').find((one) => one.startsWith(labels ? `${name}{${labels}}` : `${name} `));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

export const readPhoto = (index = 0) => readFileSync(photos(index + 1)[index]);

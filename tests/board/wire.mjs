// Two network namespaces with a cable between them: pixpop-rescue in one, everybody else in the other. Wants root.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { request } from '../support/requests.mjs';
import { sleep, until } from '../support/waiting.mjs';
import { bin, suppressions } from '../system/box.mjs';

export { sleep, until };

const run = promisify(execFile);
const here = new URL('.', import.meta.url).pathname;
const started = new Set();
const opened = new Set();
process.on('exit', () => {
  for (const child of started) child.kill('SIGKILL');
  for (const wire of opened) wire.remove();
});

export class Wire {
  // With `lossySeed` a third namespace on the cable loses, doubles and delays frames (lossy_line.py).
  constructor({ lossySeed } = {}) {
    const name = `pixpop-${process.pid}-${opened.size}`;
    this.out = `${name}-out`;
    this.box = `${name}-box`;
    this.folder = mkdtempSync(join(tmpdir(), 'pixpop-wire-'));
    this.relays = 0;
    opened.add(this);
    const ip = (...words) => execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.middle = `${name}-mid`;
    for (const space of [this.out, this.box, ...(lossySeed === undefined ? [] : [this.middle])]) {
      ip('netns', 'add', space);
      ip('-n', space, 'link', 'set', 'lo', 'up');
    }
    const cable = (from, name, to, other) => ip('link', 'add', name, 'netns', from, 'type', 'veth', 'peer', 'name', other, 'netns', to);
    if (lossySeed === undefined) {
      cable(this.out, 'lan0', this.box, 'eth0');
    } else {
      cable(this.out, 'lan0', this.middle, 'left');
      cable(this.box, 'eth0', this.middle, 'right');
      for (const name of ['left', 'right']) ip('-n', this.middle, 'link', 'set', name, 'up');
      // What is carried by hand is as large as on a real cable, and whole.
      execFileSync('ip', ['netns', 'exec', this.out, 'ethtool', '-K', 'lan0', 'tx', 'off', 'tso', 'off', 'gso', 'off'], { stdio: 'ignore' });
      this.spawn(this.middle, 'python3', [join(here, 'lossy_line.py'), 'left', 'right', String(lossySeed)], { stdio: ['ignore', 'ignore', 'inherit'] });
    }
    ip('-n', this.out, 'link', 'set', 'lan0', 'up');
    ip('-n', this.out, 'addr', 'add', '10.99.0.1/24', 'dev', 'lan0');
  }

  remove() {
    for (const space of [this.out, this.box, this.middle]) {
      try {
        execFileSync('ip', ['netns', 'del', space], { stdio: 'ignore' });
      } catch { /* it is gone */ }
    }
    rmSync(this.folder, { recursive: true, force: true });
    opened.delete(this);
  }

  // Runs a program to its end in the outer namespace: {code, stdout, stderr}.
  async outside(program, args = [], options = {}) {
    return this.at(this.out, program, args, options);
  }

  async at(space, program, args, options = {}) {
    try {
      const { stdout, stderr } = await run('ip', ['netns', 'exec', space, program, ...args], { timeout: 120000, maxBuffer: 1 << 26, ...options });
      return { code: 0, stdout, stderr };
    } catch (error) {
      return { code: error.code ?? error.signal, stdout: error.stdout, stderr: error.stderr };
    }
  }

  spawn(space, program, args, options = {}) {
    const child = spawn('ip', ['netns', 'exec', space, program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    started.add(child);
    child.exited = once(child, 'exit').then(([code, signal]) => {
      started.delete(child);
      return { code, signal };
    });
    for (const part of [child, child.stdout, child.stderr]) part?.unref();
    return child;
  }

  // A Unix socket whose connections go to that address from within the outer namespace.
  async relay(address, port) {
    const path = join(this.folder, `relay${this.relays++}`);
    this.spawn(this.out, process.execPath, [join(here, 'wire_client.mjs'), 'relay', path, address, String(port)], { stdio: ['ignore', 'ignore', 'inherit'] });
    await until(`the relay to ${address}`, () => existsSync(path));
    return path;
  }

  async curl(...args) {
    return this.outside('curl', ['--silent', '--show-error', '--insecure', '--max-time', '100', ...args]);
  }
}

const slotBytes = { boot: 64 << 20, root: 192 << 20 };

// pixpop-rescue in its namespace, with files in the place of partitions.
export class Rescue {
  constructor(wire, keys) {
    this.wire = wire;
    this.folder = mkdtempSync(join(wire.folder, 'rescue-'));
    this.path = (...names) => join(this.folder, ...names);
    for (const name of ['keys', 'data/system']) mkdirSync(this.path(name), { recursive: true });
    for (const [name, pem] of Object.entries(keys)) writeFileSync(this.path('keys', name), pem);
    for (const slot of ['a', 'b']) {
      for (const part of ['boot', 'root']) {
        writeFileSync(this.path(`${part}-${slot}`), '');
        truncateSync(this.path(`${part}-${slot}`), slotBytes[part]);
      }
    }
    writeFileSync(this.path('bootenv'), '');
    truncateSync(this.path('bootenv'), 1 << 20);
    this.slots('reset');
  }

  slots(...words) {
    return execFileSync(join(bin, 'pixpop-slots'), [this.path('bootenv'), ...words], { encoding: 'utf8' });
  }

  async start(...args) {
    this.address = args.includes('--address') ? args[args.indexOf('--address') + 1].split('/')[0] : undefined;
    const parts = ['boot-a', 'root-a', 'boot-b', 'root-b', 'bootenv', 'keys'].flatMap((name) => [`--${name}`, this.path(name)]);
    const data = args.includes('--data') ? [] : ['--data', this.path('data')];
    this.child = this.wire.spawn(this.wire.box, join(bin, 'pixpop-rescue'), [
      '--state', this.path('state'), '--board', 'test-board', '--host-name', 'pixpop-test', ...parts, ...data, ...args,
    ], { env: { ...process.env, ...suppressions } });
    this.output = this.log = '';
    this.child.stdout.on('data', (text) => { this.output += text; });
    this.child.stderr.on('data', (text) => { this.log += text; });
    this.ended = undefined;
    const ended = this.child.exited.then(({ code, signal }) => { this.ended = `pixpop-rescue ended (${code ?? signal}): ${this.log}`; });
    await Promise.race([ended, until('the code', () => /^ {2}fingerprint/m.test(this.output))]);
    if (this.ended) throw new Error(this.ended);
    this.code = this.output.match(/^ {2}code +(\S+)$/m)[1];
    if (this.address) await this.connect(this.address);
    return this;
  }

  // The last address of that kind which the program has shown.
  async shown(pattern, seconds = 60) {
    return until(`an address like ${pattern}`, () => this.output.split('\n\n').at(-1).match(pattern)?.[0], seconds);
  }

  async connect(address) {
    this.address = address;
    this.socket = await this.wire.relay(address, 443);
    this.url = `https://${address}`;
    await until('an answer', async () => (await this.wire.outside('ping', ['-c', '1', '-W', '1', address])).code === 0);
  }

  // {status, headers, text, json}
  async ask(method, path, { body, token = this.token, headers = {} } = {}) {
    const authorization = token ? { authorization: `Bearer ${token}` } : {};
    const reply = await request(`${this.url}${path}`, {
      socketPath: this.socket, method, headers: { host: this.address, ...authorization, ...headers }, body, seconds: 180,
    });
    return { ...reply, text: reply.body.toString() };
  }

  async logIn(code = this.code) {
    const reply = await this.ask('POST', '/api/v1/session', { body: code, token: null });
    if (reply.status === 201) this.token = reply.json.token;
    return reply;
  }

  async status() {
    const reply = await this.ask('GET', '/api/v1/status');
    if (reply.status !== 200) throw new Error(`status: ${reply.status} ${reply.text}`);
    return reply.json;
  }

  get residentKb() {
    return Number(readFileSync(`/proc/${this.child.pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+)/m)[1]);
  }

  async stop(signal = 'SIGTERM') {
    if (!this.ended) this.child.kill(signal);
    return this.exit();
  }

  // {code, signal} once it has ended; a sanitizer has found nothing.
  async exit() {
    await until('the end of pixpop-rescue', () => this.ended, 60);
    if (/(ERROR|WARNING): (Address|Leak|Thread)Sanitizer|runtime error:|lwIP:/.test(this.log)) throw new Error(this.log);
    return this.child.exited;
  }

  // For after().
  async finish() {
    const { code, signal } = await this.stop();
    if (code !== 0 && code !== 10) throw new Error(`pixpop-rescue ended with ${code ?? signal}:\n${this.log}`);
  }
}

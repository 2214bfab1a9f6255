// A machine in QEMU for one test file: its disk, its serial console, its ports on loopback, and ways to hurt it.
//
// Always emulated (TCG), so the limits below are wide; nothing here judges how long something takes. The network is
// QEMU's user network, closed to the outside: the machine gets 10.0.2.15 by DHCP and reaches nothing but 10.0.2.2.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { request as unlimited } from '../support/requests.mjs';
import { sleep } from '../support/waiting.mjs';
import { build } from '../system/box.mjs';

// Limits in seconds: at least three times what was measured on two cores that did nothing else.
const idle = {
  grub: 60,          // power-on to GRUB's first line
  grubTable: 240,    // a table of boot environments, in one start
  boot: 180,         // power-on to the first 200
  slowBoot: 420,     // the same by UEFI with real-hardware drivers, and on arm64
  rescue: 180,       // power-on to the rescue system's page
  variant: 120,      // the first variant after that
  update: 300,       // a bundle read, written and read back
  rollback: 1300,    // five minutes of trial among it: from a bad slot's first boot to the other one's first 200
  reset: 400,        // a watchdog's bite
  shutdown: 120,
  reply: 30,         // one HTTP reply
  qemu: 30,          // QEMU itself: started, asked, ended
};
// On a machine that does much else: PIXPOP_PATIENCE=4.
export const limits = Object.fromEntries(Object.entries(idle).map(([name, seconds]) => [name, seconds * Number(process.env.PIXPOP_PATIENCE ?? 1)]));

const logFolder = join(build, 'board-logs');
const running = new Set();
process.on('exit', () => { for (const child of running) child.kill('SIGKILL'); });

const firmwares = {
  x86_64: { bios: () => [], uefi: (folder) => pflash(folder, '/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd') },
  // Without a word about its menu this firmware waits five seconds for a key.
  arm64: { uefi: () => ['-bios', '/usr/share/qemu-efi-aarch64/QEMU_EFI.fd', '-boot', 'menu=on,splash-time=0'] },
};
const machines = {
  x86_64: ['qemu-system-x86_64', '-machine', 'q35', '-cpu', 'max'],
  arm64: ['qemu-system-aarch64', '-machine', 'virt', '-cpu', 'cortex-a57'],
};
// How a disk is attached: its device, and the controllers that it wants beside what the machine has.
const disks = {
  virtio: { device: 'virtio-blk-pci' },
  nvme: { device: 'nvme', serial: 'pixpop' },
  ahci: { device: 'ide-hd' },
  usb: { device: 'usb-storage', controllers: ['qemu-xhci'] },
  uas: { device: 'scsi-hd', controllers: ['usb-ehci', 'usb-uas'] },  // SeaBIOS speaks it with USB 2 only
  sd: { device: 'sd-card', controllers: ['sdhci-pci'], isOrdered: false },  // one disk, of a power of two bytes
  vmware: { device: 'scsi-hd', controllers: ['pvscsi'] },
};

function pflash(folder, code, variables) {
  const own = join(folder, 'uefi-variables.fd');
  if (!existsSync(own)) writeFileSync(own, readFileSync(variables));
  return ['-drive', `if=pflash,unit=0,format=raw,readonly=on,file=${code}`, '-drive', `if=pflash,unit=1,format=raw,file=${own}`];
}

export class Machine {
  // disk: a raw image, written to (see disk.mjs: copyDisk), or with isKept a base that stays as it is: the machine
  // writes to an overlay. Without hasSerial there is a screen and a keyboard. All that is there to choose is named here.
  constructor({
    name, disk, isKept = false, arch = 'x86_64', firmware = arch === 'arm64' ? 'uefi' : 'bios', memory = 768, cores = 1,
    forwards = { delivery: 80, secure: 443, console: 8443 }, nic = 'virtio-net-pci', bus = 'virtio', watchdog = '',
    clock = '', moreDisks = [], hasSerial = true, extra = [],
  }) {
    this.name = name;
    this.folder = mkdtempSync(join(tmpdir(), 'pixpop-qemu-'));
    this.options = { arch, firmware, memory, cores, forwards, nic, bus, watchdog, clock, moreDisks, hasSerial, extra };
    this.disk = disk;
    if (isKept) {
      this.disk = join(this.folder, 'overlay.qcow2');
      execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', disk, this.disk]);
    }
    mkdirSync(logFolder, { recursive: true });
    this.logFile = join(logFolder, `${name}.log`);
    writeFileSync(this.logFile, '');
    this.log = '';    // everything the serial console ever said, over all starts
    this.pieces = [];
    this.seen = 0;    // how far waitFor has read
    this.events = []; // of QMP: RESET, SHUTDOWN, WATCHDOG ...
    this.waiting = new Set();
  }

  drive(path, index) {
    const { device, serial, isOrdered = true } = disks[this.options.bus];
    const isRaw = !path.endsWith('.qcow2');
    // A raw file's writes are in the host's cache at once, so a power cut of the guest is one; a qcow2 file's tables are not.
    const file = `if=none,id=disk${index},file=${path},format=${isRaw ? 'raw' : 'qcow2'},cache=${isRaw ? 'unsafe' : 'writeback'},discard=unmap`;
    const words = `${serial ? `,serial=${serial}${index}` : ''}${isOrdered ? `,bootindex=${index}` : ''}`;
    return ['-drive', file, '-device', `${device},drive=disk${index}${words}`];
  }

  arguments() {
    const { arch, firmware, memory, cores, forwards, nic, bus, watchdog, clock, moreDisks, hasSerial, extra } = this.options;
    const ports = Object.values(forwards).map((port) => `,hostfwd=tcp:127.0.0.1:0-:${port}`).join('');
    return [
      ...machines[arch], '-accel', 'tcg', '-m', String(memory), '-smp', String(cores), '-nodefaults', '-display', 'none',
      '-chardev', 'stdio,id=serial,signal=off', ...(hasSerial ? ['-serial', 'chardev:serial'] : ['-device', 'VGA']),
      '-qmp', `unix:${join(this.folder, 'qmp')},server=on,wait=off`,
      ...firmwares[arch][firmware](this.folder),
      ...(disks[bus].controllers ?? []).flatMap((one) => ['-device', one]),
      ...[this.disk, ...moreDisks].flatMap((path, index) => (path ? this.drive(path, index) : [])),
      ...(nic ? ['-netdev', `user,id=net,restrict=on${ports}`, '-device', `${nic},netdev=net,romfile=`] : []),
      '-device', 'virtio-rng-pci', '-device', 'virtio-balloon-pci,id=balloon',
      ...(watchdog ? ['-device', watchdog, '-action', 'watchdog=reset'] : []),
      ...(clock ? ['-rtc', `base=${clock}`] : []), ...extra,
    ];
  }

  // Switches the machine on. May be called again after powerCut, quit or the guest's own switching off.
  async start() {
    rmSync(join(this.folder, 'qmp'), { force: true });
    // Should the test be killed, the kernel ends the machine.
    this.startedAt = performance.now();
    this.seen = this.log.length;
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...this.arguments()], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child = child;
    running.add(child);
    this.errors = '';
    child.stderr.on('data', (chunk) => { this.errors += chunk; });
    child.stdin.on('error', () => {});
    child.stdout.on('data', (chunk) => this.hear(chunk.toString('latin1')));
    this.exited = once(child, 'close').then(([code, signal]) => {
      running.delete(child);
      this.understand();
      return { code, signal };
    });
    for (const part of [child, child.stdin, child.stdout, child.stderr]) part.unref?.();
    this.qmp = await connectQmp(join(this.folder, 'qmp'), this);
    this.ports = await this.forwarded();
    return this;
  }

  get isRunning() { return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null; }

  // The console speaks in small pieces: what comes within a moment is looked at together.
  hear(text) {
    this.pieces.push(text);
    this.listening ??= setTimeout(() => this.understand(), 20);
  }

  understand() {
    clearTimeout(this.listening);
    this.listening = undefined;
    const text = this.pieces.splice(0).join('');
    this.log += text;
    appendFileSync(this.logFile, text, 'latin1');
    for (const look of this.waiting) look();
  }

  async forwarded() {
    const { forwards, nic } = this.options;
    if (!nic || Object.keys(forwards).length === 0) return {};
    const text = await this.ask('human-monitor-command', { 'command-line': 'info usernet' });
    const found = [...text.matchAll(/TCP\[HOST_FORWARD\]\s+\S+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)/g)];
    return Object.fromEntries(Object.entries(forwards).map(([name, port]) => {
      const line = found.find((one) => Number(one[2]) === port);
      if (!line) throw new Error(`QEMU forwards nothing to port ${port}: ${text}`);
      return [name, Number(line[1])];
    }));
  }

  // One QMP command; resolves with its answer.
  async ask(command, words = {}) { return this.qmp.ask(command, words); }

  tail(bytes = 3000) { return `\n--- the end of ${this.logFile} ---\n${clean(this.log.slice(-bytes))}\n--- ${this.errors}`; }

  // What the console says next that `pattern` matches (behind the last match); resolves with the match. Lines arrive in
  // pieces: a pattern that wants all of one ends with [\r\n].
  waitFor(pattern, seconds = limits.boot) {
    return new Promise((done, fail) => {
      const end = (settle, value) => {
        clearTimeout(timer);
        this.waiting.delete(look);
        settle(value);
      };
      const look = () => {
        const match = this.log.slice(this.seen).match(pattern);
        if (match) {
          this.seen += match.index + match[0].length;
          end(done, match);
        } else if (!this.isRunning) {
          end(fail, new Error(`${this.name} is off and has not said ${pattern}${this.tail()}`));
        }
      };
      const timer = setTimeout(() => end(fail, new Error(`${this.name} has not said ${pattern} within ${seconds} s${this.tail()}`)), seconds * 1000);
      this.waiting.add(look);
      look();
    });
  }

  type(text) { this.child.stdin.write(text); }

  // A key at the keyboard of a machine without a serial line.
  press(key) { return this.ask('send-key', { keys: [{ type: 'qcode', data: key }] }); }

  // What stands in the memory of its screen (BIOS, text mode), which is more than what fits on it.
  async screen() {
    const file = join(this.folder, 'screen');
    await this.ask('pmemsave', { val: 0xb8000, size: 0x8000, filename: file });
    const cells = readFileSync(file);
    const lines = Array.from({ length: Math.floor(cells.length / 160) }, (_, row) =>
      Array.from({ length: 80 }, (__, column) => String.fromCharCode(cells[row * 160 + column * 2] || 32)).join('').trimEnd());
    return lines.join('\n');
  }

  // Until `pattern` matches what stands on its screen; between two looks it does `meanwhile`.
  async waitForScreen(pattern, seconds = limits.boot, meanwhile = () => sleep(500)) {
    for (const end = performance.now() + seconds * 1000; ; await meanwhile()) {
      const text = await this.screen();
      const match = text.match(pattern);
      if (match) return match;
      if (performance.now() > end) throw new Error(`${this.name} has not shown ${pattern} within ${seconds} s:\n${text}`);
    }
  }

  // The current is gone: what the guest had not written yet is lost.
  async powerCut() {
    this.child.kill('SIGKILL');
    await within(this.exited, limits.qemu, () => 'QEMU cannot be killed');
  }

  // The reset button.
  async reset() {
    this.seen = this.log.length;
    await this.ask('system_reset');
  }

  // The guest switches itself off (after it was asked to by other means, or, with `isAsked`, by the power button).
  async switchedOff({ isAsked = false, seconds = limits.shutdown } = {}) {
    if (isAsked) await this.ask('system_powerdown');
    const outcome = await within(this.exited, seconds, () => `${this.name} has not switched itself off${this.tail()}`);
    return outcome;
  }

  // QEMU ends in good order, as if the current was cut when the disk was idle.
  async quit() {
    if (!this.isRunning) return;
    this.ask('quit').catch(() => {});
    await within(this.exited, limits.qemu, () => `QEMU does not quit${this.tail()}`);
  }

  // Resets of the machine (by itself, the watchdog or reset()) so far.
  get resets() { return this.events.filter((event) => event.event === 'RESET').length; }

  // Resident bytes of QEMU itself and, where the guest has a balloon driver, what the guest says of its memory.
  async memory() {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'latin1');
    const host = Number(status.match(/VmRSS:\s+(\d+)/)[1]) * 1024;
    await this.ask('qom-set', { path: '/machine/peripheral/balloon', property: 'guest-stats-polling-interval', value: 1 });
    await sleep(2500);
    const guest = await this.ask('qom-get', { path: '/machine/peripheral/balloon', property: 'guest-stats' });
    const stat = (name) => (guest.stats[name] < 2 ** 60 ? guest.stats[name] : undefined);  // -1: not known
    return {
      host, total: stat('stat-total-memory'), free: stat('stat-free-memory'), available: stat('stat-available-memory'),
      cache: stat('stat-disk-caches'),
    };
  }

  url(name) {
    const port = this.ports[name];
    if (port === undefined) throw new Error(`no port of the guest is forwarded as '${name}'`);
    return `${[443, 8443].includes(this.options.forwards[name]) ? 'https' : 'http'}://127.0.0.1:${port}`;
  }

  request(name, path, options) { return request(this.url(name) + path, options); }

  // Asks until the reply is as wanted; resolves with it and says how long the machine has been on.
  async waitForReply(name, path, { seconds = limits.boot, isWanted = (reply) => reply.status === 200, ...options } = {}) {
    const end = performance.now() + seconds * 1000;
    for (let last = 'nothing'; ; await sleep(200)) {
      if (performance.now() > end) throw new Error(`${this.name}: ${name}${path} is not as wanted after ${seconds} s, last: ${last}${this.tail()}`);
      if (!this.isRunning) throw new Error(`${this.name} is off${this.tail()}`);
      try {
        const reply = await this.request(name, path, { seconds: 5, ...options });
        last = `status ${reply.status} ${reply.body.subarray(0, 1500)}`;
        if (isWanted(reply)) return { ...reply, secondsOn: (performance.now() - this.startedAt) / 1000 };
      } catch (error) {
        last = error.message;
      }
    }
  }

  // For after(): nothing of it is left but its log.
  async finish() {
    if (this.isRunning) await this.powerCut();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

// Without what terminals are told (colours, cursors), so that people can read it.
export const clean = (text) => text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replace(/\r/g, '');

async function within(promise, seconds, describe) {
  let timer;
  const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error(`${describe()} (${seconds} s)`)), seconds * 1000); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function connectQmp(path, machine) {
  const end = performance.now() + limits.qemu * 1000;
  let socket;
  for (;;) {
    if (!machine.isRunning) throw new Error(`QEMU ended: ${machine.errors}`);
    if (performance.now() > end) throw new Error(`QEMU does not open its monitor: ${machine.errors}`);
    socket = net.connect(path);
    if (await new Promise((done) => { socket.once('connect', () => done(true)).once('error', () => done(false)); })) break;
    await sleep(20);
  }
  const answers = [];
  let rest = '', greeted;
  const greeting = new Promise((done) => { greeted = done; });
  socket.unref();
  socket.on('error', () => {});
  socket.on('close', () => { for (const { fail } of answers.splice(0)) fail(new Error(`QEMU is gone: ${machine.errors}`)); });
  socket.on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    for (const line of lines.filter((one) => one.trim() !== '')) {
      const message = JSON.parse(line);
      if (message.QMP) greeted();
      else if (message.event) machine.events.push(message);
      else if (message.error) answers.shift().fail(new Error(`QEMU: ${message.error.desc}`));
      else answers.shift().done(message.return);
    }
  });
  const ask = (execute, words = {}) => within(new Promise((done, fail) => {
    answers.push({ done, fail });
    socket.write(`${JSON.stringify({ execute, arguments: words })}\n`);
  }), limits.qemu, () => `QEMU does not answer '${execute}'`);
  await within(greeting, limits.qemu, () => 'QEMU does not greet');
  await ask('qmp_capabilities');
  return { ask };
}

// One request (tests/support/requests.mjs) with a limit: a guest's port that nobody listens on is connected to all the same.
export const request = (url, options) => unlimited(url, { seconds: limits.reply, ...options });

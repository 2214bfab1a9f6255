// GRUB 2.06 itself, with board/shared/grub.cfg as it is shipped, before many boot environments in one start of the
// machine: board.cfg, which grub.cfg reads last, defines linux, initrd, reboot and sleep as functions that only say what
// they were asked (their modules are left out), and calls grub.cfg's `start` once for every environment. What never
// comes back on a real machine leaves grub.cfg without a slot to go on with (`over`).
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { bin } from '../system/box.mjs';
import { partitions, readPartition, writeFatFile, writePartition } from './disk.mjs';

const root = new URL('../..', import.meta.url).pathname;
const shared = join(root, 'board/shared');
// The BIOS has sixteen disks, and GRUB walks through all partitions of one for each file that it opens.
export const rowsOfADisk = 40;
export const blockBytes = 1024, environmentBytes = 28672;
const headBytes = 12288, stepBytes = 4096;
const left = new Set(['linux', 'reboot', 'sleep']);

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

export function block(text) {
  const out = Buffer.alloc(blockBytes, '#');
  out.write(`# GRUB Environment Block\n${text}`, 'latin1');
  return out;
}

export const triesOf = (state) => `${state.A.tries}${state.B.tries}${state.isRescueAsked ? 1 : 0}`;

// As slots/grub.h has it, from the words there and not from the program.
export function stateBlock(state) {
  const tries = triesOf(state);
  const lines = `SEQ=${state.sequence}\nFIRST=${state.first}\nA_MARK=${state.A.mark}\nB_MARK=${state.B.mark}\nTRIES=${tries}\n` +
    `A_VERSION=${state.A.version}\nB_VERSION=${state.B.version}\nFLOOR=${state.floor}\n`;
  const check = crc32(Buffer.from(`# GRUB Environment Block\n${lines}`)).toString(16).padStart(8, '0');
  return block(`${lines}CHECK=${check}\nTWIN=${state.first}.${state.A.mark}.${state.B.mark}.${tries}.${state.sequence}\n`);
}

export const counterBlock = (sequence, tries) => block(`SEQ=${sequence}\nTRIES=${tries}\nTWIN=${sequence}.${tries}\n`);

// The four blocks behind the head that pixpop-slots makes.
export function environment(folder, blocks) {
  const out = Buffer.from(emptyEnvironment(folder));
  blocks.forEach((one, i) => one.copy(out, headBytes + i * stepBytes));
  return out;
}

let empty;
function emptyEnvironment(folder) {
  if (!empty) {
    const file = join(folder, 'empty');
    writeFileSync(file, '');
    truncateSync(file, environmentBytes);
    execFileSync(join(bin, 'pixpop-slots'), [file, 'reset']);
    empty = readFileSync(file);
  }
  return empty;
}

const sfdisk = (file, lines) => execFileSync('/usr/sbin/sfdisk', ['-q', file], { input: `label: gpt\n${lines.join('\n')}\n` });

function makeFat(disk, name) {
  const place = partitions(disk)[name];
  execFileSync('mformat', ['-i', `${disk}@@${place.at}`, '-T', String(place.bytes / 512), '-h', '2', '-s', '32', '-N', '0', '::'], { stdio: ['ignore', 'pipe', 'pipe'] });
}

function platformModules(platform) {
  const text = readFileSync(join(shared, 'grub-modules.txt'), 'latin1');
  const words = (name) => text.match(new RegExp(`^${name}: (.*)$`, 'm'))[1].split(' ');
  return [...words('all'), ...words(platform)].filter((name) => !left.has(name));
}

function makeCore(folder, platform) {
  const core = join(folder, `core.${platform}`);
  const prefix = platform === 'i386-pc' ? '(,gpt2)/grub' : '/grub';
  execFileSync('grub-mkimage', ['-O', platform, '-o', core, '-p', prefix, ...platformModules(platform)]);
  return core;
}

// As board/shared/disk.sh does it: the boot sector knows where the core is, and that where its rest is.
function installBios(disk, core) {
  const start = BigInt(partitions(disk).biosboot.at / 512);
  const boot = readFileSync('/usr/lib/grub/i386-pc/boot.img'), rest = readFileSync(core);
  boot.writeBigUInt64LE(start, 0x5c);
  boot.write('\x90\x90', 0x66, 'latin1');
  rest.writeBigUInt64LE(start + 1n, 0x1f4);
  writePartition(disk, 'biosboot', rest);
  const fd = openSync(disk, 'r+');
  writeSync(fd, boot, 0, 440, 0);
  closeSync(fd);
}

// What the boot partitions of a row can be, by their partition numbers.
export const boots = { whole: 4, other: 5, noSettings: 6, noKernel: 7, noInitrd: 8, noFiles: 9 };

function boardSettings(rows) {
  const words = rows.map((row, i) => `${Math.floor(i / rowsOfADisk) + 1}.${(i % rowsOfADisk) + 1}.${boots[row.boots?.A ?? 'whole']}.${boots[row.boots?.B ?? 'other']}`);
  return `serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
function over {
  set is_counted=over
  set mark_A=over
  set mark_B=over
  set tries_A=0
  set tries_B=0
}
function linux {
  if [ -f "$1" ]; then echo "@linux $1 $2 $3"; else return 1; fi
}
function initrd {
  if [ -f "$1" ]; then
    echo "@boot"
    over
  else
    return 1
  fi
}
function sleep { set is_asleep=yes; }
function reboot {
  echo "@reboot"
  over
}
for row in ${words.join(' ')}; do
  regexp --set=1:number --set=2:part --set=3:a --set=4:b '^(.*)[.](.*)[.](.)[.](.)$' "$row"
  set rows_disk="hd$number"
  if [ "$rows_disk" = "$disk" ]; then set rows_disk=hd0; fi
  set bootenv="($rows_disk,gpt$part)"
  set boot_A="($disk,gpt$a)"
  set boot_B="($disk,gpt$b)"
  echo "@row $number.$part"
  start
done
echo "@end"
`;
}

// The disk that GRUB starts from.
export function makeBootDisk(folder, rows, platform) {
  const disk = join(folder, `boot.${platform}.img`), mib = 1 << 20;
  writeFileSync(disk, '');
  truncateSync(disk, 24 * mib);
  const bootNames = Object.keys(boots);
  sfdisk(disk, [
    '1: size=1MiB, type=21686148-6449-6E6F-744E-656564454649, name=biosboot', '2: size=8MiB, type=U, name=esp', '3: size=1MiB, type=L, name=bootenv',
    ...bootNames.map((name) => `${boots[name]}: size=1MiB, type=L, name=${name}`),
  ]);
  const core = makeCore(folder, platform);
  makeFat(disk, 'esp');
  const offset = `${disk}@@${partitions(disk).esp.at}`;
  execFileSync('mmd', ['-i', offset, '::grub', '::EFI', '::EFI/BOOT']);
  writeFatFile(disk, 'esp', 'grub/grub.cfg', readFileSync(join(shared, 'grub.cfg')));
  writeFatFile(disk, 'esp', 'grub/board.cfg', Buffer.from(boardSettings(rows)));
  if (platform === 'i386-pc') installBios(disk, core);
  else writeFatFile(disk, 'esp', 'EFI/BOOT/BOOTX64.EFI', readFileSync(core));
  for (const name of bootNames.filter((one) => one !== 'noFiles')) {
    makeFat(disk, name);
    if (name !== 'noSettings') writeFatFile(disk, name, 'slot.cfg', Buffer.from(`set slot_args="of=${name}"\n`));
    if (name !== 'noKernel') writeFatFile(disk, name, 'vmlinuz', Buffer.from('kernel'));
    if (name !== 'noInitrd') writeFatFile(disk, name, 'initrd.img', Buffer.from('initrd'));
  }
  return disk;
}

// The environments, a partition each.
export function makeRowDisks(folder, rows) {
  const disks = [];
  for (let from = 0; from < rows.length; from += rowsOfADisk) {
    const some = rows.slice(from, from + rowsOfADisk), disk = join(folder, `rows${disks.length}.img`);
    const sectors = environmentBytes / 512;
    writeFileSync(disk, '');
    truncateSync(disk, (some.length * sectors + 4096) * 512);
    sfdisk(disk, some.map((_, i) => `${i + 1}: start=${2048 + i * sectors}, size=${sectors}, type=L, name=row${i + 1}`));
    some.forEach((row, i) => writePartition(disk, `row${i + 1}`, row.bytes));
    disks.push(disk);
  }
  return disks;
}

export const readRow = (disks, i) => readPartition(disks[Math.floor(i / rowsOfADisk)], `row${(i % rowsOfADisk) + 1}`);

// What GRUB said, row by row: the kernels that it asked for, and whether it gave up.
export function saidByRows(log) {
  return log.replace(/\x1b\[[0-9;]*[A-Za-z]/g, '\n').replace(/\r/g, '\n').split(/^@row /m).slice(1).map((text) => ({
    kernels: [...text.matchAll(/^@linux \(.*\)\/vmlinuz of=(\w+) (\S+)$/gm)].map((match) => ({ boot: match[1], argument: match[2] })),
    isStarted: /^@boot$/m.test(text), isRebooted: /^@reboot$/m.test(text), text,
  }));
}

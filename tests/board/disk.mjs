// Disk images from outside: partitions by their names, files in the FAT ones, and the slots' state.
import { execFileSync } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, readSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { bin } from '../system/box.mjs';

const root = new URL('../..', import.meta.url).pathname;
const sectorBytes = 512;

function withFile(path, flags, work) {
  const fd = openSync(path, flags);
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}

function readAt(fd, at, bytes) {
  const out = Buffer.alloc(bytes);
  if (readSync(fd, out, 0, bytes, at) !== bytes) throw new Error(`the disk ends before ${at + bytes}`);
  return out;
}

// {name: {at, bytes}} of a raw image's GPT.
export function partitions(disk) {
  return withFile(disk, 'r', (fd) => {
    const head = readAt(fd, sectorBytes, sectorBytes);
    if (head.toString('latin1', 0, 8) !== 'EFI PART') throw new Error(`${disk} has no GPT (a raw image is wanted)`);
    const count = head.readUInt32LE(80), size = head.readUInt32LE(84);
    const table = readAt(fd, Number(head.readBigUInt64LE(72)) * sectorBytes, count * size);
    const found = {};
    for (let i = 0; i < count; i++) {
      const entry = table.subarray(i * size, (i + 1) * size);
      const name = entry.toString('utf16le', 56, 128).replace(/\0.*$/s, '');
      if (name === '') continue;
      const first = Number(entry.readBigUInt64LE(32)), last = Number(entry.readBigUInt64LE(40));
      found[name] = { at: first * sectorBytes, bytes: (last - first + 1) * sectorBytes };
    }
    return found;
  });
}

function partition(disk, name) {
  const found = partitions(disk)[name];
  if (!found) throw new Error(`${disk} has no partition '${name}'`);
  return found;
}

export function readPartition(disk, name, { at = 0, bytes } = {}) {
  const place = partition(disk, name);
  return withFile(disk, 'r', (fd) => readAt(fd, place.at + at, bytes ?? place.bytes - at));
}

export function writePartition(disk, name, content, { at = 0 } = {}) {
  const place = partition(disk, name);
  if (at + content.length > place.bytes) throw new Error(`'${name}' has ${place.bytes} bytes`);
  withFile(disk, 'r+', (fd) => {
    for (let done = 0; done < content.length;) done += writeSync(fd, content, done, content.length - done, place.at + at + done);
  });
}

// Turns every bit of `bytes` bytes at `at`.
export function damagePartition(disk, name, { at, bytes = 16 }) {
  writePartition(disk, name, readPartition(disk, name, { at, bytes }).map((byte) => byte ^ 0xff), { at });
}

// A file in a FAT partition (mtools); `path` as "vmlinuz" or "grub/board.cfg".
const fat = (disk, name) => `${disk}@@${partition(disk, name).at}`;
const mtools = (program, words, options = {}) => execFileSync(program, words, { env: { ...process.env, MTOOLS_SKIP_CHECK: '1' }, stdio: ['pipe', 'pipe', 'pipe'], maxBuffer: 1 << 28, ...options });
export const readFatFile = (disk, name, path) => readFatImage(fat(disk, name), path);
export const writeFatFile = (disk, name, path, content) => writeFatImage(fat(disk, name), path, content);
// The same in the image of a partition.
export const readFatImage = (image, path) => mtools('mtype', ['-i', image, `::${path}`]);
export const writeFatImage = (image, path, content) => void mtools('mcopy', ['-o', '-i', image, '-', `::${path}`], { input: content });

// A copy to write to; holes stay holes. With `bytes` the disk is larger than its image, as a real one.
export function copyDisk(from, to, { bytes } = {}) {
  execFileSync('cp', ['--reflink=auto', '--sparse=always', from, to]);
  if (bytes !== undefined) truncateSync(to, Math.max(bytes, statSync(to).size));
  return to;
}

// The newest image of a board that board/build has made, unpacked into `to`.
export function unpackImage(board, to, { version, bytes } = {}) {
  const file = builtFile(board, '.img.zst', version);
  execFileSync('zstd', ['-q', '-d', '-f', '--sparse', file, '-o', to]);
  if (bytes !== undefined) truncateSync(to, Math.max(bytes, statSync(to).size));
  return to;
}

export function builtFile(board, end, version) {
  const folder = join(process.env.PIXPOP_BOARD_OUT ?? join(root, 'build/board'), board);
  const names = readdirSync(folder).filter((name) => name.endsWith(end) && (version === undefined || name === `pixpop-${board}-${version}${end}`));
  const newest = names.map((name) => join(folder, name)).sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs).at(-1);
  if (!newest) throw new Error(`there is no *${end} in ${folder}: run board/build ${board}`);
  return newest;
}

// pixpop-slots on a disk's bootenv: slots(disk, 'good', 'A'); resolves with the state, see slotsState.
export function slots(disk, ...words) {
  const folder = mkdtempSync(join(tmpdir(), 'pixpop-slots-'));
  try {
    const file = join(folder, 'bootenv');
    writeFileSync(file, readPartition(disk, 'bootenv'));
    if (words.length > 0) {
      execFileSync(join(bin, 'pixpop-slots'), [file, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
      writePartition(disk, 'bootenv', readFileSync(file));
    }
    return slotsState(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// What pixpop-slots shows of a file: {next, first, A: {mark, tries, version}, B, isRescueAsked, floor, sequence}.
export function slotsState(file) {
  const text = execFileSync(join(bin, 'pixpop-slots'), [file, 'show'], { encoding: 'latin1', stdio: ['ignore', 'pipe', 'pipe'] });
  const field = (name) => text.match(new RegExp(`^${name} +(.*)$`, 'm'))[1];
  const slot = (name) => {
    const [, mark, tries, version] = field(`slot ${name}`).match(/^(\w+), (\d) tries, version ([^,]+)/);
    return { mark, tries: Number(tries), version: version === '-' ? '' : version };
  };
  return {
    next: field('next'), first: /^slot A .*, first$/m.test(text) ? 'A' : 'B', A: slot('A'), B: slot('B'),
    isRescueAsked: field('rescue') !== '-', floor: field('floor') === '-' ? '' : field('floor'), sequence: Number(field('sequence')),
  };
}

export const bytesOf = (path) => withFile(path, 'r', (fd) => fstatSync(fd).size);

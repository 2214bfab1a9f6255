// pixpop-slots, the program: every command, what it prints, how it ends.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { bin } from './box.mjs';

const folder = mkdtempSync(join(tmpdir(), 'pixpop-slots-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const blockAt = (number) => 12288 + number * 4096;

function newFile(name) {
  const file = join(folder, name);
  writeFileSync(file, '');
  truncateSync(file, 1 << 20);
  return file;
}

function run(...words) {
  const { status, stdout, stderr } = spawnSync(join(bin, 'pixpop-slots'), words, { encoding: 'utf8' });
  return { status, stdout, stderr };
}

function must(...words) {
  const outcome = run(...words);
  assert.deepEqual(outcome, { status: 0, stdout: outcome.stdout, stderr: '' });
  return outcome.stdout;
}

test('a new disk boots A, and the same commands give the same bytes', () => {
  const [one, two] = [newFile('one'), newFile('two')];
  for (const file of [one, two]) {
    must(file, 'reset');
    must(file, 'written', 'A', '1.0.0');
  }
  assert.deepEqual(readFileSync(one), readFileSync(two));
  assert.equal(must(one, 'show'), [
    'next      A', 'slot A    untried, 3 tries, version 1.0.0, first', 'slot B    bad, 0 tries, version -',
    'rescue    -', 'floor     -', 'sequence  2', '',
  ].join('\n'));
});

test('commands change what they say', () => {
  const file = newFile('commands');
  const line = (name) => must(file, 'show').match(new RegExp(`^${name} +(.*)$`, 'm'))[1];
  must(file, 'reset', 'good');
  assert.equal(line('next'), 'A');
  must(file, 'bad', 'A');
  assert.equal(line('slot A'), 'bad, 0 tries, version -');
  assert.equal(line('next'), 'B');
  must(file, 'bad', 'B', 'force');
  assert.equal(line('next'), 'rescue');
  must(file, 'written', 'B', '1.2.0-rc1');
  assert.equal(line('slot B'), 'untried, 3 tries, version 1.2.0-rc1, first');
  must(file, 'good', 'B', '1.1');
  assert.equal(line('slot B'), 'good, 3 tries, version 1.2.0-rc1, first');
  assert.equal(line('floor'), '1.1');
  must(file, 'written', 'A', '2.0');
  must(file, 'choose', 'B');
  assert.equal(line('next'), 'B');
  must(file, 'rescue', 'on');
  assert.equal(line('next'), 'rescue');
  assert.equal(line('rescue'), 'asked for');
  must(file, 'rescue', 'off');
  assert.equal(line('next'), 'B');
  must(file, 'rearm');
  assert.equal(line('sequence'), '10');
});

test('what the slots do not allow is said and changes nothing', () => {
  const file = newFile('refused');
  must(file, 'reset');
  must(file, 'written', 'A', '1.0.0');
  const before = readFileSync(file);
  for (const [words, status, text] of [
    [['bad', 'A'], 1, 'slot A is the only one that can boot: slot B is bad with 0 tries left'],
    [['good', 'B'], 1, 'slot B is bad: nothing whole is installed there'],
    [['choose', 'B'], 1, 'slot B is bad: nothing whole is installed there'],
    [['written', 'B', 'one'], 2, "'one' is no version like 1.2.3 or 1.2.3-rc1"],
    [['good', 'A', '1..2'], 2, "'1..2' is no version like 1.2.3 or 1.2.3-rc1"],
    [['written', 'C', '1.0'], 2, "'C' is no slot: A or B"],
    [['bad', 'B', 'please'], 2, "'please' is not 'force'"],
    [['reset', 'fine'], 2, "'fine' is no mark: bad, untried or good"],
    [['rescue', 'maybe'], 2, "'maybe' is neither 'on' nor 'off'"],
  ]) {
    assert.deepEqual(run(file, ...words), { status, stdout: '', stderr: `pixpop-slots: ${file}: ${text}\n` });
  }
  for (const [words, text] of [
    [[], 'FILE is missing'], [[file], 'COMMAND is missing'], [[file, 'boot'], 'there is no such command'],
    [[file, 'written', 'A'], 'a word is missing'], [[file, 'show', 'A'], 'there are too many words'],
  ]) {
    assert.deepEqual(run(...words), { status: 2, stdout: '', stderr: `pixpop-slots: ${text}; see pixpop-slots --help\n` });
  }
  assert.deepEqual(readFileSync(file), before);
  assert.match(must('--help'), /^pixpop-slots - /);
});

test('one lost copy is mended by the next change, both lost are said', () => {
  const file = newFile('lost');
  must(file, 'reset', 'good');
  const lose = (...blocks) => {
    const bytes = readFileSync(file);
    for (const block of blocks) bytes.fill(0, blockAt(block), blockAt(block) + 1024);
    writeFileSync(file, bytes);
  };
  lose(0);
  must(file, 'choose', 'B');
  lose(1);
  assert.match(must(file, 'show'), /^next +B$/m);
  lose(0);
  assert.deepEqual(run(file, 'show'), { status: 1, stdout: '', stderr: `pixpop-slots: ${file}: neither copy of the slots' state is whole\n` });
  assert.equal(run(file, 'choose', 'A').status, 1);
  must(file, 'reset', 'good');
  assert.match(must(file, 'show'), /^next +A$/m);
});

test('files that are none say so', () => {
  const small = join(folder, 'small');
  writeFileSync(small, 'x');
  for (const words of [[small, 'show'], [small, 'reset'], [join(folder, 'nothing'), 'show'], [folder, 'reset']]) {
    const { status, stdout, stderr } = run(...words);
    assert.equal(status, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^[^\n]*: [^\n]+\n$/);
  }
});

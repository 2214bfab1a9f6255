// grub.cfg and firmware/slots say the same of every state: a table of all states, damaged copies and unreadable boot
// partitions goes through the real GRUB, by BIOS and (a part) by UEFI. What GRUB starts and what it leaves on the disk is
// compared with what pixpop-slots says of the same bytes.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { slotsState } from './disk.mjs';
import { block, blockBytes, counterBlock, environment, makeBootDisk, makeRowDisks, readRow, rowsOfADisk, saidByRows, stateBlock, triesOf } from './grub_lab.mjs';
import { limits, Machine } from './qemu.mjs';

const folder = mkdtempSync(join(tmpdir(), 'pixpop-grub-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const marks = ['bad', 'untried', 'good'];
const nothing = Buffer.alloc(blockBytes);
const other = { A: 'B', B: 'A' };
const stateOf = (first, a, b, tries, sequence = 41) => ({
  first, sequence, A: { mark: a, tries: Number(tries[0]), version: '1.1.0' }, B: { mark: b, tries: Number(tries[1]), version: '' },
  isRescueAsked: tries[2] === '1', floor: '1.0',
});
const torn = (before, now, cut) => Buffer.concat([now.subarray(0, cut), before.subarray(cut)]);
const flipped = (bytes, at) => Buffer.from(bytes.map((byte, i) => (i === at ? byte ^ 0x04 : byte)));
const row = (name, blocks, more = {}) => ({ name, bytes: environment(folder, blocks), ...more });
const plain = (state, more) => {
  const name = `${state.first} first, ${state.A.mark} ${state.B.mark}, tries ${triesOf(state)}`;
  const counters = counterBlock(state.sequence, triesOf(state));
  return row(name, [stateBlock(state), stateBlock(state), counters, counters], more);
};

// All of them with PIXPOP_LONG; else every count of tries once, and what they mean in every pair.
const isLong = process.env.PIXPOP_LONG !== undefined;
const allTries = [...'0123'].flatMap((a) => [...'0123'].flatMap((b) => [`${a}${b}0`, `${a}${b}1`]));
const someTries = ['000', '010', '100', '130', '220', '330', '001', '321'];
const step = (fine, coarse) => (isLong ? fine : coarse);

function allStates() {
  return [...'AB'].flatMap((first) => marks.flatMap((a) => marks.flatMap((b) => step(allTries, someTries).map((tries) => plain(stateOf(first, a, b, tries))))));
}

// The state before an update, and after it.
const old = stateOf('A', 'good', 'bad', '300', 41), fresh = stateOf('B', 'good', 'untried', '330', 42);

function damagedStates() {
  const [was, is] = [stateBlock(old), stateBlock(fresh)], [counted, counters] = [counterBlock(41, '200'), counterBlock(42, '330')];
  const rows = [
    row('the older copy first', [was, is, counters, counters]), row('the older copy second', [is, was, counters, counters]),
    row('only copy 0', [is, nothing, counters, counters]), row('only copy 1', [nothing, is, counters, counters]),
    row('no copy', [nothing, nothing, counters, counters]), row('blocks without lines', [block(''), block(''), counters, counters]),
    row('not counted yet', [is, is, counted, counted]),
    ...[[9, 10], [99999999, 100000000], [999999998, 999999999]].flatMap(([low, high]) => {
      const [one, two] = [stateBlock({ ...old, sequence: low }), stateBlock({ ...fresh, sequence: high })];
      return [row(`${low} and ${high}`, [one, two, nothing, counterBlock(high, '320')]), row(`${high} and ${low}`, [two, one, counterBlock(high, '310'), nothing])];
    }),
    row('a sequence of ten digits', [stateBlock({ ...fresh, sequence: 1000000000 }), was, counted, counted]),
  ];
  for (let cut = 24; cut < 260; cut += step(4, 12)) {
    rows.push(row(`copy 0 torn at ${cut}`, [torn(was, is, cut), was, counted, counted]), row(`copy 1 torn at ${cut}`, [is, torn(was, is, cut), counters, counters]));
  }
  for (let at = 0; at < 240; at += step(5, 13)) rows.push(row(`byte ${at} of copy 0 flipped`, [flipped(is, at), is, counters, counters]));
  return rows;
}

function damagedCounters() {
  const state = stateBlock(fresh), full = counterBlock(42, '330'), less = counterBlock(42, '320');
  const rows = [
    row('the lower counter first', [state, state, less, full]), row('the lower counter second', [state, state, full, less]),
    row('one counter lost', [state, state, nothing, less]), row('the other counter lost', [state, state, less, nothing]),
    row('counters of another sequence', [state, state, counterBlock(41, '000'), counterBlock(43, '000')]),
    row('a counter of another sequence', [state, state, counterBlock(41, '000'), counterBlock(42, '310')]),
    row('counters drained', [state, state, counterBlock(42, '000'), full]),
    row('counters above the state', [stateBlock(stateOf('B', 'good', 'untried', '110', 42)), nothing, full, full]),
    row('counters with wrong tries', [state, state, counterBlock(42, '340'), counterBlock(42, '032')]),
    row('counters without a twin', [state, state, block('SEQ=42\nTRIES=000\n'), block('TRIES=000\nTWIN=42.000\n')]),
    row('a rescue that is over', [stateBlock({ ...fresh, isRescueAsked: true }), nothing, counterBlock(42, '330'), full]),
  ];
  for (let cut = 24; cut < 64; cut += step(1, 4)) rows.push(row(`counter torn at ${cut}`, [state, state, torn(full, less, cut), full]));
  return rows;
}

function brokenBoots() {
  const kinds = ['whole', 'noSettings', 'noKernel', 'noInitrd', 'noFiles'];
  const states = [stateOf('A', 'good', 'good', '330'), stateOf('B', 'untried', 'good', '311'), stateOf('B', 'bad', 'untried', '021')];
  return states.flatMap((state) => kinds.flatMap((a) => kinds.map((b) => {
    const broken = { A: a, B: b === 'whole' ? 'other' : b };
    const one = plain(state, { boots: broken });
    return { ...one, name: `${one.name}, boot partitions ${a} ${b}` };
  })));
}

// More rows than the BIOS has disks for go in several starts.
const startRows = 14 * rowsOfADisk;

const isReadable = (boot) => boot === 'whole' || boot === 'other';
const asksForKernel = (boot) => isReadable(boot) || boot === 'noInitrd';

// What GRUB has to do by what pixpop-slots says: the kernels in their order, and the tries that are left.
function expected(row, state) {
  const boots = { A: row.boots?.A ?? 'whole', B: row.boots?.B ?? 'other' };
  const kernels = [];
  const start = (slot, argument) => {
    if (asksForKernel(boots[slot])) kernels.push({ boot: boots[slot], argument });
    return isReadable(boots[slot]);
  };
  const rescue = (why, order) => ({ kernels, isStarted: order.some((slot) => start(slot, `pixpop.rescue=${why}`)) });
  if (!state) return rescue('failed', ['A', 'B']);
  const now = structuredClone(state);
  const bestFirst = ['good', 'untried', 'bad'].flatMap((mark) => [now.first, other[now.first]].filter((slot) => now[slot].mark === mark));
  if (now.isRescueAsked) {
    assert.equal(state.next, 'rescue');
    now.isRescueAsked = false;
    return { ...rescue('asked', bestFirst), tries: triesOf(now) };
  }
  let isStarted = false;
  const tried = [];
  for (const slot of [now.first, other[now.first]]) {
    if (isStarted || now[slot].mark === 'bad' || now[slot].tries === 0) continue;
    now[slot].tries--;
    tried.push(slot);
    isStarted = start(slot, `pixpop.slot=${slot}`);
  }
  assert.equal(tried[0] ?? 'rescue', state.next);  // slots_next
  const tries = triesOf(now);
  return isStarted ? { kernels, isStarted, tries } : { ...rescue('failed', bestFirst), tries };
}

function stateOfBytes(bytes) {
  const file = join(folder, 'row');
  writeFileSync(file, bytes);
  try {
    return slotsState(file);
  } catch (error) {
    assert.match(String(error.stderr), /neither copy of the slots' state is whole/);
    return undefined;
  }
}

async function compare(rows, platform, firmware) {
  const disk = makeBootDisk(folder, rows, platform), rowDisks = makeRowDisks(folder, rows);
  const machine = new Machine({ name: `grub-${firmware}`, disk, moreDisks: rowDisks, firmware, memory: 256, nic: '', forwards: {} });
  try {
    await machine.start();
    await machine.waitFor(/^@end/m, limits.grubTable);
    await machine.quit();
  } finally {
    await machine.finish();
  }
  const said = saidByRows(machine.log);
  assert.equal(said.length, rows.length);
  const wrong = rows.map((row, i) => differenceOf(row, said[i], readRow(rowDisks, i))).filter((text) => text);
  assert.equal(wrong.length, 0, `${wrong.length} of ${rows.length} rows:\n${wrong.slice(0, 5).join('\n')}`);
}

// What a row did otherwise than pixpop-slots says, or undefined.
function differenceOf(row, said, bytesAfter) {
  const before = stateOfBytes(row.bytes), after = stateOfBytes(bytesAfter), wanted = expected(row, before);
  const countless = (state) => state && { ...state, next: '', isRescueAsked: false, A: { ...state.A, tries: 0 }, B: { ...state.B, tries: 0 } };
  const is = { kernels: said.kernels, isStarted: said.isStarted, tries: after && triesOf(after), rest: countless(after) };
  const should = { kernels: wanted.kernels, isStarted: wanted.isStarted, tries: before && wanted.tries, rest: countless(before) };
  try {
    assert.deepEqual(is, should);
    // The lab's boot comes back, and then grub.cfg has nothing else left.
    assert.ok(said.isRebooted);
  } catch (error) {
    return `${row.name}: ${error.message}\n${said.text}`;
  }
}

const rows = () => [...allStates(), ...damagedStates(), ...damagedCounters(), ...brokenBoots()];

test('by BIOS, GRUB does what the library says of every state and every damage', async () => {
  const all = rows();
  for (let from = 0; from < all.length; from += startRows) await compare(all.slice(from, from + startRows), 'i386-pc', 'bios');
});

test('by UEFI, it does the same', async () => {
  const all = rows(), every = Math.ceil(all.length / rowsOfADisk);
  await compare(all.filter((_, i) => i % every === 0), 'x86_64-efi', 'uefi');
});

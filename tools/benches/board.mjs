// board BIN OUT.json [BOARD...]: each board's image as board/build makes it, in QEMU without virtualisation (TCG): sizes, memory
// at rest, power-on to the first 200 and to the first variant (medians of three starts after the first one), an update and a
// rollback from a damaged root. The peer is the target where there is one, else what a prototype with RAUC took.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { median } from './lib.mjs';

const root = new URL('../..', import.meta.url).pathname;
const [bin, out, ...wanted] = process.argv.slice(2);
process.env.PIXPOP_BUILD = join(root, dirname(bin));
const { BootedBox, boardOut } = await import('../../tests/board/booted.mjs');
const { builtFile, damagePartition, unpackImage } = await import('../../tests/board/disk.mjs');
const { upload } = await import('../../tests/board/journey.mjs');
const { limits } = await import('../../tests/board/qemu.mjs');
const { photos, sleep } = await import('../../tests/system/box.mjs');

const boards = {
  'qemu-x86_64': { machine: {}, slotTarget: 120, startTarget: 12, rollbackPeer: 73, updatePeer: 6.4 },
  'qemu-arm64': { machine: { arch: 'arm64' }, slotTarget: 120 },
  'generic-x86_64': { machine: { firmware: 'uefi', bus: 'nvme', nic: 'e1000e', watchdog: 'i6300esb', memory: 1024 }, slotTarget: 70 },
};
const starts = 3, restSeconds = 20, askSeconds = 0.4;
const newer = '99.0.0';
const version = readFileSync(join(root, 'CMakeLists.txt'), 'utf8').match(/project\(pixpop VERSION ([\d.]+)/)[1];

const rows = [];
const add = (metric, unit, ours, peer, peer_name) => {
  rows.push({ metric, unit, ours, peer: peer ?? null, peer_name: peer_name ?? null, ratio: peer ? Number((peer / ours).toFixed(3)) : null });
};

const make = (board, ...words) => execFileSync(join(root, 'board/build'), [board, ...words], { stdio: ['ignore', 'inherit', 'inherit'] });
const megabytes = (...files) => files.reduce((sum, file) => sum + statSync(file).size, 0) / 1e6;
const seconds = (since) => (performance.now() - since) / 1000;

function sizes(board, { slotTarget }) {
  const image = builtFile(board, '.img.zst', version);
  const work = join(boardOut, board, `work-${version}`);
  add(`${board}/image, compressed`, 'MB', megabytes(image));
  add(`${board}/slot`, 'MB', megabytes(join(work, 'boot.img'), join(work, 'root.img')), slotTarget, 'target');
}

// Each start asks for a variant that nobody has made yet, of a width that unsigned URLs may name.
const ladder = [160, 320, 400, 640, 800, 960], widths = [];
const nextVariant = (id) => `/i/${id}?w=${widths.shift()}&dpr=1&fm=webp`;

// Power-on to the first 200. QEMU takes a connection before the guest has a network, and what is asked then may hang for
// seconds after there is one: so the next question does not wait for the last one.
async function firstReply(box) {
  let found, inTime = limits.slowBoot / askSeconds;
  const ask = async () => {
    const reply = await box.request('console', '/healthz', { seconds: 2 }).catch(() => undefined);
    if (reply?.status === 200) found ??= seconds(box.startedAt);
  };
  for (; found === undefined; await sleep(askSeconds * 1000)) {
    if (inTime-- < 0 || !box.isRunning) throw new Error(`${box.name} does not answer`);
    ask();
  }
  return found;
}

async function measureStarts(board, box, id, { startTarget }) {
  const first = [], variant = [], memory = [];
  for (let i = 0; i < starts; i++) {
    await box.api('/system/poweroff', { method: 'POST' });
    await box.switchedOff();
    await box.start();
    first.push(await firstReply(box));
    variant.push((await box.waitForReply('delivery', nextVariant(id), { seconds: limits.slowBoot })).secondsOn);
    await box.healthy(limits.slowBoot);
    await sleep(restSeconds * 1000);
    const { total, available } = await box.memory();
    memory.push((total - available) / 1e6);
  }
  add(`${board}/power-on to first 200`, 's', median(first), startTarget, 'target');
  add(`${board}/power-on to first variant`, 's', median(variant));
  add(`${board}/RAM at rest`, 'MB', median(memory));
}

async function measureUpdate(board, box, disk, id, kind) {
  const bundle = readFileSync(builtFile(board, '.pixpop', newer));
  const send = async () => {
    const begun = performance.now();
    const reply = await box.update(bundle);
    if (reply.status !== 200) throw new Error(`update: ${reply.status} ${reply.body}`);
    return seconds(begun);
  };
  // Into B, which is then damaged; once A is back, into B again.
  await send();
  await box.powerCut();
  for (let at = 0; at < 32 << 20; at += 1 << 20) damagePartition(disk, 'rootB', { at, bytes: 64 });
  await box.start();
  const begun = performance.now();
  await box.waitForStatus((status) => status.running === 'A' && status.health === 'good', limits.rollback);
  add(`${board}/rollback from a damaged root`, 's', seconds(begun), kind.rollbackPeer, 'RAUC prototype');
  add(`${board}/update sent, written and read back`, 's', await send(), kind.updatePeer, 'RAUC prototype');
  const restarted = performance.now();
  await box.restart(limits.slowBoot);
  add(`${board}/update: restart until healthy`, 's', seconds(restarted));
  const reply = await box.request('delivery', nextVariant(id), { seconds: limits.variant });
  if (reply.status !== 200) throw new Error(`after the update: ${reply.status} ${reply.body}`);
}

async function measure(board) {
  const kind = boards[board];
  widths.splice(0, widths.length, ...ladder);
  make(board);
  sizes(board, kind);
  make(board, '--version', newer, '--no-image');
  const folder = mkdtempSync(join(tmpdir(), 'pixpop-bench-board-'));
  const disk = unpackImage(board, join(folder, 'disk.img'), { version, bytes: 3 * 2 ** 30 });
  const box = new BootedBox({ name: `bench-${board}`, disk, ...kind.machine });
  try {
    await box.first(limits.slowBoot);
    const id = await upload(box, box.token, readFileSync(photos(1)[0]));
    await measureStarts(board, box, id, kind);
    await measureUpdate(board, box, disk, id, kind);
  } finally {
    await box.finish();
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const board of wanted.length > 0 ? wanted : Object.keys(boards)) {
  if (!boards[board]) throw new Error(`there is no board '${board}' here; there are: ${Object.keys(boards).join(' ')}`);
  await measure(board);
}
console.log(`${cpus().length} x ${cpus()[0].model}, load average ${loadavg()[0].toFixed(1)}`);
const wide = Math.max(...rows.map(({ metric }) => metric.length));
for (const { metric, unit, ours, peer, peer_name } of rows) {
  console.log(`${metric.padEnd(wide)} ${unit.padEnd(3)} ${ours.toFixed(1).padStart(8)}${peer ? ` ${peer.toFixed(1).padStart(8)}  ${peer_name}` : ''}`);
}
// Boards that were not asked for keep the figures of their last run.
const measured = new Set(rows.map(({ metric }) => metric.split('/')[0]));
const kept = existsSync(out) ? JSON.parse(readFileSync(out, 'utf8')).filter(({ metric }) => !measured.has(metric.split('/')[0])) : [];
writeFileSync(out, `${JSON.stringify([...kept, ...rows], null, 2)}\n`);

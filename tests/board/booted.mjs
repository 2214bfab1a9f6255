// A board's image that runs in QEMU, as those see it who update it: its system's status, bundles sent to it, restarts.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { until } from '../support/waiting.mjs';
import { sleep } from '../system/box.mjs';
import { bearer, claim, claimCode } from './journey.mjs';
import { clean, limits, Machine } from './qemu.mjs';

const root = new URL('../..', import.meta.url).pathname;
export const boardOut = process.env.PIXPOP_BOARD_OUT ?? join(root, 'build/board');

function runBuild(board, version, ...words) {
  const programs = process.env.PIXPOP_BOARD_PROGRAMS;
  execFileSync(join(root, 'board/build'), [board, '--version', version, ...(programs ? ['--programs', programs] : []), ...words], {
    env: { ...process.env, PIXPOP_COMPRESSION: '3' }, stdio: ['ignore', 'pipe', 'inherit'],
  });
}

// An image of that version, for unpackImage.
export const buildImage = (board, version, ...words) => runBuild(board, version, ...words);

// A bundle of that version, made as the image was (PIXPOP_BOARD_PROGRAMS: of a build folder's programs); quick when there
// is one already. {bundle, boot, root}: the files.
export function buildBundle(board, version, ...words) {
  runBuild(board, version, '--no-image', ...words);
  const work = join(boardOut, board, `work-${version}`);
  return { bundle: join(boardOut, board, `pixpop-${board}-${version}.pixpop`), boot: join(work, 'boot.img'), root: join(work, 'root.img') };
}

// For makeBundle: what the image trusts.
export const developmentKey = () => ({ privateKey: createPrivateKey(readFileSync(join(boardOut, 'keys/development.key'))) });

export class BootedBox extends Machine {
  // From power-on until somebody has it: the code and the token are kept.
  async first(seconds = limits.boot) {
    await this.start();
    this.code = await claimCode(this, seconds);
    await this.waitForReply('console', '/healthz', { seconds });
    this.token = await claim(this, this.code);
    return this.healthy();
  }

  api(path, { headers, ...options } = {}) {
    return this.request('console', `/api/v1${path}`, { ...options, headers: { ...bearer(this.token), ...headers } });
  }

  async status() {
    const reply = await this.api('/system');
    if (reply.status !== 200) throw new Error(`status: ${reply.status} ${reply.body}`);
    return reply.json;
  }

  // Until the system's status is as wanted; resolves with it.
  async waitForStatus(isWanted, seconds = limits.boot) {
    const reply = await this.waitForReply('console', '/api/v1/system', {
      seconds, headers: bearer(this.token), isWanted: (one) => one.status === 200 && isWanted(one.json),
    });
    return reply.json;
  }

  // Until the running slot has passed its health check.
  healthy(seconds = limits.variant) { return this.waitForStatus((status) => status.health === 'good', seconds); }

  // Sends a bundle; resolves with the reply: {result, version, slot}, or a problem.
  update(bundle, { isOlder = false } = {}) {
    return this.api(`/system/update${isOlder ? '?older=1' : ''}`, {
      method: 'POST', body: bundle, headers: { 'content-type': 'application/octet-stream' }, seconds: limits.update,
    });
  }

  // Restarts it; resolves with the status once another start of it is healthy (of whichever slot).
  async restart(seconds = limits.boot) {
    const { boot } = await this.status();
    const reply = await this.api('/system/reboot', { method: 'POST' });
    if (reply.status !== 200) throw new Error(`reboot: ${reply.status} ${reply.body}`);
    return this.waitForStatus((status) => status.boot !== boot && status.health === 'good', seconds);
  }
}

// What a command says on the root shell of an image made with --shell.
export async function shell(box, command, seconds = limits.reply) {
  box.type(`\n${command}; echo "<""end>"\n`);
  await box.waitFor(/<""end>"/, seconds);
  const [, text] = await box.waitFor(/([\s\S]*)<end>/, seconds);
  return clean(text).trim();
}

export async function pidOf(box, program) {
  const pid = await shell(box, `pidof ${program}`);
  assert.match(pid, /^\d+$/, program);
  return pid;
}

// Stops a program where it stands, until the machine has been reset; resolves with the boot that was.
export async function freeze(box, program) {
  const { boot } = await box.status();
  const { resets } = box;
  await shell(box, `kill -STOP ${await pidOf(box, program)}`);
  await until(`a reset because of ${program}`, () => box.resets > resets, limits.reset);
  return boot;
}

// Asks the delivery for a path again and again; stop() resolves with {count, dropped}.
export function keepAsking(box, path, pauseMs = 100) {
  const asked = { count: 0, dropped: [] };
  let isOver = false;
  const run = (async () => {
    while (!isOver) {
      try {
        const reply = await box.request('delivery', path);
        asked.count++;
        if (reply.status !== 200) asked.dropped.push(`status ${reply.status}`);
      } catch (error) {
        asked.dropped.push(error.message);
      }
      await sleep(pauseMs);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await run;
      return asked;
    },
  };
}

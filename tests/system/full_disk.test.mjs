// A box on a real file system without a free byte: it starts, serves and lists what it has, also after kill -9, says 507
// to uploads, and comes back to itself once something was deleted.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readPhoto, startBox } from './box.mjs';

const canMount = (folder) => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

describe('a disk without a free byte', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pixpop-full-'));
  const filler = join(folder, 'filler');
  const path = '?w=160&fm=webp&q=80&dpr=1';
  let box, kept, gone, backup;
  if (!canMount(folder)) {
    rmSync(folder, { recursive: true });
    it('is_not_tested_here', { skip: 'no file system can be mounted here' });
    return;
  }
  const fill = () => {
    const fd = openSync(filler, 'a');
    for (const size of [1 << 20, 4096, 1]) {
      try { while (writeSync(fd, Buffer.alloc(size)) === size); } catch (error) { assert.equal(error.code, 'ENOSPC'); }
    }
    closeSync(fd);
    assert.equal(statfsSync(folder).bavail, 0);
  };
  const list = async () => (await box.api('/api/v1/originals')).json.items.map(({ id }) => id).sort();
  const isWell = async (ids) => {
    assert.equal((await box.api('/healthz')).status, 200);
    assert.equal((await box.api('/api/v1/status')).status, 200);
    assert.deepEqual(await list(), ids.sort());
    for (const id of ids) assert.equal((await box.get(`/i/${id}${path}`)).status, 200);
  };
  const isFull = async () => {
    const { status, json } = await box.upload(readPhoto(2), 'more.jpg');
    assert.equal(status, 507);
    assert.match(json.detail, /disk is full/);
  };

  before(async () => {
    box = await startBox({ data: folder, settings: ['cache.min_free=0', 'cache.disk=1M', 'render.resampler=cpu'] });
    kept = await box.put(readPhoto(0), 'kept.jpg');
    gone = await box.put(readPhoto(1), 'gone.jpg');
    await isWell([kept, gone]);
    backup = (await box.api('/api/v1/backup')).body;
    fill();
  });
  after(async () => {
    await box?.stop('SIGKILL');
    execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });

  it('lets_a_running_box_serve_and_refuse', async () => {
    await isWell([kept, gone]);
    await isFull();
  });

  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGKILL']) {
    it(`lets_a_box_start_after_${signal}`, async () => {
      const { code } = await box.stop(signal);
      assert.equal(code, signal === 'SIGTERM' ? 0 : null);
      fill();
      await box.start();
      await isWell([kept, gone]);
      await isFull();
    });
  }

  it('gives_room_by_a_deletion', async () => {
    assert.equal((await box.api(`/api/v1/originals/${gone}`, { method: 'DELETE' })).status, 204);
    assert.deepEqual(await list(), [kept]);
    assert.ok(statfsSync(folder).bavail > 0);
    fill();
    await box.restart('SIGKILL');
    await isWell([kept]);
    const restore = () => box.api('/api/v1/restore', { method: 'POST', body: backup });
    const refused = await restore();
    assert.deepEqual([refused.status, refused.json.restore.new, refused.json.restore.is_whole], [507, 0, false]);
    unlinkSync(filler);
    const { status, json } = await restore();
    assert.deepEqual([status, json.new, json.present], [200, 1, 1]);
    await isWell([kept, gone]);
  });

  it('is_over_after_the_next_start', async () => {
    await box.restart();
    await isWell([kept, gone]);
    assert.equal((await box.api('/api/v1/status')).json.ledger.state, 'running');
    assert.deepEqual(await box.stop(), { code: 0, signal: null });
    await box.start();
    await isWell([kept, gone]);
    assert.doesNotMatch(box.log.slice(box.log.lastIndexOf('decoders run')), /brought up to date/);
  });
});

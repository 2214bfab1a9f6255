// Decoders that have been taken over, in a real box: what they try costs one upload, is counted by cause, and leaves nothing behind.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { accessSync, chownSync, constants, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bin, build, metric, readPhoto, startBox } from './box.mjs';

const compromised = join(build, 'tests/compromised_decoder');
const causes = ['crash', 'timeout', 'memory', 'seccomp', 'killed', 'protocol', 'starved', 'error'];
const isSanitized = /\b(asan|tsan)$/.test(build);

async function failures(box) {
  const text = (await box.api('/metrics')).body.toString();
  return Object.fromEntries(causes.map((cause) => [cause, metric(text, 'pixpop_sandbox_failures_total', `cause="${cause}"`)]));
}

// What the word in a file makes the compromised decoder do, and what becomes of it.
const deeds = [
  ['open-to-write', 'seccomp'], ['open-to-read', 'denied'], ['socket-internet', 'seccomp'], ['connect', 'seccomp'], ['execve', 'seccomp'],
  ['ptrace', 'seccomp'], ['fork', 'seccomp'], ['kill-all', 'seccomp'], ['mount', 'seccomp'], ['mprotect-exec', 'seccomp'],
  ['abort', 'crash'], ['leave', 'crash'], ['loop', 'timeout'], ['stop', 'starved'], ['lie-count', 'protocol'], ['lie-line', 'protocol'],
  // Sanitizers do not go with a limit of the address space.
  ...(isSanitized ? [] : [['memory', 'memory']]),
];

function itSurvives(options) {
  let box;
  const escaped = '/tmp/escaped';
  before(async () => {
    rmSync(escaped, { force: true });
    box = await startBox({
      ...options,
      settings: [`decoder.path=${compromised}`, 'decoder.timeout_ms=1500', 'decoder.workers=1', ...(isSanitized ? [] : ['decoder.memory=512M'])],
    });
  });
  after(() => box.finish());

  for (const [word, cause] of deeds) {
    it(`${word}_costs_one_upload`, async () => {
      const before = await failures(box);
      const reply = await box.upload(Buffer.from(`${word}\n`));
      // A decoder that got no processor time says nothing about the picture.
      assert.equal(reply.status, cause === 'starved' ? 503 : 422, `${word}: ${reply.body}`);
      if (cause === 'denied') assert.match(reply.json.detail, new RegExp(`${word}: E[A-Z]+`));
      if (cause !== 'denied') before[cause] += 1;
      assert.deepEqual(await failures(box), before);
    });
  }

  it('leaves_nothing_behind', async () => {
    assert.ok(!existsSync(escaped));
    assert.equal((await box.api('/api/v1/originals')).json.items.length, 0);
    assert.equal((await box.api('/healthz')).status, 200);
    assert.match(box.log, /a decoder called what it may not and was killed/);
  });

  it('reads_pictures_again_with_an_honest_decoder', async () => {
    await box.stop();
    const honest = await startBox({ ...options, data: box.data, token: box.token });
    try {
      const id = await honest.put(readPhoto());
      assert.equal((await honest.get(`/i/${id}?w=100`)).status, 200);
      const { decoder } = (await honest.api('/api/v1/status')).json;
      assert.equal(decoder.seccomp, true);
      assert.notEqual(decoder.uid, 0);
      assert.match(honest.log, /decoders run as user \d+, confined by: seccomp/);
      assert.deepEqual(Object.values(await failures(honest)), causes.map(() => 0));
    } finally {
      await honest.finish();
    }
  });
}

describe('a box with a decoder that has been taken over', () => itSurvives({}));

// As root's children run; else the first block has been just that.
const asNobody = process.getuid() === 0 && ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
const canRun = asNobody && [join(bin, 'pixpopd'), compromised].every((program) =>
  spawnSync(asNobody[0], [...asNobody.slice(1), 'test', '-x', program]).status === 0);
describe('the same without root', { skip: !canRun && 'nobody can not be started here' }, () => {
  const data = canRun ? mkdtempSync(join(tmpdir(), 'pixpop-test-')) : '';
  if (canRun) chownSync(data, 65534, 65534);
  after(() => rmSync(data, { recursive: true, force: true }));
  itSurvives({ under: asNobody, data });
});

describe('settings of the decoder', () => {
  it('refuses_to_start_without_seccomp_when_it_is_required', async () => {
    accessSync(join(build, 'tests/unfiltered_decoder'), constants.X_OK);
    const path = `decoder.path=${join(build, 'tests/unfiltered_decoder')}`;
    await assert.rejects(startBox({ settings: [path] }), /decoder\.require_isolation/);
    const box = await startBox({ settings: [path, 'decoder.require_isolation=off'] });
    assert.equal((await box.api('/api/v1/status')).json.decoder.seccomp, false);
    await box.finish();
  });
});

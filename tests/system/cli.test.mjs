// The pixpop command line against a real box over TLS.
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bin, idOf, photos, readPhoto, sha256, sleep, startBox } from './box.mjs';

describe('pixpop', () => {
  let box, folder;
  before(async () => {
    box = await startBox({ tls: true });
    folder = mkdtempSync(join(tmpdir(), 'pixpop-out-'));
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await box.finish();
  });

  // Asynchronous, because the box's pipes are read by this process.
  const pixpop = (args, env = {}) => new Promise((done) => {
    execFile(join(bin, 'pixpop'), args, {
      encoding: 'utf8',
      env: { ...process.env, PIXPOP_CONSOLE: box.console, PIXPOP_DELIVERY: box.delivery, PIXPOP_TOKEN: box.token, PIXPOP_FINGERPRINT: box.fingerprint, XDG_STATE_HOME: folder, ...env },
    }, (error, stdout, stderr) => done({ status: error ? error.code : 0, stdout, stderr }));
  });

  it('prints_help_for_every_command', async () => {
    const help = await pixpop(['--help']);
    assert.equal(help.status, 0);
    for (const command of ['put', 'uploads', 'show', 'make', 'get', 'url', 'ls', 'rm', 'purge', 'prewarm', 'status', 'device', 'reindex', 'sync', 'verify', 'bundle', 'update', 'slots']) {
      assert.match(help.stdout, new RegExp(`\\b${command}\\b`));
      const page = await pixpop([command, '--help']);
      assert.equal(page.status, 0, command);
      assert.ok(page.stdout.length > 200, command);
    }
    assert.equal((await pixpop(['bogus'])).status, 2);
    assert.equal((await pixpop([])).status, 2);
  });

  it('uploads_files_and_names_the_one_that_failed', async () => {
    const files = photos(2);
    const outcome = await pixpop(['put', files[0], '/etc/hostname', '/nonexistent.jpg', files[1]]);
    assert.equal(outcome.status, 1);
    assert.match(outcome.stderr, /hostname/);
    assert.match(outcome.stderr, /nonexistent/);
    for (const file of files) assert.ok(outcome.stdout.includes(idOf(readFileSync(file))));
  });

  it('fetches_a_variant_and_checks_its_digest', async () => {
    const id = idOf(readPhoto());
    const path = join(folder, 'a.webp');
    const outcome = await pixpop(['get', id, 'w=300', 'fm=webp', '-o', path]);
    assert.equal(outcome.status, 0, outcome.stderr);
    const direct = await box.get(`/i/${id}?w=300&fm=webp`);
    assert.deepEqual(sha256(readFileSync(path)), sha256(direct.body));
    const missing = await pixpop(['get', 'A'.repeat(43), '-o', join(folder, 'b')]);
    assert.equal(missing.status, 1);
    assert.match(missing.stderr, /not found/i);
    assert.ok(!existsSync(join(folder, 'b')));
  });

  it('leaves_nothing_behind_when_a_download_is_interrupted', async () => {
    const server = http.createServer((_, reply) => { reply.writeHead(200, { 'content-length': 100 }); reply.write('abc'); });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const child = spawn(join(bin, 'pixpop'), ['--delivery', `http://127.0.0.1:${server.address().port}`, 'get', 'A'.repeat(43), '-o', join(folder, 'cut')], { stdio: 'ignore' });
    const [, reply] = await once(server, 'request');
    while (!readdirSync(folder).some((name) => name.startsWith('cut.'))) await sleep(20);
    child.kill('SIGINT');
    const [, signal] = await once(child, 'exit');
    assert.equal(signal, 'SIGINT');
    assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith('cut')), []);
    reply.destroy();
    server.close();
  });

  it('shows_names_without_what_could_steer_the_terminal', async () => {
    for (const bytes of ['\x1b[31m', '\x9b31m', '\xe2\x80\xae', '\xc2\x9b', '\xff']) {
      const path = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(`${bytes}name.jpg`, 'latin1')]);
      copyFileSync(photos(1)[0], path);
      const script = `exec "$1" put "$2"/*name.jpg`;
      const outcome = await new Promise((done) => {
        execFile('/bin/sh', ['-c', script, 'sh', join(bin, 'pixpop'), folder], {
          encoding: 'latin1', env: { ...process.env, PIXPOP_CONSOLE: box.console, PIXPOP_TOKEN: box.token, PIXPOP_FINGERPRINT: box.fingerprint, XDG_STATE_HOME: folder },
        }, (error, stdout, stderr) => done(stdout + stderr));
      });
      assert.match(outcome, /\?(\[?31m)?name\.jpg/);
      assert.ok(!outcome.includes(bytes), bytes);
      rmSync(path);
    }
  });

  it('takes_an_id_that_begins_with_a_dash_for_an_id', async () => {
    const id = `-${'A'.repeat(42)}`;
    assert.equal((await pixpop(['url', id, 'w=300'])).stdout.trim(), `${box.delivery}/i/${id}?w=300`);
    for (const words of [['rm', id], ['show', id], ['uploads', '--rm', id]]) {
      const outcome = await pixpop(words);
      assert.equal(outcome.status, 1, words[0]);
      assert.match(outcome.stderr, /not found/i);
    }
    assert.equal((await pixpop(['rm', '--verbose'])).status, 2);
  });

  it('prints_urls_lists_and_status', async () => {
    const id = idOf(readPhoto());
    assert.equal((await pixpop(['url', id, 'w=300'])).stdout.trim(), `${box.delivery}/i/${id}?w=300`);
    assert.ok((await pixpop(['ls'])).stdout.includes(id));
    const lines = (await pixpop(['ls', '--json'])).stdout.trim().split('\n').map((line) => JSON.parse(line));
    assert.ok(lines.some((line) => line.id === id));
    const { stdout: status } = await pixpop(['status']);
    assert.match(status, /^originals +\d+, /m);
    assert.match(status, /^ledger +running, \d+ entr(y|ies), \d.* B, signed on \d{4}-/m);
    assert.match(status, /^key +pixpop-[0-9a-f]{8}\.local\/ledger\+/m);
    assert.match(status, /^checked +\S/m);
  });

  it('shows_the_fingerprint_of_a_certificate_it_does_not_trust', async () => {
    const outcome = await pixpop(['ls'], { PIXPOP_FINGERPRINT: '' });
    assert.equal(outcome.status, 1);
    assert.ok(outcome.stderr.includes(box.fingerprint), outcome.stderr);
  });

  it('says_what_is_wrong_with_the_token', async () => {
    const outcome = await pixpop(['ls'], { PIXPOP_TOKEN: 'wrong' });
    assert.equal(outcome.status, 1);
    assert.match(outcome.stderr, /token|nauthorized/i);
  });

  it('removes_originals', async () => {
    const id = idOf(readPhoto(1));
    assert.equal((await pixpop(['rm', id])).status, 0);
    assert.equal((await pixpop(['rm', id])).status, 1);
    assert.equal((await box.get(`/i/${id}?w=64`)).status, 404);
  });

  it('refuses_to_reindex_under_a_running_box', () => {
    const outcome = spawnSync(join(bin, 'pixpop'), ['reindex', '--data', box.data], { encoding: 'utf8' });
    assert.equal(outcome.status, 1);
    assert.match(outcome.stderr, /in use|open|running/i);
  });
});

// SIGHUP: what the log says of it is what happened.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { sleep, startBox } from './box.mjs';

const portOf = (url) => Number(new URL(url).port);

function makeIdentity(path, name) {
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
    '-subj', `/CN=${name}`, '-days', '2', '-keyout', '-', '-out', '-'], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  writeFileSync(path, made.stdout);
}

function nameOf(port) {
  return new Promise((done, fail) => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      done(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.on('error', fail);
  });
}

describe('a reload without delivery over TLS', () => {
  it('names_only_the_certificate_that_there_is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pixpop-reload-'));
    const config = join(folder, 'box.conf');
    for (const [isTls, said] of [[true, '; only the certificate of the console was read anew'], [false, '']]) {
      writeFileSync(config, '[log]\nlevel = info\n');
      const box = await startBox({ config, tls: isTls });
      writeFileSync(config, '[log]\nlevel = nonsense\n');
      const seen = box.log.length;
      box.child.kill('SIGHUP');
      const line = () => box.log.slice(seen).match(/ configuration not reloaded.*\n/)?.[0];
      for (let i = 0; i < 400 && !line(); i++) await sleep(25);
      await box.finish();
      assert.equal(line(), ` configuration not reloaded: it stays as it was${said}\n`);
    }
    rmSync(folder, { recursive: true });
  });
});

describe('a reload', () => {
  const good = '[log]\nlevel = info\n', bad = '[log]\nlevel = nonsense\n';
  let folder, config, live, first, second, box;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-reload-'));
    [config, live, first, second] = ['box.conf', 'live.pem', 'first.pem', 'second.pem'].map((name) => join(folder, name));
    makeIdentity(first, 'first');
    makeIdentity(second, 'second');
    copyFileSync(first, live);
    writeFileSync(config, good);
    box = await startBox({ config, tls: true, settings: ['delivery.tls_listen=127.0.0.1:0', `delivery.tls_certificate=${live}`] });
  });
  after(async () => {
    await box.finish();
    rmSync(folder, { recursive: true });
  });

  // The lines of the log that the signal brought, up to the last word on it.
  async function reload() {
    const seen = box.log.length;
    box.child.kill('SIGHUP');
    const isOver = () => / configuration (not )?reloaded/.test(box.log.slice(seen)) && box.log.endsWith('\n');
    for (let i = 0; i < 400 && !isOver(); i++) await sleep(25);
    assert.ok(isOver(), box.log.slice(seen));
    const lines = box.log.slice(seen).trim().split('\n');
    assert.equal(lines.filter((line) => / configuration (not )?reloaded/.test(line)).length, 1, lines.join('\n'));
    return { lines, last: lines.at(-1) };
  }
  const setConsole = (bytes) => (bytes ? writeFileSync(join(box.data, 'console.pem'), bytes) : copyFileSync(second, join(box.data, 'console.pem')));

  it('says_that_all_is_new_when_it_is', async () => {
    const { last } = await reload();
    assert.match(last, /INFO|info/);
    assert.match(last, /configuration reloaded$/);
  });

  it('names_each_certificate_that_it_could_not_read', async () => {
    writeFileSync(live, 'nonsense');
    const one = await reload();
    assert.match(one.last, /configuration reloaded, except the certificate of delivery: what was in use stays$/);
    assert.ok(one.lines.some((line) => line.includes('live.pem')), 'and why');
    assert.equal(await nameOf(portOf(box.secure)), 'first');

    setConsole('nonsense');
    const both = await reload();
    assert.match(both.last, /configuration reloaded, except the certificates of console and delivery: what was in use stays$/);

    copyFileSync(second, live);
    const other = await reload();
    assert.match(other.last, /configuration reloaded, except the certificate of the console: what was in use stays$/);
    assert.equal(await nameOf(portOf(box.secure)), 'second');
    setConsole();
    assert.match((await reload()).last, /configuration reloaded$/);
    assert.equal(await nameOf(box.consolePort), 'second');
  });

  it('says_what_is_new_when_the_configuration_is_not', async () => {
    writeFileSync(config, bad);
    copyFileSync(first, live);
    const { lines, last } = await reload();
    assert.match(last, /configuration not reloaded: it stays as it was; only certificates were read anew$/);
    assert.ok(lines.some((line) => /log\.level|nonsense/.test(line)), 'and why');
    assert.equal(await nameOf(portOf(box.secure)), 'first');

    writeFileSync(live, 'nonsense');
    assert.match((await reload()).last, /configuration not reloaded: it and the certificate of delivery stay as they were$/);
    assert.equal(await nameOf(portOf(box.secure)), 'first');
    writeFileSync(config, good);
    copyFileSync(first, live);
    assert.match((await reload()).last, /configuration reloaded$/);
  });
});

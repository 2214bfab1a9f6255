// SIGHUP: what the log says of it is what happened.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { until } from '../support/waiting.mjs';
import { build, readPhoto, sleep, startBox } from './box.mjs';

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
    const words = lines.filter((line) => / configuration (not )?reloaded/.test(line));
    assert.equal(words.length, 1, lines.join('\n'));
    return { lines, last: words[0] };  // the device may have been opened meanwhile
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

describe('the public URL', () => {
  let folder, config, box, id;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-reload-'));
    config = join(folder, 'box.conf');
    writeFileSync(config, '');
    // A host name of its own, which can be changed without any rights.
    rename('pixpop-none');
    const env = { LD_PRELOAD: join(build, 'tests/host_name.so'), PIXPOP_TEST_HOST_NAME: join(folder, 'host_name'), ASAN_OPTIONS: 'verify_asan_link_order=0' };
    box = await startBox({ config, env });
    id = await box.put(readPhoto());
  });
  after(async () => {
    await box.finish();
    rmSync(folder, { recursive: true });
  });

  function rename(name) {
    writeFileSync(join(folder, 'host_name.new'), name);
    renameSync(join(folder, 'host_name.new'), join(folder, 'host_name'));
  }
  // Everything that names URLs does so with this one once the box has heard the signal.
  async function becomes(url) {
    const found = async () => (await box.api('/api/v1/status')).json.delivery_url;
    box.child.kill('SIGHUP');
    await until(async () => `${await found()} instead of ${url}`, async () => await found() === url);
    assert.equal((await box.api(`/api/v1/originals/${id}`)).json.url, `${url}/i/${id}`);
    assert.equal((await box.api(`/api/v1/originals/${id}/url?w=10`)).json.url.slice(0, url.length + 3), `${url}/i/`);
    const info = await box.get(`/iiif/3/${id}/info.json`);
    assert.equal(info.json.id, `${url}/iiif/3/${id}`);
  }

  it('follows_the_host_name_where_it_is_made_of_it', async () => {
    writeFileSync(config, '[delivery]\npublic_url = http://{host_name}.local/\n');
    rename('pixpop-first');
    await becomes('http://pixpop-first.local');
    rename('pixpop-second');
    await becomes('http://pixpop-second.local');
    assert.doesNotMatch(box.log, /needs a restart/);
  });

  it('is_that_of_the_operator_whatever_the_host_name_is', async () => {
    writeFileSync(config, '[delivery]\npublic_url = https://{host_name}.example/{host_name}\n');
    await becomes('https://pixpop-second.example/pixpop-second');
    writeFileSync(config, '[delivery]\npublic_url = https://images.example\n');
    await becomes('https://images.example');
    rename('pixpop-third');
    await becomes('https://images.example');
  });

  it('is_where_the_box_listens_when_there_is_none', async () => {
    writeFileSync(config, '');
    await becomes(box.delivery);
  });

  it('is_made_of_the_longest_host_name_as_often_as_the_settings_let_it', async () => {
    const name = 'n'.repeat(64), often = (one) => `http://${`${one}.`.repeat(4)}`;
    const rest = 'e'.repeat(255 - often('{host_name}').length);
    writeFileSync(config, `[delivery]\npublic_url = ${often('{host_name}')}${rest}\n`);
    rename(name);
    await becomes(`${often(name)}${rest}`);
    await box.restart();
    assert.equal(box.output.match(/^  delivery +(.*)\/i\/$/m)[1], `${often(name)}${rest}`);
  });

  it('stays_when_the_next_one_names_the_host_too_often', async () => {
    const { delivery_url: before } = (await box.api('/api/v1/status')).json;
    writeFileSync(config, `[delivery]\npublic_url = http://${'{host_name}.'.repeat(5)}example\n`);
    const seen = box.log.length;
    box.child.kill('SIGHUP');
    await until('the word on it', () => / configuration not reloaded/.test(box.log.slice(seen)));
    assert.match(box.log.slice(seen), /delivery\.public_url may hold \{host_name\} at most 4 times/);
    assert.equal((await box.api('/api/v1/status')).json.delivery_url, before);
  });
});

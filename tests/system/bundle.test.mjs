// pixpop bundle: made, shown and checked with keys that openssl makes, as board/README.md says.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { image } from './appliance.mjs';
import { bin } from './box.mjs';

const headBytes = 20;

describe('pixpop bundle', () => {
  let folder;
  const at = (name) => join(folder, name);
  const openssl = (...words) => execFileSync('openssl', words, { stdio: 'pipe' });
  const pixpop = (words, env = {}) => {
    const { status, stdout, stderr } = spawnSync(join(bin, 'pixpop'), ['bundle', ...words], { encoding: 'utf8', env: { ...process.env, TZ: 'UTC', ...env } });
    return { status, stdout, stderr };
  };
  const must = (words, env) => {
    const outcome = pixpop(words, env);
    assert.deepEqual([outcome.status, outcome.stderr], [0, ''], `${words.join(' ')}: ${outcome.stderr}`);
    return outcome.stdout;
  };
  const words = (more = {}) => Object.entries({ board: 'test-board', version: '1.2.0', created: '1790000000', boot: at('boot.img'), root: at('root.img'), ...more })
    .filter(([, value]) => value !== null).map(([name, value]) => `${name}=${value}`);
  const make = (name, keys, more) => must(['make', at(name), ...words(more), ...keys.map((key) => `key=${at(`${key}.key`)}`)]);
  const trust = (name, ...keys) => {
    mkdirSync(at(name));
    for (const key of keys) copyFileSync(at(`${key}.pub`), join(at(name), `${key}.pem`));
    return `keys=${at(name)}`;
  };
  const idOf = (key) => {
    const der = createPublicKey(readFileSync(at(`${key}.pub`))).export({ type: 'spki', format: 'der' });
    return createHash('sha256').update(der).digest('hex').slice(0, 16);
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-bundle-'));
    writeFileSync(at('boot.img'), image(300000, 1));
    writeFileSync(at('root.img'), image(3000001, 2));
    for (const key of ['old', 'new', 'stranger']) {
      openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', at(`${key}.key`));
      openssl('ec', '-in', at(`${key}.key`), '-pubout', '-out', at(`${key}.pub`));
    }
    // The other spelling of a private key (PKCS #8).
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', at('pkcs8.key'));
    openssl('pkey', '-in', at('pkcs8.key'), '-pubout', '-out', at('pkcs8.pub'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('is_the_same_bytes_for_the_same_input', () => {
    make('one', ['old', 'new'], { floor: '1.0' });
    make('two', ['old', 'new'], { floor: '1.0' });
    assert.deepEqual(readFileSync(at('one')), readFileSync(at('two')));
    const epoch = ['make', at('three'), ...words({ created: null, floor: '1.0' }), `key=${at('old.key')}`, `key=${at('new.key')}`];
    must(epoch, { SOURCE_DATE_EPOCH: '1790000000' });
    assert.deepEqual(readFileSync(at('one')), readFileSync(at('three')));
  });

  it('has_signatures_that_another_implementation_finds_right', () => {
    make('checked', ['old', 'pkcs8']);
    const bytes = readFileSync(at('checked'));
    const manifestBytes = bytes.readUInt32BE(12);
    const signed = bytes.subarray(0, headBytes + manifestBytes);
    assert.equal(bytes.subarray(0, 8).toString(), 'pxupdate');
    assert.equal(bytes.readUInt32BE(16), 2);
    let place = signed.length;
    for (const key of ['old', 'pkcs8']) {
      const length = bytes.readUInt16BE(place + 8);
      assert.equal(bytes.subarray(place, place + 8).toString('hex'), idOf(key));
      assert.ok(verify('sha256', signed, readFileSync(at(`${key}.pub`)), bytes.subarray(place + 10, place + 10 + length)));
      place += 10 + length;
    }
    assert.deepEqual(bytes.subarray(place), Buffer.concat([readFileSync(at('boot.img')), readFileSync(at('root.img'))]));
  });

  it('shows_what_a_bundle_says', () => {
    make('shown', ['old', 'new'], { floor: '1.0' });
    const text = must(['show', at('shown')]);
    for (const line of [/^board +test-board$/m, /^version +1\.2\.0$/m, /^floor +1\.0$/m, /^created +2026-09-21 14:13$/m, /^root +3\.0 MB, SHA-256 /m])
      assert.match(text, line);
    assert.ok(text.includes(idOf('old')) && text.includes(idOf('new')));
    const json = JSON.parse(must(['show', at('shown'), '--json']));
    assert.deepEqual(json, {
      board: 'test-board', version: '1.2.0', floor: '1.0', created: 1790000000, bytes: readFileSync(at('shown')).length,
      boot: { bytes: 300000, sha256: createHash('sha256').update(readFileSync(at('boot.img'))).digest('base64url') },
      root: { bytes: 3000001, sha256: createHash('sha256').update(readFileSync(at('root.img'))).digest('base64url') },
      keys: [idOf('old'), idOf('new')],
    });
  });

  it('is_checked_against_the_keys_that_a_box_has', () => {
    const before = trust('before', 'old');
    const bridge = trust('bridge', 'old', 'new');
    const later = trust('later', 'new');
    make('v1', ['old']);
    make('v2', ['old', 'new']);
    make('v3', ['new']);
    for (const [bundle, keys, status] of [
      ['v1', before, 0], ['v2', before, 0], ['v3', before, 1], ['v1', bridge, 0], ['v2', bridge, 0], ['v3', bridge, 0],
      ['v1', later, 1], ['v2', later, 0], ['v3', later, 0],
    ]) assert.equal(pixpop(['verify', at(bundle), keys]).status, status, `${bundle} ${keys}`);
    const outcome = pixpop(['verify', at('v3'), before]);
    assert.match(outcome.stdout, new RegExp(`key ${idOf('new')}: not among the keys`));
    assert.match(outcome.stderr, /none of these keys signed it/);
    assert.match(must(['verify', at('v2'), bridge]), new RegExp(`key ${idOf('new')} new\\.pem: right`));
    assert.equal(must(['keys', at('bridge')]), `${idOf('new')} new.pem\n${idOf('old')} old.pem\n`);
  });

  it('is_not_right_when_it_was_changed', () => {
    const keys = trust('changed', 'old');
    make('whole', ['old']);
    const whole = readFileSync(at('whole'));
    const check = (bytes) => {
      writeFileSync(at('damaged'), bytes);
      return pixpop(['verify', at('damaged'), keys]);
    };
    const flip = (place) => { const copy = Buffer.from(whole); copy[place < 0 ? copy.length + place : place] ^= 1; return copy; };
    assert.equal(check(whole).status, 0);
    for (const [bytes, text] of [
      [flip(0), /not an update bundle/], [flip(11), /has the format 0/], [flip(26), /signature is wrong/],
      [flip(-1), /root image is damaged/], [flip(-3000002), /boot image is damaged/], [whole.subarray(0, -1), /cut off/],
      [whole.subarray(0, 200), /cut off after 200 bytes/], [whole.subarray(0, 0), /cut off after 0 bytes/],
      [Buffer.concat([whole, Buffer.from('x')]), /1 bytes behind its end/],
    ]) {
      const outcome = check(bytes);
      assert.equal(outcome.status, 1);
      assert.match(outcome.stderr, text);
      assert.equal(outcome.stderr.trim().split('\n').length, 1, outcome.stderr);
    }
  });

  it('is_not_made_of_what_is_wrong', () => {
    writeFileSync(at('empty'), '');
    openssl('ecparam', '-name', 'secp384r1', '-genkey', '-noout', '-out', at('p384.key'));
    execFileSync('openssl', ['ec', '-in', at('old.key'), '-aes256', '-passout', 'pass:secret', '-out', at('locked.key')], { stdio: 'pipe' });
    const key = `key=${at('old.key')}`;
    for (const [more, keyWord, status, text] of [
      [{ board: 'Test' }, key, 2, /board's name is/], [{ version: '1.02' }, key, 2, /'1\.02' is not a version/],
      [{ floor: '1.3' }, key, 2, /floor 1\.3 is above the version 1\.2\.0/], [{ created: 'today' }, key, 2, /'today' is not seconds/],
      [{ boot: at('none') }, key, 1, /none: No such file/], [{ boot: folder }, key, 2, /not a regular file/],
      [{ root: at('empty') }, key, 2, /root image is empty/], [{ colour: 'red' }, key, 2, /'colour=red' is none of/],
      [{ root: null }, key, 2, /root=FILE is missing/], [{}, 'version=2', 2, /'version=2' is there twice/],
      [{}, `key=${at('none')}`, 1, /No such file/], [{}, `key=${at('old.pub')}`, 2, /not a private key/],
      [{}, `key=${at('p384.key')}`, 2, /holds no P-256 key/], [{}, `key=${at('locked.key')}`, 2, /without a passphrase/],
      [{}, 'word', 2, /'word' is not NAME=VALUE/],
    ]) {
      const outcome = pixpop(['make', at('never'), ...words(more), keyWord]);
      assert.match(outcome.stderr, text);
      assert.deepEqual([outcome.status, outcome.stdout], [status, ''], outcome.stderr);
      assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith('never')), []);
    }
    const five = Array(5).fill(key);
    assert.match(pixpop(['make', at('never'), ...words(), ...five]).stderr, /more than 4 keys/);
    assert.equal(pixpop(['make', at('nowhere/at/all'), ...words(), key]).status, 1);
    assert.ok(!existsSync(at('never')));
  });

  it('says_what_is_wrong_with_the_words', () => {
    for (const [line, text] of [
      [[], /make, show, verify or keys is missing/], [['burn', 'x'], /'burn' is none of/], [['show'], /FILE is missing/],
      [['show', 'a', 'b'], /'b' is too much/], [['verify', 'a'], /keys=FOLDER is missing/], [['verify', 'a', 'folder'], /'folder' is not keys=FOLDER/],
    ]) {
      const outcome = pixpop(line);
      assert.equal(outcome.status, 2, line.join(' '));
      assert.match(outcome.stderr, text);
    }
    assert.match(pixpop(['verify', at('v1'), `keys=${at('none')}`]).stderr, /cannot read the folder of keys/);
    assert.match(must(['--help']), /Usage: pixpop bundle make/);
  });
});

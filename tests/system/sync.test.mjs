// `pixpop sync` against a real box: what goes over the wire, interruptions, lies, and what happens to the folder.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, lstatSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { bin, idOf, readPhoto, sha256, startBox, suppressions } from './box.mjs';
import { commented, described, noise, noisePicture, retouched } from './edits.mjs';
import { LyingBox } from './lying_box.mjs';
import { Relay } from './relay.mjs';

const block = 64 * 1024;
// Quickly checked and decoded by the box.
const picture = (seed) => noisePicture(0.05, 100 + seed);
const isLong = Boolean(process.env.PIXPOP_LONG);

// So many zeros in one Zstandard frame (RFC 8878): blocks of one repeated byte.
function zeros(bytes) {
  const step = 131072, blocks = Math.ceil(bytes / step);
  const out = Buffer.alloc(6 + 4 * blocks);
  out.writeUInt32LE(0xfd2fb528, 0);
  out[5] = 7 << 3;
  for (let i = 0; i < blocks; i++) out.writeUIntLE((step << 3) | (1 << 1) | (i + 1 === blocks ? 1 : 0), 6 + 4 * i, 3);
  return out;
}

describe('pixpop sync', () => {
  let folder, mirror;
  before(() => { folder = mkdtempSync(join(tmpdir(), 'pixpop-sync-')); });
  after(() => rmSync(folder, { recursive: true }));
  let number = 0;
  beforeEach(() => { mirror = join(folder, `mirror${number++}`); });

  const environment = (url) => ({ PATH: process.env.PATH, ...suppressions, PIXPOP_TOKEN: box?.token ?? 'token', PIXPOP_CONSOLE: url, XDG_STATE_HOME: join(mirror, '..', `state${number}`) });
  const pixpop = (url, ...args) => new Promise((done) => {
    execFile(join(bin, 'pixpop'), args, { encoding: 'utf8', env: environment(url) }, (error, stdout, stderr) => done({ status: error ? error.code : 0, stdout, stderr }));
  });
  const start = (url, ...args) => {
    const child = spawn(join(bin, 'pixpop'), ['sync', ...args, mirror], { env: environment(url), stdio: 'ignore' });
    return { child, ended: once(child, 'close').then(([status, signal]) => ({ status, signal })) };
  };
  const sync = async (url, ...args) => {
    const { status, stdout, stderr } = await pixpop(url, 'sync', ...args, '--json', mirror);
    return { status, stderr, fetched: stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line)) };
  };
  const verify = () => pixpop('http://127.0.0.1:1', 'verify', '--offline', mirror);
  const expectProven = async () => {
    const { status, stdout, stderr } = await verify();
    assert.equal(status, 0, stdout + stderr);
  };
  const files = () => readdirSync(mirror).filter((name) => name !== '.pixpop').sort();
  const read = (name) => readFileSync(join(mirror, name));
  const inside = (...path) => join(mirror, '.pixpop', ...path);

  let box, relay;
  const box_before = async () => {
    box = await startBox();
    box.options = { ...box.options, settings: [`console.listen=127.0.0.1:${box.consolePort}`] };
    relay = await new Relay(box.console).start();
  };

  describe('with a real box', () => {
    before(box_before);
    after(async () => {
      relay.stop();
      await box.finish();
      box = undefined;
    });
    afterEach(async () => {
      relay.change = (asked, body) => body;
      relay.release();
      relay.forget();
      const { items } = (await box.api('/api/v1/originals?limit=1000')).json;
      for (const { id } of items) await box.api(`/api/v1/originals/${id}`, { method: 'DELETE' });
    });
    const remove = (bytes) => box.api(`/api/v1/originals/${idOf(bytes)}`, { method: 'DELETE' });

    it('mirrors_everything_so_that_it_can_be_verified_without_the_box', async () => {
      const pictures = { 'a.jpg': readPhoto(0), 'b.ppm': picture(1), 'large.ppm': noisePicture(0.5, 1), 'Zwei Wörter.ppm': picture(2) };
      for (const [name, bytes] of Object.entries(pictures)) await box.put(bytes, name);
      const first = await sync(relay.address);
      assert.equal(first.status, 0, first.stderr);
      assert.deepEqual(files(), Object.keys(pictures).sort());
      for (const [name, bytes] of Object.entries(pictures)) assert.ok(read(name).equals(bytes), name);
      assert.deepEqual(new Set(first.fetched.map(({ way }) => way)), new Set(['full']));
      await expectProven();
      assert.equal(JSON.parse(readFileSync(inside('manifest.json'))).originals.length, 4);
    });

    // Passed through, an original is a variant of itself; two originals or two recipes may give the same variant.
    it('proves_objects_whose_bytes_are_others_too', async () => {
      const id = await box.put(readPhoto(0), 'a.jpg'), titled = await box.put(described(readPhoto(0), 'a title'), 'b.jpg');
      const get = async (one, recipe) => (await box.get(`/i/${one}?${recipe}`)).body;
      for (const one of [id, titled]) await get(one, 'dpr=1&fm=webp&q=80&w=320');
      const small = await get(id, 'dpr=1&fm=jpeg&q=30&w=200');
      const passed = await box.put(small, 'small.jpg');
      for (const q of [80, 95]) assert.equal(idOf(await get(passed, `dpr=1&fm=jpeg&q=${q}`)), passed, 'it is passed through');
      const whole = await pixpop(box.console, 'verify');
      assert.equal(whole.status, 0, whole.stdout + whole.stderr);
      const { status, stderr } = await sync(relay.address);
      assert.equal(status, 0, stderr);
      await expectProven();
    });

    it('asks_for_no_byte_of_what_is_there', async () => {
      await box.put(picture(0), 'a.ppm');
      await sync(relay.address);
      relay.forget();
      const again = await sync(relay.address);
      assert.equal(again.status, 0, again.stderr);
      assert.deepEqual(again.fetched, []);
      assert.match(again.stderr, /^nothing new, 1 was here; .* over the wire\n$/);
      assert.equal(relay.bytesOf('/content') + relay.bytesOf('/proof/'), 0);
    });

    it('fetches_a_patch_of_an_edited_picture', async () => {
      const old = noisePicture(1, 2), edited = commented(retouched(old, 900000, 500, 3), 'edited'), titled = described(readPhoto(0), 'a title');
      await box.put(old, 'noise.ppm');
      await box.put(readPhoto(0), 'photo.jpg');
      await sync(relay.address);
      await box.put(edited, 'noise.ppm');
      await box.put(titled, 'photo.jpg');
      relay.forget();
      const { status, fetched, stderr } = await sync(relay.address);
      assert.equal(status, 0, stderr);
      assert.deepEqual(fetched.map(({ way }) => way), ['patch', 'patch']);
      assert.ok(relay.bytesOf('/api/v1/originals') < 10000, `${relay.bytesOf('/api/v1/originals')} bytes`);
      assert.ok(read(fetched[0].file).equals(edited));
      assert.ok(read(fetched[1].file).equals(titled));
      assert.ok(read('noise.ppm').equals(old));  // is on the box too
      await expectProven();
    });

    it('fetches_blocks_or_a_rolling_delta_when_the_box_has_the_old_one_no_more', async () => {
      const old = noisePicture(1, 4), painted = retouched(old, 900000, 500, 5);
      const shifted = commented(old, 'shifted');
      await box.put(old, 'painted.ppm');
      await sync(relay.address);
      await remove(old);
      await box.put(painted, 'painted.ppm');
      relay.forget();
      const first = await sync(relay.address, '--delete');
      assert.equal(first.status, 0, first.stderr);
      assert.equal(first.fetched.length, 1);
      assert.deepEqual(first.fetched.map(({ file }) => file), ['painted.ppm']);  // takes the place of the old one
      assert.ok(['diff', 'rolling'].includes(first.fetched[0].way));
      assert.ok(first.fetched[0].wire_bytes < 2 * block, `${first.fetched[0].wire_bytes}`);
      assert.ok(read('painted.ppm').equals(painted));
      await remove(painted);
      await box.put(shifted, 'painted.ppm');
      const second = await sync(relay.address, '--delete');
      assert.equal(second.status, 0, second.stderr);
      assert.deepEqual(second.fetched.map(({ way }) => way), ['rolling']);
      assert.ok(second.fetched[0].wire_bytes < 2 * block, `${second.fetched[0].wire_bytes}`);
      assert.ok(read('painted.ppm').equals(shifted));
      assert.deepEqual(files(), ['painted.ppm']);
      await expectProven();
    });

    it('fetches_the_whole_when_nothing_of_it_is_known', async () => {
      const old = noisePicture(0.1, 6), other = noisePicture(0.1, 7);
      await box.put(old, 'same name.ppm');
      await sync(relay.address);
      await box.put(other, 'same name.ppm');
      const { status, fetched } = await sync(relay.address);
      assert.equal(status, 0);
      assert.deepEqual(fetched.map(({ way }) => way), ['full']);
      assert.ok(read(fetched[0].file).equals(other));
    });

    it('keeps_copies_of_what_the_box_has_no_more_until_it_is_told_to_delete', async () => {
      await box.put(picture(0), 'a.ppm');
      await box.put(picture(1), 'b.ppm');
      await sync(relay.address);
      await remove(picture(0));
      assert.equal((await sync(relay.address)).status, 0);
      assert.deepEqual(files(), ['a.ppm', 'b.ppm']);
      await expectProven();
      assert.equal((await sync(relay.address, '--delete')).status, 0);
      assert.deepEqual(files(), ['b.ppm']);
      assert.equal(readdirSync(inside('proofs')).length, 1);
      await expectProven();
    });

    it('heals_what_was_changed_and_leaves_alone_what_is_not_its_own', async () => {
      const bytes = noisePicture(0.3, 8);
      await box.put(bytes, 'noise.ppm');
      mkdirSync(mirror);
      writeFileSync(join(mirror, 'mine.txt'), 'mine');
      await sync(relay.address);
      const broken = Buffer.from(bytes);
      broken[500000] ^= 1;
      writeFileSync(join(mirror, 'noise.ppm'), broken);
      assert.equal((await verify()).status, 2);
      const healed = await sync(relay.address, '--delete');
      assert.equal(healed.status, 0, healed.stderr);
      assert.deepEqual(healed.fetched.map(({ file }) => file), ['noise.ppm']);
      assert.notEqual(healed.fetched[0].way, 'full');
      assert.ok(read('noise.ppm').equals(bytes));
      assert.equal(read('mine.txt').toString(), 'mine');
      rmSync(join(mirror, 'noise.ppm'));
      assert.equal((await sync(relay.address)).status, 0);
      assert.ok(read('noise.ppm').equals(bytes));
      await expectProven();
    });

    it('takes_files_that_are_there_already_and_overwrites_no_others', async () => {
      mkdirSync(mirror);
      writeFileSync(join(mirror, 'a.ppm'), picture(0));
      writeFileSync(join(mirror, 'b.ppm'), 'something else');
      writeFileSync(join(folder, 'outside'), 'outside');
      symlinkSync(join(folder, 'outside'), join(mirror, 'c.ppm'));
      for (const [i, name] of ['a.ppm', 'b.ppm', 'c.ppm'].entries()) await box.put(picture(i), name);
      relay.forget();
      const { status, fetched, stderr } = await sync(relay.address);
      assert.equal(status, 0, stderr);
      assert.deepEqual(fetched.map(({ file }) => file), [`b~${idOf(picture(1)).slice(0, 8)}.ppm`, `c~${idOf(picture(2)).slice(0, 8)}.ppm`]);
      assert.equal(read('b.ppm').toString(), 'something else');
      assert.equal(readFileSync(join(folder, 'outside')).toString(), 'outside');
      await expectProven();
    });

    it('says_what_it_would_do_and_does_nothing_with_dry_run', async () => {
      await box.put(picture(0), 'a.ppm');
      const fresh = await pixpop(relay.address, 'sync', '--dry-run', mirror);
      assert.equal(fresh.status, 0, fresh.stderr);
      assert.match(fresh.stdout, /^fetch +\S+ \S+  a\.ppm\n$/);
      assert.equal(existsSync(mirror), false);
      await sync(relay.address);
      await remove(picture(0));
      const { stdout } = await pixpop(relay.address, 'sync', '--dry-run', '--delete', mirror);
      assert.match(stdout, /^delete +\S+ \S+  a\.ppm\n$/);
      assert.deepEqual(files(), ['a.ppm']);
    });

    it('does_not_run_twice_on_one_folder', async () => {
      await box.put(noisePicture(0.5, 9), 'noise.ppm');
      const held = relay.holdAfter(500000);
      const first = start(relay.address);
      await held;
      const second = await sync(relay.address);
      assert.equal(second.status, 1);
      assert.match(second.stderr, /another sync of this folder is running/);
      relay.release();
      assert.equal((await first.ended).status, 0);
    });

    // Killed wherever it is, the folder has only whole files, and the next run needs about what was missing.
    const places = isLong ? Array.from({ length: 60 }, (_, i) => 3000 + i * 36000) : [3000, 700000, 1300000, 2000000];
    it(`goes_on_after_kill_9_at_${places.length}_places`, async () => {
      const pictures = { 'one.ppm': noisePicture(0.4, 10), 'photo.ppm': picture(0), 'two.ppm': noisePicture(0.3, 11) };
      for (const [name, bytes] of Object.entries(pictures)) await box.put(bytes, name);
      const total = Object.values(pictures).reduce((sum, { length }) => sum + length, 0);
      for (const place of places) {
        rmSync(mirror, { recursive: true, force: true });
        const held = relay.holdAfter(place);
        const { child, ended } = start(relay.address);
        await held;
        child.kill('SIGKILL');
        assert.equal((await ended).signal, 'SIGKILL');
        relay.release();
        for (const name of files()) assert.ok(read(name).equals(pictures[name]), `${name} at ${place}`);
        relay.forget();
        const { status, stderr } = await sync(relay.address);
        assert.equal(status, 0, stderr);
        for (const [name, bytes] of Object.entries(pictures)) assert.ok(read(name).equals(bytes), name);
        // What was on its way in sockets and pipes is lost.
        assert.ok(relay.bytesOf('/content') <= total - place + 2 ** 20, `${relay.bytesOf('/content')} after ${place} of ${total}`);
        assert.deepEqual(readdirSync(inside('partial')), []);
      }
      await expectProven();
    });

    it('waits_for_a_box_that_is_started_anew_in_the_middle', async () => {
      const bytes = noisePicture(0.8, 12);
      await box.put(bytes, 'noise.ppm');
      await box.put(picture(0), 'photo.ppm');
      const held = relay.holdAfter(1200000);
      const { ended } = start(relay.address);
      await held;
      const again = box.restart();
      relay.cut();
      relay.release();
      await again;
      relay.url = box.console;
      assert.equal((await ended).status, 0);
      assert.ok(read('noise.ppm').equals(bytes));
      assert.ok(read('photo.ppm').equals(picture(0)));
      await expectProven();
    });

    it('goes_on_by_itself_when_a_connection_breaks_in_a_file', async () => {
      const bytes = noisePicture(0.6, 13);
      await box.put(bytes, 'noise.ppm');
      let cuts = 2;
      relay.change = ({ path }, body) => (path.endsWith('/content') && cuts-- > 0 ? 'cut' : body);
      const { status, stderr } = await sync(relay.address);
      assert.equal(status, 0, stderr);
      assert.ok(read('noise.ppm').equals(bytes));
      const ranges = relay.asked.filter(({ path }) => path.endsWith('/content')).map(({ headers }) => headers.range);
      assert.equal(ranges.length, 3);
      assert.match(ranges[2], /^bytes=\d{6,}-$/);
    });

    const flip = (bytes, at = bytes.length >> 1) => {
      const copy = Buffer.from(bytes);
      copy[at] ^= 1;
      return copy;
    };

    it('says_which_original_the_box_has_damaged_and_fetches_the_others', async () => {
      const bytes = noisePicture(0.6, 16), id = idOf(bytes), at = 1300000;
      await box.put(bytes, 'damaged.ppm');
      await box.put(picture(0), 'sound.ppm');
      const file = openSync(join(box.data, 'store/originals', id.slice(0, 2), id), 'r+');
      writeSync(file, Buffer.from([bytes[at] ^ 1]), 0, 1, at);
      closeSync(file);
      const { status, stderr } = await sync(box.console);
      assert.equal(status, 1);
      assert.match(stderr, /damaged\.ppm: Stored data is damaged/);
      assert.deepEqual(files(), ['sound.ppm']);
      // Uploading it again heals it.
      await box.put(bytes, 'damaged.ppm');
      assert.equal((await sync(relay.address)).status, 0);
      assert.ok(read('damaged.ppm').equals(bytes));
    });

    it('keeps_nothing_of_what_was_changed_on_the_way', async () => {
      await box.put(picture(0), 'a.ppm');
      relay.change = ({ path }, body) => (path.endsWith('/content') ? flip(body) : body);
      const { status, stderr } = await sync(relay.address);
      assert.equal(status, 1);
      assert.match(stderr, /a\.ppm: .*not the original of this id/);
      assert.deepEqual(files(), []);
      assert.deepEqual(readdirSync(inside('partial')), []);
      relay.change = (asked, body) => body;
      assert.equal((await sync(relay.address)).status, 0);
    });

    it('fetches_the_whole_when_a_difference_was_changed_on_the_way', async () => {
      const old = noisePicture(0.2, 14), edited = retouched(old, 300000, 500, 15);
      for (const leaf of ['dcz', '/leaves', '/delta', 'range']) {
        rmSync(mirror, { recursive: true, force: true });
        await box.put(old, 'noise.ppm');
        assert.equal((await sync(relay.address)).status, 0);
        if (leaf !== 'dcz') await remove(old);
        await box.put(edited, 'noise.ppm');
        let changed = 0;
        relay.change = ({ path, coding, headers }, body) => {
          const isMeant = leaf === 'dcz' ? coding === 'dcz' : leaf === 'range' ? headers.range !== undefined : path.endsWith(leaf);
          if (!isMeant || body.length === 0) return body;
          changed++;
          return flip(body);
        };
        const { status, fetched, stderr } = await sync(relay.address, '--delete');
        relay.change = (asked, body) => body;
        assert.equal(status, 0, `${leaf}: ${stderr}`);
        assert.ok(read(fetched[0].file).equals(edited), leaf);
        if (leaf === 'dcz') assert.equal(fetched[0].way, 'full');
        if (leaf === 'dcz' || leaf === '/leaves') assert.ok(changed > 0, leaf);
        await remove(edited);
      }
    });

    it('takes_no_proof_and_no_checkpoint_that_was_changed_on_the_way', async () => {
      await box.put(picture(0), 'a.ppm');
      for (const part of ['/ledger/proof/', '/ledger/checkpoint']) {
        rmSync(mirror, { recursive: true, force: true });
        relay.change = ({ path }, body) => (path.includes(part) ? flip(body, 70) : body);
        const { status, stderr } = await sync(relay.address);
        assert.equal(status, 1, part);
        assert.ok(stderr.length > 0);
        assert.deepEqual(files(), [], part);
      }
    });

    it('says_what_is_wrong_with_the_token_the_address_and_the_words', async () => {
      const refused = await pixpop(relay.address, 'sync', '--token', 'wrong', mirror);
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, /^pixpop: .+\npixpop: pass the token with --token-file FILE or PIXPOP_TOKEN.*\n$/);
      assert.equal((await pixpop(relay.address, 'sync')).status, 2);
      assert.equal((await pixpop(relay.address, 'sync', 'a', 'b', 'c')).status, 2);
      assert.equal((await pixpop('not a url', 'sync', mirror)).status, 2);
      const help = await pixpop(relay.address, 'sync', '--help');
      assert.match(help.stdout, /--dry-run/);
    });
  });

  describe('with a box that lies', () => {
    let liar;
    beforeEach(async () => { liar = await new LyingBox().start(); });
    afterEach(() => liar.stop());

    it('stops_at_a_history_that_was_changed', async () => {
      liar.put(readPhoto(0), 'a.jpg');
      liar.put(readPhoto(1), 'b.jpg');
      const first = await sync(liar.url);
      assert.equal(first.status, 0, first.stderr);
      const other = liar.ledger.fork(1);
      other.put(readPhoto(2));
      other.put(readPhoto(1));
      liar.ledger = other;
      const { status, stderr } = await sync(liar.url, '--delete');
      assert.equal(status, 1);
      assert.match(stderr, /does not continue/);
      assert.deepEqual(files(), ['a.jpg', 'b.jpg']);
      await expectProven();
    });

    it('stops_at_another_key', async () => {
      liar.put(readPhoto(0), 'a.jpg');
      await sync(liar.url);
      const { vkey } = liar.ledger.key;
      const other = new LyingBox();
      liar.ledger = other.ledger;
      liar.put(readPhoto(0), 'a.jpg');
      const changed = await sync(liar.url);
      assert.equal(changed.status, 1);
      assert.match(changed.stderr, /the box signs as .*, the mirror's key is .*, remove vkey, checkpoint, proofs and tile from the mirror's \.pixpop folder\n/);
      const mistaken = await sync(liar.url, '--vkey', vkey);
      assert.equal(mistaken.status, 1);
      assert.match(mistaken.stderr, /, and not as --vkey .*--vkey is wrong\n/);
      assert.doesNotMatch(mistaken.stderr, /remove/);
      const renewed = await sync(liar.url, '--vkey', liar.ledger.key.vkey);
      assert.equal(renewed.status, 1);
      assert.match(renewed.stderr, /the mirror is of another ledger, .*, remove vkey, checkpoint, proofs and tile from the mirror's \.pixpop folder\n/);
      rmSync(mirror, { recursive: true });
      assert.equal((await sync(liar.url, '--vkey', vkey)).status, 1);
      assert.equal((await sync(liar.url, '--vkey', liar.ledger.key.vkey)).status, 0);
    });

    it('does_not_fetch_what_the_ledger_does_not_know_or_says_otherwise', async () => {
      liar.put(readPhoto(0), 'good.jpg');
      liar.originals.set(idOf(readPhoto(1)), { bytes: readPhoto(1), name: 'unknown.jpg', variants: new Map() });
      liar.originals.set(idOf(readPhoto(2)), { bytes: readPhoto(2), name: 'other root.jpg', variants: new Map() });
      liar.ledger.put(readPhoto(2), { root: sha256('another').toString('base64url') });
      const { status, stderr } = await sync(liar.url);
      assert.equal(status, 1);
      assert.match(stderr, /unknown\.jpg: /);
      assert.match(stderr, /other root\.jpg: /);
      assert.deepEqual(files(), ['good.jpg']);
    });

    it('writes_nowhere_but_in_its_folder_whatever_the_names', async () => {
      const names = ['../../evil.jpg', '/etc/evil.jpg', '.hidden', '..', '', 'a\u001b[31m.jpg', 'x'.repeat(250), 'ß'.repeat(120) + '.jpg', 'CASE.jpg', 'case.jpg', 'tail. ', '.pixpop', 'a:b|c?.jpg', 'q\\r.jpg', 'same', 'same'];
      const pictures = names.map((name, i) => noise(3000, i + 1));
      for (const [i, name] of names.entries()) liar.put(pictures[i], name);
      const { status, stderr } = await sync(liar.url);
      assert.equal(status, 0, stderr);
      assert.equal(files().length, names.length);
      const found = new Set(files().map((name) => idOf(read(name))));
      for (const bytes of pictures) assert.ok(found.has(idOf(bytes)));
      for (const name of files()) {
        assert.ok(lstatSync(join(mirror, name)).isFile());
        assert.ok(!name.startsWith('.') && !/[\x00-\x1f\\:?|]/.test(name) && Buffer.byteLength(name) <= 240, name);
      }
      assert.equal(new Set(files().map((name) => name.toLowerCase())).size, names.length);
      await expectProven();
      assert.deepEqual((await sync(liar.url)).fetched, []);
    });

    it('checks_by_the_id_alone_when_there_is_no_ledger', async () => {
      liar.put(readPhoto(0), 'a.jpg');
      liar.state = 'off';
      const { status, stderr } = await sync(liar.url);
      assert.equal(status, 0, stderr);
      assert.ok(read('a.jpg').equals(readPhoto(0)));
      assert.equal(JSON.parse(readFileSync(inside('manifest.json'))).ledger, false);
      // Once there is one, the proofs are fetched.
      liar.state = 'running';
      assert.equal((await sync(liar.url)).status, 0);
      await expectProven();
    });

    it('keeps_what_shows_a_long_history', async () => {
      for (let i = 0; i < 5; i++) {
        liar.put(noise(2000, 100 + i), `${i}.bin`);
        for (let j = 0; j < 150; j++) liar.ledger.put(noise(10, 1));
        const { status, stderr } = await sync(liar.url);
        assert.equal(status, 0, stderr);
      }
      await expectProven();
      const { checkpoints } = JSON.parse(readFileSync(inside('manifest.json')));
      assert.deepEqual(checkpoints, [151, 302, 453, 604, 755]);
      assert.ok(statSync(inside('tile/0/000')).size === 8192);
    });

    const takeOff = (bytes) => liar.originals.delete(idOf(bytes));

    it('deletes_and_replaces_nothing_that_was_changed_in_the_folder', async () => {
      liar.put(noise(3000, 1), 'gone.bin');
      liar.put(noise(3000, 2), 'replaced.bin');
      liar.put(noise(3000, 3), 'touched.bin');
      await sync(liar.url);
      for (const seed of [1, 2, 3]) takeOff(noise(3000, seed));
      const next = liar.put(noise(3000, 4), 'replaced.bin');
      for (const name of ['gone.bin', 'replaced.bin']) writeFileSync(join(mirror, name), `my own ${name}`);
      utimesSync(join(mirror, 'touched.bin'), 1, 1);
      const { stdout } = await pixpop(liar.url, 'sync', '--dry-run', '--delete', mirror);
      assert.match(stdout, /^keep .* gone\.bin$/m);
      const { status, stderr } = await sync(liar.url, '--delete');
      assert.equal(status, 0, stderr);
      assert.deepEqual(files(), ['gone.bin', 'replaced.bin', `replaced~${next.slice(0, 8)}.bin`]);
      for (const name of ['gone.bin', 'replaced.bin']) {
        assert.equal(read(name).toString(), `my own ${name}`);
        assert.match(stderr, new RegExp(`${name} was changed since it was fetched`));
      }
      assert.deepEqual(JSON.parse(readFileSync(inside('manifest.json'))).originals.map(({ id }) => id), [next]);
      await expectProven();
    });

    it('fetches_nothing_when_a_ledger_that_it_knows_is_gone_or_halted', async () => {
      const { vkey } = liar.ledger.key;
      const expectStop = async (reason, ...args) => {
        const { status, stderr } = await sync(liar.url, ...args);
        assert.equal(status, 1, stderr);
        assert.match(stderr, reason);
        assert.match(stderr, /--no-ledger/);
        assert.ok(!existsSync(join(mirror, 'b.jpg')));
      };
      const withoutLedger = (path, body) => (path.startsWith('/ledger/') ? null : body);
      liar.put(readPhoto(1), 'b.jpg');
      liar.state = 'off';
      liar.lie = withoutLedger;
      await expectStop(/keeps no ledger.*--vkey/, '--vkey', vkey);
      takeOff(readPhoto(1));
      liar.state = 'running';
      liar.lie = (path, body) => body;
      liar.put(readPhoto(0), 'a.jpg');
      assert.equal((await sync(liar.url)).status, 0);
      liar.put(readPhoto(1), 'b.jpg');
      liar.state = 'off';
      liar.lie = withoutLedger;
      await expectStop(/keeps no ledger.*the mirror/);
      liar.state = 'halted';
      await expectStop(/has halted its ledger/);
      liar.lie = (path, body) => (path.startsWith('/ledger/proof/') ? 409 : body);
      await expectStop(/has halted its ledger/);
      liar.lie = withoutLedger;
      const accepted = await sync(liar.url, '--no-ledger');
      assert.equal(accepted.status, 0, accepted.stderr);
      assert.ok(read('b.jpg').equals(readPhoto(1)));
    });

    it('takes_no_file_whose_tree_the_ledger_says_otherwise', async () => {
      const bytes = noise(200000, 1);
      const lie = () => liar.ledger.put(bytes, { root: sha256('another').toString('base64url') });
      mkdirSync(mirror);
      writeFileSync(join(mirror, 'a.bin'), bytes);
      liar.put(bytes, 'a.bin');
      lie();
      for (let i = 0; i < 2; i++) {  // its proof is not believed the next time either
        const { status, stderr } = await sync(liar.url);
        assert.equal(status, 1);
        assert.match(stderr, /a\.bin: .*tree/);
      }
      rmSync(mirror, { recursive: true });
      liar.state = 'off';
      assert.equal((await sync(liar.url)).status, 0);
      liar.state = 'running';
      for (let i = 0; i < 2; i++) {
        const { status, stderr } = await sync(liar.url);
        assert.equal(status, 1);
        assert.match(stderr, /a\.bin: .*tree/);
      }
      liar.ledger.put(bytes);
      assert.equal((await sync(liar.url)).status, 0);
      await expectProven();
    });

    // The proofs of a box that is busy come with a checkpoint each.
    it('mirrors_a_box_that_signs_more_than_it_remembers', async () => {
      const count = 270;
      for (let i = 0; i < count; i++) liar.put(Buffer.from(`picture ${i}`), `${i}.bin`);
      liar.grows = true;
      const { status, stderr, fetched } = await sync(liar.url);
      assert.equal(status, 0, stderr);
      assert.equal(fetched.length, count);
      const { checkpoints } = JSON.parse(readFileSync(inside('manifest.json')));
      assert.equal(checkpoints.length, 1, 'all proofs were made anew for the newest');
      await expectProven();
    });

    it('unpacks_no_more_than_a_delta_may_be', async () => {
      const claimed = 1.5e9, old = noise(200000, 1), next = noise(200000, 2);
      liar.state = 'off';
      liar.put(old, 'a.bin');
      await sync(liar.url);
      takeOff(old);
      const id = liar.put(next, 'a.bin');
      let peakKb = 0;
      const { child, ended } = start(liar.url, '--delete');
      liar.lie = (path, body) => {
        if (path.startsWith('/api/v1/originals?')) return Buffer.from(body.toString().replace(`"bytes":${next.length}`, `"bytes":${claimed}`));
        if (path === `/api/v1/originals/${id}/delta`) return zeros(1e9);
        if (path.endsWith('/content')) peakKb = Number(readFileSync(`/proc/${child.pid}/status`, 'utf8').match(/VmHWM:\s+(\d+)/)[1]);
        return body;
      };
      liar.fields = (path) => (path.endsWith('/delta') ? { 'content-encoding': 'zstd' } : {});
      assert.equal((await ended).status, 1);
      assert.ok(liar.asked.some((path) => path.endsWith('/delta')), 'it was asked for a delta');
      assert.ok(peakKb > 0 && peakKb < 400 * 1024, `${peakKb} KB`);
    });

    it('leaves_alone_what_is_made_under_a_name_while_its_original_is_fetched', async () => {
      const own = liar.put(noise(3000, 1), 'a.bin');
      const meanwhile = (file, text) => {
        liar.lie = (path, body) => {
          if (path.endsWith('/content')) writeFileSync(join(mirror, file), text);
          return body;
        };
      };
      meanwhile('a.bin', 'my own');
      const { status, stderr, fetched } = await sync(liar.url);
      assert.equal(status, 0, stderr);
      assert.deepEqual(fetched.map(({ file }) => file), [`a~${own.slice(0, 8)}.bin`]);
      assert.equal(read('a.bin').toString(), 'my own');
      assert.ok(read(fetched[0].file).equals(noise(3000, 1)));
      await expectProven();
      // A copy that is to be replaced.
      takeOff(noise(3000, 1));
      const old = liar.put(noise(3000, 2), 'b.bin');
      liar.lie = (path, body) => body;
      assert.equal((await sync(liar.url)).status, 0);
      liar.originals.delete(old);
      const next = liar.put(noise(3000, 3), 'b.bin');
      meanwhile('b.bin', 'my own too');
      const replacing = await sync(liar.url, '--delete');
      assert.equal(replacing.status, 0, replacing.stderr);
      assert.deepEqual(replacing.fetched.map(({ file }) => file), [`b~${next.slice(0, 8)}.bin`]);
      assert.equal(read('b.bin').toString(), 'my own too');
      await expectProven();
      // One that is fetched again, since it was missing.
      rmSync(join(mirror, `b~${next.slice(0, 8)}.bin`));
      meanwhile(`b~${next.slice(0, 8)}.bin`, 'mine as well');
      const healing = await sync(liar.url);
      assert.equal(healing.status, 1);
      assert.match(healing.stderr, /left alone/);
      assert.equal(read(`b~${next.slice(0, 8)}.bin`).toString(), 'mine as well');
    });

    it('follows_no_link_inside_of_its_own_folder', async () => {
      liar.put(noise(3000, 1), 'a.bin');
      for (const link of ['', 'partial', 'proofs', 'tile']) {
        const outside = mkdtempSync(join(folder, 'outside-'));
        writeFileSync(join(outside, 'precious'), 'mine');
        mkdirSync(link ? inside() : mirror, { recursive: true });
        symlinkSync(outside, link ? inside(link) : inside());
        const { status, stderr } = await sync(liar.url);
        assert.equal(status, 1, link);
        assert.match(stderr, /is a link or no folder/);
        assert.deepEqual(readdirSync(outside), ['precious'], link);
        assert.deepEqual(files(), []);
        rmSync(mirror, { recursive: true });
      }
    });

    it('removes_nothing_inside_of_its_own_folder_that_it_did_not_name', async () => {
      liar.put(noise(3000, 1), 'a.bin');
      assert.equal((await sync(liar.url)).status, 0);
      const stale = idOf(noise(10, 9));
      writeFileSync(inside('partial', stale), '');
      const notes = [inside('partial', 'notes'), inside('tile', '0', '000.p', 'notes')];
      mkdirSync(inside('tile', '0', '000.p'), { recursive: true });
      for (const note of notes) writeFileSync(note, 'mine');
      liar.put(noise(3000, 2), 'b.bin');
      assert.equal((await sync(liar.url)).status, 0);
      for (const note of notes) assert.equal(readFileSync(note, 'utf8'), 'mine');
      assert.ok(!existsSync(inside('partial', stale)));
    });

    it('does_not_follow_a_list_that_repeats_itself_or_is_longer_than_asked_for', async () => {
      for (let i = 0; i < 120; i++) liar.put(Buffer.from(`picture ${i}`), `${i}.bin`);
      const first = liar.page(new URLSearchParams('limit=100')), all = liar.page(new URLSearchParams('limit=120'));
      let pages = 0;
      const lists = [[() => ({ ...first, next: ++pages < 20 ? `${pages}.x` : null }), 2], [() => ({ ...first, items: first.items.toReversed(), next: null }), 1], [() => all, 1]];
      for (const [list, most] of lists) {
        liar.asked.length = 0;
        liar.lie = (path, body) => (path.startsWith('/api/v1/originals?') ? Buffer.from(JSON.stringify(list())) : body);
        const { status, stderr } = await sync(liar.url);
        assert.equal(status, 1, stderr);
        assert.match(stderr, /lists originals twice or out of their order|longer page than was asked for/);
        assert.equal(liar.asked.filter((path) => path.startsWith('/api/v1/originals?')).length, most);
        assert.deepEqual(files(), []);
      }
    });

    it('waits_for_no_pipe_in_its_own_folder', async () => {
      const id = liar.put(noise(3000, 1), 'a.bin');
      for (const pipe of [['partial', id], ['manifest.json']]) {
        mkdirSync(inside('partial'), { recursive: true });
        execFileSync('mkfifo', [inside(...pipe)]);
        const { child, ended } = start(liar.url);
        const killer = setTimeout(() => child.kill('SIGKILL'), 20000);
        assert.deepEqual(await ended, { status: 1, signal: null }, pipe.join('/'));
        clearTimeout(killer);
        assert.deepEqual(files(), []);
        rmSync(mirror, { recursive: true });
      }
    });

    it('believes_no_damaged_manifest', async () => {
      liar.put(readPhoto(0), 'a.jpg');
      await sync(liar.url);
      const manifest = readFileSync(inside('manifest.json'), 'utf8');
      for (const damaged of ['', '{}', manifest.slice(0, -5), manifest.replace('"file":"a.jpg"', '"file":"../a.jpg"'), manifest.replace('"format":1', '"format":2')]) {
        writeFileSync(inside('manifest.json'), damaged);
        const { status, stderr } = await sync(liar.url, '--delete');
        assert.equal(status, 1, damaged);
        assert.match(stderr, /manifest/);
        assert.deepEqual(files(), ['a.jpg']);
      }
    });
  });
});

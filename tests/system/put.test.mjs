// `pixpop put`, `uploads` and `show` against a real box: uploads that go on where they broke off, refusals, alerts.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bin, idOf, metric, photos, readPhoto, sleep, startBox } from './box.mjs';
import { bigPicture, withGps, withScript } from './odd_pictures.mjs';
import { Valve } from './valve.mjs';

const mib = 1024 * 1024;

describe('pixpop put', () => {
  let box, valve, folder, state;
  before(async () => {
    box = await startBox();
    // The same port after a restart.
    box.options = { ...box.options, settings: [`console.listen=127.0.0.1:${box.consolePort}`] };
    valve = await new Valve(box.consolePort).start();
    folder = mkdtempSync(join(tmpdir(), 'pixpop-put-'));
    state = join(folder, 'state');
  });
  after(async () => {
    await valve.stop();
    rmSync(folder, { recursive: true });
    await box.finish();
  });

  const environment = (env) => ({
    ...process.env, PIXPOP_CONSOLE: `http://${valve.address}`, PIXPOP_DELIVERY: box.delivery, PIXPOP_TOKEN: box.token, XDG_STATE_HOME: state, ...env,
  });
  const pixpop = (args, env = {}) => new Promise((done) => {
    execFile(join(bin, 'pixpop'), args, { encoding: 'utf8', env: environment(env) }, (error, stdout, stderr) => done({ status: error ? error.code : 0, stdout, stderr }));
  });
  const start = (args) => {
    const child = spawn(join(bin, 'pixpop'), args, { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
    const outcome = { stdout: '', stderr: '' };
    child.stdout.on('data', (text) => { outcome.stdout += text; });
    child.stderr.on('data', (text) => { outcome.stderr += text; });
    return { child, outcome, ended: once(child, 'close').then(([status, signal]) => ({ ...outcome, status, signal })) };
  };
  const remembered = () => (existsSync(join(state, 'pixpop/uploads')) ? readdirSync(join(state, 'pixpop/uploads')) : []);
  const received = async () => metric((await box.api('/metrics')).body.toString(), 'pixpop_ingest_received_bytes_total') ?? 0;
  const write = (name, bytes) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };
  const open = async () => (await box.api('/api/v1/uploads')).json.items.filter((one) => one.state === 'open');
  // What the box has of the uploads whose client is gone, once it has noticed that.
  const left = async () => {
    for (;;) {
      const uploads = await open();
      if (valve.open.size === 0 && uploads.every((one) => !one.is_locked)) return uploads;
      await sleep(10);
    }
  };

  it('sends_no_byte_twice_when_it_was_killed_and_is_run_again', async () => {
    const bytes = bigPicture(1), path = write('killed.ppm', bytes);
    const before = await received();
    const held = valve.holdAfter(7 * mib);
    const first = start(['put', path]);
    await held;
    first.child.kill('SIGKILL');
    assert.equal((await first.ended).signal, 'SIGKILL');
    valve.release();
    await left();
    assert.equal(remembered().length, 1);
    const second = await pixpop(['--json', 'put', path]);
    assert.equal(second.status, 0, second.stderr);
    const line = JSON.parse(second.stdout);
    assert.equal(line.id, idOf(bytes));
    assert.ok(line.resumed_at > 6 * mib && line.resumed_at < bytes.length, String(line.resumed_at));
    assert.match(second.stderr, /killed\.ppm: goes on after \d+\.\d MB/);
    assert.equal(await received() - before, bytes.length);
    assert.deepEqual(remembered(), []);
  });

  it('says_how_to_go_on_when_it_is_interrupted_and_lists_and_removes_what_is_left', async () => {
    const path = write('interrupted.ppm', bigPicture(2));
    const held = valve.holdAfter(6 * mib);
    const first = start(['put', path]);
    await held;
    first.child.kill('SIGINT');
    const outcome = await first.ended;
    valve.release();
    assert.equal(outcome.signal, 'SIGINT');
    assert.match(outcome.stderr, /run the same command again/);
    const [upload] = await left();
    const list = await pixpop(['uploads']);
    assert.match(list.stdout, new RegExp(`${upload.id}.*\\d+\\.\\d MB.*open.*interrupted\\.ppm`));
    assert.equal(JSON.parse((await pixpop(['uploads', '--json'])).stdout).items.find(({ id }) => id === upload.id).name, 'interrupted.ppm');
    assert.equal((await pixpop(['uploads', upload.id])).status, 2);
    const gone = await pixpop(['uploads', '--rm', upload.id]);
    assert.equal(gone.stdout, `removed ${upload.id}\n`, gone.stderr);
    assert.deepEqual(remembered(), []);
    assert.equal((await open()).length, 0);
    assert.equal((await pixpop(['uploads', '--rm', upload.id])).status, 1);
  });

  it('begins_anew_when_the_file_has_changed_or_the_box_has_forgotten_it', async () => {
    for (const why of ['changed', 'forgotten', 'no-resume']) {
      const bytes = bigPicture(3), path = write(`${why}.ppm`, bytes);
      const held = valve.holdAfter(6 * mib);
      const first = start(['put', path]);
      await held;
      first.child.kill('SIGKILL');
      await first.ended;
      valve.release();
      const uploads = await left();
      assert.equal(uploads.length, 1, JSON.stringify(uploads));
      const [{ id }] = uploads;
      if (why === 'changed') utimesSync(path, 1e9, 1e9);
      if (why === 'forgotten') {
        const gone = await box.api(`/api/v1/uploads/${id}`, { method: 'DELETE', headers: { 'tus-resumable': '1.0.0' } });
        assert.equal(gone.status, 204);
      }
      const second = await pixpop(['--json', 'put', path, ...(why === 'no-resume' ? ['--no-resume'] : [])]);
      assert.equal(second.status, 0, second.stderr);
      assert.equal(JSON.parse(second.stdout).resumed_at, 0);
      for (const one of await left()) assert.equal((await pixpop(['uploads', '--rm', one.id])).status, 0);
      rmSync(join(state, 'pixpop'), { recursive: true, force: true });
    }
  });

  it('finishes_when_the_box_is_killed_and_started_again_meanwhile', async () => {
    const bytes = bigPicture(4), path = write('restarted.ppm', bytes);
    const held = valve.holdAfter(7 * mib);
    const passedBefore = valve.passed;
    const upload = start(['put', path]);
    await held;
    valve.port = undefined;
    await box.restart('SIGKILL');
    valve.port = box.consolePort;
    valve.release();
    const outcome = await upload.ended;
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.match(outcome.stdout, new RegExp(`^${idOf(bytes)}\t`));
    // At most the chunk that was under way goes again.
    assert.ok(valve.passed - passedBefore < bytes.length + 5.5 * mib, String(valve.passed - passedBefore));
  });

  it('moves_files_at_the_same_time_and_prints_them_in_their_order', async () => {
    const pictures = [5, 6].map(bigPicture), paths = pictures.map((bytes, i) => write(`both-${i}.ppm`, bytes));
    valve.most = 0;
    const held = valve.holdAfter(8 * mib);
    const upload = start(['put', '--parallel', '2', '--chunk', '1M', ...paths]);
    await held;
    assert.equal(valve.most, 2);
    valve.release();
    const outcome = await upload.ended;
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.deepEqual(outcome.stdout.trim().split('\n').map((line) => line.split('\t')[0]), pictures.map(idOf));
    assert.match(outcome.stderr, /both-0\.ppm: 24\.0 MB in /);
  });

  it('says_nothing_but_failures_when_quiet', async () => {
    const outcome = await pixpop(['put', '--quiet', photos(1)[0], '/etc/hostname']);
    assert.equal(outcome.status, 1);
    assert.match(outcome.stderr, /^pixpop: \/etc\/hostname: [^\n]+\n$/);
    assert.equal(outcome.stdout.split('\t')[0], idOf(readPhoto()));
  });

  it('sends_a_form_when_asked_to', async () => {
    const outcome = await pixpop(['put', '--multipart', ...photos(2)]);
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.deepEqual(outcome.stdout.trim().split('\n').map((line) => line.split('\t')[0]), photos(2).map((path) => idOf(readFileSync(path))));
  });

  it('gives_up_at_once_when_the_token_is_wrong', async () => {
    const outcome = await pixpop(['put', '--parallel', '1', ...photos(3)], { PIXPOP_TOKEN: 'wrong' });
    assert.equal(outcome.status, 1);
    assert.equal(outcome.stdout, '');
    assert.equal(outcome.stderr.match(/^pixpop: [^\n]*\.jpg: /gm).length, 1, outcome.stderr);
    assert.match(outcome.stderr, /--token-file/);
  });

  it('names_the_file_and_the_rule_when_it_is_refused', async () => {
    const path = write('caption.jpg', withScript(readPhoto()));
    for (const way of [[], ['--multipart']]) {
      const outcome = await pixpop(['put', ...way, path]);
      assert.equal(outcome.status, 1);
      assert.match(outcome.stderr, /caption\.jpg: [^\n]*\(rule\/(text|polyglot)\)/);
      assert.deepEqual(remembered(), []);
    }
  });

  it('learns_the_outcome_when_the_last_answer_was_lost', async () => {
    const files = { 'lost-stored.jpg': readPhoto(3), 'lost-refused.jpg': withScript(readPhoto(3)) };
    for (const [name, bytes] of Object.entries(files)) {
      const path = write(name, bytes);
      const held = valve.holdAfter(300000);
      const first = start(['put', '--chunk', '64K', path]);
      await held;
      // As if it had ended before the last answer came: what it remembered is still there.
      const memory = join(folder, 'memory');
      cpSync(state, memory, { recursive: true });
      valve.release();
      const outcome = await first.ended;
      assert.deepEqual(remembered(), []);
      cpSync(memory, state, { recursive: true });
      rmSync(memory, { recursive: true });
      assert.equal(remembered().length, 1);
      const before = await received();
      const second = await pixpop(['put', '--chunk', '64K', path]);
      assert.equal(second.status, outcome.status);
      assert.equal(second.stdout, outcome.stdout);
      if (outcome.status !== 0) assert.match(second.stderr, /lost-refused\.jpg: [^\n]*\(rule\/(text|polyglot)\)/);
      assert.equal(await received(), before);
      assert.deepEqual(remembered(), []);
    }
  });

  it('tells_of_alerts_and_shows_the_report', async () => {
    const bytes = withGps(readPhoto()), path = write('place.jpg', bytes);
    const outcome = await pixpop(['put', path]);
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.match(outcome.stderr, /place\.jpg: \d+ alerts?: ([a-z-]+, )*gps/);
    assert.ok(JSON.parse((await pixpop(['--json', 'put', path])).stdout).alerts.includes('gps'));
    const id = idOf(bytes);
    const page = await pixpop(['show', id]);
    assert.equal(page.status, 0, page.stderr);
    assert.match(page.stdout, /^type +jpeg, /m);
    assert.match(page.stdout, /^EXIF +.*says where it was taken/m);
    assert.match(page.stdout, /^alert +gps +/m);
    assert.match(page.stdout, /^entropy +7\.\d+ to 7\.\d+ bits a byte/m);
    assert.equal(JSON.parse((await pixpop(['show', id, '--json'])).stdout).report.exif.has_gps, true);
    assert.match((await pixpop(['ls'])).stdout, new RegExp(`^${id} .* [1-9]\\d*  place\\.jpg$`, 'm'));
    assert.equal((await pixpop(['show', 'A'.repeat(43)])).status, 1);
  });

  it('refuses_sizes_and_counts_that_are_none', async () => {
    for (const words of [['--chunk', '0'], ['--chunk', '5X'], ['--chunk', '2G'], ['--parallel', '0'], ['--parallel', 'x']]) {
      const outcome = await pixpop(['put', ...words, photos(1)[0]]);
      assert.equal(outcome.status, 2, words.join(' '));
      assert.match(outcome.stderr, new RegExp(words[0]));
    }
  });
});

// pixpop update and pixpop slots: against the real pixpop-system through its socket and through the console's API, and
// against a system program that does what a whole box would do at a restart.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { Appliance, board, until } from './appliance.mjs';
import { bin, startBox } from './box.mjs';
import { goodStatus, startLyingAgent } from './lying_agent.mjs';

// Asynchronous, because this process reads the pipes of what it started.
const pixpop = (words, env = {}) => new Promise((done) => {
  execFile(join(bin, 'pixpop'), words, {
    encoding: 'utf8', env: { ...process.env, PIXPOP_CONSOLE: '', PIXPOP_TOKEN: '', ...env },
  }, (error, stdout, stderr) => done({ status: error ? error.code : 0, stdout, stderr }));
});

// One box; what its system.socket leads to is each test's own.
let box, folder, socket;
const remoteEnv = () => ({ PIXPOP_CONSOLE: box.console, PIXPOP_TOKEN: box.token, PIXPOP_FINGERPRINT: box.fingerprint });
const leadTo = (path) => {
  rmSync(socket, { force: true });
  if (path) symlinkSync(path, socket);
};
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pixpop-update-'));
  socket = join(folder, 'system.sock');
  box = await startBox({ tls: true, settings: [`system.socket=${socket}`] });
  const pem = readFileSync(join(box.data, 'console.pem'), 'utf8');
  writeFileSync(join(folder, 'tls.pem'), pem.slice(pem.indexOf('-----BEGIN CERTIFICATE-----')));
});
after(async () => {
  await box.finish();
  rmSync(folder, { recursive: true });
});

describe('pixpop on an appliance', () => {
  let appliance;
  const locally = (...words) => pixpop([...words, '--socket', appliance.path('system.sock')]);
  const remotely = (...words) => pixpop(words, remoteEnv());
  const ways = { 'through the socket': locally, 'through the API': remotely };
  const bundle = (more) => {
    appliance.bundle(more);
    return appliance.path('new.pixpop');
  };

  for (const [name, run] of Object.entries(ways)) {
    describe(name, () => {
      before(async () => {
        appliance = new Appliance({ health: { url: `${box.console}/healthz`, ca: join(folder, 'tls.pem') } });
        leadTo(appliance.path('system.sock'));
        appliance.script('probe', 'echo fine');
        await appliance.start();
        await appliance.hasHealth('good');
      });
      after(() => appliance.finish());

      it('shows_both_slots', async () => {
        const { status, stdout, stderr } = await run('slots');
        assert.deepEqual([status, stderr], [0, '']);
        assert.match(stdout, /^board +test-board$/m);
        assert.match(stdout, /^health +good$/m);
        assert.match(stdout, /^A +1\.0\.0 +good +3 +runs, boots next$/m);
        assert.match(stdout, /^B +- +bad +0$/m);
        const json = JSON.parse((await run('slots', '--json')).stdout);
        assert.deepEqual([json.board, json.running, json.next], [board, 'A', 'A']);
      });

      it('refuses_what_the_box_refuses_with_its_reason', async () => {
        appliance.makeKey('stranger', false);
        for (const [more, text] of [
          [{ key: 'stranger' }, /not signed by a key that this box trusts/], [{ forBoard: 'other' }, /for the board other; this is test-board/],
          [{ version: '0.9.0' }, /older than 1\.0\.0/], [{ bootBytes: (1 << 20) + 1 }, /room for 1048576/],
        ]) {
          const outcome = await run('update', bundle(more));
          assert.deepEqual([outcome.status, outcome.stdout], [1, ''], outcome.stderr);
          assert.match(outcome.stderr, text);
          assert.match(outcome.stderr, /^pixpop: new\.pixpop: /m);
        }
        assert.match((await run('slots')).stdout, /^update +the boot image has /m);
      });

      it('refuses_what_is_damaged_on_the_way', async () => {
        const file = bundle();
        const bytes = readFileSync(file);
        bytes[bytes.length - 1] ^= 1;
        writeFileSync(file, bytes);
        const outcome = await run('update', file);
        assert.equal(outcome.status, 1);
        assert.match(outcome.stderr, /root image is damaged/);
        assert.match((await run('slots')).stdout, /^A +1\.0\.0 +good +3 +runs, boots next$/m);
      });

      it('installs_an_older_version_when_asked_to', async () => {
        const outcome = await run('update', bundle({ version: '0.9.0' }), '--older');
        assert.equal(outcome.status, 0, outcome.stderr);
        assert.match(outcome.stdout, /^version 0\.9\.0 is in slot B and boots next$/m);
      });

      it('installs_a_bundle_and_says_what_comes_next', async () => {
        const outcome = await run('update', bundle());
        assert.equal(outcome.status, 0, outcome.stderr);
        assert.equal(outcome.stdout, 'version 1.1.0 is in slot B and boots next\nuntil the box is restarted (pixpop slots reboot) it serves as before\n');
        assert.match(outcome.stderr, /^new\.pixpop: 3\.4 MB in /m);
        assert.match((await run('slots')).stdout, /^B +1\.1\.0 +untried +3 {2}boots next$/m);
        assert.match(appliance.slots('show'), /slot B {4}untried, 3 tries, version 1\.1\.0, first/);
      });

      it('chooses_a_slot_and_the_rescue_system', async () => {
        assert.match((await run('slots', 'choose', 'A')).stdout, /slot A boots next/);
        assert.match((await run('slots')).stdout, /^A .*runs, boots next$/m);
        assert.match((await run('slots', 'rescue')).stdout, /rescue system/);
        assert.match((await run('slots')).stdout, /^next boot +the rescue system$/m);
        assert.match((await run('slots', 'choose', 'B')).stdout, /slot B boots next/);
        assert.match((await run('slots')).stdout, /^B .*boots next$/m);
        assert.match((await run('slots')).stdout, /^next boot +another slot/m);
        appliance.slots('bad', 'B');
        const outcome = await run('slots', 'choose', 'B');
        assert.equal(outcome.status, 1);
        assert.match(outcome.stderr, /slot B is bad/);
      });

      it('is_locked_while_another_update_is_installed', async () => {
        const { bytes } = appliance.bundle();
        const call = appliance.connect();
        call.send('{"do":"install"}\n');
        call.send(bytes.subarray(0, 2 << 20));
        await until(async () => (await appliance.status()).phase === 'writing', 'an update is being written');
        assert.match((await run('slots')).stdout, /^update +1\.1\.0: writing, [\d.]+ k?M?B of 3\.4 MB$/m);
        for (const words of [['update', appliance.path('new.pixpop')], ['slots', 'choose', 'A'], ['slots', 'reboot']]) {
          const outcome = await run(...words);
          assert.equal(outcome.status, 1, words.join(' '));
          assert.match(outcome.stderr, /an update is being installed/);
        }
        call.end(bytes.subarray(2 << 20));
        assert.equal((await call.lines()).at(-1).result, 'ok');
      });
    });
  }
});

// What a whole box does: it is away, and comes back as `after` says, one status at a time, the last for ever.
describe('pixpop waiting for a restart', () => {
  let agent, bundleFile;
  const run = (...words) => pixpop(words, remoteEnv());
  const installed = { ...goodStatus, next: 'B', is_reboot_needed: true, slots: [goodStatus.slots[0], { name: 'B', mark: 'untried', tries: 3, version: '1.1.0' }] };
  const restarts = (...later) => {
    agent.status = installed;
    agent.answer = (request, call) => {
      if (request.do === 'reboot') {
        agent.isRestarting = true;
        call.say({ result: 'ok' });
      } else if (request.do === 'status' && agent.isRestarting) {
        const status = later.length > 1 ? later.shift() : later[0];
        if (status === null) return void call.die();
        call.say(status);
      } else {
        return 'as ever';
      }
      call.end();
    };
  };

  before(async () => {
    agent = await startLyingAgent(join(folder, 'lying.sock'));
    leadTo(agent.path);
    const appliance = new Appliance({ health: 'http://127.0.0.1:1/' });
    appliance.bundle();
    bundleFile = join(folder, 'new.pixpop');
    writeFileSync(bundleFile, readFileSync(appliance.path('new.pixpop')));
    rmSync(appliance.folder, { recursive: true });
  });
  after(() => agent.close());
  afterEach(() => { agent.answer = null; agent.isRestarting = false; agent.status = structuredClone(goodStatus); });

  const back = { ...installed, version: '1.1.0', running: 'B', boot: 'b1' };

  it('says_which_version_runs_once_it_is_healthy', async () => {
    restarts(installed, null, { ...back, health: 'waiting' }, back);
    const outcome = await run('slots', 'reboot');
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.equal(outcome.stdout, 'the box runs version 1.1.0 in slot B and is healthy\n');
    assert.equal(outcome.stderr, 'the box restarts\nthe box is up: version 1.1.0 in slot B, checks itself\n');
  });

  it('fails_when_the_box_went_back', async () => {
    restarts(null, { ...back, health: 'failing' }, null, { ...goodStatus, boot: 'b2' });
    const outcome = await run('slots', 'reboot');
    assert.equal(outcome.status, 1);
    assert.equal(outcome.stdout, '');
    assert.match(outcome.stderr, /slot B, failing$/m);
    assert.match(outcome.stderr, /^pixpop: slot B did not come up healthy; the box went back to version 1\.0\.0 in slot A$/m);
  });

  it('does_both_after_an_update', async () => {
    restarts(back);
    const answer = agent.answer;
    agent.answer = (request, call) => {
      if (request.do !== 'install') return answer(request, call);
      call.onEnd = () => { call.say({ result: 'ok', version: '1.1.0', slot: 'B' }); call.end(); };
      return undefined;
    };
    const outcome = await run('update', bundleFile, '--reboot');
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.equal(outcome.stdout, 'version 1.1.0 is in slot B and boots next\nthe box runs version 1.1.0 in slot B and is healthy\n');
  });

  it('draws_a_bar_on_a_terminal', async () => {
    agent.answer = (request, call) => {
      if (request.do !== 'install') return 'as ever';
      call.onEnd = () => {
        call.say({ phase: 'checking', done: 1000, total: 4000 });
        call.say({ result: 'ok', version: '1.1.0', slot: 'B' });
        call.end();
      };
      return undefined;
    };
    const child = spawn('script', ['-qec', `${join(bin, 'pixpop')} update ${bundleFile} --socket ${agent.path}`, '/dev/null'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk) => { text += chunk; });
    assert.equal(await new Promise((done) => { child.on('close', done); }), 0);
    assert.match(text, /new\.pixpop \[=+\] 100% {2}3\.4 MB of 3\.4 MB/);
    assert.match(text, /reading back \[=+> +\] {2}25% {2}1\.0 kB of 4\.0 kB/);
    assert.match(text, /version 1\.1\.0 is in slot B/);
  });

  it('passes_on_that_the_system_program_died', async () => {
    agent.answer = (request, call) => {
      if (request.do !== 'install') return 'as ever';
      call.onBody = () => call.die();
      return undefined;
    };
    for (const outcome of [await run('update', bundleFile), await pixpop(['update', bundleFile, '--socket', agent.path])]) {
      assert.equal(outcome.status, 1);
      assert.match(outcome.stderr, /the system program ended without an answer/);
    }
  });
});

describe('pixpop where there is no appliance', () => {
  before(() => leadTo(null));

  it('says_so', async () => {
    const outcome = await pixpop(['slots'], remoteEnv());
    assert.equal(outcome.status, 1);
    assert.match(outcome.stderr, /no appliance/);
    const local = await pixpop(['slots', '--socket', '/nowhere/system.sock']);
    assert.equal(local.status, 1);
    assert.match(local.stderr, /nobody listens at \/nowhere\/system\.sock: this is no appliance/);
  });

  it('sends_nothing_that_is_no_bundle', async () => {
    for (const [file, text] of [['/etc/hostname', /not an update bundle/], ['/nowhere', /No such file/], ['/dev/null', /not a regular file/], ['/tmp', /not a regular file/]]) {
      const outcome = await pixpop(['update', file], remoteEnv());
      assert.equal(outcome.status, 1, file);
      assert.match(outcome.stderr, text);
    }
  });

  it('knows_wrong_words', async () => {
    for (const [words, text] of [
      [['update'], /FILE is missing/], [['update', 'a', 'b'], /'b' is too much/], [['slots', 'C'], /'C' is none of/], [['slots', 'choose'], /choose wants A or B/],
      [['slots', 'choose', 'C'], /choose wants A or B/], [['slots', 'rescue', 'A'], /'A' is too much/], [['slots', '--older'], /'slots' takes no --older/],
    ]) {
      const outcome = await pixpop(words);
      assert.equal(outcome.status, 2, words.join(' '));
      assert.match(outcome.stderr, text);
    }
  });
});

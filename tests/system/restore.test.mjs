// A backup of one box, restored on another; and the support bundle, which tells no secrets.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bin, idOf, readPhoto, request, sha256, sleep, startBox } from './box.mjs';
import { goodStatus, startLyingAgent } from './lying_agent.mjs';

const onCpu = 'render.resampler=cpu';  // starts quicker
const signKey = '00112233445566778899aabbccddeeff00112233';
const settings = (more = '') => `[cache]
disk = 64M
${more}[tenant shop]
hosts = img.shop.example
sign_keys = hex:${signKey}:shop-1
`;
const untar = (bytes, folder) => {
  mkdirSync(folder);
  const tar = spawnSync('tar', ['-xf', '-', '-C', folder], { input: bytes });
  assert.equal(tar.status, 0, String(tar.stderr));
};

describe('a backup', () => {
  let folder, source, fresh, backup, damaged;
  const shopName = { host: 'img.shop.example' };
  const restore = (box, body, query = '') =>
    box.api(`/api/v1/restore${query}`, { method: 'POST', body, headers: { 'content-type': 'application/x-tar' } });
  const items = async (box, headers = {}) => (await box.api('/api/v1/originals', { headers })).json.items;
  const about = (list) => list.map(({ id, created_s, metadata, bytes }) => ({ id, created_s, metadata, bytes }));

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-restore-'));
    writeFileSync(join(folder, 'source.conf'), settings('ram = 32M\n'));
    source = await startBox({ config: join(folder, 'source.conf'), settings: [onCpu] });
    const form = new FormData();
    form.set('image', new Blob([readPhoto(0)]), 'sea.jpg');
    form.set('metadata', new Blob(['{"tags":["blue","löwe"]}'], { type: 'application/json' }));
    const tagged = new Response(form);
    const reply = await source.api('/api/v1/originals', {
      method: 'POST', body: Buffer.from(await tagged.arrayBuffer()), headers: { 'content-type': tagged.headers.get('content-type') },
    });
    assert.equal(reply.status, 201);
    await sleep(1100);  // another second: the order of the list comes back too
    await source.put(readPhoto(1), 'two.jpg');
    const foreign = await source.api('/api/v1/originals?name=shop.jpg', {
      method: 'POST', body: readPhoto(2), headers: { ...shopName, 'content-type': 'image/jpeg' },
    });
    assert.equal(foreign.status, 201);
    await source.api('/api/v1/prewarm', {
      method: 'PUT', body: '{"recipes":["w=320&fm=webp"]}', headers: { 'content-type': 'application/json' },
    });
    backup = (await source.api('/api/v1/backup')).body;
    writeFileSync(join(folder, 'fresh.conf'), '[cache]\nram = 64M\n');
    fresh = await startBox({ config: join(folder, 'fresh.conf'), settings: [onCpu, `system.settings_file=${join(folder, 'fresh.conf')}`] });
  });
  after(async () => {
    await source.finish();
    await fresh?.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is_refused_without_the_token_and_when_it_is_none', async () => {
    assert.equal((await request(`${fresh.console}/api/v1/restore`, { method: 'POST', body: backup })).status, 401);
    assert.equal((await fresh.api('/api/v1/restore')).status, 404);
    const reply = await restore(fresh, readPhoto());
    assert.equal(reply.status, 400);
    assert.match(reply.json.detail, /no tar archive/);
    const other = spawnSync('tar', ['-C', folder, '--format=ustar', '-cf', '-', 'fresh.conf']).stdout;
    assert.match((await restore(fresh, other)).json.detail, /no backup of a box/);
    assert.equal((await restore(fresh, backup, '?settings=maybe')).status, 400);
  });

  it('that_is_cut_off_leaves_what_came_whole', async () => {
    const second = backup.indexOf(Buffer.from('originals/default/'), backup.indexOf(readPhoto(1).subarray(0, 4096)));
    assert.ok(second > 0);
    const reply = await restore(fresh, backup.subarray(0, second + 2048), '?settings=keep');
    assert.equal(reply.status, 400);
    assert.match(reply.json.detail, /cut off/);
    assert.equal(reply.json.restore.is_whole, false);
    assert.equal(reply.json.restore.new, 2);
    assert.equal(reply.json.restore.settings, 'kept');
    assert.deepEqual(reply.json.restore.unknown_tenants, ['shop']);
    assert.deepEqual((await items(fresh)).map(({ id }) => id), [idOf(readPhoto(1))]);
  });

  it('whose_sender_vanishes_leaves_what_came_whole_and_another_may_follow', async () => {
    const socket = net.connect(fresh.consolePort, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`POST /api/v1/restore HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${fresh.token}\r\nContent-Length: ${backup.length}\r\n\r\n`);
    await new Promise((done) => socket.write(backup.subarray(0, backup.length / 2), done));
    const state = async () => (await fresh.api('/api/v1/restore')).json;
    for (let i = 0; i < 100 && !(await state()).is_running; i++) await sleep(20);
    assert.equal((await restore(fresh, backup)).status, 423);
    socket.destroy();
    for (let i = 0; i < 100 && (await state()).is_running; i++) await sleep(20);
    const { is_running, is_whole, failure } = await state();
    assert.deepEqual([is_running, is_whole], [false, false]);
    assert.match(failure, /broke off/);
    assert.deepEqual((await fresh.api('/api/v1/uploads')).json?.items ?? [], []);
  });

  it('comes_back_bit_for_bit_on_a_fresh_box', async () => {
    const reply = await restore(fresh, backup);
    assert.equal(reply.status, 200, String(reply.body));
    const { is_whole, new: added, present, refused, settings: taken, unknown_tenants: strangers } = reply.json;
    assert.deepEqual([is_whole, added + present, refused, taken, strangers], [true, 3, 0, 'replaced', []]);
    assert.equal(readFileSync(join(folder, 'fresh.conf'), 'utf8'), settings('ram = 32M\n'));
    await fresh.restart();
    assert.deepEqual(about(await items(fresh)), about(await items(source)));
    assert.deepEqual(about(await items(fresh, shopName)), about(await items(source, shopName)));
    for (const index of [0, 1]) {
      const content = await fresh.api(`/api/v1/originals/${idOf(readPhoto(index))}/content`);
      assert.ok(content.body.equals(readPhoto(index)));
    }
    assert.deepEqual((await fresh.api('/api/v1/prewarm')).json.recipes, ['w=320&fm=webp']);
    const verify = spawnSync(join(bin, 'pixpop'), ['--console', fresh.console, '--token', fresh.token, 'verify'], { encoding: 'utf8' });
    assert.equal(verify.status, 0, verify.stdout + verify.stderr);
  });

  it('restored_again_changes_nothing', async () => {
    const before = about(await items(fresh));
    const { json } = await restore(fresh, backup);
    assert.deepEqual([json.new, json.present, json.refused, json.is_whole], [0, 3, 0, true]);
    assert.deepEqual(about(await items(fresh)), before);
    assert.equal((await fresh.api('/api/v1/restore')).json.present, 3);
  });

  it('with_a_flipped_bit_in_a_picture_restores_the_others', async () => {
    await fresh.api(`/api/v1/originals/${idOf(readPhoto(0))}`, { method: 'DELETE' });
    await fresh.api(`/api/v1/originals/${idOf(readPhoto(1))}`, { method: 'DELETE' });
    damaged = Buffer.from(backup);
    damaged[backup.indexOf(readPhoto(0).subarray(0, 4096)) + 100000] ^= 1;
    const { status, json } = await restore(fresh, damaged);
    assert.deepEqual([status, json.new, json.refused], [200, 1, 1]);
    assert.equal(json.refusals[0].id, idOf(readPhoto(0)));
    assert.equal(json.refusals[0].name, 'sea.jpg');
    assert.match(json.refusals[0].reason, /damaged/);
  });

  it('with_settings_that_are_wrong_or_of_another_machine_leaves_the_settings', async () => {
    const own = readFileSync(join(folder, 'fresh.conf'), 'utf8');
    for (const [text, reason] of [['[cache]\nrum = 1\n', /rum/], ['[console]\nlisten = 0.0.0.0:443\n', /console\.listen is not as on this box/]]) {
      const changed = join(folder, 'changed');
      untar(backup, changed);
      writeFileSync(join(changed, 'settings.conf'), text);
      const tar = spawnSync('tar', ['-C', changed, '--format=ustar', '-cf', '-', 'pixpop-backup.json', 'settings.conf', 'backup-end.json']).stdout;
      rmSync(changed, { recursive: true });
      const { status, json } = await restore(fresh, tar);
      assert.deepEqual([status, json.settings], [200, 'kept']);
      assert.match(json.settings_text, reason);
      assert.equal(readFileSync(join(folder, 'fresh.conf'), 'utf8'), own);
    }
  });

  it('has_the_originals_of_tenants_that_the_settings_have_no_more', async () => {
    const reply = await fresh.api('/api/v1/backup');
    assert.ok(reply.body.includes(`originals/shop/${idOf(readPhoto(2))}`));
    writeFileSync(join(folder, 'source.conf'), '[cache]\ndisk = 64M\n');
    await source.restart();
    assert.ok((await source.api('/api/v1/backup')).body.includes(`originals/shop/${idOf(readPhoto(2))}`));
  });

  describe('by the command line', () => {
    let spare;
    const pixpop = (box, args, input) => spawnSync(join(bin, 'pixpop'), args, {
      encoding: 'utf8', cwd: folder, input, env: { ...process.env, PIXPOP_CONSOLE: box?.console, PIXPOP_TOKEN: box?.token },
    });
    before(async () => {
      const claimFile = join(folder, 'claim');
      writeFileSync(claimFile, `${sha256('K7QX2M9P4TRW').toString('hex')}\n`);
      spare = await startBox({ settings: [onCpu, `console.claim_file=${claimFile}`] });
    });
    after(() => spare.finish());

    it('claims_once_and_keeps_the_token_to_its_owner', () => {
      const wrong = pixpop(null, ['claim', spare.console, 'AAAA-BBBB-CCCC', '-o', 'token']);
      assert.equal(wrong.status, 1);
      assert.ok(!existsSync(join(folder, 'token')));
      writeFileSync(join(folder, 'mine'), 'mine');
      assert.equal(pixpop(null, ['claim', spare.console, 'K7QX-2M9P-4TRW', '-o', 'mine']).status, 1);
      assert.equal(readFileSync(join(folder, 'mine'), 'utf8'), 'mine');
      const { status, stderr, stdout } = pixpop(null, ['claim', spare.console, '-o', 'token'], 'k7qx-2m9p-4trw\n');
      assert.deepEqual([status, stderr, stdout], [0, '', '']);
      assert.equal(statSync(join(folder, 'token')).mode & 0o777, 0o600);
      spare.token = readFileSync(join(folder, 'token'), 'utf8').trim();
      assert.equal(pixpop(spare, ['status']).status, 0);
      assert.match(pixpop(null, ['claim', spare.console, 'K7QX-2M9P-4TRW']).stderr, /has a token already|claimed/i);
    });

    it('backs_up_and_restores', () => {
      const saved = pixpop(fresh, ['backup', 'kept.tar']);
      assert.equal(saved.status, 0, saved.stderr);
      assert.match(saved.stderr, /^kept\.tar: 2 originals, .* MB$/m);
      assert.equal(statSync(join(folder, 'kept.tar')).mode & 0o777, 0o600);
      assert.equal(pixpop(fresh, ['backup']).status, 0);
      assert.equal(readdirSync(folder).filter((name) => /^pixpop-backup-\d{4}-\d\d-\d\d\.tar$/.test(name)).length, 1);
      const listed = spawnSync('sh', ['-c', `"${join(bin, 'pixpop')}" backup - | tar -t`], {
        encoding: 'utf8', env: { ...process.env, PIXPOP_CONSOLE: fresh.console, PIXPOP_TOKEN: fresh.token },
      });
      assert.match(listed.stdout, /^pixpop-backup\.json\n[^]*backup-end\.json\n$/);
      const restored = pixpop(spare, ['restore', 'kept.tar']);
      assert.equal(restored.status, 0, restored.stderr);
      assert.match(restored.stdout, /^originals: 2 new, 0 there already, 0 refused\nsettings: the box keeps its own: .*system\.settings_file/);
      assert.match(restored.stderr, /no \[tenant shop\]/);
      assert.match(pixpop(spare, ['restore', 'kept.tar', '--keep-settings']).stdout, /^originals: 0 new, 2 there already/);
    });

    it('says_what_is_wrong_with_a_file', () => {
      writeFileSync(join(folder, 'half.tar'), readFileSync(join(folder, 'kept.tar')).subarray(0, -600));
      const half = pixpop(spare, ['restore', 'half.tar']);
      assert.equal(half.status, 1);
      assert.match(half.stderr, /half\.tar: Bad request: the archive is cut off[^]*what had come whole stays/);
      writeFileSync(join(folder, 'damaged.tar'), damaged);
      const { status, stderr } = pixpop(spare, ['restore', 'damaged.tar']);
      assert.equal(status, 1);
      assert.match(stderr, /refused: sea\.jpg \(.{43}\): its bytes in the archive are damaged/);
      assert.match(pixpop(spare, ['restore', 'none.tar']).stderr, /none\.tar: cannot be opened/);
    });

    it('keeps_nothing_of_a_backup_that_breaks_off', async () => {
      const server = net.createServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => {
          socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n'), backup.subarray(0, 4096), Buffer.from('\r\n')]));
        });
      });
      await new Promise((done) => server.listen(0, '127.0.0.1', done));
      const child = spawn(join(bin, 'pixpop'), ['--console', `http://127.0.0.1:${server.address().port}`, '--token', 'x', 'backup', 'broken.tar'], { cwd: folder });
      let stderr = '';
      child.stderr.on('data', (text) => { stderr += text; });
      const [status] = await once(child, 'close');
      server.close();
      assert.equal(status, 1);
      assert.match(stderr, /nothing was kept/);
      assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith('broken')), []);
    });

    it('fetches_a_support_bundle', () => {
      const { status, stderr } = pixpop(fresh, ['support', 'support.tar']);
      assert.equal(status, 0, stderr);
      const names = spawnSync('tar', ['-tf', join(folder, 'support.tar')], { encoding: 'utf8' }).stdout.split('\n');
      assert.ok(['about.json', 'status.json', 'log.txt'].every((name) => names.includes(name)));
    });

    it('has_a_page_for_each', () => {
      for (const name of ['claim', 'backup', 'restore', 'support']) {
        const { status, stdout } = pixpop(null, [name, '--help']);
        assert.equal(status, 0);
        assert.match(stdout, new RegExp(`^pixpop ${name} - `));
        assert.ok(stdout.split('\n').every((line) => line.length <= 120));
      }
    });
  });

  it('support_bundle_tells_no_secrets', async () => {
    const logs = join(folder, 'log/pixpopd');
    mkdirSync(logs, { recursive: true });
    writeFileSync(join(logs, 'current'), `plain line\n  token        ${fresh.token}\nclaim code K7QX-2M9P-4TRW\nGET /i/x?sig=qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E\n`);
    const agent = await startLyingAgent(join(folder, 'agent.sock'));
    fresh.options.settings.push(`system.log_folder=${join(folder, 'log')}`, `system.socket=${agent.path}`);
    await fresh.restart();
    await request(`${fresh.console}/api/v1/status`, { headers: { authorization: 'Bearer wrong' } });
    assert.equal((await request(`${fresh.console}/api/v1/support`)).status, 401);
    const reply = await fresh.api('/api/v1/support');
    assert.equal(reply.status, 200);
    assert.match(reply.headers['content-disposition'], /support-\d{4}-\d\d-\d\d\.tar"$/);
    for (const secret of [fresh.token, signKey, 'K7QX-2M9P-4TRW', 'qnTdXnr0d8', 'PRIVATE KEY', readFileSync(join(fresh.data, 'token.sha256'), 'latin1').slice(0, 40)]) {
      assert.ok(!reply.body.includes(secret), secret);
    }
    const unpacked = join(folder, 'support');
    untar(reply.body, unpacked);
    const read = (name) => readFileSync(join(unpacked, name), 'utf8');
    assert.equal(JSON.parse(read('about.json')).version, JSON.parse(read('status.json')).version);
    assert.match(read('metrics.txt'), /^pixpop_store_originals 2$/m);
    assert.equal(JSON.parse(read('findings.json')).ledger.state, 'running');
    assert.match(read('settings.txt'), /^cache\.ram/m);
    assert.match(read('log.txt'), /listening on/);
    assert.equal(read('logs/pixpopd.txt'), `plain line\n${'(a line with a secret was left out)\n'.repeat(3)}`);
    assert.deepEqual(JSON.parse(read('system.json')), goodStatus);
    assert.ok(reply.body.length < 2 << 20);
    agent.answer = () => {};  // never
    await agent.close();
    assert.equal((await fresh.api('/api/v1/support')).status, 200);
  });
});

describe('the network of an appliance', () => {
  const own = 'address 10.20.30.40/24\ngateway 10.20.30.1\n';
  let folder, agent, box, backup, isRefusing;
  const restore = (query = '') =>
    box.api(`/api/v1/restore${query}`, { method: 'POST', body: backup, headers: { 'content-type': 'application/x-tar' } });
  const set = () => agent.requests.filter((one) => one.do === 'network' && one.text !== undefined).map((one) => one.text);
  const cli = async (...words) => {
    const child = spawn(join(bin, 'pixpop'), ['--console', box.console, ...words], { env: { ...process.env, PIXPOP_TOKEN: box.token } });
    let text = '';
    for (const part of [child.stdout, child.stderr]) part.on('data', (chunk) => { text += chunk; });
    const [code] = await once(child, 'close');
    return { code, text };
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-network-'));
    agent = await startLyingAgent(join(folder, 'agent.sock'));
    agent.answer = (request, call) => {
      if (request.do !== 'network') return 'as ever';
      if (request.text === undefined) call.say({ result: 'ok', text: own });
      else call.say(isRefusing ? { result: 'bad-input', text: 'line 1: there is no such card', subject: 'network' } : { result: 'ok' });
      call.end();
      return undefined;
    };
    box = await startBox({ settings: [onCpu, `system.socket=${agent.path}`] });
    await box.put(readPhoto(0), 'sea.jpg');
    backup = (await box.api('/api/v1/backup')).body;
  });
  after(async () => {
    await box.finish();
    await agent.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is_in_the_backup', () => {
    untar(backup, join(folder, 'unpacked'));
    assert.equal(readFileSync(join(folder, 'unpacked/network.conf'), 'utf8'), own);
  });

  it('is_left_alone_unless_it_is_asked_for', async () => {
    const reply = await restore();
    assert.equal(reply.status, 200);
    assert.equal(reply.json.network, 'kept');
    assert.equal(reply.json.unknown_files, 0);
    assert.equal((await restore('?network=maybe')).status, 400);
    assert.deepEqual(set(), []);
  });

  it('comes_back_when_all_the_rest_is_there', async () => {
    const whole = backup;
    backup = backup.subarray(0, backup.length - 4096);
    assert.equal((await restore('?network=replace')).status, 400);
    assert.deepEqual(set(), []);
    backup = whole;
    const reply = await restore('?settings=keep&network=replace');
    assert.equal(reply.status, 200);
    assert.equal(reply.json.network, 'replaced');
    assert.deepEqual(set(), [own]);
  });

  it('is_refused_as_the_system_program_says', async () => {
    isRefusing = true;
    const reply = await restore('?network=replace');
    assert.equal(reply.status, 200);
    assert.deepEqual([reply.json.is_whole, reply.json.network, reply.json.network_text], [true, 'kept', 'line 1: there is no such card']);
    writeFileSync(join(folder, 'backup.tar'), backup);
    const refused = await cli('restore', '--network', join(folder, 'backup.tar'));
    assert.equal(refused.code, 1);
    assert.match(refused.text, /network: the box keeps its own: line 1: there is no such card/);
    isRefusing = false;
    const taken = await cli('restore', '--network', join(folder, 'backup.tar'));
    assert.equal(taken.code, 0, taken.text);
    assert.match(taken.text, /network: replaced/);
  });

  it('is_missing_where_nobody_tells_it', async () => {
    agent.answer = (request, call) => call.die();
    const reply = await box.api('/api/v1/backup');
    assert.equal(reply.status, 200);
    untar(reply.body, join(folder, 'without'));
    assert.ok(!existsSync(join(folder, 'without/network.conf')));
    assert.ok(existsSync(join(folder, 'without/backup-end.json')));
  });
});

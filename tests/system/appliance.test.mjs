// Updates through the console to a real pixpop-system, whose partitions are files.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { hostname } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { Appliance, board, until } from './appliance.mjs';
import { readPhoto, startBox } from './box.mjs';

const json = { 'content-type': 'application/json' };

describe('an appliance', () => {
  let box, system, good;
  const post = (path, body = '', headers = json) =>
    box.api(`/api/v1/system/${path}`, { method: 'POST', headers, body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body) });
  const install = (bytes, query = '') => post(`update${query}`, bytes, { 'content-type': 'application/octet-stream' });
  const status = async () => (await box.api('/api/v1/system')).json;
  // A status that is as wanted.
  async function statusWhen(isWanted) {
    let last;
    await until(async () => { last = await status(); return isWanted(last); }, () => `the status stays ${JSON.stringify(last)}`);
    return last;
  }
  const isWriting = ({ phase, done }) => phase === 'writing' && done > 500_000;
  const begin = (bytes) => {
    const sending = http.request(`${box.console}/api/v1/system/update`, { method: 'POST', headers: { ...box.bearer, 'content-length': bytes.length } });
    const reply = new Promise((done, fail) => {
      sending.on('error', fail);
      sending.on('response', async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        done({ status: response.statusCode, json: JSON.parse(text) });
      });
    });
    reply.catch(() => {});
    return { sending, reply };
  };

  before(async () => {
    system = new Appliance({ health: '', state: [['reset'], ['written', 'A', '1.0.0'], ['good', 'A']] });
    box = await startBox({ settings: ['render.resampler=cpu', `system.socket=${system.path('system.sock')}`] });
    system.health.url = `${box.console}/healthz`;
    system.makeKey('stranger', false);
    good = system.bundle();
    await system.start();
    await statusWhen(({ health }) => health === 'good');
  });
  after(async () => {
    await box.finish();
    await system.finish();
  });

  it('tells_what_runs', async () => {
    const now = await status();
    assert.equal(now.board, board);
    assert.equal(now.running, 'A');
    assert.equal(now.next, 'A');
    assert.equal(now.phase, 'idle');
    assert.equal(now.is_reboot_needed, false);
    assert.deepEqual(now.slots.map(({ name, mark }) => [name, mark]), [['A', 'good'], ['B', 'bad']]);
  });

  it('refuses_each_wrong_bundle_with_its_reason', async () => {
    const flipped = Buffer.from(good.bytes);
    flipped[flipped.length - 1000] ^= 4;
    for (const [bytes, code, text] of [
      [system.bundle({ key: 'stranger' }).bytes, 403, /sign/],
      [system.bundle({ forBoard: 'other' }).bytes, 409, /for the board other; this is test-board/],
      [system.bundle({ version: '0.9.0' }).bytes, 409, /0\.9\.0/],
      [good.bytes.subarray(0, -1), 400, /./],
      [flipped, 460, /root image is damaged/],
      [readPhoto(), 400, /bundle/],
      [Buffer.alloc(0), 400, /./],
    ]) {
      const reply = await install(bytes);
      assert.equal(reply.status, code, String(reply.body));
      assert.equal(reply.headers['content-type'], 'application/problem+json');
      assert.match(reply.json.detail, text);
      const now = await status();
      assert.equal(now.phase, 'failed');
      assert.equal(now.failure, reply.json.detail);
      assert.equal(now.next, 'A');
      assert.equal(now.is_reboot_needed, false);
    }
  });

  it('installs_while_it_serves_and_tells_how_far_it_is', async () => {
    const id = await box.put(readPhoto());
    const { bytes, boot, root } = good;
    const { sending, reply } = begin(bytes);
    sending.write(bytes.subarray(0, 2_000_000));
    const half = await statusWhen(isWriting);
    assert.equal(half.installing, '1.1.0');
    assert.ok(half.done <= 2_000_000 && half.total === boot.length + root.length, JSON.stringify(half));
    assert.equal((await box.get(`/i/${id}?w=64`)).status, 200);

    // A second one, and other changes, have to wait.
    for (const [path, body] of [['update', bytes.subarray(0, 100_000)], ['slots', { next: 'A' }], ['reboot', ''], ['factory-reset', { confirm: hostname() }]]) {
      const refused = await post(path, body, path === 'update' ? {} : json);
      assert.equal(refused.status, 423, `${path}: ${refused.body}`);
    }
    sending.end(bytes.subarray(2_000_000));
    assert.deepEqual(await reply, { status: 200, json: { version: '1.1.0', slot: 'B', result: 'ok' } });
    const now = await status();
    assert.equal(now.phase, 'done');
    assert.equal(now.next, 'B');
    assert.equal(now.is_reboot_needed, true);
    assert.deepEqual({ ...now.slots[1], tries: 0 }, { name: 'B', mark: 'untried', tries: 0, version: '1.1.0' });
    assert.ok(readFileSync(system.path('bootB')).subarray(0, boot.length).equals(boot));
    assert.ok(readFileSync(system.path('rootB')).subarray(0, root.length).equals(root));
    assert.equal(system.text('power'), '');
  });

  it('chooses_the_slot', async () => {
    assert.equal((await post('slots', { next: 'A' })).status, 200);
    assert.equal((await status()).next, 'A');
    assert.equal((await post('slots', { next: 'rescue' })).status, 200);
    assert.equal((await status()).next, 'rescue');
    assert.equal((await post('slots', { next: 'B' })).status, 200);
    assert.equal((await status()).next, 'B');
  });

  it('installs_an_older_one_when_told_to', async () => {
    const reply = await install(system.bundle({ version: '0.9.0' }).bytes, '?older=1');
    assert.equal(reply.status, 200, String(reply.body));
    assert.equal((await status()).slots[1].version, '0.9.0');
  });

  it('boots_nothing_that_was_cut_off', async () => {
    const { sending } = begin(good.bytes);
    sending.write(good.bytes.subarray(0, 2_000_000));
    await statusWhen(isWriting);
    sending.destroy();
    const now = await statusWhen(({ phase }) => phase === 'failed');
    assert.equal(now.slots[1].mark, 'bad');
    assert.equal(now.next, 'A');
  });

  it('is_there_again_after_the_system_program_died_within_an_update', async () => {
    const { sending, reply } = begin(good.bytes);
    sending.write(good.bytes.subarray(0, 2_000_000));
    await statusWhen(isWriting);
    await system.stop('SIGKILL');
    sending.write(good.bytes.subarray(2_000_000, 2_100_000));
    assert.equal((await reply).status, 503);
    sending.destroy();
    assert.equal((await box.api('/api/v1/system')).status, 404, 'nobody listens');
    assert.equal((await box.get('/healthz')).status, 200);
    await system.start();
    const now = await statusWhen(({ health }) => health === 'good');
    assert.equal(now.slots[1].mark, 'bad');
    assert.equal((await install(good.bytes)).status, 200);
  });

  it('keeps_the_networks_settings_that_its_program_accepts', async () => {
    const put = (text) => box.api('/api/v1/system/network', { method: 'PUT', headers: json, body: JSON.stringify({ text }) });
    assert.equal((await box.api('/api/v1/system/network')).json.text, '');
    const refused = await put('bad\n');
    assert.ok(refused.status >= 400 && refused.status < 500, String(refused.body));
    assert.equal((await box.api('/api/v1/system/network')).json.text, '');
    assert.equal((await put('mode dhcp\n')).status, 200);
    await until(() => system.text('network.log').includes('apply mode dhcp'), 'the settings are applied');
    assert.equal((await box.api('/api/v1/system/network')).json.text, 'mode dhcp\n');
  });

  it('resets_and_restarts_when_asked', async () => {
    assert.equal((await post('factory-reset', { confirm: 'another' })).status, 400);
    assert.ok(!existsSync(system.path('data/factory-reset')));
    assert.equal((await post('factory-reset', { confirm: board })).status, 200);
    assert.ok(existsSync(system.path('data/factory-reset')));
    assert.equal((await post('reboot')).status, 200);
    await until(() => system.text('power').includes('reboot'), 'the box goes down');
  });
});

// The settings of a box, read and replaced over the console.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bin, idOf, readPhoto, request, startBox } from './box.mjs';

const onCpu = 'render.resampler=cpu';  // starts quicker
const signKey = '00112233445566778899aabbccddeeff00112233';

describe('the settings of a box', () => {
  let folder, box, own, delivered, wanted;
  const shop = { host: 'img.shop.example' };
  const settings = (options) => box.api('/api/v1/settings', options);
  const put = (body) => settings({ method: 'PUT', body, headers: { 'content-type': 'text/plain' } });
  const pixpop = (...args) => spawnSync(join(bin, 'pixpop'), args, {
    encoding: 'utf8', cwd: folder, env: { ...process.env, PIXPOP_CONSOLE: box.console, PIXPOP_TOKEN: box.token },
  });
  const state = () => [readFileSync(own, 'utf8'), statSync(own).mode & 0o777, statSync(own).ino, readdirSync(folder).sort()];
  const refuses = async (ask, status, text, subject) => {
    const before = state();
    const reply = await ask();
    assert.equal(reply.status, status, String(reply.body));
    if (text) assert.match(reply.json.detail, text);
    if (subject) assert.equal(reply.json.subject, subject);
    assert.deepEqual(state(), before);
    assert.equal(before[0], wanted);
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-settings-'));
    own = join(folder, 'own.conf');
    const machine = `[system]\nsettings_file = ${own}\n`;
    delivered = `# as delivered\n${machine}`;
    wanted = `${machine}\n# löwe\n[tenant shop]\nhosts = img.shop.example\nsign_keys = hex:${signKey}:shop-1\n`;
    writeFileSync(join(folder, 'delivered.conf'), delivered);
    box = await startBox({ config: join(folder, 'delivered.conf'), settings: [onCpu] });
  });
  after(async () => {
    await box.finish();
    rmSync(folder, { recursive: true, force: true });
  });

  it('are_those_in_use_as_long_as_it_has_no_file_of_its_own', async () => {
    const { status, headers, body } = await settings();
    assert.equal(status, 200);
    assert.equal(String(body), delivered);
    assert.match(headers['content-type'], /^text\/plain/);
    assert.equal(headers['cache-control'], 'no-store');
    assert.ok(!existsSync(own));
    writeFileSync(own, '');
    assert.equal(String((await settings()).body), delivered, 'an empty file is none');
    chmodSync(own, 0o644);
  });

  it('are_replaced_whole_for_their_owner_only', async () => {
    const { status, json } = await put(wanted);
    assert.equal(status, 200, JSON.stringify(json));
    assert.equal(json.settings, 'replaced');
    assert.equal(json.settings_text, 'they count from the next start on');
    assert.deepEqual(state(), [wanted, 0o600, statSync(own).ino, ['delivered.conf', 'own.conf']]);
    assert.equal(String((await settings()).body), wanted);
    assert.equal(readFileSync(join(folder, 'delivered.conf'), 'utf8'), delivered);
  });

  it('count_from_the_next_start_on', async () => {
    box.options.config = own;
    await box.restart();
    const id = idOf(readPhoto(0));
    const reply = await box.api('/api/v1/originals?name=shop.jpg', {
      method: 'POST', body: readPhoto(0), headers: { ...shop, 'content-type': 'image/jpeg' },
    });
    assert.equal(reply.status, 201, String(reply.body));
    const { json } = await box.api(`/api/v1/originals/${id}/url?w=100`, { headers: shop });
    const mac = createHmac('sha256', Buffer.from(signKey, 'hex')).update(`shop-1/i/${id}?w=100`).digest('base64url');
    assert.equal(new URL(json.signed_url).searchParams.get('sig'), mac);
  });

  it('stay_as_they_are_when_the_new_ones_are_wrong', async () => {
    await refuses(() => put(wanted.replace('sign_keys', 'sing_keys')), 400, /sing_keys/, 'settings.conf:7');
    await refuses(() => put(`${wanted}[cache]\nram = much\n`), 400, /ram/, 'settings.conf:9');
    await refuses(() => put(`${wanted}\0`), 400, /control character/, 'settings.conf:8');
  });

  it('stay_as_they_are_when_the_new_ones_are_of_another_machine', async () => {
    await refuses(() => put(`${wanted}[console]\nlisten = 0.0.0.0:443\n`), 409, /console\.listen is not as on this box/);
    await refuses(() => put(wanted.replace(own, '/etc/other.conf')), 409, /system\.settings_file is not as on this box/);
    await refuses(() => put(''), 409, /system\.settings_file/);
  });

  it('stay_as_they_are_when_the_new_ones_are_too_long', async () => {
    await refuses(() => put(`${wanted}${'#'.repeat(64 * 1024)}\n`), 413, /65536 bytes/);
  });

  it('are_nobodys_without_the_token', async () => {
    for (const method of ['GET', 'PUT']) {
      await refuses(() => request(`${box.console}/api/v1/settings`, { method, body: method === 'PUT' ? delivered : undefined }), 401);
      await refuses(() => request(`${box.console}/api/v1/settings`, { method, body: method === 'PUT' ? delivered : undefined, headers: { authorization: 'Bearer wrong' } }), 401);
    }
    await refuses(() => settings({ method: 'DELETE' }), 405);
  });

  it('are_one_text_whole_when_many_replace_them_at_once', async () => {
    const texts = Array.from({ length: 8 }, (_, i) => `${wanted}# ${String(i).repeat(20000)}\n`);
    const replies = await Promise.all(texts.map(put));
    assert.deepEqual(replies.map(({ status }) => status), texts.map(() => 200));
    assert.ok(texts.includes(readFileSync(own, 'utf8')));
    assert.equal((await put(wanted)).status, 200);
  });

  it('are_printed_and_replaced_by_the_command_line', () => {
    const printed = pixpop('settings');
    assert.deepEqual([printed.status, printed.stdout, printed.stderr], [0, wanted, '']);
    const longer = `${wanted}# more\n`;
    writeFileSync(join(folder, 'mine.conf'), longer);
    const replaced = pixpop('settings', '--set', 'mine.conf');
    assert.equal(replaced.status, 0, replaced.stderr);
    assert.match(replaced.stdout, /^settings: replaced; they count from the next start on/);
    assert.equal(readFileSync(own, 'utf8'), longer);
    writeFileSync(join(folder, 'wrong.conf'), wanted.replace('hosts', 'guests'));
    const refused = pixpop('settings', '--set', 'wrong.conf');
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /^pixpop: wrong\.conf: .*'guests' \(settings\.conf:6\)$/m);
    assert.equal(pixpop('settings', '--set', 'none.conf').status, 1);
    assert.equal(readFileSync(own, 'utf8'), longer);
    assert.equal(pixpop('settings', 'words').status, 2);
    assert.match(pixpop('settings', '--help').stdout, /^pixpop settings - [^]*--set FILE/);
  });

  it('are_told_by_no_box_that_has_no_place_for_others', async () => {
    const kept = await startBox({ settings: [onCpu] });
    for (const method of ['GET', 'PUT']) {
      const reply = await kept.api('/api/v1/settings', { method, body: method === 'PUT' ? '[cache]\nram = 32M\n' : undefined });
      assert.equal(reply.status, 404);
      assert.match(reply.json.detail, /system\.settings_file names no file/);
    }
    await kept.finish();
  });
});

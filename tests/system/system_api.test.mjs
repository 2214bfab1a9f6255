// /api/v1/system in front of a system program that need not behave.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { raw, request, sleep, startBox } from './box.mjs';
import { goodStatus, startLyingAgent } from './lying_agent.mjs';

const json = { 'content-type': 'application/json' };
const bundle = { 'content-type': 'application/octet-stream' };

describe('a box without a system program', () => {
  let box;
  before(async () => { box = await startBox({ settings: ['render.resampler=cpu', 'system.socket='] }); });
  after(() => box.finish());

  it('is_no_appliance', async () => {
    for (const [method, path] of [['GET', ''], ['GET', '/network'], ['POST', '/reboot'], ['POST', '/update']]) {
      const reply = await box.api(`/api/v1/system${path}`, { method, body: method === 'POST' ? '' : undefined });
      assert.equal(reply.status, 404, path);
      assert.match(reply.json.detail, /no appliance/);
    }
    assert.equal((await box.api('/api/v1/status')).json.is_appliance, false);
  });
});

describe('the system at the console', () => {
  let box, agent, folder;
  const post = (path, body, headers = json) =>
    box.api(`/api/v1/system/${path}`, { method: 'POST', body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body), headers });
  const last = () => agent.requests.at(-1);
  const answering = (line) => { agent.answer = (request, call) => { call.say(line); call.end(); }; };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-system-'));
    agent = await startLyingAgent(join(folder, 'system.sock'));
    box = await startBox({ settings: ['render.resampler=cpu', `system.socket=${agent.path}`] });
  });
  after(async () => {
    await box.finish();
    await agent.close();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(() => { agent.answer = null; });

  it('passes_the_status_on_as_it_is', async () => {
    const reply = await box.api('/api/v1/system');
    assert.equal(reply.status, 200);
    assert.deepEqual(reply.json, goodStatus);
    assert.equal(reply.headers['cache-control'], 'no-store');
    const status = (await box.api('/api/v1/status')).json;
    assert.equal(status.is_appliance, true);
    assert.equal(status.host_name, hostname());
    assert.equal(status.fingerprint, null, 'there is no TLS here');
  });

  it('lets_nobody_in_without_the_token_or_without_the_page', async () => {
    const asked = agent.requests.length;
    const wrong = { authorization: 'Bearer wrong' };
    for (const headers of [{}, wrong]) {
      assert.equal((await request(`${box.console}/api/v1/system`, { headers })).status, 401);
      for (const path of ['update', 'slots', 'reboot', 'poweroff', 'rescue', 'factory-reset']) {
        const reply = await request(`${box.console}/api/v1/system/${path}`, { method: 'POST', headers, body: '{}' });
        assert.equal(reply.status, 401, path);
      }
    }
    const session = await request(`${box.console}/api/v1/session`, { method: 'POST', headers: json, body: JSON.stringify({ token: box.token }) });
    const cookie = session.headers['set-cookie'][0].split(';')[0];
    for (const path of ['update', 'reboot', 'factory-reset']) {
      const reply = await request(`${box.console}/api/v1/system/${path}`, { method: 'POST', headers: { cookie }, body: '{}' });
      assert.equal(reply.status, 403, path);
    }
    assert.equal(agent.requests.length, asked);
    answering({ result: 'ok' });
    const reply = await request(`${box.console}/api/v1/system/reboot`, { method: 'POST', headers: { cookie, 'x-csrf-token': session.json.csrf_token } });
    assert.equal(reply.status, 200);
  });

  it('asks_for_what_is_wanted', async () => {
    answering({ result: 'ok' });
    for (const [path, body, line] of [
      ['slots', { next: 'B' }, { do: 'choose', slot: 'B' }],
      ['slots', { next: 'rescue' }, { do: 'rescue' }],
      ['reboot', '', { do: 'reboot' }],
      ['poweroff', {}, { do: 'poweroff' }],
      ['rescue', '', { do: 'rescue' }],
      ['factory-reset', { confirm: hostname() }, { do: 'factory-reset' }],
    ]) {
      const reply = await post(path, body);
      assert.equal(reply.status, 200, `${path}: ${reply.body}`);
      assert.deepEqual(reply.json, { result: 'ok' });
      assert.deepEqual(last(), line);
    }
    const text = 'mode static\naddress 192.168.1.20/24\ngateway "x"\n';
    const set = await box.api('/api/v1/system/network', { method: 'PUT', headers: json, body: JSON.stringify({ text }) });
    assert.equal(set.status, 200);
    assert.deepEqual(last(), { do: 'network', text });
    answering({ result: 'ok', text });
    assert.equal((await box.api('/api/v1/system/network')).json.text, text);
    assert.deepEqual(last(), { do: 'network' });
  });

  it('refuses_what_makes_no_sense_before_it_asks', async () => {
    const asked = agent.requests.length;
    for (const [path, body] of [
      ['slots', { next: 'C' }], ['slots', {}], ['slots', { next: 1 }], ['slots', { next: 'A', when: 'now' }],
      ['reboot', { now: true }], ['update?older=2', 'x'], ['update?newer=1', 'x'], ['update?older=1&older=1', 'x'],
    ]) {
      assert.equal((await post(path, body)).status, 400, `${path} ${JSON.stringify(body)}`);
    }
    assert.equal((await post('slots', '{"next":"A"}', { 'content-type': 'text/plain' })).status, 415);
    const put = (text) => box.api('/api/v1/system/network', { method: 'PUT', headers: json, body: JSON.stringify({ text }) });
    assert.equal((await put(undefined)).status, 400);
    assert.equal((await put('#'.repeat(5000))).status, 413);
    assert.equal((await raw(box.consolePort, `POST /api/v1/system/update HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${box.token}\r\nContent-Length: 99999999999\r\n\r\n`, { ms: 500 })).split(' ')[1], '413');
    assert.equal((await raw(box.consolePort, `POST /api/v1/system/update HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${box.token}\r\n\r\n`, { ms: 500 })).split(' ')[1], '411');
    assert.equal(agent.requests.length, asked);
  });

  it('wants_the_right_name_for_a_factory_reset', async () => {
    const reply = async (body) => {
      agent.requests.length = 0;
      agent.answer = (request, call) => {
        if (request.do === 'status') return 'as ever';
        call.say({ result: 'ok' });
        return call.end();
      };
      return (await post('factory-reset', body)).status;
    };
    for (const body of [{}, { confirm: '' }, { confirm: 'yes' }, { confirm: `${hostname()} ` }]) {
      assert.equal(await reply(body), 400, JSON.stringify(body));
      assert.ok(agent.requests.every((one) => one.do === 'status'));
    }
    assert.equal(await reply({ confirm: 'qemu-x86_64' }), 200);
    assert.deepEqual(last(), { do: 'factory-reset' });
  });

  it('says_what_the_system_program_says_against_it', async () => {
    for (const [name, status] of [['locked', 423], ['conflict', 409], ['forbidden', 403], ['checksum-mismatch', 460], ['bad-input', 400]]) {
      answering({ result: name, text: `because ${name}`, subject: 'slot' });
      const reply = await post('slots', { next: 'B' });
      assert.equal(reply.status, status);
      assert.equal(reply.headers['content-type'], 'application/problem+json');
      assert.equal(reply.json.detail, `because ${name}`);
      assert.equal(reply.json.subject, 'slot');
    }
    answering({ result: 'no-such-result', text: 'what?' });
    assert.equal((await post('slots', { next: 'B' })).status, 500);
  });

  it('endures_a_system_program_that_talks_nonsense_or_dies', async () => {
    for (const words of ['no json\n', '{"result":"ok"', `{"board":"${'x'.repeat(100000)}"}\n`, '\n', '[]\n[]\n', '']) {
      agent.answer = (request, call) => { call.say(words); call.end(); };
      const reply = await box.api('/api/v1/system');
      assert.equal(reply.status, 503, words.slice(0, 20));
      assert.match(reply.json.detail, /./);
    }
    agent.answer = (request, call) => { call.die(); };
    assert.equal((await box.api('/api/v1/system')).status, 503);
    agent.answer = null;
    assert.equal((await box.api('/api/v1/system')).status, 200);
  });

  it('does_not_wait_for_a_silent_one_for_ever', async () => {
    agent.answer = () => {};
    const reply = await box.api('/api/v1/system');
    assert.equal(reply.status, 504);
    assert.match(reply.json.detail, /silent/);
  });

  describe('an update', () => {
    const bytes = Buffer.alloc(3_000_000, 'pixpop');
    // Takes the bundle as the system program does.
    const installing = (more = {}) => {
      agent.answer = (request, call) => {
        if (request.do !== 'install') return 'as ever';
        call.say({ phase: 'reading', done: 0, total: 0 });
        call.onBody = () => call.say({ phase: 'writing', done: call.bytes, total: bytes.length });
        call.onEnd = () => {
          call.say({ phase: 'checking', done: 0, total: 0 });
          if (call.bytes === bytes.length) call.say({ result: 'ok', version: '1.1.0', slot: 'B' });
          else call.say({ result: 'bad-input', text: `the bundle ends after ${call.bytes} bytes`, subject: 'bundle' });
          call.end();
        };
        return more.begun?.(call);
      };
    };

    it('goes_through_as_it_comes', async () => {
      for (const [query, older] of [['', false], ['?older=1', true], ['?older=0', false]]) {
        installing();
        const reply = await post(`update${query}`, bytes, bundle);
        assert.equal(reply.status, 200, String(reply.body));
        assert.deepEqual(reply.json, { result: 'ok', version: '1.1.0', slot: 'B' });
        assert.deepEqual(last(), { do: 'install', older });
      }
      installing();
      const chunked = await post('update', bytes, { ...bundle, 'transfer-encoding': 'chunked' });
      assert.equal(chunked.status, 200);
      installing();
      assert.equal((await post('update', '', bundle)).json.detail, 'the bundle ends after 0 bytes');
    });

    it('waits_for_a_slow_system_program_without_keeping_anything', async () => {
      const much = Buffer.alloc(64 * 1024 * 1024);
      let begun;
      const call = new Promise((done) => { begun = done; });
      installing({ begun: (one) => { one.socket.pause(); begun(one); } });
      const sent = http.request(`${box.console}/api/v1/system/update`, { method: 'POST', headers: { ...box.bearer, 'content-length': much.length } });
      const reply = new Promise((done, fail) => { sent.on('response', done); sent.on('error', fail); });
      let isTaken = false;
      sent.write(much, () => { isTaken = true; });
      const slow = await call;
      // Others are answered meanwhile, and the client is held back.
      assert.equal((await box.api('/api/v1/system')).status, 200);
      assert.equal((await box.get('/healthz')).status, 200);
      assert.equal(isTaken, false);
      assert.ok(sent.socket.writableLength > 0, 'the box took it all');
      slow.socket.resume();
      sent.end();
      const { statusCode } = await reply;
      assert.equal(statusCode, 400); // it is not of the length that this one wants
      assert.equal(slow.bytes, much.length);
    });

    it('is_refused_while_another_one_is_under_way', async () => {
      agent.answer = (request, call) => {
        if (request.do !== 'install') return 'as ever';
        call.say({ result: 'locked', text: 'an update is being installed', subject: 'install' });
        return call.end();
      };
      const reply = await post('update', bytes, bundle);
      assert.equal(reply.status, 423);
      assert.equal(reply.json.detail, 'an update is being installed');
    });

    it('ends_with_the_reason_when_it_is_refused_half_way', async () => {
      agent.answer = (request, call) => {
        if (request.do !== 'install') return 'as ever';
        call.onBody = () => {
          if (call.bytes < 100_000) return;
          call.say({ result: 'forbidden', text: 'no key that is trusted has signed this', subject: 'signature' });
          call.die();
        };
      };
      // With the whole body behind it, so that the answer is not lost to a broken pipe of the client.
      const reply = await post('update', bytes.subarray(0, 200_000), bundle);
      assert.equal(reply.status, 403, String(reply.body));
      assert.match(reply.json.detail, /no key that is trusted/);
    });

    it('fails_when_the_system_program_dies_within_it', async () => {
      agent.answer = (request, call) => {
        if (request.do !== 'install') return 'as ever';
        call.onBody = () => call.die();
      };
      const reply = await post('update', bytes.subarray(0, 150_000), bundle);
      assert.equal(reply.status, 503, String(reply.body));
      agent.answer = (request, call) => {
        if (request.do !== 'install') return 'as ever';
        call.onEnd = () => call.die();
      };
      const late = await post('update', bytes, bundle);
      assert.equal(late.status, 503);
      assert.match(late.json.detail, /ended without an answer/);
      assert.equal((await box.api('/api/v1/system')).status, 200);
    });

    it('is_given_up_when_the_client_leaves_within_it', async () => {
      for (const framing of [`Content-Length: ${bytes.length}\r\n\r\n`, 'Transfer-Encoding: chunked\r\n\r\n80000\r\n']) {
        let ended;
        const end = new Promise((done) => { ended = done; });
        installing({ begun: (call) => {
          const onEnd = call.onEnd;
          call.onEnd = () => { onEnd(); ended(call.bytes); };
        } });
        await raw(box.consolePort, Buffer.concat([
          Buffer.from(`POST /api/v1/system/update HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${box.token}\r\n${framing}`),
          bytes.subarray(0, 100_000)]), { end: true });
        assert.ok(await end <= 100_000);
      }
      assert.equal((await box.api('/api/v1/system')).status, 200);
    });

    it('is_seen_to_its_end_when_the_client_leaves_after_its_last_byte', async () => {
      let ended;
      const end = new Promise((done) => { ended = done; });
      installing({ begun: (call) => {
        const { onEnd } = call;
        call.onEnd = async () => {
          call.onEnd = () => {};
          await sleep(1200);
          const error = await new Promise((done) => { call.socket.write('{"phase":"checking","done":1,"total":2}\n', done); });
          onEnd();
          ended(error ?? call.bytes);
        };
      } });
      const sent = http.request(`${box.console}/api/v1/system/update`, { method: 'POST', headers: { ...box.bearer, 'content-length': bytes.length } });
      sent.on('error', () => {});
      sent.end(bytes, () => { setTimeout(() => sent.destroy(), 200); });
      assert.equal(await end, bytes.length);
    });

    if (process.env.PIXPOP_LONG) {
      it('ends_when_the_system_program_takes_nothing_for_a_minute', async () => {
        agent.answer = (request, call) => {
          if (request.do !== 'install') return 'as ever';
          call.socket.pause();
          setTimeout(() => call.die(), 65_000);
        };
        const reply = await post('update', bytes, bundle);
        assert.equal(reply.status, 504);
        assert.match(reply.json.detail, /silent/);
      });
    }

    it('leaves_no_connection_behind', async () => {
      for (let i = 0; i < 500 && agent.open > 0; i++) await sleep(20);
      assert.equal(agent.open, 0);
    });
  });
});

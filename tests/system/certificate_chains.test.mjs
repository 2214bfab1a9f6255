// What clients of other makers see of a certificate's chain: long ones, crossed ones, and sessions that outlive it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { Authority } from '../support/authority.mjs';
import { fingerprintOf } from '../support/requests.mjs';
import { until } from '../support/waiting.mjs';
import { startBox } from './box.mjs';

const host = 'img.example.com';
const isCa = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n';
const namesOf = (count) => [host, ...Array.from({ length: count }, (_, i) => `a-name-of-a-picture-${String(i).padStart(5, '0')}.example`)];
const sanOf = (count) => namesOf(count).map((name) => `DNS:${name}`).join();

let folder, authority, box;
function openssl(args) {
  const outcome = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' });
  assert.equal(outcome.status, 0, outcome.stderr);
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pixpop-chains-'));
  authority = new Authority(folder);
  const san = `DNS:${host}`;
  for (const name of ['first', 'second']) authority.certificate(name, { san });
  authority.certificate('most', { san: sanOf(420) });
  authority.certificate('over', { san: sanOf(460) });
  // Another root, which signs the first one's key: old clients know only that.
  openssl(['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'old.key', '-subj', '/CN=Old authority', '-days', '90', '-out', 'old.pem']);
  openssl(['req', '-new', '-key', 'root.key', '-subj', '/CN=Test authority', '-out', 'cross.csr']);
  writeFileSync(authority.at('cross.ext'), isCa);
  openssl(['x509', '-req', '-in', 'cross.csr', '-CA', 'old.pem', '-CAkey', 'old.key', '-CAcreateserial', '-days', '90', '-extfile', 'cross.ext', '-out', 'cross.pem']);
  authority.certificate('limited', { by: 'root', extensions: `${isCa}nameConstraints=critical,permitted;DNS:example.com\n` });
  authority.certificate('within', { by: 'limited', san });
  box = await startBox({ tls: true, settings: ['render.resampler=cpu', 'delivery.tls_listen=127.0.0.1:0'] });
});
after(async () => {
  await box?.finish();
  rmSync(folder, { recursive: true, force: true });
});

const put = (body) => box.api('/api/v1/certificate', { method: 'PUT', body, headers: { 'content-type': 'application/x-pem-file' } });
const port = () => Number(new URL(box.secure).port);

async function set(...names) {
  const reply = await put(authority.text(...names));
  assert.equal(reply.status, 200, String(reply.body));
  return reply.json.delivery;
}

// What curl gets that trusts only this root.
function fetchTrusting(root) {
  const outcome = spawnSync('curl', ['-sS', '--cacert', authority.at(`${root}.pem`), '--resolve', `${host}:${port()}:127.0.0.1`, `https://${host}:${port()}/healthz`],
    { encoding: 'utf8', timeout: 20000 });
  return outcome.stdout || outcome.stderr;
}

// A connection that has its session, or goes on with an older one.
async function connect(session) {
  const socket = tls.connect({ port: port(), host: '127.0.0.1', servername: host, ca: authority.text('root.pem'), session });
  socket.on('error', () => {});
  let kept = null;
  socket.on('session', (one) => { kept = one; });
  await once(socket, 'secureConnect');
  await until('its session', () => kept !== null || socket.isSessionReused());
  const outcome = { isReused: socket.isSessionReused(), session: kept };
  socket.destroy();
  return outcome;
}

describe('the chain of a certificate', () => {
  it('is_shown_as_long_as_a_record_and_refused_when_longer', async () => {
    const { more_names: more, chain } = await set('most.key', 'most.pem', 'inter.pem');
    assert.deepEqual([more, chain], [321, 2]);
    assert.equal(fetchTrusting('root'), 'ok\n');
    const before = await fingerprintOf(port());
    const reply = await put(authority.text('over.key', 'over.pem', 'inter.pem'));
    assert.equal(reply.status, 413, String(reply.body));
    assert.match(String(reply.body), /at most 16384 can be shown/);
    assert.equal(await fingerprintOf(port()), before);
    assert.equal(fetchTrusting('root'), 'ok\n');
  });

  it('leads_to_more_than_one_root_when_it_is_crossed', async () => {
    for (const names of [['root.pem', 'cross.pem'], ['cross.pem', 'root.pem'], ['cross.pem', 'old.pem', 'root.pem']]) {
      await set('first.key', 'first.pem', 'inter.pem', ...names);
      assert.equal(fetchTrusting('root'), 'ok\n');
      assert.equal(fetchTrusting('old'), 'ok\n');
    }
  });

  it('may_have_limits_that_only_clients_judge', async () => {
    const { chain } = await set('within.key', 'within.pem', 'limited.pem');
    assert.equal(chain, 2);
    assert.equal(fetchTrusting('root'), 'ok\n');
    await box.restart();
    assert.equal((await box.api('/api/v1/certificate')).json.delivery.fingerprint, authority.fingerprint('within'));
    assert.equal(fetchTrusting('root'), 'ok\n');
  });
});

describe('a session of a certificate', () => {
  it('ends_with_it_and_not_before', async () => {
    await set('first.key', 'first.pem', 'inter.pem');
    const { session } = await connect();
    assert.equal((await connect(session)).isReused, true);
    box.child.kill('SIGHUP');
    await until('the reload', () => /configuration reloaded/.test(box.log));
    assert.equal((await connect(session)).isReused, true, 'the file is the same');
    await set('second.key', 'second.pem', 'inter.pem');
    assert.equal((await connect(session)).isReused, false);
    await set('first.key', 'first.pem', 'inter.pem');
    assert.equal((await connect(session)).isReused, false, 'nor does it come back');
  });
});

describe('a file at the limit', () => {
  it('is_taken_and_read_again', async () => {
    const text = authority.text('first.key', 'first.pem', 'inter.pem');
    const full = '#'.repeat(65535 - text.length) + '\n' + text;
    assert.equal((await put(full)).status, 200);
    await box.stop('SIGTERM');
    writeFileSync(join(box.data, 'delivery.pem'), full);
    await box.start();
    assert.equal(await fingerprintOf(port()), authority.fingerprint('first'));
    assert.doesNotMatch(box.log, /certificate of delivery is damaged/);
    box.log = '';
    box.child.kill('SIGHUP');
    await until('the reload', () => /configuration reloaded/.test(box.log));
  });
});

// The console over real HTTP and TLS: uploads, the API, sessions, metrics.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fingerprintOf } from '../support/requests.mjs';
import { idOf, metric, photos, raw, readPhoto, request, sleep, startBox } from './box.mjs';

function multipart(parts) {
  const boundary = 'a-boundary-of-this-test';
  const chunks = parts.map(({ name, filename, type, body }) => Buffer.concat([
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"${filename ? `; filename="${filename}"` : ''}\r\n${type ? `Content-Type: ${type}\r\n` : ''}\r\n`),
    Buffer.from(body), Buffer.from('\r\n'),
  ]));
  return { type: `multipart/form-data; boundary=${boundary}`, body: Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]) };
}

describe('the console API', () => {
  let box;
  before(async () => { box = await startBox(); });
  after(() => box.finish());

  it('stores_a_raw_upload_byte_for_byte_under_its_digest', async () => {
    const bytes = readPhoto();
    const reply = await box.upload(bytes, 'Brücke 1.jpg');
    assert.equal(reply.status, 201);
    const [original] = reply.json;
    assert.equal(original.id, idOf(bytes));
    assert.equal(original.bytes, bytes.length);
    assert.equal(original.format, 'jpeg');
    assert.equal(original.metadata.name, 'Brücke 1.jpg');
    assert.match(original.url, new RegExp(`/i/${original.id}$`));
    assert.ok(original.width > 100 && original.height > 100);
    const again = await box.upload(bytes);
    assert.ok([200, 201].includes(again.status));
    const list = (await box.api('/api/v1/originals')).json.items.filter((item) => item.id === original.id);
    assert.equal(list.length, 1);
  });

  it('stores_many_files_of_one_multipart_upload_with_metadata', async () => {
    const files = photos(4).slice(1);
    const { type, body } = multipart([
      { name: 'metadata', type: 'application/json', body: JSON.stringify({ name: 'harbour', tags: ['sea', 'north'] }) },
      ...files.map((path) => ({ name: 'image', filename: basename(path), type: 'image/jpeg', body: readFileSync(path) })),
    ]);
    const reply = await box.api('/api/v1/originals', { method: 'POST', headers: { 'content-type': type }, body });
    assert.equal(reply.status, 201, reply.body.toString());
    assert.deepEqual(reply.json.map((one) => one.id), files.map((path) => idOf(readFileSync(path))));
    assert.deepEqual(reply.json[0].metadata.tags, ['sea', 'north']);
  });

  it('takes_an_upload_by_curl_and_by_a_chunked_body', async () => {
    const path = photos(5)[4];
    const out = execFileSync('curl', ['-sS', '-H', `Authorization: Bearer ${box.token}`, '-F', `image=@${path}`, `${box.console}/api/v1/originals`], { encoding: 'utf8' });
    assert.equal(JSON.parse(out)[0].id, idOf(readFileSync(path)));
    const chunked = execFileSync('curl', ['-sS', '-H', `Authorization: Bearer ${box.token}`, '-H', 'Transfer-Encoding: chunked', '-H', 'Content-Type: image/jpeg', '--data-binary', `@${path}`, `${box.console}/api/v1/originals`], { encoding: 'utf8' });
    assert.equal(JSON.parse(chunked)[0].id, idOf(readFileSync(path)));
  });

  it('pages_through_the_list_newest_first', async () => {
    const all = (await box.api('/api/v1/originals?limit=100')).json.items.map((item) => item.id);
    assert.ok(all.length >= 5);
    const paged = [];
    let after = '';
    do {
      const { items, next } = (await box.api(`/api/v1/originals?limit=2${after ? `&after=${after}` : ''}`)).json;
      assert.ok(items.length <= 2);
      paged.push(...items.map((item) => item.id));
      after = next;
    } while (after);
    assert.deepEqual(paged, all);
  });

  it('describes_one_original_with_its_variants', async () => {
    const id = idOf(readPhoto());
    await box.get(`/i/${id}?w=240&dpr=1&fm=webp&q=80`);
    const reply = await box.api(`/api/v1/originals/${id}`);
    assert.equal(reply.status, 200);
    assert.equal(reply.json.id, id);
    assert.ok(reply.json.variants.some((variant) => variant.width === 240), JSON.stringify(reply.json));
    assert.equal((await box.api(`/api/v1/originals/${'B'.repeat(42)}A`)).status, 404);
  });

  it('serves_the_delivery_paths_too_for_its_page_but_only_with_credentials', async () => {
    const id = idOf(readPhoto());
    const path = `/i/${id}?w=240&dpr=1&fm=webp&q=80`;
    assert.equal((await request(box.console + path)).status, 401);
    const reply = await box.api(path);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['content-type'], 'image/webp');
  });

  it('reports_status_and_metrics', async () => {
    const { json } = await box.api('/api/v1/status');
    assert.match(json.version, /^\d+\.\d+\.\d+$/);
    assert.ok(json.store.originals >= 5);
    assert.match(json.device, /\w/);
    assert.ok(json.ram.misses >= 1, JSON.stringify(json.ram));
    const text = (await box.api('/metrics')).body.toString();
    assert.match(text, /^# TYPE pixpop_\w+ counter$/m);
    assert.ok(text.split('\n').filter((line) => line && !line.startsWith('#')).every((line) => /^[a-z_][a-z0-9_]*(\{[^}]*\})? -?[\d.e+]+(inf)?$/i.test(line)));
  });

  it('gives_a_session_for_the_token_and_wants_csrf_with_it', async () => {
    const wrong = await request(`${box.console}/api/v1/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"token":"nope"}' });
    assert.equal(wrong.status, 401);
    const reply = await request(`${box.console}/api/v1/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token: box.token }) });
    assert.ok([200, 201].includes(reply.status), reply.body.toString());
    const cookie = reply.headers['set-cookie'][0];
    assert.match(cookie, /HttpOnly/i);
    assert.match(cookie, /SameSite=Strict/i);
    const headers = { cookie: cookie.split(';')[0] };
    assert.equal((await request(`${box.console}/api/v1/status`, { headers })).status, 200);
    const id = idOf(readFileSync(photos(4)[3]));
    assert.equal((await request(`${box.console}/api/v1/originals/${id}`, { method: 'DELETE', headers })).status, 403);
    assert.equal((await request(`${box.console}/api/v1/originals/${id}`, { method: 'DELETE', headers: { ...headers, 'x-csrf-token': reply.json.csrf_token } })).status, 204);
    assert.equal((await request(`${box.console}/api/v1/session`, { method: 'DELETE', headers: { ...headers, 'x-csrf-token': reply.json.csrf_token } })).status, 204);
    assert.equal((await request(`${box.console}/api/v1/status`, { headers })).status, 401);
  });

  it('serves_the_page_with_a_strict_policy', async () => {
    const page = await request(`${box.console}/`);
    assert.equal(page.status, 200);
    assert.match(page.headers['content-security-policy'], /default-src 'self'/);
    assert.match(page.headers['content-security-policy'], /frame-ancestors 'none'/);
    const asset = page.body.toString().match(/\/assets\/[^"]+\.js/)[0];
    const script = await request(box.console + asset);
    assert.match(script.headers['content-type'], /javascript/);
    assert.match(script.headers['cache-control'], /immutable/);
    assert.equal((await request(`${box.console}/../../etc/passwd`)).status, 404);
  });
});

describe('the console over TLS', () => {
  let box;
  before(async () => { box = await startBox({ tls: true }); });
  after(() => box.finish());
  const cpuTicks = () => {
    const fields = readFileSync(`/proc/${box.child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return Number(fields[11]) + Number(fields[12]);
  };

  it('keeps_its_certificate_and_prints_its_fingerprint', async () => {
    const { fingerprint } = box;
    assert.match(fingerprint, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    assert.equal(await fingerprintOf(box.consolePort), fingerprint);
    await box.restart();
    assert.equal(box.fingerprint, fingerprint);
  });

  it('publishes_its_certificate_without_the_key', async () => {
    const path = join(box.data, 'console.crt');
    assert.doesNotMatch(readFileSync(path, 'utf8'), /PRIVATE/);
    assert.match(execFileSync('curl', ['-sS', '--cacert', path, `${box.console}/healthz`], { encoding: 'utf8' }), /^(ok|starting)\n$/);
  });

  it('uploads_over_tls', async () => assert.equal(await box.put(readPhoto()), idOf(readPhoto())));

  it('drops_silent_clients_without_spending_cpu', async () => {
    await box.deviceIsOpen();
    const before = cpuTicks();
    const started = Date.now();
    const clients = Array.from({ length: 8 }, () => raw(box.consolePort, '', { ms: 15000 }));
    await sleep(2000);
    const spentTicks = cpuTicks() - before;
    assert.ok(spentTicks < 60, `${spentTicks} ticks of 10 ms in two seconds`);
    await Promise.all(clients);
    assert.ok(Date.now() - started < 12000, 'the silent clients are dropped');
    assert.equal((await box.api('/healthz')).status, 200);
  });

  it('refuses_tls_1_1_and_takes_tls_1_2', () => {
    const connect = (version) => spawnSync('openssl', ['s_client', '-connect', `127.0.0.1:${box.consolePort}`, version, '-cipher', 'ALL:@SECLEVEL=0'], { input: '', encoding: 'utf8', timeout: 10000 });
    for (const version of ['-tls1', '-tls1_1']) {
      const outcome = connect(version);
      assert.notEqual(outcome.status, 0, version);
      assert.match(outcome.stderr + outcome.stdout, /alert protocol version|unsupported protocol|handshake failure|no protocols available/i);
    }
    assert.match(connect('-tls1_2').stdout, /Protocol *: TLSv1\.2/);
  });
});

describe('memory of an upload', () => {
  it('does_not_grow_with_the_file', async () => {
    // Pictures kept for their variants have a budget of their own; and freed memory counts here, so AddressSanitizer may not hoard it.
    const box = await startBox({ settings: ['render.resident=0'], env: { ASAN_OPTIONS: 'quarantine_size_mb=0:thread_local_quarantine_size_kb=0' } });
    const folder = mkdtempSync(join(tmpdir(), 'pixpop-large-'));
    try {
      const peakKb = () => Number(readFileSync(`/proc/${box.child.pid}/status`, 'utf8').match(/VmHWM:\s+(\d+)/)[1]);
      await box.deviceIsOpen();
      await box.put(readPhoto());
      const photo = readPhoto();
      const path = join(folder, 'large.jpg');
      writeFileSync(path, Buffer.concat([photo, Buffer.alloc((90 << 20) - photo.length)]));
      const before = peakKb();
      const out = execFileSync('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', '-H', `Authorization: Bearer ${box.token}`, '-F', `image=@${path}`, `${box.console}/api/v1/originals`], { encoding: 'utf8' });
      assert.equal(out, '201');
      const grownKb = peakKb() - before;
      assert.ok(grownKb < 8192, `the peak grew by ${grownKb} KiB`);
      assert.ok(metric((await box.api('/metrics')).body.toString(), 'pixpop_store_originals') !== 0);
    } finally {
      rmSync(folder, { recursive: true });
      await box.finish();
    }
  });
});

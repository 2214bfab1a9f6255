// Bad input: each gets a clear problem+json, and nothing is lost.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { deflateSync } from 'node:zlib';
import { metric, raw, readPhoto, sleep, startBox } from './box.mjs';

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function pngChunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

function png(width, height, idat) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), pngChunk('IHDR', header), pngChunk('IDAT', idat), pngChunk('IEND', Buffer.alloc(0))]);
}

function assertProblem(reply, status, pattern) {
  assert.equal(reply.status, status, reply.body?.toString());
  assert.match(reply.headers['content-type'], /^application\/problem\+json/);
  assert.equal(reply.headers['cache-control'], 'no-store');
  assert.equal(reply.json.status, status);
  assert.ok(reply.json.title.length > 0);
  if (pattern) assert.match(JSON.stringify(reply.json), pattern);
}

describe('bad options', () => {
  let box, id;
  before(async () => { box = await startBox(); id = await box.put(readPhoto()); });
  after(() => box.finish());

  const table = [
    ['nonsense=1', 400, /nonsense/], ['w=0', 400, /"w"/], ['w=99999', 400, /"w"/], ['w=-5', 400, /"w"/], ['w=1.5', 400, /"w"/],
    ['w=+5', 400, /"w"/], ['w=', 400, /"w"/], ['w', 400, /w/], ['w=100&w=100', 400, /"w"/], ['w=8192&dpr=4&fit=outside', 422, /16,?383/],
    ['w=8192&h=8192&fit=fill', 422, /40/], ['fit=bogus', 400, /fit/], ['dpr=0.4', 400, /dpr/], ['dpr=nan', 400, /dpr/], ['fm=gif', 400, /fm/],
    ['q=0', 400, /"q"/], ['q=101', 400, /"q"/], ['fm=jpeg&q=lossless', 400, /"q"/], ['filter=nearest', 400, /filter/], ['bg=red', 400, /bg/],
    ['rot=45', 400, /rot/], ['flip=x', 400, /flip/], ['crop=1,2,3', 400, /crop/], ['crop=0,0,0,5', 400, /crop/], ['crop=99999,0,10,10', 400, /crop/],
    ['pos=1.5,0', 400, /pos/], ['w=%zz', 400, /w/], ['w=%0041', 400, /w/], ['sig=abc', 400, /sig/], ['%77=100&w=100', 400, /"w"/],
  ];
  for (const [query, status, pattern] of table) {
    it(`refuses_${query}`, async () => assertProblem(await box.get(`/i/${id}?${query}`), status, pattern));
  }

  it('refuses_w_8192_with_dpr_4_by_its_limit', async () => {
    const reply = await box.get(`/i/${id}?w=8192&dpr=4&fit=cover`);
    assertProblem(reply, 422, /16,?383/);
  });
  it('answers_404_for_unknown_ids_and_paths', async () => {
    assertProblem(await box.get(`/i/${'A'.repeat(43)}?w=100`), 404);
    assertProblem(await box.get('/i/short'), 404);
    assertProblem(await box.get('/i/'), 404);
    assertProblem(await box.get('/'), 404);
    assertProblem(await box.get(`/i/${id.slice(0, 42)}_?w=100`), 404);
  });

  const get = (extra) => `GET /i/${id}?w=64 HTTP/1.1\r\n${extra}\r\n`;
  const broken = [
    ['two_host_headers', get('Host: a\r\nHost: b\r\n'), 400], ['no_host', get(''), 400],
    ['content_length_with_transfer_encoding', `POST /i/${id} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['bare_line_feeds', `GET /healthz HTTP/1.1\nHost: a\n\n`, 400], ['a_space_before_the_colon', get('Host : a\r\n'), 400],
    ['an_obsolete_fold', get('Host: a\r\nX: b\r\n c\r\n'), 400], ['an_unknown_version', `GET / HTTP/3.0\r\nHost: a\r\n\r\n`, 505],
    ['a_long_target', `GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414], ['huge_headers', get(`Host: a\r\nX: ${'a'.repeat(20000)}\r\n`), 431],
  ];
  for (const [name, bytes, status] of broken) {
    it(`refuses_${name}`, async () => {
      const text = await raw(box.deliveryPort, bytes);
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.match(text, /connection: close/i);
      assert.match(text, /problem\+json/);
    });
  }

  it('drops_a_client_that_never_finishes_its_head', async () => {
    const slow = await startBox({ settings: ['delivery.head_timeout_ms=300'] });
    const text = await raw(slow.deliveryPort, 'GET /healthz HTTP/1.1\r\nHost:', { ms: 5000 });
    assert.match(text, /^HTTP\/1\.1 408 /);
    await slow.finish();
  });
});

describe('bad uploads', () => {
  let box;
  before(async () => { box = await startBox({ settings: ['limits.file_bytes=20M', 'console.request_timeout_ms=2000'] }); });
  after(async () => {
    // Nothing of what was refused is left behind.
    assert.deepEqual(readdirSync(join(box.data, 'store/tmp')), []);
    assert.equal((await box.api('/api/v1/originals')).json.items.length, 0);
    await box.finish();
  });

  it('refuses_truncated_files_of_every_kind', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pixpop-bad-'));
    const names = ['a.jpg', 'a.png', 'a.webp'];
    execFileSync('/usr/bin/python3', ['-c', `
import sys
from PIL import Image
picture = Image.effect_noise((256, 256), 60).convert("RGB")
for name in sys.argv[2:]:
    picture.save(sys.argv[1] + "/" + name)
`, folder, ...names]);
    const { readFileSync } = await import('node:fs');
    for (const name of names) {
      const bytes = readFileSync(join(folder, name));
      for (const share of [0.05, 0.5, 0.95]) {
        assertProblem(await box.upload(bytes.subarray(0, Math.floor(bytes.length * share)), name), 422);
      }
    }
    rmSync(folder, { recursive: true });
  });
  it('refuses_a_text_file_named_jpg', async () => assertProblem(await box.upload(Buffer.from('This is no picture.\n'.repeat(100)), 'x.jpg'), 415));
  it('refuses_an_empty_body', async () => assertProblem(await box.upload(Buffer.alloc(0)), 415));
  it('refuses_a_png_header_of_50000_by_50000', async () => assertProblem(await box.upload(png(50000, 50000, deflateSync(Buffer.alloc(100)))), 422, /max_side|max_pixels/));
  it('refuses_a_zip_bomb_png_cheaply', async () => {
    const bomb = png(64, 64, deflateSync(Buffer.alloc(256 << 20), { level: 9 }));
    assertProblem(await box.upload(bomb, 'bomb.png'), 422, /more/);
  });
  it('refuses_files_over_the_limit_at_once', async () => {
    const text = await raw(box.consolePort, `POST /api/v1/originals HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${box.token}\r\nContent-Type: image/jpeg\r\nContent-Length: 30000000\r\n\r\n`, { ms: 4000 });
    assert.match(text, /^HTTP\/1\.1 413 /);
  });
  it('refuses_multipart_without_a_boundary', async () => {
    assertProblem(await box.api('/api/v1/originals', { method: 'POST', headers: { 'content-type': 'multipart/form-data' }, body: 'x' }), 400, /boundary/);
  });
  it('refuses_multipart_without_an_image', async () => {
    const body = '--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n';
    assertProblem(await box.api('/api/v1/originals', { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=b' }, body }), 400);
  });
  it('refuses_a_multipart_body_that_ends_early', async () => {
    const body = '--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\nxyz';
    assertProblem(await box.api('/api/v1/originals', { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=b' }, body }), 400);
  });
  it('drops_an_upload_whose_client_vanishes', async () => {
    const head = (length) => `POST /api/v1/originals HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${box.token}\r\nContent-Type: image/jpeg\r\nContent-Length: ${length}\r\n\r\n`;
    const photo = readPhoto();
    await new Promise((done) => {
      const socket = net.connect(box.consolePort, '127.0.0.1', () => {
        socket.write(head(photo.length));
        socket.write(photo.subarray(0, 100000), () => { socket.destroy(); done(); });
      });
    });
    // A body shorter than its Content-Length: half-closed, then silence.
    await raw(box.consolePort, Buffer.concat([Buffer.from(head(photo.length)), photo.subarray(0, 50000)]), { end: true, ms: 6000 });
    for (let i = 0; i < 50 && readdirSync(join(box.data, 'store/tmp')).length > 0; i++) await sleep(100);
    assert.deepEqual(readdirSync(join(box.data, 'store/tmp')), []);
  });
  it('refuses_everything_without_the_token', async () => {
    for (const [method, path] of [['GET', '/api/v1/originals'], ['POST', '/api/v1/originals'], ['DELETE', `/api/v1/originals/${'A'.repeat(43)}`], ['GET', '/api/v1/status'], ['GET', '/metrics']]) {
      const reply = await box.api(path, { method, headers: { authorization: 'Bearer wrong' } });
      assertProblem(reply, 401);
    }
  });
  it('does_not_flood_the_log', async () => {
    const before = box.log.length;
    for (let i = 0; i < 200; i++) await box.api('/api/v1/nothing');
    const lines = box.log.slice(before).split('\n').filter((line) => line.includes('there is nothing at this path'));
    assert.ok(lines.length >= 1 && lines.length <= 100, `${lines.length} lines`);
    assert.match(box.log.slice(before), /more like the last are left out/);
  });
  it('answers_health_without_the_token', async () => {
    const reply = await box.api('/healthz', { headers: { authorization: '' } });
    assert.equal(reply.status, 200);
  });
});

describe('a full disk', () => {
  it('answers_507_and_stays_up', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'pixpop-full-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder], { stdio: 'ignore' });
    } catch {
      rmSync(folder, { recursive: true });
      return t.skip('no file system can be mounted here');
    }
    try {
      const box = await startBox({ data: folder, settings: ['cache.min_free=0', 'cache.disk=1M'] });
      const photo = readPhoto();
      const id = await box.put(photo);
      // Pad photographs with trailing bytes until the disk is full.
      let reply;
      for (let i = 0; i < 12; i++) {
        reply = await box.upload(Buffer.concat([photo, Buffer.alloc(4 << 20, i + 1)]), `padded-${i}.jpg`);
        if (reply.status !== 201) break;
      }
      assertProblem(reply, 507);
      assert.equal((await box.get('/healthz')).status, 200);
      assert.equal((await box.get(`/i/${id}?w=90&fm=webp&q=80&dpr=1`)).status, 200);
      assert.deepEqual(readdirSync(join(folder, 'store/tmp')), []);
      await box.finish();
    } finally {
      execFileSync('umount', ['-l', folder]);
      if (existsSync(folder)) rmSync(folder, { recursive: true });
    }
  });

  it('answers_507_before_the_reserve_is_touched', async () => {
    const box = await startBox({ settings: ['cache.min_free=1000G'] });
    assertProblem(await box.upload(readPhoto()), 507);
    const { body } = await box.api('/metrics');
    assert.ok(metric(body.toString(), 'pixpop_store_originals') === 0 || body.length > 0);
    await box.finish();
  });
});

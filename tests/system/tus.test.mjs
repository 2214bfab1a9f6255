// Resumable uploads by tus 1.0.0: with the real tus-js-client over broken connections and a killed box, and request by
// request against the rules of the protocol.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, readdirSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { Upload } from 'tus-js-client';
import { idOf, photos, readPhoto, request, sleep, startBox } from './box.mjs';
import { noisePng, random } from './noise.mjs';

const retryDelays = [200, 1000, 3000];
// Nothing is rendered here, and boxes start faster without a device.
const settings = ['render.resampler=cpu'];

// Uploads with tus-js-client; resolves with {id, url, requests, retries}.
function upload(endpoint, file, token, options = {}) {
  return new Promise((done, fail) => {
    const outcome = { requests: [], retries: 0 };
    const tus = new Upload(file, {
      endpoint: `${endpoint}/api/v1/uploads`,
      headers: { authorization: `Bearer ${token}` },
      retryDelays,
      onBeforeRequest: (sent) => { outcome.requests.push(sent.getMethod()); },
      onShouldRetry: (error) => {
        outcome.retries += 1;
        const status = error.originalResponse?.getStatus() ?? 0;
        return status === 0 || status === 409 || status === 423 || status >= 500;
      },
      onError: fail,
      onSuccess: ({ lastResponse }) => done({ ...outcome, id: lastResponse.getHeader('Pixpop-Original'), url: tus.url }),
      ...options,
    });
    tus.start();
  });
}

// A way to the box that breaks: the i-th connection is cut after cuts[i] bytes towards the box.
async function startProxy(target, cuts) {
  const proxy = { cut: 0, connections: 0 };
  const sockets = new Set();
  const server = net.createServer((near) => {
    const limit = cuts[proxy.connections++] ?? Infinity;
    const far = net.connect(target(), '127.0.0.1');
    let passed = 0;
    const end = () => { near.destroy(); far.destroy(); };
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', end);
      socket.on('close', () => { sockets.delete(socket); end(); });
    }
    far.on('data', (bytes) => near.write(bytes));
    near.on('data', (bytes) => {
      passed += bytes.length;
      if (passed <= limit) return void far.write(bytes);
      proxy.cut += 1;
      far.write(bytes.subarray(0, bytes.length - (passed - limit)), end);
    });
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  proxy.close = () => { for (const socket of sockets) socket.destroy(); return new Promise((done) => server.close(done)); };
  return proxy;
}

async function expectStored(box, bytes, id) {
  assert.equal(id, idOf(bytes));
  const reply = await box.api(`/api/v1/originals/${id}`);
  assert.equal(reply.status, 200);
  assert.equal(reply.json.bytes, bytes.length);
  assert.equal(idOf(readFileSync(join(box.data, 'store/originals', id.slice(0, 2), id))), id);
}

describe('tus-js-client', () => {
  let box;
  before(async () => { box = await startBox({ settings }); });
  after(() => box.finish());

  it('uploads_photographs_in_chunks_with_their_names', async () => {
    for (const [i, chunkSize] of [[0, 5 << 20], [1, 256 << 10], [2, 100_003]]) {
      const bytes = readPhoto(i);
      const { id, requests } = await upload(box.console, bytes, box.token, { chunkSize, metadata: { filename: `Brücke ${i}.jpg`, filetype: 'image/jpeg', tags: 'sea, north' } });
      await expectStored(box, bytes, id);
      assert.deepEqual(requests, ['POST', ...Array(Math.ceil(bytes.length / chunkSize)).fill('PATCH')]);
      const { metadata } = (await box.api(`/api/v1/originals/${id}`)).json;
      assert.deepEqual(metadata, { name: `Brücke ${i}.jpg`, tags: ['sea', 'north'] });
    }
  });

  it('uploads_a_photograph_with_its_creation', async () => {
    const bytes = readPhoto(3);
    const { id, requests } = await upload(box.console, bytes, box.token, { uploadDataDuringCreation: true });
    assert.deepEqual(requests, ['POST']);
    await expectStored(box, bytes, id);
  });

  it('uploads_the_parts_of_a_photograph_in_parallel', async () => {
    const bytes = readPhoto(4);
    const { id, url } = await upload(box.console, bytes, box.token, { parallelUploads: 4, chunkSize: 64 << 10, metadata: { filename: 'joined.jpg' } });
    await expectStored(box, bytes, id);
    const head = await box.api(new URL(url).pathname, { method: 'HEAD', headers: { 'tus-resumable': '1.0.0' } });
    assert.equal(head.headers['upload-offset'], String(bytes.length));
    assert.match(head.headers['upload-concat'], /^final;(\S+ ){3}\S+$/);
  });

  it('uploads_a_stream_whose_length_shows_at_its_end', async () => {
    const path = photos(6)[5];
    // Behind a transform: of a file's own stream the client sends the wrong Content-Length with the last chunk.
    const stream = createReadStream(path).pipe(new PassThrough());
    const { id, requests } = await upload(box.console, stream, box.token, { uploadLengthDeferred: true, chunkSize: 200_000 });
    assert.ok(requests.length > 2);
    await expectStored(box, readFileSync(path), id);
  });

  it('goes_on_after_cut_connections', async () => {
    const bytes = readPhoto(7);
    const proxy = await startProxy(() => box.consolePort, [200_000, 150_000, 1000, 300_000]);
    try {
      const { id, retries, requests } = await upload(proxy.url, bytes, box.token, { chunkSize: 5 << 20 });
      assert.equal(proxy.cut, 4);
      assert.ok(retries >= 4);
      assert.ok(requests.filter((method) => method === 'HEAD').length >= 3);
      await expectStored(box, bytes, id);
    } finally {
      await proxy.close();
    }
  });

  it('is_told_why_a_file_is_refused_and_does_not_try_again', async () => {
    const torn = readPhoto(8).subarray(0, 100_000);
    await assert.rejects(upload(box.console, torn, box.token), (error) => {
      assert.equal(error.originalResponse.getStatus(), 422);
      assert.match(error.originalResponse.getBody(), /urn:pixpop:problem:unprocessable/);
      return true;
    });
    await assert.rejects(upload(box.console, Buffer.from('no picture'), box.token), (error) => error.originalResponse.getStatus() === 415);
  });

  it('ends_an_upload', async () => {
    const [path, bytes] = [await create(box, { 'upload-length': '100000' }), readPhoto(9).subarray(0, 1000)];
    assert.equal((await patch(box, path, 0, bytes)).status, 204);
    await Upload.terminate(box.console + path, { headers: box.bearer });
    assert.equal((await head(box, path)).status, 404);
  });
});

describe('an upload over the end of the box', () => {
  it('goes_on_after_kill_9', async () => {
    const box = await startBox({ settings });
    const proxy = await startProxy(() => box.consolePort, []);
    try {
      // One that is slow enough to be hit in its middle, and one in parallel parts.
      const files = [noisePng(random(1), 900, 600), readPhoto(10)];
      let killed;
      const onChunkComplete = () => { killed ??= box.restart('SIGKILL'); };
      const options = { chunkSize: 128 << 10, onChunkComplete, retryDelays: [300, 1000, 3000, 5000, 10000] };
      const outcomes = await Promise.all([
        upload(proxy.url, files[0], box.token, options),
        upload(proxy.url, files[1], box.token, { ...options, parallelUploads: 3 }),
      ]);
      await killed;
      assert.ok(outcomes[0].retries > 0);
      for (const [i, { id }] of outcomes.entries()) await expectStored(box, files[i], id);
    } finally {
      await proxy.close();
      await box.finish();
    }
  });

  it('is_remembered_after_a_clean_end', async () => {
    const box = await startBox({ settings });
    const bytes = readPhoto(11);
    const path = await create(box, { 'upload-length': String(bytes.length), 'upload-metadata': 'filename ZHVzay5qcGc=' });
    assert.equal((await patch(box, path, 0, bytes.subarray(0, 300_000))).headers['upload-offset'], '300000');
    await box.restart();
    const { headers } = await head(box, path);
    assert.equal(headers['upload-offset'], '300000');
    assert.equal(headers['upload-metadata'], 'filename ZHVzay5qcGc=');
    const reply = await patch(box, path, 300_000, bytes.subarray(300_000));
    await expectStored(box, bytes, reply.headers['pixpop-original']);
    await box.finish();
  });
});

// --- request by request ---

const version = { 'tus-resumable': '1.0.0' };
const bodyType = { 'content-type': 'application/offset+octet-stream' };

async function create(box, headers, body) {
  const reply = await box.api('/api/v1/uploads', { method: 'POST', headers: { ...version, ...headers }, body });
  assert.equal(reply.status, 201, reply.body.toString());
  return reply.headers.location;
}

const head = (box, path) => box.api(path, { method: 'HEAD', headers: version });
const patch = (box, path, offset, body, headers = {}) => box.api(path, { method: 'PATCH', headers: { ...version, ...bodyType, 'upload-offset': String(offset), ...headers }, body });
const base64 = (algorithm, bytes) => createHash(algorithm).update(bytes).digest('base64');

describe('the tus protocol', () => {
  let box, path;
  const bytes = readPhoto(12);
  before(async () => {
    box = await startBox({ settings: [...settings, 'uploads.sessions_per_tenant=60'] });
    path = await create(box, { 'upload-length': '1000' });
  });
  after(() => box.finish());

  // Each rule: what is asked, and what the reply must be. `at` is the path of an upload of 1,000 bytes with none there.
  const missing = `/api/v1/uploads/${'A'.repeat(43)}`;
  const rules = [
    ['OPTIONS_tells_versions_extensions_and_limits', 'OPTIONS', '/api/v1/uploads', {}, 204, {
      'tus-resumable': '1.0.0', 'tus-version': '1.0.0', 'tus-max-size': String(100 << 20), 'tus-checksum-algorithm': 'sha256,sha1',
      'tus-extension': 'creation,creation-with-upload,creation-defer-length,termination,checksum,expiration,concatenation' }],
    ['OPTIONS_ignores_the_version', 'OPTIONS', '/api/v1/uploads', { 'tus-resumable': '0.2.2' }, 204, { 'tus-version': '1.0.0' }],
    ['a_request_without_a_version_is_412', 'POST', '/api/v1/uploads', { 'upload-length': '4' }, 412, { 'tus-version': '1.0.0', 'tus-resumable': '1.0.0' }],
    ['a_request_of_another_version_is_412', 'HEAD', null, { 'tus-resumable': '0.2.2' }, 412, { 'tus-version': '1.0.0', 'upload-offset': undefined }],
    ['HEAD_tells_offset_and_length_and_is_not_cached', 'HEAD', null, version, 200, { 'upload-offset': '0', 'upload-length': '1000', 'cache-control': 'no-store', 'tus-resumable': '1.0.0', 'upload-defer-length': undefined }],
    ['HEAD_of_nothing_is_404_without_an_offset', 'HEAD', missing, version, 404, { 'upload-offset': undefined, 'tus-resumable': '1.0.0' }],
    ['PATCH_of_nothing_is_404', 'PATCH', missing, { ...version, ...bodyType, 'upload-offset': '0' }, 404, {}],
    ['DELETE_of_nothing_is_404', 'DELETE', missing, version, 404, {}],
    ['PATCH_of_another_type_is_415', 'PATCH', null, { ...version, 'content-type': 'image/jpeg', 'upload-offset': '0' }, 415, { 'tus-resumable': '1.0.0' }],
    ['PATCH_without_an_offset_is_400', 'PATCH', null, { ...version, ...bodyType }, 400, {}],
    ['PATCH_at_another_offset_is_409', 'PATCH', null, { ...version, ...bodyType, 'upload-offset': '1' }, 409, {}],
    ['PATCH_over_the_length_is_413', 'PATCH', null, { ...version, ...bodyType, 'upload-offset': '0' }, 413, {}, Buffer.alloc(1001)],
    ['PATCH_with_another_length_is_400', 'PATCH', null, { ...version, ...bodyType, 'upload-offset': '0', 'upload-length': '999' }, 400, {}],
    ['PATCH_with_an_unknown_checksum_is_400', 'PATCH', null, { ...version, ...bodyType, 'upload-offset': '0', 'upload-checksum': 'crc32 AAAAAA==' }, 400, {}, Buffer.alloc(4)],
    ['PATCH_with_a_wrong_checksum_is_460', 'PATCH', null, { ...version, ...bodyType, 'upload-offset': '0', 'upload-checksum': `sha256 ${base64('sha256', 'x')}` }, 460, {}, Buffer.alloc(4)],
    ['POST_needs_a_length', 'POST', '/api/v1/uploads', version, 400, {}],
    ['POST_defers_with_1_only', 'POST', '/api/v1/uploads', { ...version, 'upload-defer-length': '0' }, 400, {}],
    ['POST_over_the_largest_size_is_413', 'POST', '/api/v1/uploads', { ...version, 'upload-length': String((100 << 20) + 1) }, 413, {}],
    ['POST_of_an_empty_file_is_415', 'POST', '/api/v1/uploads', { ...version, 'upload-length': '0' }, 415, {}],
    ['POST_with_bytes_of_another_type_is_415', 'POST', '/api/v1/uploads', { ...version, 'upload-length': '4' }, 415, {}, 'GOOD'],
    ['POST_with_repeated_metadata_is_400', 'POST', '/api/v1/uploads', { ...version, 'upload-length': '4', 'upload-metadata': 'a YQ==,a YQ==' }, 400, {}],
    ['POST_with_damaged_metadata_is_400', 'POST', '/api/v1/uploads', { ...version, 'upload-length': '4', 'upload-metadata': 'a Y' }, 400, {}],
    ['POST_tells_place_offset_and_expiry', 'POST', '/api/v1/uploads', { ...version, 'upload-length': '4', 'upload-metadata': 'a YQ==,b' }, 201, { location: /^\/api\/v1\/uploads\/[\w-]{43}$/, 'upload-offset': '0', 'upload-expires': / GMT$/ }],
    ['POST_of_a_final_upload_with_a_length_is_400', 'POST', '/api/v1/uploads', { ...version, 'upload-length': '4', 'upload-concat': `final;${missing}` }, 400, {}],
    ['POST_of_a_final_upload_of_nothing_is_404', 'POST', '/api/v1/uploads', { ...version, 'upload-concat': `final;${missing}` }, 404, {}],
    ['POST_of_another_concatenation_is_400', 'POST', '/api/v1/uploads', { ...version, 'upload-length': '4', 'upload-concat': 'whole' }, 400, {}],
  ];
  for (const [name, method, at, headers, status, expected, body] of rules) {
    it(name, async () => {
      const reply = await box.api(at ?? path, { method, headers, body });
      assert.equal(reply.status, status, reply.body.toString());
      for (const [field, value] of Object.entries(expected)) {
        if (value instanceof RegExp) assert.match(reply.headers[field], value);
        else assert.equal(reply.headers[field], value, field);
      }
      const { headers: after } = await head(box, path);
      assert.equal(after['upload-offset'], '0', 'nothing of it was kept');
    });
  }

  it('needs_the_token_for_everything_but_OPTIONS', async () => {
    for (const method of ['POST', 'HEAD', 'PATCH', 'DELETE', 'GET']) {
      const reply = await request(box.console + path, { method, headers: { ...version, ...bodyType, 'upload-offset': '0' } });
      assert.equal(reply.status, method === 'POST' ? 405 : 401, method);
    }
    assert.equal((await request(`${box.console}/api/v1/uploads`, { method: 'OPTIONS' })).status, 204);
  });

  it('verifies_each_chunk_by_its_checksum', async () => {
    const at = await create(box, { 'upload-length': String(bytes.length) });
    const half = bytes.length >> 1;
    const first = await patch(box, at, 0, bytes.subarray(0, half), { 'upload-checksum': `sha1 ${base64('sha1', bytes.subarray(0, half))}` });
    assert.equal(first.status, 204);
    const spoilt = Buffer.from(bytes.subarray(half));
    spoilt[100] ^= 1;
    const checksum = { 'upload-checksum': `sha256 ${base64('sha256', bytes.subarray(half))}` };
    assert.equal((await patch(box, at, half, spoilt, checksum)).status, 460);
    assert.equal((await head(box, at)).headers['upload-offset'], String(half));
    const last = await patch(box, at, half, bytes.subarray(half), checksum);
    assert.equal(last.status, 204);
    await expectStored(box, bytes, last.headers['pixpop-original']);
  });

  it('takes_a_POST_for_a_PATCH_where_clients_have_no_other', async () => {
    const at = await create(box, { 'upload-length': '8' });
    const headers = { ...version, ...bodyType, 'upload-offset': '0', 'x-http-method-override': 'PATCH' };
    const reply = await box.api(at, { method: 'POST', headers, body: 'abcd' });
    assert.equal(reply.status, 204);
    assert.equal(reply.headers['upload-offset'], '4');
    assert.equal((await box.api(at, { method: 'POST', headers: { ...version, 'x-http-method-override': 'DELETE' } })).status, 204);
  });

  it('takes_a_chunked_PATCH', async () => {
    const at = await create(box, { 'upload-defer-length': '1' });
    assert.equal((await head(box, at)).headers['upload-defer-length'], '1');
    const reply = await patch(box, at, 0, bytes.subarray(0, 70_000), { 'transfer-encoding': 'chunked' });
    assert.equal(reply.status, 204, reply.body.toString());
    assert.equal(reply.headers['upload-offset'], '70000');
    assert.equal((await patch(box, at, 70_000, '', { 'upload-length': '90000' })).status, 204);
    const { headers } = await head(box, at);
    assert.equal(headers['upload-length'], '90000');
    assert.equal(headers['upload-defer-length'], undefined);
    const over = await patch(box, at, 70_000, bytes.subarray(0, 30_000), { 'transfer-encoding': 'chunked' });
    assert.equal(over.status, 413);
    assert.equal((await head(box, at)).headers['upload-offset'], '70000');
  });

  it('locks_an_upload_while_bytes_come_and_keeps_them_when_they_end', async () => {
    const at = await create(box, { 'upload-length': String(bytes.length) });
    const socket = net.connect(box.consolePort, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`PATCH ${at} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${box.token}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: ${bytes.length}\r\n\r\n`);
    await new Promise((written) => socket.write(bytes.subarray(0, 100_000), written));
    while (!(await box.api(at)).json.is_locked) await sleep(10);
    assert.equal((await patch(box, at, 0, bytes)).status, 423);
    assert.equal((await box.api(at, { method: 'DELETE', headers: version })).status, 423);
    assert.equal((await head(box, at)).status, 200);
    socket.destroy();
    while ((await box.api(at)).json.is_locked) await sleep(10);
    assert.equal((await head(box, at)).headers['upload-offset'], '100000');
    const reply = await patch(box, at, 100_000, bytes.subarray(100_000));
    assert.equal(reply.status, 204);
    await expectStored(box, bytes, reply.headers['pixpop-original']);
  });

  it('gives_finished_uploads_up_first_when_there_are_too_many', async () => {
    const codes = [];
    for (let i = 0; i < 61; i++) codes.push((await box.api('/api/v1/uploads', { method: 'POST', headers: { ...version, 'upload-length': '4' } })).status);
    assert.equal(codes.at(-1), 503);
    assert.equal(codes.indexOf(503), codes.filter((code) => code === 201).length);
    assert.equal((await box.api('/api/v1/uploads')).json.items.length, 60);
  });
});

describe('an upload that nobody goes on with', () => {
  it('expires', async () => {
    const box = await startBox({ settings: [...settings, 'uploads.expire_s=2'] });
    const path = await create(box, { 'upload-length': '1000' });
    assert.equal((await patch(box, path, 0, Buffer.alloc(100))).status, 204);
    const partial = join(box.data, 'store/partial');
    assert.notEqual(readdirSync(partial).length, 0);
    let status = 200;
    for (let i = 0; i < 100 && status !== 404; i++) {
      await sleep(100);
      ({ status } = await head(box, path));
      assert.ok([200, 410, 404].includes(status));
    }
    assert.equal(status, 404);
    assert.deepEqual(readdirSync(partial), []);
    await box.finish();
  });
});

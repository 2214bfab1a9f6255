// Requests that two servers could read differently (RFC 9112 sections 3, 5, 6, 7 and 11.2), over raw sockets, to the public
// side and to the console's gate: each gets one answer, the connection ends, and what hides behind is never answered.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { startBox } from './box.mjs';

// What an attacker wants to slip in. Its answer would be a second status line.
const hidden = 'GET /healthz HTTP/1.1\r\nHost: hidden\r\n\r\n';

const post = (fields, body = '') => `POST /healthz HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`;
const get = (fields, rest = '') => `GET /healthz HTTP/1.1\r\nHost: a\r\n${fields}\r\n${rest}`;
const chunks = `0\r\n\r\n${hidden}`;

// [name, bytes, status]; the bytes are sent at once. Several statuses: which one depends on what is looked at first.
const table = [
  // Content-Length against Transfer-Encoding.
  ['content_length_then_chunked', post(`Content-Length: ${chunks.length}\r\nTransfer-Encoding: chunked\r\n`, chunks), 400],
  ['chunked_then_content_length', post(`Transfer-Encoding: chunked\r\nContent-Length: 4\r\n`, `5c\r\n${hidden}\r\n0\r\n\r\n`), 400],
  ['content_length_0_and_chunked', post(`Content-Length: 0\r\nTransfer-Encoding: chunked\r\n`, chunks), 400],
  ['transfer_encoding_in_http_1_0', `POST /healthz HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`, 400],
  // Transfer-Encoding that only one of two servers understands.
  ['chunked_twice', post('Transfer-Encoding: chunked, chunked\r\n', chunks), 400],
  ['chunked_in_two_fields', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', chunks), 400],
  ['chunked_and_identity', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', chunks), 400],
  ['identity', post('Transfer-Encoding: identity\r\n', chunks), 400],
  ['chunked_before_another_coding', post('Transfer-Encoding: chunked, gzip\r\n', chunks), 400],
  ['another_coding_before_chunked', post('Transfer-Encoding: gzip, chunked\r\n', chunks), 501],
  ['an_unknown_coding', post('Transfer-Encoding: xchunked\r\n', chunks), 400],
  ['chunked_with_a_parameter', post('Transfer-Encoding: chunked;q=1\r\n', chunks), 400],
  ['chunked_in_quotes', post('Transfer-Encoding: "chunked"\r\n', chunks), 400],
  ['chunked_behind_a_comma', post('Transfer-Encoding: , chunked\r\n', chunks), 400],
  ['chunked_behind_a_vertical_tab', post('Transfer-Encoding: \x0bchunked\r\n', chunks), 400],
  ['chunked_before_a_nul', post('Transfer-Encoding: chunked\0\r\n', chunks), 400],
  ['chunked_on_a_folded_line', post('Transfer-Encoding:\r\n chunked\r\n', chunks), 400],
  ['transfer_encoding_on_a_folded_line', post('X: y\r\n Transfer-Encoding: chunked\r\n', chunks), 400],
  ['transfer_encoding_with_a_space_before_the_colon', post('Transfer-Encoding : chunked\r\n', chunks), 400],
  ['transfer_encoding_with_a_tab_before_the_colon', post('Transfer-Encoding\t: chunked\r\n', chunks), 400],
  ['transfer_encoding_behind_a_space', post(' Transfer-Encoding: chunked\r\n', chunks), 400],
  ['transfer_encoding_behind_a_bare_line_feed', post('X: y\nTransfer-Encoding: chunked\r\n', chunks), 400],
  ['transfer_encoding_behind_a_bare_carriage_return', post('X: y\rTransfer-Encoding: chunked\r\n', chunks), 400],
  ['no_coding_at_all', post('Transfer-Encoding:\r\n', chunks), 400],
  // Content-Length that only one of two servers understands.
  ['two_different_lengths', post(`Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n`, hidden), 400],
  ['two_different_lengths_in_one_field', post(`Content-Length: 0, ${hidden.length}\r\n`, hidden), 400],
  ['a_length_with_a_plus', post('Content-Length: +0\r\n', hidden), 400],
  ['a_negative_length', post('Content-Length: -1\r\n', hidden), 400],
  ['a_hexadecimal_length', post('Content-Length: 0x0\r\n', hidden), 400],
  ['a_length_with_a_space_inside', post('Content-Length: 1 0\r\n', hidden), 400],
  ['a_length_with_a_fraction', post('Content-Length: 0.0\r\n', hidden), 400],
  ['a_length_with_an_exponent', post('Content-Length: 0e1\r\n', hidden), 400],
  ['a_length_with_a_comma_behind', post('Content-Length: 0,\r\n', hidden), 400],
  ['an_empty_length', post('Content-Length:\r\n', hidden), 400],
  ['a_length_beyond_64_bits', post('Content-Length: 18446744073709551616\r\n', hidden), [400, 413]],
  ['a_length_beyond_63_bits', post('Content-Length: 9223372036854775808\r\n', hidden), [400, 413]],
  ['a_length_with_a_space_before_the_colon', post('Content-Length : 0\r\n', hidden), 400],
  ['a_length_on_a_folded_line', post('Content-Length:\r\n 0\r\n', hidden), 400],
  ['a_length_behind_a_nul', post('Content-Length: \x000\r\n', hidden), 400],
  // Line ends, folds and bytes that have no place in a head.
  ['bare_line_feeds', 'GET /healthz HTTP/1.1\nHost: a\n\n' + hidden, 400],
  ['a_bare_line_feed_behind_the_request_line', 'GET /healthz HTTP/1.1\nHost: a\r\n\r\n' + hidden, 400],
  ['a_bare_line_feed_at_the_end_of_the_head', 'GET /healthz HTTP/1.1\r\nHost: a\r\n\n' + hidden, 400],
  ['a_bare_carriage_return_in_a_value', get('X: a\rb\r\n', hidden), 400],
  ['a_bare_carriage_return_at_the_end_of_the_head', `GET /healthz HTTP/1.1\r\nHost: a\r\n\rX${hidden}`, 400],
  ['a_fold', get('X: a\r\n b\r\n', hidden), 400],
  ['a_fold_before_the_first_field', `GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n${hidden}`, 400],
  ['a_nul_in_a_name', get('X\0Y: a\r\n', hidden), 400],
  ['a_nul_in_a_value', get('X: a\0b\r\n', hidden), 400],
  ['a_nul_in_the_target', `GET /heal\0thz HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['an_empty_name', get(': a\r\n', hidden), 400],
  ['a_line_without_a_colon', get('X\r\n', hidden), 400],
  ['a_name_with_a_space', get('X Y: a\r\n', hidden), 400],
  ['two_empty_lines_before_the_request', `\r\n\r\n${get('', hidden)}`, 400],
  ['two_spaces_in_the_request_line', `GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['a_tab_in_the_request_line', `GET\t/healthz HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['a_space_behind_the_version', `GET /healthz HTTP/1.1 \r\nHost: a\r\n\r\n${hidden}`, 400],
  ['http_0_9', `GET /healthz\r\n${hidden}`, 400],
  ['a_lower_case_version', `GET /healthz http/1.1\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['a_version_with_two_digits', `GET /healthz HTTP/1.10\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['another_protocol', `GET /healthz ICAP/1.0\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['http_2_in_a_request_line', `GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n${hidden}`, 505],
  // Whom it is for.
  ['no_host', `GET /healthz HTTP/1.1\r\n\r\n${hidden}`, 400],
  ['two_hosts', get('Host: b\r\n', hidden), 400],
  ['two_authorizations', get('Authorization: Bearer a\r\nAuthorization: Bearer a\r\n', hidden), 400],
  ['the_same_host_twice', get('Host: a\r\n', hidden), 400],
  ['two_hosts_in_one_field', `GET /healthz HTTP/1.1\r\nHost: a, b\r\n\r\n${hidden}`, 400],
  ['a_host_with_user_information', `GET /healthz HTTP/1.1\r\nHost: b@a\r\n\r\n${hidden}`, 400],
  ['a_host_with_a_path', `GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n${hidden}`, 400],
  ['an_empty_host', `GET /healthz HTTP/1.1\r\nHost:\r\n\r\n${hidden}`, 400],
  ['a_host_with_a_wrong_port', `GET /healthz HTTP/1.1\r\nHost: a:99999\r\n\r\n${hidden}`, 400],
  ['an_absolute_target_with_another_host', `GET http://b/healthz HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['an_absolute_target_with_another_port', `GET http://a:81/healthz HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['an_absolute_target_without_a_host', `GET http:///healthz HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['a_target_of_another_scheme', `GET ftp://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['a_target_that_is_no_path', `GET healthz HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['a_target_with_a_fragment', `GET /healthz#x HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['an_asterisk_for_another_method', `GET * HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['connect', `CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n${hidden}`, 501],
  ['connect_with_a_length', `CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 0\r\n\r\n${hidden}`, 501],
  // Beginnings that are none.
  ['garbage_behind_the_preface_of_http_2', `PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n${hidden}`, [400, 505]],
  ['a_preface_with_another_version', `PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n${hidden}`, [400, 505]],
  ['a_method_with_odd_bytes', `G(T /healthz HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`, 400],
  ['a_tls_hello_without_tls', `\x16\x03\x01\x00\x05hello${hidden}`, 400],
];

// Bodies that nobody there wants: most requests are sound and refused (405 or 404), and what stands behind a body is a
// request only when the body was read to its end. So either the connection ends, or exactly the honest one is answered.
const bodies = [
  ['a_body_that_looks_like_a_request', post(`Content-Length: ${hidden.length}\r\n`, hidden), 0],
  ['a_chunked_body_that_looks_like_a_request', post('Transfer-Encoding: chunked\r\n', `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`), 0],
  ['a_length_twice', post(`Content-Length: ${hidden.length}, ${hidden.length}\r\n`, hidden), 0],
  ['a_body_of_get', get(`Connection: close\r\nContent-Length: ${hidden.length}\r\n`, hidden), 0],
  ['a_request_behind_a_body', post('Content-Length: 5\r\n', `hello${hidden}`), 1],
  ['a_request_behind_chunks', post('Transfer-Encoding: chunked\r\n', `5\r\nhello\r\n0\r\n\r\n${hidden}`), 1],
  ['a_chunk_extension_with_a_bare_line_feed', post('Transfer-Encoding: chunked\r\n', `5;a\nb\r\nhello\r\n0\r\n\r\n${hidden}`), 0],
  ['a_chunk_extension_that_hides_a_chunk', post('Transfer-Encoding: chunked\r\n', `2;\nxx\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n${hidden}`), 0],
  ['a_chunk_size_with_0x', post('Transfer-Encoding: chunked\r\n', `0x0\r\n\r\n${hidden}`), 0],
  ['a_chunk_size_with_a_sign', post('Transfer-Encoding: chunked\r\n', `+0\r\n\r\n${hidden}`), 0],
  ['a_chunk_size_behind_a_space', post('Transfer-Encoding: chunked\r\n', ` 0\r\n\r\n${hidden}`), 0],
  ['a_chunk_size_before_a_space', post('Transfer-Encoding: chunked\r\n', `0 \r\n\r\n${hidden}`), 0],
  ['a_chunk_size_beyond_64_bits', post('Transfer-Encoding: chunked\r\n', `10000000000000000\r\n\r\n${hidden}`), 0],
  ['a_chunk_longer_than_its_size', post('Transfer-Encoding: chunked\r\n', `1\r\nhello\r\n0\r\n\r\n${hidden}`), 0],
  ['a_chunk_that_ends_in_a_bare_line_feed', post('Transfer-Encoding: chunked\r\n', `5\r\nhello\n0\r\n\r\n${hidden}`), 0],
  ['a_last_chunk_with_bare_line_feeds', post('Transfer-Encoding: chunked\r\n', `0\n\n${hidden}`), 0],
  ['a_trailer_that_is_no_field', post('Transfer-Encoding: chunked\r\n', `0\r\n${hidden}`), 0],
  ['a_trailer_with_a_length', post('Transfer-Encoding: chunked\r\n', `0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`), 1],
];

// Sends the bytes, in one piece or byte by byte in effect (first a part, then the rest), and waits for the server to end
// the connection. Resolves with {statuses, text, isClosed}.
function converse(port, bytes, cut = 0) {
  return new Promise((done, fail) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    let text = '', isClosed = true;
    const timer = setTimeout(() => { isClosed = false; socket.destroy(); }, 4000);
    const content = Buffer.from(bytes, 'latin1');
    socket.on('connect', () => {
      if (cut === 0) { socket.write(content); return; }
      socket.write(content.subarray(0, cut), () => setImmediate(() => socket.write(content.subarray(cut))));
    });
    socket.on('data', (chunk) => { text += chunk.toString('latin1'); });
    socket.on('error', (error) => { if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') fail(error); });
    socket.on('close', () => {
      clearTimeout(timer);
      done({ text, isClosed, statuses: [...text.matchAll(/^HTTP\/1\.1 (\d+) /gm)].map((match) => Number(match[1])) });
    });
  });
}

function assertRefused(reply, status) {
  assert.equal(reply.statuses.length, 1, reply.text);
  assert.ok([status].flat().includes(reply.statuses[0]), `${reply.statuses[0]} instead of ${status}: ${reply.text}`);
  assert.match(reply.text, /\r\nconnection: close\r\n/i);
  assert.match(reply.text, /\r\ncontent-type: application\/problem\+json\r\n/i);
  assert.match(reply.text, /\r\ncache-control: no-store\r\n/i);
  assert.ok(reply.isClosed, 'the connection stays open');
}

function assertAtMostHonest(reply, honest) {
  assert.ok(reply.statuses.length >= 1 && reply.statuses.length <= 1 + honest, reply.text);
  assert.ok(reply.statuses[0] === 200 || (reply.statuses[0] >= 400 && reply.statuses[0] < 500), reply.text);
  if (reply.statuses.length === 1) assert.ok(reply.isClosed, 'the connection stays open');
}

describe('smuggling', () => {
  let box;
  before(async () => { box = await startBox({ settings: ['console.connections_per_client=1000'] }); });
  after(() => box.finish());

  for (const [door, portOf] of [['delivery', () => box.deliveryPort], ['console', () => box.consolePort]]) {
    describe(`into_the_${door}`, { concurrency: 16 }, () => {
      for (const [name, bytes, status] of table) {
        it(`refuses_${name}`, async () => {
          assertRefused(await converse(portOf(), bytes), status);
          // Where the bytes are cut on their way changes nothing.
          assertRefused(await converse(portOf(), bytes, Math.floor(bytes.indexOf('\r\n') / 2) + 3), status);
        });
      }
      for (const [name, bytes, honest] of bodies) {
        it(`answers_nothing_hidden_in_${name}`, async () => {
          assertAtMostHonest(await converse(portOf(), bytes), honest);
          assertAtMostHonest(await converse(portOf(), bytes, bytes.indexOf('\r\n\r\n') + 5), honest);
        });
      }
      it('still_answers_honest_requests', async () => {
        const reply = await converse(portOf(), `${get('')}\r\n${get('Connection: close\r\n')}`);
        assert.deepEqual(reply.statuses, [200, 200], reply.text);
      });
    });
  }
});

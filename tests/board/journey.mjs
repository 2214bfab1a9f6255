// What every board must be able to do, asked from outside: be claimed with the code on its console, take pictures in, make
// variants of them.
import assert from 'node:assert/strict';

import { limits } from './qemu.mjs';

// The one-time code that the machine shows once it has an address; the first such line behind the last match.
export async function claimCode(machine, seconds = limits.slowBoot) {
  const [, code] = await machine.waitFor(/claim +([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})\b/, seconds);
  return code;
}

// Exchanges the code for the first token.
export async function claim(machine, code) {
  const reply = await machine.request('console', '/api/v1/claim', {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ code }), seconds: limits.variant,
  });
  assert.ok(reply.status === 200 || reply.status === 201, `claim: ${reply.status} ${reply.body}`);
  return reply.json.token;
}

export const bearer = (token) => ({ authorization: `Bearer ${token}` });

// Uploads a picture that must be taken; resolves with its id.
export async function upload(machine, token, bytes, name = 'photo.jpg') {
  const reply = await machine.request('console', `/api/v1/originals?name=${encodeURIComponent(name)}`, {
    method: 'POST', body: bytes, headers: { ...bearer(token), 'content-type': 'application/octet-stream' }, seconds: limits.variant,
  });
  assert.equal(reply.status, 201, `${name}: ${reply.status} ${reply.body}`);
  return reply.json[0].id;
}

// A variant of that width, as PNG; resolves with the reply.
export async function variant(machine, id, width = 320) {
  const reply = await machine.request('delivery', `/i/${id}?w=${width}&dpr=1&fm=png`, { seconds: limits.variant });
  assert.equal(reply.status, 200, `${reply.status} ${reply.body.subarray(0, 300)}`);
  assert.equal(reply.headers['content-type'], 'image/png');
  assert.equal(reply.body.readUInt32BE(16), width);
  return reply;
}

export const device = async (machine, token) =>
  (await machine.request('console', '/api/v1/device', { headers: bearer(token) })).json;

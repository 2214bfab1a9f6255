// The console's API as the page uses it: session cookie, CSRF header, problem+json.

let csrf = '';
let boxTimeS = 0;

export class Problem extends Error {
  constructor(status, body) {
    super([body?.title, body?.detail].filter(Boolean).join(': ') || `The box answered with status ${status}`);
    this.status = status;
    this.detail = body?.detail;
    this.subject = body?.subject;
    this.restore = body?.restore;
  }
}

async function send(method, path, body, more = {}) {
  const headers = { Accept: 'application/json', ...more };
  if (method !== 'GET') headers['X-CSRF-Token'] = csrf;
  let response;
  try {
    response = await fetch(path, { method, headers, body });
  } catch {
    throw new Problem(0, { detail: 'The box can not be reached' });
  }
  boxTimeS = (Date.parse(response.headers.get('Date') ?? '') || Date.now()) / 1000;
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => null));
  return response;
}

async function call(method, path, body, more = {}) {
  const response = body === undefined
    ? await send(method, path, undefined, more)
    : await send(method, path, JSON.stringify(body), { 'Content-Type': 'application/json', ...more });
  return response.status === 204 ? null : response.json().catch(() => null);
}

// For requests that others make: the session itself is a cookie.
export const sessionHeaders = () => ({ 'X-CSRF-Token': csrf });

// {authenticated: a session from an earlier visit is still good, needs_claim: nobody has claimed the box yet}
export async function resumeSession() {
  const session = await call('GET', '/api/v1/session');
  csrf = session.csrf_token ?? '';
  return session;
}

// The first token, for the one-time code.
export const claim = async (code) => (await call('POST', '/api/v1/claim', { code })).token;

export async function logIn(token) {
  csrf = (await call('POST', '/api/v1/session', { token })).csrf_token;
}

export async function logOut() {
  await call('DELETE', '/api/v1/session');
  csrf = '';
}

// With now_s, the box's time: its ages are no business of this machine's clock.
export async function getStatus() {
  const status = await call('GET', '/api/v1/status');
  return { ...status, now_s: boxTimeS };
}
export const startScrub = () => call('POST', '/api/v1/scrub');
export const listOriginals = (after) =>
  call('GET', `/api/v1/originals?limit=24${after ? `&after=${encodeURIComponent(after)}` : ''}`);
export const getOriginal = (id) => call('GET', `/api/v1/originals/${id}`);
// {url, signed_url, needs_signature, expires_s}: what to publish for a variant.
export const getPublicUrl = (id, query) => call('GET', `/api/v1/originals/${id}/url?${query}`);
export const listUploads = () => call('GET', '/api/v1/uploads');
export const getUpload = (url) => call('GET', new URL(url, location.href).pathname);
export const deleteUpload = (url) => call('DELETE', new URL(url, location.href).pathname, undefined, { 'Tus-Resumable': '1.0.0' });
export const deleteOriginal = (id) => call('DELETE', `/api/v1/originals/${id}`);

// Makes variants of an original; `wishes` is what the API takes. Calls onItem for each variant as soon as it is there
// and resolves with the counts.
export async function makeVariants(id, wishes, onItem) {
  let response;
  try {
    response = await fetch(`/api/v1/originals/${id}/variants`, {
      method: 'POST',
      headers: { 'X-CSRF-Token': csrf, 'Content-Type': 'application/json', Accept: 'application/x-ndjson' },
      body: JSON.stringify(wishes),
    });
  } catch {
    throw new Problem(0, { detail: 'The box can not be reached' });
  }
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => null));
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let counts = null;
  for (;;) {
    const { done, value } = await reader.read().catch(() => ({ done: true }));
    if (done) break;
    const lines = (text + decoder.decode(value, { stream: true })).split('\n');
    text = lines.pop();
    for (const line of lines) {
      const item = JSON.parse(line);
      if ('done' in item) counts = item;
      else onItem(item);
    }
  }
  if (!counts) throw new Problem(0, { detail: 'The connection broke' });
  return counts;
}

// The file of settings that the box starts with next.
export const getSettings = async () => (await send('GET', '/api/v1/settings', undefined, { Accept: 'text/plain' })).text();
export const setSettings = async (text) => (await send('PUT', '/api/v1/settings', text, { 'Content-Type': 'text/plain; charset=utf-8' })).json();

// The certificate of the delivery side; each resolves with what visitors see then.
export const getCertificate = () => call('GET', '/api/v1/certificate');
export const setCertificate = async (pem) => (await send('PUT', '/api/v1/certificate', pem, { 'Content-Type': 'application/x-pem-file' })).json();
export const removeCertificate = () => call('DELETE', '/api/v1/certificate');

// Of an appliance.
export const getSystem = () => call('GET', '/api/v1/system');
export const chooseNext = (next) => call('POST', '/api/v1/system/slots', { next });
export const restartBox = () => call('POST', '/api/v1/system/reboot');
export const powerOffBox = () => call('POST', '/api/v1/system/poweroff');
export const resetBox = (confirm) => call('POST', '/api/v1/system/factory-reset', { confirm });
export const getNetwork = async () => (await call('GET', '/api/v1/system/network')).text ?? '';
export const setNetwork = (text) => call('PUT', '/api/v1/system/network', { text });

// Sends a file as the body, which only XMLHttpRequest can tell the progress of. Returns {done, cancel}.
export function sendFile(path, file, onSent) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.open('POST', path);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.setRequestHeader('Accept', 'application/json');
    request.setRequestHeader('X-CSRF-Token', csrf);
    request.responseType = 'json';
    request.upload.addEventListener('progress', ({ loaded, total }) => onSent(loaded, total));
    request.addEventListener('load', () => {
      if (request.status >= 200 && request.status < 300) resolve(request.response);
      else reject(new Problem(request.status, request.response));
    });
    request.addEventListener('error', () => reject(new Problem(0, { detail: 'The connection broke' })));
    request.addEventListener('abort', () => reject(new Problem(0, { detail: 'Cancelled' })));
    request.send(file);
  });
  return { done, cancel: () => request.abort() };
}

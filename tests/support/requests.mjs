// HTTP and TLS as a client of the tests. Certificates are not checked: tests that care pin them.
import http from 'node:http';
import https from 'node:https';
import tls from 'node:tls';

// One request; resolves with {status, headers, body, json}. `seconds`: how long all of it may take; none: for ever.
export function request(url, { method = 'GET', headers = {}, body, seconds, agent = false, socketPath } = {}) {
  return new Promise((done, fail) => {
    const client = url.startsWith('https:') ? https : http;
    const outgoing = client.request(url, { method, headers, agent, socketPath, rejectUnauthorized: false }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', end(fail));
      response.on('end', () => {
        const bytes = Buffer.concat(chunks);
        const isJson = /[/+]json/.test(response.headers['content-type'] ?? '') && bytes.length > 0;
        end(done)({ status: response.statusCode, headers: response.headers, body: bytes, json: isJson ? JSON.parse(bytes) : undefined });
      });
    });
    const late = () => outgoing.destroy(new Error(`${method} ${url}: no reply within ${seconds} s`));
    const timer = seconds === undefined ? undefined : setTimeout(late, seconds * 1000);
    const end = (settle) => (value) => {
      clearTimeout(timer);
      settle(value);
    };
    outgoing.on('error', end(fail));
    outgoing.end(body);
  });
}

// SHA-256 of the certificate that a port of this machine shows, "AB:CD:...".
export function fingerprintOf(port) {
  return new Promise((done, fail) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      done(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on('error', fail);
  });
}

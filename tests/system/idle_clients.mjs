// A process of its own that opens many keep-alive connections, asks for one thing on each and then holds them idle.
//
//   node idle_clients.mjs URL COUNT [h2]
//
// Prints "ready" once every connection has had its reply, ends when its standard input does.
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';

const url = new URL(process.argv[2]);
const count = Number(process.argv[3]);
const isH2 = process.argv[4] === 'h2';
const AT_ONCE = 32;

const request = `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`;
const target = { host: url.hostname, port: Number(url.port), rejectUnauthorized: false };
const held = [];

function open() {
  return new Promise((done, fail) => {
    const socket = url.protocol === 'https:' ? tls.connect(target) : net.connect(target);
    held.push(socket);
    let text = '';
    const onData = (chunk) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      const length = /content-length: (\d+)/i.exec(text)?.[1];
      if (end < 0 || text.length < end + 4 + Number(length)) return;
      if (!/^HTTP\/1\.1 200 /.test(text)) fail(new Error(text.slice(0, 200)));
      socket.off('data', onData);
      done();
    };
    socket.on('data', onData);
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('closed by the server')));
    socket.write(request);
  });
}

function openH2() {
  return new Promise((done, fail) => {
    const session = http2.connect(url.origin, { rejectUnauthorized: false });
    held.push(session);
    session.on('error', fail);
    const stream = session.request({ ':path': url.pathname + url.search });
    stream.on('response', (headers) => { if (headers[':status'] !== 200) fail(new Error(`status ${headers[':status']}`)); });
    stream.resume();
    stream.on('end', done);
  });
}

let left = count;
async function work() {
  while (left-- > 0) await (isH2 ? openH2() : open());
}
process.stdin.on('end', () => process.exit(0)).resume();
await Promise.all(Array.from({ length: AT_ONCE }, work));
console.log('ready');

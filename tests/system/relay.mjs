// A way to a box that can be watched, held, cut and meddled with: an HTTP proxy that knows whole answers. Waits while the
// box is away. What it lets through and holds are bytes of bodies on their way to clients.
import { once } from 'node:events';
import http from 'node:http';

import { Sluice } from './sluice.mjs';

export class Relay extends Sluice {
  constructor(url) {
    super();
    this.url = url;  // of the box; may change
    this.asked = [];  // {method, path, headers, status, bytes, coding}
    this.change = (asked, body) => body;  // another body, or 'cut' in its middle
    this.server = http.createServer((request, reply) => { this.serve(request, reply).catch(() => reply.destroy()); });
  }

  async start() {
    this.address = `http://${await this.listen(this.server)}`;
    return this;
  }

  async ask(request, body) {
    const outgoing = http.request(this.url + request.url, { method: request.method, headers: { ...request.headers, host: new URL(this.url).host }, agent: false });
    outgoing.end(body);
    const [answer] = await once(outgoing, 'response');
    return { answer, bytes: Buffer.concat(await answer.toArray()) };
  }

  async serve(request, reply) {
    const { answer, bytes } = await this.ask(request, Buffer.concat(await request.toArray()));
    const asked = { method: request.method, path: request.url, headers: request.headers, status: answer.statusCode, bytes: bytes.length, coding: answer.headers['content-encoding'] };
    this.asked.push(asked);
    const { connection, 'transfer-encoding': chunked, 'content-length': length, ...headers } = answer.headers;
    const changed = this.change(asked, bytes);
    const body = changed === 'cut' ? bytes.subarray(0, bytes.length / 2) : changed;
    const said = changed === 'cut' ? bytes.length : request.method === 'HEAD' ? length : body.length;
    reply.writeHead(answer.statusCode, answer.statusCode === 204 || answer.statusCode === 304 ? headers : { ...headers, 'content-length': said });
    for (let at = 0; at < body.length && !reply.destroyed;) {
      await this.until(() => this.left > 0 || reply.destroyed);
      const piece = body.subarray(at, at + Math.min(65536, this.left));
      this.left -= piece.length;
      at += piece.length;
      if (!reply.write(piece)) await this.until(() => !reply.writableNeedDrain || reply.destroyed);
    }
    if (changed === 'cut') await new Promise((done) => reply.write('', done));
    if (changed === 'cut') reply.destroy(); else reply.end();
  }

  cut() { this.server.closeAllConnections(); }
  // Forgets what was asked.
  forget() { this.asked = []; }
  // Of bodies, whose paths have that in them.
  bytesOf(part) { return this.asked.filter(({ path, method }) => path.includes(part) && method !== 'HEAD').reduce((sum, { bytes }) => sum + bytes, 0); }

  stop() {
    this.cut();
    this.server.close();
  }
}

// A way to a box that can be shut: a TCP proxy that lets so many bytes of its clients through and then holds, and that
// waits for the box when it is away.
import { once } from 'node:events';
import net from 'node:net';

import { Sluice } from './sluice.mjs';

export class Valve extends Sluice {
  constructor(port) {
    super();
    this.port = port;  // of the box; undefined: away, new connections wait
    this.passed = 0;
    this.open = new Set();
    this.most = 0;  // connections at once
    this.server = net.createServer({ pauseOnConnect: true }, (client) => this.serve(client));
  }

  async start() {
    this.address = await this.listen(this.server);
    this.server.unref();
    return this;
  }

  async serve(client) {
    client.on('error', () => {});
    this.open.add(client);
    client.on('close', () => this.open.delete(client));
    await this.until(() => this.port !== undefined || client.destroyed);
    if (client.destroyed) return;
    const box = net.connect(this.port, '127.0.0.1');
    box.on('error', () => client.destroy());
    box.on('close', () => client.destroy());
    box.on('data', (bytes) => client.write(bytes));
    client.on('close', () => box.end());
    this.most = Math.max(this.most, this.open.size);
    client.on('data', async (bytes) => {
      client.pause();
      for (let rest = bytes; rest.length > 0 && !client.destroyed;) {
        await this.until(() => this.left > 0 || client.destroyed);
        const piece = rest.subarray(0, Math.min(rest.length, this.left));
        this.left -= piece.length;
        this.passed += piece.length;
        if (!box.write(piece)) await Promise.race([once(box, 'drain'), once(client, 'close')]).catch(() => {});
        rest = rest.subarray(piece.length);
      }
      client.resume();
    });
    client.resume();
  }

  cut() { for (const client of this.open) client.resetAndDestroy(); }
  async stop() {
    this.cut();
    this.server.close();
  }
}

// What the ways to a box that can be held have in common: how many bytes they still let through. Makes "in the middle of
// a transfer" a place instead of a moment.
import { once } from 'node:events';

export class Sluice {
  left = Infinity;  // bytes that may still go through

  // Listens with `server` on a port of its own; resolves with "127.0.0.1:PORT".
  async listen(server) {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return `127.0.0.1:${server.address().port}`;
  }

  until(condition) {
    return new Promise((done) => {
      const look = () => { if (condition()) done(); else setTimeout(look, 5); };
      look();
    });
  }

  // Resolves when `bytes` more have gone through and the rest is held.
  async holdAfter(bytes) {
    this.left = bytes;
    await this.until(() => this.left === 0);
  }

  release() { this.left = Infinity; }
}

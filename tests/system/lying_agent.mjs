// What listens at system.socket in place of pixpop-system, and need not behave: it dies, is silent, talks too much.
import { rmSync } from 'node:fs';
import net from 'node:net';

export const goodStatus = {
  board: 'qemu-x86_64', version: '1.0.0', floor: '', boot: 'b0', running: 'A', next: 'A',
  slots: [{ name: 'A', mark: 'good', tries: 3, version: '1.0.0' }, { name: 'B', mark: 'bad', tries: 0, version: '' }],
  health: 'good', health_text: '', phase: 'idle', installing: '', done: 0, total: 0, failure: '', is_reboot_needed: false,
  result: 'ok',
};

// `answer(request, call)` is called once the line is there. Without it only "status" is known. `call` has
// say(object | text), end(), die(), body (what has come of it), onBody(f), onEnd(f), pause(), resume().
export async function startLyingAgent(path) {
  const agent = { path, requests: [], status: structuredClone(goodStatus), answer: null, open: 0 };
  const sockets = new Set();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    let line = Buffer.alloc(0);
    let request = null;
    const call = {
      socket, bytes: 0, onBody: () => {}, onEnd: () => socket.end(),
      say: (words) => socket.write(typeof words === 'string' ? words : `${JSON.stringify(words)}\n`),
      end: () => socket.end(),
      die: () => socket.destroy(),
    };
    agent.open += 1;
    sockets.add(socket);
    // Closing with words unread is a reset to this side.
    socket.on('error', () => call.onEnd());
    socket.on('close', () => { agent.open -= 1; sockets.delete(socket); });
    socket.on('end', () => call.onEnd());
    socket.on('data', (chunk) => {
      if (request) {
        call.bytes += chunk.length;
        call.onBody(chunk);
        return;
      }
      line = Buffer.concat([line, chunk]);
      const end = line.indexOf('\n');
      if (end < 0) return;
      request = JSON.parse(line.subarray(0, end));
      agent.requests.push(request);
      const rest = line.subarray(end + 1);
      if (agent.answer && agent.answer(request, call) !== 'as ever') {
        // it has answered, or never will
      } else if (request.do === 'status') {
        call.say(agent.status);
        call.end();
      } else {
        call.say({ result: 'bad-input', text: `${request.do} is not known`, subject: 'do' });
        call.end();
      }
      if (rest.length > 0) socket.emit('data', rest);
    });
  });
  await new Promise((done) => server.listen(path, done));
  agent.close = () => new Promise((done) => {
    for (const socket of sockets) socket.destroy();
    server.close(() => { rmSync(path, { force: true }); done(); });
  });
  return agent;
}

// What runs inside a network namespace for a test (wire.mjs starts it there).
//   relay PATH ADDRESS PORT   a Unix socket whose connections go on to ADDRESS:PORT
//   mdns ADDRESS NAME TYPE    asks by multicast from ADDRESS; prints the answer's bytes as hex
import dgram from 'node:dgram';
import net from 'node:net';

const [does, ...words] = process.argv.slice(2);

function relay(path, address, port) {
  net.createServer({ allowHalfOpen: true }, (inner) => {
    const outer = net.connect({ host: address, port: Number(port), allowHalfOpen: true });
    inner.pipe(outer);
    outer.pipe(inner);
    const both = () => {
      inner.destroy();
      outer.destroy();
    };
    for (const socket of [inner, outer]) {
      socket.on('error', both);
      socket.on('close', both);
    }
  }).listen(path);
}

function question(name, type) {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const head = Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, Number(type), 0, 1])]);
}

function mdns(address, name, type) {
  const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('message', (bytes) => {
    if ((bytes[2] & 0x80) === 0) return; // a question
    console.log(bytes.toString('hex'));
    process.exit(0);
  });
  socket.bind(5353, () => {
    socket.addMembership('224.0.0.251', address);
    socket.setMulticastInterface(address);
    socket.setMulticastLoopback(false);
    socket.setMulticastTTL(255);
    const ask = () => socket.send(question(name, type), 5353, '224.0.0.251');
    ask();
    setInterval(ask, 1500);
    setTimeout(() => process.exit(1), 20000);
  });
}

({ relay, mdns })[does](...words);

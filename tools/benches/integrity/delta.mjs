// Rows delta/EDIT of `tools/bench integrity`: bytes on the wire, both ways, until a mirror that has the old picture has the new one.
//
// A photograph as JPEG and the same as plain pixels (PPM, of which every edit shows) are edited as people do. Ours is a whole run of
// `pixpop sync`, with its list, proofs and checkpoints; in the rows that end in /alone the box has deleted the old picture, so only the
// mirror knows it. Peers: full, the new file's size alone; rsync, a whole run of rsync 3 against its daemon, with or without
// compression, whichever is smaller. All is counted by one TCP proxy.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, request, startBox } from '../lib.mjs';

const run = promisify(execFile);
const photos = '/usr/share/backgrounds';

// Passes everything on and counts it.
class Counter {
  constructor(port) {
    this.bytes = 0;
    this.server = net.createServer((client) => {
      const far = net.connect(port, '127.0.0.1');
      for (const [from, to] of [[client, far], [far, client]]) {
        from.on('data', (bytes) => { this.bytes += bytes.length; });
        from.on('error', () => to.destroy());
        from.pipe(to);
      }
    });
  }

  async start() {
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done));
    this.port = this.server.address().port;
    return this;
  }

  async of(action) {
    const before = this.bytes;
    await action();
    return this.bytes - before;
  }

  stop() { this.server.close(); }
}

function segment(marker, text) {
  return Buffer.concat([Buffer.from([0xff, marker, (text.length + 2) >> 8, (text.length + 2) & 255]), Buffer.from(text)]);
}

const xmp = (title) => segment(0xe1, `http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF ` +
  `xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'>` +
  `<dc:title>${title}</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>`);

// {edit: [old, new]}
function makeEdits(folder) {
  const photo = join(photos, readdirSync(photos).filter((name) => name.endsWith('.jpg')).sort()[1]);
  execFileSync('/usr/bin/python3', ['-c', `
import sys
from PIL import Image
picture = Image.open(sys.argv[1]).convert("RGB")
picture.save(sys.argv[2] + "/again.jpg", quality=88)
picture.resize((2000, 1500), Image.LANCZOS).save(sys.argv[2] + "/pixels.ppm")
`, photo, folder]);
  const jpeg = readFileSync(photo), ppm = readFileSync(join(folder, 'pixels.ppm')), again = readFileSync(join(folder, 'again.jpg'));
  const withTitle = (title) => Buffer.concat([jpeg.subarray(0, 2), xmp(title), jpeg.subarray(2)]);
  const row = 2000 * 3, head = ppm.length - row * 1500;
  const painted = Buffer.from(ppm);  // a spot of 64 x 64 pixels
  for (let y = 700; y < 764; y++) painted.fill(200, head + y * row + 3 * 900, head + y * row + 3 * 964);
  const taller = Buffer.concat([Buffer.from('P6\n2000 1510\n255\n'), ppm.subarray(head, head + 750 * row), ppm.subarray(head, head + 10 * row), ppm.subarray(head + 750 * row)]);
  return {
    append: [jpeg, Buffer.concat([jpeg, again.subarray(20000, 24000)])],
    'in-place': [ppm, painted],
    insert: [ppm, taller],
    metadata: [withTitle('A title'), withTitle('Another title, and a longer one')],
    're-encode': [jpeg, again],
  };
}

async function measureOurs(bin, folder, [old, edited], isAlone) {
  const box = await startBox(bin);
  const bearer = { authorization: `Bearer ${box.token}` };
  const put = async (body) => {
    const reply = await request(`${box.console}/api/v1/originals?name=picture`, { method: 'POST', headers: { ...bearer, 'content-type': 'application/octet-stream' }, body });
    if (reply.status !== 201) throw new Error(`upload: status ${reply.status} ${reply.body}`);
    return JSON.parse(reply.body)[0].id;
  };
  const counter = await new Counter(Number(new URL(box.console).port)).start();
  const mirror = mkdtempSync(join(folder, 'mirror-'));
  const words = ['--token', box.token, 'sync', `http://127.0.0.1:${counter.port}`, mirror, '--delete', '--json'];
  let way;
  const sync = async () => {
    const { stdout } = await run(join(bin, 'pixpop'), words);
    ({ way } = JSON.parse(stdout));
  };
  try {
    const id = await put(old);
    await sync();
    if (isAlone) await request(`${box.console}/api/v1/originals/${id}`, { method: 'DELETE', headers: bearer });
    await put(edited);
    const bytes = await counter.of(sync);
    const made = readdirSync(mirror).filter((name) => name !== '.pixpop').some((name) => readFileSync(join(mirror, name)).equals(edited));
    if (!made) throw new Error('the mirror has not got the new picture');
    return { bytes, way };
  } finally {
    counter.stop();
    await box.stop();
  }
}

async function measureRsync(folder, [old, edited]) {
  const place = mkdtempSync(join(folder, 'rsync-'));
  for (const name of ['source', 'copy']) mkdirSync(join(place, name));
  const port = await freePort();
  writeFileSync(join(place, 'conf'), `use chroot = no\nuid = ${process.getuid()}\ngid = ${process.getgid()}\npid file = ${place}/pid\n[pictures]\n  path = ${place}/source\n  read only = yes\n`);
  const daemon = spawn('rsync', ['--daemon', '--no-detach', `--config=${place}/conf`, '--address=127.0.0.1', `--port=${port}`, `--log-file=${place}/log`], { stdio: 'ignore' });
  const counter = await new Counter(port).start();
  try {
    const results = [];
    for (const more of [[], ['-z']]) {
      const copy = () => run('rsync', ['-a', '--no-whole-file', ...more, `rsync://127.0.0.1:${counter.port}/pictures/`, `${place}/copy/`]);
      const give = (bytes, seconds) => {
        writeFileSync(join(place, 'source/picture'), bytes);
        utimesSync(join(place, 'source/picture'), seconds, seconds);
      };
      give(old, 1000000000);
      for (let attempt = 0; ; attempt++) {
        try {
          await copy();
          break;
        } catch (error) {
          if (attempt === 50) throw error;
          await new Promise((done) => setTimeout(done, 100));
        }
      }
      give(edited, 1000000100);
      results.push(await counter.of(copy));
      if (!readFileSync(join(place, 'copy/picture')).equals(edited)) throw new Error('rsync has not copied the new picture');
    }
    return Math.min(...results);
  } finally {
    counter.stop();
    await new Promise((done) => { daemon.once('exit', done); daemon.kill('SIGTERM'); });
  }
}

export async function deltaRows(bin) {
  const folder = mkdtempSync(join(tmpdir(), 'pixpop-delta-'));
  const rows = [];
  try {
    for (const [edit, pictures] of Object.entries(makeEdits(folder))) {
      const full = pictures[1].length, rsync = await measureRsync(folder, pictures);
      for (const ending of ['', '/alone']) {
        const { bytes, way } = await measureOurs(bin, folder, pictures, ending !== '');
        console.log(`delta/${edit}${ending}: ${way}, ${bytes} of ${full} bytes`);
        for (const [peer_name, peer] of [['full', full], ['rsync', rsync]]) {
          rows.push({ metric: `delta/${edit}${ending}`, unit: 'bytes', ours: bytes, peer, peer_name, higherIsBetter: false });
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}

// The table of rules x files: what every rule does to a file that trips it, for each of its three settings.
//
// PIXPOP_TABLE=1 prints the table as markdown.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import zlib, { deflateSync } from 'node:zlib';
import { metric, readPhoto, sleep, startBox } from './box.mjs';

const root = new URL('../..', import.meta.url).pathname;

// Bytes that look random and are the same on every run.
function noise(bytes) {
  const parts = [];
  for (let i = 0; i < bytes; i += 32) parts.push(createHash('sha256').update(String(i)).digest());
  return Buffer.concat(parts).subarray(0, bytes);
}

// --- files ---

function be32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
function le16(...values) {
  const bytes = Buffer.alloc(2 * values.length);
  values.forEach((value, i) => bytes.writeUInt16LE(value, 2 * i));
  return bytes;
}
function le32(...values) {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, 4 * i));
  return bytes;
}

function chunk(type, data, crc) {
  const body = Buffer.concat([Buffer.from(type), Buffer.from(data)]);
  return Buffer.concat([be32(data.length), body, be32(crc ?? crc32Of(body))]);
}
// node has its own from 22.2 on.
const crcTable = Array.from({ length: 256 }, (_, i) => {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  return crc >>> 0;
});
const crc32Of = zlib.crc32 ?? ((bytes) => {
  let crc = ~0 >>> 0;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 255] ^ (crc >>> 8)) >>> 0;
  return ~crc >>> 0;
});

// An RGB picture with a gradient, or of the depth and type given, all zeros; `before` and `after` stand around its data.
function png({ width = 48, height = 40, depth = 8, type = 2, before = [], behind = [] } = {}) {
  const bytesOf = { 0: 1, 2: 3, 6: 4 }[type] * (depth / 8);
  const raw = Buffer.alloc(height * (width * bytesOf + 1));
  if (depth === 8 && width < 1000) {
    for (let y = 0; y < height; y++) for (let x = 0; x < width * bytesOf; x++) raw[y * (width * bytesOf + 1) + 1 + x] = (x * 3 + y * 5) & 255;
  }
  const header = Buffer.concat([be32(width), be32(height), Buffer.from([depth, type, 0, 0, 0])]);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', header), ...before,
    chunk('IDAT', deflateSync(raw)), ...behind, chunk('IEND', ''),
  ]);
}
const text = (value) => chunk('tEXt', Buffer.concat([Buffer.from('Comment\0'), Buffer.from(value, 'latin1')]));

function hugePng() {
  const bytes = png();
  be32(50000).copy(bytes, 16);
  be32(50000).copy(bytes, 20);
  be32(crc32Of(bytes.subarray(12, 29))).copy(bytes, 29);
  return bytes;
}

function manyFrames(count) {
  const frame = Buffer.from([0x2c, 0, 0, 0, 0, 4, 0, 4, 0, 0, 2, 5, 0x84, 0x8f, 0x89, 0xc1, 0x51, 0]);
  const head = Buffer.concat([Buffer.from('GIF89a'), le16(4, 4), Buffer.from([0x80, 0, 0, 0, 0, 0, 255, 255, 255])]);
  return Buffer.concat([head, ...Array(count).fill(frame), Buffer.from([0x3b])]);
}

// A grey TIFF of 8 x 8 whose directory is followed by itself.
function tiffInCircles() {
  const tags = [[256, 3, 1, 8], [257, 3, 1, 8], [258, 3, 1, 8], [259, 3, 1, 1], [262, 3, 1, 1], [273, 4, 1, 200], [277, 3, 1, 1],
    [278, 3, 1, 8], [279, 4, 1, 64]];
  const entries = tags.map(([tag, type, count, value]) => Buffer.concat([le16(tag, type), le32(count, value)]));
  const bytes = Buffer.alloc(264);
  Buffer.concat([Buffer.from('II*\0\x08\0\0\0', 'latin1'), le16(tags.length), ...entries, le32(8)]).copy(bytes);
  noise(64).copy(bytes, 200);
  return bytes;
}

// A BMP whose pixels are somebody's encrypted data.
function encryptedBmp() {
  const width = 256, height = 256, pixels = noise(width * height * 3);
  return Buffer.concat([Buffer.from('BM'), le32(54 + pixels.length, 0, 54, 40, width, height), le16(1, 24),
    le32(0, pixels.length, 2835, 2835, 0, 0), pixels]);
}

// A ZIP archive with one stored file.
function zip() {
  const name = Buffer.from('a.txt'), data = Buffer.from('hello');
  const common = Buffer.concat([le16(20, 0, 0, 0, 0x5821), le32(crc32Of(data), data.length, data.length), le16(name.length, 0)]);
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, name, data]);
  const central = Buffer.concat([Buffer.from('PK\x01\x02'), le16(20), common, le16(0, 0, 0), le32(0, 0), name]);
  return Buffer.concat([local, central, Buffer.from('PK\x05\x06'), le16(0, 0, 1, 1), le32(central.length, local.length), le16(0)]);
}

// Puts an APPn segment behind the SOI of a JPEG.
function withSegment(jpeg, marker, data) {
  const head = Buffer.from([0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 255]);
  return Buffer.concat([jpeg.subarray(0, 2), head, data, jpeg.subarray(2)]);
}

// --- the table: rule, what the file is, its bytes; `allowed` is the status where the rule does not block ---

function makeRows(folder) {
  const made = (name) => readFileSync(join(folder, name));
  const jpeg = made('orientation1.jpg');
  const junk = Buffer.concat([Buffer.from('ICC_PROFILE\0\x01\x01', 'latin1'), Buffer.from('no profile at all '.repeat(20))]);
  const extension = Buffer.concat([Buffer.from('http://ns.adobe.com/xmp/extension/\0'), Buffer.alloc(32, 65), be32(10), be32(5000), Buffer.from('<a/>')]);
  return [
    ['size', 'PNG of 50000 x 50000', hugePng(), 422],
    ['ratio', 'PNG of 8192 x 4', png({ width: 8192, height: 4 })],
    ['expansion', 'PNG of 5100 x 5100 x 64 bits, all zeros', png({ width: 5100, height: 5100, depth: 16, type: 6 })],
    ['frames', 'GIF with 5000 frames', manyFrames(5000)],
    ['structure', 'JPEG whose XMP extension contradicts its length', withSegment(jpeg, 0xe1, extension)],
    ['checksum', 'PNG with a wrong CRC in a text chunk', png({ before: [chunk('tEXt', 'Comment\0harmless', 1)] })],
    ['chunk-size', 'PNG with a text of 1.2 MB', png({ behind: [text('a long story. '.repeat(90000))] })],
    ['nesting', 'TIFF whose directory follows itself', tiffInCircles()],
    ['text', 'PNG with a script in a text chunk', png({ before: [text('<script>alert(1)</script>')] })],
    ['text-entropy', 'PNG with 8 KiB of noise as a text', png({ before: [text(noise(8192).map((byte) => byte || 1).toString('latin1'))] })],
    ['data-entropy', 'BMP whose pixels are noise', encryptedBmp()],
    ['trailing', 'photograph with a note behind its end', Buffer.concat([readPhoto(), Buffer.from('a note that somebody left here')])],
    ['hidden', 'PNG with a private chunk of 20 KB', png({ before: [chunk('prVt', noise(20000))] })],
    ['polyglot', 'JPEG with a ZIP archive behind it', Buffer.concat([jpeg, zip()])],
    ['colour', 'JPEG: EXIF says sRGB, ICC says Adobe RGB', made('exif_srgb_icc_adobe.jpg')],
    ['profile', 'JPEG with an ICC profile that is none', withSegment(jpeg, 0xe2, junk)],
    ['exif', 'JPEG whose EXIF says another size', made('other_size.jpg')],
    ['gps', 'JPEG that says where it was taken', made('gps.jpg')],
  ].map(([rule, what, bytes, allowed = 201]) => ({ rule, what, bytes, allowed }));
}

describe('rules', () => {
  let box, folder, config, rows, names, defaults;
  const table = [];

  // Writes the rules and has the running box take them over.
  async function setRules(verdicts) {
    const lines = Object.entries(verdicts).map(([rule, verdict]) => `${rule} = ${verdict}`);
    writeFileSync(config, `[log]\nlevel = info\n[rules]\n${lines.join('\n')}\n`);
    if (!box) return;
    const count = () => box.log.split('configuration reloaded').length;
    const seen = count();
    box.child.kill('SIGHUP');
    for (let i = 0; i < 500 && count() === seen; i++) await sleep(10);
    assert.equal(count(), seen + 1, box.log.slice(-500));
  }
  const only = (rule, verdict) => Object.fromEntries(names.map((name) => [name, name === rule ? verdict : 'allow']));
  const findings = async (rule, verdict) =>
    metric((await box.api('/metrics')).body.toString(), 'pixpop_ingest_findings_total', `rule="${rule}",verdict="${verdict}"`);

  async function show(reply) {
    if (reply.status !== 201) return reply;
    const shown = (await box.api(`/api/v1/originals/${reply.json[0].id}`)).json;
    assert.equal((await box.api(`/api/v1/originals/${reply.json[0].id}`, { method: 'DELETE' })).status, 204);
    return { status: 201, shown, listed: reply.json[0] };
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-rules-'));
    config = join(folder, 'box.ini');
    execFileSync('/usr/bin/python3', [join(root, 'tests/support/make_containers.py'), join(folder, 'files')]);
    rows = makeRows(join(folder, 'files'));
    names = rows.map((row) => row.rule);
    await setRules({});
    box = await startBox({ config });
    // What the box does without settings, as it documents itself.
    const reference = execFileSync(join(process.env.PIXPOP_BUILD ?? join(root, 'build/dev'), 'bin/pixpopd'), ['--print-config']).toString();
    const section = reference.split('[rules]')[1].split('\n[')[0];
    defaults = Object.fromEntries([...section.matchAll(/^([a-z-]+) = ([a-z]+)$/gm)].map(([, rule, verdict]) => [rule, verdict]));
  });
  after(async () => {
    await box.finish();
    rmSync(folder, { recursive: true });
    if (!process.env.PIXPOP_TABLE) return;
    console.log('| rule | file | without settings | allow | alert | block |\n| --- | --- | --- | --- | --- | --- |');
    for (const row of table) console.log(`| ${row.join(' | ')} |`);
  });

  it('has_a_file_for_every_rule', () => assert.deepEqual(Object.keys(defaults), names));

  it('does_to_every_file_what_its_rule_says', async () => {
    for (const { rule, what, bytes, allowed } of rows) {
      const cells = [];
      for (const verdict of ['allow', 'alert', 'block']) {
        await setRules(only(rule, verdict));
        const counted = await findings(rule, verdict);
        const reply = await show(await box.upload(bytes, rule));
        const where = `${rule}, ${verdict}: ${reply.body ?? ''}`;
        assert.ok((await findings(rule, verdict)) > counted, where);
        if (verdict === 'block' || allowed === 422) {
          assert.equal(reply.status, 422, where);
          if (verdict === 'block') assert.equal(reply.json.subject, `rule/${rule}`, where);
          if (verdict === 'block') assert.match(reply.json.detail, new RegExp(`^the rule '${rule}' refuses this file: `));
          cells.push(`422 \`${reply.json.subject}\``);
          continue;
        }
        assert.equal(reply.status, 201, where);
        const { report, alerts } = reply.shown;
        const found = report.findings.filter((one) => one.rule === rule);
        assert.ok(found.length > 0 && found.every((one) => one.verdict === verdict), where);
        assert.equal(alerts, verdict === 'alert' ? report.counts[rule] : 0, where);
        assert.equal(reply.listed.alerts, alerts, where);
        if (verdict === 'alert') assert.match(box.log, new RegExp(`is kept with alerts: ${rule}\\b`));
        cells.push(verdict === 'alert' ? `201, ${alerts} alert${alerts > 1 ? 's' : ''}` : '201');
      }
      table.push([`\`${rule}\``, what, defaults[rule], ...cells]);
    }
  });

  it('keeps_photographs_without_a_finding_or_an_alert', async () => {
    await setRules(Object.fromEntries(names.map((name) => [name, 'block'])));
    for (let i = 0; i < 3; i++) {
      const reply = await show(await box.upload(readPhoto(i), 'photo.jpg'));
      // Photographers' files say where they were and what they like: those rules are asked below.
      if (reply.status === 422 && /^rule\/(gps|exif|colour)$/.test(reply.json.subject)) continue;
      assert.equal(reply.status, 201, `${reply.body}`);
      assert.equal(reply.shown.alerts, 0);
    }
    await setRules({});
    for (let i = 0; i < 3; i++) assert.equal((await show(await box.upload(readPhoto(i), 'photo.jpg'))).status, 201);
  });

  it('tells_facts_in_the_report', async () => {
    await setRules({});
    const { shown } = await show(await box.upload(readFileSync(join(folder, 'files/adobe_rgb.jpg')), 'adobe.jpg'));
    const { report } = shown;
    assert.equal(report.format, 'jpeg');
    assert.equal(`${report.width} x ${report.height}`, '64 x 48');
    assert.equal(report.colour_space, 'adobe-rgb');
    assert.equal(report.colour_space_source, 'icc');
    assert.deepEqual([report.exif.maker, report.exif.model, report.exif.taken, report.exif.orientation, report.exif.has_gps],
      ['Pixpop', 'Test Camera', '2024:05:06 07:08:09', 1, false]);
    assert.equal(report.icc.class, 'mntr');
    assert.match(report.icc.md5, /^[0-9a-f]{32}$/);
    const plain = (await show(await box.upload(png(), 'plain.png'))).shown.report;
    assert.deepEqual([plain.exif, plain.icc, plain.findings], [null, null, []]);
    assert.ok(plain.structure.checksums >= 3);
  });

  it('never_tells_the_place', async () => {
    await setRules({});
    const { shown } = await show(await box.upload(readFileSync(join(folder, 'files/gps.jpg')), 'gps.jpg'));
    assert.equal(shown.report.exif.has_gps, true);
    assert.equal(shown.alerts, 1);
    assert.doesNotMatch(JSON.stringify(shown.report), /48\.|latitude|longitude/i);
  });

  it('refuses_rules_that_are_none', () => {
    const bin = join(process.env.PIXPOP_BUILD ?? join(root, 'build/dev'), 'bin/pixpopd');
    const run = (setting) => {
      try {
        execFileSync(bin, ['--data', join(folder, 'none'), '--set', setting], { stdio: 'pipe' });
      } catch (error) {
        return `${error.stderr}`;
      }
      return 'it started';
    };
    assert.match(run('rules.gps=warn'), /rules\.gps must be one of: allow alert block/);
    assert.match(run('rules.place=allow'), /rules\.place/);
  });
});

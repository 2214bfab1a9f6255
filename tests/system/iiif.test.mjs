// The IIIF Image API 3.0 over a real box: every feature of level 2 and what comes beyond it, decoded by Pillow and compared
// with the size and the pixels that the specification says, what is refused, info.json, and the signed identifier.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startBox } from './box.mjs';

const python = '/usr/bin/python3';
const decoder = new URL('../support/decode_pictures.py', import.meta.url).pathname;
const width = 1000, height = 800, cell = 100;

// Red tells the column of a cell, green its row; blue is different in neighbouring pixels.
const colourAt = (x, y) => [15 + 24 * Math.floor(x / cell), 15 + 28 * Math.floor(y / cell), 64 + ((x * 7 + y * 13) & 127)];

function picture() {
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) for (const value of colourAt(x, y)) pixels[at++] = value;
  }
  return Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), pixels]);
}

// The same standing on its side, as cameras store it: EXIF orientation 6.
function lyingPicture(folder) {
  const [from, to] = [join(folder, 'upright.ppm'), join(folder, 'lying.jpg')];
  writeFileSync(from, picture());
  execFileSync(python, ['-c', `
import sys
from PIL import Image
tags = Image.Exif()
tags[0x0112] = 6
Image.open(sys.argv[1]).transpose(Image.Transpose.ROTATE_90).save(sys.argv[2], quality=95, subsampling=0, exif=tags)`, from, to]);
  return readFileSync(to);
}

// A path exactly as it is written here: URL parsers escape '^' and '|'.
const get = (box, path, { method = 'GET', headers = {} } = {}) => new Promise((done, fail) => {
  const outgoing = http.request({ host: '127.0.0.1', port: box.deliveryPort, path, method, headers, agent: false }, (response) => {
    const chunks = [];
    response.on('data', (chunk) => chunks.push(chunk));
    response.on('error', fail);
    response.on('end', () => done({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }));
  });
  outgoing.on('error', fail);
  outgoing.end();
});

function decode(folder, bodies) {
  const names = bodies.map((body, i) => {
    const name = join(folder, `picture-${i}`);
    writeFileSync(name, body);
    return name;
  });
  const seen = JSON.parse(execFileSync(python, [decoder, ...names], { encoding: 'utf8' }));
  return seen.map((one, i) => ({ ...one, pixels: readFileSync(`${names[i]}.rgb`) }));
}

const pixelOf = (shown, x, y) => [...shown.pixels.subarray((y * shown.width + x) * 3, (y * shown.width + x) * 3 + 3)];

// Where a point of the scaled region comes to lie: mirrored first, then turned clockwise.
function turned([u, v], [w, h], rotation) {
  const x = rotation.startsWith('!') ? w - u : u;
  return { 0: [x, v], 90: [h - v, x], 180: [w - x, h - v], 270: [v, w - x] }[rotation.replace('!', '')];
}

// Compares the middle of every cell that lies within the region; returns how many there were.
function compareCells(shown, [rx, ry, rw, rh], [w, h], rotation, tolerance, label) {
  let compared = 0;
  for (let y = cell / 2; y < height; y += cell) {
    for (let x = cell / 2; x < width; x += cell) {
      if (x - 25 < rx || x + 25 > rx + rw || y - 25 < ry || y + 25 > ry + rh) continue;
      const place = turned([(x - rx) * w / rw, (y - ry) * h / rh], [w, h], rotation).map(Math.floor);
      const [red, green] = pixelOf(shown, ...place), [wantedRed, wantedGreen] = colourAt(x, y);
      assert.ok(Math.abs(red - wantedRed) <= tolerance && Math.abs(green - wantedGreen) <= tolerance,
        `${label}: ${red},${green} at ${place} is not the cell of ${x},${y}, which is ${wantedRed},${wantedGreen}`);
      compared++;
    }
  }
  return compared;
}

// [region, size, rotation, the region's x,y,w,h, the size before the rotation]
const full = [0, 0, width, height];
const geometry = [
  ['full', 'max', '0', full, [1000, 800]],
  ['square', 'max', '0', [100, 0, 800, 800], [800, 800]],
  ['square', '200,', '90', [100, 0, 800, 800], [200, 200]],
  ['100,200,300,400', 'max', '0', [100, 200, 300, 400], [300, 400]],
  ['333,111,301,207', 'max', '0', [333, 111, 301, 207], [301, 207]],
  ['700,500,1000,1000', 'max', '0', [700, 500, 300, 300], [300, 300]],
  ['pct:10,25,50,50', 'max', '0', [100, 200, 500, 400], [500, 400]],
  ['pct:33.33,12.5,100,100', 'max', '0', [333, 100, 667, 700], [667, 700]],
  ['full', '500,', '0', full, [500, 400]],
  ['full', '333,', '0', full, [333, 266]],
  ['full', ',200', '0', full, [250, 200]],
  ['full', 'pct:50', '0', full, [500, 400]],
  ['full', 'pct:12.3', '0', full, [123, 98]],
  ['full', '300,100', '0', full, [300, 100]],
  ['full', '!300,600', '0', full, [300, 240]],
  ['full', '!3000,200', '0', full, [250, 200]],
  ['full', '!3000,3000', '0', full, [1000, 800]],
  ['0,0,200,200', '^500,', '0', [0, 0, 200, 200], [500, 500]],
  ['0,0,200,200', '^,300', '0', [0, 0, 200, 200], [300, 300]],
  ['0,0,200,200', '^pct:150', '0', [0, 0, 200, 200], [300, 300]],
  ['0,0,200,200', '^400,300', '0', [0, 0, 200, 200], [400, 300]],
  ['0,0,400,200', '^!500,500', '0', [0, 0, 400, 200], [500, 250]],
  ['0,0,400,200', '%5E%21500%2C500', '%210', [0, 0, 400, 200], [500, 250]],
  ...['0', '90', '180', '270', '!0', '!90', '!180', '!270'].map((rotation) => ['100,0,600,500', '300,', rotation, [100, 0, 600, 500], [300, 250]]),
];

describe('IIIF Image API 3.0, level 2', () => {
  let box, folder, id, lying;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-iiif-'));
    box = await startBox();
    id = await box.put(picture(), 'cells.ppm');
    lying = await box.put(lyingPicture(folder), 'lying.jpg');
  });
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await box.finish();
  });

  const pictures = async (tails, of = id) => {
    const replies = await Promise.all(tails.map((tail) => get(box, `/iiif/3/${of}/${tail}`)));
    replies.forEach((reply, i) => assert.equal(reply.status, 200, `${tails[i]}: ${reply.body.toString('utf8', 0, 400)}`));
    return { replies, shown: decode(folder, replies.map(({ body }) => body)) };
  };

  it('gives_each_region_size_and_rotation_as_the_specification_says', async () => {
    const tails = geometry.map(([region, size, rotation]) => `${region}/${size}/${rotation}/default.png`);
    const { shown } = await pictures(tails);
    geometry.forEach(([, , rotation, region, size], i) => {
      const plain = decodeURIComponent(rotation), lies = /90|270/.test(plain);
      assert.deepEqual([shown[i].width, shown[i].height], lies ? [size[1], size[0]] : size, tails[i]);
      assert.ok(compareCells(shown[i], region, size, plain, 3, tails[i]) >= 2, tails[i]);
    });
  });

  it('gives_every_pixel_of_a_region_that_is_not_scaled', async () => {
    const [x, y, w, h] = [333, 171, 131, 57];
    const rotations = ['0', '90', '180', '270', '!0', '!90', '!180', '!270'];
    const { shown } = await pictures(rotations.map((rotation) => `${x},${y},${w},${h}/max/${rotation}/default.png`));
    rotations.forEach((rotation, i) => {
      let worst = 0;
      for (let v = 0; v < h; v++) {
        for (let u = 0; u < w; u++) {
          const place = turned([u + 0.5, v + 0.5], [w, h], rotation).map(Math.floor);
          const wanted = colourAt(x + u, y + v);
          pixelOf(shown[i], ...place).forEach((value, c) => { worst = Math.max(worst, Math.abs(value - wanted[c])); });
        }
      }
      assert.ok(worst <= 1, `${rotation}: off by ${worst}`);
    });
  });

  it('enlarges_no_further_than_its_limits', async () => {
    const { shown } = await pictures(['0,0,1000,10/^max/0/default.jpg', '0,0,10,800/^max/90/default.jpg', '0,0,1000,10/^!9000,9000/0/default.jpg']);
    assert.deepEqual(shown.map((one) => [one.width, one.height]), [[8192, 82], [8192, 102], [8192, 82]]);
  });

  it('counts_from_the_corner_of_the_upright_picture', async () => {
    const cases = geometry.filter(([region]) => region !== 'pct:33.33,12.5,100,100' && !region.startsWith('0,0,'));
    const { shown } = await pictures(cases.map(([region, size, rotation]) => `${region}/${size}/${rotation}/default.png`), lying);
    cases.forEach(([name, , rotation, region, size], i) => {
      assert.deepEqual([shown[i].width, shown[i].height], /90|270/.test(rotation) ? [size[1], size[0]] : size, name);
      assert.ok(compareCells(shown[i], region, size, rotation, 8, `lying ${name}`) >= 2, name);
    });
    const info = JSON.parse((await get(box, `/iiif/3/${lying}/info.json`)).body);
    assert.deepEqual([info.width, info.height], [width, height]);
  });

  it('gives_each_quality_in_each_format', async () => {
    const formats = { jpg: ['JPEG', 'image/jpeg'], png: ['PNG', 'image/png'], webp: ['WEBP', 'image/webp'] };
    const qualities = ['default', 'color', 'gray'];
    const tails = Object.keys(formats).flatMap((format) => qualities.map((quality) => `full/500,/0/${quality}.${format}`));
    const { replies, shown } = await pictures(tails);
    tails.forEach((tail, i) => {
      const [quality, format] = tail.split('/').at(-1).split('.');
      assert.equal(shown[i].format, formats[format][0]);
      assert.equal(replies[i].headers['content-type'], formats[format][1]);
      assert.deepEqual([shown[i].width, shown[i].height], [500, 400]);
      if (quality !== 'gray') {
        compareCells(shown[i], full, [500, 400], '0', 16, tail);
        return;
      }
      for (let at = 0; at < shown[i].pixels.length; at += 3) {
        const [r, g, b] = shown[i].pixels.subarray(at, at + 3);
        assert.ok(Math.abs(r - g) <= 1 && Math.abs(g - b) <= 1, `${tail}: ${r},${g},${b}`);
      }
      // Dark cells stay darker than bright ones.
      assert.ok(pixelOf(shown[i], 25, 25)[0] + 60 < pixelOf(shown[i], 475, 375)[0], tail);
    });
    assert.deepEqual(replies[0].body, replies[1].body); // default is color
  });

  it('keeps_pictures_for_good_and_lets_every_site_use_them', async () => {
    const path = `/iiif/3/${id}/full/500,/0/default.webp`;
    const reply = await get(box, path, { headers: { origin: 'https://museum.example', dpr: '3', 'save-data': 'on', width: '100' } });
    assert.equal(reply.status, 200);
    assert.match(reply.headers['cache-control'], /immutable/);
    assert.equal(reply.headers['access-control-allow-origin'], '*');
    assert.equal(reply.headers.link, '<http://iiif.io/api/image/3/level2.json>;rel="profile"');
    assert.equal(reply.headers.vary, undefined);
    const native = await get(box, `/i/${id}?w=500&dpr=1&fm=webp&q=80`);
    assert.equal(native.headers['cache-status'], 'pixpop; hit'); // one variant under both addresses
    assert.deepEqual(native.body, reply.body);
    assert.equal((await get(box, path, { method: 'HEAD' })).headers['content-length'], String(reply.body.length));
    const preflight = await get(box, path, { method: 'OPTIONS', headers: { origin: 'https://museum.example', 'access-control-request-method': 'GET' } });
    assert.ok(preflight.status === 200 || preflight.status === 204);
    assert.equal(preflight.headers['access-control-allow-origin'], '*');
    assert.equal((await get(box, path, { method: 'POST' })).status, 405);
  });

  it('describes_the_picture_in_info_json', async () => {
    const base = `${box.delivery}/iiif/3/${id}`;
    const redirect = await get(box, `/iiif/3/${id}`);
    assert.equal(redirect.status, 303);
    assert.equal(redirect.headers.location, `${base}/info.json`);
    const reply = await get(box, `/iiif/3/${id}/info.json`, { headers: { accept: 'application/ld+json' } });
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['content-type'], 'application/ld+json;profile="http://iiif.io/api/image/3/context.json"');
    assert.equal(reply.headers['access-control-allow-origin'], '*');
    const info = JSON.parse(reply.body);
    assert.equal(Object.keys(info)[0], '@context');
    const { sizes, ...rest } = info;
    assert.deepEqual(rest, {
      '@context': 'http://iiif.io/api/image/3/context.json',
      id: base, type: 'ImageService3', protocol: 'http://iiif.io/api/image', profile: 'level2',
      width, height, maxWidth: 8192, maxHeight: 8192, maxArea: 40000000,
      tiles: [{ width: 512, height: 512, scaleFactors: [1, 2] }],
      preferredFormats: ['webp', 'jpg'], extraFormats: ['webp'], extraQualities: ['color', 'gray'],
      extraFeatures: ['mirroring', 'profileLinkHeader', 'sizeUpscaling'],
    });
    assert.deepEqual(sizes.at(-1), { width, height });
    const { shown } = await pictures(sizes.map((size) => `full/${size.width},${size.height}/0/default.jpg`));
    assert.deepEqual(shown.map((one) => ({ width: one.width, height: one.height })), sizes);
  });

  it('gives_all_tiles_that_info_json_implies', async () => {
    const tails = [], wanted = [];
    for (const s of [1, 2]) {
      for (let y = 0; y < height; y += 512 * s) {
        for (let x = 0; x < width; x += 512 * s) {
          const region = [x, y, Math.min(512 * s, width - x), Math.min(512 * s, height - y)];
          const size = [Math.ceil(region[2] / s), Math.ceil(region[3] / s)];
          tails.push(`${region}/${size}/0/default.png`);
          wanted.push([region, size]);
        }
      }
    }
    const { shown } = await pictures(tails);
    wanted.forEach(([region, size], i) => {
      assert.deepEqual([shown[i].width, shown[i].height], size);
      assert.ok(compareCells(shown[i], region, size, '0', 3, tails[i]) >= 1);
    });
  });

  // RFC 3986 6.2.2.2. The official validator asks like this ("id_escaped").
  it('takes_escapes_of_unreserved_characters_in_the_identifier', async () => {
    const escape = (text) => [...text].map((c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
    const tail = 'full/321,/0/default.png';
    const plain = await get(box, `/iiif/3/${id}/${tail}`), info = await get(box, `/iiif/3/${id}/info.json`);
    for (const escaped of [escape(id), escape(id).toUpperCase(), escape(id[0]) + id.slice(1), id.replaceAll(/[-_]/g, escape)]) {
      for (let round = 0; round < 2; round++) {
        const reply = await get(box, `/iiif/3/${escaped}/${tail}`);
        assert.equal(reply.status, 200);
        assert.deepEqual(reply.body, plain.body);
        assert.equal(reply.headers['cache-status'], 'pixpop; hit', 'no variant of its own');
        // Nor an entry of its own in a cache in front.
        assert.equal(reply.headers['cache-control'], escaped === id ? plain.headers['cache-control'] : 'no-store');
      }
      const reply = await get(box, `/iiif/3/${escaped}/info.json`);
      assert.equal(reply.status, 200);
      assert.deepEqual(reply.body, info.body, 'with the plain identifier');
      if (escaped !== id) assert.equal(reply.headers['cache-control'], 'no-store');
      const redirect = await get(box, `/iiif/3/${escaped}`);
      assert.equal(redirect.status, 303);
      assert.equal(redirect.headers.location, `${box.delivery}/iiif/3/${id}/info.json`);
    }
    assert.match((await get(box, `/iiif/3/${id}/${tail}`)).headers['cache-control'], /immutable/);
  });

  it('names_the_query_that_it_does_not_take', async () => {
    for (const path of [`/iiif/3/${id}`, `/iiif/3/${id}/info.json`, `/iiif/3/${id}/full/320,/0/default.jpg`]) {
      const wanted = (await get(box, path)).status;
      for (const [query, subject] of [['v=1', 'v'], ['t', 't'], ['w=300&dpr=2', 'w'], ['%3Cb%3E=1', '%3Cb%3E'], ['=', 'query']]) {
        const reply = await get(box, `${path}?${query}`);
        assert.equal(reply.status, 400, query);
        assert.equal(reply.headers['cache-control'], 'no-store');
        assert.equal(JSON.parse(reply.body).subject, subject);
      }
      assert.equal((await get(box, `${path}?`)).status, wanted);
    }
  });

  it('refuses_what_the_specification_calls_an_error', async () => {
    const bad = {
      region: ['none/max/0/default.jpg', '0,0,0,10/max/0/default.jpg', '1000,0,10,10/max/0/default.jpg', 'pct:0,100,5,5/max/0/default.jpg', '1.5,0,3,3/max/0/default.jpg'],
      size: ['full/full/0/default.jpg', 'full/0,/0/default.jpg', 'full/1001,/0/default.jpg', 'full/,801/0/default.jpg', 'full/pct:101/0/default.jpg',
        'full/1001,10/0/default.jpg', 'full/^8193,/0/default.jpg', 'full/^8192,8192/0/default.jpg', '0,0,1000,1/100,/0/default.jpg'],
      rotation: ['full/max/22.5/default.jpg', 'full/max/361/default.jpg', 'full/max/-90/default.jpg'],
      quality: ['full/max/0/bitonal.jpg', 'full/max/0/native.jpg'],
      format: ['full/max/0/default.tif', 'full/max/0/default.jpeg', 'full/max/0/default'],
      path: ['full/max/0', 'full/max/0/default.jpg/', 'full/%zz/0/default.jpg'],
    };
    for (const [subject, tails] of Object.entries(bad)) {
      for (const tail of tails) {
        const reply = await get(box, `/iiif/3/${id}/${tail}`);
        assert.equal(reply.status, 400, tail);
        assert.equal(reply.headers['content-type'], 'application/problem+json');
        assert.equal(reply.headers['cache-control'], 'no-store');
        assert.equal(JSON.parse(reply.body).subject, subject, tail);
      }
    }
    const nothing = ['/iiif/3/', '/iiif/2/x/info.json', `/iiif/2/${id}/info.json`, '/iiif/3/a/b/full/max/0/default.jpg', '/iiif/3/%5Bfrob%5D/info.json',
      `/iiif/3/${'B'.repeat(42)}A/info.json`, `/iiif/3/${'B'.repeat(42)}A/full/max/0/default.jpg`, `/iiif/3/%25${id.charCodeAt(0).toString(16)}${id.slice(1)}/info.json`,
      `/iiif/3/${id}%2Finfo.json`, `/iiif%2F3/${id}/info.json`, `/iiif/3/${id}%00/info.json`];
    for (const path of nothing) assert.equal((await get(box, path)).status, 404, path);
  });
});

describe('IIIF where not everything goes unsigned', () => {
  const key = 'secret-key', salt = 'tenant-a';
  let box, id, folder;
  const signed = (exp = 0) => {
    const message = `${salt}/iiif/3/${id}${exp ? `?exp=${exp}` : ''}`;
    return `${id}.${exp}.${createHmac('sha256', key).update(message).digest('base64url')}`;
  };
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-iiif-'));
    const config = join(folder, 'pixpop.conf');
    writeFileSync(config, `[tenant default]\nsign_keys = ${key}:${salt}\n`);
    box = await startBox({ policy: 'default', config });
    id = await box.put(picture(), 'cells.ppm');
  });
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await box.finish();
  });

  it('opens_every_request_for_the_picture_by_its_signed_identifier', async () => {
    for (const identifier of [signed(), signed(1893456000)]) {
      const info = JSON.parse((await get(box, `/iiif/3/${identifier}/info.json`)).body);
      assert.equal(info.id, `${box.delivery}/iiif/3/${identifier}`);
      assert.equal((await get(box, `/iiif/3/${identifier}/512,0,488,512/488,512/0/default.webp`)).status, 200);
      assert.equal((await get(box, `/iiif/3/${identifier}/pct:1,2,50,50/!77,77/!90/gray.png`)).status, 200);
    }
    const reply = await get(box, `/iiif/3/${signed(1893456000)}/full/500,/0/default.webp`);
    assert.doesNotMatch(reply.headers['cache-control'], /immutable/);
  });

  it('lets_only_ladder_widths_of_the_whole_picture_through_without', async () => {
    assert.equal((await get(box, `/iiif/3/${id}/info.json`)).status, 200);
    assert.equal((await get(box, `/iiif/3/${id}/full/max/0/default.jpg`)).status, 200);
    assert.equal((await get(box, `/iiif/3/${id}/full/640,/0/default.webp`)).status, 200);
    for (const tail of ['full/641,/0/default.webp', '0,0,640,640/640,/0/default.webp', 'full/640,/90/default.webp', 'full/640,/0/gray.webp', 'full/^max/0/default.jpg']) {
      const reply = await get(box, `/iiif/3/${id}/${tail}`);
      assert.equal(reply.status, 403, tail);
      assert.match(JSON.parse(reply.body).detail, /\{id\}\.\{exp\}\.\{sig\}/);
    }
  });

  it('refuses_wrong_and_past_signatures_however_they_are_written', async () => {
    const good = signed(), [, , signature] = good.split('.');
    const other = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
    const tail = '/full/641,/0/default.webp';
    assert.equal((await get(box, `/iiif/3/${good}${tail}`)).status, 200);
    assert.equal((await get(box, `/iiif/3/${id}.0.${other}${tail}`)).status, 403);
    assert.equal((await get(box, `/iiif/3/${id}.0.${other}/full/640,/0/default.webp`)).status, 403); // a wrong one is never ignored
    assert.equal((await get(box, `/iiif/3/${id}.1893456000.${signature}${tail}`)).status, 403); // of another expiry
    assert.equal((await get(box, `/iiif/3/${signed(1500000000)}${tail}`)).status, 410);
    // What is signed is the identifier without escapes.
    for (const escaped of [good.replaceAll('.', '%2E'), good.replace('.', '%2e'), good.replace(signature[0], `%${signature.charCodeAt(0).toString(16)}`)]) {
      assert.equal((await get(box, `/iiif/3/${escaped}${tail}`)).status, 200, escaped);
      assert.equal(JSON.parse((await get(box, `/iiif/3/${escaped}/info.json`)).body).id, `${box.delivery}/iiif/3/${good}`);
    }
    assert.equal((await get(box, `/iiif/3/${id}%2E0.${other}${tail}`)).status, 403);
    const escapedId = `%${id.charCodeAt(0).toString(16)}${id.slice(1)}`;
    const ofEscaped = createHmac('sha256', key).update(`${salt}/iiif/3/${escapedId}`).digest('base64url');
    assert.equal((await get(box, `/iiif/3/${escapedId}.0.${signature}${tail}`)).status, 200);
    assert.equal((await get(box, `/iiif/3/${escapedId}.0.${ofEscaped}${tail}`)).status, 403);
    assert.equal((await get(box, `/iiif/3/${escapedId}${tail}`)).status, 403);
  });
});

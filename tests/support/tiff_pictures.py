"""TIFFs of every kind for make_pictures.py: written by hand, so that what they hold is known without libtiff, and packed
anew by libtiff's own tools where a compression or a layout is what matters."""
import os
import struct
import subprocess

SHORT, LONG = 3, 4
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, ORIENTATION = 256, 257, 258, 259, 262, 273, 274
SAMPLES, ROWS, COUNTS, PLANAR, PALETTE, EXTRA, FORMAT = 277, 278, 279, 284, 320, 338, 339
YCBCR_SUBSAMPLING, REFERENCE, ICC, DNG = 530, 532, 34675, 50706
INVERTED, GREY, RGB, INDEXED, SEPARATED, YCBCR, LAB, CFA = 0, 1, 2, 3, 5, 6, 8, 32803
PREMULTIPLIED, STRAIGHT = 1, 2


def pack(values, bits, order):
    if bits in (8, 16, 32):
        return b''.join(v.to_bytes(bits // 8, order) for v in values)
    text = ''.join(format(v, f'0{bits}b') for v in values)
    text += '0' * (-len(text) % 8)
    return bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))


def tiff(rows, bits, photometric, order='little', strip_rows=7, separate=False, tags=None, strips=None, samples=None):
    """`rows` of pixels, each a tuple of samples; `tags`: {tag: (type, values)}. The directory comes before the pixels."""
    mark = '<' if order == 'little' else '>'
    width, height = len(rows[0]), len(rows)
    samples = samples or len(rows[0][0])
    if strips is None:
        planes = [[[(p[c],) for p in row] for row in rows] for c in range(samples)] if separate else [rows]
        strips = [b''.join(pack([v for p in row for v in p], bits, order) for row in plane[i:i + strip_rows])
                  for plane in planes for i in range(0, height, strip_rows)]
    fields = {WIDTH: (LONG, [width]), HEIGHT: (LONG, [height]), BITS: (SHORT, [bits] * samples), COMPRESSION: (SHORT, [1]),
              PHOTOMETRIC: (SHORT, [photometric]), SAMPLES: (SHORT, [samples]), ROWS: (LONG, [strip_rows]),
              PLANAR: (SHORT, [2 if separate else 1]), OFFSETS: (LONG, [0] * len(strips)),
              COUNTS: (LONG, [len(s) for s in strips]), **(tags or {})}

    def encoded(kind, values):
        if isinstance(values, bytes):
            return values
        if kind == 5:
            return b''.join(struct.pack(mark + 'II', v, 1) for v in values)
        return b''.join(struct.pack(mark + ('H' if kind == SHORT else 'I'), v) for v in values)

    def directory(offsets):
        fields[OFFSETS] = (LONG, offsets)
        table, extra, at = b'', b'', 8 + 2 + 12 * len(fields) + 4
        for tag in sorted(fields):
            kind, values = fields[tag]
            data = encoded(kind, values)
            field = data.ljust(4, b'\0')
            if len(data) > 4:
                field = struct.pack(mark + 'I', at + len(extra))
                extra += data + b'\0' * (len(data) % 2)
            table += struct.pack(mark + 'HHI', tag, kind, len(values)) + field
        return struct.pack(mark + 'H', len(fields)) + table + b'\0\0\0\0' + extra

    first = 8 + len(directory([0] * len(strips)))
    places = [first + sum(len(s) for s in strips[:i]) for i in range(len(strips))]
    head = (b'II' if order == 'little' else b'MM') + struct.pack(mark + 'HI', 42, 8)
    return head + directory(places) + b''.join(strips)


def scaled(value, bits):
    """A sample of `bits` for 0..255, with something below it that 8 bits do not show."""
    top = (1 << bits) - 1
    return min(top, (value * top * 2 + 255) // 510)


def narrowed(value, bits):
    top = (1 << bits) - 1
    return (value * 255 + top // 2) // top


def ycc(pixel):
    r, g, b = pixel[:3]
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return tuple(min(255, max(0, round(v))) for v in (y, 128 + (b - y) / 1.772, 128 + (r - y) / 1.402))


def rgb_of_ycc(y, u, v):
    u, v = u - 128, v - 128
    return tuple(min(255, max(0, round(c))) for c in (y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u))


def integers(kit):
    grid, sample, flat = kit.grid, kit.sample, kit.flat
    for order in ('little', 'big'):
        tag = '_be' if order == 'big' else ''
        for bits in (1, 2, 4, 6, 8, 12, 16, 32) if order == 'little' else (16, 32):
            grey = grid(lambda x, y: (scaled(sample(x, y)[0], bits),))
            witness = grid(lambda x, y: (narrowed(grey[y][x][0], bits),) * 3 + (255,))
            kit.add(f'grey{bits}{tag}.tif', tiff(grey, bits, GREY, order), flat(witness), 0, 'tiff', colour='grey', bits=min(bits, 16))
        for bits in (4, 8, 12, 16, 32) if order == 'little' else (8, 16):
            rgb = grid(lambda x, y: tuple(scaled(v, bits) for v in sample(x, y)[:3]))
            witness = flat(grid(lambda x, y: tuple(narrowed(v, bits) for v in rgb[y][x]) + (255,)))
            kit.add(f'rgb{bits}{tag}.tif', tiff(rgb, bits, RGB, order), witness, 0, 'tiff', bits=min(bits, 16))
            kit.add(f'rgb{bits}_planes{tag}.tif', tiff(rgb, bits, RGB, order, separate=True), witness, 0, 'tiff', bits=min(bits, 16))
    inverted = grid(lambda x, y: (255 - sample(x, y)[0],))
    kit.add('inverted8.tif', tiff(inverted, 8, INVERTED), flat(grid(lambda x, y: (sample(x, y)[0],) * 3 + (255,))), 0, 'tiff',
            colour='grey')
    one = grid(lambda x, y: ((x + y) % 2,))
    kit.add('inverted1.tif', tiff(one, 1, INVERTED), flat(grid(lambda x, y: (255 * ((x + y + 1) % 2),) * 3 + (255,))), 0, 'tiff',
            colour='grey', bits=1)
    kit.add('one.tif', tiff([[(1, 2, 3)]], 8, RGB), bytes((1, 2, 3, 255)), 0, 'tiff', size=(1, 1))
    opaque = flat(grid(lambda x, y: sample(x, y)[:3] + (255,)))
    rgb = grid(lambda x, y: sample(x, y)[:3])
    for orientation in (2, 3, 4, 5, 6, 7, 8):
        data = tiff(rgb, 8, RGB, tags={ORIENTATION: (SHORT, [orientation])})
        kit.add(f'turned{orientation}.tif', data, opaque, 0, 'tiff', orientation=orientation)


def palettes(kit):
    grid, flat = kit.grid, kit.flat
    for bits in (1, 2, 4, 8):
        top = (1 << bits) - 1
        rows = grid(lambda x, y: ((x * 3 + y) & top,))
        entries = [[(i * 40503 + c * 21845) % 65536 for i in range(top + 1)] for c in range(3)]
        witness = grid(lambda x, y: tuple(kit.narrow(entries[c][rows[y][x][0]]) for c in range(3)) + (255,))
        data = tiff(rows, bits, INDEXED, tags={PALETTE: (SHORT, entries[0] + entries[1] + entries[2])})
        kit.add(f'palette{bits}.tif', data, flat(witness), 0, 'tiff', colour='palette')
    entries = [[(i * 7 + c * 85) % 256 for i in range(256)] for c in range(3)]
    rows = grid(lambda x, y: ((x * 5 + y) % 256,))
    data = tiff(rows, 8, INDEXED, tags={PALETTE: (SHORT, entries[0] + entries[1] + entries[2])})
    kit.add('palette_narrow.tif', data, flat(grid(lambda x, y: tuple(e[rows[y][x][0]] for e in entries) + (255,))), 0, 'tiff',
            colour='palette')


def alphas(kit):
    grid, sample, flat = kit.grid, kit.sample, kit.flat
    rgba = grid(sample)
    kit.add('rgba8.tif', tiff(rgba, 8, RGB, tags={EXTRA: (SHORT, [STRAIGHT])}), flat(rgba), 0, 'tiff', alpha=1)
    kit.add('rgba8_planes.tif', tiff(rgba, 8, RGB, separate=True, tags={EXTRA: (SHORT, [STRAIGHT])}), flat(rgba), 0, 'tiff', alpha=1)
    unused = flat(grid(lambda x, y: sample(x, y)[:3] + (255,)))
    kit.add('rgbx8.tif', tiff(rgba, 8, RGB, tags={EXTRA: (SHORT, [0])}), unused, 0, 'tiff')
    second = grid(lambda x, y: sample(x, y)[:3] + (77, sample(x, y)[3]))
    kit.add('rgb_x_a8.tif', tiff(second, 8, RGB, tags={EXTRA: (SHORT, [0, STRAIGHT])}), flat(rgba), 0, 'tiff', alpha=1)
    for bits, tolerance in ((8, 0), (16, 1)):
        top = (1 << bits) - 1
        alpha = grid(lambda x, y: scaled(sample(x, y)[3], bits))
        tinted = grid(lambda x, y: tuple((scaled(v, bits) * alpha[y][x] + top // 2) // top for v in sample(x, y)[:3]) + (alpha[y][x],))
        straight = grid(lambda x, y: tuple(narrowed(min(top, (v * top + alpha[y][x] // 2) // alpha[y][x]) if alpha[y][x] else 0, bits)
                                           for v in tinted[y][x][:3]) + (narrowed(alpha[y][x], bits),))
        for name, separate in (('', False), ('_planes', True)):
            # Planes are narrowed before they are divided: dark and faint pixels lose what 8 bits do not hold.
            if separate and bits == 16:
                continue
            data = tiff(tinted, bits, RGB, separate=separate, tags={EXTRA: (SHORT, [PREMULTIPLIED])})
            kit.add(f'premultiplied{bits}{name}.tif', data, flat(straight), tolerance, 'tiff', bits=bits, alpha=1)
    pairs = grid(lambda x, y: (sample(x, y)[0], sample(x, y)[3]))
    kit.add('grey_alpha8.tif', tiff(pairs, 8, GREY, tags={EXTRA: (SHORT, [STRAIGHT])}),
            flat(grid(lambda x, y: (pairs[y][x][0],) * 3 + (pairs[y][x][1],))), 0, 'tiff', colour='grey', alpha=1)


def colours(kit):
    grid, sample, flat = kit.grid, kit.sample, kit.flat
    cmyk = grid(lambda x, y: sample(x, y)[:3] + (255 - sample(x, y)[3] // 2 - 128,))
    plain = b''.join(kit.plain_cmyk(p) for row in cmyk for p in row)
    for name, separate in (('', False), ('_planes', True)):
        kit.add(f'cmyk8{name}.tif', tiff(cmyk, 8, SEPARATED, separate=separate), plain, 1, 'tiff', colour='cmyk')
    wide = grid(lambda x, y: tuple(v * 257 for v in cmyk[y][x]))
    kit.add('cmyk16.tif', tiff(wide, 16, SEPARATED), plain, 1, 'tiff', colour='cmyk', bits=16)
    profile = {ICC: (7, kit.cmyk_icc())}
    for name, ink, grey in (('paper', (0, 0, 0, 0), 255), ('cyan', (255, 0, 0, 0), 119), ('black', (0, 0, 0, 255), 0)):
        data = tiff([[ink] * 16] * 16, 8, SEPARATED, tags=profile)
        kit.add(f'cmyk_icc_{name}.tif', data, bytes((grey, grey, grey, 255)) * 256, 2, 'tiff', colour='cmyk', icc=1, size=(16, 16))
    adobe = {ICC: (7, kit.ADOBE_ICC)}
    rgb = grid(lambda x, y: sample(x, y)[:3])
    witness = flat(grid(lambda x, y: kit.adobe_to_srgb(sample(x, y)) + (255,)))
    kit.add('adobe_rgb_icc.tif', tiff(rgb, 8, RGB, tags=adobe), witness, 1, 'tiff', icc=1)
    kit.add('adobe_rgb_icc_planes.tif', tiff(rgb, 8, RGB, separate=True, tags=adobe), witness, 1, 'tiff', icc=1)
    wide = grid(lambda x, y: tuple(v * 257 for v in sample(x, y)[:3]))
    kit.add('adobe_rgb_icc16.tif', tiff(wide, 16, RGB, tags=adobe), witness, 1, 'tiff', bits=16, icc=1)
    linear = flat(grid(lambda x, y: (round(255 * kit.srgb_encode(sample(x, y)[0] / 255)),) * 3 + (255,)))
    for bits in (8, 16):
        grey = grid(lambda x, y: (sample(x, y)[0] * (257 if bits == 16 else 1),))
        data = tiff(grey, bits, GREY, tags={ICC: (7, kit.LINEAR_GREY_ICC)})
        kit.add(f'linear_grey_icc{bits}.tif', data, linear, 1, 'tiff', colour='grey', bits=bits, icc=1)

    # YCbCr in its own packing: of each 2 x 2 block four Y, then Cb and Cr (TIFF 6.0, section 21).
    strips, shown = [], [[None] * kit.W for _ in range(kit.H)]
    for top in range(0, kit.H, 2):
        strip = b''
        for left in range(0, kit.W, 2):
            cells = [(min(left + i, kit.W - 1), min(top + j, kit.H - 1)) for j in range(2) for i in range(2)]
            values = [ycc(sample(x, y)) for x, y in cells]
            u, v = (round(sum(p[c] for p in values) / 4) for c in (1, 2))
            strip += bytes(p[0] for p in values) + bytes((u, v))
            for (x, y), p in zip(cells, values):
                shown[y][x] = rgb_of_ycc(p[0], u, v) + (255,)
        strips.append(strip)
    data = tiff(rgb, 8, YCBCR, strip_rows=2, strips=strips,
                tags={YCBCR_SUBSAMPLING: (SHORT, [2, 2]), REFERENCE: (5, [0, 255, 128, 255, 128, 255])})
    kit.add('ycbcr420.tif', data, flat(shown), 2, 'tiff')


def libtiff(kit, source, *options, tool='tiffcp'):
    path = os.path.join(kit.FOLDER, 'in.tmp.tif')
    packed = os.path.join(kit.FOLDER, 'out.tmp.tif')
    with open(path, 'wb') as file:
        file.write(source)
    subprocess.run([tool, *options, path, packed], check=True, stderr=subprocess.DEVNULL)
    with open(packed, 'rb') as file:
        data = file.read()
    os.remove(path)
    os.remove(packed)
    return data


def layouts(kit):
    grid, sample, flat = kit.grid, kit.sample, kit.flat
    rgb = tiff(grid(lambda x, y: sample(x, y)[:3]), 8, RGB)
    opaque = flat(grid(lambda x, y: sample(x, y)[:3] + (255,)))
    tiles = ('-t', '-w', '16', '-l', '16')
    for name, options in (('lzw', ('-c', 'lzw')), ('lzw_predicted', ('-c', 'lzw:2')), ('zip', ('-c', 'zip:2')),
                          ('packbits', ('-c', 'packbits')), ('zstd', ('-c', 'zstd')), ('lzma', ('-c', 'lzma')), ('big', ('-8',)),
                          ('tiles', tiles), ('tiles_zip', ('-c', 'zip:2', *tiles)), ('tiles_planes', ('-p', 'separate', *tiles)),
                          ('one_strip', ('-r', '10000')), ('planes_lzw', ('-c', 'lzw', '-p', 'separate')), ('swapped', ('-B',)),
                          ('bits_swapped', ('-f', 'lsb2msb', '-c', 'packbits'))):
        kit.add(f'packed_{name}.tif', libtiff(kit, rgb, *options), opaque, 0, 'tiff')
    wide = grid(lambda x, y: tuple(v * 257 for v in sample(x, y)[:3]))
    kit.add('packed_tiles16.tif', libtiff(kit, tiff(wide, 16, RGB), '-c', 'zip:2', *tiles), opaque, 0, 'tiff', bits=16)
    one = tiff(grid(lambda x, y: ((x * y) % 3 == 0,)), 1, INVERTED)
    black = flat(grid(lambda x, y: (0 if (x * y) % 3 == 0 else 255,) * 3 + (255,)))
    for name in ('g3:1d', 'g3:2d', 'g4'):
        kit.add(f'fax_{name.replace(":", "")}.tif', libtiff(kit, one, '-c', name), black, 0, 'tiff', colour='grey', bits=1)
    # libjpeg through Pillow and through libtiff: the same pictures.
    for name, options in (('jpeg', ('-r', '16', '-c', 'jpeg:90')), ('jpeg_rgb', ('-r', '16', '-c', 'jpeg:r:90')), ('tiles_jpeg', ('-c', 'jpeg:90', *tiles))):
        data = libtiff(kit, rgb, *options)
        kit.add(f'packed_{name}.tif', data, kit.rgba_of(data), 2, 'tiff')
    first, second = kit.pil_rgb(), kit.pil_rgb().rotate(180)
    data = kit.saved(first, 'TIFF', save_all=True, append_images=[second], compression='tiff_lzw')
    kit.add('pages.tif', data, first.convert('RGBA').tobytes(), 0, 'tiff')


def refused(kit):
    grid, sample = kit.grid, kit.sample
    rgb = grid(lambda x, y: sample(x, y)[:3])
    grey = grid(lambda x, y: (sample(x, y)[0],))
    kit.refuse('float.tif', tiff(grid(lambda x, y: (sample(x, y)[0],)), 32, GREY, tags={FORMAT: (SHORT, [3])}))
    kit.refuse('signed.tif', tiff(grey, 8, GREY, tags={FORMAT: (SHORT, [2])}))
    kit.refuse('dng.tif', tiff(rgb, 8, RGB, tags={DNG: (1, bytes((1, 4, 0, 0)))}))
    kit.refuse('camera_raw.tif', tiff(grey, 8, CFA))
    kit.refuse('unknown_compression.tif', tiff(rgb, 8, RGB, tags={COMPRESSION: (SHORT, [60000])}))
    kit.refuse('hexachrome.tif', tiff(grid(lambda x, y: sample(x, y) * 2), 8, SEPARATED, samples=8, tags={332: (SHORT, [2])}))
    kit.refuse('huge_tile.tif', tiff(rgb, 8, RGB, tags={322: (LONG, [1 << 20]), 323: (LONG, [1 << 20]), 324: (LONG, [200]),
                                                     325: (LONG, [64])}))
    kit.refuse('too_many_strips.tif', tiff([[(0, 0, 0)]], 8, RGB, tags={HEIGHT: (LONG, [50000]), ROWS: (LONG, [1])}))


def make(kit):
    for part in (integers, palettes, alphas, colours, layouts, refused):
        part(kit)

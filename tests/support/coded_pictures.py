"""AVIF by avifenc and HEIC by heif-enc, for make_pictures.py; what those tools can not write (grids, rotations, crops,
auxiliary pictures) is composed from their pictures by heif_boxes.py. Witnesses are the sources, not the files."""
import math
import os
import subprocess

from PIL import Image

import heif_boxes as heif

W, H = 150, 110


def source(width=W, height=H, alpha=False, seed=0):
    """Smooth in colour, so that chroma at half the size loses little, and nowhere the same when turned."""
    picture = Image.new('RGBA', (width, height))
    picture.putdata([(20 + (x * 200 + seed) // width, 230 - y * 200 // height, 60 + (x + 2 * y) * 120 // (width + 2 * height),
                      255 if not alpha else 40 + (x * y) * 200 // (width * height)) for y in range(height) for x in range(width)])
    return picture


def tool(*command, **options):
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def through(kit, command, pictures, suffix):
    """Runs command(inputs, output) on PNGs of `pictures`; returns the output's bytes."""
    names = [os.path.join(kit.FOLDER, f'in{i}.tmp.png') for i in range(len(pictures))]
    out = os.path.join(kit.FOLDER, f'out.tmp.{suffix}')
    for name, picture in zip(names, pictures):
        picture.save(name, icc_profile=picture.info.get('icc_profile'))
    tool(*command(names, out))
    with open(out, 'rb') as file:
        data = file.read()
    for name in names + [out]:
        os.remove(name)
    return data


def avifenc(kit, pictures, *options):
    return through(kit, lambda names, out: ['avifenc', '-s', '8', '-j', '1', *options, *names, out], pictures, 'avif')


def heif_enc(kit, picture, *options):
    return through(kit, lambda names, out: ['heif-enc', *options, names[0], '-o', out], [picture], 'heic')


# Of the planes: BT.601 rounds them.
LOSSLESS = ('-L', '-p', 'chroma=444')
ROUNDED = 2
EXACT = ('--lossless',)


def rgb(picture):
    return picture.convert('RGB')


def pale(picture):
    """Colours that stay inside of sRGB: a conversion multiplies what rounding has done to those outside."""
    return Image.blend(rgb(picture).convert('L').convert('RGB'), rgb(picture), 0.2)


def linear(value):
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


# Linear R, G and B of Display P3 and BT.2020 to linear sRGB (all with white D65).
P3 = ((1.2249402, -0.2249402, 0), (-0.0420570, 1.0420570, 0), (-0.0196376, -0.0786361, 1.0982736))
BT2020 = ((1.6604910, -0.5876411, -0.0728499), (-0.1245505, 1.1328999, -0.0083494), (-0.0181508, -0.1005789, 1.1187297))


def shown(kit, picture, matrix, curve):
    def pixel(p):
        light = [curve(v / 255) for v in p[:3]]
        return tuple(round(255 * kit.srgb_encode(sum(m * v for m, v in zip(row, light)))) for row in matrix) + (255,)
    return b''.join(bytes(pixel(p)) for p in picture.getdata())


def pq(value):
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = value ** (1 / m2)
    return (max(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * 10000 / 203


def shown_hlg(kit, picture):
    """On a display of 1000 cd/m2 (ITU-R BT.2100), relative to diffuse white."""
    def scene(v):
        return v * v / 3 if v <= 0.5 else (math.exp((v - 0.55991073) / 0.17883277) + 0.28466892) / 12

    def pixel(p):
        light = [scene(v / 255) for v in p[:3]]
        luminance = 0.2627 * light[0] + 0.6780 * light[1] + 0.0593 * light[2]
        light = [v * luminance ** 0.2 * 1000 / 203 for v in light]
        return tuple(round(255 * kit.srgb_encode(sum(m * v for m, v in zip(row, light)))) for row in BT2020) + (255,)
    return b''.join(bytes(pixel(p)) for p in picture.getdata())


def avifs(kit):
    picture, faint = source(), source(alpha=True)
    size, opaque = (W, H), source().tobytes()

    def add(name, data, witness=opaque, tolerance=0, **facts):
        kit.add(name + '.avif', data, witness, tolerance, 'avif', **{'size': size, **facts})

    add('lossless', avifenc(kit, [rgb(picture)], *EXACT))
    add('lossless10', avifenc(kit, [rgb(picture)], '-d', '10', '--min', '0', '--max', '0', '-y', '444', '--cicp', '1/13/0', '-r', 'full'),
        tolerance=1, bits=10)
    for name, options in (('420', ('-y', '420')), ('422', ('-y', '422')), ('444', ('-y', '444')),
                          ('420_limited', ('-y', '420', '-r', 'limited')), ('444_limited', ('-y', '444', '-r', 'limited')),
                          ('420_bt709', ('-y', '420', '--cicp', '1/13/1')), ('420_10', ('-y', '420', '-d', '10')),
                          ('420_12', ('-y', '420', '-d', '12')), ('444_10_limited', ('-y', '444', '-d', '10', '-r', 'limited'))):
        bits = 10 if '_10' in name else 12 if '_12' in name else 8
        add(name, avifenc(kit, [rgb(picture)], '--min', '0', '--max', '4', *options), tolerance=5, bits=bits)
    grey = rgb(picture).convert('L')
    add('grey', avifenc(kit, [grey], '-y', '400', '--min', '0', '--max', '0'), grey.convert('RGBA').tobytes(), 2, colour='grey')
    add('alpha', avifenc(kit, [faint], *EXACT), faint.tobytes(), alpha=1)
    add('alpha_420', avifenc(kit, [faint], '-y', '420', '--min', '0', '--max', '4', '--minalpha', '0', '--maxalpha', '0'),
        faint.tobytes(), 5, alpha=1)
    add('premultiplied', avifenc(kit, [faint], '-y', '444', '--min', '0', '--max', '0', '--minalpha', '0', '--maxalpha', '0', '--premultiply'),
        faint.tobytes(), 12, alpha=1)
    # Counter-clockwise quarters, then the mirror; told as EXIF tells them.
    for name, options, orientation in (('irot1', ('--irot', '1'), 8), ('irot2', ('--irot', '2'), 3), ('irot3', ('--irot', '3'), 6),
                                       ('imir0', ('--imir', '0'), 4), ('imir1', ('--imir', '1'), 2),
                                       ('irot1_imir0', ('--irot', '1', '--imir', '0'), 5),
                                       ('irot1_imir1', ('--irot', '1', '--imir', '1'), 7)):
        add(name, avifenc(kit, [rgb(picture)], *EXACT, *options), orientation=orientation)
    cut = picture.crop((10, 20, 10 + 60, 20 + 40))
    add('clap', avifenc(kit, [rgb(picture)], *EXACT, '--crop', '10,20,60,40'), cut.tobytes(), size=(60, 40))
    add('clap_420', avifenc(kit, [rgb(picture)], '-y', '420', '--min', '0', '--max', '4', '--crop', '10,20,60,40', '--irot', '3'),
        cut.tobytes(), 5, size=(60, 40), orientation=6)
    cells = [rgb(source(64, 64, seed=i * 40)) for i in range(4)]
    whole = Image.new('RGB', (128, 128))
    for i, cell in enumerate(cells):
        whole.paste(cell, (i % 2 * 64, i // 2 * 64))
    add('grid', avifenc(kit, cells, *EXACT, '--grid', '2x2'), whole.convert('RGBA').tobytes(), size=(128, 128))
    add('animated', avifenc(kit, [rgb(picture), rgb(picture.rotate(180))], *EXACT), alpha=1)
    tagged = rgb(picture)
    tagged.info['icc_profile'] = kit.ADOBE_ICC
    adobe = b''.join(bytes(kit.adobe_to_srgb(p) + (255,)) for p in rgb(picture).getdata())
    add('adobe_rgb_icc', avifenc(kit, [tagged], *EXACT), adobe, 2, icc=1)
    add('p3', avifenc(kit, [rgb(picture)], '--min', '0', '--max', '0', '-y', '444', '--cicp', '12/13/0'), shown(kit, picture, P3, linear), 2)
    add('bt2020', avifenc(kit, [rgb(picture)], '-d', '10', '--min', '0', '--max', '0', '-y', '444', '--cicp', '9/14/0'),
        shown(kit, picture, BT2020, linear), 3, bits=10)
    # Of HDR only what is not brighter than white, and little of it: elsewhere rounding shows.
    dim = pale(picture).point(lambda v: 90 + v * 50 // 255)
    for name, transfer, curve in (('pq', 16, pq), ('hlg', 18, None)):
        data = avifenc(kit, [dim], '-d', '10', '--min', '0', '--max', '0', '-y', '444', '--cicp', f'9/{transfer}/0')
        add(name, data, shown(kit, dim, BT2020, curve) if curve else shown_hlg(kit, dim), 4, bits=10)


def tile(kit, picture, *options):
    return heif.coded_picture(heif_enc(kit, rgb(picture), *options))


def exif_item(kit, orientation):
    return b'\0\0\0\6' + kit.exif(orientation)


def heics(kit):
    picture, faint = source(), source(alpha=True)
    opaque = picture.tobytes()

    def add(name, data, witness=opaque, tolerance=0, **facts):
        kit.add(name + '.heic', data, witness, tolerance, 'heic', **{'size': (W, H), **facts})

    add('lossless', heif_enc(kit, rgb(picture), *LOSSLESS), tolerance=ROUNDED)
    for name, options in (('420', ('-q', '97', '-p', 'chroma=420')), ('420_fine', ('-L', '-p', 'chroma=420')),
                          ('420_bt709', ('-q', '97', '-p', 'chroma=420', '--matrix_coefficients=1'))):
        add(name, heif_enc(kit, rgb(picture), *options), tolerance=6)
    add('grey', heif_enc(kit, rgb(picture).convert('L'), '-L'), rgb(picture).convert('L').convert('RGBA').tobytes(), 2, colour='grey')
    add('alpha', heif_enc(kit, faint, '-L', '-p', 'chroma=444'), faint.tobytes(), 4, alpha=1)
    tagged = pale(picture)
    tagged.info['icc_profile'] = kit.ADOBE_ICC
    adobe = b''.join(bytes(kit.adobe_to_srgb(p) + (255,)) for p in pale(picture).getdata())
    add('adobe_rgb_icc', heif_enc(kit, tagged, *LOSSLESS), adobe, 4, icc=1)

    config, coded = tile(kit, picture, *LOSSLESS)
    whole = [heif.hvcc(config), heif.ispe(W, H)]

    def single(name, *properties, orientation=1, witness=opaque, tolerance=ROUNDED, exif=None, **facts):
        file = heif.Heif()
        # In front of the picture, so that nothing can be cut off behind it.
        block = file.add(b'Exif', exif_item(kit, exif)) if exif else None
        image = file.add(b'hvc1', coded, whole + list(properties), primary=True)
        if exif:
            file.refer(b'cdsc', block, [image])
        add(name, file.encode(), witness, tolerance, orientation=orientation, **facts)

    for quarters, orientation in ((1, 8), (2, 3), (3, 6)):
        single(f'irot{quarters}', heif.irot(quarters), orientation=orientation)
    single('imir0', heif.imir(0), orientation=4)
    single('imir1', heif.imir(1), orientation=2)
    single('irot1_imir0', heif.irot(1), heif.imir(0), orientation=5)
    single('irot1_imir1', heif.irot(1), heif.imir(1), orientation=7)
    single('imir1_irot1', heif.imir(1), heif.irot(1), orientation=5)
    single('exif_alone', exif=6)
    single('exif_and_irot', heif.irot(3), exif=6, orientation=6)
    single('exif_against_irot', heif.irot(1), exif=6, orientation=8)
    cut = picture.crop((11, 21, 11 + 60, 21 + 41)).tobytes()
    single('clap', heif.clap(60, 41, 11, 21, W, H), witness=cut, size=(60, 41))
    single('clap_irot', heif.clap(60, 41, 11, 21, W, H), heif.irot(3), witness=cut, size=(60, 41), orientation=6)
    wide_config, wide = tile(kit, pale(picture), *LOSSLESS)
    file = heif.Heif()
    file.add(b'hvc1', wide, [heif.hvcc(wide_config), heif.ispe(W, H), heif.nclx(12, 13, 6)])
    add('p3', file.encode(), shown(kit, pale(picture), P3, linear), 3)
    phones(kit, add, picture)


def phones(kit, add, picture):
    """Grids, as phones write them: planes at half the size, tiles larger than what the picture takes of them."""
    side, columns, rows = 64, 3, 2
    large = source(side * columns, side * rows)
    for name, options, properties, tolerance in (
            ('grid', LOSSLESS, [heif.nclx(1, 13, 6)], ROUNDED), ('grid_420', ('-q', '97', '-p', 'chroma=420'), [heif.nclx(1, 13, 6)], 6),
            ('grid_420_unsaid', ('-q', '97', '-p', 'chroma=420'), [], 6)):
        file = heif.Heif()
        block = file.add(b'Exif', exif_item(kit, 6))
        tiles = []
        for i in range(rows * columns):
            x, y = i % columns * side, i // columns * side
            config, coded = tile(kit, large.crop((x, y, x + side, y + side)), *options)
            tiles.append(file.add(b'hvc1', coded, [heif.hvcc(config), heif.ispe(side, side)] + properties, hidden=True))
        image = file.add(b'grid', heif.grid(rows, columns, W, H), [heif.ispe(W, H), heif.irot(3)] + properties, primary=True)
        file.refer(b'dimg', image, tiles)
        file.refer(b'cdsc', block, [image])
        add(name, file.encode(), large.crop((0, 0, W, H)).tobytes(), tolerance, orientation=6)
    config, coded = tile(kit, picture, *LOSSLESS)
    file = heif.Heif()
    image = file.add(b'hvc1', coded, [heif.hvcc(config), heif.ispe(W, H)], hidden=True)
    same = file.add(b'iden', b'', [heif.ispe(W, H)], primary=True)
    file.refer(b'dimg', same, [image])
    add('identity', file.encode(), tolerance=ROUNDED)


def refused(kit):
    picture = source()
    config, coded = tile(kit, picture, *LOSSLESS)
    whole = [heif.hvcc(config), heif.ispe(W, H)]

    def save(name, build):
        file = heif.Heif()
        build(file)
        kit.refuse(name + '.heic', file.encode())

    def circle(file):
        a = file.add(b'iden', b'', [heif.ispe(W, H)], primary=True)
        b = file.add(b'iden', b'', [heif.ispe(W, H)])
        file.refer(b'dimg', a, [b])
        file.refer(b'dimg', b, [a])

    def grid_of_itself(file):
        a = file.add(b'grid', heif.grid(1, 1, W, H), [heif.ispe(W, H)], primary=True)
        file.refer(b'dimg', a, [a])

    def holes(file):
        t = file.add(b'hvc1', coded, whole, hidden=True)
        a = file.add(b'grid', heif.grid(1, 1, 2 * W, 2 * H), [heif.ispe(2 * W, 2 * H)], primary=True)
        file.refer(b'dimg', a, [t])

    def small_tile(file):
        t = file.add(b'hvc1', coded, [heif.hvcc(config), heif.ispe(2 * W, 2 * H)], hidden=True)
        a = file.add(b'grid', heif.grid(1, 1, 2 * W, 2 * H), [heif.ispe(2 * W, 2 * H)], primary=True)
        file.refer(b'dimg', a, [t])

    save('circle', circle)
    save('grid_of_itself', grid_of_itself)
    save('grid_with_holes', holes)
    save('grid_small_tile', small_tile)
    save('other_size', lambda file: file.add(b'hvc1', coded, [heif.hvcc(config), heif.ispe(W, H - 8)]))
    save('half_coded', lambda file: file.add(b'hvc1', coded[:4] + coded[4:len(coded) // 2], whole))
    save('clap_outside', lambda file: file.add(b'hvc1', coded, whole + [heif.clap(W, H, 20, 20, W, H)]))
    save('no_size', lambda file: file.add(b'hvc1', coded, [heif.hvcc(config)]))
    save('huge', lambda file: file.add(b'hvc1', coded, [heif.hvcc(config), heif.ispe(30000, 30000)]))
    save('other_codec', lambda file: file.add(b'vvc1', coded, [heif.ispe(W, H)]))


def check_outside(kit):
    """What is composed here means the same to libheif's own program: upright, it shows the turned source."""
    turn = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90}
    for line in list(kit.LINES):
        name, tolerance, form, width, height, orientation, *_ = line.split()
        if form != 'heic' or name.startswith(('p3', 'adobe')):
            continue
        out = os.path.join(kit.FOLDER, 'out.tmp.png')
        tool('heif-convert', os.path.join(kit.FOLDER, name), out)
        got = Image.open(out).convert('RGBA')
        with open(os.path.join(kit.FOLDER, name + '.rgba'), 'rb') as file:
            wanted = Image.frombytes('RGBA', (int(width), int(height)), file.read())
        if turn[int(orientation)] is not None:
            wanted = wanted.transpose(turn[int(orientation)])
        worst = max(abs(a - b) for a, b in zip(got.tobytes(), wanted.tobytes()))
        assert got.size == wanted.size and worst <= int(tolerance) + 8, f'{name}: heif-convert sees {got.size}, off by {worst}'
        os.remove(out)


def make(kit):
    avifs(kit)
    heics(kit)
    refused(kit)
    check_outside(kit)

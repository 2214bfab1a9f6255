#!/usr/bin/python3
"""Makes the pictures that the decoder tests read, each with a witness made without our code.

    make_pictures.py FOLDER

Writes FOLDER/NAME and FOLDER/NAME.rgba (the expected 8-bit sRGB pixels, row by row), FOLDER/pictures.txt with one line a
picture: name, tolerance, format, width, height, orientation, colour, bits, alpha, icc; and files that must be refused.
"""
import io
import os
import struct
import sys
import zlib

from PIL import Image

import coded_pictures
import colour_pictures
import tiff_pictures

W, H = 37, 23  # odd, so that no block or byte boundary hides a mistake
FOLDER = sys.argv[1]
LINES = []


# Pixels, all derived from one smooth function so that lossy formats stay close to it.

def sample(x, y):
    return (x * 255 // (W - 1), y * 255 // (H - 1), (x + y) * 255 // (W + H - 2), 255 - (x * y) * 255 // ((W - 1) * (H - 1)))


def grid(function):
    return [[function(x, y) for x in range(W)] for y in range(H)]


def pil_rgb():
    picture = Image.new('RGB', (W, H))
    picture.putdata([sample(x, y)[:3] for y in range(H) for x in range(W)])
    return picture


def pil_rgba():
    picture = Image.new('RGBA', (W, H))
    picture.putdata([sample(x, y) for y in range(H) for x in range(W)])
    return picture


def flat(rows):
    return bytes(v for row in rows for pixel in row for v in pixel)


def rgba_of(data):
    return Image.open(io.BytesIO(data)).convert('RGBA').tobytes()


def add(name, data, witness, tolerance, form, orientation=1, colour='rgb', bits=8, alpha=0, icc=0, size=(W, H)):
    assert len(witness) == size[0] * size[1] * 4, name
    with open(os.path.join(FOLDER, name), 'wb') as file:
        file.write(data)
    with open(os.path.join(FOLDER, name + '.rgba'), 'wb') as file:
        file.write(witness)
    LINES.append(f'{name} {tolerance} {form} {size[0]} {size[1]} {orientation} {colour} {bits} {alpha} {icc}')


def refuse(name, data):
    with open(os.path.join(FOLDER, name), 'wb') as file:
        file.write(data)


def saved(picture, form, **options):
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


# ICC profiles (ICC.1:2001-04), just large enough.

def s15(value):
    return struct.pack('>i', round(value * 65536))


def profile(space, pcs, device_class, tags):
    blocks, table, offset = b'', b'', 128 + 4 + 12 * len(tags)
    for signature, body in tags:
        body += b'\0' * (-len(body) % 4)
        table += signature + struct.pack('>II', offset + len(blocks), len(body))
        blocks += body
    size = offset + len(blocks)
    head = struct.pack('>I4sI4s4s4s12x4s4x24x', size, b'none', 0x02100000, device_class, space, pcs, b'acsp')
    head = head[:68] + s15(0.9642) + s15(1.0) + s15(0.8249)
    return head.ljust(128, b'\0') + struct.pack('>I', len(tags)) + table + blocks


def text(value):
    value = value.encode() + b'\0'
    return b'desc\0\0\0\0' + struct.pack('>I', len(value)) + value + b'\0' * 78


def xyz(values):
    return b'XYZ \0\0\0\0' + b''.join(s15(v) for v in values)


def gamma_curve(gamma):
    return b'curv\0\0\0\0' + struct.pack('>IH', 1, round(gamma * 256)) + b'\0\0'


COMMON = [(b'desc', text('a test')), (b'cprt', b'text\0\0\0\0none\0'), (b'wtpt', xyz((0.9642, 1.0, 0.8249)))]
# Adobe RGB (1998), appendix: primaries adapted to D50, gamma 563/256.
ADOBE_GAMMA = 563 / 256
ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
SRGB = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)]
ADOBE_ICC = profile(b'RGB ', b'XYZ ', b'mntr', COMMON + [
    (b'rXYZ', xyz(ADOBE[0])), (b'gXYZ', xyz(ADOBE[1])), (b'bXYZ', xyz(ADOBE[2])),
    (b'rTRC', gamma_curve(ADOBE_GAMMA)), (b'gTRC', gamma_curve(ADOBE_GAMMA)), (b'bTRC', gamma_curve(ADOBE_GAMMA))])
LINEAR_GREY_ICC = profile(b'GRAY', b'XYZ ', b'mntr', COMMON + [(b'kTRC', gamma_curve(1.0))])


def cmyk_icc():
    """L* = 100 (1 - K)(1 - C/2), neither magenta nor yellow: nothing that the plain formula would give."""
    corners = b''
    for corner in range(16):
        cyan, black = corner >> 3 & 1, corner & 1
        corners += bytes((round(255 * (1 - black) * (1 - cyan / 2)), 128, 128))
    ramp = bytes(range(256))
    matrix = b''.join(s15(v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    lut = b'mft1\0\0\0\0' + bytes((4, 3, 2, 0)) + matrix + ramp * 4 + corners + ramp * 3
    return profile(b'CMYK', b'Lab ', b'prtr', COMMON + [(b'A2B0', lut)])


def srgb_encode(value):
    value = min(max(value, 0.0), 1.0)
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def solve3(m, v):
    """m x = v by Cramer's rule; m is a list of columns."""
    def det(a, b, c):
        return (a[0] * (b[1] * c[2] - b[2] * c[1]) - b[0] * (a[1] * c[2] - a[2] * c[1]) + c[0] * (a[1] * b[2] - a[2] * b[1]))
    whole = det(*m)
    return [det(*[v if i == j else m[j] for j in range(3)]) / whole for i in range(3)]


def adobe_to_srgb(pixel):
    linear = [(v / 255) ** ADOBE_GAMMA for v in pixel[:3]]
    xyz_d50 = [sum(linear[c] * ADOBE[c][i] for c in range(3)) for i in range(3)]
    return tuple(round(255 * srgb_encode(v)) for v in solve3(SRGB, xyz_d50))


# PNG, written by hand for what Pillow can not write: any depth, interlace, extra chunks.

def chunk(kind, data, crc=None):
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', crc)


def pack_row(row, depth):
    values = [v for pixel in row for v in pixel]
    if depth == 16:
        return b''.join(struct.pack('>H', v) for v in values)
    if depth == 8:
        return bytes(values)
    bits = ''.join(format(v, f'0{depth}b') for v in values)
    bits += '0' * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(rows, depth, kind, before=(), after=(), interlaced=False):
    width, height, raw = len(rows[0]), len(rows), b''
    for x0, y0, dx, dy in PASSES if interlaced else [(0, 0, 1, 1)]:
        for y in range(y0, height, dy):
            if len(rows[y][x0::dx]):
                raw += b'\0' + pack_row(rows[y][x0::dx], depth)
    header = struct.pack('>IIBBBBB', width, height, depth, kind, 0, 0, int(interlaced))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + b''.join(before) + chunk(b'IDAT', zlib.compress(raw)) +
            b''.join(after) + chunk(b'IEND', b''))


def iccp(data):
    return chunk(b'iCCP', b'a test\0\0' + zlib.compress(data))


def narrow(value):
    return (value * 255 + 32767) // 65535


def jpegs():
    rgb, grey = pil_rgb(), pil_rgb().convert('L')
    for name, options in (('rgb.jpg', {'subsampling': 0}), ('rgb420.jpg', {'subsampling': 2}), ('rgb422.jpg', {'subsampling': 1}),
                          ('progressive.jpg', {'progressive': True})):
        data = saved(rgb, 'JPEG', quality=92, **options)
        add(name, data, rgba_of(data), 1, 'jpeg')
    data = saved(grey, 'JPEG', quality=92)
    add('grey.jpg', data, rgba_of(data), 1, 'jpeg', colour='grey')
    data = saved(rgb.resize((1, 1)), 'JPEG')
    add('one.jpg', data, rgba_of(data), 1, 'jpeg', size=(1, 1))
    for orientation in range(1, 9):
        data = saved(rgb, 'JPEG', quality=92, exif=exif(orientation))
        add(f'exif{orientation}.jpg', data, rgba_of(data), 1, 'jpeg', orientation=orientation)
    data = saved(rgb, 'JPEG', quality=92, exif=exif(9))
    add('exif9.jpg', data, rgba_of(data), 1, 'jpeg')
    data = saved(rgb, 'JPEG', quality=98, subsampling=0, icc_profile=ADOBE_ICC)
    decoded = Image.open(io.BytesIO(data)).convert('RGB')
    witness = b''.join(bytes(adobe_to_srgb(p) + (255,)) for p in decoded.getdata())
    add('adobe_rgb_icc.jpg', data, witness, 2, 'jpeg', icc=1)
    data = saved(grey, 'JPEG', quality=98, icc_profile=LINEAR_GREY_ICC)
    values = [round(255 * srgb_encode(v / 255)) for v in Image.open(io.BytesIO(data)).getdata()]
    add('linear_grey_icc.jpg', data, b''.join(bytes((v, v, v, 255)) for v in values), 2, 'jpeg', colour='grey', icc=1)
    from PIL import ImageCms
    srgb_icc = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    data = saved(rgb, 'JPEG', quality=92, icc_profile=srgb_icc)
    add('srgb_icc.jpg', data, rgba_of(data), 1, 'jpeg', icc=1)
    data = saved(rgb, 'JPEG', quality=92, icc_profile=b'not a profile at all')
    add('bad_icc.jpg', data, rgba_of(data), 1, 'jpeg', icc=1)
    return data


def plain_cmyk(pixel, flip=0):
    c, m, y, k = (v ^ flip for v in pixel)
    return bytes(((255 - v) * (255 - k) + 127) // 255 for v in (c, m, y)) + b'\xff'


def without_adobe_marker(data):
    at = data.index(b'\xff\xee')
    return data[:at] + data[at + 2 + struct.unpack('>H', data[at + 2:at + 4])[0]:]


def cmyk_jpegs():
    picture = Image.new('CMYK', (W, H))
    picture.putdata([sample(x, y)[:3] + (255 - sample(x, y)[3] // 2 - 128,) for y in range(H) for x in range(W)])
    data = saved(picture, 'JPEG', quality=95)
    pixels = list(Image.open(io.BytesIO(data)).getdata())
    add('cmyk_adobe.jpg', data, b''.join(plain_cmyk(p) for p in pixels), 2, 'jpeg', colour='cmyk')
    # Pillow takes every CMYK JPEG for an inverted one; without Adobe's marker it is not.
    add('cmyk_plain.jpg', without_adobe_marker(data), b''.join(plain_cmyk(p, 255) for p in pixels), 2, 'jpeg', colour='cmyk')
    for name, ink, grey in (('paper', (0, 0, 0, 0), 255), ('cyan', (255, 0, 0, 0), 119), ('black', (0, 0, 0, 255), 0)):
        data = saved(Image.new('CMYK', (16, 16), ink), 'JPEG', quality=100, icc_profile=cmyk_icc())
        add(f'cmyk_icc_{name}.jpg', data, bytes((grey, grey, grey, 255)) * 256, 2, 'jpeg', colour='cmyk', icc=1, size=(16, 16))


def pngs():
    rgb8, rgba8 = grid(lambda x, y: sample(x, y)[:3]), grid(sample)
    opaque = flat(grid(lambda x, y: sample(x, y)[:3] + (255,)))
    exif_block = exif(6)[6:]
    for interlaced in (False, True):
        tag = '_interlaced' if interlaced else ''
        add(f'rgb8{tag}.png', png(rgb8, 8, 2, interlaced=interlaced), opaque, 0, 'png')
        add(f'rgba8{tag}.png', png(rgba8, 8, 6, interlaced=interlaced), flat(rgba8), 0, 'png', alpha=1)
        wide = grid(lambda x, y: tuple((v * 257 + x * 31 + y * 7) % 65536 for v in sample(x, y)))
        narrowed = grid(lambda x, y: tuple(narrow(v) for v in wide[y][x]))
        add(f'rgba16{tag}.png', png(wide, 16, 6, interlaced=interlaced), flat(narrowed), 0, 'png', bits=16, alpha=1)
        grey16 = grid(lambda x, y: (wide[y][x][0],))
        add(f'grey16{tag}.png', png(grey16, 16, 0, interlaced=interlaced),
            flat(grid(lambda x, y: (narrowed[y][x][0],) * 3 + (255,))), 0, 'png', colour='grey', bits=16)
        for depth in (1, 2, 4, 8):
            top = (1 << depth) - 1
            grey = grid(lambda x, y: ((x + y) * 5 & top,))
            add(f'grey{depth}{tag}.png', png(grey, depth, 0, interlaced=interlaced),
                flat(grid(lambda x, y: (grey[y][x][0] * 255 // top,) * 3 + (255,))), 0, 'png', colour='grey', bits=depth)
            entries = [(i * 16 % 256, 255 - i, i * 7 % 256) for i in range(top + 1)]
            alphas = bytes(i * 40 % 256 for i in range(min(top + 1, 6)))
            palette = [chunk(b'PLTE', bytes(v for e in entries for v in e)), chunk(b'tRNS', alphas)]
            add(f'palette{depth}{tag}.png', png(grey, depth, 3, palette, interlaced=interlaced),
                flat(grid(lambda x, y: entries[grey[y][x][0]] + ((alphas + b'\xff' * 256)[grey[y][x][0]],))), 0, 'png',
                colour='palette', alpha=1)
    key = rgb8[3][5]
    keyed = grid(lambda x, y: rgb8[y][x] + (0 if rgb8[y][x] == key else 255,))
    add('colour_key.png', png(rgb8, 8, 2, [chunk(b'tRNS', struct.pack('>HHH', *key))]), flat(keyed), 0, 'png', alpha=1)
    add('grey_alpha8.png', png(grid(lambda x, y: (sample(x, y)[0], sample(x, y)[3])), 8, 4),
        flat(grid(lambda x, y: (sample(x, y)[0],) * 3 + (sample(x, y)[3],))), 0, 'png', colour='grey', alpha=1)
    add('one.png', png([[(1, 2, 3)]], 8, 2), bytes((1, 2, 3, 255)), 0, 'png', size=(1, 1))
    add('exif_before.png', png(rgb8, 8, 2, [chunk(b'eXIf', exif_block)]), opaque, 0, 'png', orientation=6)
    add('exif_after.png', png(rgb8, 8, 2, (), [chunk(b'eXIf', exif_block)]), opaque, 0, 'png', orientation=6)
    add('exif_bad_crc.png', png(rgb8, 8, 2, [chunk(b'eXIf', exif_block, 1)]), opaque, 0, 'png')
    adobe = flat(grid(lambda x, y: adobe_to_srgb(sample(x, y)) + (sample(x, y)[3],)))
    add('adobe_rgb_icc.png', png(rgba8, 8, 6, [iccp(ADOBE_ICC)]), adobe, 1, 'png', alpha=1, icc=1)
    wide = grid(lambda x, y: tuple(v * 257 for v in sample(x, y)))
    add('adobe_rgb_icc16.png', png(wide, 16, 6, [iccp(ADOBE_ICC)]), adobe, 1, 'png', bits=16, alpha=1, icc=1)


def webps():
    rgb, rgba = pil_rgb(), pil_rgba()
    data = saved(rgb, 'WEBP', quality=90)
    add('lossy.webp', data, rgba_of(data), 1, 'webp')
    data = saved(rgba, 'WEBP', quality=90)
    add('lossy_alpha.webp', data, rgba_of(data), 1, 'webp', alpha=1)
    data = saved(rgba, 'WEBP', lossless=True, exact=True)
    add('lossless_alpha.webp', data, rgba.tobytes(), 0, 'webp', alpha=1)
    data = saved(rgb, 'WEBP', lossless=True, exif=exif(8))
    add('exif8.webp', data, rgba_of(data), 0, 'webp', orientation=8)
    data = saved(rgb, 'WEBP', lossless=True, icc_profile=ADOBE_ICC)
    add('adobe_rgb_icc.webp', data, flat(grid(lambda x, y: adobe_to_srgb(sample(x, y)) + (255,))), 1, 'webp', icc=1)
    frames = [rgb, rgb.rotate(180)]
    data = saved(frames[0], 'WEBP', save_all=True, append_images=frames[1:], lossless=True)
    add('animated.webp', data, rgba_of(data), 0, 'webp')


def gifs_and_bmps():
    rgb = pil_rgb()
    palette = rgb.quantize(64)
    data = saved(palette, 'GIF')
    add('plain.gif', data, rgba_of(data), 0, 'gif', colour='palette')
    data = saved(palette, 'GIF', transparency=palette.getpixel((5, 5)), background=3)
    pixels = bytearray(rgba_of(data))
    # What is transparent has no colour: stb_image leaves zeros there.
    for i in range(0, len(pixels), 4):
        if pixels[i + 3] == 0:
            pixels[i:i + 4] = b'\0\0\0\0'
    add('transparent.gif', data, bytes(pixels), 0, 'gif', colour='palette', alpha=1)
    data = saved(palette, 'GIF', save_all=True, append_images=[palette.rotate(180)], duration=100)
    add('animated.gif', data, rgba_of(data), 0, 'gif', colour='palette')
    add('rgb24.bmp', saved(rgb, 'BMP'), rgb.convert('RGBA').tobytes(), 0, 'bmp')
    add('palette8.bmp', saved(palette, 'BMP'), palette.convert('RGBA').tobytes(), 0, 'bmp', colour='palette')
    add('one_bit.bmp', saved(rgb.convert('1'), 'BMP'), rgb.convert('1').convert('RGBA').tobytes(), 0, 'bmp', colour='palette')
    add('rgba32.bmp', saved(pil_rgba(), 'BMP'), pil_rgba().tobytes(), 0, 'bmp', alpha=1)
    bottom_up = saved(rgb, 'BMP')
    rows = bottom_up[54:]
    stride = len(rows) // H
    flipped = b''.join(rows[i * stride:(i + 1) * stride] for i in reversed(range(H)))
    top_down = bottom_up[:22] + struct.pack('<i', -H) + bottom_up[26:54] + flipped
    add('top_down.bmp', top_down, rgb.convert('RGBA').tobytes(), 0, 'bmp')


def tgas():
    rgb, rgba = pil_rgb(), pil_rgba()
    for name, options in (('', {}), ('_rle', {'compression': 'tga_rle'})):
        add(f'rgb{name}.tga', saved(rgb, 'TGA', **options), rgb.convert('RGBA').tobytes(), 0, 'tga')
        add(f'rgba{name}.tga', saved(rgba, 'TGA', **options), rgba.tobytes(), 0, 'tga', alpha=1)
        grey = rgb.convert('L')
        add(f'grey{name}.tga', saved(grey, 'TGA', **options), grey.convert('RGBA').tobytes(), 0, 'tga', colour='grey')
    palette = rgb.quantize(256)
    add('palette.tga', saved(palette, 'TGA'), palette.convert('RGBA').tobytes(), 0, 'tga', colour='palette')


def psds_and_pnms():
    def psd(channels, bits, compression, body):
        return (b'8BPS' + struct.pack('>H6xHIIHH', 1, channels, H, W, bits, 3) + struct.pack('>I', 0) +
                struct.pack('>I', 8) + b'resource' + struct.pack('>I', 0) + struct.pack('>H', compression) + body)
    planes = [[[sample(x, y)[c] for x in range(W)] for y in range(H)] for c in range(3)]
    opaque = flat(grid(lambda x, y: sample(x, y)[:3] + (255,)))
    add('rgb8.psd', psd(3, 8, 0, bytes(v for p in planes for row in p for v in row)), opaque, 0, 'psd')
    packed = [bytes((W - 1,)) + bytes(row) for p in planes for row in p]
    lengths = b''.join(struct.pack('>H', len(row)) for row in packed)
    add('rgb8_rle.psd', psd(3, 8, 1, lengths + b''.join(packed)), opaque, 0, 'psd')
    wide = b''.join(struct.pack('>H', (v * 257 + 100) % 65536) for p in planes for row in p for v in row)
    narrowed = flat(grid(lambda x, y: tuple(narrow((v * 257 + 100) % 65536) for v in sample(x, y)[:3]) + (255,)))
    add('rgb16.psd', psd(3, 16, 0, wide), narrowed, 0, 'psd', bits=16)

    body = bytes(v for y in range(H) for x in range(W) for v in sample(x, y)[:3])
    add('rgb8.ppm', b'P6\n# a comment\n%d %d\n255\n' % (W, H) + body, opaque, 0, 'pnm')
    add('grey100.pgm', b'P5 %d %d 100\n' % (W, H) + bytes(sample(x, y)[0] % 101 for y in range(H) for x in range(W)),
        flat(grid(lambda x, y: ((sample(x, y)[0] % 101 * 255 + 50) // 100,) * 3 + (255,))), 0, 'pnm', colour='grey')
    wide = b''.join(struct.pack('>H', (v * 257 + 100) % 65536) for y in range(H) for x in range(W) for v in sample(x, y)[:3])
    add('rgb16.ppm', b'P6\n%d %d\n65535\n' % (W, H) + wide, narrowed, 0, 'pnm', bits=16)


def refused():
    refuse('text.jpg', b'This is a text file that calls itself a picture.\n' * 40)
    refuse('empty.png', b'')
    header = struct.pack('>IIBBBBB', 50000, 50000, 8, 2, 0, 0, 0)
    refuse('huge_header.png', b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(b'\0' * 99)) +
           chunk(b'IEND', b''))
    deflate = zlib.compressobj(9)
    bomb = b''.join(deflate.compress(b'\0' * (1 << 20)) for _ in range(256)) + deflate.flush()
    small = struct.pack('>IIBBBBB', 16, 16, 8, 2, 0, 0, 0)
    start = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', small)
    pixels = chunk(b'IDAT', zlib.compress(b'\0' * (16 * 49)))
    refuse('bomb_idat.png', start + chunk(b'IDAT', bomb) + chunk(b'IEND', b''))
    refuse('bomb_iccp.png', start + chunk(b'iCCP', b'bomb\0\0' + bomb) + pixels + chunk(b'IEND', b''))
    refuse('bomb_text.png', start + chunk(b'zTXt', b'bomb\0\0' + bomb) + pixels + chunk(b'IEND', b''))
    bad = bytearray(png(grid(lambda x, y: sample(x, y)[:3]), 8, 2))
    at = bad.index(b'IDAT')
    bad[at + 20] ^= 0x55
    refuse('bad_crc.png', bytes(bad))


def main():
    os.makedirs(FOLDER, exist_ok=True)
    jpegs()
    cmyk_jpegs()
    pngs()
    webps()
    gifs_and_bmps()
    tgas()
    psds_and_pnms()
    kit = sys.modules[__name__]
    tiff_pictures.make(kit)
    colour_pictures.make(kit)
    coded_pictures.make(kit)
    refused()
    with open(os.path.join(FOLDER, 'pictures.txt'), 'w') as file:
        file.write('\n'.join(LINES) + '\n')
    print(f'{len(LINES)} pictures in {FOLDER}')


main()

#!/usr/bin/python3
"""Makes the files that the tests of HEIC, AVIF, TIFF, EXIF and ICC read, by Debian's own tools.

    make_containers.py FOLDER

heif-enc, avifenc, tiffcp, tiffset, Pillow with LittleCMS. Nothing in here uses our code.
"""
import os
import struct
import subprocess
import sys

from PIL import Image, ImageCms, TiffImagePlugin

W, H = 64, 48
FOLDER = sys.argv[1]


def path(name):
    return os.path.join(FOLDER, name)


def run(*arguments):
    subprocess.run([str(a) for a in arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def save(name, data):
    with open(path(name), 'wb') as file:
        file.write(data)


def load(name):
    with open(path(name), 'rb') as file:
        return file.read()


def rgb(width=W, height=H):
    picture = Image.new('RGB', (width, height))
    picture.putdata([(x * 255 // (width - 1), y * 255 // (height - 1), (x * y) & 255)
                     for y in range(height) for x in range(width)])
    return picture


# --- EXIF and ICC ---

def exif_block(orientation=1, gps=False, size=None, adobe=False, comment='', space=1):
    tags = Image.Exif()
    tags[0x010f] = 'Pixpop'
    tags[0x0110] = 'Test Camera'
    tags[0x0131] = 'make_containers 1.0'
    tags[0x0112] = orientation
    camera = {0x9003: '2024:05:06 07:08:09', 0xa001: space}
    if comment:
        tags[0x010e] = comment
    if size:
        camera[0xa002], camera[0xa003] = size
    if adobe:
        camera[0xa001] = 0xffff
        camera[0xa005] = {1: 'R03', 2: b'0100'}
    if gps:
        tags[0x8825] = {0: b'\2\3\0\0', 1: 'N', 2: (48.0, 51.0, 24.0), 3: 'E', 4: (2.0, 21.0, 7.0)}
    tags[0x8769] = camera
    return tags.tobytes()


def s15(value):
    return struct.pack('>i', round(value * 65536))


def profile(space, pcs, device_class, tags):
    blocks, table, offset = b'', b'', 128 + 4 + 12 * len(tags)
    for signature, body in tags:
        body += b'\0' * (-len(body) % 4)
        table += signature + struct.pack('>II', offset + len(blocks), len(body))
        blocks += body
    head = struct.pack('>I4sI4s4s4s12x4s4x24x', offset + len(blocks), b'none', 0x02100000, device_class, space, pcs,
                       b'acsp')
    head = head[:68] + s15(0.9642) + s15(1.0) + s15(0.8249)
    return head.ljust(128, b'\0') + struct.pack('>I', len(tags)) + table + blocks


def text(value):
    value = value.encode() + b'\0'
    return b'desc\0\0\0\0' + struct.pack('>I', len(value)) + value + b'\0' * 78


def xyz(values):
    return b'XYZ \0\0\0\0' + b''.join(s15(v) for v in values)


GAMMA = b'curv\0\0\0\0' + struct.pack('>IH', 1, 563) + b'\0\0'
PRIMARIES = {
    'Adobe RGB (1998)': [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)],
    'Display P3': [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)],
    'ProPhoto RGB': [(0.79767, 0.28804, 0), (0.13519, 0.71188, 0), (0.03134, 0.00009, 0.82491)],
    'Rec. 2020': [(0.67348, 0.27904, -0.00194), (0.16566, 0.67534, 0.02998), (0.12505, 0.04561, 0.79686)],
}


def common(name):
    return [(b'desc', text(name)), (b'cprt', b'text\0\0\0\0none\0'), (b'wtpt', xyz((0.9642, 1.0, 0.8249)))]


def rgb_profile(name):
    red, green, blue = PRIMARIES[name]
    return profile(b'RGB ', b'XYZ ', b'mntr', common(name) + [
        (b'rXYZ', xyz(red)), (b'gXYZ', xyz(green)), (b'bXYZ', xyz(blue)),
        (b'rTRC', GAMMA), (b'gTRC', GAMMA), (b'bTRC', GAMMA)])


def lut(inputs):
    """An mft1 table (ICC.1:2001-04, 6.5.7): the corners of the cube, all of them grey."""
    matrix = b''.join(s15(v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    return (b'mft1\0\0\0\0' + bytes((inputs, 3, 2, 0)) + matrix + bytes(range(256)) * inputs +
            bytes((128, 128, 128)) * 2 ** inputs + bytes(range(256)) * 3)


def profiles():
    for name in PRIMARIES:
        save(name.split()[0].lower().strip('.') + '.icc', rgb_profile(name))
    # LittleCMS writes version 4 with a description in UTF-16 and version 2 ones alike.
    save('srgb.icc', ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes())
    save('lab.icc', ImageCms.ImageCmsProfile(ImageCms.createProfile('LAB')).tobytes())
    save('grey.icc', profile(b'GRAY', b'XYZ ', b'mntr', common('a grey') + [(b'kTRC', GAMMA)]))
    save('cmyk.icc', profile(b'CMYK', b'Lab ', b'prtr', common('an ink') + [(b'A2B0', lut(4))]))
    save('scanner.icc', profile(b'RGB ', b'Lab ', b'scnr', common('a scanner') + [(b'A2B0', lut(3))]))
    save('space.icc', profile(b'RGB ', b'Lab ', b'spac', common('sRGB by a table') + [(b'A2B0', lut(3))]))
    save('link.icc', profile(b'RGB ', b'CMYK', b'link', common('a link') + [(b'A2B0', lut(3))]))
    save('abstract.icc', profile(b'Lab ', b'Lab ', b'abst', common('an abstract') + [(b'A2B0', lut(3))]))
    save('named.icc', profile(b'RGB ', b'Lab ', b'nmcl', common('names') + [(b'ncl2', b'ncl2' + b'\0' * 80)]))


# --- files ---

def jpegs():
    for orientation in range(1, 9):
        rgb().save(path(f'orientation{orientation}.jpg'), exif=exif_block(orientation))
    save('plain.exif', exif_block(6))
    save('gps.exif', exif_block(1, gps=True))
    save('adobe.exif', exif_block(adobe=True))
    save('comment.exif', exif_block(comment='a comment of the photographer'))
    rgb().save(path('gps.jpg'), exif=exif_block(1, gps=True))
    rgb().save(path('adobe_rgb.jpg'), exif=exif_block(adobe=True), icc_profile=rgb_profile('Adobe RGB (1998)'))
    rgb().save(path('exif_srgb_icc_adobe.jpg'), exif=exif_block(), icc_profile=rgb_profile('Adobe RGB (1998)'))
    rgb().save(path('icc_cmyk.jpg'), icc_profile=load('cmyk.icc'))
    rgb().save(path('other_size.jpg'), exif=exif_block(size=(4000, 3000)))
    rgb().save(path('script.jpg'), exif=exif_block(comment='<script>alert(1)</script>'))
    rgb().convert('CMYK').save(path('cmyk.jpg'), icc_profile=load('cmyk.icc'))
    rgb().convert('L').save(path('grey.jpg'), icc_profile=load('grey.icc'))


def heics():
    rgb().save(path('rgb.png'))
    alpha = rgb()
    alpha.putalpha(Image.linear_gradient('L').resize((W, H)))
    alpha.save(path('alpha.png'))
    rgb().save(path('exif6.jpg'), quality=95, exif=exif_block(6, gps=True))
    run('heif-enc', path('rgb.png'), '-o', path('plain.heic'))
    run('heif-enc', path('alpha.png'), '-o', path('alpha.heic'))
    run('heif-enc', '-t', '32', path('exif6.jpg'), '-o', path('exif_thumbnail.heic'))
    rgb().save(path('p3.png'), icc_profile=rgb_profile('Display P3'))
    run('heif-enc', path('p3.png'), '-o', path('p3.heic'))
    rgb(128, 64).save(path('second.png'))
    run('heif-enc', path('rgb.png'), path('second.png'), '-o', path('two.heic'))
    # Pillow writes no 16 bits of RGB; grey ones will do for ten bits in.
    deep = Image.new('I;16', (W, H))
    deep.putdata([x * 1000 + y for y in range(H) for x in range(W)])
    deep.save(path('deep.png'))
    run('heif-enc', '-b', '10', path('deep.png'), '-o', path('ten_bits.heic'))


def avifs():
    save('xmp.xml', b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF/></x:xmpmeta>')
    save('script.xml', b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><script>alert(1)</script></x:xmpmeta>')
    save('gps.tiffexif', exif_block(1, gps=True)[6:])
    avifenc = ['avifenc', '-s', '10', '-j', '1']
    run(*avifenc, path('rgb.png'), path('plain.avif'))
    run(*avifenc, path('alpha.png'), path('alpha.avif'))
    run(*avifenc, '-d', '12', path('rgb.png'), path('twelve_bits.avif'))
    run(*avifenc, '-y', '400', path('rgb.png'), path('grey.avif'))
    run(*avifenc, '--exif', path('gps.tiffexif'), '--xmp', path('xmp.xml'), path('rgb.png'), path('exif_xmp.avif'))
    run(*avifenc, '--xmp', path('script.xml'), path('rgb.png'), path('script.avif'))
    run(*avifenc, '--icc', path('display.icc'), path('rgb.png'), path('p3.avif'))
    run(*avifenc, '--nclx', '9/16/9', path('rgb.png'), path('bt2020.avif'))
    run(*avifenc, '--nclx', '12/13/1', path('rgb.png'), path('nclx_p3.avif'))
    rgb(256, 128).save(path('wide.png'))
    run(*avifenc, '-g', '2x1', path('wide.png'), path('grid.avif'))
    run(*avifenc, path('rgb.png'), path('alpha.png'), path('rgb.png'), path('sequence.avif'))
    run(*avifenc, '--irot', '1', path('rgb.png'), path('turned.avif'))


def tiffs():
    def save_tiff(name, picture, **options):
        picture.save(path(name), 'TIFF', **options)

    save_tiff('plain.tiff', rgb())
    save_tiff('lzw.tiff', rgb(), compression='tiff_lzw')
    save_tiff('deflate.tiff', rgb(), compression='tiff_adobe_deflate')
    save_tiff('jpeg.tiff', rgb(), compression='jpeg')
    save_tiff('grey.tiff', rgb().convert('L'))
    save_tiff('bilevel.tiff', rgb().convert('1'), compression='group4')
    save_tiff('palette.tiff', rgb().quantize(16))
    save_tiff('cmyk.tiff', rgb().convert('CMYK'), icc_profile=load('cmyk.icc'))
    to_lab = ImageCms.buildTransform(ImageCms.createProfile('sRGB'), ImageCms.createProfile('LAB'), 'RGB', 'LAB')
    save_tiff('lab.tiff', to_lab.apply(rgb()))  # embeds LittleCMS's Lab profile, which is of class abst
    save_tiff('pages.tiff', rgb(), save_all=True, append_images=[rgb(32, 32), rgb(16, 16)])
    alpha = rgb()
    alpha.putalpha(100)
    save_tiff('alpha.tiff', alpha)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = 'a description'
    tags[274] = 6
    tags[700] = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
    tags.tagtype[700] = 1
    save_tiff('described.tiff', rgb(), tiffinfo=tags, icc_profile=rgb_profile('Adobe RGB (1998)'))
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = '<?php system($_GET[0]); ?>'
    save_tiff('php.tiff', rgb(), tiffinfo=tags)
    run('tiffcp', '-B', path('plain.tiff'), path('big_endian.tiff'))
    run('tiffcp', '-8', path('plain.tiff'), path('bigtiff.tiff'))
    run('tiffcp', '-t', '-w', '16', '-l', '16', '-c', 'zip', path('plain.tiff'), path('tiles.tiff'))
    run('tiffcp', '-p', 'separate', '-r', '8', path('plain.tiff'), path('planes.tiff'))
    # A camera's TIFF: EXIF and GPS directories, as exiftool-like writers put them.
    rgb().save(path('camera.tiff'), exif=exif_block(8, gps=True)[6:])


def main():
    os.makedirs(FOLDER, exist_ok=True)
    profiles()
    jpegs()
    heics()
    avifs()
    tiffs()
    print(f'{len(os.listdir(FOLDER))} files in {FOLDER}')


main()

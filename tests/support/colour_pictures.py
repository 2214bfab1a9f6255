"""CMYK and Adobe RGB files with real profiles, made by lcms2 (through Pillow) and by ImageMagick, for make_pictures.py.
Witnesses are lcms2's own conversion with the same intent; ImageMagick's way to sRGB has to agree with them."""
import io
import os
import subprocess

from PIL import Image, ImageCms

import tiff_pictures as tiff

FOLDER = '/usr/share/color/icc/ghostscript/'
CMYK, ADOBE, SRGB = FOLDER + 'default_cmyk.icc', FOLDER + 'a98.icc', FOLDER + 'srgb.icc'
RELATIVE, BLACK_POINT = 1, 0x2000
W, H = 60, 44


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def source():
    picture = Image.new('RGB', (W, H))
    picture.putdata([(x * 255 // (W - 1), y * 255 // (H - 1), (x + 2 * y) * 255 // (W + 2 * H - 3)) for y in range(H) for x in range(W)])
    return picture


def to_srgb(picture, profile):
    converted = ImageCms.profileToProfile(picture, profile, ImageCms.createProfile('sRGB'), renderingIntent=RELATIVE,
                                          outputMode='RGB', flags=BLACK_POINT)
    return converted.convert('RGBA').tobytes()


def convert(*arguments):
    return subprocess.run(['convert', *arguments], check=True, stdout=subprocess.PIPE).stdout


def agree(kit, name, witness, *options, worst=24):
    """ImageMagick's pixels of the file, on average and at worst."""
    seen = convert(os.path.join(kit.FOLDER, name), *options, '-alpha', 'off', '-depth', '8', 'rgb:-')
    wanted = b''.join(witness[i:i + 3] for i in range(0, len(witness), 4))
    off = [abs(a - b) for a, b in zip(seen, wanted)]
    assert len(seen) == len(wanted) and sum(off) / len(off) < 1.5 and max(off) <= worst, \
        f'{name}: ImageMagick is {sum(off) / len(off):.2f} off on average, {max(off)} at worst'


PROFILED = ('-intent', 'relative', '-black-point-compensation', '-profile', SRGB)


def by_lcms(kit):
    cmyk = ImageCms.profileToProfile(source(), ImageCms.createProfile('sRGB'), CMYK, renderingIntent=RELATIVE, outputMode='CMYK',
                                     flags=BLACK_POINT)
    adobe = ImageCms.profileToProfile(source(), ImageCms.createProfile('sRGB'), ADOBE, renderingIntent=RELATIVE, outputMode='RGB')
    for name, picture, profile, colour in (('lcms_cmyk', cmyk, CMYK, 'cmyk'), ('lcms_adobe', adobe, ADOBE, 'rgb')):
        jpeg = kit.saved(picture, 'JPEG', quality=98, subsampling=0, icc_profile=read(profile))
        kit.add(f'{name}.jpg', jpeg, to_srgb(Image.open(io.BytesIO(jpeg)), profile), 3, 'jpeg', colour=colour, icc=1, size=(W, H))
        agree(kit, f'{name}.jpg', to_srgb(Image.open(io.BytesIO(jpeg)), profile), *PROFILED)
        rows = [[picture.getpixel((x, y)) for x in range(W)] for y in range(H)]
        data = tiff.tiff(rows, 8, tiff.SEPARATED if colour == 'cmyk' else tiff.RGB, tags={tiff.ICC: (7, read(profile))})
        kit.add(f'{name}.tif', data, to_srgb(picture, profile), 2, 'tiff', colour=colour, icc=1, size=(W, H))
        agree(kit, f'{name}.tif', to_srgb(picture, profile), *PROFILED)


def by_imagemagick(kit):
    path = os.path.join(kit.FOLDER, 'colours.tmp.png')
    source().save(path)

    def make(name, *options):
        out = os.path.join(kit.FOLDER, name)
        convert(path, *options, out)
        return read(out)

    for form, options in (('jpeg', ('-quality', '98', '-sampling-factor', '1x1')), ('tiff', ('-compress', 'lzw'))):
        suffix = 'jpg' if form == 'jpeg' else 'tif'
        for name, profile, colour in (('im_cmyk', CMYK, 'cmyk'), ('im_adobe', ADOBE, 'rgb')):
            data = make(f'{name}.{suffix}', '-profile', SRGB, '-profile', profile, *options)
            picture = Image.open(io.BytesIO(data))
            kit.add(f'{name}.{suffix}', data, to_srgb(picture, profile), 3, form, colour=colour, icc=1, size=(W, H))
            agree(kit, f'{name}.{suffix}', to_srgb(picture, profile), *PROFILED)
        # Without a profile: the formula, which is ImageMagick's too.
        data = make(f'im_cmyk_plain.{suffix}', '-colorspace', 'CMYK', *options)
        pixels = Image.open(io.BytesIO(data)).getdata()
        witness = b''.join(kit.plain_cmyk(p) for p in pixels)
        kit.add(f'im_cmyk_plain.{suffix}', data, witness, 2, form, colour='cmyk', size=(W, H))
        agree(kit, f'im_cmyk_plain.{suffix}', witness, '-colorspace', 'sRGB')
    os.remove(path)


def make(kit):
    by_lcms(kit)
    by_imagemagick(kit)

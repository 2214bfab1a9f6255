#!/usr/bin/python3
"""Pictures as phones, printers and browsers make them, of one photograph, for the system tests.

    make_formats.py PHOTOGRAPH FOLDER

phone.heic: 900 x 1200 upright, stored as a grid of six tiles on its side, with a rotation and an EXIF block that says the
same once more. print.tif: CMYK with a profile. web.avif: 10 bits. video.avif, video_grey.avif: 4:2:0 and grey of limited
range. upright.png, print.png, flat.png: what they show.
"""
import os
import subprocess
import sys

from PIL import Image, ImageCms, ImageOps

import heif_boxes as heif

PHOTOGRAPH, FOLDER = sys.argv[1:]
UPRIGHT, TILE, COLUMNS, ROWS = (900, 1200), 448, 3, 3
CMYK = '/usr/share/color/icc/ghostscript/default_cmyk.icc'


def path(name):
    return os.path.join(FOLDER, name)


def tool(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def coded(picture):
    picture.save(path('tile.tmp.png'))
    tool('heif-enc', '-q', '90', '-p', 'chroma=420', '-p', 'preset=ultrafast', path('tile.tmp.png'), '-o', path('tile.tmp.heic'))
    with open(path('tile.tmp.heic'), 'rb') as file:
        return heif.coded_picture(file.read())


def exif(orientation):
    tags = Image.Exif()
    tags[0x010F], tags[0x0110], tags[0x0112] = 'Telephone', 'Phone 1', orientation
    return b'\0\0\0\6' + tags.tobytes()


def phone(upright):
    stored = upright.transpose(Image.Transpose.ROTATE_90)  # counter-clockwise: to be turned clockwise when shown
    canvas = Image.new('RGB', (TILE * COLUMNS, TILE * ROWS))
    canvas.paste(stored)
    file = heif.Heif()
    block = file.add(b'Exif', exif(6))
    colours = [heif.nclx(1, 13, 6)]
    tiles = []
    for i in range(ROWS * COLUMNS):
        x, y = i % COLUMNS * TILE, i // COLUMNS * TILE
        config, data = coded(canvas.crop((x, y, x + TILE, y + TILE)))
        tiles.append(file.add(b'hvc1', data, [heif.hvcc(config), heif.ispe(TILE, TILE)] + colours, hidden=True))
    image = file.add(b'grid', heif.grid(ROWS, COLUMNS, *stored.size), [heif.ispe(*stored.size), heif.irot(3)] + colours, primary=True)
    file.refer(b'dimg', image, tiles)
    file.refer(b'cdsc', block, [image])
    with open(path('phone.heic'), 'wb') as out:
        out.write(file.encode())


def main():
    photograph = Image.open(PHOTOGRAPH).convert('RGB')
    upright = ImageOps.fit(photograph, UPRIGHT)
    upright.save(path('upright.png'))
    phone(upright)
    flat = ImageOps.fit(photograph, (640, 400))
    srgb = ImageCms.createProfile('sRGB')
    cmyk = ImageCms.profileToProfile(flat, srgb, CMYK, renderingIntent=1, outputMode='CMYK', flags=0x2000)
    with open(CMYK, 'rb') as file:
        profile = file.read()
    cmyk.save(path('print.tif'), compression='tiff_lzw', icc_profile=profile)
    # What ink can show of it.
    ImageCms.profileToProfile(cmyk, CMYK, srgb, renderingIntent=1, outputMode='RGB', flags=0x2000).save(path('print.png'))
    flat.save(path('flat.png'))
    tool('avifenc', '-s', '8', '-d', '10', '-y', '444', '--min', '0', '--max', '8', path('flat.png'), path('web.avif'))
    for name, shape in (('video', '420'), ('video_grey', '400')):
        tool('avifenc', '-s', '8', '-y', shape, '-r', 'limited', '--min', '0', '--max', '8', path('flat.png'), path(name + '.avif'))


main()

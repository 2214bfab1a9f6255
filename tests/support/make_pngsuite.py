#!/usr/bin/python3
"""PngSuite, as libspng's source package carries it, with witnesses by Pillow; the files that must be refused beside it.

    make_pngsuite.py IMAGES FOLDER

Writes FOLDER as make_pictures.py does; FOLDER/refused.txt names the broken ones.
"""
import os
import re
import shutil
import struct
import subprocess
import sys

from PIL import Image

IMAGES, FOLDER = sys.argv[1:]
COLOURS = {0: 'grey', 2: 'rgb', 3: 'palette', 4: 'grey', 6: 'rgb'}


def chunks(data):
    at = 8
    while at + 8 <= len(data):
        size, kind = struct.unpack_from('>I4s', data, at)
        yield kind, data[at + 8:at + 8 + size]
        at += 12 + size


def narrow(value):
    return (value * 255 + 32767) // 65535


def transparency_by_imagemagick(path):
    """Alpha of each pixel: Pillow compares a colour key of another depth with 8-bit pixels."""
    raw = subprocess.run(['convert', path, '-alpha', 'extract', '-depth', '8', 'gray:-'], check=True, stdout=subprocess.PIPE)
    return raw.stdout


def witness(path, bits, colour, has_key):
    """8-bit RGBA and how far it may be off: Pillow cuts the low byte of 16-bit colours off."""
    picture = Image.open(path)
    if bits == 16 and colour == 0:
        grey = [(narrow(v), v) for v in picture.convert('I').getdata()]
        key = picture.info.get('transparency')
        return b''.join(bytes((n, n, n, 0 if v == key else 255)) for n, v in grey), 0
    pixels = bytearray(picture.convert('RGBA').tobytes())
    if colour in (0, 2) and has_key:
        pixels[3::4] = transparency_by_imagemagick(path)
    return bytes(pixels), 1 if bits == 16 else 0


def main():
    os.makedirs(FOLDER, exist_ok=True)
    lines, refused = [], []
    for name in sorted(os.listdir(IMAGES)):
        if not re.fullmatch(r'[a-z0-9]{8}\.png', name):
            continue
        path = os.path.join(IMAGES, name)
        shutil.copyfile(path, os.path.join(FOLDER, name))
        if name.startswith('x'):
            refused.append(name)
            continue
        with open(path, 'rb') as file:
            data = file.read()
        width, height, depth, kind = struct.unpack_from('>IIBB', data, 16)
        names = [k for k, _ in chunks(data)]
        pixels, tolerance = witness(path, depth, kind, b'tRNS' in names)
        with open(os.path.join(FOLDER, name + '.rgba'), 'wb') as file:
            file.write(pixels)
        # exif2c08 says nothing of its orientation.
        bits = 8 if kind == 3 else depth
        alpha = int(kind in (4, 6) or b'tRNS' in names)
        lines.append(f'{name} {tolerance} png {width} {height} 1 {COLOURS[kind]} {bits} {alpha} {int(b"iCCP" in names)}')
    with open(os.path.join(FOLDER, 'pictures.txt'), 'w') as file:
        file.write('\n'.join(lines) + '\n')
    with open(os.path.join(FOLDER, 'refused.txt'), 'w') as file:
        file.write('\n'.join(refused) + '\n')
    print(f'{len(lines)} pictures and {len(refused)} broken ones in {FOLDER}')


main()

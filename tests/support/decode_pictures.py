#!/usr/bin/python3
"""Pictures as another program reads them.

    decode_pictures.py FILE...

Prints a JSON list of {format, mode, width, height} and leaves each picture's pixels as RGB bytes in FILE.rgb.
"""
import json
import sys

from PIL import Image

seen = []
for name in sys.argv[1:]:
    with Image.open(name) as picture:
        seen.append({'format': picture.format, 'mode': picture.mode, 'width': picture.width, 'height': picture.height})
        with open(name + '.rgb', 'wb') as file:
            file.write(picture.convert('RGB').tobytes())
json.dump(seen, sys.stdout)

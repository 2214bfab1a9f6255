"""Holds the resampler against Pillow's float path, an implementation nobody of us wrote.

Pillow cuts the filter at the edges where pixpop mirrors, so only the interior is compared.
Usage: pillow_witness.py RESAMPLE_RAW. Exit code 77: Pillow is not installed.
"""
import math
import random
import subprocess
import sys

try:
    from PIL import Image
except ImportError:
    sys.exit(77)

FILTERS = {"bicubic": (Image.BICUBIC, 2), "lanczos3": (Image.LANCZOS, 3)}
SIZES = [((90, 70), (180, 140)), ((101, 83), (143, 211)), ((160, 120), (48, 37)), ((300, 40), (25, 40))]
CHANNELS = 3


def interior(size, new_size, support):
    """Range of outputs whose filter lies within the picture, with one to spare."""
    scale = size / new_size
    margin = math.ceil(support * max(scale, 1) / scale) + 1
    return range(margin, new_size - margin)


def expected(pixels, size, new_size, pillow_filter):
    planes = []
    for channel in range(CHANNELS):
        plane = Image.frombytes("L", size, pixels[channel::4]).convert("F")
        planes.append(plane.resize(new_size, pillow_filter).load())
    return planes


def check(program, size, new_size, name, kernel):
    generator = random.Random(f"{size}{new_size}{name}")
    pixels = bytes(255 if i % 4 == 3 else generator.choice((0, 255, generator.randrange(256)))
                   for i in range(size[0] * size[1] * 4))
    command = [program, *map(str, size), *map(str, new_size), name, kernel]
    have = subprocess.run(command, input=pixels, stdout=subprocess.PIPE, check=True).stdout
    pillow_filter, support = FILTERS[name]
    want = expected(pixels, size, new_size, pillow_filter)
    worst = 0
    compared = 0
    for y in interior(size[1], new_size[1], support):
        for x in interior(size[0], new_size[0], support):
            for channel in range(CHANNELS):
                value = min(max(math.floor(want[channel][x, y] + 0.5), 0), 255)
                worst = max(worst, abs(value - have[(y * new_size[0] + x) * 4 + channel]))
                compared += 1
    print(f"{size} -> {new_size} {name} {kernel}: {compared} samples, at most {worst} steps off")
    return compared > 0 and worst <= 1


def main():
    results = [check(sys.argv[1], size, new_size, name, kernel)
               for size, new_size in SIZES for name in FILTERS for kernel in ("two-pass", "tile")]
    sys.exit(0 if all(results) else 1)


main()

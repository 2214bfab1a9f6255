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
# Chroma planes of 4:2:0 are exactly half of these on both sides.
EVEN_SIZES = [((90, 70), (180, 140)), ((102, 84), (144, 210)), ((160, 120), (48, 38)), ((300, 80), (26, 80))]


def interior(size, new_size, support):
    """Range of outputs whose filter lies within the picture, with one to spare."""
    scale = size / new_size
    margin = math.ceil(support * max(scale, 1) / scale) + 1
    return range(margin, new_size - margin)


def noise(generator, count):
    return bytes(generator.choice((0, 255, generator.randrange(256))) for _ in range(count))


def resampled(program, size, new_size, name, kind, kernels, samples):
    """The kernels' results, all of one length."""
    command = [program, *map(str, size), *map(str, new_size), name, kind, *kernels]
    output = subprocess.run(command, input=samples, stdout=subprocess.PIPE, check=True).stdout
    length = len(output) // len(kernels)
    return {kernel: output[i * length:(i + 1) * length] for i, kernel in enumerate(kernels)}


def compare(plane, size, found, new_size, name):
    """Samples compared and the worst difference in steps, of one plane."""
    pillow_filter, support = FILTERS[name]
    expected = Image.frombytes("L", size, plane).convert("F").resize(new_size, pillow_filter).load()
    worst = compared = 0
    for y in interior(size[1], new_size[1], support):
        for x in interior(size[0], new_size[0], support):
            value = min(max(math.floor(expected[x, y] + 0.5), 0), 255)
            worst = max(worst, abs(value - found[y * new_size[0] + x]))
            compared += 1
    return compared, worst


def check_colour(program, size, new_size, name):
    generator = random.Random(f"{size}{new_size}{name}")
    planes = [noise(generator, size[0] * size[1]) for _ in range(3)] + [b"\xff" * (size[0] * size[1])]
    pixels = bytes(value for pixel in zip(*planes) for value in pixel)
    results = resampled(program, size, new_size, name, "rgba", ("two-pass", "tile", "cpu"), pixels)
    return {kernel: [compare(planes[c], size, found[c::4], new_size, name) for c in range(3)]
            for kernel, found in results.items()}


def compare_planes(planes, sizes, found, name):
    for plane, (size, new_size) in zip(planes, sizes):
        yield compare(plane, size, found[:new_size[0] * new_size[1]], new_size, name)
        found = found[new_size[0] * new_size[1]:]


def check_planes(program, size, new_size, name):
    generator = random.Random(f"{size}{new_size}{name} planes")
    half, new_half = [tuple(side // 2 for side in sides) for sides in (size, new_size)]
    sizes = [(size, new_size), (half, new_half), (half, new_half)]
    planes = [noise(generator, plane_size[0] * plane_size[1]) for plane_size, _ in sizes]
    results = resampled(program, size, new_size, name, "planes", ("two-pass", "cpu"), b"".join(planes))
    return {kernel: list(compare_planes(planes, sizes, found, name)) for kernel, found in results.items()}


def main():
    is_good = True
    for check, kind, sizes in ((check_colour, "RGB", SIZES), (check_planes, "planes", EVEN_SIZES)):
        for size, new_size in sizes:
            for name in FILTERS:
                for kernel, results in check(sys.argv[1], size, new_size, name).items():
                    print(f"{kind} {size} -> {new_size} {name} {kernel}: "
                          + ", ".join(f"{count} samples at most {worst} steps off" for count, worst in results))
                    is_good = is_good and all(count > 0 and worst <= 1 for count, worst in results)
    sys.exit(0 if is_good else 1)


main()

"""pictures.py FOLDER: photographs for `tools/bench ingest`, made from those of lomiri-wallpapers; what is there is kept.

FOLDER/large: one photograph of 31 megapixels as BMP and TIFF (94 MB, uncompressed) and as PNG, for one stream. FOLDER/many: 64
different JPEGs of 4 to 7 MB, for 64 streams. FOLDER/kinds: one photograph of 12 megapixels as JPEG, PNG, WebP, TIFF and HEIC,
for inspection and decoding; FOLDER/small: the same at half a megapixel, for what a decode costs whatever its size. A little noise, as sensors have it, keeps enlarged photographs from compressing better than real ones.
"""
import functools
import pathlib
import subprocess
import sys

import numpy
from PIL import Image

PHOTOGRAPHS = sorted(pathlib.Path("/usr/share/backgrounds").glob("*_by_*.jpg"))
LARGE, MANY, KIND, SMALL = (6848, 4568), (4896, 3264), (4000, 3000), (800, 600)
NOISE = 4


@functools.lru_cache(maxsize=1)
def noise_of(size):
    generator = numpy.random.default_rng(1)
    return (generator.standard_normal((size[1], size[0], 3), numpy.float32) * NOISE).astype(numpy.int16)


def photograph(number, size):
    """A photograph of that size; other numbers give other ones."""
    picture = Image.open(PHOTOGRAPHS[number % len(PHOTOGRAPHS)]).convert("RGB").resize(size, Image.LANCZOS)
    noise = numpy.roll(noise_of(size), 997 * number, axis=(0, 1))
    return Image.fromarray(numpy.clip(numpy.asarray(picture, numpy.int16) + noise, 0, 255).astype(numpy.uint8))


def save(path, picture, **options):
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished{path.suffix}")
    picture().save(unfinished, **options)
    unfinished.rename(path)


def save_kinds(folder, size):
    for name, options in (("photo.jpg", {"quality": 92}), ("photo.png", {}), ("photo.webp", {"quality": 90}),
                          ("photo.tif", {"compression": "tiff_lzw"})):
        save(folder / name, lambda: photograph(1, size), **options)
    if not (folder / "photo.heic").exists():
        subprocess.run(["heif-enc", "-q", "80", folder / "photo.png", "-o", folder / "photo.heic"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, options in (("photo.bmp", {}), ("photo.tif", {}), ("photo.png", {"compress_level": 1})):
        save(folder / "large" / name, lambda: photograph(0, LARGE), **options)
    for number in range(64):
        save(folder / "many" / f"{number:02}.jpg", lambda: photograph(number, MANY), quality=95, subsampling="4:2:0")
    save_kinds(folder / "kinds", KIND)
    save_kinds(folder / "small", SMALL)


main()

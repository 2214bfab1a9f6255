"""make.py FOLDER WIDTH...: photographs of 6 megapixels for the benches, and what an exact bicubic makes of them.

From the photographs of lomiri-wallpapers that are large enough: FOLDER/NAME.jpg, 3072 x 2048, quality 90, 4:2:0, and for
each WIDTH the reference FOLDER/NAME-WIDTH.ppm: the decoded JPEG through Pillow's float path, rounded once at the end.
"""
import pathlib
import sys

from PIL import Image

SIZE = (3072, 2048)
NAMES = ("Bridge_by_Sander_Klootwijk", "Dragonfly_by_Bolly", "aitzgorri_by_Aitzol_Berasategi", "life_by_Aitzol_Berasategi",
         "picosdeeuropa_by_Aitzol_Berasategi", "seeding_by_Clements_Engelhardt", "sunset_by_Aitzol_Berasategi",
         "umang_by_Abhishek_Mudgal")
PHOTOGRAPHS = pathlib.Path("/usr/share/backgrounds")


def crop_to_shape(picture):
    """The largest middle part with the shape of SIZE."""
    width = min(picture.width, picture.height * SIZE[0] // SIZE[1])
    height = min(picture.height, picture.width * SIZE[1] // SIZE[0])
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def reference(picture, width):
    size = (width, round(width * picture.height / picture.width))
    # "F" to "L" cuts the fraction off.
    bands = [band.convert("F").resize(size, Image.BICUBIC).point(lambda value: value * 1 + 0.5).convert("L")
             for band in picture.split()]
    return Image.merge("RGB", bands)


def main():
    folder = pathlib.Path(sys.argv[1])
    for name in NAMES:
        photo = folder / f"{name.split('_')[0]}.jpg"
        if not photo.exists():
            picture = crop_to_shape(Image.open(PHOTOGRAPHS / f"{name}.jpg").convert("RGB"))
            picture.resize(SIZE, Image.LANCZOS).save(photo, quality=90, subsampling="4:2:0")
        decoded = None
        for width in map(int, sys.argv[2:]):
            path = folder / f"{photo.stem}-{width}.ppm"
            if path.exists():
                continue
            decoded = decoded or Image.open(photo).convert("RGB")
            reference(decoded, width).save(path)


main()

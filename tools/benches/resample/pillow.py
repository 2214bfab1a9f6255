"""Pillow's BICUBIC beside the other workers (worker.h says how they talk); it has one thread.

pillow.py --pictures FOLDER writes the pictures that all workers read: cut from real photographs, never resampled.
pillow.py FOLDER runs.
"""
import sys
import time

from PIL import Image

PHOTOS = "/usr/share/backgrounds/"
CASES = {  # picture, size, mode, target sizes
    "1080p-4k-rgba": ("hd-rgba", (1920, 1080), "RGBA", [(3840, 2160)]),
    "12mp-1200-rgb": ("mp12-rgb", (4000, 3000), "RGB", [(1200, 900)]),
    "12mp-1200-yuv": ("mp12-yuv", (4000, 3000), "L", [(1200, 900)]),
    "6mp-5-yuv": ("mp6-yuv", (3088, 2056), "L", [(320, 213), (640, 426), (960, 639), (1280, 852), (1920, 1278)]),
}


def half(size):
    return ((size[0] + 1) // 2, (size[1] + 1) // 2)


def cut(name, size):
    photo = Image.open(PHOTOS + name).convert("RGB")
    left, top = (photo.width - size[0]) // 2, (photo.height - size[1]) // 2
    return photo.crop((left, top, left + size[0], top + size[1]))


def write_planes(photo, path):
    luma, blue, red = photo.convert("YCbCr").split()
    with open(path, "wb") as file:
        for plane in (luma, blue.resize(half(photo.size), Image.BOX), red.resize(half(photo.size), Image.BOX)):
            file.write(plane.tobytes())


def write_pictures(folder):
    hd = cut("umang_by_Abhishek_Mudgal.jpg", (1920, 1080))
    hd.putalpha(Image.radial_gradient("L").resize(hd.size))
    mp12 = cut("Dragonfly_by_Bolly.jpg", (4000, 3000))
    mp6 = cut("aitzgorri_by_Aitzol_Berasategi.jpg", (3088, 2056))
    for picture, path in ((hd, "hd-rgba"), (mp12, "mp12-rgb")):
        with open(f"{folder}/{path}.raw", "wb") as file:
            file.write(picture.tobytes())
    write_planes(mp12, f"{folder}/mp12-yuv.raw")
    write_planes(mp6, f"{folder}/mp6-yuv.raw")


def read_case(folder, name, size, mode):
    with open(f"{folder}/{name}.raw", "rb") as file:
        sizes = [size] if mode != "L" else [size, half(size), half(size)]
        return [Image.frombytes(mode, one, file.read(one[0] * one[1] * len(mode))) for one in sizes]


def run(pictures, targets):
    begin = time.perf_counter()
    for target in targets:
        for index, picture in enumerate(pictures):
            picture.resize(half(target) if index else target, Image.BICUBIC)
    return (time.perf_counter() - begin) * 1e3


def main():
    if sys.argv[1] == "--pictures":
        write_pictures(sys.argv[2])
        return
    ready = {name: read_case(sys.argv[1], *case[:3]) for name, case in CASES.items()}
    print("ready", flush=True)
    for line in sys.stdin:
        name, _ = line.split()
        print(f"{run(ready[name], CASES[name][3]):.4f}", flush=True)


main()

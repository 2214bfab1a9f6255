#!/usr/bin/env python3
"""collect STAGE TARGET TRIPLET < PATHS: copies files from unpacked packages, with all libraries that they load.

Each line of standard input is an absolute path inside STAGE, or "=PATH" for a file that is in TARGET already and
whose libraries are wanted. Symbolic links are copied with what they lead to. Prints the packages that gave a file.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

STAGE, TARGET, TRIPLET = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
FOLDERS = [f"/usr/lib/{TRIPLET}", "/usr/lib", "/usr/lib64"]
MERGED = re.compile(r"^/(bin|sbin|lib|lib64)/")

done = set()
copied = set()


def fail(text):
    sys.exit(f"collect: {text}")


def plain(path):
    """With merged /usr, the way a path is written on the disk."""
    return os.path.normpath(MERGED.sub(r"/usr/\1/", path))


def is_elf(file):
    with open(file, "rb") as stream:
        return stream.read(4) == b"\x7fELF"


def needs(file):
    """Names of the libraries, and the loader's path, of an ELF file of any architecture."""
    text = subprocess.run(["readelf", "-dl", "-W", file], capture_output=True, text=True, check=True).stdout
    loader = re.findall(r"program interpreter: (\S+)\]", text)
    return re.findall(r"\(NEEDED\)\s+Shared library: \[(.+?)\]", text), loader


def find_library(name, user):
    for folder in FOLDERS:
        if os.path.lexists(f"{STAGE}{folder}/{name}"):
            return f"{folder}/{name}"
    fail(f"{user} loads {name}, which no package of the board brings")


def follow(file, user):
    if not is_elf(file):
        return
    libraries, loader = needs(file)
    for library in libraries:
        copy(find_library(library, user))
    for path in loader:
        copy(path)


def copy(path):
    path = plain(path)
    if path in done:
        return
    done.add(path)
    source, target = pathlib.Path(f"{STAGE}{path}"), pathlib.Path(f"{TARGET}{path}")
    if not os.path.lexists(source):
        fail(f"no package of the board brings {path}")
    if source.is_dir() and not source.is_symlink():
        for child in sorted(os.listdir(source)):
            copy(f"{path}/{child}")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        target.unlink()
    copied.add(path)
    if source.is_symlink():
        link = os.readlink(source)
        target.symlink_to(link)
        copy(link if link.startswith("/") else f"{os.path.dirname(path)}/{link}")
        return
    shutil.copyfile(source, target)
    target.chmod(0o755 if os.access(source, os.X_OK) or is_elf(source) and ".so" not in path else 0o644)
    follow(source, path)


for line in sys.stdin:
    line = line.strip()
    if line.startswith("="):
        follow(f"{TARGET}{line[1:]}", line[1:])
    elif line:
        copy(line)

for listing in sorted((STAGE / ".packages").iterdir()):
    if any(plain(name) in copied for name in listing.read_text().splitlines()):
        print(listing.name)

"""A HEIF file made of items: enough of ISO/IEC 14496-12 and 23008-12 to write what a phone writes, and to take a coded
picture out of a file that heif-enc wrote."""
import struct


def box(kind, *parts):
    body = b''.join(parts)
    return struct.pack('>I4s', 8 + len(body), kind) + body


def full_box(kind, version, *parts, flags=0):
    return box(kind, struct.pack('>I', version << 24 | flags), *parts)


def children(data):
    """The boxes in `data`, as (kind, body, offset of the body)."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from('>I4s', data, at)
        yield kind, data[at + 8:at + size], at + 8
        at += size


def find(data, kind):
    return next((body for name, body, _ in children(data) if name == kind), None)


def coded_picture(data):
    """(hvcC body, coded bytes) of the only item of a file by heif-enc; of its first item when there are more."""
    meta = find(data, b'meta')[4:]
    config = find(find(find(meta, b'iprp'), b'ipco'), b'hvcC')
    iloc = find(meta, b'iloc')
    version = iloc[0]
    sizes = struct.unpack_from('>H', iloc, 4)[0]
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    # The first item: its identity, how it is kept, where data begin, how many extents there are, the first extent.
    at = 6 + (4 if version == 2 else 2) * 2 + (2 if version else 0) + 2
    base = int.from_bytes(iloc[at:at + base_size], 'big')
    at += base_size + 2
    offset = base + int.from_bytes(iloc[at:at + offset_size], 'big')
    at += offset_size
    length = int.from_bytes(iloc[at:at + length_size], 'big')
    return config, data[offset:offset + length]


# Properties: (essential, box)

def hvcc(config):
    return 1, box(b'hvcC', config)


def ispe(width, height):
    return 0, full_box(b'ispe', 0, struct.pack('>II', width, height))


def irot(quarters):
    return 1, box(b'irot', bytes((quarters,)))


def imir(mode):
    return 1, box(b'imir', bytes((mode,)))


def clap(width, height, x, y, whole_width, whole_height):
    """The rectangle at (x, y): a clap states the distance of the middles, here as halves."""
    return 1, box(b'clap', struct.pack('>IIIIiIiI', width, 1, height, 1, 2 * x + width - whole_width, 2,
                                       2 * y + height - whole_height, 2))


def nclx(primaries, transfer, matrix, full=1):
    return 0, box(b'colr', b'nclx', struct.pack('>HHHB', primaries, transfer, matrix, full << 7))


def icc(profile):
    return 0, box(b'colr', b'prof', profile)


def alpha_type():
    return 1, full_box(b'auxC', 0, b'urn:mpeg:hevc:2015:auxid:1\0')


def grid(rows, columns, width, height):
    """The body of a grid item."""
    return struct.pack('>BBBBHH', 0, 0, rows - 1, columns - 1, width, height)


class Heif:
    """Items and what they refer to; the first one added as `primary` is the picture."""

    def __init__(self):
        self.items, self.references, self.properties, self.primary = [], [], [], 1

    def add(self, kind, body, properties=(), hidden=False, primary=False):
        identity = len(self.items) + 1
        indices = []
        for entry in properties:
            if entry not in self.properties:
                self.properties.append(entry)
            indices.append(self.properties.index(entry) + 1)
        self.items.append((identity, kind, body, indices, hidden))
        if primary:
            self.primary = identity
        return identity

    def refer(self, kind, source, targets):
        self.references.append(box(kind, struct.pack('>HH', source, len(targets)), *[struct.pack('>H', t) for t in targets]))

    def encode(self):
        ftyp = box(b'ftyp', b'heic', b'\0\0\0\0', b'mif1', b'heic', b'miaf')
        infes = [full_box(b'infe', 2, struct.pack('>HH', identity, 0), kind, b'\0', flags=int(hidden))
                 for identity, kind, _, _, hidden in self.items]
        associations = b''.join(
            struct.pack('>HB', identity, len(indices)) + bytes(self.properties[i - 1][0] << 7 | i for i in indices)
            for identity, _, _, indices, _ in self.items if indices)
        count = sum(1 for item in self.items if item[3])
        iprp = box(b'iprp', box(b'ipco', *[p for _, p in self.properties]),
                   full_box(b'ipma', 0, struct.pack('>I', count), associations))

        def meta(first):
            places, at = b'', first
            for identity, _, body, _, _ in self.items:
                places += struct.pack('>HHHII', identity, 0, 1, at, len(body))
                at += len(body)
            iloc = full_box(b'iloc', 0, struct.pack('>HH', 0x4400, len(self.items)), places)
            return full_box(b'meta', 0, full_box(b'hdlr', 0, b'\0\0\0\0pict', b'\0' * 13),
                            full_box(b'pitm', 0, struct.pack('>H', self.primary)), iloc,
                            full_box(b'iinf', 0, struct.pack('>H', len(self.items)), *infes),
                            full_box(b'iref', 0, *self.references) if self.references else b'', iprp)

        start = len(ftyp) + len(meta(0)) + 8
        return ftyp + meta(start) + box(b'mdat', *[item[2] for item in self.items])

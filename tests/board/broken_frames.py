"""broken_frames.py INTERFACE MAC COUNT SEED: throws damaged Ethernet frames of every protocol at a host."""
import random
import socket
import struct
import sys

interface, mac, count, seed = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), int(sys.argv[3]), int(sys.argv[4])
rng = random.Random(seed)
line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
line.bind((interface, 0))
own = line.getsockname()[4]
US, THEM = bytes([10, 99, 0, 1]), bytes([10, 99, 0, 2])


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def noise(low, high):
    return rng.randbytes(rng.randint(low, high))


def ipv4(protocol, body, flags=0, source=US, target=THEM):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), rng.getrandbits(16), flags, 64, protocol, 0, source, target)
    return b"\x08\x00" + head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


def ipv6(following, body):
    return b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(body), following, 255) + rng.randbytes(16) + b"\xff\x02" + b"\0" * 13 + b"\x01" + body


def summed(protocol, body, at):
    """With the right checksum: the damage reaches what lies behind it."""
    pseudo = US + THEM + bytes([0, protocol]) + struct.pack(">H", len(body))
    body = body[:at] + b"\0\0" + body[at + 2:]
    return body[:at] + struct.pack(">H", checksum(pseudo + body)) + body[at + 2:]


def tcp():
    offset = rng.randint(5, 15)
    head = struct.pack(">HHIIBBHHH", rng.randint(1, 65535), rng.choice([80, 443]), rng.getrandbits(32), rng.getrandbits(32),
                       offset << 4, rng.getrandbits(8), rng.getrandbits(16), 0, rng.getrandbits(16))
    return ipv4(6, summed(6, head + noise(0, 400), 16))


def udp(port, payload):
    return ipv4(17, summed(17, struct.pack(">HHHH", rng.choice([67, 5353, 1000]), port, 8 + len(payload), 0) + payload, 6))


def mdns():
    names = b"".join(bytes([rng.choice([3, 63, 0xC0, 11])]) + noise(0, 12) for _ in range(rng.randint(1, 8)))
    return udp(5353, struct.pack(">6H", 0, rng.choice([0, 0x8400]), *[rng.choice([0, 1, 2, 65535]) for _ in range(4)]) + names)


def dhcp():
    options = b"\x63\x82\x53\x63" + b"".join(bytes([rng.randint(0, 255), rng.randint(0, 255)]) + noise(0, 20) for _ in range(10))
    return udp(68, b"\x02\x01\x06\0" + noise(232, 232) + options)


KINDS = [
    lambda: noise(0, 1500),
    lambda: b"\x08\x06" + b"\0\x01\x08\0\x06\x04\0" + bytes([rng.randint(0, 3)]) + noise(0, 40),
    lambda: ipv4(rng.getrandbits(8), noise(0, 600)),
    lambda: ipv4(rng.choice([1, 2, 6, 17]), noise(0, 1400), rng.getrandbits(16)),
    lambda: ipv6(rng.choice([0, 6, 17, 43, 44, 58, 60]), noise(0, 400)),
    lambda: ipv6(58, bytes([rng.choice([134, 135, 136, 137, 2, 130])]) + noise(3, 200)),
    tcp, mdns, dhcp,
]
for _ in range(count):
    body = rng.choice(KINDS)()
    if rng.random() < 0.2:
        body = body[:rng.randint(0, len(body))]
    target = mac if rng.random() < 0.8 else b"\xff" * 6
    try:
        line.send((target + own + body)[:1514])
    except OSError:  # too short for the driver, or its queue is full
        pass

"""lossy_line.py LEFT RIGHT SEED: carries Ethernet frames between two interfaces as a bad line does."""
import random
import select
import socket
import sys

LOST, DOUBLED, LATE = 0.01, 0.01, 0.03
PACKET_IGNORE_OUTGOING = 23
rng = random.Random(int(sys.argv[3]))
ends = []
for name in sys.argv[1:3]:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    end.setsockopt(263, PACKET_IGNORE_OUTGOING, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    end.bind((name, 0))
    ends.append(end)
held = []

try:
    while True:
        ready, _, _ = select.select(ends, [], [], 0.005)
        for other, frame in held:
            other.send(frame)
        held = []
        for end in ready:
            other = ends[1 - ends.index(end)]
            frame = end.recv(65536)
            luck = rng.random()
            if luck < LOST:
                continue
            if luck < LOST + LATE:
                held.append((other, frame))
                continue
            for _ in range(2 if luck > 1 - DOUBLED else 1):
                other.send(frame)
except OSError:  # the interfaces have gone: the test is over
    pass

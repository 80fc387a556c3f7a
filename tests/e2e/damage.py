"""Damage to a file of a run, seeded, as disks, networks and people do it."""

from __future__ import annotations

import random

KINDS = ("flipped", "zeroed", "cut", "doubled", "swapped")


def damaged(data: bytes, kind: str, rng: random.Random) -> bytes:
    """A copy with bits flipped, a block of 16 to 4,096 bytes zeroed, the end cut off, a block doubled (what
    was behind it pushed back, or overwritten), or two blocks swapped."""
    raw = bytearray(data)
    size = min(rng.choice((16, 64, 256, 512, 1024, 4096)), max(1, len(raw) // 4))
    place = rng.randrange(max(1, len(raw) - size))
    if rng.random() < 0.5:
        place -= place % size
    block = bytes(raw[place : place + size])
    match kind:
        case "flipped":
            for _ in range(rng.choice((1, 1, 1, 2, 8))):
                raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        case "zeroed":
            raw[place : place + size] = bytes(size)
        case "cut":
            del raw[rng.randrange(len(raw)) :]
        case "doubled" if rng.random() < 0.5:
            raw[place:place] = block
        case "doubled":
            raw[place + size : place + 2 * size] = block
            del raw[len(data) :]
        case "swapped":
            other = rng.randrange(max(1, len(raw) - size))
            if abs(other - place) >= size:
                raw[place : place + size], raw[other : other + size] = (
                    raw[other : other + size],
                    block,
                )
    return bytes(raw)

"""The checksum that HDF5 keeps on its metadata, for one block or for many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

_MASK = 0xFFFFFFFF

Word: TypeAlias = Any
"""32 bits: an int, or a uint32 array (K,) for K blocks at once. The arithmetic is the same."""


def _rotate(value: Word, bits: int) -> Word:
    return ((value << bits) | (value >> (32 - bits))) & _MASK


def _mix(a: Word, b: Word, c: Word) -> tuple[Word, Word, Word]:
    a, c = ((a - c) & _MASK) ^ _rotate(c, 4), (c + b) & _MASK
    b, a = ((b - a) & _MASK) ^ _rotate(a, 6), (a + c) & _MASK
    c, b = ((c - b) & _MASK) ^ _rotate(b, 8), (b + a) & _MASK
    a, c = ((a - c) & _MASK) ^ _rotate(c, 16), (c + b) & _MASK
    b, a = ((b - a) & _MASK) ^ _rotate(a, 19), (a + c) & _MASK
    c, b = ((c - b) & _MASK) ^ _rotate(b, 4), (b + a) & _MASK
    return a, b, c


def _final(a: Word, b: Word, c: Word) -> Word:
    c = ((c ^ b) - _rotate(b, 14)) & _MASK
    a = ((a ^ c) - _rotate(c, 11)) & _MASK
    b = ((b ^ a) - _rotate(a, 25)) & _MASK
    c = ((c ^ b) - _rotate(b, 16)) & _MASK
    a = ((a ^ c) - _rotate(c, 4)) & _MASK
    b = ((b ^ a) - _rotate(a, 14)) & _MASK
    return ((c ^ b) - _rotate(b, 24)) & _MASK


def lookup3(data: bytes, initial: int = 0) -> int:
    """Bob Jenkins' lookup3 `hashlittle`, the checksum HDF5 keeps on its metadata."""
    if not data:
        return (0xDEADBEEF + initial) & _MASK
    padded = data + bytes(-len(data) % 12)
    words = [int.from_bytes(padded[at : at + 4], "little") for at in range(0, len(padded), 4)]
    return hashed(words, len(data), initial)


def hashed(words: Sequence[Word], length: int, initial: int = 0) -> Word:
    """lookup3 of blocks of `length` > 0 bytes, as little-endian words filled with zeros to threes."""
    seed = (0xDEADBEEF + length + initial) & _MASK
    a, b, c = ((seed + word) & _MASK for word in words[:3])
    for at in range(3, len(words), 3):
        a, b, c = _mix(a, b, c)
        a, b, c = ((old + word) & _MASK for old, word in zip((a, b, c), words[at:], strict=False))
    return _final(a, b, c)

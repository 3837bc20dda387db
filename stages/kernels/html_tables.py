"""The tables that the HTML kernels read: a hash table of all names, what elements are, automata, character references.

One open-addressing table holds five kinds of names (elements, attributes, values of role and itemprop, names of
``<meta>``, character references), because every array that a kernel takes costs compile time. A name is known by two
words: short ones by their first 16 bytes in lower case, long ones by a hash and their length; the second word is
changed by the kind, so that ``title`` the element is not ``title`` the attribute.
"""

from __future__ import annotations

from functools import cache
from html.entities import html5
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.html_keywords import VALUES, automaton
from stages.kernels.html_names import ATTRIBUTES, META_FIELDS, TAGS, tag_kinds

K_TAG, K_ATTRIBUTE, K_VALUE, K_META, K_REFERENCE = (
    np.uint64(number * 0x9E3779B97F4A7C15 & (2**64 - 1)) for number in range(1, 6)
)
"""What the second word of a name is changed by (exclusive or), by kind."""

SLOT_BITS = 13
SLOTS = 1 << SLOT_BITS
_MASK = 2**64 - 1


class Tables(NamedTuple):
    """What the kernels read and never write.

    ``keys``: uint64[2, 8192], the words of the name in a slot. ``numbers``: int32[8192], what it means, 0 for a free
    slot. ``kinds``: int32[TAG_NUMBERS], bits of ``html_names``. ``step``, ``found``, ``symbol``, ``start``: the
    automata (``html_keywords.Automaton``). ``references``: uint8[references, 8], bytes of UTF-8 that a character
    reference stands for, 0 behind them.
    """

    keys: npt.NDArray[np.uint64]
    numbers: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.int32]
    step: npt.NDArray[np.int16]
    found: npt.NDArray[np.int64]
    symbol: npt.NDArray[np.uint8]
    start: npt.NDArray[np.int64]
    references: npt.NDArray[np.uint8]


def slot_of(first: int, second: int) -> int:
    """Where the search for a name begins; the kernels compute the same."""
    mixed = (first * 0x9E3779B97F4A7C15 ^ second * 0xC2B2AE3D27D4EB4F) & _MASK
    return ((mixed ^ (mixed >> 29)) * 0x9E3779B97F4A7C15 & _MASK) >> (64 - SLOT_BITS)


def short_name(name: str) -> tuple[int, int]:
    """The first 16 bytes as two little-endian words."""
    padded = name.encode()[:16].ljust(16, b"\0")
    return int.from_bytes(padded[:8], "little"), int.from_bytes(padded[8:], "little")


def long_name(name: str) -> tuple[int, int]:
    """FNV-1a of 64 bits, and the length. Case is kept: ``&Eacute;`` is not ``&eacute;``."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & _MASK
    return value, len(name.encode())


def _entries() -> list[tuple[tuple[int, int], np.uint64, int]]:
    """Words, kind and number of all names."""
    entries = [(short_name(name), K_TAG, number) for number, name in enumerate(TAGS) if number]
    entries += [(short_name(name), K_ATTRIBUTE, number) for number, name in enumerate(ATTRIBUTES) if number]
    entries += [(short_name(name), K_VALUE, bits) for bits, names in VALUES.items() for name in names.split()]
    for row, names in enumerate(META_FIELDS.values(), 1):
        entries += [(long_name(name), K_META, row) for name in names.split()]
    entries += [(long_name(name), K_REFERENCE, number) for number, name in enumerate(html5, 1)]
    return entries


@cache
def tables() -> Tables:
    """All tables; built once in 0.4 s."""
    keys, numbers = np.zeros((2, SLOTS), np.uint64), np.zeros(SLOTS, np.int32)
    for (first, second), kind, number in _entries():
        second ^= int(kind)
        slot = slot_of(first, second)
        while numbers[slot] and (int(keys[0, slot]), int(keys[1, slot])) != (first, second):
            slot = (slot + 1) & (SLOTS - 1)
        if not numbers[slot]:
            keys[0, slot], keys[1, slot], numbers[slot] = first, second, number
    references = np.zeros((len(html5) + 1, 8), np.uint8)
    for number, characters in enumerate(html5.values(), 1):
        encoded = characters.encode()
        references[number, : len(encoded)] = np.frombuffer(encoded, np.uint8)
    words = automaton()
    return Tables(keys, numbers, tag_kinds(), words.step, words.found, words.symbol, words.start, references)

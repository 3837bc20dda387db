"""Slow, obvious twin of ``stages.kernels.shingles``: units as strings, their hashes as Python's numbers of any size."""

from __future__ import annotations

import unicodedata
from functools import cache

from stages.kernels import word_classes as classes
from stages.kernels.shingle_tables import REACH_BYTES, Units, unit_classes
from tests.reference.hashing import WORD, mixed
from tests.reference.words import joined

FIRST, SECOND, BASE = 0x243F6A8885A308D3, 0x13198A2E03707344, 0xD1342543DE82EF95
READ = {classes.LETTER, classes.DIGIT, classes.KATAKANA, classes.SINGLE}


@cache
def _classes(units: Units) -> list[int]:
    values: list[int] = unit_classes(units).tolist()
    return values


def folded(character: str) -> str:
    """Without case and width; empty for what is never read."""
    code = ord(character)
    selector = 0x180B <= code <= 0x180F or 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    if unicodedata.category(character) == "Cf" or selector:
        return ""
    parts = unicodedata.decomposition(character).split()
    if parts and parts[0] in ("<wide>", "<narrow>"):
        character = "".join(chr(int(part, 16)) for part in parts[1:])
    for changed in (character.casefold(), character.lower()):
        if len(changed) == 1:
            return changed
    return character


def units_of(text: str, units: Units = "auto") -> list[str]:
    """The folded units, in order."""
    found: list[str] = []
    before: list[int] = []
    at = until = 0
    for character in text:
        value = _classes(units)[ord(character)]
        if value == classes.SINGLE:
            until = at + REACH_BYTES if units == "auto" else 0
        elif at < until and value in (classes.LETTER, classes.DIGIT):
            value = classes.SINGLE
        at += len(character.encode())
        if value == classes.EXTEND:
            if before and before[-1] in READ:
                found[-1] += folded(character)
            continue
        if value in READ:
            if not joined(before, value):
                found.append("")
            found[-1] += folded(character)
        before.append(value)
    return found


def unit_hash(unit: str) -> int:
    packed = b""
    for character in unit:
        code = ord(character)
        packed += bytes([code]) if code < 128 else bytes([code & 127 | 128, code >> 7 & 127 | 128, code >> 14 | 128])
    value = FIRST
    for start in range(0, len(packed), 8):
        value = mixed(value ^ int.from_bytes(packed[start : start + 8], "little"))
    return value


def shingle_hashes(text: str, n: int, units: Units = "auto") -> list[int]:
    hashes = [unit_hash(unit) for unit in units_of(text, units)]
    found = []
    for start in range(len(hashes) - n + 1):
        total = 0
        for value in hashes[start : start + n]:
            total = (total * BASE + value) & WORD
        found.append(mixed(total))
    return found


def short_hash(text: str, n: int, units: Units = "auto") -> tuple[int, int]:
    """Of all units where there are some, but fewer than n; else (0, 0)."""
    hashes = [unit_hash(unit) for unit in units_of(text, units)]
    if not 0 < len(hashes) < n:
        return 0, 0
    first, second = FIRST, SECOND
    for value in hashes:
        first = mixed(first ^ value)
        second = mixed((second + value) & WORD) * BASE & WORD
    return first, mixed(second)


def jaccard(one: str, other: str, n: int, units: Units = "auto") -> float:
    """Of the sets of n-grams of units, no hash involved."""
    sets = [
        {tuple(found[start : start + n]) for start in range(len(found) - n + 1)}
        for found in (units_of(one, units), units_of(other, units))
    ]
    return len(sets[0] & sets[1]) / max(len(sets[0] | sets[1]), 1)

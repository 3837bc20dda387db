"""Slow, obvious twin of ``stages.kernels.word_spans``: the words themselves, and their hash in big integers."""

from __future__ import annotations

from stages.kernels import word_classes as classes
from tests.reference.words import BEGINNERS, class_of, joined

_ALL = 2**64 - 1


def word_list(text: str) -> list[str]:
    """The words of a text; a word goes to its last letter, digit or mark."""
    return [text[start:end] for start, end in word_places(text)]


def word_places(text: str) -> list[tuple[int, int]]:
    """(start, end) of every word, in characters."""
    before: list[int] = []
    places: list[tuple[int, int]] = []
    for at, character in enumerate(text):
        value = class_of(character)
        mark = value == classes.EXTEND or value == classes.STACKER
        if mark and before and before[-1] in {*BEGINNERS, classes.STACKER}:
            places[-1] = (places[-1][0], at + 1)
        if value in BEGINNERS:
            begun = places.pop()[0] if joined(before, value) else at
            places.append((begun, at + 1))
        if not mark or (value == classes.STACKER and before[-1:] == [classes.SINGLE]):
            before.append(value)
    return places


def mix(value: int) -> int:
    """SplitMix64's finalizer."""
    value ^= value >> 30
    value = value * 0xBF58476D1CE4E5B9 & _ALL
    value ^= value >> 27
    value = value * 0x94D049BB133111EB & _ALL
    return value ^ (value >> 31)


def word_hash(word: str) -> int:
    """Eight bytes at a time, each number mixed with what came before."""
    found = 0
    raw = word.encode()
    for at in range(0, len(raw), 8):
        found = mix(found ^ int.from_bytes(raw[at : at + 8], "little"))
    return found or 1

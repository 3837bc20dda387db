"""Slow, obvious twin of ``stages.kernels.cut_spans``."""

from __future__ import annotations

from collections.abc import Sequence


def without_spans(row: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
    """The bytes that are in none of the spans."""
    return bytes(byte for place, byte in enumerate(row) if not any(start <= place < end for start, end in spans))


def tears(text: str, place: int) -> bool:
    """Whether a place in the bytes of the text is inside of a character."""
    bounds = [0]
    for letter in text:
        bounds.append(bounds[-1] + len(letter.encode()))
    return place not in bounds

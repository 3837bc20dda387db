"""Slow, obvious twin of ``stages.kernels.utf8``."""

from __future__ import annotations


def windows(text: str, characters: int) -> list[str]:
    """Head, middle and tail."""
    if len(text) <= characters:
        return [text, "", ""]
    third = characters // 3
    head, tail = text[:third], text[len(text) - third :]
    middle_byte = len(text.encode()) // 2
    middle = 0
    while len(text[: middle + 1].encode()) <= middle_byte:
        middle += 1
    start = min(max(middle - third // 2, third), len(text) - third)
    return [head, text[start : min(start + third, len(text) - third)], tail]

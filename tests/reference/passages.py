"""Twin of ``stages.kernels.passages``."""

from __future__ import annotations


def passages(text: bytes, size: int) -> list[bytes]:
    """Cut where the k-th of n equal parts ends: at the next white space within 64 bytes, or before that character."""
    count = -(-len(text) // size)
    ends: list[int] = []
    for number in range(1, count):
        at = len(text) * number // count
        spaces = [place for place in range(at, min(at + 64, len(text))) if text[place] in b" \t\n\v\f\r"]
        while not spaces and at and 0x80 <= text[at] < 0xC0:
            at -= 1
        ends.append(max([*ends[-1:], spaces[0] if spaces else at]))
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)][:count]

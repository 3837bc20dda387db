"""Slow, obvious twin of ``stages.kernels.line_shape``."""

from __future__ import annotations

_SYMBOLS = [
    (0x80, 0xAA),
    (0xAB, 0xB5),
    (0xB6, 0xBA),
    (0xBB, 0xC0),
    (0xD7, 0xD8),
    (0xF7, 0xF8),
    (0x2000, 0x2070),
    (0x20A0, 0x2100),
    (0x2190, 0x2C00),
    (0x2E00, 0x3005),
    (0x3006, 0x3007),
    (0x3008, 0x3040),
    (0xE000, 0xF900),
    (0xFE00, 0xFE70),
    (0xFF00, 0xFF10),
    (0x1F000, 0x20000),
]
_NO_CONTROLS = "\b\t\n\r\f\x1b"


def shape(text: str) -> list[int]:
    """Characters, lines, longest line, alphanumeric characters, controls, NULs."""
    lines = text.split("\n")
    lines = lines if lines[-1] else lines[:-1]
    characters = "".join(lines)
    return [
        len(characters),
        len(lines),
        max(map(len, lines), default=0),
        sum(map(_is_alphanumeric, characters)),
        sum((one < " " or one == "\x7f") and one not in _NO_CONTROLS for one in characters),
        characters.count("\0"),
    ]


def _is_alphanumeric(character: str) -> bool:
    if character.isascii():
        return character.isalnum()
    return not any(start <= ord(character) < stop for start, stop in _SYMBOLS)

"""Full-width and half-width forms: what they stand for.

East Asian encodings had letters as wide as a Han character, and kana half as wide. Unicode keeps them in a block of
their own (U+FF00 to U+FFEF, and the ideographic space) with the usual character as their decomposition. Half-width kana
carry their voicing as a character of its own, as wide as they are (ｶﾞ), which goes into the usual one (ガ).
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Width = Literal["keep", "narrow", "narrow_punctuation"]

FORMS = range(0xFF00, 0xFFF0)
IDEOGRAPHIC_SPACE = 0x3000
KANA = range(0x3040, 0x3100)

SENTENCE_MARKS = "！（），：；？"
"""Full-width marks that Chinese and Japanese sentences are written with; an ASCII comma in them looks like an error."""

_VOICED, _HALF_VOICED = "\u3099", "\u309a"

Int32s = npt.NDArray[np.int32]


class Widths(NamedTuple):
    """What forms stand for, and kana with their voicing marks in them.

    ``usual``: int32[240], code point that the form U+FF00 + i stands for, 0 for none. ``voiced``: int32[2, 192], the
    kana U+3040 + i with a voicing mark, and with a half-voicing mark; 0 where there is none.
    """

    usual: Int32s
    voiced: Int32s


def forms(width: Width) -> list[int]:
    """Code points that are replaced."""
    if width == "keep":
        return []
    kept = SENTENCE_MARKS if width == "narrow" else ""
    usual = widths().usual
    return [IDEOGRAPHIC_SPACE, *(code for code in FORMS if usual[code - FORMS.start] and chr(code) not in kept)]


@cache
def widths() -> Widths:
    """From this Python's ``unicodedata``, whose version is part of every fingerprint."""
    usual = np.array([_usual(chr(code)) for code in FORMS], np.int32)
    marks = _VOICED, _HALF_VOICED
    voiced = np.array([[_composed(chr(code) + mark) for code in KANA] for mark in marks], np.int32)
    for table in (usual, voiced):
        table.flags.writeable = False
    return Widths(usual, voiced)


def _usual(form: str) -> int:
    kind, _, code = unicodedata.decomposition(form).partition(" ")
    return int(code, 16) if kind in ("<wide>", "<narrow>") else 0


def _composed(pair: str) -> int:
    found = unicodedata.normalize("NFC", pair)
    return ord(found) if len(found) == 1 else 0

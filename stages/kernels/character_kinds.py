"""What signals want to know of a character: its case, lower case, and whether it is a digit, white space or bullet.

One table for the surveys of characters, lines and words, so that they agree. Properties are those of this Python's
``unicodedata``, whose version is part of every fingerprint; bullets are a list.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.unicode_tables import CODE_POINTS, assigned, categories, two_stage

UPPER, LOWER, ALPHABETIC, DIGIT, SPACE, BULLET, SIGN = (1 << bit for bit in range(7))
"""Kinds. UPPER, LOWER, ALPHABETIC, SPACE: as ``str.isupper`` … ``str.isspace``. DIGIT: decimal digit of any script.
SIGN: punctuation or symbol."""

BULLETS = "•‣▶◀◦■□▪▫–*-·●○◆◇★☆◼◻➢➤✓✔"
"""Those of RedPajama-Data v2, the hyphen and asterisk of plain text, and what word processors write."""


class CharacterTables(NamedTuple):
    """Two-stage tables (:class:`stages.kernels.unicode_tables.TwoStage`) that kernels run on.

    ``kind_blocks``, ``kinds``: code point → its kinds. ``lower_blocks``, ``lowers``: code point → what to add to it,
    modulo 65,536, for its lower case, where that is one character.
    """

    kind_blocks: npt.NDArray[np.uint16]
    kinds: npt.NDArray[np.uint16]
    lower_blocks: npt.NDArray[np.uint16]
    lowers: npt.NDArray[np.uint16]


def code_point_kinds() -> npt.NDArray[np.uint16]:
    """uint16[0x110000]: the kinds of every code point."""
    found = np.zeros(CODE_POINTS, np.uint16)
    for code in assigned():
        character = chr(code)
        case = UPPER * character.isupper() | LOWER * character.islower()
        found[code] = case | ALPHABETIC * character.isalpha() | SPACE * character.isspace()
    for category, codes in categories().items():
        found[codes] |= DIGIT * (category == "Nd") | SIGN * (category[0] in "PS")
    found[[ord(character) for character in BULLETS]] |= BULLET
    return found


def lower_case_steps() -> npt.NDArray[np.uint16]:
    """uint16[0x110000]: the lower case of a code point minus itself, modulo 65,536; 0 if it is not one character."""
    found = np.zeros(CODE_POINTS, np.uint16)
    for code in assigned():
        lower = chr(code).lower()
        if len(lower) == 1:
            found[code] = (ord(lower) - code) & 0xFFFF
    return found


@lru_cache(maxsize=1)
def character_tables() -> CharacterTables:
    """The tables; made once per process in about half a second."""
    tables = CharacterTables(*two_stage(code_point_kinds()), *two_stage(lower_case_steps()))
    for table in tables:
        table.flags.writeable = False
    return tables

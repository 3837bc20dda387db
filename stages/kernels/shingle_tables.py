"""What near-duplicate detection takes for a unit of text, and how it reads each character.

A shingle is n units in a row. Units are the words of :mod:`stages.kernels.word_classes`, but in scripts that put no
spaces between words (Han, kana, Thai, Lao, Khmer, Burmese, the Tai scripts) each character is a unit, vowel signs and
tone marks included, and so are the letters and digits in the 256 bytes after one. So a 5-gram is five words of English
or Korean, and five characters of Chinese or Thai with the names, numbers and code that it quotes.

That is decided where the text is, not once for the document: pages of two languages whose shares lie around a limit
would be cut in two ways, and copies would have nothing in common. And it looks back, not only at the script itself:
of real revisions of Chinese articles with commands and names in them, of similarity .8 to .9 by characters, 14 bands
of 8 find 297 of 324 with quoted words as words, 317 as here, where the S-curve expects 316.

Units are compared without case, width, punctuation and format characters:

* simple case folding (one character for one, so ``ß`` stays and ``ẞ`` becomes ``ß``);
* full-width letters and digits as ASCII, half-width katakana and Hangul as the ordinary ones;
* punctuation, symbols, emoji, controls, joiners and variation selectors are not read: ``don't``, ``don’t`` and ``dont``
  are one unit, ``1,000`` and ``1000`` too;
* digits and diacritics are kept, other than in datatrove, which makes every number 0 and strips accents before it
  shingles: forms and tables that differ in their numbers alone are not near-duplicates here.

Composed and decomposed letters differ: the stage ``normalize`` is there for that. The properties of characters come
from this Python's ``unicodedata``, whose version is part of every fingerprint.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.unicode_tables import CODE_POINTS, TwoStage, assigned, categories, two_stage
from stages.kernels.word_classes import (
    CONNECTOR,
    DIGIT,
    EXTEND,
    KATAKANA,
    LETTER,
    MID_BOTH,
    MID_DIGIT,
    MID_LETTER,
    OTHER,
    PREFIX,
    SINGLE,
    STACKER,
    code_point_classes,
    steps,
)

Units = Literal["auto", "words", "characters"]
"""``auto``: as above. ``words``: a run of letters is a word in every script, which finds next to nothing in scripts
without spaces; for comparing with tools that do so. ``characters``: each letter or digit, its marks with it, is a unit
in every script."""

CLASS_MASK = 15
"""Low bits of a property: the class of :mod:`stages.kernels.word_classes`. The bits above number the change."""

REACH_BYTES = 256
"""How far behind a character of a script without spaces letters and digits are units of their own."""

UNREAD = 1
"""Number of the change that leaves a character out. Number 0: none."""

_NO_SPACES = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x1950, 0x19DF),
    (0x1A20, 0x1AAF),
    (0xA9E0, 0xA9FF),
    (0xAA60, 0xAADF),
    (0x11700, 0x1174F),
)
"""Blocks of Thai and Lao, Burmese, Khmer, the Tai scripts, Ahom."""
_VARIATION_SELECTORS = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))

Int32s = npt.NDArray[np.int32]
UInt8s = npt.NDArray[np.uint8]
UInt16s = npt.NDArray[np.uint16]


class ShingleTables(NamedTuple):
    """What the shingle kernel runs on.

    ``properties``: code point → class | number of its change << 4. ``changes``: int32, number → what is added to
    the code point. ``ascii``: uint8[256], properties of ASCII as class | 128 if it is read; ``ascii_folded``:
    uint8[256]. ``steps``: as in :class:`stages.kernels.word_classes.WordTables`. ``reach``: bytes behind a character
    of class SINGLE in which letters and digits are SINGLE too.
    """

    properties: TwoStage
    changes: Int32s
    ascii: UInt8s
    ascii_folded: UInt8s
    steps: UInt8s
    reach: int


@lru_cache(maxsize=3)
def shingle_tables(units: Units) -> ShingleTables:
    """The tables for a kind of units; made once per process in about half a second."""
    classes = unit_classes(units)
    folded = folded_code_points().copy()
    folded[~np.isin(classes, [LETTER, DIGIT, KATAKANA, SINGLE, EXTEND])] = 0
    unread = folded == 0
    change = np.where(unread, 0, folded - np.arange(CODE_POINTS)).astype(np.int32)
    known = np.unique(change[change != 0])
    number = np.where(unread, UNREAD, np.where(change == 0, 0, np.searchsorted(known, change) + 2))
    ascii_table = (classes[:256] | np.where(unread[:256], 0, 128)).astype(np.uint8)
    return ShingleTables(
        two_stage((classes | number << 4).astype(np.uint16)),
        np.r_[0, 0, known].astype(np.int32),
        ascii_table,
        folded[:256].astype(np.uint8),
        steps(),
        REACH_BYTES if units == "auto" else 0,
    )


def unit_classes(units: Units) -> UInt16s:
    """uint16[0x110000]: the class of every code point, so that the automaton of words begins one at every unit."""
    classes = code_point_classes()
    if units == "auto":
        _each_is_single(classes)
    elif units == "words":
        classes[np.isin(classes, [SINGLE, KATAKANA, PREFIX])] = LETTER
    else:
        classes[np.isin(classes, [LETTER, DIGIT, KATAKANA, PREFIX])] = SINGLE
        classes[np.isin(classes, [CONNECTOR, MID_LETTER, MID_DIGIT, MID_BOTH])] = OTHER
    classes[classes == STACKER] = EXTEND
    return classes


def _each_is_single(classes: UInt16s) -> None:
    classes[classes == KATAKANA] = SINGLE
    for first, last in _NO_SPACES:
        block = classes[first : last + 1]
        block[np.isin(block, [PREFIX, STACKER, EXTEND])] = SINGLE


@lru_cache(maxsize=1)
def folded_code_points() -> npt.NDArray[np.int64]:
    """int64[0x110000]: the character without case and width; 0 for what is never read."""
    folded = np.arange(CODE_POINTS)
    for code in assigned():
        folded[code] = ord(_folded(chr(code)))
    folded[categories()["Cf"]] = 0
    for first, last in _VARIATION_SELECTORS:
        folded[first : last + 1] = 0
    return folded


def _folded(character: str) -> str:
    width, _, ordinary = unicodedata.decomposition(character).partition(" ")
    if width in ("<wide>", "<narrow>"):
        character = chr(int(ordinary, 16))
    folded = character.casefold()
    if len(folded) != 1:
        folded = character.lower()
    return folded if len(folded) == 1 else character

"""Classes of code points that decide where sentences end, and words that a full stop follows.

The classes are those of Sentence_Break (UAX #29). Letters, digits, spaces and brackets are told apart by general
category, which differs from the property in some hundred characters (Roman numerals, modifier letters) that hardly ever
stand behind a full stop. Terminals are the property itself as of Unicode 17, and ``…``, which in running text does what
three full stops do.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.unicode_tables import CODE_POINTS, TwoStage, categories, two_stage

OTHER, EXTEND, SPACE, SEPARATOR, CLOSE, CONTINUE, NUMERIC, LOWER, UPPER, LETTER, UNENDED, STOP, TERMINAL = range(13)
"""Classes. Compiled kernels hold these numbers, and Numba's cache does not see them change: whoever renumbers them
touches :mod:`stages.kernels.sentences` and :mod:`stages.kernels.line_marks` as well. STOP: a full stop, which has other
uses too. TERMINAL: ends a sentence. SEPARATOR: ends a line. UNENDED: letters and marks of Thai and Lao, which have no
terminals."""

Ranges = tuple[tuple[int, int], ...]

_STOPS = (0x2E, 0x2024, 0x2026, 0xFE52, 0xFF0E)
_SEPARATORS = (0x0A, 0x0D, 0x85, 0x2028, 0x2029)
_SPACES = (0x09, 0x0B, 0x0C)
_TERMINALS: Ranges = (
    (0x21, 0x21), (0x3F, 0x3F), (0x589, 0x589), (0x61D, 0x61F), (0x6D4, 0x6D4), (0x700, 0x702), (0x7F9, 0x7F9),
    (0x837, 0x837), (0x839, 0x839), (0x83D, 0x83E), (0x964, 0x965), (0x104A, 0x104B), (0x1362, 0x1362),
    (0x1367, 0x1368), (0x166E, 0x166E), (0x1735, 0x1736), (0x17D4, 0x17D6), (0x17D9, 0x17DA), (0x1803, 0x1803),
    (0x1809, 0x1809), (0x1944, 0x1945), (0x1AA8, 0x1AAB), (0x1B4E, 0x1B4F), (0x1B5A, 0x1B5B), (0x1B5E, 0x1B5F),
    (0x1B7D, 0x1B7F), (0x1C3B, 0x1C3C), (0x1C7E, 0x1C7F), (0x203C, 0x203D), (0x2047, 0x2049), (0x2CF9, 0x2CFB),
    (0x2E2E, 0x2E2E), (0x2E3C, 0x2E3C), (0x2E53, 0x2E54), (0x2E60, 0x2E61), (0x3002, 0x3002), (0xA4FF, 0xA4FF),
    (0xA60E, 0xA60F), (0xA6F3, 0xA6F3), (0xA6F7, 0xA6F7), (0xA876, 0xA877), (0xA8CE, 0xA8CF), (0xA92F, 0xA92F),
    (0xA9C8, 0xA9C9), (0xAA5D, 0xAA5F), (0xAAF0, 0xAAF1), (0xABEB, 0xABEB), (0xFE12, 0xFE12), (0xFE15, 0xFE16),
    (0xFE56, 0xFE57), (0xFF01, 0xFF01), (0xFF1F, 0xFF1F), (0xFF61, 0xFF61), (0x10A56, 0x10A57), (0x10F55, 0x10F59),
    (0x10F86, 0x10F89), (0x11047, 0x11048), (0x110BE, 0x110C1), (0x11141, 0x11143), (0x111C5, 0x111C6),
    (0x111CD, 0x111CD), (0x111DE, 0x111DF), (0x11238, 0x11239), (0x1123B, 0x1123C), (0x112A9, 0x112A9),
    (0x113D4, 0x113D5), (0x1144B, 0x1144C), (0x115C2, 0x115C3), (0x115C9, 0x115D7), (0x11641, 0x11642),
    (0x1173C, 0x1173E), (0x11944, 0x11944), (0x11946, 0x11946), (0x11A42, 0x11A43), (0x11A9B, 0x11A9C),
    (0x11C41, 0x11C42), (0x11EF7, 0x11EF8), (0x11F43, 0x11F44), (0x16A6E, 0x16A6F), (0x16AF5, 0x16AF5),
    (0x16B37, 0x16B38), (0x16B44, 0x16B44), (0x16D6E, 0x16D6F), (0x16E98, 0x16E98), (0x1BC9F, 0x1BC9F),
    (0x1DA88, 0x1DA88),
)  # fmt: skip
"""Sentence_Terminal without full stops, and three Khmer signs (U+17D6, U+17D9, U+17DA) that Khmer texts end with."""
_CONTINUES: Ranges = (
    (0x2C, 0x2D), (0x3A, 0x3B), (0x37E, 0x37E), (0x55D, 0x55D), (0x60C, 0x60D), (0x7F8, 0x7F8), (0x1802, 0x1802),
    (0x1808, 0x1808), (0x2013, 0x2014), (0x3001, 0x3001), (0xFE10, 0xFE11), (0xFE13, 0xFE14), (0xFE31, 0xFE32),
    (0xFE50, 0xFE51), (0xFE54, 0xFE55), (0xFE58, 0xFE58), (0xFE63, 0xFE63), (0xFF0C, 0xFF0D), (0xFF1A, 0xFF1B),
    (0xFF64, 0xFF64),
)  # fmt: skip
_QUOTES: Ranges = ((0x22, 0x22), (0x27, 0x27), (0x275B, 0x2760), (0x2E00, 0x2E0B), (0x1F676, 0x1F678))
_UNENDED: Ranges = ((0x0E00, 0x0EFF),)
_REPEATERS = (0x0E46, 0x0EC6)
"""Thai and Lao signs that stand apart from the word which they repeat: no sentence begins with one."""

_CATEGORIES = {
    EXTEND: ("Mn", "Mc", "Me", "Cf"),
    SPACE: ("Zs",),
    CLOSE: ("Ps", "Pe", "Pi", "Pf"),
    NUMERIC: ("Nd",),
    LOWER: ("Ll",),
    UPPER: ("Lu", "Lt"),
    LETTER: ("Lo", "Lm", "Nl"),
}

_BEFORE_NAMES = [
    "mr",
    "mrs",
    "ms",
    "mx",
    "dr",
    "prof",
    "st",
    "sr",
    "sra",
    "dra",
    "mme",
    "mlle",
    "hon",
    "rev",
    "fr",
    "hr",
    "gen",
    "col",
    "maj",
    "capt",
    "cpt",
    "lt",
    "sgt",
    "cmdr",
    "adm",
    "gov",
    "sen",
    "rep",
    "pres",
    "supt",
    "messrs",
    "e.g",
    "i.e",
    "cf",
    "viz",
    "vs",
    "al",
    "approx",
    "ca",
    "bzw",
    "resp",
]
_BEFORE_NUMBERS = [
    "no",
    "nos",
    "nr",
    "fig",
    "figs",
    "eq",
    "eqs",
    "sec",
    "ch",
    "p",
    "pp",
    "vol",
    "vols",
    "art",
    "op",
    "jan",
    "feb",
    "aug",
    "sept",
    "oct",
    "nov",
    "dec",
]
LONGEST_ABBREVIATION = 6
ABBREVIATION_FACTOR = 0x9E3779B97F4A7C15


class SentenceTables(NamedTuple):
    """What the kernels run on.

    ``block_of``, ``blocks``: code point → class (:class:`stages.kernels.unicode_tables.TwoStage`). ``before_names``,
    ``before_numbers``: uint64[256], words of at most 6 letters and dots in lower case, the last in the lowest byte,
    which a full stop follows within a sentence; the second only where a digit comes next. A word is in the first free
    place from ``word * ABBREVIATION_FACTOR >> 56`` on; 0 is a free place.
    """

    block_of: npt.NDArray[np.uint16]
    blocks: npt.NDArray[np.uint16]
    before_names: npt.NDArray[np.uint64]
    before_numbers: npt.NDArray[np.uint64]


def _give(codes: npt.NDArray[np.uint16], ranges: Ranges, value: int) -> None:
    """Give all code points in the ranges a class."""
    for first, last in ranges:
        codes[first : last + 1] = value


def code_point_classes() -> npt.NDArray[np.uint16]:
    """uint16[0x110000]: the class of every code point."""
    classes = np.full(CODE_POINTS, OTHER, np.uint16)
    by_category = categories()
    for value, names in _CATEGORIES.items():
        for name in names:
            classes[by_category[name]] = value
    letters = np.isin(classes, (LETTER, EXTEND))
    for first, last in _UNENDED:
        classes[first : last + 1][letters[first : last + 1]] = UNENDED
    classes[list(_REPEATERS)] = LETTER
    _give(classes, _QUOTES, CLOSE)
    _give(classes, _CONTINUES, CONTINUE)
    _give(classes, _TERMINALS, TERMINAL)
    classes[list(_STOPS)] = STOP
    classes[list(_SPACES)] = SPACE
    classes[list(_SEPARATORS)] = SEPARATOR
    return classes


def _packed(words: list[str]) -> npt.NDArray[np.uint64]:
    places = np.zeros(256, np.uint64)
    for word in words:
        value = int.from_bytes(word.encode(), "big")
        place = (value * ABBREVIATION_FACTOR % 2**64) >> 56
        while places[place]:
            place = (place + 1) % 256
        places[place] = value
    return places


def abbreviations() -> tuple[frozenset[str], frozenset[str]]:
    """(words before a name, words before a number), lower case, without the last full stop."""
    return frozenset(_BEFORE_NAMES), frozenset(_BEFORE_NUMBERS)


@lru_cache(maxsize=1)
def sentence_tables() -> SentenceTables:
    """The tables that the kernels run on; made once per process."""
    found: TwoStage = two_stage(code_point_classes())
    tables = SentenceTables(found.block_of, found.blocks, _packed(_BEFORE_NAMES), _packed(_BEFORE_NUMBERS))
    for table in tables:
        table.flags.writeable = False
    return tables

"""What a word is: classes of code points, and the automaton that finds where words begin.

The definition is that of Unicode word boundaries (UAX #29) for what a reader calls words: segments that hold a
letter or digit. Letters, digits and connectors (``_``) run together; an apostrophe or full stop between letters
and a comma, semicolon, apostrophe or full stop between digits join them (``don't``, ``e.g``, ``1,000.5``); marks
and format characters belong to what they follow; hyphens, symbols and emoji separate. The colon does not join
letters, as in the Unicode locale data's tailoring, so ``key:value`` is two words.

Where a script does not put spaces between words, the standard leaves the choice open. Here:

* Han and hiragana: each character is a word (the standard's own default). Chinese has about 1.6 characters to a
  word of a dictionary segmenter, so 80 of these words are about 50 of those.
* Katakana: a run is a word, as in the standard.
* Thai, Lao, Khmer, Burmese and the Tai scripts: a consonant with all vowels and marks that are written around
  it, and with what is stacked under it, is a word; two to three make a word of the dictionary.

No dictionary, so the same text has the same words everywhere, and a phrase has the same words in any context.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.unicode_tables import CODE_POINTS, TwoStage, categories, two_stage

OTHER, LETTER, DIGIT, CONNECTOR, KATAKANA, SINGLE, EXTEND, PREFIX, STACKER, MID_LETTER, MID_DIGIT, MID_BOTH = range(12)
"""Classes. Compiled kernels hold these numbers and those of the states, and Numba's cache does not see them change:
whoever renumbers them touches :mod:`stages.kernels.words` as well. SINGLE: a word by itself. PREFIX: a vowel written
before its consonant. STACKER: puts the next letter under this one. MID_*: joins what is on its two sides if these are
letters, digits, or both of either."""

CLASSES = 16
"""Classes are numbered below this power of two."""

BETWEEN, IN_LETTERS, IN_DIGITS, IN_CONNECTORS, IN_KATAKANA, IN_SINGLE, JOINING, LETTER_MID, DIGIT_MID = range(9)
"""States: what came before. JOINING: the next SINGLE belongs to the word that has begun."""

BEGINS = 1
"""Bit of a step: the character begins a word. ``step & ~BEGINS`` is the new state, times CLASSES."""

Ranges = tuple[tuple[int, int], ...]

_HAN: Ranges = (
    (0x3005, 0x3005),
    (0x3007, 0x3007),
    (0x3021, 0x3029),
    (0x3038, 0x303B),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x16FE0, 0x18CFF),
    (0x18D00, 0x18D7F),
    (0x1B170, 0x1B2FF),
    (0x20000, 0x3FFFD),
)
"""Han, Tangut, Khitan and Nushu: letters in these ranges are ideographs. Planes 2 and 3 hold nothing else."""
_HIRAGANA: Ranges = ((0x3041, 0x3096), (0x309D, 0x309F), (0x1B001, 0x1B11F), (0x1B132, 0x1B152))
_KATAKANA: Ranges = (
    (0x3031, 0x3035),
    (0x309B, 0x309C),
    (0x30A0, 0x30FA),
    (0x30FC, 0x30FF),
    (0x31F0, 0x31FF),
    (0xFF66, 0xFF9D),
    (0x1AFF0, 0x1B000),
    (0x1B120, 0x1B122),
    (0x1B155, 0x1B167),
)
_NO_SPACES: Ranges = (
    (0x0E01, 0x0EDF),
    (0x1000, 0x109F),
    (0x1780, 0x17DD),
    (0x1950, 0x19DF),
    (0x1A20, 0x1AAD),
    (0xA9E0, 0xA9FE),
    (0xAA60, 0xAADF),
    (0x11700, 0x1173F),
)
"""Thai, Lao, Burmese, Khmer, Tai Le, New Tai Lue, Tai Tham, Tai Viet, Ahom: Line_Break=SA of UAX #14."""
_PREFIX_VOWELS: Ranges = (
    (0x0E40, 0x0E44),
    (0x0EC0, 0x0EC4),
    (0x19B5, 0x19B7),
    (0x19BA, 0x19BA),
    (0xAAB5, 0xAAB6),
    (0xAAB9, 0xAAB9),
    (0xAABB, 0xAABC),
)
"""Logical_Order_Exception of the Unicode character database."""
_SUFFIX_VOWELS: Ranges = ((0x0E30, 0x0E30), (0x0E32, 0x0E33), (0x0E45, 0x0E45), (0x0EB0, 0x0EB0), (0x0EB2, 0x0EB3))
"""Thai and Lao vowels after the consonant, which Unicode counts among the letters."""
_STACKERS = (0x1039, 0x17D2, 0x1A60)
"""Burmese virama, Khmer coeng, Tai Tham sakot."""
_MID_LETTERS = (0x00B7, 0x0387, 0x055F, 0x05F4, 0x2027)
_MID_DIGITS = (0x002C, 0x003B, 0x037E, 0x0589, 0x060C, 0x060D, 0x066C, 0x07F8, 0x2044, 0xFE50, 0xFE54, 0xFF0C, 0xFF1B)
_MID_BOTH = (0x0027, 0x002E, 0x2018, 0x2019, 0x2024, 0xFE52, 0xFF07, 0xFF0E)
_ZERO_WIDTH_SPACE = 0x200B


class WordTables(NamedTuple):
    """What the kernels run on.

    ``classes``: code point → class. ``ascii_classes``: uint8[128], the same. ``steps``: uint8, (state × CLASSES |
    class) → new state × CLASSES | BEGINS.
    """

    classes: TwoStage
    ascii_classes: npt.NDArray[np.uint8]
    steps: npt.NDArray[np.uint8]


@lru_cache(maxsize=1)
def word_tables() -> WordTables:
    """The tables that :mod:`stages.kernels.words` runs on; made once per process in about a tenth of a second."""
    classes = code_point_classes()
    return WordTables(two_stage(classes), classes[:128].astype(np.uint8), steps())


def _contains(ranges: Ranges, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return np.any([(codes >= first) & (codes <= last) for first, last in ranges], axis=0)


def code_point_classes() -> npt.NDArray[np.uint16]:
    """uint16[0x110000]: the class of every code point."""
    classes = np.full(CODE_POINTS, OTHER, np.uint16)
    by_category = categories()
    for category, codes in by_category.items():
        if category[0] == "M" or category == "Cf":
            classes[codes] = EXTEND
        elif category[0] == "L" or category == "Nl":
            classes[codes] = LETTER
    classes[by_category["Nd"]] = DIGIT
    classes[by_category["Pc"]] = CONNECTOR
    everything = np.arange(CODE_POINTS)
    letter = classes == LETTER
    classes[letter & _contains((*_HAN, *_HIRAGANA, *_NO_SPACES), everything)] = SINGLE
    classes[_contains(_KATAKANA, everything)] = KATAKANA
    classes[_contains(_PREFIX_VOWELS, everything)] = PREFIX
    classes[_contains(_SUFFIX_VOWELS, everything)] = EXTEND
    classes[list(_STACKERS)] = STACKER
    classes[list(_MID_LETTERS)] = MID_LETTER
    classes[list(_MID_DIGITS)] = MID_DIGIT
    classes[list(_MID_BOTH)] = MID_BOTH
    classes[_ZERO_WIDTH_SPACE] = OTHER
    return classes


_INTO = {LETTER: IN_LETTERS, DIGIT: IN_DIGITS, KATAKANA: IN_KATAKANA, SINGLE: IN_SINGLE, PREFIX: JOINING}
"""The state that a character which can begin a word leads to."""

_CONTINUES = {
    (IN_LETTERS, LETTER),
    (IN_LETTERS, DIGIT),
    (IN_DIGITS, LETTER),
    (IN_DIGITS, DIGIT),
    (IN_KATAKANA, KATAKANA),
    (IN_CONNECTORS, LETTER),
    (IN_CONNECTORS, DIGIT),
    (IN_CONNECTORS, KATAKANA),
    (JOINING, SINGLE),
    (LETTER_MID, LETTER),
    (DIGIT_MID, DIGIT),
}
"""State and class at which the word goes on (rules WB5 to WB13b)."""

_PASSES = {
    (IN_LETTERS, CONNECTOR): IN_CONNECTORS,
    (IN_DIGITS, CONNECTOR): IN_CONNECTORS,
    (IN_KATAKANA, CONNECTOR): IN_CONNECTORS,
    (IN_CONNECTORS, CONNECTOR): IN_CONNECTORS,
    (IN_LETTERS, MID_LETTER): LETTER_MID,
    (IN_LETTERS, MID_BOTH): LETTER_MID,
    (IN_DIGITS, MID_DIGIT): DIGIT_MID,
    (IN_DIGITS, MID_BOTH): DIGIT_MID,
    (IN_SINGLE, STACKER): JOINING,
}
"""State and class that lead to a state from which the word may go on."""


def steps() -> npt.NDArray[np.uint8]:
    """The automaton: uint8[states × CLASSES]."""
    table = np.zeros((DIGIT_MID + 1, CLASSES), np.uint8)
    for state in range(DIGIT_MID + 1):
        for value in range(MID_BOTH + 1):
            if value in _INTO:
                begins = 0 if (state, value) in _CONTINUES else BEGINS
                table[state, value] = _INTO[value] * CLASSES | begins
            elif (state, value) in _PASSES:
                table[state, value] = _PASSES[state, value] * CLASSES
            elif value in (EXTEND, STACKER):
                table[state, value] = state * CLASSES
    return table.reshape(-1)

"""How much text there is to tell a language by: letters, those of dense scripts weighted.

A Han character, a kana, a Hangul syllable, and a letter of a script without spaces between words (Thai, Khmer …) say
about as much of the language as three letters of an alphabet: a word is two of them, not six.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.unicode_tables import CODE_POINTS, TwoStage, categories, two_stage
from stages.kernels.word_classes import KATAKANA, LETTER, PREFIX, SINGLE, code_point_classes

Bytes = npt.NDArray[np.uint8]
UInt16s = npt.NDArray[np.uint16]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]

DENSE = 3
"""Weight of a letter of a dense script."""

_HANGUL_SYLLABLES = slice(0xAC00, 0xD7A4)
_HALF_WIDTH_VOICING = slice(0xFF9E, 0xFFA0)  # marks on the kana before, though letters to Unicode


@lru_cache(maxsize=1)
def letter_weights() -> TwoStage:
    """Code point → 0 for no letter, 1, or :data:`DENSE`."""
    classes = code_point_classes()
    weights = (classes == LETTER).astype(np.uint16)
    weights[np.isin(classes, (KATAKANA, SINGLE, PREFIX))] = DENSE
    weights[_HANGUL_SYLLABLES] = DENSE
    weights[_HALF_WIDTH_VOICING] = 0
    letters = np.zeros(CODE_POINTS, np.bool_)
    for category, codes in categories().items():
        letters[codes] |= category[0] == "L" or category == "Nl"
    return two_stage(weights * letters)


@njit(cache=True, nogil=True)
def _decode(data: Bytes, at: Int, end: Int) -> tuple[Int, int]:
    """(code point, bytes) at a position that is not ASCII; U+FFFD of one byte where it is not UTF-8."""
    lead = np.int64(data[at])
    if 0xE0 <= lead < 0xF0 and at + 3 <= end:
        return ((lead & 0x0F) << 12) | (np.int64(data[at + 1] & 0x3F) << 6) | np.int64(data[at + 2] & 0x3F), 3
    if 0xC2 <= lead < 0xE0 and at + 2 <= end:
        return ((lead & 0x1F) << 6) | np.int64(data[at + 1] & 0x3F), 2
    if 0xF0 <= lead < 0xF5 and at + 4 <= end:
        high = ((lead & 0x07) << 18) | (np.int64(data[at + 1] & 0x3F) << 12)
        code = high | (np.int64(data[at + 2] & 0x3F) << 6) | np.int64(data[at + 3] & 0x3F)
        if code < CODE_POINTS:
            return code, 4
    return 0xFFFD, 1


@njit(cache=True, nogil=True)
def _weigh_rows(data: Bytes, spans: Int64s, limit: int, block_of: UInt16s, blocks: UInt16s, weights: Int64s) -> None:
    """O(bytes up to where a row's weight reaches ``limit``)."""
    for row in range(len(spans)):
        weight: Int = 0
        for span in range(spans.shape[1]):
            at, end = spans[row, span, 0], spans[row, span, 1]
            while at < end and weight < limit:
                code: Int = np.int64(data[at])
                width = 1
                if code >= 0x80:
                    code, width = _decode(data, at, end)
                weight += np.int64(blocks[(np.int64(block_of[code >> 6]) << 6) | (code & 63)])
                at += width
        weights[row] = min(weight, limit)


def weigh_letters(data: Bytes, spans: Int64s, limit: int) -> Int64s:
    """int64[rows]: weight of each row's letters, at most ``limit``.

    ``spans``: int64[rows, k, 2], the row's text is ``data[start:end]`` of its k spans.
    """
    weights = np.empty(len(spans), np.int64)
    _weigh_rows(data, spans, limit, *letter_weights(), weights)
    return weights

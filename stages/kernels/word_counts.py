"""Counts over the words of each row: their characters, letters and capitals, stop words among them.

One pass over the different words of each row (:mod:`stages.kernels.word_types`), eight bytes at a time where they are
ASCII; each counts as often as it occurs. It also gives the hash of each in lower case, by which stop words are looked
up and which :mod:`stages.kernels.word_diversity` takes: ``The`` and ``the`` are one word there. Lower case is character
by character (``str.lower`` of one, where that is one): a final sigma stays a sigma, and ``İ`` stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_runs import flat, word_at
from stages.kernels.character_kinds import ALPHABETIC, DIGIT, LOWER, UPPER, character_tables
from stages.kernels.characters import character, looked_up
from stages.kernels.word_spans import WordSpans, word_hash
from stages.kernels.word_types import WordTypes
from stages.kernels.words import HAN_LEADS

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt16s = npt.NDArray[np.uint16]
UInt64s = npt.NDArray[np.uint64]
Tables = tuple[Any, Any, Any, Any]
"""Of :func:`character_tables`, flat."""

COUNTED = (
    "words",
    "characters",
    "plain_words",
    "plain_word_characters",
    "alphabetic_words",
    "upper_case_words",
    "stop_words",
    "distinct_stop_words",
    "javascript_words",
    "lorem_ipsums",
)
"""Names of the columns. Plain: with a letter or decimal digit, as all words but some numerals (``Ⅷ``) are, and none of
the marks among :mod:`stages.kernels.english_tokens`. Alphabetic: with at least one letter. Upper case: with
an upper-case letter and no lower-case one. The last two, in any case: the word ``javascript``, and ``lorem`` with
``ipsum`` behind it."""
WORDS, CHARACTERS, PLAIN, PLAIN_CHARACTERS, ALPHABETICS, CAPITALS, STOPS, DISTINCT_STOPS, JAVASCRIPTS, LOREMS = range(
    len(COUNTED)
)

_JAVASCRIPT = np.uint64(word_hash("javascript"))
_LOREM = np.uint64(word_hash("lorem"))
_IPSUM = np.uint64(word_hash("ipsum"))

_HIGH = np.uint64(0x8080808080808080)
_LOWER_CASE = np.uint64(0x2020202020202020)
_FROM_A = np.uint64(0x1F1F1F1F1F1F1F1F)
_AFTER_Z = np.uint64(0x0505050505050505)
_FROM_0 = np.uint64(0x5050505050505050)
_AFTER_9 = np.uint64(0x4646464646464646)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_1 = np.uint64(1)
_32 = np.uint64(32)
_2 = np.uint64(2)
_SPLIT1 = np.uint64(0xBF58476D1CE4E5B9)
_SPLIT2 = np.uint64(0x94D049BB133111EB)


WordSet = UInt64s
"""Words to look for, as a cuckoo hash table (Pagh and Rodler 2004) of their hashes: uint64[2 × 2^k], 0 where none is.
A word is in one of two places, its own in each half, so that looking for it takes no branch."""

_MOST_MOVES = 100


def word_set(words: Iterable[str]) -> WordSet:
    """The table of some words, as they stand."""
    hashes = sorted({word_hash(word) for word in words})
    size = 1 << max(7, len(hashes).bit_length())
    while (table := _cuckoo(hashes, size)) is None:
        size *= 2
    return np.array(table, np.uint64)


def _cuckoo(hashes: Sequence[int], size: int) -> list[int] | None:
    """The table with ``size`` places in each half, or None if some hash finds no place."""
    table = [0] * (2 * size)
    for value in hashes:
        half = 0
        for _ in range(_MOST_MOVES):
            place = half * size + ((value >> 32 * half) & (size - 1))
            table[place], value = value, table[place]
            if not value:
                break
            half = 0 if place >= size else 1
        else:
            return None
    return table


@njit(cache=True, nogil=True)
def _mix(value: np.uint64) -> np.uint64:
    """As in :mod:`stages.kernels.word_spans`."""
    value ^= value >> np.uint64(30)
    value *= _SPLIT1
    value ^= value >> np.uint64(27)
    value *= _SPLIT2
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _piece(data: Any, at: Int, size: Int, limit: Int) -> np.uint64:
    """The first ``size`` bytes, at most eight, as a little-endian number; nothing is read from ``limit`` on."""
    if at + 8 <= limit:
        return word_at(data, at) & (_ALL >> np.uint64(64 - 8 * min(size, 8)))
    word = np.uint64(0)
    for k in range(min(size, 8)):
        word |= np.uint64(data[at + k]) << np.uint64(8 * k)
    return word


@njit(cache=True, nogil=True)
def _encoded(code: Int) -> tuple[np.uint64, int]:
    """A character's UTF-8 as a little-endian number, and how many bytes that is."""
    if code < 0x80:
        return np.uint64(code), 1
    last = np.uint64(0x80 | (code & 0x3F))
    if code < 0x800:
        return np.uint64(0xC0 | (code >> 6)) | (last << np.uint64(8)), 2
    second = np.uint64(0x80 | ((code >> 6) & 0x3F))
    if code < 0x10000:
        return np.uint64(0xE0 | (code >> 12)) | (second << np.uint64(8)) | (last << np.uint64(16)), 3
    first = np.uint64(0xF0 | (code >> 18)) | (np.uint64(0x80 | ((code >> 12) & 0x3F)) << np.uint64(8))
    return first | (second << np.uint64(16)) | (last << np.uint64(24)), 4


@njit(cache=True, nogil=True)
def _lower_hash(data: Any, start: Int, end: Int, tables: Tables) -> np.uint64:
    """The hash of the word's bytes in lower case."""
    lower_blocks, lowers = tables[2], tables[3]
    found = pending = np.uint64(0)
    filled = 0
    at = start
    while at < end:
        code, width = character(data, at, end)
        at += width
        step = looked_up(code, (lower_blocks, lowers))
        packed, size = _encoded((code & ~0xFFFF) | ((code + step) & 0xFFFF))
        pending |= packed << np.uint64(8 * filled)
        filled += size
        if filled >= 8:
            filled -= 8
            found = _mix(found ^ pending)
            pending = packed >> np.uint64(8 * (size - filled))
    if filled:
        found = _mix(found ^ pending)
    return found if found else _1


@njit(cache=True, nogil=True)
def _any_word(data: Any, start: Int, end: Int, tables: Tables, whole: np.uint64) -> tuple[Int, Int, np.uint64]:
    """(characters, kinds, hash in lower case) of a word, character by character. ``whole``: its hash as it stands."""
    kind_blocks, kinds, lower_blocks, lowers = tables
    seen = characters = changes = np.int64(0)
    at = start
    while at < end:
        code, width = character(data, at, end)
        seen |= looked_up(code, (kind_blocks, kinds))
        changes |= looked_up(code, (lower_blocks, lowers))
        characters += 1
        at += width
    return characters, seen, _lower_hash(data, start, end, tables) if changes else whole


@njit(cache=True, nogil=True)
def _judge(piece: np.uint64) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """(capitals, small letters, digits, the bytes in lower case) of eight ASCII bytes; the first three as high bits."""
    folded = piece | _LOWER_CASE
    letters = (folded + _FROM_A) & ~(folded + _AFTER_Z) & _HIGH
    digits = (piece + _FROM_0) & ~(piece + _AFTER_9) & _HIGH
    small = (piece << _2) & letters
    capitals = letters ^ small
    return capitals, small, digits, piece | (capitals >> _2)


@njit(cache=True, nogil=True)
def _kinds_of(capitals: np.uint64, small: np.uint64, digits: np.uint64) -> Int:
    kinds = ALPHABETIC * ((capitals | small) != 0) | DIGIT * (digits != 0)
    return np.int64(kinds | UPPER * (capitals != 0) | LOWER * (small != 0))


@njit(cache=True, nogil=True)
def _long_word(
    data: Any, limit: Int, start: Int, end: Int, tables: Tables, whole: np.uint64
) -> tuple[Int, Int, np.uint64]:
    """:func:`_any_word`, eight bytes at a time as long as they are ASCII."""
    found = capitals = small = digits = np.uint64(0)
    at = start
    while at < end:
        piece = _piece(data, at, end - at, limit)
        if piece & _HIGH:
            return _any_word(data, start, end, tables, whole)
        more_capitals, more_small, more_digits, lower = _judge(piece)
        capitals |= more_capitals
        small |= more_small
        digits |= more_digits
        found = _mix(found ^ lower)
        at += 8
    return end - start, _kinds_of(capitals, small, digits), found if found else _1


@njit(cache=True, nogil=True)
def _short_word(piece: np.uint64) -> tuple[Int, np.uint64]:
    """(kinds, hash in lower case) of a word of at most eight ASCII bytes."""
    capitals, small, digits, lower = _judge(piece)
    return _kinds_of(capitals, small, digits), _mix(lower)


@njit(cache=True, nogil=True)
def place_of(keys: Any, size: np.uint64, value: np.uint64) -> np.uint64:
    """Where a hash is among the keys of a :data:`WordSet` with ``size`` places in each half, or where it is not."""
    first = value & (size - _1)
    second = size + ((value >> _32) & (size - _1))
    return second if keys[second] == value else first


@njit(cache=True, nogil=True)
def _lorem_ipsums(words: tuple[Int, Int], of_words: Any, lower_hashes: Any) -> Int:
    """How often ``lorem`` has ``ipsum`` behind it."""
    count = np.int64(0)
    for k in range(words[0] + 1, words[1]):
        behind = lower_hashes[of_words[k - 1]] == _LOREM
        count += behind & (lower_hashes[of_words[k]] == _IPSUM)
    return count


@njit(cache=True, nogil=True)
def _count_row(
    data: tuple[Any, Int],
    words: tuple[Any, Any, Any],
    types: tuple[Any, Any, Any],
    span: tuple[Int, Int],
    tables: Tables,
    stops: tuple[Any, Any, np.uint64, bool],
    mark: Int,
    found: Int64s,
) -> bool | np.bool:
    """Counts one row's types ``span[0]:span[1]``; whether ``ipsum`` is one. ``mark``: no row before had it, above 0."""
    text, limit = data
    starts, ends, hashes = words
    firsts, counts, lower_hashes = types
    keys, seen, size, fold = stops
    characters = plain = plain_characters = alphabetic = capitals = stopped = distinct = scripts = ipsums = np.int64(0)
    for kind in range(span[0], span[1]):
        k, often = firsts[kind], np.int64(counts[kind])
        start, end = starts[k], ends[k]
        length: Int = end - start
        piece = _piece(text, start, length, limit)
        if (length <= 8) & (piece & _HIGH == 0):
            kinds, lower = _short_word(piece)
        elif length == 3 and HAN_LEADS[0] <= text[start] <= HAN_LEADS[1]:
            length, kinds, lower = np.int64(1), np.int64(ALPHABETIC), hashes[k]
        else:
            length, kinds, lower = _long_word(text, limit, start, end, tables, hashes[k])
        lower_hashes[kind] = lower
        length *= often
        characters += length
        is_plain = (kinds & (ALPHABETIC | DIGIT)) != 0
        plain += often * is_plain
        plain_characters += length * is_plain
        alphabetic += often * ((kinds & ALPHABETIC) != 0)
        capitals += often * ((kinds & (UPPER | LOWER)) == UPPER)
        scripts += often * (lower == _JAVASCRIPT)
        ipsums += lower == _IPSUM
        wanted = lower if fold else hashes[k]
        place = place_of(keys, size, wanted)
        # Without a branch: whether it is a stop word cannot be foreseen.
        is_stop = keys[place] == wanted
        last_mark = seen[place]
        stopped += often * is_stop
        distinct += is_stop & (last_mark != mark)
        seen[place] = mark if is_stop else last_mark
    found[CHARACTERS] = characters
    found[PLAIN], found[PLAIN_CHARACTERS] = plain, plain_characters
    found[ALPHABETICS], found[CAPITALS] = alphabetic, capitals
    found[STOPS], found[DISTINCT_STOPS] = stopped, distinct
    found[JAVASCRIPTS] = scripts
    return ipsums > 0


@njit(cache=True, nogil=True)
def _count_rows(
    data: Bytes,
    words: tuple[Any, ...],
    types: tuple[Any, ...],
    tables: tuple[Any, ...],
    stops: tuple[UInt64s, Int32s, bool],
    lower_hashes: UInt64s,
    counts: Int64s,
) -> None:
    """O(bytes of words). Goes through pointers: passing arrays on, a word took three times as long."""
    keys, seen, fold = stops
    rows, starts, ends, hashes = words
    type_rows, firsts, often, of_words = types
    flat_words, lower = (flat(starts), flat(ends), flat(hashes)), flat(lower_hashes)
    flat_types = flat(firsts), flat(often), lower
    flat_tables = flat(tables[0]), flat(tables[1]), flat(tables[2]), flat(tables[3])
    flat_stops = flat(keys), flat(seen), np.uint64(len(keys) // 2), fold
    text = flat(data), len(data)
    for row in range(len(counts)):
        span = type_rows[row], type_rows[row + 1]
        found = counts[row]
        found[WORDS] = rows[row + 1] - rows[row]
        if _count_row(text, flat_words, flat_types, span, flat_tables, flat_stops, row + 1, found):
            found[LOREMS] = _lorem_ipsums((rows[row], rows[row + 1]), flat(of_words), lower)


def count_in_words(
    data: Bytes, words: WordSpans, types: WordTypes, stops: WordSet, fold: bool = True
) -> tuple[Int64s, UInt64s]:
    """(int64[rows, 10]: the :data:`COUNTED` of each row, uint64[types]: hash of each type in lower case).

    ``words``: of the same rows, ``types``: of these words. ``fold``: look for stop words, which then are in lower case,
    whatever a word's case.
    """
    counts = np.zeros((len(words.rows) - 1, len(COUNTED)), np.int64)
    lower_hashes = np.empty(len(types.firsts), np.uint64)
    seen = np.zeros(len(stops), np.int32)
    tables = character_tables()
    with np.errstate(over="ignore"):
        # Plain tuples: of two kinds of named tuple with the same types in them, Numba types one anew at each call.
        _count_rows(data, tuple(words), tuple(types), tuple(tables), (stops, seen, fold), lower_hashes, counts)
    return counts, lower_hashes

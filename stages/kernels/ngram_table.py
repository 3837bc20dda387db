"""Tables of n-gram models, in memory as KenLM lays out its probing models (Heafield 2011, section 3.1), or nearly so.

One behind the other: the vocabulary, which has a 64-bit hash and a 32-bit number for each word; unigrams by number,
logarithms of probability and backoff weight as two float32; for each longer length a table of 64-bit keys with the
same two, KenLM's longest without a weight. Tables are open-addressing, probed one by one, free where the key is 0. The
key of ``w1 … wn`` is chained from the last word's number back to the first one's, so each longer n-gram costs two
multiplications and one look. The sign of a probability tells whether a longer n-gram ends like its own, so hardly a
look is in vain. Number 0 is ``<unk>``.

:func:`kenlm_shape` is the layout of its files. Tables made here are searched from the begins of lines of the cache on
(:func:`line_shape`): hardly a search needs a second line, which nothing has fetched.

An n-gram is found only if the model has its shorter ends and beginnings, as models of lmplz and Gristmill do. By chance
one that the model lacks is taken for one that it has with probability n-grams / 2**64.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from operator import mul
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.arpa_text import Lines
from stages.kernels.byte_runs import flat, word_at
from stages.kernels.compiled import inlined, kernel
from stages.kernels.loads import fetch, high_product
from stages.kernels.unicode_tables import CODE_POINTS

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]
UInt32s = npt.NDArray[np.uint32]

MAX_ORDER = 16
HEADER_BYTES = 8
"""Before the vocabulary: version 0 and the number of words, as two uint32."""
WORD_BYTES, UNIGRAM_BYTES, GRAM_BYTES, LONGEST_BYTES = 12, 8, 16, 12
"""Bytes of an entry: of the vocabulary, of unigrams, of longer n-grams, of KenLM's longest."""
_SPACE = 2.0
"""Entries there is room for, for each n-gram: 95 of 100 lines of the cache hold all that begin there."""
_NO_UNKNOWN = -100.0
"""log10 probability of unknown words where a model has none for them, as in KenLM."""
_UNKNOWN = (b"<unk>", b"<UNK>")
LINE_BYTES = 64
"""Of the processor's cache."""
_AHEAD = 16
"""N-grams whose entries are fetched before they are put."""

_MURMUR = np.uint64(0xC6A4A7935BD1E995)
_47 = np.uint64(47)
_LEFT = np.uint64(8978948897894561157)
_RIGHT = np.uint64(17894857484156487943)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_NUMBER = np.uint64(0xFFFFFFFF)
_0 = np.uint64(0)
_1 = np.uint64(1)


class NgramTable(NamedTuple):
    """A model: the vocabulary, the unigrams, and a table for each longer length, numbered from 0 on.

    memory: uint8, the tables, perhaps with other things around them. values: float32, a view of the same memory.
    places, ends: int64[order + 1], where tables begin and end in it. sizes: int64[order + 1], bytes of an entry.
    homes: uint64[order + 1], at how many places a search may begin. strides: int64[order + 1], bytes between those.
    inverses: uint64[order + 1], (2**64 - 1) // homes. characters: int32, numbers of words that are one character, by
    its code point, and of ``<s>`` and ``</s>`` behind them; empty where that is of no use.
    """

    memory: Bytes
    values: Float32s
    places: Int64s
    ends: Int64s
    sizes: Int64s
    homes: UInt64s
    strides: Int64s
    inverses: UInt64s
    characters: Int32s

    @property
    def order(self) -> int:
        """Length of the longest n-gram."""
        return len(self.places) - 1


class Shape(NamedTuple):
    """Where the tables of a model lie and how they are searched, as in :class:`NgramTable`."""

    places: Sequence[int]
    ends: Sequence[int]
    sizes: Sequence[int]
    homes: Sequence[int]
    strides: Sequence[int]


@inlined
def word_hash(data: Any, size: Int, start: Int, end: Int) -> np.uint64:
    """MurmurHash64A (Austin Appleby, public domain) of some of the flat bytes, of which there are ``size``; seed 0."""
    found = np.uint64(end - start) * _MURMUR
    for at in range(start, end - 7, 8):
        word = word_at(data, at) * _MURMUR
        found = (found ^ ((word ^ (word >> _47)) * _MURMUR)) * _MURMUR
    rest = (end - start) & 7
    if rest:
        last = end - rest
        word = _0
        if last + 8 <= size:
            word = word_at(data, last) & (_ALL >> np.uint64(64 - 8 * rest))
        else:
            for k in range(rest):
                word |= np.uint64(data[last + k]) << np.uint64(8 * k)
        found = (found ^ word) * _MURMUR
    found = (found ^ (found >> _47)) * _MURMUR
    return found ^ (found >> _47)


@inlined
def flat_table(table: NgramTable) -> NgramTable:
    """Pointers in place of arrays."""
    return NgramTable(
        flat(table.memory),
        flat(table.values),
        flat(table.places),
        flat(table.ends),
        flat(table.sizes),
        flat(table.homes),
        flat(table.strides),
        flat(table.inverses),
        flat(table.characters),
    )


@inlined
def chained(key: np.uint64, word: Int) -> np.uint64:
    """Key of an n-gram with one more word before it; a word's own key is its number."""
    return (key * _LEFT) ^ (np.uint64(1 + word) * _RIGHT)


@inlined
def home(table: NgramTable, n: Int, key: np.uint64) -> Int:
    """Place where the search for a key begins; 0 is the vocabulary. ``key % homes`` without a division."""
    homes = table.homes[n]
    rest = key - high_product(key, table.inverses[n]) * homes
    if rest >= homes:
        rest -= homes
    return table.places[n] + table.strides[n] * np.int64(rest)


@inlined
def find(table: NgramTable, n: Int, key: np.uint64, at: Int) -> Int:
    """Place of the key's entry, or of the free one where it belongs, searched from a place on."""
    found = word_at(table.memory, at)
    while found != key and found != _0:
        at += table.sizes[n]
        if at == table.ends[n]:
            at = table.places[n]
        found = word_at(table.memory, at)
    return at


@kernel
def _hash(word: Bytes) -> np.uint64:
    return word_hash(flat(word), len(word), 0, len(word))


@kernel
def _place_of(table: NgramTable, key: np.uint64) -> Int:
    """Of a word in the vocabulary."""
    tables = flat_table(table)
    return find(tables, 0, key, home(tables, 0, key))


@kernel
def _find_numbers(data: Bytes, ends: Int64s, table: NgramTable, numbers: Int32s) -> None:
    """Of words that stand one behind the other; 0 for those that have no unigram. O(bytes)."""
    tables, text = flat_table(table), flat(data)
    start: Int = 0
    for word in range(len(ends)):
        key = word_hash(text, len(data), start, ends[word])
        place = find(tables, 0, key, home(tables, 0, key))
        numbers[word] = np.int32(word_at(tables.memory, place + 8) & _NUMBER)
        start = ends[word]


@kernel
def _put_words(
    data: Bytes,
    spans: tuple[Int64s, Int64s],
    logarithms: tuple[Float64s, Float64s],
    unknown: tuple[np.uint64, np.uint64],
    table: NgramTable,
    numbers: UInt32s,
    count: Int,
) -> Int:
    """``count``: words that are there; returns how many there are then."""
    starts, ends = spans
    tables, text = flat_table(table), flat(data)
    for row in range(len(starts)):
        key = word_hash(text, len(data), starts[row], ends[row])
        word: Int = 0
        if key != unknown[0] and key != unknown[1]:
            at = find(tables, 0, key, home(tables, 0, key)) >> 2
            word = np.int64(numbers[at + 2])
            if word == 0:
                word = count
                count += 1
                _put_key(numbers, at, key)
                numbers[at + 2] = np.uint32(word)
        at = (table.places[1] + UNIGRAM_BYTES * word) >> 2
        table.values[at] = min(logarithms[0][row], 0.0)
        table.values[at + 1] = logarithms[1][row]
    return count


@inlined
def _put_key(numbers: UInt32s, at: Int, key: np.uint64) -> None:
    numbers[at], numbers[at + 1] = np.uint32(key & _NUMBER), np.uint32(key >> np.uint64(32))


@kernel
def _gram_keys(
    data: Bytes,
    spans: tuple[Int64s, Int64s],
    n: int,
    unknown: tuple[np.uint64, np.uint64],
    table: NgramTable,
    keys: UInt64s,
    shorter: UInt64s,
) -> Int:
    """Keys of n-grams, and of their ends of one word less; returns the first with a word that is no unigram, or -1."""
    starts, ends = spans
    tables, text = flat_table(table), flat(data)
    for row in range(len(keys)):
        for k in range((row + 1) * n - 1, row * n - 1, -1):
            hashed = word_hash(text, len(data), starts[k], ends[k])
            place = find(tables, 0, hashed, home(tables, 0, hashed))
            word = np.int64(word_at(tables.memory, place + 8) & _NUMBER)
            if word == 0 and hashed != unknown[0] and hashed != unknown[1]:
                return row
            if k == (row + 1) * n - 1:
                keys[row] = np.uint64(word)
            else:
                shorter[row] = keys[row]
                keys[row] = chained(keys[row], word)
    return np.int64(-1)


@kernel
def _put_grams(
    keys: UInt64s,
    shorter: UInt64s,
    logarithms: tuple[Float64s, Float64s],
    n: int,
    table: NgramTable,
    numbers: UInt32s,
) -> None:
    tables = flat_table(table)
    values = table.values
    has_backoff = table.sizes[n] == GRAM_BYTES
    for row in range(len(keys) + _AHEAD):
        if row < len(keys):
            fetch(tables.memory, home(tables, n, keys[row]))
            if n > 2:
                fetch(tables.memory, home(tables, n - 1, shorter[row]))
        ready = row - _AHEAD
        if ready < 0:
            continue
        at = find(tables, n, keys[ready], home(tables, n, keys[ready])) >> 2
        _put_key(numbers, at, keys[ready])
        values[at + 2] = -abs(min(logarithms[0][ready], 0.0))
        if has_backoff:
            values[at + 3] = logarithms[1][ready]
        key = shorter[ready]
        at = table.places[1] + UNIGRAM_BYTES * np.int64(key)
        if n > 2:
            at = find(tables, n - 1, key, home(tables, n - 1, key))
            if word_at(tables.memory, at) != key:
                continue
            at += 8
        values[at >> 2] = abs(values[at >> 2])


def kenlm_shape(counts: Sequence[int], space: float, start: int = 0) -> Shape:
    """As KenLM lays tables out behind ``start``; ``space``: buckets for each n-gram."""
    sizes = [WORD_BYTES, UNIGRAM_BYTES, *[GRAM_BYTES] * (len(counts) - 2), *[LONGEST_BYTES] * (len(counts) > 1)]
    homes = [_buckets(counts[0], space), counts[0] + 1, *(_buckets(count, space) for count in counts[1:])]
    return _shape(start, sizes, homes, sizes)


def line_shape(counts: Sequence[int]) -> Shape:
    """Searches begin where a line of the cache does, and hardly one goes over its end."""
    sizes = [WORD_BYTES, UNIGRAM_BYTES, *[GRAM_BYTES] * (len(counts) - 1)]
    lines = [int(count * _SPACE * GRAM_BYTES) // LINE_BYTES + 1 for count in counts[1:]]
    strides = [WORD_BYTES, UNIGRAM_BYTES, *[LINE_BYTES] * len(lines)]
    return _shape(0, sizes, [_buckets(counts[0], _SPACE), counts[0] + 1, *lines], strides)


def _shape(start: int, sizes: list[int], homes: list[int], strides: list[int]) -> Shape:
    ends = list(accumulate(map(mul, homes, strides), initial=start + HEADER_BYTES))
    return Shape(ends[:-1], ends[1:], sizes, homes, strides)


def _buckets(count: int, space: float) -> int:
    """In single precision, as KenLM computes it."""
    return max(count + 1, int(np.float32(space) * np.float32(count)))


def table_in(memory: Bytes, shape: Shape) -> NgramTable:
    """The table that lies in memory."""
    places, ends, sizes, homes, strides = (np.array(numbers) for numbers in shape)
    homes = homes.astype(np.uint64)
    values = memory[: shape.ends[-1]].view(np.float32)
    return NgramTable(memory, values, places, ends, sizes, homes, strides, _ALL // homes, np.zeros(0, np.int32))


def make_table(shape: Shape) -> NgramTable:
    """A table that holds ``<unk>`` and nothing else."""
    memory = np.zeros(shape.ends[-1] + LINE_BYTES, np.uint8)  # NumPy asks for large pages
    start = -(memory.ctypes.data + shape.ends[1]) % LINE_BYTES
    table = table_in(memory[start : start + shape.ends[-1]], shape)
    vocabulary_header(table)[1] = 1
    put_words(table, [b"<unk>"], _NO_UNKNOWN)
    return table


def with_characters(table: NgramTable, among: str | None = None) -> NgramTable:
    """The same with numbers of words by code point, for text that is looked up character by character. In 0.1 s.

    ``among``: characters that there will be; all of them when left out.
    """
    text = "".join(map(chr, range(CODE_POINTS)) if among is None else sorted(set(among)))
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    widths = np.ones(len(codes), np.int64) + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000)
    ends = np.cumsum(np.append(widths, [len(b"<s>"), len(b"</s>")]))
    found = np.zeros(len(ends), np.int32)
    with np.errstate(over="ignore"):
        data = text.encode("utf-8", "surrogatepass") + b"<s></s>"
        _find_numbers(np.frombuffer(data, np.uint8), ends, table, found)
    numbers = np.zeros(CODE_POINTS + 2, np.int32)
    numbers[codes], numbers[CODE_POINTS:] = found[:-2], found[-2:]
    return table._replace(characters=numbers)


def vocabulary_header(table: NgramTable) -> UInt32s:
    """uint32[2], a view: version, and how many words there are, ``<unk>`` among them."""
    return table.memory[table.places[0] - HEADER_BYTES : table.places[0]].view(np.uint32)


def put_words(table: NgramTable, words: Sequence[bytes], probability: float = 0.0) -> None:
    """Puts unigrams into the table, all of the same log10 probability."""
    bounds = np.cumsum([0, *map(len, words)], dtype=np.int64)
    lines = Lines(bounds[:-1], bounds[1:], np.full(len(words), probability), np.zeros(len(words)))
    put_grams(table, np.frombuffer(b"".join(words), np.uint8), lines, 1)


def has_word(table: NgramTable, word: bytes) -> bool:
    """Whether the word has a unigram; ``<unk>`` always has."""
    key = hashed(word)
    with np.errstate(over="ignore"):
        place = int(_place_of(table, key))
    return word in _UNKNOWN or bool(table.memory[place : place + WORD_BYTES].any())


def hashed(word: bytes) -> np.uint64:
    """:func:`word_hash` of a word."""
    with np.errstate(over="ignore"):
        return np.uint64(_hash(np.frombuffer(word, np.uint8)))


def put_grams(table: NgramTable, data: Bytes, lines: Lines, n: int) -> int:
    """Puts n-grams of length n into the table, where shorter ones have to be. O(bytes).

    Returns -1, or the first line with a word that is no unigram; nothing is put then.
    """
    spans, logarithms = (lines.starts, lines.ends), (lines.probabilities, lines.backoffs)
    unknown = (hashed(_UNKNOWN[0]), hashed(_UNKNOWN[1]))
    numbers = table.values.view(np.uint32)
    with np.errstate(over="ignore"):
        if n == 1:
            header = vocabulary_header(table)
            header[1] = _put_words(data, spans, logarithms, unknown, table, numbers, int(header[1]))
            return -1
        keys, shorter = np.empty(len(logarithms[0]), np.uint64), np.empty(len(logarithms[0]), np.uint64)
        wrong = int(_gram_keys(data, spans, n, unknown, table, keys, shorter))
        if wrong < 0:
            _put_grams(keys, shorter, logarithms, n, table, numbers)
    return wrong

"""Scores of text under an n-gram model, from Arrow's bytes.

All n-grams lie in one open-addressing table of 16-byte entries: a 64-bit key, logarithms of probability and backoff
weight as two float32. The key of ``w1 … wn`` is chained from the last word's hash back to the first one's, so each
longer n-gram costs two multiplications and one look. A sign tells whether a longer n-gram ends like an entry, so hardly
a look is in vain. (Both as in KenLM, Heafield 2011, section 3.1, whose scores these are up to rounding.) A line is
looked up length by length, all its tokens at a time, each fetched ahead, so that the memory's delays overlap.

An n-gram is found only if the model has its shorter ends, as models of lmplz and Gristmill do. By chance one that the
model lacks is taken for one that it has with probability n-grams / 2**64. A word without a unigram is ``<unk>``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from stages.kernels.arpa_text import Lines
from stages.kernels.loads import load64

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]

_SPLIT1 = np.uint64(0xBF58476D1CE4E5B9)
_SPLIT2 = np.uint64(0x94D049BB133111EB)
_LEFT = np.uint64(0x9E3779B97F4A7C15)
_RIGHT = np.uint64(0xD6E8FEB86659FD93)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_0 = np.uint64(0)
_1 = np.uint64(1)

MAX_ORDER = 16
_WINDOW = 1024
"""Tokens looked up at a time: what is needed of them stays in the nearest memory."""
_LEAST_SLOTS = 16
_FULL = 0.7
"""Share of the slots that may be taken: above, look-ups pass over many entries of others."""
_NO_UNKNOWN = -100.0
"""log10 probability of unknown words where a model has none for them, as in KenLM."""


class NgramTable(NamedTuple):
    """entries: uint64[2 × slots], key and values; values: float32[4 × slots], a view of the same memory.

    A probability's logarithm is stored with its sign turned where no longer n-gram ends like it. begin, end, unknown:
    hashes of the model's markers. order: length of the longest n-gram.
    """

    entries: UInt64s
    values: Float32s
    begin: np.uint64
    end: np.uint64
    unknown: np.uint64
    order: int


class LineScores(NamedTuple):
    """The lines that have a token.

    rows: int64, number of the row. scores: float64, sum of log10 probabilities, that of ``</s>`` among them. tokens:
    int64, without ``</s>``. unknown: int64, how many of them the model does not know.
    """

    rows: Int64s
    scores: Float64s
    tokens: Int64s
    unknown: Int64s


@intrinsic
def _fetch_compiled(typingctx: Any, entries: Any, place: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        builder.call(prefetch, [address, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(entries, types.int64), codegen


def _fetch_interpreted(entries: UInt64s, place: Int) -> None:
    pass


_fetch: Any = _fetch_interpreted if config.DISABLE_JIT else _fetch_compiled  # type: ignore[attr-defined]
"""(array, place): has the memory bring that place near, without waiting for it."""


@njit(cache=True, nogil=True)
def _mix(value: np.uint64) -> np.uint64:
    value ^= value >> np.uint64(30)
    value *= _SPLIT1
    value ^= value >> np.uint64(27)
    value *= _SPLIT2
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _hash(data: Bytes, start: Int, end: Int) -> np.uint64:
    """Of a word; it is the key of its unigram too, and never 0."""
    found = np.uint64(end - start)
    for at in range(start, end, 8):
        size = min(end - at, 8)
        if at + 8 <= len(data):
            word = load64(data, at) & (_ALL >> np.uint64(64 - 8 * size))
        else:
            word = _0
            for k in range(size):
                word |= np.uint64(data[at + k]) << np.uint64(8 * k)
        found = _mix(found ^ word)
    return found if found else _1


@njit(cache=True, nogil=True)
def _chained(key: np.uint64, word: np.uint64) -> np.uint64:
    """Key of an n-gram with one more word before it. Hashes are random, so multiplying is enough."""
    found = (key * _LEFT) ^ (word * _RIGHT)
    return found if found else _1


@njit(cache=True, nogil=True)
def _slot(entries: UInt64s, key: np.uint64) -> Int:
    """Slot of the key, or the free one where it belongs."""
    mask = np.uint64((len(entries) >> 1) - 1)
    place = key & mask
    while entries[np.int64(place) * 2] != _0 and entries[np.int64(place) * 2] != key:
        place = (place + _1) & mask
    return np.int64(place)


@njit(cache=True, nogil=True)
def _fetch_slot(entries: UInt64s, key: np.uint64) -> None:
    _fetch(entries, np.int64(key & np.uint64((len(entries) >> 1) - 1)) * 2)


@njit(cache=True, nogil=True)
def _is_space(byte: Int) -> bool | np.bool:
    return byte == 32 or 9 <= byte <= 13


@njit(cache=True, nogil=True)
def _put_grams(
    data: Bytes,
    spans: tuple[Int64s, Int64s],
    numbers: tuple[Float64s, Float64s],
    n: int,
    entries: UInt64s,
    values: Float32s,
) -> None:
    starts, ends = spans
    probabilities, backoffs = numbers
    for row in range(len(probabilities)):
        key = _0
        for k in range((row + 1) * n - 1, row * n - 1, -1):
            word = _hash(data, starts[k], ends[k])
            if key == _0:
                key = word
                continue
            if k == row * n:
                shorter = 4 * _slot(entries, key) + 2
                values[shorter] = -abs(values[shorter])
            key = _chained(key, word)
        slot = _slot(entries, key)
        entries[2 * slot] = key
        values[4 * slot + 2] = abs(min(probabilities[row], 0.0))
        values[4 * slot + 3] = backoffs[row]


class Window(NamedTuple):
    """Tokens of a line on their way; those before a certain place are scored already, and context for the others.

    words, keys: uint64, hash, and key of the longest n-gram looked for. active: int64, places that go on. lengths:
    int64, of the longest n-gram found. probabilities: float64, its log10. backoffs: float64, ``order`` for each token,
    sums of the weights of the 1, 2, … longest contexts.
    """

    words: UInt64s
    keys: UInt64s
    active: Int64s
    lengths: Int64s
    probabilities: Float64s
    backoffs: Float64s


@njit(cache=True, nogil=True)
def _look_up(
    table: tuple[UInt64s, Float32s], window: Window, start: Int, count: Int, order: Int, strange: np.uint64
) -> Int:
    """Finds the longest n-gram that ends at each token; returns how many are unknown. O((count - start) × order)."""
    entries, values = table
    words, keys, active, lengths, probabilities, backoffs = window
    unknown: Int = 0
    going: Int = 0
    for at in range(start, count):
        slot = _slot(entries, keys[at])
        if entries[2 * slot] != keys[at]:
            words[at] = keys[at] = strange
            slot = _slot(entries, strange)
            unknown += 1
        probability = values[4 * slot + 2]
        probabilities[at] = -abs(np.float64(probability))
        backoffs[at * order] = np.float64(values[4 * slot + 3])
        lengths[at] = 1
        if probability <= 0 and at > 0 and order > 1:
            keys[at] = _chained(keys[at], words[at - 1])
            _fetch_slot(entries, keys[at])
            active[going] = at
            going += 1
    for n in range(2, order + 1):
        left: Int = 0
        for place in range(going):
            at = active[place]
            slot = _slot(entries, keys[at])
            if entries[2 * slot] != keys[at]:
                continue
            probability = values[4 * slot + 2]
            probabilities[at] = -abs(np.float64(probability))
            before = at * order + n - 1
            backoffs[before] = backoffs[before - 1] + np.float64(values[4 * slot + 3])
            lengths[at] = n
            if probability <= 0 and at >= n and n < order:
                keys[at] = _chained(keys[at], words[at - n])
                _fetch_slot(entries, keys[at])
                active[left] = at
                left += 1
        going = left
    return unknown


@njit(cache=True, nogil=True)
def _sum(window: Window, start: Int, count: Int, order: Int) -> float:
    """Of the tokens' log10 probabilities, given all before them. O(count - start)."""
    _, _, _, lengths, probabilities, backoffs = window
    total = 0.0
    for at in range(start, count):
        total += probabilities[at]
        known, context = min(lengths[at - 1], order - 1), lengths[at] - 1
        if known > context:
            first = (at - 1) * order - 1
            total += backoffs[first + known]
            if context:
                total -= backoffs[first + context]
    return total


@njit(cache=True, nogil=True)
def _keep_context(window: Window, count: Int, order: Int) -> Int:
    """Moves the last tokens to the front; returns how many they are."""
    kept = min(count, order)
    words, _, _, lengths, _, backoffs = window
    for at in range(kept):
        words[at], lengths[at] = words[count - kept + at], lengths[count - kept + at]
        for n in range(order):
            backoffs[at * order + n] = backoffs[(count - kept + at) * order + n]
    return kept


@njit(cache=True, nogil=True)
def _token_end(data: Bytes, at: Int, stop: Int, characters: bool) -> Int:
    at += 1
    if characters:
        while at < stop and (data[at] & 0xC0) == 0x80:
            at += 1
    else:
        while at < stop and not _is_space(data[at]):
            at += 1
    return at


@njit(cache=True, nogil=True)
def _score(
    text: tuple[Bytes, Int64s],
    characters: bool,
    table: tuple[UInt64s, Float32s],
    markers: tuple[np.uint64, np.uint64, np.uint64],
    order: Int,
    out: LineScores,
) -> Int:
    """Writes the lines' scores, returns how many there are. O(bytes + tokens × order)."""
    data, offsets = text
    entries = table[0]
    rows, scores, tokens, unknown = out
    begin, end, strange = markers
    words, keys = np.zeros(_WINDOW, np.uint64), np.zeros(_WINDOW, np.uint64)
    active, lengths = np.zeros(_WINDOW, np.int64), np.zeros(_WINDOW, np.int64)
    window = Window(words, keys, active, lengths, np.zeros(_WINDOW), np.zeros(_WINDOW * order))
    lines: Int = 0
    for row in range(len(offsets) - 1):
        at, stop = offsets[row], offsets[row + 1]
        start: Int = 0
        count: Int = 0
        total = 0.0
        while at <= stop:
            if at == stop or data[at] == 10:
                if tokens[lines]:
                    words[count] = keys[count] = end
                    unknown[lines] += _look_up(table, window, start, count + 1, order, strange)
                    scores[lines] = total + _sum(window, max(start, 1), count + 1, order)
                    rows[lines] = row
                    lines += 1
                start, count, total = 0, 0, 0.0
                at += 1
                continue
            if _is_space(data[at]):
                at += 1
                continue
            if count == 0:
                words[0] = keys[0] = begin
                count = 1
            elif count == _WINDOW - 1:
                unknown[lines] += _look_up(table, window, start, count, order, strange)
                total += _sum(window, max(start, 1), count, order)
                start = count = _keep_context(window, count, order)
            after = _token_end(data, at, stop, characters)
            word = _hash(data, at, after)
            _fetch_slot(entries, word)
            words[count] = keys[count] = word
            tokens[lines] += 1
            count += 1
            at = after
    return lines


@njit(cache=True, nogil=True)
def _count_lines(data: Bytes, offsets: Int64s) -> Int:
    count: Int = len(offsets)
    for at in range(offsets[0], offsets[-1]):
        count += data[at] == 10
    return count


def make_table(grams: int, order: int) -> NgramTable:
    """A table with room for so many n-grams; it holds ``<unk>``."""
    slots = max(_LEAST_SLOTS, 1 << int((grams + 1) / _FULL).bit_length())
    entries = np.zeros(2 * slots, np.uint64)
    hashes = [_word_hash(word) for word in (b"<s>", b"</s>", b"<unk>")]
    table = NgramTable(entries, entries.view(np.float32), hashes[0], hashes[1], hashes[2], order)
    put_words(table, [b"<unk>"], _NO_UNKNOWN)
    return table


def put_words(table: NgramTable, words: Sequence[bytes], probability: float = 0.0) -> None:
    """Puts unigrams into the table, all of the same log10 probability."""
    for word in words:
        slot = _word_slot(table, word)
        table.entries[2 * slot] = _word_hash(word)
        table.values[4 * slot + 2] = abs(probability)


def has_word(table: NgramTable, word: bytes) -> bool:
    """Whether the word has a unigram."""
    return bool(table.entries[2 * _word_slot(table, word)] == _word_hash(word))


def _word_slot(table: NgramTable, word: bytes) -> int:
    with np.errstate(over="ignore"):
        return int(_slot(table.entries, _word_hash(word)))


def _word_hash(word: bytes) -> np.uint64:
    with np.errstate(over="ignore"):
        return np.uint64(_hash(np.frombuffer(word, np.uint8), 0, len(word)))


def put_grams(table: NgramTable, data: Bytes, lines: Lines, n: int) -> None:
    """Puts n-grams of length n into the table, where shorter ones have to be. O(bytes)."""
    spans, numbers = (lines.starts, lines.ends), (lines.probabilities, lines.backoffs)
    with np.errstate(over="ignore"):
        _put_grams(data, spans, numbers, n, table.entries, table.values)


def score_lines(table: NgramTable, data: Bytes, offsets: Int64s, *, characters: bool = False) -> LineScores:
    """Scores of the lines of rows ``data[offsets[i]:offsets[i + 1]]``, tokens between white space or characters."""
    room = int(_count_lines(data, offsets))
    out = LineScores(np.zeros(room, np.int64), np.zeros(room), np.zeros(room, np.int64), np.zeros(room, np.int64))
    markers = (table.begin, table.end, table.unknown)
    with np.errstate(over="ignore"):
        lines = _score((data, offsets), characters, (table.entries, table.values), markers, table.order, out)
    return LineScores(out.rows[:lines], out.scores[:lines], out.tokens[:lines], out.unknown[:lines])

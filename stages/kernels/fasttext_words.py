"""fastText models of words and word n-grams, with few labels: the quality classifiers, read four times as fast.

The same answers as :mod:`stages.kernels.fasttext` gives, for models without character n-grams, from another form of
the model (:class:`WordNetwork`):

* A row's outputs are linear in its vector, which is a mean of input vectors. So what each vector adds to every output
  is worked out once; of two labels under a softmax only the difference counts, and a feature is one number.
* Words are found by one look into one table, in which words of up to 16 bytes stand themselves, with their hashes.
* A few thousand bytes at a time go through four short loops, each without a branch that cannot be foretold: where words
  begin and end, their hashes and numbers, n-grams, sums. So the loads of many words overlap.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

from stages.kernels.byte_masks import ones, trailing_zeros
from stages.kernels.fasttext import (
    BUCKETS,
    END_OF_LINE,
    HIERARCHICAL,
    LONGEST,
    LOSS,
    SOFTMAX,
    WORD_NGRAMS,
    WORDS,
    Network,
    projected,
)
from stages.kernels.loads import load64

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]

PIECE = 4096
"""Bytes that go through the loops together: their words' buffers fit into the second cache."""

_EIGHT = 8
_HEAD, _TAIL, _ENTRY, _HASH = range(4)
_7, _8, _16, _29 = np.uint64(7), np.uint64(8), np.uint64(16), np.uint64(29)
_32, _35, _56 = np.uint64(32), np.uint64(35), np.uint64(56)
_ONES = np.uint64(0x0101010101010101)
_LOW_BITS, _EIGHT_SPACES = np.uint64(0x7F7F7F7F7F7F7F7F), np.uint64(0x2020202020202020)
_FROM_9, _FROM_14 = np.uint64(0x7777777777777777), np.uint64(0x7272727272727272)
_0, _1 = np.uint64(0), np.uint64(1)
_32_BITS = np.uint64(0xFFFFFFFF)
_SIGN = np.uint64(0x80)
_SIGN_BIT = np.uint64(0x80000000)
_SIGN_EXTENSION = np.uint64(0xFFFFFFFF00000000)
_EXTENSION = np.uint64(0xFFFFFF00)
_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
_FNV_OFFSET = np.uint64(2166136261)
_FNV_PRIME = np.uint64(16777619)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FACTOR = np.uint64(116049371)
_END_OF_LINE_HASH = np.uint64(0xFFFFFFFFD79C9359)  # of "</s>", its sign extended
_LABEL = np.uint64(int.from_bytes(b"__label_", "little"))
_UNDERSCORE = np.uint8(ord("_"))
_SOLID = np.ones(256, np.uint8)
_SOLID[[0x00, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x20]] = 0


class WordNetwork(NamedTuple):
    """A model's arrays.

    ``table``: uint64[power of two, 4], of a word its first and its last 8 bytes, its length in the upper 32 bits and
    its number plus 1 in the lower ones (0 for an empty place), and its hash. ``words`` and ``word_offsets``: for what
    lies between in words of more than 16 bytes.
    ``values``: float32[rows, outputs], what a feature adds to each output: words, then n-grams. ``bucket_rows`` and
    ``settings``: as in :class:`stages.kernels.fasttext.Network`.
    """

    table: UInt64s
    words: Bytes
    word_offsets: Int64s
    values: Float32s
    bucket_rows: Int32s
    settings: Int64s


@intrinsic
def _high_product_compiled(typingctx: Any, a: Any, b: Any) -> Any:
    """The upper half of a product of 128 bits, one instruction; there is no other way to ask for it."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), codegen


def _high_product_interpreted(a: np.uint64, b: np.uint64) -> np.uint64:
    return np.uint64(int(a) * int(b) >> 64)


_high_product: Any = _high_product_interpreted if config.DISABLE_JIT else _high_product_compiled  # type: ignore[attr-defined]


@njit(cache=True, nogil=True)
def _remainder(value: np.uint64, divisor: np.uint64, reciprocal: np.uint64) -> np.int64:
    """64-bit ``value % divisor`` without division (Barrett 1986); reciprocal: (2**64 − 1) // divisor."""
    rest = value - _high_product(value, reciprocal) * divisor
    for _ in range(2):
        if rest >= divisor:
            rest -= divisor
    return np.int64(rest)


@njit(cache=True, nogil=True)
def _hash(data: Bytes, start: Int, end: Int) -> np.uint64:
    """The library's hash of a word: 32-bit FNV-1a with bytes from 128 on sign-extended, extended itself to 64 bits."""
    value = _FNV_OFFSET
    for place in range(start, end):
        byte = np.uint64(data[place])
        value = ((value ^ (byte | (_EXTENSION if byte >= _SIGN else _0))) * _FNV_PRIME) & _32_BITS
    return value | _SIGN_EXTENSION if value >= _SIGN_BIT else value


@njit(cache=True, nogil=True)
def _eight(data: Bytes, start: Int, size: Int) -> np.uint64:
    """8 bytes from there on, those beyond ``size`` as zeros."""
    if start + _EIGHT <= len(data):
        key = load64(data, start)
        return key & ((_1 << (_8 * np.uint64(size))) - _1) if size < _EIGHT else key
    key = _0
    for k in range(min(size, _EIGHT)):
        key |= np.uint64(data[start + k]) << (_8 * np.uint64(k))
    return key


@njit(cache=True, nogil=True)
def _slot(head: np.uint64, tail: np.uint64, shift: np.uint64) -> np.int64:
    """Where to look first: the upper bits of a product, which all bytes of both have a part in."""
    mixed = head ^ ((tail << _29) | (tail >> _35))
    mixed = (mixed ^ (mixed >> _32)) * _GOLDEN
    return np.int64((mixed ^ (mixed >> _32)) * _GOLDEN >> shift)


@njit(cache=True, nogil=True)
def _same(data: Bytes, start: Int, words: Bytes, first: Int, size: Int) -> bool:
    """Whether the bytes between the first and the last 8 are equal, too."""
    for k in range(_EIGHT, size - _EIGHT):
        if data[start + k] != words[first + k]:
            return False
    return True


@njit(cache=True, nogil=True)
def _fill(words: Bytes, word_offsets: Int64s, table: UInt64s) -> None:
    """O(bytes)."""
    shift = np.uint64(64) - np.uint64(_bits(len(table)))
    for word in range(len(word_offsets) - 1):
        start, size = word_offsets[word], word_offsets[word + 1] - word_offsets[word]
        head = _eight(words, start, size)
        tail = _eight(words, start + max(size - _EIGHT, 0), size)
        slot = _slot(head, tail, shift)
        while table[slot, _ENTRY] != _0:
            slot = (slot + 1) & (len(table) - 1)
        table[slot, _HEAD], table[slot, _TAIL] = head, tail
        table[slot, _ENTRY] = (np.uint64(size) << _32) | np.uint64(word + 1)
        table[slot, _HASH] = _hash(words, start, start + size)


@njit(cache=True, nogil=True)
def _bits(size: Int) -> Int:
    bits = 0
    while 1 << bits < size:
        bits += 1
    return bits


def suits(network: Network) -> bool:
    """Whether this form is one for the model: no character n-grams, no tree, and fewer outputs than dimensions."""
    settings = network.settings
    few = len(network.outputs) < network.inputs.shape[1]
    return bool(settings[LONGEST] == 0 and settings[LOSS] != HIERARCHICAL and few)


def word_network(network: Network) -> WordNetwork:
    """The model in this form. O(rows × outputs × dim + bytes of words)."""
    outputs = network.outputs
    if network.settings[LOSS] == SOFTMAX and len(outputs) == 2:
        outputs = outputs[1:] - outputs[:1]
    table = np.zeros((1 << (2 * len(network.word_offsets)).bit_length(), 4), np.uint64)
    with np.errstate(over="ignore"):
        _fill(network.words, network.word_offsets, table)
    values = projected(network._replace(outputs=outputs)).inputs
    table.flags.writeable = False
    return WordNetwork(table, network.words, network.word_offsets, values, network.bucket_rows, network.settings)


@njit(cache=True, nogil=True)
def _solid_bytes(eight: np.uint64) -> np.uint64:
    """1 in each byte that is no white space (9 to 13, 32) and not 0, of 8 bytes at once."""
    low = eight & _LOW_BITS
    is_something = (low + _LOW_BITS) | eight
    other = eight ^ _EIGHT_SPACES
    is_not_space = ((other & _LOW_BITS) + _LOW_BITS) | other
    is_control = (low + _FROM_9) & ~(low + _FROM_14) & ~eight
    return ((is_something & is_not_space & ~is_control) >> _7) & _ONES


@njit(cache=True, nogil=True)
def _word_bounds(data: Bytes, at: Int, stop: Int, solid_before: Int, bounds: Int64s, count: Int) -> tuple[Int, Int]:
    """Adds the places where words begin and end by turns; their count, and whether the last byte is in a word.

    Writes up to 4 places more than it counts.
    """
    before = np.uint64(solid_before)
    place: Int = at
    while place + _EIGHT <= stop:
        solid = _solid_bytes(load64(data, place))
        changes = solid ^ ((solid << _8) | before)
        before = solid >> _56
        end = count + ones(changes)
        for k in range(4):  # seldom more: without a loop whose end cannot be foretold
            bounds[count + k] = place + (trailing_zeros(changes) >> 3)
            changes &= changes - _1
        count += 4
        while count < end:
            bounds[count] = place + (trailing_zeros(changes) >> 3)
            changes &= changes - _1
            count += 1
        count = end
        place += _EIGHT
    for rest in range(place, stop):
        inside = np.uint64(_SOLID[data[rest]])
        bounds[count] = rest
        count += np.int64(inside ^ before)
        before = inside
    return count, np.int64(before)


@njit(cache=True, nogil=True)
def _read_words(data: Bytes, bounds: Int64s, pairs: Int, shift: np.uint64, keys: UInt64s) -> Int:
    """Both ends of each word, where to look first, its begin and its size, in ``keys``; labels are no words."""
    count: Int = 0
    for pair in range(pairs):
        start, size = bounds[2 * pair], bounds[2 * pair + 1] - bounds[2 * pair]
        head = _eight(data, start, size)
        tail = _eight(data, start + max(size - _EIGHT, 0), size)
        keys[count, 0], keys[count, 1] = head, tail
        keys[count, 2] = np.uint64(_slot(head, tail, shift))
        keys[count, 3], keys[count, 4] = np.uint64(start), np.uint64(size)
        is_label = head == _LABEL and size > _EIGHT and data[start + _EIGHT] == _UNDERSCORE
        count += 0 if is_label else 1
    return count


@njit(cache=True, nogil=True)
def _look_up(
    keys: UInt64s, count: Int, table: UInt64s, numbers: Int64s, hashes: UInt64s, held: Int, others: Int64s
) -> Int:
    """Numbers and hashes (behind the ``held`` ones) of words that stand where they are looked for first.

    Places of those that do not, or are so long that their ends do not tell, are put into ``others``; how many.
    """
    left: Int = 0
    for k in range(count):
        slot, size = keys[k, 2], keys[k, 4]  # unsigned, as an index that may be below 0 costs a test each time
        entry = table[slot, _ENTRY]
        found = (table[slot, _HEAD] == keys[k, 0]) & (table[slot, _TAIL] == keys[k, 1]) & (entry >> _32 == size)
        numbers[k] = np.int64(entry & _32_BITS) - 1
        hashes[held + k] = table[slot, _HASH]
        others[left] = k
        left += 0 if found & (size <= _16) else 1
    return left


@njit(cache=True, nogil=True)
def _look_further(
    data: Bytes, keys: UInt64s, network: WordNetwork, others: Int64s, count: Int, numbers: Int64s, hashes: UInt64s,
    held: Int,
) -> None:  # fmt: skip
    """The same for the words at the places in ``others``: -1 for unknown ones."""
    table, words, word_offsets = network.table, network.words, network.word_offsets
    for place in range(count):
        k = others[place]
        slot, start, size = np.int64(keys[k, 2]), np.int64(keys[k, 3]), np.int64(keys[k, 4])
        numbers[k] = -1
        hashes[held + k] = _hash(data, start, start + size)
        while table[slot, _ENTRY] != _0:
            entry = table[slot, _ENTRY]
            if table[slot, _HEAD] == keys[k, 0] and table[slot, _TAIL] == keys[k, 1] and np.int64(entry >> _32) == size:
                found = np.int64(entry & _32_BITS) - 1
                if _same(data, start, words, word_offsets[found], size):
                    numbers[k] = found
                    break
            slot = (slot + 1) & (len(table) - 1)


@njit(cache=True, nogil=True)
def _ngram_rows(
    settings: Int64s, bucket_rows: Int32s, hashes: UInt64s, span: tuple[Int, Int], features: UInt64s, found: Int
) -> Int:
    """Adds the rows of the n-grams that end within ``span``; how many features there are then."""
    longest, words = settings[WORD_NGRAMS], settings[WORDS]
    buckets = np.uint64(settings[BUCKETS])
    reciprocal = _ALL_BITS // buckets
    for size in range(2, longest + 1):
        for last in range(max(span[0], size - 1), span[1]):
            value = hashes[last - size + 1] * _FACTOR + hashes[last - size + 2]
            for place in range(last - size + 3, last + 1):
                value = value * _FACTOR + hashes[place]
            row = _remainder(value, buckets, reciprocal)
            if len(bucket_rows):
                row = np.int64(bucket_rows[row])
            features[found] = np.uint64(words + row)
            found += np.int64(row >= 0)
    return found


@njit(cache=True, nogil=True)
def _features(network: WordNetwork, numbers: Int64s, hashes: UInt64s, held: Int, count: Int, features: UInt64s) -> Int:
    """Rows of the words and of the n-grams that end with them, known and kept ones only; how many."""
    found: Int = 0
    for k in range(count):
        features[found] = np.uint64(numbers[k])
        found += np.int64(numbers[k] >= 0)
    return _ngram_rows(network.settings, network.bucket_rows, hashes, (held, held + count), features, found)


@njit(cache=True, nogil=True)
def _add(values: Float32s, features: UInt64s, count: Int, total: Float64s) -> None:
    if len(total) == 1:
        even, odd = 0.0, 0.0  # two sums, as an addition has to wait for the one before
        for k in range(0, count - 1, 2):
            even += values[features[k], 0]
            odd += values[features[k + 1], 0]
        if count & 1:
            even += values[features[count - 1], 0]
        total[0] += even + odd
        return
    for k in range(count):
        for output in range(len(total)):
            total[output] += values[features[k], output]


@njit(cache=True, nogil=True)
def _row_outputs(
    data: Bytes, start: Int, end: Int, network: WordNetwork,
    buffers: tuple[Int64s, UInt64s, Int64s, UInt64s, UInt64s, Int64s],
    total: Float64s, piece: Int,
) -> Int:  # fmt: skip
    """The sums of the row's features by output, in ``total``, and how many features there are."""
    bounds, keys, numbers, hashes, features, others = buffers
    table = network.table
    shift = np.uint64(64) - np.uint64(_bits(len(table)))
    reach = max(network.settings[WORD_NGRAMS] - 1, 0)
    total[:] = 0
    added: Int = 0
    open_word: Int = 0
    solid: Int = 0
    held: Int = 0
    at = start
    while at < end:
        stop = min(at + piece, end)
        bounds[0] = open_word
        count, solid = _word_bounds(data, at, stop, solid, bounds, solid)
        if stop == end and solid:
            bounds[count] = end
            count += 1
        words = _read_words(data, bounds, count // 2, shift, keys)
        left = _look_up(keys, words, table, numbers, hashes, held, others)
        _look_further(data, keys, network, others, left, numbers, hashes, held)
        found = _features(network, numbers, hashes, held, words, features)
        _add(network.values, features, found, total)
        added += found
        open_word = bounds[count - 1] if count & 1 else 0
        kept = min(held + words, reach)
        for k in range(kept):
            hashes[k] = hashes[held + words - kept + k]
        held = kept
        at = stop
    end_of_line = network.settings[END_OF_LINE]
    if end_of_line >= 0:
        numbers[0], hashes[held] = end_of_line, _END_OF_LINE_HASH
        found = _features(network, numbers, hashes, held, 1, features)
        _add(network.values, features, found, total)
        added += found
    return added


@njit(cache=True, nogil=True)
def _row_probabilities(total: Float64s, added: Int, loss: Int, wanted: Int64s, found: Float64s) -> None:
    """The probability of each wanted label, from the sums of the row's features by output."""
    if added == 0:
        found[:] = 0
        return
    highest = -math.inf
    for output in range(len(total)):
        total[output] /= added
        highest = max(highest, total[output])
    whole = 0.0
    for output in range(len(total)):
        whole += math.exp(total[output] - highest)
    for k in range(len(wanted)):
        if loss != SOFTMAX:
            found[k] = 1.0 / (1.0 + math.exp(-total[wanted[k]]))
        elif len(total) > 1:
            found[k] = math.exp(total[wanted[k]] - highest) / whole
        else:
            found[k] = 1.0 / (1.0 + math.exp(-total[0] if wanted[k] else total[0]))


@njit(cache=True, nogil=True)
def _rows(
    data: Bytes, starts: Int64s, ends: Int64s, network: WordNetwork, wanted: Int64s, labels: Int, piece: Int,
    found: Float64s,
) -> None:  # fmt: skip
    """O(bytes × n + words × n × outputs) for word n-grams of up to n words."""
    longest = max(network.settings[WORD_NGRAMS], 1)
    words = piece // 2 + 2
    bounds, numbers = np.empty(piece + 7, np.int64), np.empty(words, np.int64)
    hashes, features = np.empty(words + longest, np.uint64), np.empty(words * longest + 1, np.uint64)
    buffers = bounds, np.empty((words, 5), np.uint64), numbers, hashes, features, np.empty(words, np.int64)
    total = np.empty(network.values.shape[1], np.float64)
    for row in range(len(starts)):
        added = _row_outputs(data, starts[row], ends[row], network, buffers, total, piece)
        if labels == 1 and network.settings[LOSS] == SOFTMAX:
            found[row] = 1.0 if added else 0.0
        else:
            _row_probabilities(total, added, network.settings[LOSS], wanted, found[row])


def word_probabilities(
    data: Bytes, starts: Int64s, ends: Int64s, network: WordNetwork, wanted: Int64s, labels: Int, piece: int = PIECE
) -> Float64s:
    """float64[rows, k]: the probability of each of the k labels whose numbers are ``wanted``; 0 where nothing is known.

    Row i is ``data[starts[i]:ends[i]]``, read as one line. ``labels``: how many the model has; ``piece``: bytes that go
    through the loops together.
    """
    found = np.empty((len(starts), len(wanted)), np.float64)
    with np.errstate(over="ignore"):
        _rows(data, starts, ends, network, wanted, labels, piece, found)
    return found

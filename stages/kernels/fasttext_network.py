"""A supervised fastText model's arrays, as its file has them and in the form in which text is read quickest.

The method is that of Joulin et al. 2016 (arXiv 1607.01759): a text's vector is the mean of the vectors of its words, of
their character n-grams and of word n-grams, found by hash; a linear layer gives the labels. The quick form
(:class:`WordNetwork`) makes what does not depend on the text once, when the model is loaded:

* A row's outputs are linear in its vector. With fewer outputs than dimensions each vector is replaced by what it adds
  to every output; of two labels under a softmax only the difference counts, and a feature is one number.
* A word of the dictionary has the sum of its own vector and of those of its character n-grams. So it is one look-up and
  one addition, with character n-grams as without.
* A word is found by one look into a table of 16 bytes a place, which has a 64-bit hash of the word and not the word. By
  chance an unknown word is taken for one of the model's with probability words / 2**64.

Each process holds the table (2 to 4 places a word), the sums (4 bytes × words × outputs, with character n-grams only)
and, with fewer outputs than dimensions, the products (4 bytes × rows × outputs). With as many outputs as dimensions or
more, vectors stay as they are, mapped from the file unless it is quantized, and workers share them; sums are then made
for the commonest words only, up to 64 MB.
"""

from __future__ import annotations

import mmap
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from stages.kernels.byte_masks import ones
from stages.kernels.loads import copy_bytes, high_product, load64

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]
Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]

HIERARCHICAL, NEGATIVE_SAMPLING, SOFTMAX, ONE_VERSUS_ALL = 1, 2, 3, 4
"""Losses, by the numbers in model files."""

LABELS, WORDS, BUCKETS, SHORTEST, LONGEST, WORD_NGRAMS, END_OF_LINE, LOSS = range(8)
"""Places in ``settings``: how many labels, words and buckets, shortest and longest character n-gram, longest word
n-gram, number of the word that ends each line (-1: none), loss."""

KEY, ENTRY = range(2)
"""Columns of a word table."""
SLOT_BYTES = 16
EIGHT = 8
"""Bytes that are loaded together."""
CHARACTERS = 256
"""Characters whose n-grams are added up together."""
TILE = 16
"""Columns that are added in one go: two registers of most CPUs."""

_HUGE_PAGE = 1 << 21
_MOST_SUM_BYTES = 1 << 26
_0, _1, _6, _8, _63 = np.uint64(0), np.uint64(1), np.uint64(6), np.uint64(8), np.uint64(63)
_32, _64 = np.uint64(32), np.uint64(64)
_32_BITS = np.uint64(0xFFFFFFFF)
_SIGN_EXTENSION = np.uint64(0xFFFFFF00)
_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
_FNV_OFFSET, _FNV_PRIME, _PRIME = np.uint64(2166136261), np.uint64(16777619), np.uint32(16777619)
_KEY_FACTOR, _SECOND_FACTOR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_THIRD_FACTOR, _LAST_FACTOR = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORD_BEGIN, _WORD_END = np.uint8(ord("<")), np.uint8(ord(">"))


class Network(NamedTuple):
    """A model as its file has it.

    ``words``: uint8, all words one after the other; word i is ``words[word_offsets[i]:word_offsets[i + 1]]``.
    ``inputs``: float32[rows, dim], word vectors, then those of n-grams. ``bucket_rows``: int32[buckets], the row of a
    bucket's n-gram after the words, -1 if it was pruned; empty if none was. ``outputs``: float32[labels or inner nodes,
    dim]. ``tree``: int32[inner nodes, 2], children (below ``labels`` a leaf), for HIERARCHICAL. ``settings``: int64[8],
    by the names above.
    """

    words: Bytes
    word_offsets: Int64s
    inputs: Float32s
    bucket_rows: Int32s
    outputs: Float32s
    tree: Int32s
    settings: Int64s


class WordNetwork(NamedTuple):
    """A model as text is read by it; a *value* is a vector, or what it adds to the n outputs.

    ``table``: uint64[power of two, 2], of a word its key (0 for an empty place), then the library's hash (upper 32
    bits) and its number (lower ones). ``values``: float32[rows, n], of words and of the buckets that were kept.
    ``sums``: float32[all or the first words, n], with the word's character n-grams. ``features``: int32[the same], how
    many values a sum has; empty without character n-grams. ``kept``: uint64[buckets / 64, 2], a bit for each of 64
    buckets, set if it was, and the row of the first one; empty if all were. ``outputs``: float32[labels or inner nodes,
    n]; empty if values are those of outputs. ``tree`` and ``settings``: as in :class:`Network`.
    """

    table: UInt64s
    values: Float32s
    sums: Float32s
    features: Int32s
    kept: UInt64s
    outputs: Float32s
    tree: Int32s
    settings: Int64s


@intrinsic
def _add_tile_compiled(typingctx: Any, values: Any, rows: Any, count: Any, column: Any, total: Any) -> Any:
    """Sixteen sums in registers; LLVM does not find them in a loop over columns."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [context.make_array(signature.args[k])(context, builder, arguments[k]) for k in (0, 1, 4)]
        matrix, places, sums = arrays
        single, double = ir.VectorType(ir.FloatType(), TILE), ir.VectorType(ir.DoubleType(), TILE)
        columns = cgutils.unpack_tuple(builder, matrix.shape, 2)[1]  # type: ignore[no-untyped-call]
        found = cgutils.alloca_once_value(builder, ir.Constant(single, [0.0] * TILE))  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, arguments[2]) as loop:
            row = builder.load(builder.gep(places.data, [loop.index]))
            place = builder.add(builder.mul(row, columns), arguments[3])
            address = builder.bitcast(builder.gep(matrix.data, [place]), single.as_pointer())
            builder.store(builder.fadd(builder.load(found), builder.load(address, align=4)), found)
        address = builder.bitcast(builder.gep(sums.data, [arguments[3]]), double.as_pointer())
        added = builder.fadd(builder.load(address, align=8), builder.fpext(builder.load(found), double))
        builder.store(added, address, align=8)
        return context.get_dummy_value()

    return types.void(values, rows, types.int64, types.int64, total), codegen


def _add_tile_interpreted(values: Float32s, rows: UInt64s, count: Int, column: Int, total: Float64s) -> None:
    found = np.zeros(TILE, np.float32)
    for row in rows[:count]:
        found += values[row, column : column + TILE]
    total[column : column + TILE] += found


add_tile: Any = _add_tile_interpreted if config.DISABLE_JIT else _add_tile_compiled  # type: ignore[attr-defined]
"""(values, rows, count, column, total): adds columns column to column + 15 of the first rows, summed as float32."""


@njit(cache=True, nogil=True)
def _fnv(value: np.uint64, byte: np.uint8) -> np.uint64:
    """A step of 32-bit FNV-1a in which bytes from 128 on are sign-extended, as the library's C++ does."""
    extended = np.uint64(byte) | (_SIGN_EXTENSION if byte >= 0x80 else _0)
    return ((value ^ extended) * _FNV_PRIME) & _32_BITS


@njit(cache=True, nogil=True)
def word_hash(data: Bytes, start: Int, end: Int) -> np.uint64:
    """The library's 32-bit hash of a word."""
    value = _FNV_OFFSET
    for place in range(start, end):
        value = _fnv(value, data[place])
    return value


@njit(cache=True, nogil=True)
def eight(data: Bytes, start: Int, size: Int) -> np.uint64:
    """8 bytes from there on, those beyond ``size`` as zeros."""
    if start + EIGHT <= len(data):
        key = load64(data, start)
        return key & ((_1 << (_8 * np.uint64(size))) - _1) if size < EIGHT else key
    key = _0
    for k in range(min(size, EIGHT)):
        key |= np.uint64(data[start + k]) << (_8 * np.uint64(k))
    return key


@njit(cache=True, nogil=True)
def slot_shift(slots: Int) -> np.uint64:
    """What :func:`slot_of` needs to know of a table with so many places."""
    shift = _64
    while _1 << (_64 - shift) < np.uint64(slots):
        shift -= _1
    return shift


@njit(cache=True, nogil=True)
def _folded(left: np.uint64, right: np.uint64) -> np.uint64:
    """Both halves of the product of 128 bits."""
    return np.uint64(high_product(left, right)) ^ (left * right)


@njit(cache=True, nogil=True)
def word_key(data: Bytes, start: Int, size: Int, head: np.uint64) -> np.uint64:
    """A 64-bit hash of a word whose first 8 bytes are ``head``, never 0; the upper bits say where to look first.

    Up to 16 bytes are read in two overlapping eights, further ones eight at a time. Products of 128 bits mix them, as
    in wyhash: with 64 bits a line of signs with one other sign in it had the key of another.
    """
    key = _folded(head ^ _KEY_FACTOR, eight(data, start + max(size - EIGHT, 0), size) ^ _SECOND_FACTOR)
    for place in range(start + EIGHT, start + size - EIGHT, EIGHT):
        key = _folded(key ^ load64(data, place), _THIRD_FACTOR)
    key = _folded(key ^ np.uint64(size), _LAST_FACTOR)
    return key if key else _1


@njit(cache=True, nogil=True)
def _remainder(hashed: np.uint64, divisor: np.uint64, reciprocal: np.uint64) -> np.uint64:
    """32-bit ``hashed % divisor`` without division (Lemire, Kaser and Kurz 2019); reciprocal: 2**64 // divisor + 1."""
    fraction = reciprocal * hashed
    low = ((fraction & _32_BITS) * divisor) >> _32
    return ((fraction >> _32) * divisor + low) >> _32


@njit(cache=True, nogil=True)
def _characters(token: Bytes, at: Int, size: Int, starts: Int64s) -> tuple[Int, Int]:
    """Where characters begin, from ``at`` on and until ``starts`` is full; how many, and where the next one begins."""
    count: Int = 0
    place = at
    while place < size and count < len(starts) - 1:
        starts[count] = place
        count += 1
        place += 1
        while place < size and (token[place] & 0xC0) == 0x80:
            place += 1
    starts[count] = place
    return count, place


@njit(cache=True, nogil=True)
def _character_ngrams(
    token: Bytes, at: Int, size: Int, settings: Int64s, starts: Int64s, hashes: UInt32s, rows: UInt64s, count: Int
) -> tuple[Int, Int]:
    """Adds the rows of n-grams of a word between ``<`` and ``>`` that begin at ``at`` or some characters later.

    Gives where to go on, and how many rows there are. All n-grams of one length are hashed before the next longer ones,
    so that a step does not wait for the one before. O(bytes × longest n-gram).
    """
    shortest, longest, words = settings[SHORTEST], settings[LONGEST], np.uint64(settings[WORDS])
    buckets = np.uint64(settings[BUCKETS])
    reciprocal = _ALL_BITS // buckets + _1
    characters, end = _characters(token, at, size, starts)
    firsts = characters if end == size else characters - longest + 1
    one_byte_each = end - at == characters
    for first in range(firsts):
        hashes[first] = _FNV_OFFSET
    for length in range(1, longest + 1):
        whole = min(firsts, characters - length + 1)
        if one_byte_each:
            for first in range(whole):
                hashes[first] = (hashes[first] ^ np.uint32(token[at + first + length - 1])) * _PRIME
        else:
            for first in range(whole):
                value = np.uint64(hashes[first])
                for place in range(starts[first + length - 1], starts[first + length]):
                    value = _fnv(value, token[place])
                hashes[first] = value
        if length >= shortest:
            # A mark alone is no n-gram.
            begin = 1 if length == 1 and at == 0 else 0
            stop = whole - 1 if length == 1 and end == size and whole == characters else whole
            for first in range(begin, stop):
                rows[count + first - begin] = words + _remainder(np.uint64(hashes[first]), buckets, reciprocal)
            count += max(stop - begin, 0)
    return starts[firsts], count


@njit(cache=True, nogil=True)
def kept_rows(rows: UInt64s, count: Int, words: Int, kept: UInt64s) -> Int:
    """Makes rows of words and of buckets rows of values, of which those of pruned buckets go; how many are left."""
    found: Int = 0
    first = np.uint64(words)
    for k in range(count):
        bucket = rows[k] - first
        if rows[k] < first:
            rows[found] = rows[k]
            found += 1
            continue
        bits, before = kept[bucket >> _6, 0], kept[bucket >> _6, 1]
        bit = _1 << (bucket & _63)
        rows[found] = before + np.uint64(ones(bits & (bit - _1)))
        found += np.int64((bits & bit) != _0)
    return found


@njit(cache=True, nogil=True)
def add_rows(values: Float32s, rows: UInt64s, count: Int, total: Float64s) -> None:
    """Adds the values of the first rows to ``total``, float64[n], in a fixed order."""
    tiled = len(total) // TILE * TILE
    for column in range(0, tiled, TILE):
        add_tile(values, rows, count, column, total)
    for column in range(tiled, len(total)):
        even = odd = 0.0  # two sums, as an addition has to wait for the one before
        for k in range(0, count - 1, 2):
            even += np.float64(values[rows[k], column])
            odd += np.float64(values[rows[k + 1], column])
        if count & 1:
            even += np.float64(values[rows[count - 1], column])
        total[column] += even + odd


@njit(cache=True, nogil=True)
def spell(
    data: Bytes, start: Int, size: Int, number: Int, values: Float32s, kept: UInt64s, settings: Int64s,
    spelling: tuple[Bytes, Int64s, UInt32s, UInt64s], total: Float64s,
) -> Int:  # fmt: skip
    """Sets ``total`` to a word's own value (number -1: it has none) and those of its character n-grams; how many."""
    token, starts, hashes, rows = spelling
    copy_bytes(token, 1, data, start, size)
    token[0], token[size + 1] = _WORD_BEGIN, _WORD_END
    total[:] = 0
    rows[0] = np.uint64(max(number, 0))
    count: Int = 1 if number >= 0 else 0
    features: Int = 0
    at: Int = 0
    while at < size + 2:
        at, count = _character_ngrams(token, at, size + 2, settings, starts, hashes, rows, count)
        if len(kept):
            count = kept_rows(rows, count, settings[WORDS], kept)
        add_rows(values, rows, count, total)
        features += count
        count = 0
    return features


@njit(cache=True, nogil=True)
def make_spelling(settings: Int64s, longest: Int) -> tuple[Bytes, Int64s, UInt32s, UInt64s]:
    """Room to spell words of so many bytes at most: the word, where its characters begin, hashes, rows."""
    size = settings[LONGEST]
    characters = CHARACTERS + size
    return (
        np.empty(longest + 2, np.uint8),
        np.empty(characters + 1, np.int64),
        np.empty(characters, np.uint32),
        np.empty(characters * max(size, 1) + 1, np.uint64),
    )


@njit(cache=True, nogil=True)
def _spell_words(words: Bytes, offsets: Int64s, network: WordNetwork, sums: Float32s, features: Int32s) -> None:
    """O(bytes × longest n-gram × n)."""
    values, kept, settings = network.values, network.kept, network.settings
    longest: Int = 0
    for word in range(len(sums)):
        longest = max(longest, offsets[word + 1] - offsets[word])
    spelling, total = make_spelling(settings, longest), np.empty(values.shape[1], np.float64)
    for word in range(len(sums)):
        start, size = offsets[word], offsets[word + 1] - offsets[word]
        features[word] = spell(words, start, size, word, values, kept, settings, spelling, total)
        sums[word] = total.astype(np.float32)


@njit(cache=True, nogil=True)
def _fill(words: Bytes, word_offsets: Int64s, table: UInt64s) -> None:
    """O(bytes)."""
    shift = slot_shift(len(table))
    for word in range(len(word_offsets) - 1):
        start, end = word_offsets[word], word_offsets[word + 1]
        key = word_key(words, start, end - start, eight(words, start, end - start))
        slot = np.int64(key >> shift)
        while table[slot, KEY] != _0:
            slot = (slot + 1) & (len(table) - 1)
        table[slot, KEY] = key
        table[slot, ENTRY] = (word_hash(words, start, end) << _32) | np.uint64(word)


@njit(cache=True, nogil=True)
def _project(inputs: Float32s, outputs: Float32s, products: Float32s) -> None:
    """O(rows × outputs × dim)."""
    for row in range(len(inputs)):
        for k in range(len(outputs)):
            total = 0.0
            for d in range(inputs.shape[1]):
                total += np.float64(inputs[row, d]) * np.float64(outputs[k, d])
            products[row, k] = total


def _room(rows: int, columns: int, kind: type[np.generic]) -> npt.NDArray[Any]:
    """Zeros, in lines of the cache and in huge pages where there are any: tables are looked up all over."""
    size = rows * columns * np.dtype(kind).itemsize
    if size < _HUGE_PAGE:
        memory = np.zeros(size + 64, np.uint8)
        return memory[-memory.ctypes.data % 64 :][:size].view(kind).reshape(rows, columns)
    # Private, as Linux has no huge pages for shared memory unless it is told so.
    mapped = mmap.mmap(-1, size + _HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        mapped.madvise(mmap.MADV_HUGEPAGE)
    memory = np.frombuffer(mapped, np.uint8)
    return memory[-memory.ctypes.data % _HUGE_PAGE :][:size].view(kind).reshape(rows, columns)


def _values(network: Network) -> tuple[Float32s, Float32s]:
    """``values``, in the order of the file, and ``outputs`` of the quick form."""
    inputs, outputs = network.inputs, network.outputs
    if len(outputs) >= inputs.shape[1]:
        return inputs, outputs
    if network.settings[LOSS] == SOFTMAX and len(outputs) == 2:
        outputs = outputs[1:] - outputs[:1]
    values: Float32s = _room(len(inputs), len(outputs), np.float32)
    _project(inputs, outputs, values)
    return values, np.zeros((0, outputs.shape[1]), np.float32)


def _in_bucket_order(values: Float32s, words: int, bucket_rows: Int32s) -> tuple[Float32s, UInt64s]:
    """The values of words, then of the buckets that were kept, in their order; and ``kept``."""
    buckets = np.flatnonzero(bucket_rows >= 0)
    ordered: Float32s = _room(words + len(buckets), values.shape[1], np.float32)
    ordered[:words] = values[:words]
    np.take(values[words:], bucket_rows[buckets], 0, ordered[words:])
    bits = np.zeros(-(-len(bucket_rows) // 64) * 64, np.uint8)
    bits[buckets] = 1
    kept = np.empty((len(bits) // 64, 2), np.uint64)
    kept[:, 0] = np.packbits(bits, bitorder="little").view("<u8")
    counts = bits.reshape(-1, 64).sum(axis=1)
    kept[:, 1] = words + np.cumsum(counts) - counts
    return ordered, kept


def word_network(network: Network) -> WordNetwork:
    """The model in its quick form. O(rows × outputs × dim + bytes of words × longest n-gram × n)."""
    values, outputs = _values(network)
    words, columns = len(network.word_offsets) - 1, values.shape[1]
    kept = np.zeros((0, 2), np.uint64)
    if len(network.bucket_rows):
        values, kept = _in_bucket_order(values, words, network.bucket_rows)
    table: UInt64s = _room(1 << (2 * words + 2).bit_length(), 2, np.uint64)
    found = WordNetwork(
        table, _read_only(values), _read_only(values[:words]), np.zeros(0, np.int32), kept, outputs, network.tree,
        network.settings,
    )  # fmt: skip
    with np.errstate(over="ignore"):
        _fill(network.words, network.word_offsets, table)
        if network.settings[LONGEST]:
            most = words if columns < network.inputs.shape[1] else min(words, _MOST_SUM_BYTES // (4 * columns))
            sums, features = _room(most, columns, np.float32), np.zeros(most, np.int32)
            _spell_words(network.words, network.word_offsets, found, sums, features)
            found = found._replace(sums=_read_only(sums), features=features)
    return found


def _read_only(array: Float32s) -> Float32s:
    """A view that cannot be written, whatever the array is, so that kernels are compiled once."""
    view = array.view()
    view.flags.writeable = False
    return view

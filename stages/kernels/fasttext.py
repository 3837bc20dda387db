"""What a supervised fastText model says about rows of text, read straight from their bytes.

The method is that of Joulin et al. 2016 (arXiv 1607.01759): a text's vector is the mean of the vectors of its
words, character n-grams and word n-grams, found by hash; a linear layer gives the labels, through a softmax, a
Huffman tree or one logistic function per label. Results equal those of the fastText library up to the order of
float32 additions (one-versus-all up to 0.008: the library looks its logistic function up in a coarse table). One
difference is meant: ``</s>`` in a text is a word like others; the library stops reading there.

Why not the library: it wants a Python string per row, copies the whole model into each process, has no wheels,
and two distributions install different versions of the same module. This kernel is also several times as fast.
Sums run in a fixed order, so a row's score is the same in any batch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]

HIERARCHICAL, NEGATIVE_SAMPLING, SOFTMAX, ONE_VERSUS_ALL = 1, 2, 3, 4
"""Losses, by the numbers in model files."""

LABELS, WORDS, BUCKETS, SHORTEST, LONGEST, WORD_NGRAMS, END_OF_LINE, LOSS = range(8)
"""Places in ``Network.settings``: how many labels, words and buckets, shortest and longest character n-gram, longest
word n-gram, number of the word that ends each line (-1: none), loss."""

_WAITING, _ADDED, _HELD = range(3)
_FEATURES = 1024
_FNV_OFFSET = np.uint64(2166136261)
_FNV_PRIME = np.uint64(16777619)
_WORD_NGRAM_FACTOR = np.uint64(116049371)
_32 = np.uint64(32)
_32_BITS = np.uint64(0xFFFFFFFF)
_SIGN_BIT = np.uint64(0x80000000)
_SIGN_EXTENSION = np.uint64(0xFFFFFFFF00000000)
_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
_END_OF_LINE_HASH = np.uint64(0xD79C9359)  # of "</s>"
_WORD_BEGIN, _WORD_END, _LINE_FEED = np.uint8(ord("<")), np.uint8(ord(">")), np.uint8(ord("\n"))
_EPSILON = 1e-5  # the library adds it inside every logarithm


class Network(NamedTuple):
    """A model's arrays.

    ``words``: uint8, all words one after the other; word i is ``words[word_offsets[i]:word_offsets[i + 1]]``.
    ``slots``: int32[power of two], hash table of word numbers, -1 for empty. ``inputs``: float32[rows, dim], word
    vectors, then those of n-grams. ``bucket_rows``: int32[buckets], the row of a bucket's n-gram after the words, -1
    if it was pruned; empty if none was. ``outputs``: float32[labels or inner nodes, dim]. ``tree``: int32[inner
    nodes, 2], children (below ``labels`` a leaf), for HIERARCHICAL. ``label_prefix``: words that begin so are no words.
    ``settings``: int64[8], by the names above.
    """

    words: Bytes
    word_offsets: Int64s
    slots: Int32s
    inputs: Float32s
    bucket_rows: Int32s
    outputs: Float32s
    tree: Int32s
    label_prefix: Bytes
    settings: Int64s


@njit(cache=True, nogil=True)
def _fnv(value: np.uint64, byte: np.uint8) -> np.uint64:
    """A step of 32-bit FNV-1a in which bytes from 128 on are sign-extended, as the library's C++ does."""
    extended = np.uint64(byte) | (np.uint64(0xFFFFFF00) if byte >= 0x80 else np.uint64(0))
    return ((value ^ extended) * _FNV_PRIME) & _32_BITS


@njit(cache=True, nogil=True)
def _hash_word(data: Bytes, start: Int, end: Int) -> np.uint64:
    value = _FNV_OFFSET
    for at in range(start, end):
        value = _fnv(value, data[at])
    return value


@njit(cache=True, nogil=True)
def _remainder(hashed: np.uint64, divisor: np.uint64, reciprocal: np.uint64) -> np.uint64:
    """32-bit ``hashed % divisor`` without division (Lemire, Kaser and Kurz 2019); reciprocal: 2**64 // divisor + 1."""
    fraction = reciprocal * hashed
    low = ((fraction & _32_BITS) * divisor) >> _32
    return ((fraction >> _32) * divisor + low) >> _32


@njit(cache=True, nogil=True)
def _is_space(byte: np.uint8) -> bool:
    return bool(byte == 0x20 or 0x09 <= byte <= 0x0D or byte == 0)


@njit(cache=True, nogil=True)
def _begins_with(data: Bytes, start: Int, end: Int, prefix: Bytes) -> bool:
    if end - start < len(prefix):
        return False
    for k in range(len(prefix)):
        if data[start + k] != prefix[k]:
            return False
    return True


@njit(cache=True, nogil=True)
def _find_word(
    data: Bytes, start: Int, end: Int, hashed: np.uint64, words: Bytes, word_offsets: Int64s, slots: Int32s
) -> Int:
    """Number of the word, or -1."""
    mask = len(slots) - 1
    slot = np.int64(hashed) & mask
    while slots[slot] >= 0:
        word = np.int64(slots[slot])
        first, last = word_offsets[word], word_offsets[word + 1]
        if last - first == end - start and _begins_with(data, start, end, words[first:last]):
            return word
        slot = (slot + 1) & mask
    return -1


@njit(cache=True, nogil=True)
def _add_waiting(
    features: Int64s, counts: Int64s, words: Int, bucket_rows: Int32s, inputs: Float32s, hidden: Float32s
) -> None:
    """Adds the vectors of the features that wait, pruned n-grams left out. O(features × dim).

    Two tight loops without unpredictable branches, so that the memory fetches of many features overlap.
    """
    kept = counts[_WAITING]
    if len(bucket_rows):
        kept = 0
        for k in range(counts[_WAITING]):
            row = features[k]
            if row >= words:
                row = np.int64(bucket_rows[row - words])
                features[kept] = words + row
                kept += np.int64(row >= 0)
            else:
                features[kept] = row
                kept += 1
    for k in range(kept):
        row = features[k]
        for d in range(len(hidden)):
            hidden[d] += inputs[row, d]
    counts[_ADDED] += kept
    counts[_WAITING] = 0


@njit(cache=True, nogil=True)
def _character_ngrams(token: Bytes, first: int, size: int, settings: Int64s, features: Int64s, counts: Int64s) -> int:
    """Writes the buckets of the n-grams of a word between ``<`` and ``>`` that begin at ``first`` or later.

    Gives where to go on: it stops where the buffer is full. O(bytes × longest n-gram).
    """
    shortest, longest, words = settings[SHORTEST], settings[LONGEST], settings[WORDS]
    buckets = np.uint64(settings[BUCKETS])
    reciprocal = _ALL_BITS // buckets + np.uint64(1)
    count = counts[_WAITING]
    while first < size and count + longest <= len(features):
        value = _FNV_OFFSET
        at = first
        for characters in range(1, longest + 1):
            value = _fnv(value, token[at])
            at += 1
            while at < size and (token[at] & 0xC0) == 0x80:
                value = _fnv(value, token[at])
                at += 1
            if characters >= shortest and (characters > 1 or (first > 0 and at < size)):
                features[count] = words + np.int64(_remainder(value, buckets, reciprocal))
                count += 1
            if at == size:
                break
        first += 1
        while first < size and (token[first] & 0xC0) == 0x80:
            first += 1
    counts[_WAITING] = count
    return first


@njit(cache=True, nogil=True)
def _word_features(
    word: Int, hashed: np.uint64, settings: Int64s, running: UInt64s, features: Int64s, counts: Int64s
) -> None:
    """Writes the word (-1: unknown) and the buckets of the word n-grams that end with it.

    ``running[k]`` is the hash of the n-gram that began k + 1 words ago; ``counts[_HELD]`` of them are in use.
    """
    count = counts[_WAITING]
    features[count] = word
    count += np.int64(word >= 0)
    if len(running):
        extended = hashed | _SIGN_EXTENSION if hashed >= _SIGN_BIT else hashed
        for k in range(counts[_HELD]):
            running[k] = running[k] * _WORD_NGRAM_FACTOR + extended
            features[count] = settings[WORDS] + np.int64(running[k] % np.uint64(settings[BUCKETS]))
            count += 1
        counts[_HELD] = min(counts[_HELD] + 1, len(running))
        for k in range(counts[_HELD] - 1, 0, -1):
            running[k] = running[k - 1]
        running[0] = extended
    counts[_WAITING] = count


@njit(cache=True, nogil=True)
def _ends_part(space: np.uint8, size: Int, part_bytes: int) -> bool:
    """Whether a part of so many bytes ends with this white space."""
    return bool(size >= part_bytes and (space == _LINE_FEED or size >= 4 * part_bytes))


@njit(cache=True, nogil=True)
def _read_part(
    data: Bytes,
    span: tuple[Int, Int],
    part_bytes: int,
    network: Network,
    buffers: tuple[Bytes, Int64s, UInt64s],
    counts: Int64s,
    hidden: Float32s,
) -> Int:
    """Adds the vectors of the features of the span's first part to ``hidden``; gives where the next part begins.

    A part ends behind the first line feed after ``part_bytes``, or the first space after four times as many; with 0 it
    is the whole span.
    """
    # Taken out first: arrays in a tuple cost reference counts at each use, ten times the work itself.
    words, word_offsets, slots, prefix = network.words, network.word_offsets, network.slots, network.label_prefix
    inputs, bucket_rows, settings = network.inputs, network.bucket_rows, network.settings
    token, features, running = buffers
    at, end = span
    while at < end:
        start = at
        size = 1
        while at < end and not _is_space(data[at]):
            token[size] = data[at]
            size += 1
            at += 1
        if at > start and not _begins_with(data, start, at, prefix):
            hashed = _hash_word(data, start, at)
            word = _find_word(data, start, at, hashed, words, word_offsets, slots)
            _word_features(word, hashed, settings, running, features, counts)
            token[0] = _WORD_BEGIN
            token[size] = _WORD_END
            first = 0 if settings[LONGEST] else size + 1
            while True:
                first = _character_ngrams(token, first, size + 1, settings, features, counts)
                if counts[_WAITING] > len(features) - len(running) - settings[LONGEST] - 2:
                    _add_waiting(features, counts, settings[WORDS], bucket_rows, inputs, hidden)
                if first > size:
                    break
        at += 1
        if part_bytes and at < end and _ends_part(data[at - 1], at - span[0], part_bytes):
            break
    _add_waiting(features, counts, settings[WORDS], bucket_rows, inputs, hidden)
    return min(at, end)


@njit(cache=True, nogil=True)
def _end_row(network: Network, features: Int64s, running: UInt64s, counts: Int64s, hidden: Float32s) -> None:
    """Adds the word that ends each line and makes the sum a mean."""
    settings = network.settings
    if settings[END_OF_LINE] >= 0:
        _word_features(settings[END_OF_LINE], _END_OF_LINE_HASH, settings, running, features, counts)
    _add_waiting(features, counts, settings[WORDS], network.bucket_rows, network.inputs, hidden)
    if counts[_ADDED]:
        hidden *= np.float32(1) / np.float32(counts[_ADDED])


@njit(cache=True, nogil=True)
def _end_part(network: Network, added: Int, hidden: Float32s) -> None:
    """The same for a part, which leaves the row's running word n-grams alone."""
    end_of_line = network.settings[END_OF_LINE]
    if end_of_line >= 0:
        hidden += network.inputs[end_of_line]
        added += 1
    hidden *= np.float32(1) / np.float32(added)


@njit(cache=True, nogil=True)
def _best_leaf(
    tree: Int32s, outputs: Float32s, hidden: Float32s, stack: Int32s, scores: Float64s, least: float
) -> tuple[Int, float]:
    """(label, probability) of the best leaf above ``least``, or (-1, ``least``); the stack has room for all nodes.

    Branches below the best are cut, so that with a high ``least`` only one way down is walked.
    """
    labels = len(tree) + 1
    best, best_score = np.int64(-1), -math.inf if least <= 0 else math.log(least)
    stack[0], scores[0] = 2 * labels - 2, 0.0
    depth = 1
    while depth:
        depth -= 1
        node, score = np.int64(stack[depth]), scores[depth]
        if score <= best_score:
            continue
        if node < labels:
            best, best_score = node, score
            continue
        inner = node - labels
        logit = np.float32(0)
        for d in range(len(hidden)):
            logit += outputs[inner, d] * hidden[d]
        right = 1.0 / (1.0 + math.exp(-logit))
        likelier = 1 if right >= 0.5 else 0
        for k in range(2):
            # The likelier side is pushed last and walked first, so that more of the other is cut.
            side = likelier if k else 1 - likelier
            probability = right if side else 1.0 - right
            stack[depth], scores[depth] = tree[inner, side], score + math.log(probability + _EPSILON)
            depth += 1
    return best, math.exp(best_score)


@njit(cache=True, nogil=True)
def _best_label(outputs: Float32s, hidden: Float32s, softmax: bool, logits: Float32s) -> tuple[Int, float]:
    """(label, probability) of a softmax, or of the best logistic function."""
    for label in range(len(logits)):
        logit = np.float32(0)
        for d in range(len(hidden)):
            logit += outputs[label, d] * hidden[d]
        logits[label] = logit
    best = np.int64(np.argmax(logits))
    if not softmax:
        return best, 1.0 / (1.0 + math.exp(-logits[best]))
    total = 0.0
    for label in range(len(logits)):
        total += math.exp(logits[label] - logits[best])
    return best, 1.0 / total


@njit(cache=True, nogil=True)
def _best(
    network: Network, hidden: Float32s, room: tuple[Int32s, Float64s, Float32s], least: float
) -> tuple[Int, float]:
    """(label, probability) of the likeliest label; label -1 if it is not above ``least``."""
    loss = network.settings[LOSS]
    stack, scores, logits = room
    if loss == HIERARCHICAL:
        return _best_leaf(network.tree, network.outputs, hidden, stack, scores, least)
    label, score = _best_label(network.outputs, hidden, loss == SOFTMAX, logits)
    return label if score > least else np.int64(-1), score


@njit(cache=True, nogil=True)
def _predict_row(
    data: Bytes,
    spans: Int64s,
    network: Network,
    cut: tuple[int, float],
    buffers: tuple[Bytes, Int64s, UInt64s],
    room: tuple[Int32s, Float64s, Float32s],
    vectors: tuple[Float32s, Float32s, Int64s],
    found: Int64s,
) -> tuple[Int, float, int]:
    """(label, probability, parts found); ``found``: label and bytes of each part that is sure of its own."""
    part_bytes, least = cut
    total, hidden, counts = vectors
    total[:] = 0
    counts[:] = 0
    added: Int = 0
    sure = 0
    for span in range(len(spans)):
        at, end = spans[span, 0], spans[span, 1]
        while at < end:
            hidden[:] = 0
            counts[_ADDED] = 0
            start, at = at, _read_part(data, (at, end), part_bytes, network, buffers, counts, hidden)
            total += hidden
            added += counts[_ADDED]
            if part_bytes and at - start >= part_bytes and counts[_ADDED]:
                _end_part(network, counts[_ADDED], hidden)
                label, _ = _best(network, hidden, room, least)
                if label >= 0:
                    found[sure, 0], found[sure, 1] = label, at - start
                    sure += 1
    counts[_ADDED] = added
    _end_row(network, buffers[1], buffers[2], counts, total)
    if counts[_ADDED] == 0:
        return np.int64(-1), 0.0, 0
    label, score = _best(network, total, room, 0.0)
    return label, score, sure


@njit(cache=True, nogil=True)
def _longest(spans: Int64s) -> tuple[Int, Int]:
    """Bytes of the longest span and of the longest row."""
    longest: Int = 0
    longest_row: Int = 0
    for row in range(spans.shape[0]):
        size: Int = 0
        for span in range(spans.shape[1]):
            longest = max(longest, spans[row, span, 1] - spans[row, span, 0])
            size += spans[row, span, 1] - spans[row, span, 0]
        longest_row = max(longest_row, size)
    return longest, longest_row


@njit(cache=True, nogil=True)
def _predict_rows(
    data: Bytes,
    spans: Int64s,
    network: Network,
    cut: tuple[int, float],
    groups: Int32s,
    labels: Int32s,
    scores: Float64s,
    other_bytes: Int64s,
) -> None:
    """O(bytes × longest n-gram × dim + (rows + parts) × labels × dim); with a tree, few of the labels."""
    settings = network.settings
    longest, longest_row = _longest(spans)
    features = np.empty(_FEATURES + settings[LONGEST] + settings[WORD_NGRAMS], np.int64)
    running = np.empty(max(settings[WORD_NGRAMS] - 1, 0), np.uint64)
    buffers = np.empty(longest + 2, np.uint8), features, running
    nodes, dim = 2 * settings[LABELS], network.inputs.shape[1]
    room = np.empty(nodes, np.int32), np.empty(nodes, np.float64), np.empty(settings[LABELS], np.float32)
    vectors = np.empty(dim, np.float32), np.empty(dim, np.float32), np.empty(3, np.int64)
    found = np.empty((longest_row // cut[0] + 1 if cut[0] else 0, 2), np.int64)
    for row in range(len(spans)):
        label, score, sure = _predict_row(data, spans[row], network, cut, buffers, room, vectors, found)
        labels[row], scores[row], other_bytes[row] = label, score, 0
        for part in range(sure):
            if groups[found[part, 0]] != groups[label]:
                other_bytes[row] += found[part, 1]


@njit(cache=True, nogil=True)
def _row_vector(
    data: Bytes,
    spans: Int64s,
    network: Network,
    buffers: tuple[Bytes, Int64s, UInt64s],
    counts: Int64s,
    total: Float32s,
) -> Int:
    """The row's vector, in ``total``, and how many features it is the mean of."""
    total[:] = 0
    counts[:] = 0
    for span in range(len(spans)):
        _read_part(data, (spans[span, 0], spans[span, 1]), 0, network, buffers, counts, total)
    _end_row(network, buffers[1], buffers[2], counts, total)
    return counts[_ADDED]


@njit(cache=True, nogil=True)
def _leaf_probabilities(tree: Int32s, outputs: Float32s, hidden: Float32s, scores: Float64s) -> None:
    """The logarithm of every node's probability, leaves first. O(labels × dim): children come before their parents."""
    labels = len(tree) + 1
    scores[2 * labels - 2] = 0.0
    for inner in range(labels - 2, -1, -1):
        logit = np.float32(0)
        for d in range(len(hidden)):
            logit += outputs[inner, d] * hidden[d]
        right = 1.0 / (1.0 + math.exp(-logit))
        scores[tree[inner, 0]] = scores[labels + inner] + math.log(1.0 - right + _EPSILON)
        scores[tree[inner, 1]] = scores[labels + inner] + math.log(right + _EPSILON)


@njit(cache=True, nogil=True)
def _label_probabilities(outputs: Float32s, hidden: Float32s, softmax: bool, scores: Float64s) -> None:
    """The logarithm of every label's probability. O(labels × dim)."""
    labels = len(outputs)
    highest = -math.inf
    for label in range(labels):
        logit = np.float32(0)
        for d in range(len(hidden)):
            logit += outputs[label, d] * hidden[d]
        scores[label] = logit if softmax else -math.log1p(math.exp(-logit))
        highest = max(highest, scores[label])
    if softmax:
        total = 0.0
        for label in range(labels):
            total += math.exp(scores[label] - highest)
        for label in range(labels):
            scores[label] -= highest + math.log(total)


@njit(cache=True, nogil=True)
def _probability_rows(data: Bytes, spans: Int64s, network: Network, wanted: Int64s, found: Float64s) -> None:
    """O(bytes × longest n-gram × dim + rows × labels × dim)."""
    settings = network.settings
    longest, _ = _longest(spans)
    features = np.empty(_FEATURES + settings[LONGEST] + settings[WORD_NGRAMS], np.int64)
    running = np.empty(max(settings[WORD_NGRAMS] - 1, 0), np.uint64)
    buffers = np.empty(longest + 2, np.uint8), features, running
    total, counts = np.empty(network.inputs.shape[1], np.float32), np.empty(3, np.int64)
    scores = np.empty(2 * settings[LABELS], np.float64)
    for row in range(len(spans)):
        if _row_vector(data, spans[row], network, buffers, counts, total) == 0:
            found[row] = 0.0
            continue
        if settings[LOSS] == HIERARCHICAL:
            _leaf_probabilities(network.tree, network.outputs, total, scores)
        else:
            _label_probabilities(network.outputs, total, settings[LOSS] == SOFTMAX, scores)
        for k in range(len(wanted)):
            found[row, k] = min(math.exp(scores[wanted[k]]), 1.0)


def probabilities(data: Bytes, spans: Int64s, network: Network, wanted: Int64s) -> Float64s:
    """float64[rows, k]: the probability of each of the k labels whose numbers are ``wanted``; 0 where nothing is known.

    ``spans`` as for :func:`predict`.
    """
    found = np.empty((len(spans), len(wanted)), np.float64)
    with np.errstate(over="ignore"):
        _probability_rows(data, spans, network, wanted, found)
    return found


@njit(cache=True, nogil=True)
def _project(inputs: Float32s, outputs: Float32s, projected: Float32s) -> None:
    """O(rows × outputs × dim)."""
    for row in range(len(inputs)):
        for k in range(len(outputs)):
            total = 0.0
            for d in range(inputs.shape[1]):
                total += np.float64(inputs[row, d]) * np.float64(outputs[k, d])
            projected[row, k] = total


def projected(network: Network) -> Network:
    """The network with each input vector replaced by what it adds to every output: the same labels from less memory.

    A row's outputs are linear in its vector, which is a mean of input vectors. So the products can be made once instead
    of for each row, and with two labels a feature costs two additions instead of ``dim``.
    """
    products = np.empty((len(network.inputs), len(network.outputs)), np.float32)
    _project(network.inputs, network.outputs, products)
    identity = np.eye(len(network.outputs), dtype=np.float32)
    for matrix in (products, identity):
        matrix.flags.writeable = False
    return network._replace(inputs=products, outputs=identity)


class Parts(NamedTuple):
    """Which parts of a row are judged by themselves, too.

    ``shortest_bytes``: a part is a line of that length or more; shorter lines are joined, a longer one is cut at the
    first space after four times as many, and what is left at the end of a span is no part. 0: none are judged.
    ``least``: probability above which a part's label counts. ``groups``: int32[labels]; labels of one group are alike.
    """

    shortest_bytes: int
    least: float
    groups: Int32s


def predict(data: Bytes, spans: Int64s, network: Network) -> tuple[Int32s, Float64s]:
    """(label number, its probability) of each row, int32[rows] and float64[rows]; -1 and 0 where nothing is known.

    ``spans``: int64[rows, k, 2], the row's text is ``data[start:end]`` of its k spans, read as one line.
    """
    labels, scores, _ = predict_parts(data, spans, network, Parts(0, 1.0, np.zeros(0, np.int32)))
    return labels, scores


def predict_parts(data: Bytes, spans: Int64s, network: Network, parts: Parts) -> tuple[Int32s, Float64s, Int64s]:
    """:func:`predict`, and int64[rows]: bytes of the row's parts that surely have another label than the row.

    A part has the features of its own words; word n-grams reach back into the part before.
    """
    labels, scores = np.empty(len(spans), np.int32), np.empty(len(spans), np.float64)
    other_bytes = np.empty(len(spans), np.int64)
    cut = parts.shortest_bytes, parts.least
    with np.errstate(over="ignore"):
        _predict_rows(data, spans, network, cut, parts.groups, labels, scores, other_bytes)
    return labels, np.minimum(scores, 1.0), other_bytes


@njit(cache=True, nogil=True)
def _fill_slots(words: Bytes, word_offsets: Int64s, slots: Int32s) -> None:
    """O(bytes)."""
    mask = len(slots) - 1
    for word in range(len(word_offsets) - 1):
        slot = np.int64(_hash_word(words, word_offsets[word], word_offsets[word + 1])) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = word


def word_slots(words: Bytes, word_offsets: Int64s) -> Int32s:
    """The hash table of :class:`Network`, half empty or more."""
    slots = np.full(1 << (2 * len(word_offsets)).bit_length(), -1, np.int32)
    with np.errstate(over="ignore"):
        _fill_slots(words, word_offsets, slots)
    return slots

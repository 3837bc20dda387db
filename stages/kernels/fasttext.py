"""What a supervised fastText model says about rows of text, read straight from their bytes.

Results equal those of the fastText library up to the order of additions (one-versus-all up to 0.008: the library looks
its logistic function up in a coarse table). One difference is meant: ``</s>`` in a text is a word like others; the
library stops reading there.

Why not the library: it wants a Python string per row, copies the whole model into each process, has no wheels, and two
distributions install different versions of the same module. These kernels are also many times as fast; how is said in
:mod:`stages.kernels.fasttext_network` and :mod:`stages.kernels.fasttext_words`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.fasttext_network import END_OF_LINE, HIERARCHICAL, LABELS, LOSS, SOFTMAX, WordNetwork
from stages.kernels.fasttext_words import PIECE, Room, add_end, add_text, make_room

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]

_LINE_FEED, _SPACE = 0x0A, 0x20
_EPSILON = 1e-5  # the library adds it inside every logarithm


class Parts(NamedTuple):
    """Which parts of a row are judged by themselves, too.

    ``shortest_bytes``: a part is a line of that length or more; shorter lines are joined, a longer one is cut at the
    first space after four times as many, and what is left at the end of a span is no part. 0: none are judged.
    ``least``: probability above which a part's label counts. ``groups``: int32[labels]; labels of one group are alike.
    """

    shortest_bytes: int
    least: float
    groups: Int32s


@njit(cache=True, nogil=True)
def _logit(outputs: Float32s, hidden: Float64s, output: Int) -> float:
    """What the output says: the product with its weights, or what has been worked out already."""
    if len(outputs) == 0:
        return hidden[output]
    a = b = c = d = 0.0  # four sums, as an addition has to wait for the one before
    columns = len(hidden) // 4 * 4
    for column in range(0, columns, 4):
        a += np.float64(outputs[output, column]) * hidden[column]
        b += np.float64(outputs[output, column + 1]) * hidden[column + 1]
        c += np.float64(outputs[output, column + 2]) * hidden[column + 2]
        d += np.float64(outputs[output, column + 3]) * hidden[column + 3]
    for column in range(columns, len(hidden)):
        a += np.float64(outputs[output, column]) * hidden[column]
    return (a + b) + (c + d)


@njit(cache=True, nogil=True)
def _best_leaf(
    tree: Int32s, outputs: Float32s, hidden: Float64s, stack: Int32s, scores: Float64s, least: float
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
        right = 1.0 / (1.0 + math.exp(-_logit(outputs, hidden, inner)))
        likelier = 1 if right >= 0.5 else 0
        for k in range(2):
            # The likelier side is pushed last and walked first, so that more of the other is cut.
            side = likelier if k else 1 - likelier
            probability = right if side else 1.0 - right
            stack[depth], scores[depth] = tree[inner, side], score + math.log(probability + _EPSILON)
            depth += 1
    return best, math.exp(best_score)


@njit(cache=True, nogil=True)
def _all_leaves(tree: Int32s, outputs: Float32s, hidden: Float64s, scores: Float64s) -> None:
    """The probability of every node. O(labels × n): children come before their parents."""
    labels = len(tree) + 1
    scores[2 * labels - 2] = 1.0
    for inner in range(labels - 2, -1, -1):
        right = 1.0 / (1.0 + math.exp(-_logit(outputs, hidden, inner)))
        scores[tree[inner, 0]] = scores[labels + inner] * (1.0 - right + _EPSILON)
        scores[tree[inner, 1]] = scores[labels + inner] * (right + _EPSILON)


@njit(cache=True, nogil=True)
def _all_labels(outputs: Float32s, hidden: Float64s, labels: Int, softmax: bool, scores: Float64s) -> None:
    """The probability of every label, by a softmax or by a logistic function each. O(labels × n)."""
    if softmax and labels == 2 and len(outputs) == 0 and len(hidden) == 1:
        scores[0], scores[1] = 1.0 / (1.0 + math.exp(hidden[0])), 1.0 / (1.0 + math.exp(-hidden[0]))
        return
    highest = -math.inf
    for label in range(labels):
        scores[label] = _logit(outputs, hidden, label)
        highest = max(highest, scores[label])
    total = 0.0
    for label in range(labels):
        scores[label] = math.exp(scores[label] - highest) if softmax else 1.0 / (1.0 + math.exp(-scores[label]))
        total += scores[label]
    for label in range(labels if softmax else 0):
        scores[label] /= total


@njit(cache=True, nogil=True)
def _best(network: WordNetwork, hidden: Float64s, stack: Int32s, scores: Float64s, least: float) -> tuple[Int, float]:
    """(label, probability) of the likeliest label; label -1 if it is not above ``least``."""
    loss, labels = network.settings[LOSS], network.settings[LABELS]
    if loss == HIERARCHICAL:
        return _best_leaf(network.tree, network.outputs, hidden, stack, scores, least)
    _all_labels(network.outputs, hidden, labels, loss == SOFTMAX, scores)
    label = np.int64(np.argmax(scores[:labels]))
    return label if scores[label] > least else np.int64(-1), scores[label]


@njit(cache=True, nogil=True)
def _part_end(data: Bytes, start: Int, end: Int, part_bytes: Int) -> Int:
    """Behind the first line feed after ``part_bytes``, or the first white space after four times as many."""
    for place in range(start + part_bytes - 1, end):
        value = data[place]
        if value <= _SPACE and (
            value == _LINE_FEED
            or (place + 1 - start >= 4 * part_bytes and (value == _SPACE or 0x09 <= value <= 0x0D or value == 0))
        ):
            return place + 1
    return end


@njit(cache=True, nogil=True)
def _end_part(network: WordNetwork, added: Int, hidden: Float64s) -> None:
    """Adds the word that ends each line, without n-grams, and makes the sum a mean."""
    end_of_line = network.settings[END_OF_LINE]
    if end_of_line >= 0:
        for column in range(len(hidden)):
            hidden[column] += np.float64(network.values[end_of_line, column])
        added += 1
    hidden /= added


@njit(cache=True, nogil=True)
def _predict_row(
    data: Bytes, spans: Int64s, network: WordNetwork, cut: tuple[int, float], room: Room,
    heads: tuple[Int32s, Float64s], vectors: tuple[Float64s, Float64s], found: Int64s,
) -> tuple[Int, float, int]:  # fmt: skip
    """(label, probability, parts found); ``found``: label and bytes of each part that is sure of its own."""
    part_bytes, least = cut
    total, part = vectors
    stack, scores = heads
    total[:] = 0
    added: Int = 0
    held: Int = 0
    sure = 0
    for span in range(len(spans)):
        at, end = spans[span, 0], spans[span, 1]
        while at < end:
            start, at = at, _part_end(data, at, end, part_bytes) if part_bytes else end
            part[:] = 0
            features, held = add_text(data, start, at, network, room, held, part, PIECE)
            total += part
            added += features
            if part_bytes and at - start >= part_bytes and features:
                _end_part(network, features, part)
                label, _ = _best(network, part, stack, scores, least)
                if label >= 0:
                    found[sure, 0], found[sure, 1] = label, at - start
                    sure += 1
    added += add_end(network, room, held, total)
    if added == 0:
        return np.int64(-1), 0.0, 0
    total /= added
    label, score = _best(network, total, stack, scores, 0.0)
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
    data: Bytes, spans: Int64s, network: WordNetwork, cut: tuple[int, float], groups: Int32s,
    labels: Int32s, scores: Float64s, other_bytes: Int64s,
) -> None:  # fmt: skip
    """O(bytes × longest n-gram + words × n + (rows + parts) × labels × n); with a tree, few of the labels."""
    longest, longest_row = _longest(spans)
    room, n = make_room(network, longest, PIECE), network.values.shape[1]
    nodes = 2 * network.settings[LABELS]
    heads, vectors = (np.empty(nodes, np.int32), np.empty(nodes, np.float64)), (np.empty(n), np.empty(n))
    found = np.empty((longest_row // cut[0] + 1 if cut[0] else 0, 2), np.int64)
    for row in range(len(spans)):
        label, score, sure = _predict_row(data, spans[row], network, cut, room, heads, vectors, found)
        labels[row], scores[row], other_bytes[row] = label, score, 0
        for part in range(sure):
            if groups[found[part, 0]] != groups[label]:
                other_bytes[row] += found[part, 1]


@njit(cache=True, nogil=True)
def _probability_rows(
    data: Bytes, spans: Int64s, network: WordNetwork, wanted: Int64s, piece: Int, found: Float64s
) -> None:
    """O(bytes × longest n-gram + words × n + rows × labels × n)."""
    labels, loss = network.settings[LABELS], network.settings[LOSS]
    room = make_room(network, _longest(spans)[0], piece)
    total, scores = np.empty(network.values.shape[1]), np.empty(2 * labels)
    for row in range(len(spans)):
        total[:] = 0
        added: Int = 0
        held: Int = 0
        for span in range(spans.shape[1]):
            features, held = add_text(data, spans[row, span, 0], spans[row, span, 1], network, room, held, total, piece)
            added += features
        added += add_end(network, room, held, total)
        if added == 0:
            found[row] = 0.0
            continue
        total /= added
        if loss == HIERARCHICAL:
            _all_leaves(network.tree, network.outputs, total, scores)
        else:
            _all_labels(network.outputs, total, labels, loss == SOFTMAX, scores)
        for k in range(len(wanted)):
            found[row, k] = min(scores[wanted[k]], 1.0)


def probabilities(data: Bytes, spans: Int64s, network: WordNetwork, wanted: Int64s, piece: int = PIECE) -> Float64s:
    """float64[rows, k]: the probability of each of the k labels whose numbers are ``wanted``; 0 where nothing is known.

    ``spans`` as for :func:`predict`. ``piece``: bytes that go through the loops together.
    """
    found = np.empty((len(spans), len(wanted)), np.float64)
    with np.errstate(over="ignore"):
        _probability_rows(data, spans, network, wanted, piece, found)
    return found


def predict(data: Bytes, spans: Int64s, network: WordNetwork) -> tuple[Int32s, Float64s]:
    """(label number, its probability) of each row, int32[rows] and float64[rows]; -1 and 0 where nothing is known.

    ``spans``: int64[rows, k, 2], the row's text is ``data[start:end]`` of its k spans, read as one line.
    """
    labels, scores, _ = predict_parts(data, spans, network, Parts(0, 1.0, np.zeros(0, np.int32)))
    return labels, scores


def predict_parts(data: Bytes, spans: Int64s, network: WordNetwork, parts: Parts) -> tuple[Int32s, Float64s, Int64s]:
    """:func:`predict`, and int64[rows]: bytes of the row's parts that surely have another label than the row.

    A part has the features of its own words; word n-grams reach back into the part before.
    """
    labels, scores = np.empty(len(spans), np.int32), np.empty(len(spans), np.float64)
    other_bytes = np.empty(len(spans), np.int64)
    cut = parts.shortest_bytes, parts.least
    with np.errstate(over="ignore"):
        _predict_rows(data, spans, network, cut, parts.groups, labels, scores, other_bytes)
    return labels, np.minimum(scores, 1.0), other_bytes

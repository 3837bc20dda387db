"""Counts of n-grams and their modified Kneser-Ney probabilities, from token numbers alone.

Sentences stand one behind the other, each as ``<s> w … w </s>``. Places are sorted by the token there, then the token
before it, and so on for ``order`` tokens. In that order the n-grams of every length that end alike are neighbours, so
one sort gives the nodes of a tree of suffixes: its level n holds the distinct n-grams, a node's children are its
extensions to the left, and a node's parent is the n-gram without its first token. What an n-gram is without its *last*
token stands one place further left in the text. So no second sort is needed for sums over contexts.

n-grams are cut at ``<s>``, which is never predicted. Counts below the highest order are continuation counts (how many
tokens stand before), but for n-grams that begin with ``<s>``; discounts for counts 1, 2, 3 and more are estimated for
each order (Chen and Goodman 1999, section 3, equation 26). O(tokens × log tokens) time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
UInt64s = npt.NDArray[np.uint64]

NOTHING, UNKNOWN, BEGIN, END = range(4)
"""Numbers of ``no token`` (before a sentence), ``<unk>``, ``<s>`` and ``</s>``; words follow."""

FIRST_WORD = 4


class Level(NamedTuple):
    """The distinct n-grams of one length, in the order of their tokens read backwards.

    places: int64, one place of the text where each ends (the rightmost in the sorted order does not matter).
    parents: int32, number of the n-gram without its first token, on the level before (0 on the first).
    contexts: int32, number of the n-gram without its last token, on the level before (0 on the first).
    raw: int64, how often it occurs. counts: int64, adjusted. kept: bool, whether it is frequent enough.
    """

    places: Int64s
    parents: Int32s
    contexts: Int32s
    raw: Int64s
    counts: Int64s
    kept: npt.NDArray[np.bool_]


@njit(cache=True, nogil=True)
def _keys(tokens: Int32s, places: Int64s, per_key: int, bits: int, first: int, out: UInt64s) -> None:
    """Tokens number first, first + 1, … before each place, packed into one number. O(places × per_key)."""
    shift = np.uint64(bits)
    for row in range(len(places)):
        key = np.uint64(0)
        at = places[row]
        begun = False
        for back in range(first + per_key):
            token = np.int32(NOTHING)
            if not begun and at >= back:
                token = tokens[at - back]
                begun = token == BEGIN
            if back >= first:
                key = (key << shift) | np.uint64(token)
        out[row] = key


@njit(cache=True, nogil=True)
def _depths(
    tokens: Int32s, places: Int64s, order: int, shared: npt.NDArray[np.uint8], own: npt.NDArray[np.uint8]
) -> None:
    """How many tokens a row shares with the row before, and how many it has, up to <s>. O(rows × order)."""
    for row in range(len(places)):
        at = places[row]
        length = 0
        while length < order:
            length += 1
            if tokens[at - length + 1] == BEGIN:
                break
        own[row] = length
        same = 0
        if row:
            before = places[row - 1]
            while same < min(length, own[row - 1]) and tokens[at - same] == tokens[before - same]:
                same += 1
        shared[row] = same


@njit(cache=True, nogil=True)
def _number(shared: npt.NDArray[np.uint8], own: npt.NDArray[np.uint8], n: int, nodes: Int32s) -> Int:
    """Number of the node of level n in each row, -1 where the row is shorter. Returns how many nodes there are."""
    count = 0
    for row in range(len(nodes)):
        if own[row] < n:
            nodes[row] = -1
            continue
        # a row that shares fewer than n tokens with the one before begins a node; a shorter one between is no matter,
        # because it would share its <s> with neither
        count += shared[row] < n
        nodes[row] = count - 1
    return count


@njit(cache=True, nogil=True)
def _fill(
    rows: tuple[Int64s, Int32s, Int32s, Int32s],
    fields: tuple[Int64s, Int32s, Int32s, Int64s],
    begin_context: int,
) -> None:
    """Place, parent, context and raw count of every node. O(rows)."""
    places, nodes, above, at_place = rows
    first, parents, contexts, raw = fields
    for row in range(len(places)):
        node = nodes[row]
        if node < 0:
            continue
        raw[node] += 1
        if raw[node] == 1:
            first[node] = places[row]
            parents[node] = above[row]
            before = at_place[places[row] - 1]
            contexts[node] = before if before >= 0 else begin_context


@njit(cache=True, nogil=True)
def _adjust(tokens: Int32s, level: tuple[Int64s, Int64s, Int64s], n: int, child_parents: Int32s) -> None:
    """Continuation counts, but for n-grams that begin with <s>. O(nodes of this level and the next)."""
    places, raw, counts = level
    for child in range(len(child_parents)):
        counts[child_parents[child]] += 1
    for node in range(len(places)):
        if tokens[places[node] - n + 1] == BEGIN:
            counts[node] = raw[node]


@njit(cache=True, nogil=True)
def _sums(
    contexts: Int32s,
    counts: Int64s,
    kept: npt.NDArray[np.bool_],
    discounts: Float64s,
    denominators: Float64s,
    gammas: Float64s,
) -> None:
    """Sums over each context, and what its n-grams leave to shorter ones. O(nodes)."""
    for node in range(len(contexts)):
        context, count = contexts[node], counts[node]
        denominators[context] += count
        if kept[node]:
            gammas[context] += discounts[min(count, 3)]
        else:
            gammas[context] += count
    for context in range(len(gammas)):
        gammas[context] = gammas[context] / denominators[context] if denominators[context] > 0 else 1.0


@njit(cache=True, nogil=True)
def _probabilities(
    level: tuple[Int32s, Int32s, Int64s],
    sums: tuple[Float64s, Float64s],
    discounts: Float64s,
    lower: Float64s,
    out: Float64s,
) -> None:
    """Interpolated probabilities. O(nodes)."""
    parents, contexts, counts = level
    denominators, gammas = sums
    for node in range(len(parents)):
        context, count = contexts[node], counts[node]
        own = (count - discounts[min(count, 3)]) / denominators[context]
        out[node] = own + gammas[context] * lower[parents[node]]


def sorted_places(tokens: Int32s, order: int) -> Int64s:
    """int64: places of all tokens but <s>, by the tokens that end there read backwards."""
    places = np.flatnonzero(tokens != BEGIN)
    bits = max(int(tokens.max(initial=END)).bit_length(), 1)
    per_key = min(order, 64 // bits)
    keys = []
    for first in range(0, order, per_key):
        key = np.empty(len(places), np.uint64)
        _keys(tokens, places, min(per_key, order - first), bits, first, key)
        keys.append(key)
    return places[np.lexsort(keys[::-1])]


def levels(
    tokens: Int32s, order: int, prune: tuple[int, ...], check: Callable[[int], None] = lambda ngrams: None
) -> list[Level]:
    """The n-grams of lengths 1 to ``order``. The last node of the first level is <s>.

    ``prune``: for each length, the count up to which n-grams are left out. ``tokens``: int32, <s> first. ``check`` is
    told how many n-grams of all lengths there are, before there is room for them.
    """
    places = sorted_places(tokens, order)
    shared, own = np.empty(len(places), np.uint8), np.empty(len(places), np.uint8)
    _depths(tokens, places, order, shared, own)
    check(sum(int(np.count_nonzero((shared < n) & (own >= n))) for n in range(1, order + 1)))
    found: list[Level] = []
    above = np.zeros(len(places), np.int32)
    at_place = np.zeros(len(tokens), np.int32)
    begin_context = 0
    for n in range(1, order + 1):
        nodes = np.empty(len(places), np.int32)
        count = int(_number(shared, own, n, nodes))
        first, raw = np.zeros(count, np.int64), np.zeros(count, np.int64)
        parents, contexts = np.zeros(count, np.int32), np.zeros(count, np.int32)
        _fill((places, nodes, above, at_place), (first, parents, contexts, raw), begin_context)
        if n == 1:
            contexts[:] = 0
            begin_context = count
            begin = int(np.argmax(tokens == BEGIN))
            first, raw = np.r_[first, begin], np.r_[raw, 0]
            parents, contexts = np.r_[parents, np.int32(0)], np.r_[contexts, np.int32(0)]
        kept = raw > prune[n - 1] if n > 1 else np.ones(len(raw), np.bool_)
        found.append(Level(first, parents, contexts, raw, np.zeros(len(raw), np.int64), kept))
        if n > 1:
            _adjust(tokens, (found[-2].places, found[-2].raw, found[-2].counts), n - 1, parents)
            begin_context = -1
        at_place[:] = -1
        at_place[places] = nodes
        above = nodes
    found[-1].counts[:] = found[-1].raw
    found[0].counts[-1] = 0
    return found


class ContextSums(NamedTuple):
    """For each n-gram of the level before: the sum of its continuations' counts, and the share left to shorter ones.

    A context that nothing follows has the share 1.
    """

    denominators: Float64s
    gammas: Float64s


def context_sums(level: Level, discounts: Float64s, contexts: int) -> ContextSums:
    """float64[contexts] each. ``discounts``: for counts 0, 1, 2, 3 and more."""
    denominators, gammas = np.zeros(contexts), np.zeros(contexts)
    _sums(level.contexts, level.counts, level.kept, discounts, denominators, gammas)
    return ContextSums(denominators, gammas)


def interpolated(level: Level, sums: ContextSums, discounts: Float64s, lower: Float64s) -> Float64s:
    """float64[n-grams]: probabilities, given those of the level before (one, uniform, for the first level)."""
    out = np.empty(len(level.places))
    _probabilities((level.parents, level.contexts, level.counts), sums, discounts, lower, out)
    return out

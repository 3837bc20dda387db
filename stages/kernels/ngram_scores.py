"""Scores of text under an n-gram model, from Arrow's bytes.

The scores are those of KenLM (Heafield 2011), up to rounding; :mod:`stages.kernels.ngram_table` says how tables lie.
Tokens are looked up length by length, a window of them at a time, which goes over the ends of lines and rows. The
places where searches begin are fetched before, in a loop that does nothing else: a fetch keeps its place in the
processor's queue until its address is translated, so other work between two of them keeps the memory waiting (a third
of all time). A word without a unigram is ``<unk>``. Kernels go through pointers, as arrays that are passed on are
copied.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.byte_runs import flat, word_at
from stages.kernels.compiled import inlined, kernel
from stages.kernels.lm_text import code_point
from stages.kernels.loads import fetch
from stages.kernels.ngram_table import (
    LINE_BYTES,
    UNIGRAM_BYTES,
    NgramTable,
    chained,
    find,
    flat_table,
    hashed,
    home,
    with_characters,
    word_hash,
)
from stages.kernels.unicode_tables import CODE_POINTS

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Float64s = npt.NDArray[np.float64]

_WINDOW = 256
"""Tokens looked up at a time: what is needed of them stays in the nearest memory."""
_NUMBER = np.uint64(0xFFFFFFFF)
_0 = np.uint64(0)


class LineScores(NamedTuple):
    """The lines that have a token.

    rows: int64, number of the row. scores: float64, sum of log10 probabilities, that of ``</s>`` among them. tokens:
    int64, without ``</s>``. unknown: int64, how many of them the model does not know.
    """

    rows: Int64s
    scores: Float64s
    tokens: Int64s
    unknown: Int64s


class Window(NamedTuple):
    """Tokens on their way; those before a certain place are scored already, and context for the others.

    lines: int64, number of the token's line. before: int64, how many tokens of the line are before it. keys: uint64,
    hash or code point, then key of the longest n-gram looked for. places: int64, where its search begins. words: int64,
    numbers. active: int64, places that go on. lengths: int64, of the longest n-gram found. probabilities: float64, its
    log10. backoffs: float64, ``order`` for each token, sums of the weights of the 1, 2, … longest contexts.
    """

    lines: Int64s
    before: Int64s
    keys: UInt64s
    places: Int64s
    words: Int64s
    active: Int64s
    lengths: Int64s
    probabilities: Float64s
    backoffs: Float64s


def _window(order: int) -> Window:
    lines, before, places, words, active, lengths = (np.zeros(_WINDOW, np.int64) for _ in range(6))
    keys = np.zeros(_WINDOW, np.uint64)
    return Window(lines, before, keys, places, words, active, lengths, np.zeros(_WINDOW), np.zeros(_WINDOW * order))


@inlined
def _flat_window(window: Window) -> Window:
    """Pointers in place of arrays."""
    return Window(
        flat(window.lines),
        flat(window.before),
        flat(window.keys),
        flat(window.places),
        flat(window.words),
        flat(window.active),
        flat(window.lengths),
        flat(window.probabilities),
        flat(window.backoffs),
    )


@kernel
def _find_words(table: NgramTable, window: Window, start: Int, count: Int, strange: np.uint64, unknown: Any) -> None:
    """Numbers of words, from their hashes. O(count - start)."""
    for at in range(start, count):
        key = window.keys[at]
        entry = find(table, 0, key, window.places[at])
        word = np.int64(word_at(table.memory, entry + 8) & _NUMBER)  # 0 in a free entry
        window.words[at] = word
        fetch(table.memory, table.places[1] + UNIGRAM_BYTES * word)
        unknown[window.lines[at]] += word == 0 and key != strange


@kernel
def _find_characters(table: NgramTable, window: Window, start: Int, count: Int, unknown: Any) -> None:
    """Numbers of words, from their code points. O(count - start)."""
    for at in range(start, count):
        word = np.int64(table.characters[np.int64(window.keys[at])])
        window.words[at] = word
        unknown[window.lines[at]] += word == 0


@kernel
def _find_unigrams(table: NgramTable, window: Window, order: int, start: Int, count: Int) -> Int:
    """Returns how many tokens go on. O(count - start)."""
    going: Int = 0
    for at in range(start, count):
        word = window.words[at]
        place = (table.places[1] + UNIGRAM_BYTES * word) >> 2
        probability = table.values[place]
        window.probabilities[at] = -abs(np.float64(probability))
        window.backoffs[at * order] = np.float64(table.values[place + 1])
        window.lengths[at] = 1
        if probability >= 0 and window.before[at] > 0 and order > 1:
            key = chained(np.uint64(word), window.words[at - 1])
            window.keys[at], window.places[at] = key, home(table, 2, key)
            window.active[going] = at
            going += 1
    return going


@kernel
def _fetch_places(table: NgramTable, window: Window, n: Int, going: Int) -> None:
    """A loop of its own, so short that many fetches are on their way at a time."""
    for index in range(going):
        fetch(table.memory, window.places[window.active[index]])
    if table.strides[n] < LINE_BYTES:
        for index in range(going):
            fetch(table.memory, window.places[window.active[index]] + LINE_BYTES - 1)


@inlined
def _find_near(table: NgramTable, n: Int, key: np.uint64, at: Int) -> Int:
    """As ``find``, four entries at a time: which of them it is cannot be foretold, and a wrong guess costs time."""
    size = table.sizes[n]
    if at + 4 * size > table.ends[n]:
        return find(table, n, key, at)
    first, second = word_at(table.memory, at), word_at(table.memory, at + size)
    third, fourth = word_at(table.memory, at + 2 * size), word_at(table.memory, at + 3 * size)
    step = np.int64(second == key) + 2 * np.int64(third == key) + 3 * np.int64(fourth == key)
    free = (first == _0) | (second == _0) | (third == _0) | (fourth == _0)
    place = at + size * step
    if (first == key) | (step > 0) | free:
        return place
    return find(table, n, key, at + 3 * size)


@kernel
def _find_longer(table: NgramTable, window: Window, order: int, n: Int, going: Int) -> Int:
    """Looks for the n-grams of so many tokens; returns how many go on. O(going)."""
    left: Int = 0
    for index in range(going):
        at = window.active[index]
        key = window.keys[at]
        place = _find_near(table, n, key, window.places[at])
        if word_at(table.memory, place) != key:
            continue
        place = (place + 8) >> 2
        probability = table.values[place]
        window.probabilities[at] = -abs(np.float64(probability))
        window.lengths[at] = n
        if n == order:
            continue
        before = at * order + n - 1
        window.backoffs[before] = window.backoffs[before - 1] + np.float64(table.values[place + 1])
        if probability >= 0 and window.lengths[at - 1] >= n:
            key = chained(key, window.words[at - n])
            window.keys[at], window.places[at] = key, home(table, n + 1, key)
            window.active[left] = at
            left += 1
    return left


@kernel
def _add(window: Window, start: Int, count: Int, order: int, scores: Any) -> None:
    """Adds the tokens' log10 probabilities, given all before them in their lines. O(count - start)."""
    for at in range(start, count):
        if window.before[at] == 0:
            continue
        total = window.probabilities[at]
        known, context = min(window.lengths[at - 1], order - 1), window.lengths[at] - 1
        if known > context:
            first = (at - 1) * order - 1
            total += window.backoffs[first + known]
            if context:
                total -= window.backoffs[first + context]
        scores[window.lines[at]] += total


@kernel
def _keep_context(window: Window, count: Int, order: int) -> Int:
    """Moves the last tokens to the front; returns how many they are."""
    kept = min(count, np.int64(order))
    for at in range(kept):
        before = count - kept + at
        window.words[at], window.lengths[at] = window.words[before], window.lengths[before]
        for n in range(order):
            window.backoffs[at * order + n] = window.backoffs[before * order + n]
    return kept


@kernel
def _flush(
    table: NgramTable, window: Window, order: int, start: Int, count: Int, strange: np.uint64, out: LineScores
) -> Int:
    """Scores what is in the window; returns how many tokens are kept. O(count × order)."""
    if strange == _0:
        _find_characters(table, window, start, count, out.unknown)
    else:
        _find_words(table, window, start, count, strange, out.unknown)
    going = _find_unigrams(table, window, order, start, count)
    for n in range(2, order + 1):
        _fetch_places(table, window, n, going)
        going = _find_longer(table, window, order, n, going)
    _add(window, start, count, order, out.scores)
    return _keep_context(window, count, order)


@inlined
def _is_space(byte: Int) -> bool | np.bool:
    return byte == 32 or 9 <= byte <= 13


@inlined
def _word_end(data: Any, at: Int, stop: Int) -> Int:
    at += 1
    while at < stop and not _is_space(data[at]):
        at += 1
    return at


@inlined
def _put(table: NgramTable, window: Window, at: Int, key: np.uint64, line: Int, before: Int, characters: bool) -> None:
    """A token into the window; the place of a word is fetched."""
    window.keys[at], window.lines[at], window.before[at] = key, line, before
    if not characters:
        place = home(table, 0, key)
        window.places[at] = place
        fetch(table.memory, place)


@kernel
def _score(
    text: tuple[Bytes, Int64s],
    characters: bool,
    arrays: NgramTable,
    markers: tuple[np.uint64, np.uint64, np.uint64],
    scratch: Window,
    found: LineScores,
) -> Int:
    """Writes the lines' scores, returns how many there are. O(bytes + tokens × order).

    ``markers``: what ``<s>``, ``</s>`` and ``<unk>`` are found by: hashes, or code points and 0.
    """
    order = len(arrays.places) - 1
    data, offsets, size = flat(text[0]), text[1], len(text[0])
    table, window = flat_table(arrays), _flat_window(scratch)
    out = LineScores(flat(found.rows), flat(found.scores), flat(found.tokens), flat(found.unknown))
    begin, end, strange = markers
    line: Int = 0
    start: Int = 0
    count: Int = 0
    for row in range(len(offsets) - 1):
        at, stop = offsets[row], offsets[row + 1]
        seen: Int = 0
        while at <= stop:
            ends = at == stop or data[at] == 10
            if ends and seen == 0 or not ends and _is_space(data[at]):
                at += 1
                continue
            if count > _WINDOW - 2:
                start = count = _flush(table, window, order, start, count, strange, out)
            if seen == 0:
                _put(table, window, count, begin, line, 0, characters)
                out.rows[line] = row
                count += 1
                seen = 1
            if ends:
                key = end
                at += 1
            elif characters:
                code, width = code_point(data, at)
                key = np.uint64(code)
                at += width
            else:
                after = _word_end(data, at, stop)
                key = word_hash(data, size, at, after)
                at = after
            _put(table, window, count, key, line, seen, characters)
            count += 1
            seen += 1
            if ends:
                out.tokens[line] = seen - 2
                line += 1
                seen = 0
    _flush(table, window, order, start, count, strange, out)
    return line


@kernel
def _count_lines(data: Bytes, offsets: Int64s) -> Int:
    count: Int = len(offsets)
    for at in range(offsets[0], offsets[-1]):
        count += data[at] == 10
    return count


def score_lines(table: NgramTable, data: Bytes, offsets: Int64s, *, characters: bool = False) -> LineScores:
    """Scores of the lines of rows ``data[offsets[i]:offsets[i + 1]]``, tokens between white space or characters.

    Many calls with ``characters`` want a table :func:`~stages.kernels.ngram_table.with_characters`.
    """
    room = int(_count_lines(data, offsets))
    out = LineScores(np.zeros(room, np.int64), np.zeros(room), np.zeros(room, np.int64), np.zeros(room, np.int64))
    if characters:
        if not len(table.characters):
            table = with_characters(table, data[offsets[0] : offsets[-1]].tobytes().decode())
        markers = (np.uint64(CODE_POINTS), np.uint64(CODE_POINTS + 1), _0)
    else:
        markers = (hashed(b"<s>"), hashed(b"</s>"), hashed(b"<unk>"))
    with np.errstate(over="ignore"):
        lines = _score((data, offsets), characters, table, markers, _window(table.order), out)
    return LineScores(out.rows[:lines], out.scores[:lines], out.tokens[:lines], out.unknown[:lines])

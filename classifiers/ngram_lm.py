"""n-gram language models: estimated with modified Kneser-Ney smoothing, written as ARPA files.

Interpolated, as by KenLM's ``lmplz`` (Heafield et al. 2013), whose probabilities these are: discounts by Chen and
Goodman (1999), unigrams interpolated with the uniform distribution, the rest of which is ``<unk>``'s. Any reader of
ARPA files takes them, the kenlm package among them.

What lmplz does otherwise: lines without a token are sentences, a last line that no line feed ends is none, vertical
tabs and form feeds do not end words, and NULs do. When it estimates discounts it counts the last n-gram of each length
by how often it occurs, and not by its continuations, which shows in corpora of a few sentences.

Everything is in memory. :func:`memory_bytes` says how much that is; text that would take more is refused before.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from classifiers.errors import ModelError
from stages.kernels.arpa_text import NUMBER_BYTES, SLACK, gathered, token_bytes, write_lines
from stages.kernels.arrow_text import TextView
from stages.kernels.kneser_ney import Level, context_sums, interpolated, levels
from stages.kernels.token_numbers import Sentences, count_tokens, sentences

Float64s = npt.NDArray[np.float64]
Tokens = Literal["words", "characters"]

FALLBACK = (0.0, 0.5, 1.0, 1.5)
"""Discounts for counts 0, 1, 2, 3 and more where a corpus is too small or too regular to estimate them; lmplz has the
same by ``--discount_fallback``."""
DEFAULT_MEMORY_BYTES = 8 * 10**9

_SPECIAL = b"<unk><s></s>"
_SPECIAL_SIZES = (0, 5, 3, 4)
"""Of the words of the first numbers: none, and those."""
_ROWS = 1 << 18
_THREADS = 2
"""They write the file 1.6 times as fast as one."""
_LOG_ZERO = -99.0


class NgramModel(NamedTuple):
    """An estimated model.

    text: what its words are bytes of. levels: n-grams of each length. probabilities: float64[n-grams] for each length.
    backoffs: the same, but for the longest. discounts: for each length those of counts 0, 1, 2, 3 and more.
    fallback: lengths whose discounts could not be estimated. unknown: probability of ``<unk>``.
    """

    data: npt.NDArray[np.uint8]
    sentences: Sentences
    levels: Sequence[Level]
    probabilities: Sequence[Float64s]
    backoffs: Sequence[Float64s]
    discounts: Sequence[tuple[float, ...]]
    fallback: tuple[int, ...]
    unknown: float


def memory_bytes(tokens: int, ngrams: int = 0) -> int:
    """Largest memory in bytes that a model of so many tokens and n-grams takes besides the text.

    First each token may be another word, and words take up to 170 bytes while they are told apart; that is enough for
    sorting places, too. Then each place takes 40, and each n-gram 33 for its level, 16 for probability and backoff
    weight, and 8 while they are made.
    """
    return max(170 * tokens, 40 * tokens + 57 * ngrams)


def estimate(
    text: TextView,
    order: int,
    *,
    tokens: Tokens = "words",
    prune: Sequence[int] = (),
    blank_lines: bool = False,
    max_bytes: int = DEFAULT_MEMORY_BYTES,
) -> NgramModel:
    """A model of the rows' lines.

    ``prune``: counts up to which n-grams are left out, for lengths 1, 2, …; the last one holds for longer ones too.
    ``blank_lines``: lines without a token are sentences too, as for lmplz. ``max_bytes``: of memory besides the text.

    Raises ModelError for text without tokens, and where the model would take more memory than allowed.
    """
    thresholds = check_thresholds(prune, order)
    characters = tokens == "characters"
    count = count_tokens(text.data, text.offsets, characters=characters, blank=blank_lines)

    def check(ngrams: int) -> None:
        needed = memory_bytes(count, ngrams)
        if needed > max_bytes:
            found = f"{count:,} tokens" + (f" and {ngrams:,} n-grams" if ngrams else "")
            raise ModelError(
                f"{found} may take {needed / 1e9:.2f} GB, allowed are {max_bytes / 1e9:.2f} besides the text: take a "
                "smaller sample or order, or allow more memory"
            )

    check(0)
    found = sentences(text.data, text.offsets, characters=characters, blank=blank_lines)
    if not len(found.tokens):
        raise ModelError("there is no token in the text: a model needs some lines of words")
    return _smoothed(text.data, found, levels(found.tokens, order, thresholds, check))


def check_thresholds(prune: Sequence[int], order: int) -> tuple[int, ...]:
    """The counts for all lengths up to ``order``. Raises ModelError for counts that make no sense."""
    given = [*prune][:order] or [0]
    thresholds = tuple(given + [given[-1]] * (order - len(given)))
    if thresholds[0] != 0 or list(thresholds) != sorted(thresholds) or len(prune) > order:
        raise ModelError(
            f"prune is {list(prune)}: expected at most {order} numbers that do not fall, the first of them 0 "
            "(unigrams are the vocabulary)"
        )
    return thresholds


def _smoothed(data: npt.NDArray[np.uint8], found: Sentences, grams: Sequence[Level]) -> NgramModel:
    vocabulary = len(grams[0].places)  # with <unk>, without <s>
    lower = np.array([1.0 / vocabulary])
    probabilities: list[Float64s] = []
    backoffs: list[Float64s] = []
    discounts: list[tuple[float, ...]] = []
    fallback: list[int] = []
    unknown = 0.0
    for n, level in enumerate(grams, 1):
        amounts = _discounts(level.counts if n > 1 else level.counts[:-1])
        if amounts is None:
            amounts = FALLBACK
            fallback.append(n)
        discounts.append(amounts)
        contexts = 1 if n == 1 else len(grams[n - 2].places)
        sums = context_sums(level, np.array(amounts), contexts)
        made = interpolated(level, sums, np.array(amounts), lower)
        if n == 1:
            unknown = float(sums.gammas[0] / vocabulary)
            made[-1] = 1.0  # <s> is given
        else:
            backoffs.append(sums.gammas)
        probabilities.append(made)
        lower = made
    return NgramModel(data, found, grams, probabilities, backoffs, discounts, tuple(fallback), unknown)


def _discounts(counts: npt.NDArray[np.int64]) -> tuple[float, ...] | None:
    """Equation 26 of Chen and Goodman; None where it gives none."""
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == k)) for k in range(1, 5))
    if not (n1 and n2 and n3):
        return None
    y = n1 / (n1 + 2 * n2)
    amounts = (0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return amounts if all(0 <= amount <= k for k, amount in enumerate(amounts)) else None


def write_arpa(model: NgramModel, file: IO[bytes]) -> None:
    """Write the model. The same text in any order of its lines gives the same bytes."""
    for piece in _pieces(model):
        file.write(piece)


def arpa_bytes(model: NgramModel, max_bytes: int = DEFAULT_MEMORY_BYTES) -> bytes:
    """The whole file. Raises ModelError where model and file, with room for a copy, take more memory than allowed."""
    rooms = _rooms(model)
    size = sum(rooms)
    needed = _model_bytes(model) + _parts_bytes(model, rooms) + 2 * size
    if needed > max_bytes:
        raise ModelError(
            f"a file of {size / 1e9:.2f} GB and its model take {needed / 1e9:.2f} GB to write, allowed are "
            f"{max_bytes / 1e9:.2f}: prune n-grams, take a smaller sample or order, or allow more memory"
        )
    file = io.BytesIO()
    write_arpa(model, file)
    return file.getvalue()


def _model_bytes(model: NgramModel) -> int:
    """Memory of its arrays, and of the words and one level's n-grams in the order in which they are written."""
    arrays: list[npt.NDArray[Any]] = [*model.probabilities, *model.backoffs, *model.sentences]
    arrays += [array for level in model.levels for array in level]
    longest = max(level.places.nbytes for level in model.levels)
    words = int((model.sentences.ends - model.sentences.starts).sum()) + 8 * len(model.sentences.starts)
    return sum(array.nbytes for array in arrays) + longest + 2 * words


def _rooms(model: NgramModel) -> list[int]:
    """Room for the lines of each length."""
    offsets = np.cumsum(np.r_[0, _SPECIAL_SIZES, model.sentences.ends - model.sentences.starts], dtype=np.int64)
    return [_room(model, offsets, level.places[level.kept], n) for n, level in enumerate(model.levels, 1)]


def _parts_bytes(model: NgramModel, rooms: Sequence[int]) -> int:
    """Of the parts that are made while others are written, with 40 bytes for the numbers of each line."""
    lines = [max(int(level.kept.sum()), 1) for level in model.levels]
    most = (2 * _THREADS + 1) * _ROWS
    return max(min(most, count) * (room // count + 40) for room, count in zip(rooms, lines, strict=True))


def _room(model: NgramModel, offsets: npt.NDArray[np.int64], places: npt.NDArray[np.int64], n: int) -> int:
    words = int(token_bytes(model.sentences.tokens, places, n, offsets))
    return words + len(places) * (n + 3 + 2 * NUMBER_BYTES) + SLACK


def _pieces(model: NgramModel) -> Iterator[bytes | memoryview]:
    counts = [int(level.kept.sum()) + (n == 1) for n, level in enumerate(model.levels, 1)]
    head = "".join(f"ngram {n}={count}\n" for n, count in enumerate(counts, 1))
    yield f"\\data\\\n{head}".encode()
    words = _words(model)
    for n, level in enumerate(model.levels, 1):
        rows = np.flatnonzero(level.kept)
        yield f"\n\\{n}-grams:\n".encode()
        if n == 1:
            yield f"{np.log10(model.unknown):.6f}\t<unk>\t0\n".encode()
        parts = (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))
        yield from _in_order(partial(_lines, model, n, words), parts)
    yield b"\n\\end\\\n"


def _lines(
    model: NgramModel, n: int, words: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]], rows: npt.NDArray[np.int64]
) -> memoryview:
    """Some n-grams of a length as text."""
    tokens, places, has_backoff = model.sentences.tokens, model.levels[n - 1].places[rows], n < len(model.levels)
    logarithms = _logarithms(model.probabilities[n - 1][rows])
    backoff = _logarithms(model.backoffs[n - 1][rows]) if has_backoff else logarithms
    out = np.empty(_room(model, words[1], places, n), np.uint8)
    return out[: write_lines(tokens, places, n, words, (logarithms, backoff), has_backoff, out)].data


def _in_order(
    work: Callable[[npt.NDArray[np.int64]], memoryview], parts: Iterable[npt.NDArray[np.int64]]
) -> Iterator[memoryview]:
    """What the work makes of the parts, some of them at a time and a few ahead."""
    with ThreadPoolExecutor(_THREADS) as threads:
        waiting: deque[Future[memoryview]] = deque()
        for part in parts:
            waiting.append(threads.submit(work, part))
            if len(waiting) > 2 * _THREADS:
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()


def _logarithms(values: Float64s) -> Float64s:
    found = np.full(len(values), _LOG_ZERO)
    np.log10(values, out=found, where=values > 0)
    return np.minimum(found, 0.0)


def _words(model: NgramModel) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Bytes of the words in the order of their numbers, and where each begins: the special ones come first."""
    own, offsets = gathered(model.data, model.sentences.starts, model.sentences.ends)
    special = np.cumsum(np.r_[0, _SPECIAL_SIZES])
    return np.r_[np.frombuffer(_SPECIAL, np.uint8), own], np.r_[special[:-1], offsets + special[-1]].astype(np.int64)

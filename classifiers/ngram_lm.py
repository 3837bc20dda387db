"""n-gram language models: estimated with modified Kneser-Ney smoothing, written as ARPA files.

Interpolated, as by KenLM's ``lmplz`` (Heafield et al. 2013), whose probabilities these are: discounts by Chen and
Goodman (1999), unigrams interpolated with the uniform distribution, the rest of which is ``<unk>``'s. Any reader of
ARPA files takes them, the kenlm package among them.

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
from stages.kernels.token_numbers import Sentences, sentences

Float64s = npt.NDArray[np.float64]
Tokens = Literal["words", "characters"]

FALLBACK = (0.0, 0.5, 1.0, 1.5)
"""Discounts for counts 0, 1, 2, 3 and more where a corpus is too small or too regular to estimate them; lmplz has the
same by ``--discount_fallback``."""
DEFAULT_MEMORY_BYTES = 8 * 10**9

_SPECIAL = b"<unk><s></s>"
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


def memory_bytes(tokens: int, order: int) -> int:
    """Largest memory in bytes that a model of so many tokens takes, whatever they are.

    Each token may begin an n-gram of every length, which takes 33 bytes for its level, 8 for its raw count and 16 for
    probability and backoff weight; 40 more are needed while the places are sorted.
    """
    return tokens * (40 + 57 * order)


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
    ``blank_lines``: lines without a token are sentences too, as for lmplz. ``max_bytes``: of memory.

    Raises ModelError for text without tokens, and where the model would take more memory than allowed.
    """
    thresholds = check_thresholds(prune, order)
    found = sentences(text.data, text.offsets, characters=tokens == "characters", blank=blank_lines)
    if not len(found.tokens):
        raise ModelError("there is no token in the text: a model needs some lines of words")
    needed = memory_bytes(len(found.tokens), order)
    if needed > max_bytes:
        raise ModelError(
            f"{len(found.tokens):,} tokens and order {order} may take {needed / 1e9:.1f} GB, allowed are "
            f"{max_bytes / 1e9:.1f}: take a smaller sample or order, or allow more memory"
        )
    return _smoothed(text.data, found, levels(found.tokens, order, thresholds))


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
    size = _file_bytes(model)
    needed = sum(array.nbytes for array in _arrays(model)) + 2 * size
    if needed > max_bytes:
        raise ModelError(
            f"a file of {size / 1e9:.2f} GB and its model take {needed / 1e9:.2f} GB to write, allowed are "
            f"{max_bytes / 1e9:.2f}: prune n-grams, take a smaller sample or order, or allow more memory"
        )
    file = io.BytesIO()
    write_arpa(model, file)
    return file.getvalue()


def _arrays(model: NgramModel) -> Iterator[npt.NDArray[Any]]:
    for level in model.levels:
        yield from level
    yield from model.probabilities
    yield from model.backoffs
    yield model.sentences.tokens


def _file_bytes(model: NgramModel) -> int:
    """Room for all lines."""
    _, offsets = _words(model)
    places = [level.places[level.kept] for level in model.levels]
    return sum(_room(model, offsets, some, n) for n, some in enumerate(places, 1))


def _room(model: NgramModel, offsets: npt.NDArray[np.int64], places: npt.NDArray[np.int64], n: int) -> int:
    words = int(token_bytes(model.sentences.tokens, places, n, offsets))
    return words + len(places) * (n + 3 + 2 * NUMBER_BYTES) + SLACK


def _pieces(model: NgramModel) -> Iterator[bytes | memoryview]:
    kept = [np.flatnonzero(level.kept) for level in model.levels]
    counts = [len(rows) + (n == 1) for n, rows in enumerate(kept, 1)]
    head = "".join(f"ngram {n}={count}\n" for n, count in enumerate(counts, 1))
    yield f"\\data\\\n{head}".encode()
    words = _words(model)
    for n, rows in enumerate(kept, 1):
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
    special = np.r_[0, 0, 5, 8, len(_SPECIAL)]
    return np.r_[np.frombuffer(_SPECIAL, np.uint8), own], np.r_[special[:-1], offsets + special[-1]].astype(np.int64)

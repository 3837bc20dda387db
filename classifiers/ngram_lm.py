"""n-gram language models: estimated with modified Kneser-Ney smoothing, written as ARPA files.

Interpolated, as by KenLM's ``lmplz`` (Heafield et al. 2013), whose probabilities these are: discounts by Chen and
Goodman (1999), unigrams interpolated with the uniform distribution, the rest of which is ``<unk>``'s. Any reader of
ARPA files takes them, the kenlm package among them.

Everything is in memory. :func:`memory_bytes` says how much that is; text that would take more is refused before.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import IO, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from classifiers.errors import ModelError
from stages.kernels.arpa_text import NUMBER_BYTES, token_bytes, write_lines
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
    thresholds = _thresholds(prune, order)
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


def _thresholds(prune: Sequence[int], order: int) -> tuple[int, ...]:
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


def arpa_bytes(model: NgramModel) -> bytes:
    """The whole file."""
    file = io.BytesIO()
    write_arpa(model, file)
    return file.getvalue()


def _pieces(model: NgramModel) -> Iterator[bytes | memoryview]:
    order = len(model.levels)
    kept = [np.flatnonzero(level.kept) for level in model.levels]
    counts = [len(rows) + (n == 1) for n, rows in enumerate(kept, 1)]
    head = "".join(f"ngram {n}={count}\n" for n, count in enumerate(counts, 1))
    yield f"\\data\\\n{head}".encode()
    words = _words(model)
    lengths = words[2] - words[1]
    for n, (level, rows) in enumerate(zip(model.levels, kept, strict=True), 1):
        yield f"\n\\{n}-grams:\n".encode()
        if n == 1:
            yield f"{np.log10(model.unknown):.6f}\t<unk>\t0\n".encode()
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            places = level.places[some]
            logarithms = _logarithms(model.probabilities[n - 1][some])
            backoff = _logarithms(model.backoffs[n - 1][some]) if n < order else logarithms
            room = int(token_bytes(model.sentences.tokens, places, n, lengths)) + len(some) * (n + 3 + 2 * NUMBER_BYTES)
            out = np.empty(room, np.uint8)
            used = write_lines(model.sentences.tokens, places, n, words, (logarithms, backoff), n < order, out)
            yield out[:used].data
    yield b"\n\\end\\\n"


def _logarithms(values: Float64s) -> Float64s:
    found = np.full(len(values), _LOG_ZERO)
    np.log10(values, out=found, where=values > 0)
    return np.minimum(found, 0.0)


def _words(model: NgramModel) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Bytes, and where each token number's word stands in them: the special ones come first."""
    data = np.concatenate([np.frombuffer(_SPECIAL, np.uint8), model.data])
    found = model.sentences
    starts = np.r_[0, 0, 5, 8, found.starts + len(_SPECIAL)]
    ends = np.r_[0, 5, 8, 12, found.ends + len(_SPECIAL)]
    return data, starts.astype(np.int64), ends.astype(np.int64)

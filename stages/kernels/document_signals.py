"""Signals of documents from counts of characters, lines and words: Gopher's, and those of RedPajama-Data v2.

Their definitions are in the tables :data:`GOPHER` and :data:`FURTHER`. Words are those of
:mod:`stages.kernels.word_spans`, so that every signal is defined in every script; where a word is one character
(Chinese, Japanese) or syllable (Thai), mean lengths are near 1, stop words are particles, and ratios to words are about
1.6 times smaller than those to words of a dictionary. Fractions and ratios are 0 where there is nothing to divide by.

Counts of words are made group by group of rows, so that their places and hashes stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from stages.kernels import character_counts, word_counts
from stages.kernels.arrow_text import TextView
from stages.kernels.english_tokens import english_tokens
from stages.kernels.gopher_lines import BULLETS, ELLIPSES, LINES, gopher_lines
from stages.kernels.sentences import count_sentences
from stages.kernels.word_counts import WordSet, count_in_words
from stages.kernels.word_diversity import word_diversity
from stages.kernels.word_spans import WordSpans, row_groups, word_spans
from stages.kernels.word_types import WordTypes, word_types

Bytes = npt.NDArray[np.uint8]
Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Signal = npt.NDArray[Any]

Reading = Literal["paper", "datatrove"]
"""Whose understanding of Gopher's rules, see :func:`gopher_signals`."""

GOPHER: Mapping[str, str] = {
    "words": "Words.",
    "mean_word_length": "Characters of words by words.",
    "hash_to_word_ratio": "Hash signs by words.",
    "ellipsis_to_word_ratio": "Ellipses (`...` or `…`) by words.",
    "bullet_line_fraction": "Lines that begin with a bullet, of those that are not blank.",
    "ellipsis_line_fraction": "Lines that end with an ellipsis, of those that are not blank.",
    "alphabetic_word_fraction": "Words with a letter, of all words.",
    "distinct_stop_words": "How many different stop words occur.",
}
"""Signal → what it is: what Gopher's quality rules (Rae et al. 2021, arXiv 2112.11446, A.1.1) look at."""

FURTHER: Mapping[str, str] = {
    "characters": "Unicode characters (code points).",
    "sentences": "Sentences, by Unicode sentence boundaries and abbreviations.",
    "unique_word_fraction": "Different words, whatever their case, by all words.",
    "word_entropy": "Entropy of the distribution of words, whatever their case, in nats.",
    "upper_case_word_fraction": "Words with capitals and without lower-case letters, of all words.",
    "symbol_to_word_ratio": "Hash signs and ellipses by words.",
    "stop_word_fraction": "Stop words, whatever their case, of all words.",
    "digit_fraction": "Decimal digits of any script, of all characters.",
    "upper_case_letter_fraction": "Capitals of all characters.",
    "curly_bracket_fraction": "`{` and `}`, of all characters.",
    "url_fraction": "Characters in web addresses, of all characters.",
    "line_feed_to_word_ratio": "Line feeds by words.",
    "lorem_ipsums": "How often `lorem ipsum` occurs.",
    "javascript_words": "How often the word `javascript` occurs.",
}
"""Signal → what it is: document statistics of RedPajama-Data v2 (Weber et al. 2024, arXiv 2411.12372), FineWeb's ratio
of line feeds, and the share of web addresses."""

COUNTS = frozenset({"words", "distinct_stop_words", "characters", "sentences", "lorem_ipsums", "javascript_words"})
"""Signals that are whole numbers (int64); the others are float64."""


def ratio(part: Int64s, whole: Int64s) -> Float64s:
    """float64: part by whole, 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def by_groups(
    view: TextView,
    measure: Callable[[TextView, WordSpans], Sequence[Signal]],
    split: Callable[[Bytes, Int64s], WordSpans] = word_spans,
) -> list[Signal]:
    """What ``measure`` gives for groups of rows and their words, each of its results put together for all rows."""
    parts = []
    for first, last in [*row_groups(view.offsets)] or [(0, 0)]:
        group = TextView(view.data, view.offsets[first : last + 1])
        parts.append(measure(group, split(*group)))
    return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def gopher_signals(view: TextView, stops: WordSet, reading: Reading = "paper") -> dict[str, Signal]:
    """The :data:`GOPHER` signals of each row.

    ``paper``: as described there. ``stops`` are in lower case, and found whatever a word's case.
    ``datatrove``: as the filter of datatrove 0.10.1 computes them. By words there means by all tokens, marks included
    (:mod:`stages.kernels.english_tokens`); their number and mean length are of those with a letter or digit. Stop words
    are found as they stand, lines are those of ``str.splitlines``, blank ones too.
    """
    theirs = reading == "datatrove"

    def measure(group: TextView, words: WordSpans) -> Sequence[Signal]:
        types = word_types(words.rows, words.hashes)
        return [count_in_words(group.data, words, types, stops, fold=not theirs)[0]]

    words = by_groups(view, measure, english_tokens if theirs else word_spans)[0]
    lines = gopher_lines(*view, every_line=theirs)
    return _gopher(words, character_counts.count_characters(*view), lines, theirs)


def _gopher(words: Int64s, characters: Int64s, lines: Int64s, plain: bool) -> dict[str, Signal]:
    """The Gopher signals from counts; ``plain``: number and mean length leave out what is no plain word."""
    every = words[:, word_counts.WORDS]
    some = words[:, word_counts.PLAIN] if plain else every
    length = words[:, word_counts.PLAIN_CHARACTERS if plain else word_counts.CHARACTERS]
    return {
        "words": some,
        "mean_word_length": ratio(length, some),
        "hash_to_word_ratio": ratio(characters[:, character_counts.HASHES], every),
        "ellipsis_to_word_ratio": ratio(characters[:, character_counts.ELLIPSES], every),
        "bullet_line_fraction": ratio(lines[:, BULLETS], lines[:, LINES]),
        "ellipsis_line_fraction": ratio(lines[:, ELLIPSES], lines[:, LINES]),
        "alphabetic_word_fraction": ratio(words[:, word_counts.ALPHABETICS], every),
        "distinct_stop_words": words[:, word_counts.DISTINCT_STOPS],
    }


def document_signals(
    view: TextView,
    stops: WordSet,
    more: Callable[[TextView, WordSpans, WordTypes], Sequence[Signal]] = lambda group, words, types: (),
) -> tuple[dict[str, Signal], list[Signal]]:
    """(the :data:`GOPHER` and :data:`FURTHER` signals of each row as the papers have them, what ``more`` gives).

    ``more``: measures of others on the same groups of rows, the same words and their types.
    """

    def measure(group: TextView, words: WordSpans) -> Sequence[Signal]:
        types = word_types(words.rows, words.hashes)
        counts, lower_hashes = count_in_words(group.data, words, types, stops)
        return [counts, *word_diversity(words.rows, types, lower_hashes), *more(group, words, types)]

    words, distinct, entropy, *others = by_groups(view, measure)
    characters, lines = character_counts.count_characters(*view), gopher_lines(*view)
    total, every = characters[:, character_counts.CHARACTERS], words[:, word_counts.WORDS]
    symbols = characters[:, character_counts.HASHES] + characters[:, character_counts.ELLIPSES]
    further = {
        "characters": total,
        "sentences": count_sentences(*view),
        "unique_word_fraction": ratio(distinct, every),
        "word_entropy": entropy,
        "upper_case_word_fraction": ratio(words[:, word_counts.CAPITALS], every),
        "symbol_to_word_ratio": ratio(symbols, every),
        "stop_word_fraction": ratio(words[:, word_counts.STOPS], every),
        "digit_fraction": ratio(characters[:, character_counts.DIGITS], total),
        "upper_case_letter_fraction": ratio(characters[:, character_counts.UPPERS], total),
        "curly_bracket_fraction": ratio(characters[:, character_counts.BRACKETS], total),
        "url_fraction": ratio(characters[:, character_counts.URLS], total),
        "line_feed_to_word_ratio": ratio(characters[:, character_counts.FEEDS], every),
        "lorem_ipsums": words[:, word_counts.LOREMS],
        "javascript_words": words[:, word_counts.JAVASCRIPTS],
    }
    return {**_gopher(words, characters, lines, plain=False), **further}, others

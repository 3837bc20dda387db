"""Repetition within a document: duplicate lines and paragraphs, top n-grams, duplicate n-grams.

The measures are those of Gopher (Rae et al. 2021, arXiv 2112.11446, A.1.2 and Table A1), whose text leaves open what
a duplicate is, what a character, and what a word. Three readings are here:

* ``paper``: a duplicate is what occurs more than once, with all its occurrences; characters are those of words (for
  n-grams) and of lines that are not blank; no character counts twice. This is how the paper's sentences read, and for
  all but the overlaps of a top n-gram how DCLM's code reads them (Li et al. 2024, arXiv 2406.11794), which rebuilds
  the filters of RefinedWeb.
* ``datatrove``: what the filter of datatrove 0.10.1, which made FineWeb, computes: duplicates are the occurrences
  after the first, n-grams are searched from left to right and skipped when found, all fractions are of the characters
  of the whole text, and punctuation counts as words (:mod:`stages.kernels.word_marks`). Unlike there, n-grams of 5
  and more words are the same if their words are, not their letters (there ``aa b`` is ``a ab``), and fractions above
  1 are stored as 1.
* ``datatrove_english``: the same on :mod:`stages.kernels.english_tokens`, which are those of datatrove's splitter for
  English; nonsense where words have no spaces between them.

Words are told apart as they stand: neither case nor accents are folded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from stages.kernels.arrow_text import TextView
from stages.kernels.english_tokens import english_tokens
from stages.kernels.repetition_ngrams import MOST_WORDS, ngram_fractions
from stages.kernels.repetition_segments import segment_fractions
from stages.kernels.word_marks import words_and_marks
from stages.kernels.word_spans import WordSpans, row_groups, word_spans
from stages.kernels.word_types import WordTypes, word_types

Float64s = npt.NDArray[np.float64]

Reading = Literal["paper", "datatrove", "datatrove_english"]
"""Whose understanding of the measures."""

SEGMENT_SIGNALS = (
    "duplicate_line_fraction",
    "duplicate_line_character_fraction",
    "duplicate_paragraph_fraction",
    "duplicate_paragraph_character_fraction",
)
NGRAM_SIGNALS = (
    "top_2gram_character_fraction",
    "top_3gram_character_fraction",
    "top_4gram_character_fraction",
    "duplicate_5gram_character_fraction",
    "duplicate_6gram_character_fraction",
    "duplicate_7gram_character_fraction",
    "duplicate_8gram_character_fraction",
    "duplicate_9gram_character_fraction",
    "duplicate_10gram_character_fraction",
)
SIGNALS = (*SEGMENT_SIGNALS, *NGRAM_SIGNALS)
"""Names of the columns, in their order."""


def words_of(view: TextView, reading: Reading) -> WordSpans:
    """What the reading takes for words, of the rows of the view."""
    if reading == "datatrove_english":
        return english_tokens(view.data, view.offsets)
    words = word_spans(view.data, view.offsets)
    return words if reading == "paper" else words_and_marks(view.data, view.offsets, words)


def repetition(
    view: TextView, words: WordSpans, reading: Reading = "paper", types: WordTypes | None = None
) -> Float64s:
    """float64[rows, 13] in [0, 1]: the :data:`SIGNALS` of each row; 0 where it is too short to have one.

    ``words``: :func:`words_of` the same rows; whoever has other uses for them goes through a batch in groups of rows.
    ``types``: of these words, if the caller has them.
    Raises ValueError for a row of more than 2**30 words. O(bytes) expected, whatever the text.
    """
    if len(words.rows) > 1 and int(np.diff(words.rows).max()) > MOST_WORDS:
        raise ValueError(
            f"a row has more than {MOST_WORDS:,} words; split documents of gigabytes before measuring them"
        )
    every_copy = reading == "paper"
    with np.errstate(over="ignore"):
        segments = segment_fractions(view.data, view.offsets, every_copy)
        ngrams = ngram_fractions(*view, words, types or word_types(words.rows, words.hashes), every_copy)
    return np.concatenate((segments, ngrams), axis=1)


def repetition_signals(view: TextView, reading: Reading = "paper") -> Mapping[str, Float64s]:
    """Name → float64[rows] in [0, 1] of all :data:`SIGNALS`, group of rows by group of rows."""
    found = np.zeros((len(view.offsets) - 1, len(SIGNALS)))
    for first, last in row_groups(view.offsets):
        group = TextView(view.data, view.offsets[first : last + 1])
        found[first:last] = repetition(group, words_of(group, reading), reading)
    return {name: np.ascontiguousarray(found[:, column]) for column, name in enumerate(SIGNALS)}

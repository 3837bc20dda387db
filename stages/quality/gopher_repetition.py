"""Drops documents that repeat themselves: Gopher's thirteen rules.

The measures and thresholds are those of Table A1 of Gopher (Rae et al. 2021, arXiv 2112.11446, A.1.2): duplicate lines
and paragraphs by number and by characters, the most frequent 2-, 3- and 4-gram, all duplicate 5- to 10-grams. The
table's thresholds were chosen for English pages. Where a word is a character (Chinese, Japanese, Thai), an n-gram is
shorter and occurs again more easily, and routes by language should give other thresholds.

A document too short for a measure has 0 there: what is too short is for other stages to say.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from stages.contract import Applied, RowStage, Rule, StageConfig, Threshold, measure, rule
from stages.kernels.arrow_text import text_view
from stages.kernels.repetition import SIGNALS, Reading, repetition_signals

RULES = (
    "duplicate_lines",
    "duplicate_line_characters",
    "duplicate_paragraphs",
    "duplicate_paragraph_characters",
    "top_2gram",
    "top_3gram",
    "top_4gram",
    "duplicate_5grams",
    "duplicate_6grams",
    "duplicate_7grams",
    "duplicate_8grams",
    "duplicate_9grams",
    "duplicate_10grams",
)
"""Names of the rules, in the order of the kernel's signals."""


class GopherRepetitionConfig(StageConfig):
    """How much of a document may be repetition. All thresholds are fractions, from Gopher's Table A1."""

    preset: Reading = measure("paper")
    """Whose understanding of the measures; the thresholds are the same. ``paper``: what occurs more than once is a
    duplicate, each time, and fractions are of the characters of words (or lines). ``datatrove``: as the filter of
    datatrove 0.10.1, which made FineWeb, computes it: occurrences after the first, of all characters of the text, marks
    are words. ``datatrove_english``: the same with words as its splitter for English makes them, for English only."""
    max_duplicate_lines: Threshold = rule(0.30)
    """Largest fraction of lines that are duplicates."""
    max_duplicate_line_characters: Threshold = rule(0.20)
    """Largest fraction of characters in duplicate lines."""
    max_duplicate_paragraphs: Threshold = rule(0.30)
    """Largest fraction of paragraphs that are duplicates."""
    max_duplicate_paragraph_characters: Threshold = rule(0.20)
    """Largest fraction of characters in duplicate paragraphs."""
    max_top_2gram: Threshold = rule(0.20)
    """Largest fraction of characters in the most frequent pair of words."""
    max_top_3gram: Threshold = rule(0.18)
    """Largest fraction of characters in the most frequent 3-gram of words."""
    max_top_4gram: Threshold = rule(0.16)
    """Largest fraction of characters in the most frequent 4-gram."""
    max_duplicate_5grams: Threshold = rule(0.15)
    """Largest fraction of characters in 5-grams that occur more than once."""
    max_duplicate_6grams: Threshold = rule(0.14)
    """Largest fraction of characters in 6-grams that occur more than once."""
    max_duplicate_7grams: Threshold = rule(0.13)
    """Largest fraction of characters in 7-grams that occur more than once."""
    max_duplicate_8grams: Threshold = rule(0.12)
    """Largest fraction of characters in 8-grams that occur more than once."""
    max_duplicate_9grams: Threshold = rule(0.11)
    """Largest fraction of characters in 9-grams that occur more than once."""
    max_duplicate_10grams: Threshold = rule(0.10)
    """Largest fraction of characters in 10-grams that occur more than once."""


def apply(batch: pa.RecordBatch, config: GopherRepetitionConfig, model: None) -> Applied:
    """Thirteen signals, float64 in [0, 1], 0 where the document is too short to have one."""
    return Applied(signals=repetition_signals(text_view(batch.column("text")), config.preset))


def rules(config: GopherRepetitionConfig) -> Sequence[Rule]:
    """One for each signal: :data:`RULES`."""
    return [Rule(name, signal, max=getattr(config, f"max_{name}")) for name, signal in zip(RULES, SIGNALS, strict=True)]


STAGE = RowStage(
    kind="gopher_repetition",
    version=1,
    config=GopherRepetitionConfig,
    apply=apply,
    signals=lambda config: dict.fromkeys(SIGNALS, pa.float64()),
    rules=rules,
)

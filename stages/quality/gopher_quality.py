"""Drops documents that are not prose: Gopher's quality rules.

The rules and thresholds are those of Gopher (Rae et al. 2021, arXiv 2112.11446, A.1.1): number and length of words,
hash signs and ellipses, bullet points and cut-off lines, words without letters, and too few of eight frequent English
words. The paper leaves open what a word, a bullet and a line is. ``preset`` says whose reading:

* ``paper``: words are those of :mod:`stages.kernels.word_spans`, stop words count in any case, lines that are blank are
  no lines, and bullets are those that people type and word processors write.
* ``datatrove``: as the filter of datatrove 0.10.1, which made FineWeb. Ratios are to all tokens, punctuation included,
  so that text with much of it fails the rule on letters sooner; ``The`` is not the stop word ``the``; blank lines are
  lines; bullets are ``•`` and ``-`` only.

The thresholds were chosen for English. Where words are single characters (Chinese, Japanese) or syllables (Thai), the
mean length of a word is below 3 in every document, and stop words are particles: routes by language have to give other
thresholds, as FineWeb-2's lists do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import pyarrow as pa
from pydantic import field_validator, model_validator

from stages.contract import Applied, RowStage, Rule, StageConfig, Threshold, measure, rule
from stages.kernels.arrow_text import text_view
from stages.kernels.document_signals import COUNTS, GOPHER, Reading, gopher_signals
from stages.quality.bounds import refuse_empty_ranges
from stages.quality.stop_word_list import StopWords, checked, libraries, word_table

ENGLISH = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Gopher's stop words."""


class GopherQualityConfig(StageConfig):
    """What a document has to look like to be prose. The defaults are Gopher's."""

    preset: Reading = measure("paper")
    """Whose reading of words, bullets and lines; thresholds and stop words are the same."""
    min_words: Threshold = rule(50)
    """Fewest words."""
    max_words: Threshold = rule(100_000)
    """Most words."""
    min_mean_word_length: Threshold = rule(3)
    """Smallest mean length of a word, in characters."""
    max_mean_word_length: Threshold = rule(10)
    """Largest mean length of a word, in characters."""
    max_hash_ratio: Threshold = rule(0.1)
    """Most hash signs by words."""
    max_ellipsis_ratio: Threshold = rule(0.1)
    """Most ellipses (``...``, ``…``) by words."""
    max_bullet_lines: Threshold = rule(0.9)
    """Largest fraction of lines that begin with a bullet."""
    max_ellipsis_lines: Threshold = rule(0.3)
    """Largest fraction of lines that end with an ellipsis."""
    min_alphabetic_words: Threshold = rule(0.8)
    """Smallest fraction of words that have a letter."""
    min_stop_words: Threshold = rule(2)
    """How many different stop words a document has to have."""
    stop_words: StopWords = measure(list(ENGLISH))
    """The stop words, each one word; or the code of a language, for its list in stopwords-iso; or ``null``, for no such
    rule. By default Gopher's eight."""

    _stop_words_are_words = field_validator("stop_words")(checked)

    @model_validator(mode="after")
    def _some_document_can_stay(self) -> Self:
        refuse_empty_ranges(self, "words", "mean_word_length")
        return self


def apply(batch: pa.RecordBatch, config: GopherQualityConfig, model: None) -> Applied:
    """The signals of :data:`stages.kernels.document_signals.GOPHER`; ``distinct_stop_words`` is null without a list."""
    stops = word_table(config.stop_words, lower_case=config.preset == "paper")
    signals = dict(gopher_signals(text_view(batch.column("text")), stops, config.preset))
    if config.stop_words is None:
        signals["distinct_stop_words"] = pa.nulls(batch.num_rows, pa.int64())
    return Applied(signals=signals)


def rules(config: GopherQualityConfig) -> Sequence[Rule]:
    """In the paper's order."""
    return (
        Rule("too_few_words", "words", min=config.min_words),
        Rule("too_many_words", "words", max=config.max_words),
        Rule("words_too_short", "mean_word_length", min=config.min_mean_word_length),
        Rule("words_too_long", "mean_word_length", max=config.max_mean_word_length),
        Rule("too_many_hashes", "hash_to_word_ratio", max=config.max_hash_ratio),
        Rule("too_many_ellipses", "ellipsis_to_word_ratio", max=config.max_ellipsis_ratio),
        Rule("too_many_bullet_lines", "bullet_line_fraction", max=config.max_bullet_lines),
        Rule("too_many_ellipsis_lines", "ellipsis_line_fraction", max=config.max_ellipsis_lines),
        Rule("too_few_alphabetic_words", "alphabetic_word_fraction", min=config.min_alphabetic_words),
        Rule("too_few_stop_words", "distinct_stop_words", min=config.min_stop_words),
    )


def _signals(config: GopherQualityConfig) -> Mapping[str, pa.DataType]:
    return {name: pa.int64() if name in COUNTS else pa.float64() for name in GOPHER}


STAGE = RowStage(
    kind="gopher_quality",
    version=1,
    config=GopherQualityConfig,
    apply=apply,
    signals=_signals,
    rules=rules,
    chosen_libraries=lambda config: libraries(config.stop_words),
)

"""Drops documents with too few or too many words.

Words are those of :mod:`stages.kernels.word_classes`: Unicode word boundaries, and one per character where a
script has no spaces. So a threshold means about 1.6 times less text in Chinese than in English; routes by
language give each its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import pyarrow as pa
from pydantic import model_validator

from stages.contract import Applied, RowStage, Rule, StageConfig, Threshold, rule
from stages.kernels.words import count_words


class WordCountConfig(StageConfig):
    """How many words a document may have."""

    min_words: Threshold = rule(50)
    """Fewest words; 50 as in Gopher (Rae et al. 2021, arXiv 2112.11446, A.1.1)."""
    max_words: Threshold = rule(100_000)
    """Most words; 100,000 as in Gopher."""

    @model_validator(mode="after")
    def _some_count_is_fine(self) -> Self:
        low, high = self.min_words, self.max_words
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            raise ValueError(f"min_words {low:g} is above max_words {high:g}: no document could stay")
        return self


def apply(batch: pa.RecordBatch, config: WordCountConfig, model: None) -> Applied:
    """Signal ``words``: int64."""
    return Applied(signals={"words": count_words(batch.column("text"))})


def rules(config: WordCountConfig) -> Sequence[Rule]:
    """``too_short``, ``too_long``."""
    return (
        Rule("too_short", "words", min=config.min_words),
        Rule("too_long", "words", max=config.max_words),
    )


STAGE = RowStage(
    kind="word_count",
    version=1,
    config=WordCountConfig,
    apply=apply,
    signals=lambda config: {"words": pa.int64()},
    rules=rules,
)

"""Combines scores of stages before it into one score and a bucket, so that a document passes that any of them likes.

After Nemotron-CC (Su et al. 2024, arXiv 2412.02595, section 3): the documents' scores by each classifier are turned
into ranks and cut into 20 buckets of 5 % each; a document's bucket is its highest by any classifier, 0 to 19.
Classifiers that are trained on different ideas of quality find different documents, so the maximum finds more of the
good ones::

    fits:
      curated_ranks: {kind: ranks, signal: curated.score}
      fluent_ranks: {kind: ranks, signal: perplexity.perplexity}
    stages:
      - classifier: {name: curated, model: curated}
      - perplexity: {model: lm_en}
      - ensemble:
          name: quality
          signals:
            - {signal: curated.score, ranks: curated_ranks}
            - {signal: perplexity.perplexity, ranks: fluent_ranks, lower_is_better: true}
          column: quality
          levels: {low: 0, middle: 5, high: 18}
      - gopher_quality: {when: {quality: [low, middle]}}

The last line is what the paper does too: documents of high quality are exempt from heuristics, which cost it more
of them than they are worth. Signals that a document does not have (because of ``when`` or a route) do not count.

Limits: ranks are those of the documents that the fit has seen, so buckets are of equal size there and nowhere else; the
highest bucket of several holds more than 5 % even there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, model_validator

from stages.contract import Applied, FitRef, RowStage, Rule, StageConfig, Threshold, measure, rule
from stages.quality.ranks import RankTable, read_ranks

Floats = npt.NDArray[np.float64]


class Voice(BaseModel):
    """A signal that takes part."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    signal: str = Field(pattern=r".\..")
    """As ``stage.signal``, of a stage before this one."""
    ranks: str | FitRef | None = None
    """The ``ranks`` under ``fits`` that turns values into ranks, or the path of its artifact (``.json``). Left out, the
    value counts as it is and has to lie in 0 to 1, as probabilities do; beyond that it is cut off."""
    weight: float = Field(1.0, gt=0)
    """How much it counts where ``combine`` is ``weighted``."""
    lower_is_better: bool = False
    """For perplexity and the like: the rank, or the value, is taken from 1."""


class EnsembleConfig(StageConfig):
    """What is combined, how, and what stays."""

    signals: list[Voice] = measure(min_length=1)
    """The signals that are combined."""
    combine: Literal["max_of_ranks", "weighted"] = measure("max_of_ranks")
    """``max_of_ranks``: the highest, as in Nemotron-CC. ``weighted``: the mean, by weight."""
    buckets: int = measure(20, ge=1, le=10_000)
    """How many, of equal width in 0 to 1; 20 as in Nemotron-CC."""
    column: str | None = measure(None)
    """Column that gets the bucket's number, or its level, as text for ``when`` and routes. None by default."""
    levels: dict[str, int] | None = measure(None, min_length=1)
    """Name → the lowest bucket that is called so, as ``{low: 0, middle: 5, high: 18}``, for ``column``."""
    min_score: Threshold = rule(None)
    """Lowest score that stays."""
    min_bucket: Threshold = rule(None)
    """Lowest bucket that stays."""

    @model_validator(mode="after")
    def _levels_cover_the_buckets(self) -> Self:
        names = [voice.signal for voice in self.signals]
        if len(set(names)) < len(names):
            raise ValueError(f"a signal is listed twice: {', '.join(names)}")
        if self.levels is not None:
            if self.column is None:
                raise ValueError("levels name the values of `column`; say its name")
            if sorted(self.levels.values())[0] != 0 or len(set(self.levels.values())) < len(self.levels):
                raise ValueError("levels: expected bucket 0 for the lowest, and another bucket for each")
            if max(self.levels.values()) >= self.buckets:
                raise ValueError(f"levels: bucket {max(self.levels.values())} is not one of 0 to {self.buckets - 1}")
        return self


def resources(config: EnsembleConfig) -> Mapping[str, str | FitRef]:
    """Tables by signal: fits, or files."""
    found: dict[str, str | FitRef] = {}
    for voice in config.signals:
        if voice.ranks is not None:
            is_fit = isinstance(voice.ranks, str) and "/" not in voice.ranks and not voice.ranks.endswith(".json")
            found[voice.signal] = FitRef(fit=str(voice.ranks)) if is_fit else voice.ranks
    return found


def load(config: EnsembleConfig, files: Mapping[str, str]) -> Mapping[str, RankTable]:
    """Signal → its table. Raises ValueError for a file that is none."""
    return {signal: read_ranks(path) for signal, path in files.items()}


def apply(batch: pa.RecordBatch, config: EnsembleConfig, model: Mapping[str, RankTable] | None) -> Applied:
    """Signals ``score``, float64 in 0 to 1, and ``bucket``, int64: null where none of the signals was measured."""
    parts = np.stack([_part(batch.column(voice.signal), voice, (model or {}).get(voice.signal))
                      for voice in config.signals])  # fmt: skip
    measured = ~np.isnan(parts)
    judged = measured.any(axis=0)
    score = np.round(_combined(parts, measured, config), 4)  # as it is stored, so that score and bucket agree
    bucket = np.minimum((score * config.buckets).astype(np.int64), config.buckets - 1)
    found = {"score": pa.array(score, mask=~judged), "bucket": pa.array(bucket, mask=~judged)}
    return Applied(columns=_columns(found["bucket"], config), signals=found)


def _part(values: pa.Array, voice: Voice, table: RankTable | None) -> Floats:
    """float64[rows] in 0 to 1, NaN where the signal is null."""
    numbers = pc.cast(values, pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    known = ~np.isnan(numbers)
    part = np.full(len(numbers), np.nan)
    part[known] = np.clip(numbers[known], 0, 1) if table is None else table.ranks(numbers[known])
    return 1 - part if voice.lower_is_better else part


def _combined(parts: Floats, measured: npt.NDArray[np.bool_], config: EnsembleConfig) -> Floats:
    """float64[rows], 0 where nothing was measured."""
    known = np.where(measured, parts, 0.0)
    if config.combine == "max_of_ranks":
        best: Floats = known.max(axis=0)
        return best
    weights = np.array([voice.weight for voice in config.signals])[:, None] * measured
    total = weights.sum(axis=0)
    return np.divide((weights * known).sum(axis=0), total, out=np.zeros(len(total)), where=total > 0)


def _columns(bucket: pa.Array, config: EnsembleConfig) -> dict[str, pa.Array]:
    if config.column is None:
        return {}
    names = pa.array(_names(config), pa.string())
    return {config.column: names.take(bucket)}


def _names(config: EnsembleConfig) -> list[str]:
    """What each bucket is called."""
    if config.levels is None:
        return [str(number) for number in range(config.buckets)]
    levels = sorted(config.levels.items(), key=lambda level: level[1])
    starts = [start for _, start in levels]
    places = np.searchsorted(starts, np.arange(config.buckets), side="right") - 1
    return [levels[place][0] for place in places]


def rules(config: EnsembleConfig) -> Sequence[Rule]:
    """``low_score`` and ``low_bucket``."""
    return (
        Rule("low_score", "score", min=config.min_score),
        Rule("low_bucket", "bucket", min=config.min_bucket),
    )


def values(config: EnsembleConfig, model: object) -> Mapping[str, Sequence[str]]:
    """What the column may hold."""
    return {config.column: list(dict.fromkeys(_names(config)))} if config.column else {}


STAGE = RowStage(
    kind="ensemble",
    version=1,
    config=EnsembleConfig,
    apply=apply,
    signals=lambda config: {"score": pa.float64(), "bucket": pa.int64()},
    writes=lambda config: {config.column: pa.string()} if config.column else {},
    reads=(),
    rules=rules,
    resources=resources,
    load=load,
    values=values,
    asks=lambda config: tuple(voice.signal for voice in config.signals),
)

"""Stages, fits and sources with settings of every shape, for tests of the recipe that are about no real stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pyarrow as pa
import pytest
from pydantic import Field

from pipeline.sources import catalogue as sources
from pipeline.sources.contract import SourceConfig, SourceKind
from stages import catalogue
from stages.contract import (
    Applied,
    CorpusStage,
    FitConfig,
    FitRef,
    FitStep,
    RowStage,
    Rule,
    StageConfig,
    Threshold,
    measure,
    rule,
)


class WordsConfig(StageConfig):
    min_words: Threshold = rule(50)
    """Fewest words."""
    max_words: int | None = rule(None, gt=0)
    """Most words."""
    unit: Literal["word", "character"] = measure("word")
    """What is counted."""
    strict: bool = measure(False)
    """Refuse what cannot be counted."""
    languages: list[str] = measure([])
    """Languages to look at."""
    limits: dict[str, float] = rule({})
    """Limits by language."""


class ModelConfig(StageConfig):
    model: str | FitRef = measure()
    """Path of a model, or a fit."""


class ScopeConfig(StageConfig):
    scope: str | list[str] = measure("all")
    """Columns within which copies are looked for."""


class PercentileConfig(FitConfig):
    signal: str
    """Signal to look at, as ``stage.signal``."""
    percentile: float = Field(5.0, ge=0, le=100)
    """Which percentile."""


class PathConfig(SourceConfig):
    text: str = "text"
    """Field that holds the text."""
    count: int = Field(0, ge=0)
    """How many."""


def _apply(batch: pa.RecordBatch, config: Any, model: Any) -> Applied:
    raise AssertionError("a recipe is read without running anything")


def _resources(config: Any) -> Mapping[str, str | FitRef]:
    return {"model": FitRef(fit="lm") if config.model == "the lm" else config.model}


WORDS = RowStage(
    "words",
    1,
    WordsConfig,
    _apply,
    signals=lambda config: {"words": pa.int64()},
    rules=lambda config: [Rule("too_short", "words", min=config.min_words)],
)
MODEL = RowStage("model", 1, ModelConfig, _apply, resources=_resources)
DEDUP = CorpusStage("dedup", 1, ScopeConfig, _apply, _apply, _apply, "duplicate")  # type: ignore[arg-type]
PERCENTILE = FitStep(
    "percentile",
    1,
    PercentileConfig,
    lambda batch, config, model=None: pa.table({}),
    lambda tables, config: tables[0],
    lambda table, config, model=None: b"",
    signal=lambda config: config.signal,
    value=lambda artifact, config: 1.0,
)
LM = FitStep(
    "lm",
    1,
    FitConfig,
    lambda batch, config, model=None: pa.table({}),
    lambda tables, config: tables[0],
    lambda table, config, model=None: b"",
)
LINES = SourceKind("lines", 1, PathConfig, lambda name, config: [], lambda partition, config: iter(()))

STAGES = {stage.kind: stage for stage in (WORDS, MODEL, DEDUP)}
FITS = {fit.kind: fit for fit in (PERCENTILE, LM)}
SOURCES = {LINES.kind: LINES}


def use_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the catalogues know these fakes only."""
    monkeypatch.setattr(catalogue, "stage_names", lambda: sorted(STAGES))
    monkeypatch.setattr(catalogue, "stage", STAGES.__getitem__)
    monkeypatch.setattr(catalogue, "fit_names", lambda: sorted(FITS))
    monkeypatch.setattr(catalogue, "fit", FITS.__getitem__)
    monkeypatch.setattr(sources, "source_names", lambda: sorted(SOURCES))
    monkeypatch.setattr(sources, "source", SOURCES.__getitem__)
    monkeypatch.setattr(catalogue, "STAGES", STAGES)
    monkeypatch.setattr(catalogue, "FITS", FITS)
    monkeypatch.setattr(sources, "SOURCES", SOURCES)

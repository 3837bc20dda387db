"""Every stage and fit step, by the name that recipes use.

A hand-written list of modules, imported when a recipe names them. Another distribution adds its own
through the entry-point groups ``gristmill.stages`` and ``gristmill.fits``, each pointing at a ``STAGE`` value.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import entry_points

from stages.contract import CorpusStage, FitStep, RowStage

STAGES: Mapping[str, str] = {
    "extract": "stages.extract",
    "normalize": "stages.normalize",
    "language": "stages.language",
    "chinese": "stages.chinese",
    "wikitext": "stages.wikitext",
    "topic": "stages.topic",
    "annotate": "stages.annotate",
    "word_count": "stages.quality.word_count",
    "gopher_repetition": "stages.quality.gopher_repetition",
    "signals": "stages.quality.signals",
    "gopher_quality": "stages.quality.gopher_quality",
    "datatrove": "stages.datatrove",
    "c4": "stages.quality.c4",
    "fineweb": "stages.quality.fineweb",
    "perplexity": "stages.quality.perplexity",
    "classifier": "stages.quality.classifier",
    "ensemble": "stages.quality.ensemble",
    "exact_dedup": "stages.dedup.exact_dedup",
    "url_dedup": "stages.dedup.url_dedup",
    "line_dedup": "stages.dedup.line_dedup",
    "paragraph_dedup": "stages.dedup.paragraph_dedup",
    "minhash_dedup": "stages.dedup.minhash_dedup",
}

FITS: Mapping[str, str] = {
    "percentile": "stages.quality.percentile",
    "classifier": "stages.quality.classifier_fit",
    "ranks": "stages.quality.ranks",
    "bpe_tokenizer": "stages.bpe_vocabulary",
    "label_classifier": "stages.quality.label_classifier",
    "ngram_lm": "stages.quality.ngram_lm",
}


def stage_names() -> list[str]:
    """Names of all stages, ours and installed ones, sorted."""
    return sorted({*STAGES, *(entry.name for entry in entry_points(group="gristmill.stages"))})


def fit_names() -> list[str]:
    """Names of all fit steps, ours and installed ones, sorted."""
    return sorted({*FITS, *(entry.name for entry in entry_points(group="gristmill.fits"))})


def stage(kind: str) -> RowStage | CorpusStage:
    """The stage of that name. Raises KeyError for an unknown one."""
    found = _load(kind, STAGES, "gristmill.stages")
    if not isinstance(found, RowStage | CorpusStage):
        raise TypeError(f"stage {kind!r} is a {type(found).__name__}, expected RowStage or CorpusStage")
    return found


def fit(kind: str) -> FitStep:
    """The fit step of that name. Raises KeyError for an unknown one."""
    found = _load(kind, FITS, "gristmill.fits")
    if not isinstance(found, FitStep):
        raise TypeError(f"fit step {kind!r} is a {type(found).__name__}, expected FitStep")
    return found


def _load(kind: str, ours: Mapping[str, str], group: str) -> object:
    return importlib.import_module(ours[kind]).STAGE if kind in ours else _installed(kind, group)


@lru_cache
def _installed(kind: str, group: str) -> object:
    """Looked for once: going through the metadata of all distributions takes 20 ms, and every batch asks."""
    for entry in entry_points(group=group):
        if entry.name == kind:
            return entry.load()
    raise KeyError(kind)

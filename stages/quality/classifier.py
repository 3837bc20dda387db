"""Scores documents by a fastText classifier: DCLM's, Dolma's, GlotLID, or one that the recipe trains itself.

DCLM's quality filter (Li et al. 2024, arXiv 2406.11794, section 4.4) is this stage with the published model::

    classifier: {model: fasttext_oh_eli5.bin, label: hq, prepare: dclm, min_score: 0.018112}

(0.018112 is the threshold of their code; for other models and pools a fit works one out, ``min_score: {fit: …}``.) A
classifier of the recipe's own is ``classifier: {model: curated}`` with ``curated`` under ``fits``. Several classifiers
are several uses with names of their own; the stage ``ensemble`` combines them.

How text is made ready (``prepare``) has to be as it was when the model was trained; see
:mod:`classifiers.text_scores` for what each name does and where it comes from. Probabilities are those of the fastText
library within 1e-4, quantized models among them, at several times its speed: where a model has fewer labels than
dimensions its vectors are multiplied with its outputs once, when it is loaded, instead of for each document.

Limits: a probability says how sure the model is, not how good a document is, and fastText's are too sure of themselves:
look at the model's calibration. A document is scored as a whole, so that a long one is near the mean of its parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa
from pydantic import model_validator

from classifiers.errors import ModelError
from classifiers.fasttext_model import load_fasttext
from classifiers.fasttext_notes import read_notes
from classifiers.text_scores import Preparation, Scorer
from stages.contract import Applied, FitRef, RowStage, Rule, StageConfig, Threshold, measure, rule


class ClassifierConfig(StageConfig):
    """Which model scores, and which scores stay."""

    model: str | FitRef = measure()
    """Path of a supervised fastText model (``.bin``, ``.ftz``), or the name of a ``classifier`` under ``fits``. What
    has neither a slash nor one of the endings is the name of a fit."""
    label: str | None = measure(None)
    """The label whose probability is the score, without ``__label__``. May be left out for a model that was trained by
    Gristmill, which knows its own."""
    labels: list[str] = measure([])
    """Further labels whose probabilities become signals, as ``score_<label>``."""
    prepare: Preparation | None = measure(None)
    """How text is made ready: ``plain``, ``dclm``, ``dolma``, ``glotlid`` or ``fasttext_lines``. Left out: as the model
    says that it was trained, otherwise ``plain``."""
    min_score: Threshold = rule(None)
    """Lowest score that stays. It depends on the model: 0.018112 for DCLM's."""
    max_score: Threshold = rule(None)
    """Highest score that stays, for models of what is not wanted."""

    @model_validator(mode="after")
    def _scores_are_probabilities(self) -> Self:
        for name in ("min_score", "max_score"):
            score = getattr(self, name)
            if isinstance(score, int | float) and not 0 <= score <= 1:
                raise ValueError(f"{name} {score:g} is not a probability; expected 0 to 1")
        low, high = self.min_score, self.max_score
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            raise ValueError(f"min_score {low:g} is above max_score {high:g}: no document could stay")
        return self


@dataclass(frozen=True)
class Classifier:
    """A loaded model. ``label``: the one asked for, None where nobody said one."""

    scorer: Scorer
    label: str | None
    preparation: Preparation


def resources(config: ClassifierConfig) -> Mapping[str, str | FitRef]:
    """The model's path, or the fit that makes it."""
    model = config.model
    if isinstance(model, str) and "/" not in model and not model.endswith((".bin", ".ftz")):
        model = FitRef(fit=model)
    return {"model": model}


def load(config: ClassifierConfig, files: Mapping[str, str]) -> Classifier:
    """The model, from its local path under ``model``. Raises ModelError."""
    path = files["model"]
    scorer, notes = Scorer.of(load_fasttext(path)), read_notes(path)
    return Classifier(scorer, config.label or notes.get("label"), config.prepare or notes.get("prepare", "plain"))


def check(config: ClassifierConfig, model: Classifier) -> Sequence[str]:
    """Labels that the model does not have."""
    known = model.scorer.labels
    shown = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
    if model.label is None:
        return [f"label is missing: say which of the model's labels is the score, of {shown}"]
    missing = [label for label in (model.label, *config.labels) if label not in known]
    return [f"the model has no label {label!r}; it has {shown}" for label in missing]


def apply(batch: pa.RecordBatch, config: ClassifierConfig, model: Classifier) -> Applied:
    """Signals ``score`` and ``score_<label>``: float64, 0 where the model knows nothing of the text. O(bytes)."""
    if findings := check(config, model):  # a model that the run has made was not there to be checked before
        raise ModelError("; ".join(findings))
    labels = [str(model.label), *config.labels]
    found = model.scorer.scores(batch.column("text"), labels, model.preparation)
    return Applied(signals={name: found[:, column] for column, name in enumerate(signals(config))})


def signals(config: ClassifierConfig) -> dict[str, Any]:
    """``score``, and one for each further label."""
    return {"score": pa.float64(), **{f"score_{label}": pa.float64() for label in config.labels}}


def rules(config: ClassifierConfig) -> Sequence[Rule]:
    """``low_score`` and ``high_score``."""
    return (
        Rule("low_score", "score", min=config.min_score),
        Rule("high_score", "score", max=config.max_score),
    )


STAGE = RowStage(
    kind="classifier",
    version=1,
    config=ClassifierConfig,
    apply=apply,
    signals=signals,
    rules=rules,
    resources=resources,
    load=load,
    check=check,
)

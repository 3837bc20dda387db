"""Scores documents by a fastText classifier: DCLM's, Dolma's, GlotLID, or one that the recipe trains itself.

DCLM's quality filter (Li et al. 2024, arXiv 2406.11794, section 4.4) is this stage with the published model::

    classifier: {model: fasttext_oh_eli5.bin, label: hq, prepare: dclm, min_score: 0.018112}

(0.018112 is the threshold of their code; for other models and pools a fit works one out, ``min_score: {fit: …}``.) A
classifier of the recipe's own is ``classifier: {model: curated}`` with ``curated`` under ``fits``. Several classifiers
are several uses with names of their own; the stage ``ensemble`` combines them.

A model of several labels can also write the likeliest one to a column, for routes and mixes: topics to ``domain``, or
the scores that a larger model would have given to a column of their own::

    classifier: {model: topics, column: domain}
    classifier: {name: worth, model: worth_of, column: worth, label: ["3", "4", "5"], min_score: 0.5}

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

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from classifiers.errors import ModelError
from classifiers.fasttext_model import load_fasttext
from classifiers.fasttext_notes import read_notes
from classifiers.text_scores import Preparation, Scorer
from stages.contract import BASE_COLUMNS, Applied, FitRef, RowStage, Rule, StageConfig, Threshold, measure, rule

Floats = npt.NDArray[np.float64]

_DECIMALS = 4
"""Probabilities are rounded so before the likeliest is chosen, as before rules, so that machines agree."""
_MOST_VALUES = 2**22
"""Probabilities in memory at a time: models of languages have two thousand labels."""
_WRITABLE = {"domain"}


class ClassifierConfig(StageConfig):
    """Which model scores, and which scores stay."""

    model: str | FitRef = measure()
    """Path of a supervised fastText model (``.bin``, ``.ftz``), or the name of a ``classifier`` under ``fits``. What
    has neither a slash nor one of the endings is the name of a fit."""
    label: str | list[str] | None = measure(None)
    """The label whose probability is the score, without ``__label__``; of several the sum, as in ``["3", "4", "5"]``.
    May be left out for a model of two kinds that was trained by Gristmill, which knows its own; with ``column`` the
    score is the likeliest label's then."""
    labels: list[str] = measure([])
    """Further labels whose probabilities become signals, as ``score_<label>``."""
    prepare: Preparation | None = measure(None)
    """How text is made ready: ``plain``, ``dclm``, ``dolma``, ``glotlid`` or ``fasttext_lines``. Left out: as the model
    says that it was trained, otherwise ``plain``."""
    min_score: Threshold = rule(None)
    """Lowest score that stays. It depends on the model: 0.018112 for DCLM's."""
    max_score: Threshold = rule(None)
    """Highest score that stays, for models of what is not wanted."""
    column: str | None = measure(None)
    """Column to write the likeliest label to, a new one or ``domain``; it is also the signal ``label``. Documents of
    which the model knows nothing keep what is there, or get a null."""
    min_probability: float = measure(0.0, ge=0, le=1)
    """A label that is less likely is not written. 0.0: the likeliest one always is."""
    keep: list[str] | None = rule(None, min_length=1)
    """Labels that stay, with ``column``; documents without a label stay, too."""

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

    @model_validator(mode="after")
    def _column_is_free(self) -> Self:
        if self.column in BASE_COLUMNS.keys() - _WRITABLE:
            raise ValueError(f"column {self.column} is not to be replaced; expected a new one, or domain")
        if self.column is None and (self.keep is not None or self.min_probability > 0):
            raise ValueError("keep and min_probability go with column, which says where the label is written")
        return self


@dataclass(frozen=True)
class Classifier:
    """A loaded model. ``asked``: labels whose probabilities make the score, none where nobody said one.

    ``names``: of all its labels, in the order of the scorer's.
    """

    scorer: Scorer
    asked: tuple[str, ...]
    names: tuple[str, ...]
    preparation: Preparation

    def spelled(self, names: Sequence[str]) -> list[str]:
        """The scorer's labels of that name."""
        return [self.scorer.labels[self.names.index(name)] for name in names]


def resources(config: ClassifierConfig) -> Mapping[str, str | FitRef]:
    """The model's path, or the fit that makes it."""
    model = config.model
    if isinstance(model, str) and "/" not in model and not model.endswith((".bin", ".ftz")):
        model = FitRef(fit=model)
    return {"model": model}


def load(config: ClassifierConfig, files: Mapping[str, str]) -> Classifier:
    """The model, from its local path under ``model``. Raises ModelError."""
    path = files["model"]
    scorer, notes = Scorer(load_fasttext(path)), read_notes(path)
    label = config.label or notes.get("label") or []
    names = tuple(notes.get("labels", {}).get(label, label) for label in scorer.labels)
    return Classifier(
        scorer,
        (label,) if isinstance(label, str) else tuple(label),
        names,
        config.prepare or notes.get("prepare", "plain"),
    )


def check(config: ClassifierConfig, model: Classifier) -> Sequence[str]:
    """Labels that the model does not have."""
    known = model.names
    shown = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
    if not model.asked and config.column is None:
        wanted = "say which of the model's labels is the score, or a column to write the likeliest one to"
        return [f"label is missing: {wanted}; it has {shown}"]
    asked = dict.fromkeys([*model.asked, *config.labels, *(config.keep or ())])
    return [f"the model has no label {label!r}; it has {shown}" for label in asked if label not in known]


def apply(batch: pa.RecordBatch, config: ClassifierConfig, model: Classifier) -> Applied:
    """Signals ``score`` and ``score_<label>``: float64, 0 where the model knows nothing of the text. O(bytes).

    With ``column`` also ``label``: string, null where it knows nothing or is not sure enough.
    """
    if findings := check(config, model):  # a model that the run has made was not there to be checked before
        raise ModelError("; ".join(findings))
    texts = batch.column("text")
    if config.column is None:
        asked = [*model.asked, *config.labels]
        found = model.scorer.scores(texts, model.spelled(asked), model.preparation)
        several = len(model.asked)
        return Applied(signals=_scores(config, _sum(found[:, :several]), found[:, several:]))
    labels, likeliest, scores, further = _judged(texts, config, model)
    signals = {**_scores(config, scores if model.asked else likeliest, further), "label": labels}
    is_there = config.column in batch.schema.names
    column = pc.coalesce(labels, batch.column(config.column)) if is_there else labels
    return Applied(columns={config.column: column}, signals=signals)


def _scores(config: ClassifierConfig, score: Floats, further: Floats) -> dict[str, Floats]:
    return {"score": score, **{f"score_{label}": further[:, place] for place, label in enumerate(config.labels)}}


def _sum(found: Floats) -> Floats:
    """Of each row, column after column: the same bits however many rows there are."""
    return sum(found.T, np.zeros(len(found)))


def _judged(texts: pa.Array, config: ClassifierConfig, model: Classifier) -> tuple[pa.Array, Floats, Floats, Floats]:
    """(likeliest label, its probability, sum of the asked ones, further ones) of each text, some texts at a time."""
    asked, further = ([model.names.index(name) for name in some] for some in (model.asked, config.labels))
    step = max(1, _MOST_VALUES // len(model.names))
    places, parts = [np.zeros(0, np.int64)], [np.zeros((0, 2 + len(further)))]
    for start in range(0, len(texts), step):
        some = texts.slice(start, step)
        found = model.scorer.scores(some, model.scorer.labels, model.preparation)
        places.append(np.argmax(np.round(found, _DECIMALS), axis=1))
        parts.append(np.column_stack([found.max(axis=1), _sum(found[:, asked]), found[:, further]]))
    likeliest, scores, rest = np.split(np.concatenate(parts), [1, 2], axis=1)
    probability = np.round(likeliest[:, 0], _DECIMALS)
    unsure = (probability == 0) | (probability < config.min_probability)
    labels = pa.array(model.names, pa.string()).take(pa.array(np.concatenate(places), mask=unsure))
    return labels, likeliest[:, 0], scores[:, 0], rest


def signals(config: ClassifierConfig) -> dict[str, Any]:
    """``score``, one for each further label, and the likeliest ``label``."""
    scores = {"score": pa.float64(), **{f"score_{label}": pa.float64() for label in config.labels}}
    return scores if config.column is None else {**scores, "label": pa.string()}


def rules(config: ClassifierConfig) -> Sequence[Rule]:
    """``low_score`` and ``high_score``; with ``column`` also ``not_wanted``."""
    scores = (Rule("low_score", "score", min=config.min_score), Rule("high_score", "score", max=config.max_score))
    wanted = () if config.keep is None else (Rule("not_wanted", "label", allowed=tuple(config.keep)),)
    return (*scores, *wanted)


def values(config: ClassifierConfig, model: Classifier) -> Mapping[str, Sequence[str]]:
    """The labels that documents which stay may get."""
    return {} if config.column is None else {config.column: config.keep or model.names}


STAGE = RowStage(
    kind="classifier",
    version=2,
    config=ClassifierConfig,
    apply=apply,
    signals=signals,
    writes=lambda config: {} if config.column is None else {config.column: pa.string()},
    rules=rules,
    resources=resources,
    load=load,
    check=check,
    values=values,
)

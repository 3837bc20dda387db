"""Has a language model behind an OpenAI-compatible endpoint judge a sample of the documents by a rubric.

Labels of a large model on a small sample, and a small classifier trained on them, are how FineWeb-Edu (Penedo et al.
2024, arXiv 2406.17557, section 4: 460,000 pages scored from 0 to 5, pages kept that the classifier gives 3 or more),
Nemotron-CC (Su et al. 2024, arXiv 2412.02595, section 3) and FineMath (Allal et al. 2025, arXiv 2502.02737) were
filtered. Here the stage stands in a recipe, its score or label is a signal and, on request, a column, and a fit
``classifier`` or ``label_classifier`` learns from that::

    fits:
      worth_of: {kind: label_classifier, column: judged}
    stages:
      - annotate: {base_url: http://127.0.0.1:8000/v1, model: judge, share: 0.01, max_documents: 50_000,
                   cache: "${recipe:dir}/answers", column: judged}
      - classifier: {model: worth_of, label: ["3", "4", "5"], min_score: 0.5, column: worth}

The whole path, for quality and for topics, is ``recipes/annotate-distil.yaml``; the report says how far the classifier
agrees with the model.

**Rubrics.** ``quality``, ``math`` and ``code`` score from 0 to 5, ``domain`` chooses a label; their texts are in
``recipes/rubrics``. Any other text can be the rubric. See :mod:`stages.annotate_prompt` for what is sent and what
counts as an answer.

**The same output.** A document is in the sample by the hash of its content, and its answer is kept in the cache under
the hash of model, rubric and text. So given the cache the output is a function of the text, and whatever is cut,
killed, run again or run elsewhere finds the answers that were paid for, see :mod:`stages.annotate_cache`. A model
that is asked anew, with an empty cache, may answer otherwise.

**More effort.** Address, key, budgets, prices, time-outs, tries and the number of requests at a time are settings of
effort: changing them computes nothing anew. A budget that is reached stops the run before the next question and leaves
no document out, so work that is finished has all its answers; with a higher limit the run goes on with the rest.

**Pilots** ask nobody, see :mod:`stages.annotate_rehearsal`.

What this cannot do: tell whether the model judges well (look at reasons, and at the agreement with labels of people),
or keep a document from trying to persuade it. Texts go to whoever runs the endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.errors import ModelError
from stages.annotate_asking import Annotator, Question
from stages.annotate_cache import Outcome, Spent, open_cache
from stages.annotate_client import Endpoint, key_of
from stages.annotate_config import AnnotateConfig
from stages.annotate_prompt import Task
from stages.annotate_rehearsal import rehearsed
from stages.contract import UNKNOWN_LANGUAGE, Applied, Doubt, Questions, Rehearsal, RowStage, Rule
from stages.kernels.hashing import binary_to_u64, mix64

_FOLDER = Path(__file__).resolve().parents[1] / "recipes" / "rubrics"
_SAMPLE_SALT = 0x616E6E6F74617465


def load(config: AnnotateConfig, files: Mapping[str, str]) -> str:
    """The text of a rubric of ours."""
    return Path(files["rubric"]).read_text("utf-8")


def apply(batch: pa.RecordBatch, config: AnnotateConfig, model: str | None) -> Applied:
    """Signals, all null for rows that were not asked about.

    ``score``: float64; or, by the rubric, ``label``: string. ``failure``: string, why there is neither, with
    ``on_failure: skip``. ``prompt_tokens``, ``completion_tokens``: int64, of all requests about the text, also where
    the answer is an earlier one; null where the endpoint does not count. Columns as the settings name them.
    """
    places, questions = _asked(batch, config, model)
    outcomes = _annotator(config, model).answers(questions) if questions else []
    return _applied(batch, config, _Spread(batch.num_rows, places, outcomes))


def rehearse(batch: pa.RecordBatch, config: AnnotateConfig, model: str | None) -> tuple[Applied, Questions]:
    """The same without asking anybody: see :mod:`stages.annotate_rehearsal`."""
    places, questions = _asked(batch, config, model)
    answers: Sequence[int | str] = config.choices or range(config.highest + 1)
    outcomes, made_up = rehearsed(_annotator(config, model), questions, answers)
    unknown = [outcome for outcome, is_made_up in zip(outcomes, made_up, strict=True) if is_made_up]
    prompt, completion = (
        np.array([getattr(outcome, name) for outcome in unknown], np.float64)
        for name in ("prompt_tokens", "completion_tokens")
    )
    amounts = {"prompt_tokens": prompt, "completion_tokens": completion}
    if config.prompt_price is not None and config.completion_price is not None:
        amounts["cost"] = (prompt * config.prompt_price + completion * config.completion_price) / 1e6
    asked = Questions(places[made_up], [outcome.record.key for outcome in unknown], amounts)
    return _applied(batch, config, _Spread(batch.num_rows, places, outcomes)), asked


def doubts(config: AnnotateConfig, model: str | None, totals: Mapping[str, float]) -> Sequence[Doubt]:
    """Whether the budget stops the run before its end."""
    spent = _annotator(config, model).spent()
    more = Spent(
        documents=spent.documents + round(totals["questions"]),
        prompt_tokens=spent.prompt_tokens + round(totals["prompt_tokens"]),
        completion_tokens=spent.completion_tokens + round(totals["completion_tokens"]),
    )
    limit = config.budget().exceeded(more)
    if limit is None:
        return ()
    need = f"{more.documents:,} documents and {more.tokens:,} tokens"
    before = f", {spent.documents:,} documents among them before" if spent.documents else ""
    message = f"the run will ask about {need}{before}, and stop at {limit}"
    return (Doubt(message, "raise the limit, or lower share"),)


def _asked(
    batch: pa.RecordBatch, config: AnnotateConfig, model: str | None
) -> tuple[npt.NDArray[np.int64], list[Question]]:
    """Places of the rows to ask about, and the questions."""
    places = np.flatnonzero(sampled(batch, config))
    rows = batch.take(pa.array(places))
    return places, _questions(rows, config, config.task(config.rubric if model is None else model))


def sampled(batch: pa.RecordBatch, config: AnnotateConfig) -> npt.NDArray[np.bool_]:
    """bool[rows]: those to ask about."""
    _, low = binary_to_u64(batch.column("content_hash"))
    chance = mix64(low, _SAMPLE_SALT ^ config.seed) >> np.uint64(11)
    mask = chance.astype(np.float64) < config.share * float(1 << 53)
    shown = pc.utf8_slice_codeunits(batch.column("text").filter(pa.array(mask)), 0, config.max_characters)
    mask[mask] = np.array([any(map(_is_a_sign, text)) for text in shown.to_pylist()], np.bool_)
    return mask


def _is_a_sign(letter: str) -> bool:
    return not letter.isspace() and letter.isprintable()


def _questions(rows: pa.RecordBatch, config: AnnotateConfig, task: Task) -> list[Question]:
    texts = pc.utf8_slice_codeunits(rows.column("text"), 0, config.max_characters).to_pylist()
    languages = rows.column("language").to_pylist() if config.tell_language else [None] * len(texts)
    told = (None if language == UNKNOWN_LANGUAGE else language for language in languages)
    return [Question.of(task, text, language) for text, language in zip(texts, told, strict=True)]


_annotators: dict[str, Annotator] = {}


def _annotator(config: AnnotateConfig, rubric: str | None) -> Annotator:
    """One for each process and settings, so that budget and waits are shared by all batches."""
    key = json.dumps([config.model_dump_json(exclude={"name", "when"}), rubric])
    if key not in _annotators:
        endpoint = Endpoint(config.base_url, key_of(config.api_key_env), config.timeout_seconds)
        task = config.task(config.rubric if rubric is None else rubric)
        _annotators[key] = Annotator(task, endpoint, open_cache(config.cache), config.budget(), config.patience())
    return _annotators[key]


class _Spread:
    """Outcomes of some rows of a batch, as arrays for all of them."""

    def __init__(self, rows: int, places: npt.NDArray[np.int64], outcomes: Sequence[Outcome]) -> None:
        self._outcomes = outcomes
        spread = np.zeros(rows, np.int64)
        spread[places] = np.arange(len(places))
        asked = np.zeros(rows, np.bool_)
        asked[places] = True
        self._indices = pa.array(spread, mask=~asked)

    def answers(self, part: int, kind: pa.DataType) -> pa.Array:
        """Values (0) or reasons (1)."""
        answers = [outcome.record.answer for outcome in self._outcomes]
        return self._all([None if answer is None else answer[part] for answer in answers], kind)

    def failures(self) -> pa.Array:
        return self._all([o.record.failure if o.record.answer is None else None for o in self._outcomes], pa.string())

    def tokens(self, name: str) -> pa.Array:
        return self._all([getattr(outcome, name) for outcome in self._outcomes], pa.int64())

    def _all(self, values: list[Any], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(self._indices)


def _applied(batch: pa.RecordBatch, config: AnnotateConfig, found: _Spread) -> Applied:
    name, kind = ("score", pa.float64()) if config.choices is None else ("label", pa.string())
    value, columns = found.answers(0, kind), {}
    if config.column is not None:
        text = value if kind == pa.string() else value.cast(pa.int64()).cast(pa.string())
        known = config.column in batch.schema.names
        columns[config.column] = pc.coalesce(text, batch.column(config.column)) if known else text
    if config.reason_column is not None:
        columns[config.reason_column] = found.answers(1, pa.string())
    tokens = {name: found.tokens(name) for name in ("prompt_tokens", "completion_tokens")}
    return Applied(columns=columns, signals={name: value, "failure": found.failures(), **tokens})


def signals(config: AnnotateConfig) -> Mapping[str, pa.DataType]:
    """``score`` or ``label``, why there is none, and what it cost."""
    judged = {"score": pa.float64()} if config.choices is None else {"label": pa.string()}
    return {**judged, "failure": pa.string(), "prompt_tokens": pa.int64(), "completion_tokens": pa.int64()}


def rules(config: AnnotateConfig) -> Sequence[Rule]:
    """``low_score``, ``high_score``; with labels ``not_wanted``."""
    if config.choices is not None:
        return () if config.keep is None else (Rule("not_wanted", "label", allowed=tuple(config.keep)),)
    return (
        Rule("low_score", "score", min=config.min_score),
        Rule("high_score", "score", max=config.max_score),
    )


def values(config: AnnotateConfig, model: str | None) -> Mapping[str, Sequence[str]]:
    """The labels, or scores as text, that documents which stay may get."""
    return {} if config.column is None else {config.column: config.keep or config.answers}


def check(config: AnnotateConfig, model: str | None) -> Sequence[str]:
    """Whether the API key is there, before hours of other work."""
    try:
        key_of(config.api_key_env)
    except ModelError as error:
        return [str(error)]
    return []


STAGE = RowStage(
    kind="annotate",
    version=1,
    config=AnnotateConfig,
    apply=apply,
    signals=signals,
    writes=lambda config: {name: pa.string() for name in (config.column, config.reason_column) if name},
    reads=("text", "content_hash", "language"),
    rules=rules,
    resources=lambda config: {} if config.own_rubric else {"rubric": str(_FOLDER / f"{config.rubric}.md")},
    load=load,
    check=check,
    values=values,
    waits=True,  # thousands of requests take longer than any limit that is right for other stages
    rehearsal=Rehearsal(rehearse, doubts),
)

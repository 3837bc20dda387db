"""A quality classifier trained from the recipe's own documents: positive against negative, by fastText.

As in DCLM (Li et al. 2024, arXiv 2406.11794, section 4.4), where documents of instruction data and explanations stand
against the raw crawl. The artifact is a fastText ``.bin`` with its evaluation behind it
(:mod:`classifiers.fit_classifier`): the stage ``classifier`` takes it as ``model``, and a threshold may be
``{fit: name}`` as well, which is the score that ``keep`` of the negative passages held out reach. (Whole documents are
nearer to their mean; where the share has to be exact, take a ``percentile`` of the stage's score.) Evaluated on
documents held out, and on further sources under ``evaluate``.

Examples are passages, chosen by their hash (:mod:`stages.quality.classifier_training`): the same ones in the same order
for any partitioning, order of partitions and workers.

The model's bytes are the same for the same examples on machines of one kind: the library is compiled for the processor
that it is installed on.

Memory: at most 2 × ``examples`` × ``passage_bytes`` for training, and as much for each test; 400 MB by default where
all passages are full.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, model_validator

from classifiers.fasttext_notes import notes_in
from classifiers.fit_classifier import Examples, Fitting, fit_classifier
from stages.contract import FitInput, FitStep
from stages.kernels.hashing import binary_to_u64, mix64
from stages.quality.classifier_training import ClassifierTraining, by_rank, example_passages, example_schema, smallest

_SCHEMA = example_schema(pa.uint16())
"""``group``: twice the number of the set (0: to learn from), plus 1 for negatives."""


class Chosen(BaseModel):
    """Documents of one kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: list[str] | str | None = None
    """Names of sources; all that the fit reads when left out."""
    where: dict[str, list[str]] | None = None
    """Only documents whose columns have one of these values, as ``{label: ["1"]}`` of a labelled file."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.source is None and not self.where:
            raise ValueError("name a `source`, or columns and their values under `where`")
        return self

    def sources(self) -> list[str] | None:
        """As a list."""
        return [self.source] if isinstance(self.source, str) else self.source


class TestSet(BaseModel):
    """Documents to test with."""

    __test__ = False  # pytest takes names that begin so for tests
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    positive: Chosen
    """Documents that should score high."""
    negative: Chosen
    """Documents that should score low."""


class ClassifierFit(ClassifierTraining):
    """Settings of ``classifier``."""

    from_: FitInput | Literal["run"] = Field(FitInput(sample=1.0), alias="from")
    """``run``: documents as they reach the first stage that uses the fit, the named sources among them. Otherwise the
    named sources as they are before any stage, which needs not be said."""
    positive: Chosen
    """Documents that should score high, as ``{source: novels}``."""
    negative: Chosen
    """Documents that should score low; a sample of the corpus as it comes."""
    evaluate: dict[str, TestSet] = {}
    """Name → further documents to test with, of sources that are not learned from. Documents that are also among the
    examples are left out."""
    keep: float = Field(0.1, gt=0, lt=1)
    """Share of the negative documents that reaches the score which a ``{fit: …}`` threshold becomes; DCLM kept the best
    10 % of its pool (section 4.4)."""

    @model_validator(mode="before")
    @classmethod
    def _reads_what_it_names(cls, data: Any) -> Any:
        """Without ``from``, the sources under ``positive``, ``negative`` and ``evaluate``."""
        if not isinstance(data, Mapping) or "from" in data or "from_" in data:
            return data
        named: list[str] = []
        for chosen in _chosen_in(data):
            sources = chosen.get("source") if isinstance(chosen, Mapping) else None
            if sources is None:
                return data
            named += [sources] if isinstance(sources, str) else list(sources)
        return {**data, "from": {"source": list(dict.fromkeys(named))}} if named else data

    def groups(self) -> list[Chosen]:
        """By number."""
        sets = [self.evaluate[name] for name in sorted(self.evaluate)]
        return [self.positive, self.negative, *(chosen for one in sets for chosen in (one.positive, one.negative))]

    def fitting(self) -> Fitting:
        """The same, as the training takes it."""
        return Fitting(self.training(), self.prepare, self.held_out, self.keep, self.seed % 2**32)


def _chosen_in(data: Mapping[str, Any]) -> Iterator[Any]:
    yield data.get("positive")
    yield data.get("negative")
    tests = data.get("evaluate")
    for test in tests.values() if isinstance(tests, Mapping) else ():
        if isinstance(test, Mapping):
            yield test.get("positive")
            yield test.get("negative")


def summarize(batch: pa.RecordBatch, config: ClassifierFit, model: None = None) -> pa.Table:
    """The passages of the batch with the smallest ranks, of each group. ValueError for a column that is not there."""
    high, _ = binary_to_u64(batch.column("content_hash"))
    documents = mix64(high, config.seed % 2**64)
    tables = []
    for number, chosen in enumerate(config.groups()):
        rows = np.flatnonzero(_mask(batch, chosen))
        if len(rows):
            texts, group = batch.column("text").take(pa.array(rows)), pa.scalar(number, pa.uint16())
            tables.append(example_passages(texts, documents[rows], group, config))
    return merge(tables, config)


def merge(tables: Sequence[pa.Table], config: ClassifierFit) -> pa.Table:
    """The passages with the smallest ranks of each group, copies left out."""
    return smallest(tables, _SCHEMA, config.examples)


def finish(table: pa.Table, config: ClassifierFit, model: None = None) -> bytes:
    """The model file with its evaluation. ValueError if there is too little to learn from."""
    sets = {0: "", **{number: name for number, name in enumerate(sorted(config.evaluate), 1)}}
    examples = {name: _examples(table, number) for number, name in sets.items()}
    return fit_classifier(examples.pop(""), examples, config.fitting())


def value(artifact: bytes, config: ClassifierFit) -> float:
    """The score that ``keep`` of the negative documents held out reach."""
    return float(notes_in(artifact)["threshold"])


def _mask(batch: pa.RecordBatch, chosen: Chosen) -> npt.NDArray[np.bool_]:
    mask = np.ones(batch.num_rows, np.bool_)
    wanted = dict(chosen.where or {})
    if chosen.source is not None:
        wanted["source"] = chosen.sources() or []
    for name, values in wanted.items():
        if name not in batch.schema.names:
            raise ValueError(f"where: the documents have no column {name!r}; expected one of {batch.schema.names}")
        column = pc.cast(batch.column(name), pa.string())
        mask &= pc.is_in(column, value_set=pa.array(values, pa.string())).to_numpy(zero_copy_only=False)
    return mask


def _examples(table: pa.Table, number: int) -> Examples:
    """Both kinds of a set, mixed by their ranks."""
    group = table.column("group").to_numpy()
    some = by_rank(table.filter(pa.array(group // 2 == number)))
    positive = some.column("group").to_numpy() % 2 == 0
    return Examples(some.column("text"), positive, some.column("document").to_numpy())


STAGE = FitStep(
    kind="classifier",
    version=2,
    config=ClassifierFit,
    summarize=summarize,
    merge=merge,
    finish=finish,
    value=value,
    facts=notes_in,
    suffix="bin",
    reads=("text", "content_hash", "source"),
    libraries=("fasttext",),
    columns=lambda config: tuple(dict.fromkeys(name for chosen in config.groups() for name in chosen.where or {})),
)

"""What the fits of classifiers have in common: how to train, and the examples.

Documents are cut into passages, so that whole books and short pages give examples of one length and the classifier
cannot go by it. The summary is a bottom-k sample of passages, k by the hash of document and number: the same examples
in the same order for any partitioning, order of partitions and workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from classifiers.fasttext_train import Training
from stages.contract import FitConfig
from stages.kernels.arrow_text import text_array, text_view
from stages.kernels.hashing import mix64
from stages.kernels.passages import Passages, passages


class ClassifierTraining(FitConfig):
    """How a classifier is trained."""

    seed: int = Field(0, ge=0)
    """Another seed gives another sample, another split and other first values of the vectors."""
    held_out: float = Field(0.1, gt=0, lt=1)
    """Share of documents that are only tested with."""
    examples: int = Field(50_000, ge=10)
    """Most passages of each kind. DCLM trained on 200,000 documents of each."""
    passage_bytes: int | None = Field(4000, ge=100)
    """Size of the passages; a document of twice the size is two. ``null``: whole documents, as DCLM."""
    prepare: Literal["plain", "dclm", "dolma"] = "plain"
    """How text is made ready, see the stage ``classifier``, which then does the same by itself."""
    epochs: int | None = Field(None, ge=1)
    """Times that every example is seen. By default 5, as in fastText, or as many as it takes to see 20,000 examples:
    with few examples and few epochs all scores are the same."""
    learning_rate: float = Field(0.5, gt=0)
    """0.5 as in fastText's tutorial on text classification; its default is 0.1."""
    dimensions: int = Field(32, ge=1)
    """Of the vectors. fastText's default of 100 makes models of three times the size."""
    word_ngrams: int = Field(2, ge=1, le=5)
    """Longest word n-gram; 2 as DCLM's."""
    character_ngrams: list[int] = Field([0, 0], min_length=2, max_length=2)
    """Shortest and longest character n-gram, none by default. Languages that do not put spaces between words need
    them: ``[1, 3]``."""
    buckets: int = Field(2**18, ge=1)
    """Rows that all n-grams share by their hash; fastText's default of 2,000,000 makes models of 256 MB."""
    min_count: int = Field(2, ge=1)
    """Words that are rarer among the examples are not told apart."""

    def training(self) -> Training:
        """The same, as the library takes it."""
        names = ("epochs", "learning_rate", "dimensions", "word_ngrams", "buckets", "min_count")
        values = {name: getattr(self, name) for name in names} | {"character_ngrams": tuple(self.character_ngrams)}
        return Training(**values, seed=self.seed % 2**31)


def example_schema(group: pa.DataType) -> pa.Schema:
    """Of summaries. ``group``: what a passage is an example of. ``rank``: the smallest are kept."""
    columns = [("rank", pa.uint64()), ("document", pa.uint64()), ("text", pa.large_string())]
    return pa.schema([("group", group), *columns])


def example_passages(
    texts: pa.Array, documents: npt.NDArray[np.uint64], group: pa.Scalar, config: ClassifierTraining
) -> pa.Table:
    """The passages of texts of one group with the smallest ranks. ``documents``: hashes, uint64[texts]."""
    data, offsets = text_view(texts)
    size = config.passage_bytes or max(int(np.diff(offsets).max(initial=0)), 1)
    cut = passages(data, offsets, size)
    owner = documents[cut.rows]
    ranks = mix64(owner, cut.numbers.astype(np.uint64))
    different = np.unique(ranks)[: config.examples]  # copies of a document have the same ranks, and count once
    kept = np.flatnonzero(ranks <= different[-1]) if len(different) else np.zeros(0, np.int64)
    groups = pa.repeat(group, len(kept))
    columns = [groups, pa.array(ranks[kept]), pa.array(owner[kept]), _slices(data, cut, kept)]
    return pa.table(columns, schema=example_schema(group.type))


def smallest(tables: Sequence[pa.Table], schema: pa.Schema, most: int) -> pa.Table:
    """The ``most`` passages of each group with the smallest ranks, copies left out, sorted by all columns."""
    table = pa.concat_tables([schema.empty_table(), *tables]).combine_chunks()
    order = [(name, "ascending") for name in schema.names]
    table = table.take(pc.sort_indices(table, sort_keys=order))
    group = pc.rank(table.column("group"), tiebreaker="dense").to_numpy().astype(np.int64)
    rank, document = (table.column(name).to_numpy() for name in ("rank", "document"))
    first = np.ones(len(group), np.bool_)
    first[1:] = (np.diff(group) != 0) | (np.diff(rank) != 0) | (np.diff(document) != 0)
    place = np.cumsum(first) - 1
    starts = np.searchsorted(group, group)  # the first row of the row's group
    place -= place[starts] if len(place) else 0
    return table.filter(pa.array(first & (place < most)))


def by_rank(table: pa.Table) -> pa.RecordBatch:
    """The passages in the order in which they are learned from, groups mixed, in one piece."""
    order = [(name, "ascending") for name in ("rank", "document", "group")]
    ordered = table.take(pc.sort_indices(table, sort_keys=order))
    columns = [pa.concat_arrays([pa.array([], column.type), *column.chunks]) for column in ordered.columns]
    return pa.RecordBatch.from_arrays(columns, schema=table.schema)


def _slices(data: npt.NDArray[np.uint8], cut: Passages, kept: npt.NDArray[np.int64]) -> pa.Array:
    """The kept passages as an array: every other row of one that also has what lies between them."""
    if not len(kept):
        return pa.array([], pa.large_string())
    starts, ends = cut.starts[kept], cut.ends[kept]
    bounds = np.concatenate([np.stack([starts, ends], axis=1).ravel(), ends[-1:]])
    whole = text_array(data[bounds[0] :], bounds - bounds[0])
    return whole.take(pa.array(np.arange(0, 2 * len(kept), 2)))

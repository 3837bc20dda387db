"""A classifier of several labels trained from the recipe's own documents, by a column that holds their labels.

The second half of "annotate, then distil": the stage ``annotate`` has a large model label a sample, this fit learns
from the sample, and the stage ``classifier`` gives every document the likeliest label, as a column for routes and mixes
(``column: domain``), or the probability of some labels as a score (``label: ["3", "4", "5"]``).

How far the classifier agrees with the labels on documents that were held out is in the report: the confusion, Cohen's
kappa, for scores also the weighted one, precision and recall of each label. Small samples leave much to chance: look
at the standard error, and at how many documents of a label were held out.

The artifact is a fastText ``.bin`` with its evaluation behind it (:mod:`classifiers.fit_labels`). What is said of
passages, determinism and memory in :mod:`stages.quality.classifier_fit` goes for this fit too, with ``examples`` for
each label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from classifiers.fasttext_notes import notes_in
from classifiers.fit_classifier import Fitting
from classifiers.fit_labels import fit_labels
from stages.contract import FitStep
from stages.kernels.hashing import binary_to_u64, mix64
from stages.quality.classifier_training import ClassifierTraining, by_rank, example_passages, example_schema, smallest

_SCHEMA = example_schema(pa.string())
"""``group``: the label."""


class LabelClassifierFit(ClassifierTraining):
    """Settings of ``label_classifier``."""

    column: str
    """Column of the labels, such as the one that ``annotate`` writes, or one of a labelled file. Documents without a
    label are no examples."""
    min_documents: int = Field(10, ge=1)
    """Labels of fewer documents to learn from are left out; the report names them."""

    def fitting(self) -> Fitting:
        """The same, as the training takes it."""
        return Fitting(self.training(), self.prepare, self.held_out, seed=self.seed % 2**32)


def summarize(batch: pa.RecordBatch, config: LabelClassifierFit, model: None = None) -> pa.Table:
    """The passages of the batch with the smallest ranks, of each label. ValueError for a column that is not there."""
    if config.column not in batch.schema.names:
        raise ValueError(f"the documents have no column {config.column!r}; expected one of {batch.schema.names}")
    high, _ = binary_to_u64(batch.column("content_hash"))
    documents = mix64(high, config.seed % 2**64)
    labels = pc.cast(batch.column(config.column), pa.string())
    tables = []
    for label in filter(None, labels.unique().to_pylist()):
        rows = np.flatnonzero(pc.equal(labels, label).fill_null(False).to_numpy(zero_copy_only=False))
        texts = batch.column("text").take(pa.array(rows))
        tables.append(example_passages(texts, documents[rows], pa.scalar(label, pa.string()), config))
    return merge(tables, config)


def merge(tables: Sequence[pa.Table], config: LabelClassifierFit) -> pa.Table:
    """The passages with the smallest ranks of each label, copies left out."""
    return smallest(tables, _SCHEMA, config.examples)


def finish(table: pa.Table, config: LabelClassifierFit, model: None = None) -> bytes:
    """The model file with its evaluation. ValueError if there is too little to learn from."""
    examples = by_rank(table)
    texts, labels, documents = (examples.column(name) for name in ("text", "group", "document"))
    return fit_labels(texts, labels, documents.to_numpy(), config.fitting(), config.min_documents)


STAGE = FitStep(
    kind="label_classifier",
    version=1,
    config=LabelClassifierFit,
    summarize=summarize,
    merge=merge,
    finish=finish,
    facts=notes_in,
    suffix="bin",
    reads=("text", "content_hash"),
    libraries=("fasttext",),
    columns=lambda config: (config.column,),
)

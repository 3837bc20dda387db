"""Classifiers from files and for files, without a recipe: ``gristmill classifier train`` and ``evaluate``.

Files are all that :mod:`pipeline.document_files` reads, runs among them; labelled plain text is in fastText's format
(lines that begin with ``__label__``). The training is that of the fit ``classifier``: the same sample, split and
evaluation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.errors import ModelError
from classifiers.evaluation import evaluate, keep_threshold
from classifiers.fasttext_model import load_fasttext
from classifiers.fasttext_notes import notes_in, read_notes
from classifiers.fit_classifier import NEGATIVE, POSITIVE, agreement_of_kinds
from classifiers.text_scores import Preparation, Scorer
from pipeline.blocks.models import local_copy
from pipeline.document_files import read_documents
from pipeline.errors import GristmillError
from pipeline.reports.agreement import agreement_words
from pipeline.storage import Folder, check_writable
from stages.kernels.hashing import hash128_binary
from stages.quality import classifier_fit
from stages.quality.classifier_fit import ClassifierFit

LABEL = "label"
TEST = "test"
_PREFIX = b"__label__"


@dataclass(frozen=True)
class ExampleFiles:
    """Files and runs with examples.

    ``labelled``: of both kinds; ``positive_label``: the value at ``label_key``, or the fastText label, that makes a
    document positive. ``text_key``: column of the text, or its path in JSON.
    """

    positive: Sequence[str] = ()
    negative: Sequence[str] = ()
    labelled: Sequence[str] = ()
    text_key: str = "text"
    label_key: str = "label"
    positive_label: str = "1"

    def documents(self) -> Iterator[tuple[str, pa.Array]]:
        """(``positive`` or ``negative``, texts) of all files. Raises SourceError."""
        for kind, paths in ((POSITIVE, self.positive), (NEGATIVE, self.negative)):
            for path in paths:
                for rows in read_documents(path, self.text_key):
                    yield kind, rows.column("text")
        for path in self.labelled:
            for texts, labels in self._labelled(path):
                is_positive = pc.equal(labels, self.positive_label)  # null, and in neither, without a label
                yield POSITIVE, texts.filter(is_positive)
                yield NEGATIVE, texts.filter(pc.invert(is_positive))

    def _labelled(self, path: str) -> Iterator[tuple[pa.Array, pa.Array]]:
        """(texts, labels) batch by batch."""
        for rows in read_documents(path, self.text_key, {LABEL: self.label_key}):
            if LABEL in rows.schema.names:
                yield rows.column("text"), rows.column(LABEL)
            else:
                yield from map(_fasttext_lines, rows.column("text"))


def _fasttext_lines(file: pa.Scalar) -> tuple[pa.Array, pa.Array]:
    """Texts and first labels of a file of lines ``__label__name text``; lines without a label are left out."""
    found = [line.partition(b" ") for line in file.as_py().encode().split(b"\n") if line.startswith(_PREFIX)]
    texts = pa.array([text.decode() for _, _, text in found], pa.large_string())
    return texts, pa.array([label.removeprefix(_PREFIX).decode() for label, _, _ in found], pa.string())


def train_classifier(examples: ExampleFiles, test: ExampleFiles, out: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Train, write the model to ``out``, and give its notes. ``settings``: of the fit. Raises GristmillError."""
    folder, name = os.path.split(out)
    if not name:
        raise GristmillError(
            "no name for the model", where=out, remedy="give the path of a file, as in --out model.bin"
        )
    check_writable(folder or ".")
    sides: dict[str, Any] = {"positive": {"source": POSITIVE}, "negative": {"source": NEGATIVE}}
    tests = {f"{TEST}-{kind}": {"source": f"{TEST}-{kind}"} for kind in (POSITIVE, NEGATIVE)}
    if any((test.positive, test.negative, test.labelled)):
        named = {"positive": tests[f"{TEST}-{POSITIVE}"], "negative": tests[f"{TEST}-{NEGATIVE}"]}
        sides["evaluate"] = {TEST: named}
    config = ClassifierFit.model_validate(sides | settings)
    table = classifier_fit.merge([], config)
    for prefix, files in (("", examples), (f"{TEST}-", test)):
        for kind, texts in files.documents():
            table = classifier_fit.merge(
                [table, classifier_fit.summarize(_batch(prefix + kind, texts), config)], config
            )
    try:
        content = classifier_fit.finish(table, config)
    except ValueError as error:
        raise GristmillError(str(error), remedy="give more or longer files") from error
    Folder(folder or ".").write(name, content)
    return notes_in(content)


def _batch(source: str, texts: pa.Array) -> pa.RecordBatch:
    texts = texts.cast(pa.large_string())
    return pa.record_batch(
        {
            "text": texts,
            "content_hash": hash128_binary(texts),
            "source": pa.array([source] * len(texts), pa.string()),
        }
    )


def evaluate_classifier(
    path: str, test: ExampleFiles, label: str | None, preparation: Preparation | None, keep: float
) -> dict[str, Any]:
    """How well a model tells the files apart. Raises GristmillError for a model or label that is not there."""
    try:
        local = local_copy(path)
        scorer, notes = Scorer(load_fasttext(local)), read_notes(local)
    except ModelError as error:
        raise GristmillError(str(error)) from error
    asked = label or notes.get("label")
    if asked not in scorer.labels:
        said = "no label was given" if asked is None else f"it has no label {asked!r}"
        raise GristmillError(said, where=path, remedy=f"--label, one of {', '.join(scorer.labels[:10])}")
    way: Preparation = preparation or notes.get("prepare", "plain")
    scored = [(kind, scorer.scores(texts, [asked], way)[:, 0]) for kind, texts in test.documents()]
    scores = np.concatenate([np.zeros(0), *(found for _, found in scored)])
    positive = np.concatenate(
        [np.zeros(0, np.bool_), *(np.full(len(found), kind == POSITIVE) for kind, found in scored)]
    )
    if not len(scores):
        raise GristmillError("no documents to test with", remedy="give --positive, --negative or --labelled")
    pool = scores if positive.all() else scores[~positive]
    documents = np.arange(len(scores), dtype=np.uint64)
    result = evaluate(scores, positive, notes.get("threshold", keep_threshold(pool, keep)))
    return result | {"agreement": agreement_of_kinds(scores, positive, documents)}


def evaluation_text(found: dict[str, Any]) -> str:
    """An evaluation as a few lines."""
    lines = [f"{found['positive']:,} positive, {found['negative']:,} negative: AUC {_said(found['auc'])}"]
    for row in found["at"]:
        parts = [f"{name} {_said(row[name])}" for name in ("precision", "recall", "f1", "kept")]
        lines.append(f"  from {row['threshold']:.4f}: {', '.join(parts)}")
    lines.append(f"  calibration error {found['calibration']['error']:.4f}")
    for row in found["calibration"]["bins"]:
        lines.append(
            f"    {row['from']:.1f} to {row['to']:.1f}: {row['documents']:6,}, mean score {row['score']:.3f}, "
            f"{row['positive']:.3f} positive"
        )
    if "agreement" in found:
        lines.append(f"  {agreement_words(found['agreement'], [])}")
    return "\n".join(lines)


def _said(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def notes_text(notes: dict[str, Any]) -> str:
    """What a model says of itself."""
    trained = ", ".join(f"{count:,} {kind}" for kind, count in notes["trained_on"].items())
    lines = [f"trained on {trained}; keeps {notes['keep']:.0%} of the negative from {notes['threshold']:.4f} on"]
    for name, found in notes["evaluation"].items():
        lines.append(f"{name}: {evaluation_text(found) if 'auc' in found else json.dumps(found)}")
    return "\n".join(lines)

"""Classifiers from files and for files, without a recipe: ``gristmill classifier train`` and ``evaluate``.

Files are JSON Lines (``.jsonl``, ``.json``, ``.ndjson``, perhaps compressed), plain text (a document each), or
fastText's format (lines that begin with ``__label__``); a folder means all files below it. The training is that of the
fit ``classifier``: the same sample, split and evaluation.
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
from classifiers.fit_classifier import NEGATIVE, POSITIVE
from classifiers.text_scores import Preparation, Scorer
from pipeline.blocks.models import local_copy
from pipeline.errors import GristmillError
from pipeline.sources import catalogue
from pipeline.sources.contract import SourceConfig
from pipeline.storage import Folder, check_writable
from stages.kernels.hashing import hash128_binary
from stages.quality import classifier_fit
from stages.quality.classifier_fit import ClassifierFit

LABEL = "label"
TEST = "test"
_JSON_LINES = (".jsonl", ".ndjson", ".json")
_PREFIX = b"__label__"


@dataclass(frozen=True)
class ExampleFiles:
    """Files of examples.

    ``labelled``: of both kinds; ``positive_label``: the value at ``label_key``, or the fastText label, that makes a
    document positive. ``text_key``: path of the text in JSON.
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
                for texts, _ in self._read(path, {}):
                    yield kind, texts
        for path in self.labelled:
            for texts, labels in self._read(path, {LABEL: self.label_key}):
                is_positive = pc.fill_null(pc.equal(labels, self.positive_label), False)
                yield POSITIVE, texts.filter(is_positive)
                yield NEGATIVE, texts.filter(pc.invert(is_positive))

    def _read(self, path: str, fields: dict[str, str]) -> Iterator[tuple[pa.Array, pa.Array | None]]:
        """(texts, labels) batch by batch."""
        if any(ending in os.path.basename(path) for ending in _JSON_LINES) or _has_json_lines(path):
            config = catalogue.source("jsonl").config.model_validate(
                {"path": path, "text": self.text_key, "fields": fields}
            )
            for rows in _rows("jsonl", config):
                yield rows.column("text"), rows.column(LABEL) if fields else None
            return
        for rows in _rows("text", catalogue.source("text").config.model_validate({"path": path})):
            yield from map(_fasttext_lines, rows.column("text")) if fields else [(rows.column("text"), None)]


def _has_json_lines(path: str) -> bool:
    return os.path.isdir(path) and any(
        any(ending in name for ending in _JSON_LINES) for _, _, names in os.walk(path) for name in names
    )


def _rows(kind: str, config: SourceConfig) -> Iterator[pa.RecordBatch]:
    source = catalogue.source(kind)
    for partition in source.split(kind, config):
        for batch in source.read(partition, config):
            yield batch.rows


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
        scorer, notes = Scorer.of(load_fasttext(local)), read_notes(local)
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
    return evaluate(scores, positive, notes.get("threshold", keep_threshold(pool, keep)))


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

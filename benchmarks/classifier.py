"""The stage `classifier` against the fastText package: the same models, the same documents, in one process by turns.

Models are trained here on passages of novels against web articles: one of the shape of DCLM's (word bigrams, 100
dimensions, 2,000,000 buckets), one of our defaults' shape, one with character n-grams, and a quantized one. The last
row is lid.176.ftz (176 languages, a Huffman tree, character n-grams, quantized). Documents
are other web articles. The package gets a list of prepared lines and answers in one call (``multilinePredict``, its
quickest way); ours gets an Arrow batch and everything that the stage does with it counts. CPU time of the process, best
of several turns. Also printed: the largest difference between probabilities.

    GRISTMILL_DATA=… python -m benchmarks.classifier
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import zstandard

from classifiers.fasttext_model import lid176_path
from classifiers.fasttext_train import Training, train_fasttext
from classifiers.fit_classifier import NEGATIVE, POSITIVE
from stages.quality.classifier import STAGE, ClassifierConfig

TURNS = 5
MEGABYTES = 6


@dataclass(frozen=True)
class Shape:
    """A kind of model. ``cutoff``: rows that a quantized one keeps."""

    name: str
    training: Training
    cutoff: int | None = None


SHAPES = (
    Shape("DCLM's: 100 dimensions, bigrams, 2,000,000 buckets", Training(dimensions=100, buckets=2_000_000, epochs=1)),
    Shape("fastText's defaults: 100 dimensions, words", Training(dimensions=100, word_ngrams=1, epochs=1, min_count=1)),
    Shape("our default: 32 dimensions, bigrams, 2**18 buckets", Training(epochs=1)),
    Shape("character 2- to 4-grams", Training(epochs=1, word_ngrams=1, character_ngrams=(2, 4))),
    Shape("quantized (.ftz), bigrams", Training(epochs=1), cutoff=50_000),
)


def texts(name: str) -> Iterator[str]:
    """Texts of a file of the real data."""
    path = Path(os.environ["GRISTMILL_DATA"]) / "prose_en" / name
    with zstandard.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def examples() -> tuple[list[str], list[str]]:
    """Passages to train with, and their labels: of each kind 1,500, of 4,000 characters."""
    novels = [text[at : at + 4000] for text in texts("100_english_novels.jsonl.zst") for at in range(0, 60_000, 4000)]
    articles = [text[:4000] for text, _ in zip(texts("lctt_sources_history.jsonl.zst"), range(1500), strict=False)]
    return novels[:1500] + articles, [POSITIVE] * 1500 + [NEGATIVE] * len(articles)


def documents() -> pa.Array:
    """Web articles that were not trained with."""
    found: list[str] = []
    size = 0
    for number, text in enumerate(texts("lctt_sources_history.jsonl.zst")):
        if number >= 3000:
            found.append(text)
            size += len(text.encode())
        if size > MEGABYTES * 1_000_000:
            break
    return pa.array(found, pa.large_string())


def best(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[float, float]:
    """CPU seconds of both, the best of several turns that alternate."""
    times: list[list[float]] = [[], []]
    for _ in range(TURNS):
        for place, work in enumerate((first, second)):
            gc.collect()
            started = time.process_time()
            work()
            times[place].append(time.process_time() - started)
    return min(times[0]), min(times[1])


def compare(name: str, path: str, label: str, rows: pa.Array) -> None:
    """Print a line for the model."""
    config = ClassifierConfig(model=path, label=label)
    ours = STAGE.load(config, {"model": path})
    batch = pa.record_batch({"text": rows})
    package = importlib.import_module("fasttext_pybind").fasttext()
    package.loadModel(path)
    lines = [text.replace("\n", " ") + "\n" for text in rows.to_pylist()]
    mine = STAGE.apply(batch, config, ours).signals["score"]
    labels, probabilities = package.multilinePredict(lines, -1, 0.0, "strict")
    found = [dict(zip(*pair, strict=True)) for pair in zip(labels, probabilities, strict=True)]
    theirs = [one.get(f"__label__{label}", 0) for one in found]  # it leaves out what is least likely in a tree
    off = float(np.abs(np.minimum(theirs, 1) - np.asarray(mine)).max())
    quick, slow = best(
        lambda: STAGE.apply(batch, config, ours), lambda: package.multilinePredict(lines, 1, 0.0, "strict")
    )
    size = sum(len(line.encode()) for line in lines) / 1e6
    print(f"{name:52} ours {size / quick:6.1f} MB/s, package {size / slow:5.1f}: {slow / quick:4.1f}×, "
          f"probabilities off by {off:.1e} at most")  # fmt: skip


def main() -> None:
    """Train, compare, print."""
    some, labels = examples()
    rows = documents()
    print(f"{len(rows):,} documents")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/model.bin"
        for shape in SHAPES:
            Path(path).write_bytes(train_fasttext(pa.array(some), labels, shape.training, shape.cutoff))
            compare(shape.name, path, POSITIVE, rows)
    compare("lid.176.ftz", lid176_path(), "en", rows)


if __name__ == "__main__":
    main()

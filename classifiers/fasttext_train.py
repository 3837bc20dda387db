"""Trains supervised fastText models (Joulin et al. 2016, arXiv 1607.01759), the same bytes for the same examples.

The library does it, in a process of its own (:mod:`classifiers.fasttext_child`), with one thread: about 1 to 2 million
words a second and epoch. A trained model's size is ``dimensions`` × (words + buckets) × 4 bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from classifiers.errors import ModelError

SEEN = 20_000
"""Examples that are looked at in a training, one or another of them, at the least."""

_PREFIX = "__label__"
_CHILD = Path(__file__).with_name("fasttext_child.py")
_ZEROED_MEMORY = "glibc.malloc.perturb=255:glibc.malloc.tcache_count=0"


@dataclass(frozen=True)
class Training:
    """How a model is trained; names and defaults are the library's, in words, where nothing else is said.

    epochs: times that every example is seen; None: 5 as the library, and more where there are so few examples that they
        would be seen less than 20,000 times in all. With 60 examples and 5 epochs all scores are the same, with 200
        epochs the AUC is that of 800. learning_rate: 0.5 as in the library's tutorial on text classification; with its
        default of 0.1 small sets take 4 times as many epochs.
    dimensions: of the vectors; 32 and not 100, for the size. word_ngrams: longest word n-gram; 2 as DCLM's (Li et al.
        2024, arXiv 2406.11794, section 4.4).
    character_ngrams: shortest and longest, 0 and 0 for none; text without spaces needs them. buckets: rows shared by
        all n-grams, by their hash. 2**18 and not 2,000,000, for the size. min_count: words that are rarer are unknown.
    seed: of the vectors' first values.
    """

    epochs: int | None = None
    learning_rate: float = 0.5
    dimensions: int = 32
    word_ngrams: int = 2
    character_ngrams: tuple[int, int] = (0, 0)
    buckets: int = 2**18
    min_count: int = 2
    seed: int = 0

    def settings(self, examples: int) -> dict[str, Any]:
        """The library's own names, for so many examples."""
        has_ngrams = self.word_ngrams > 1 or self.character_ngrams[1] > 0
        return {
            "epoch": self.epochs or max(5, -(-SEEN // max(examples, 1))),
            "lr": self.learning_rate,
            "dim": self.dimensions,
            "wordNgrams": self.word_ngrams,
            "minn": self.character_ngrams[0],
            "maxn": self.character_ngrams[1],
            "bucket": self.buckets if has_ngrams else 0,
            "minCount": self.min_count,
            "seed": self.seed,
            "loss": "softmax",
            "thread": 1,
            "verbose": 0,
        }


def train_fasttext(
    texts: pa.Array | pa.ChunkedArray, labels: Sequence[str], training: Training, cutoff: int | None = None
) -> bytes:
    """The model file. ``labels``: of each text, without white space; two or more of them.

    ``cutoff``: quantize the model and keep only so many rows, for a ``.ftz`` of a few hundred kilobytes. Raises
    ModelError if the library is not installed or fails.
    """
    if len(set(labels)) < 2:
        raise ModelError(f"a classifier needs examples of two labels or more, got {sorted(set(labels)) or 'none'}")
    with tempfile.TemporaryDirectory(prefix="gristmill-fasttext-") as folder:
        examples, model = Path(folder) / "examples.txt", Path(folder) / "model.bin"
        _write_examples(examples, texts, labels)
        settings = training.settings(len(texts)) | {"input": str(examples)}
        quantize = {} if cutoff is None else {"input": str(examples), "cutoff": cutoff, "qnorm": True, "thread": 1}
        _run({"settings": settings, "quantize": quantize, "output": str(model)})
        return model.read_bytes()


def _write_examples(path: Path, texts: pa.Array | pa.ChunkedArray, labels: Sequence[str]) -> None:
    """A line each. What the library would take for a label or the end of the line is broken in two."""
    lines = pc.replace_substring_regex(texts, pattern="[\\s\\x00\\x0b]+", replacement=" ")
    lines = pc.replace_substring(lines, pattern=_PREFIX, replacement="__label _")
    lines = pc.replace_substring(lines, pattern="</s>", replacement="< /s>")
    with open(path, "w", encoding="utf-8") as out:
        for label, line in zip(labels, lines, strict=True):
            out.write(f"{_PREFIX}{label} {line.as_py()}\n")


def _run(asked: dict[str, Any]) -> None:
    environment = {**os.environ, "GLIBC_TUNABLES": _ZEROED_MEMORY}
    done = subprocess.run(
        [sys.executable, "-P", str(_CHILD)], input=json.dumps(asked), text=True, capture_output=True, env=environment
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"ended with status {done.returncode}"]
        raise ModelError(f"fastText could not train: {last[0]}")

"""Runs that several test modules look at: made once for each, with documents of every fate among them."""

from __future__ import annotations

import json
import random
from pathlib import Path

from pipeline.reports.stored_run import StoredRun
from pipeline.runs import Run
from tests.pipeline.corpora import RECIPE, run, text, write_corpus, write_jsonl, write_recipe

SHORT = "too short to stay"
COPY = "the same river carried the same old boats past the same quiet village every day, and nobody wondered why. " * 2
SECRET = "write to jane.doe@example.org or call +49 30 1234 5678 about the boats"
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> \x1b]0;owned\x07 \u202egnp.exe & \"quotes' 'and\" more words"
)
URL = "https://example.org/a?b=1"


def write_known(root: Path) -> None:
    """Documents with known fates, beside those of :func:`tests.pipeline.corpora.write_corpus`."""
    rng = random.Random(11)
    documents = {
        "kept": "\r\n".join(text(rng, "en") for _ in range(4))[:700],
        "short": SHORT,
        "copy-1": COPY,
        "copy-2": COPY,
        "secret": SECRET,
        "hostile": HOSTILE,
    }
    lines = [{"id": name, "text": body, "url": URL if name == "short" else None} for name, body in documents.items()]
    path = root / "in/books/known.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def small_run(root: Path, recipe: str = RECIPE, max_words: int = 150, documents: int = 60, extra: str = "") -> Run:
    """A finished run below ``root``."""
    write_corpus(root, documents=documents)
    write_known(root)
    return run(write_recipe(root, max_words=max_words, text=recipe, extra=extra))


def stored(root: Path, name: str = "small") -> StoredRun:
    """The run of that name below ``root``."""
    return StoredRun.open(str(root / "runs" / name))


__all__ = ["COPY", "HOSTILE", "SECRET", "SHORT", "small_run", "stored", "write_jsonl", "write_known"]

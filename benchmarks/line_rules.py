"""How fast lines and sentences are looked at: MB of text per second of process time, best of several turns, one core.

    python -m benchmarks.line_rules DATA --megabytes 30

``sentences``, ``lines``, ``cut``: the kernels :mod:`stages.kernels.sentences`, ``line_signals`` and ``line_cuts``.
``c4``, ``fineweb``: the stages with their default settings, c4 with the sentences of its new text, fineweb with its
words. ``together``: both stages and the sentences of the whole text, without the words.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from benchmarks.rule_corpora import ARTICLES, CHINESE, batch_of, json_lines, novels
from stages.kernels.arrow_text import text_view
from stages.kernels.line_cuts import cut_lines
from stages.kernels.line_signals import line_counts
from stages.kernels.sentences import count_sentences
from stages.kernels.words import count_words
from stages.quality import c4, fineweb

TURNS = 7


def seconds(run: Callable[[], object]) -> float:
    """Best of the turns after a first one that compiles."""
    run()
    found = []
    for _ in range(TURNS):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return min(found)


def figures(batch: pa.RecordBatch) -> dict[str, float]:
    """Name → seconds."""
    view = text_view(batch.column("text"))
    rules = c4.C4Config().line_rules()
    taken = {
        "sentences": seconds(lambda: count_sentences(*view)),
        "lines": seconds(lambda: line_counts(*view)),
        "cut": seconds(lambda: cut_lines(*view, rules)),
        "words": seconds(lambda: count_words(batch.column("text"))),
        "c4": seconds(lambda: c4.apply(batch, c4.C4Config(), None)),
        "fineweb": seconds(lambda: fineweb.apply(batch, fineweb.FineWebConfig(), None)),
    }
    return {**taken, "together": taken["sentences"] + taken["c4"] + taken["fineweb"] - taken["words"]}


def take(texts: list[str], limit: int) -> list[str]:
    """The first texts, up to so many bytes."""
    size, count = 0, 0
    while count < len(texts) and size < limit:
        size += len(texts[count].encode())
        count += 1
    return texts[:count]


def main() -> None:
    """Print a line per corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the real data")
    parser.add_argument("--megabytes", type=int, default=30, help="text of each corpus")
    arguments = parser.parse_args()
    corpora = {
        "articles": [text for _, text in json_lines(arguments.data / ARTICLES)],
        "novels": [text for _, text in novels(arguments.data)],
        "chinese": [text for _, text in json_lines(arguments.data / CHINESE)],
    }
    for name, texts in corpora.items():
        batch = batch_of(take(texts, arguments.megabytes * 1_000_000))
        megabytes = text_view(batch.column("text")).offsets[-1] / 1e6
        speeds = "  ".join(f"{key} {megabytes / taken:.0f}" for key, taken in figures(batch).items())
        print(f"{name:9} {megabytes:3.0f} MB: {speeds} MB/s", flush=True)


if __name__ == "__main__":
    main()

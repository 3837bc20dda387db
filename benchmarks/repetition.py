"""Repetition within documents: MB/s of our kernels and of datatrove's filter, in turns in one process.

    python -m benchmarks.repetition DATA
    python -m benchmarks.repetition DATA --megabytes 20 --turns 9

Corpora: English articles, whole novels, Chinese articles, and three texts of one long row that are meant to hurt. The
time is the processor's, the best of the turns. ``words`` is the finding of words, which other signals share and which
the other column leaves out; ``kernels`` are lines, paragraphs and all nine orders of n-grams. datatrove's filter (with
its own thresholds) gets its words as lists, made before the clock starts, of the first tenth of the English articles.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate, takewhile
from pathlib import Path

import pyarrow as pa

from benchmarks.datatrove_rules import splitting
from benchmarks.rule_corpora import ARTICLES, CHINESE, NOVELS, json_lines
from stages.kernels.arrow_text import TextView, text_view
from stages.kernels.repetition import Reading, repetition, words_of
from stages.kernels.word_spans import row_groups

READINGS: tuple[Reading, ...] = ("paper", "datatrove")


def first_texts(path: Path, most_bytes: int) -> list[str]:
    """Texts from the beginning of a file, the last one beyond the limit."""
    texts = []
    for _, text in json_lines(path):
        texts.append(text)
        most_bytes -= len(text.encode())
        if most_bytes < 0:
            break
    return texts


def hostile(size: int) -> Mapping[str, list[str]]:
    """One row each of about so many bytes."""
    return {
        "one word, one line": ["word " * (size // 5)],
        "no word twice": [" ".join(map(str, range(size // 8)))],
        "one line, many times": ["the same line of text again\n" * (size // 28)],
    }


def groups(view: TextView) -> Iterator[TextView]:
    """The view in the groups of rows in which stages go through it."""
    for first, last in row_groups(view.offsets):
        yield TextView(view.data, view.offsets[first : last + 1])


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def our_seconds(view: TextView, reading: Reading) -> tuple[float, float]:
    """(words, kernels)."""
    finding = measuring = 0.0
    for part in groups(view):
        start = time.process_time()
        words = words_of(part, reading)
        found = time.process_time()
        repetition(part, words, reading)
        finding += found - start
        measuring += time.process_time() - found
    return finding, measuring


def print_ours(name: str, texts: list[str], turns: int) -> None:
    """A line per reading."""
    view = text_view(pa.array(texts, pa.large_string()))
    megabytes = int(view.offsets[-1] - view.offsets[0]) / 1e6
    for reading in READINGS:
        times = [our_seconds(view, reading) for _ in range(turns)]
        words, kernels = (megabytes / min(column) for column in zip(*times, strict=True))
        print(
            f"{name:22} {reading:10} {megabytes:7.1f} MB   words {words:7.0f}   kernels {kernels:7.0f} MB/s", flush=True
        )


def word_lists(view: TextView) -> Iterator[list[str]]:
    """The words of each row."""
    found, raw = words_of(view, "datatrove"), view.data.tobytes()
    places = list(zip(found.starts.tolist(), found.ends.tolist(), strict=True))
    for first, last in zip(found.rows[:-1].tolist(), found.rows[1:].tolist(), strict=True):
        yield [raw[start:end].decode() for start, end in places[first:last]]


def print_peer(texts: list[str], turns: int) -> None:
    """datatrove's filter and our kernels in turns on the same texts."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import GopherRepetitionFilter

    view = text_view(pa.array(texts, pa.large_string()))
    words = dict(zip(texts, word_lists(view), strict=True))
    megabytes = int(view.offsets[-1]) / 1e6
    rule, documents = GopherRepetitionFilter(), [Document(text=text, id="") for text in texts]
    theirs, ours = [], []
    with splitting({"GopherRepetitionFilter": words.__getitem__}, None):
        for _ in range(turns):
            theirs.append(seconds(lambda: [rule.filter(document) for document in documents]))
            ours.append(our_seconds(view, "datatrove")[1])
    rate, our_rate = megabytes / min(theirs), megabytes / min(ours)
    print(f"datatrove's filter on {megabytes:.1f} MB: {rate:.2f} MB/s, kernels {our_rate:.0f}: {our_rate / rate:.0f} ×")


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the real data")
    parser.add_argument("--megabytes", type=int, default=16, help="of each corpus")
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    size = options.megabytes * 1_000_000
    print_ours("(warm-up)", ["a b a b\n\n中 文"], 1)
    english = first_texts(options.data / ARTICLES, size)
    print_ours("English articles", english, options.turns)
    print_ours("novels", first_texts(options.data / NOVELS, size), options.turns)
    print_ours("Chinese articles", first_texts(options.data / CHINESE, size), options.turns)
    for name, texts in hostile(size).items():
        print_ours(name, texts, min(options.turns, 3))
    sizes = accumulate(len(text.encode()) for text in english)
    print_peer([text for text, _ in takewhile(lambda pair: pair[1] < size / 10, zip(english, sizes, strict=True))], 3)


if __name__ == "__main__":
    main()

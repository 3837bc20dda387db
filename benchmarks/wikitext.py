"""Wikitext → plain text, against mwparserfromhell and wikiextractor, on the articles of a real dump.

    pip install mwparserfromhell wikiextractor
    python benchmarks/wikitext.py DUMP.xml.bz2 --megabytes 64 --peer-megabytes 2

Each rate is MB of wikitext per second of CPU time of one process, start-up and compilation left out, the best of some
rounds; peers that are not installed are left out. "Left" counts what is still markup in the output: double braces and
brackets, references and table starts outside formulas, per MB of wikitext.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec

import pyarrow as pa

import gristmill  # noqa: F401 - finds the packages beside it
from pipeline.sources.wikipedia import SOURCE, WikipediaConfig
from stages.wikitext import WikitextConfig, apply

_LEFT = re.compile(r"\{\{|\}\}|\[\[|\]\]|<ref|\{\|")
_FORMULA = re.compile(r"\$[^$]*\$")

Peer = Callable[[str], str]


def articles(dump: str, limit_bytes: int) -> list[str]:
    """Wikitext of the dump's first articles."""
    return list(_articles(dump, limit_bytes))


def _articles(dump: str, limit_bytes: int) -> Iterator[str]:
    config = WikipediaConfig(path=dump)
    for partition in SOURCE.split("dump", config):
        for batch in SOURCE.read(partition, config):
            for text in batch.rows.column("text").to_pylist():
                yield text
                limit_bytes -= len(text.encode())
                if limit_bytes <= 0:
                    return


def ours(texts: Sequence[str]) -> list[str]:
    """The stage on one batch."""
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string())})
    found: list[str] = apply(batch, WikitextConfig(), None).columns["text"].to_pylist()
    return found


def peers() -> Iterator[tuple[str, Peer]]:
    """Those that are installed."""
    if find_spec("mwparserfromhell"):
        import mwparserfromhell

        yield "mwparserfromhell", lambda text: str(mwparserfromhell.parse(text).strip_code())
    if find_spec("wikiextractor"):
        from wikiextractor.extract import Extractor

        def extracted(text: str) -> str:
            extractor = Extractor(0, 0, "", "title", [])
            return "\n".join(extractor.clean_text(text, expand_templates=False))

        yield "wikiextractor", extracted


def seconds_of(work: Callable[[], object], rounds: int) -> float:
    """Least CPU time of a call."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def report(name: str, made: Sequence[str], megabytes: float, seconds: float) -> None:
    """One line."""
    left = sum(len(_LEFT.findall(_FORMULA.sub("", text))) for text in made)
    out = sum(len(text.encode()) for text in made) / 1e6
    print(f"{name:18} {megabytes / seconds:9.1f} MB/s  {out:7.2f} MB of text  {left / megabytes:8.1f} left per MB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump")
    parser.add_argument("--megabytes", type=float, default=64)
    parser.add_argument("--peer-megabytes", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    texts = articles(arguments.dump, int(arguments.megabytes * 1e6))
    ours(texts[:1])
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} articles, {size:.2f} MB of wikitext")
    report("gristmill", ours(texts), size, seconds_of(lambda: ours(texts), arguments.rounds))
    few = articles(arguments.dump, int(arguments.peer_megabytes * 1e6))
    size = sum(len(text.encode()) for text in few) / 1e6
    print(f"{len(few):,} articles, {size:.2f} MB of wikitext")
    report("gristmill", ours(few), size, seconds_of(lambda: ours(few), arguments.rounds))
    for name, peer in peers():
        made: list[str] = []
        seconds = seconds_of(partial(made.extend, map(peer, few)), 1)
        report(name, made, size, seconds)


if __name__ == "__main__":
    main()

"""Deduplication from JSON Lines to documents on disk, ours and five peers', in one run.

    python -m benchmarks.dedup_peers_corpus CORPUS --megabytes 2048
    python -m benchmarks.dedup_peers CORPUS --peers FOLDER

**Near copies** (14 bands of 8, 5-grams): ours is ``gristmill run`` with normalize and minhash_dedup, default settings,
on all of CORPUS, and again on its first files; datatrove's four stages (signature, buckets, cluster, filter) with the
same n-gram, bands and rows run on the first files up to ``--sample`` of the bytes, so what it would take for all is
scaled (its start is not: that is measured and added once). text-dedup, Data-Juicer and rensa run on the first
``--few-megabytes``, and their steady rate is set against ours on all. **Exact copies**: dolma's Bloom filter
(``dedupe``, then ``mix``, which writes the documents) on whole texts and on lines, against our exact_dedup and
line_dedup, on ``--exact-megabytes``; and its filter alone, which marks what goes, against our run up to the same point.
Ours verifies its candidates and keeps a table of clusters, which the peers do not (rensa verifies); dolma's filter is
probabilistic.

Every figure is of whole commands with ``--workers`` processes or threads: wall time, and processor time of the command
and of all processes that it starts. *start* is the same command on 200 documents. *cold* counts it, *steady* takes it
off; a rate is MB (10⁶ bytes of JSON Lines) a second of processor time of one core. ``--first`` adds our start with an
empty cache of compiled kernels, as it is once after installing. Files in CORPUS are read once before the clock.

Peers other than datatrove run in virtual environments ``FOLDER/rensa``, ``FOLDER/text-dedup`` (pip install text-dedup),
``FOLDER/data-juicer`` (py-data-juicer aiohttp) and ``FOLDER/dolma``; what is not there is named as missing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.dedup_peers_tools import (
    Cost,
    Job,
    Missing,
    Tool,
    adopt_orphans,
    data_juicer,
    datatrove,
    dolma,
    our_marks,
    ours,
    rensa,
    text_dedup,
)

TINY_DOCUMENTS = 200
LEAST_SECONDS = 0.5
"""Of processor time beyond the start, from which a rate says something: starts vary by as much."""


@dataclass(frozen=True)
class Result:
    """A tool on some bytes. ``left``: documents, or bytes of text where lines are cut."""

    size: int
    start: Cost
    whole: Cost
    left: int

    @property
    def steady(self) -> float | None:
        """MB a second of processor time, the start taken off; None where hardly more than the start was measured."""
        seconds = self.whole.less(self.start).processor
        return self.size / 1e6 / seconds if seconds >= LEAST_SECONDS else None

    def scaled(self, size: int) -> Cost:
        """What so many bytes would cost, in proportion; the start once."""
        return self.start + self.whole.less(self.start).times(size / self.size)


@dataclass(frozen=True)
class Bench:
    """Runs tools on parts of the corpus, in folders below ``root`` that go when they are done."""

    corpus: Path
    root: Path
    workers: int

    def part(self, n_bytes: float) -> Path:
        """A folder with the first files, up to that many bytes, at least one; the last is cut if it is the only one."""
        folder = self.root / f"{n_bytes:.0f}" / "documents"
        if folder.exists():
            return folder
        folder.mkdir(parents=True)
        total = 0
        for file in sorted(self.corpus.glob("*.jsonl")):
            if total and total + file.stat().st_size > n_bytes:
                break
            total += _head(file, folder / file.name, n_bytes)
        return folder

    def tiny(self) -> Path:
        """A folder with the first documents, in a file for each worker, so that all of them start."""
        folder = self.root / "tiny" / "documents"
        if not folder.exists():
            folder.mkdir(parents=True)
            with open(min(self.corpus.glob("*.jsonl")), "rb") as stream:
                lines = [stream.readline() for _ in range(TINY_DOCUMENTS)]
            for number in range(self.workers):
                (folder / f"{number:04d}.jsonl").write_bytes(b"".join(lines[number :: self.workers]))
        return folder

    def once(self, tool: Tool, documents: Path) -> tuple[Cost, int]:
        """The tool on a folder."""
        out = Path(tempfile.mkdtemp(dir=self.root))
        try:
            return tool(Job(documents, out, self.workers))
        finally:
            shutil.rmtree(out)

    def result(self, tool: Tool, documents: Path) -> Result:
        """The tool on a folder, and on the first documents."""
        start, _ = self.once(tool, self.tiny())
        whole, left = self.once(tool, documents)
        return Result(Job(documents, documents, 1).size, start, whole, left)


def _head(file: Path, target: Path, n_bytes: float) -> int:
    """Link the file, or copy its first lines if it is larger. Returns the bytes."""
    if file.stat().st_size <= n_bytes:
        os.symlink(file.resolve(), target)
        return file.stat().st_size
    with open(file, "rb") as stream:
        lines = stream.readlines(int(n_bytes))
    target.write_bytes(b"".join(lines))
    return sum(map(len, lines))


def near_peers(peers: Path) -> Mapping[str, Tool]:
    """Tools for near copies that run on few megabytes."""
    return {
        "text-dedup": partial(text_dedup, peers / "text-dedup"),
        "Data-Juicer": partial(data_juicer, peers / "data-juicer"),
        "rensa": partial(rensa, "all", peers / "rensa"),
        "rensa, rho (looks at a sample of the shingles)": partial(rensa, "rho", peers / "rensa"),
    }


def show(name: str, result: Result | str, base: Result | None = None) -> None:
    """Print a line; ``base``: ours, whose steady rate is set against it."""
    if isinstance(result, str):
        print(f"{name:<48} {result}")
        return
    whole, start = result.whole, result.start
    line = f"{name:<48} {result.size / 1e6:6.0f} MB  start {start.wall:5.1f} s ({start.processor:5.1f} of processors)"
    line += f"  whole {whole.wall:6.1f} s ({whole.processor:6.1f})  cold {result.size / 1e6 / whole.processor:7.2f}"
    steady = f"{result.steady:7.2f}" if result.steady else "too short to say,"
    line += f"  steady {steady} MB/s a core  left {result.left:,}"
    if base is not None and base.steady and result.steady:
        line += f"  ours is {base.steady / result.steady:.1f} times as fast"
    print(line, flush=True)


def tried(make: Callable[[], Result]) -> Result | str:
    """The result, or why there is none."""
    try:
        return make()
    except Missing as missing:
        return f"missing: {missing}"


def near(bench: Bench, options: argparse.Namespace) -> None:
    """Near copies."""
    tool = partial(ours, "minhash_dedup")
    bench.once(tool, bench.tiny())  # compiles what is not compiled yet
    whole = bench.result(tool, options.corpus)
    show("ours, all", whole)
    sample = bench.part(whole.size * options.sample)
    theirs = tried(lambda: bench.result(datatrove, sample))
    show("datatrove, sample", theirs, whole)
    if isinstance(theirs, Result):
        cost = theirs.scaled(whole.size)
        print(
            f"datatrove scaled from {theirs.size / whole.size:.1%} to all: {cost.wall:.0f} s ({cost.processor:.0f}), "
            f"{cost.wall / whole.whole.wall:.0f} times ours by the clock, "
            f"{cost.processor / whole.whole.processor:.0f} times by processor time"
        )
    show("ours, sample", bench.result(tool, sample))
    few = bench.part(options.few_megabytes * 1e6)
    for name, peer in near_peers(options.peers).items():
        show(name, tried(lambda peer=peer: bench.result(peer, few)), whole)  # type: ignore[misc]  # bound for this peer


def exact(bench: Bench, options: argparse.Namespace) -> None:
    """Exact copies, of texts and lines."""
    sample = bench.part(options.exact_megabytes * 1e6)
    for stage, what in (("exact_dedup", "documents"), ("line_dedup", "lines")):
        bench.once(partial(ours, stage), bench.tiny())
        for made, mine, mix in (("documents", ours, True), ("marks", our_marks, False)):
            base = bench.result(partial(mine, stage), sample)
            show(f"ours, {stage}: {made}", base)
            bloom = partial(dolma, what, options.peers / "dolma", mix=mix)
            name = f"dolma, {what}: Bloom filter" + (" and mixer" if mix else "")
            show(name, tried(lambda bloom=bloom: bench.result(bloom, sample)), base)  # type: ignore[misc]  # bound for this peer


def first_start(bench: Bench) -> Cost:
    """Our start with an empty cache of kernels."""
    with tempfile.TemporaryDirectory(dir=bench.root) as cache:
        return bench.once(partial(ours, "minhash_dedup", NUMBA_CACHE_DIR=cache), bench.tiny())[0]


def main() -> None:
    """Measure, and print a line for each tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--peers", type=Path, default=Path("peers"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sample", type=float, default=0.05)
    parser.add_argument("--few-megabytes", type=float, default=20)
    parser.add_argument("--exact-megabytes", type=float, default=500)
    parser.add_argument("--jobs", nargs="*", choices=("near", "exact"), default=("near", "exact"))
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--work", type=Path, default=None, help="Where temporary files go.")
    options = parser.parse_args()
    adopt_orphans()
    options.corpus, options.peers = options.corpus.resolve(), options.peers.resolve()
    for file in options.corpus.glob("*.jsonl"):
        with open(file, "rb") as stream:
            while stream.read(1 << 24):
                pass
    with tempfile.TemporaryDirectory(dir=options.work) as root:
        bench = Bench(options.corpus, Path(root), options.workers)
        if "near" in options.jobs:
            near(bench, options)
        if "exact" in options.jobs:
            exact(bench, options)
        if options.first:
            cost = first_start(bench)
            print(f"ours, first start, nothing compiled: {cost.wall:.1f} s ({cost.processor:.1f} of processors)")


if __name__ == "__main__":
    main()

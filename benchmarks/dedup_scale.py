"""Whether near deduplication grows as it says: time, disk and memory at several sizes, beside the formula of ``plan``.

    python -m benchmarks.dedup_scale FOLDER [--documents 100000 300000 1000000] [--rounds] [--copies]
    python -m benchmarks.dedup_scale --estimate

Documents are 3 to 6 paragraphs drawn by a seed from the articles and novels (GRISTMILL_DATA), about 1.3 kB; 30 % are
earlier ones with up to 2 % of their words replaced. A size is a run of its own, with the defaults of
``minhash_dedup``, by one worker in a process of its own; what it reads and writes is in FOLDER, about 5 kB a document,
and is removed afterwards. For each phase: processor seconds, bytes left in the store, and the peak of memory over what
the process had before, each with what :func:`pipeline.pilot.dedup.dedup_estimate` says for as many documents, records,
lanes and candidates. The peak counts mapped files as far as they were read; the system takes these back when it wants.

With ``--copies`` all documents are copies of one, so that every bucket, the star and the component have them all.
``--estimate`` prints the worked example of the docs: 96 snapshots of Common Crawl on 50 nodes, by the same formula.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

from benchmarks.make_corpus import ENGLISH, documents
from pipeline.blocks.sketch import SIGNATURES
from pipeline.blocks.work import Unit, Work
from pipeline.executors.local import LocalExecutor
from pipeline.machine import peak_bytes, reset_peak, resident_bytes
from pipeline.pilot.dedup import CANDIDATES, ROW_BYTES, dedup_estimate
from pipeline.runs import Run, load_run
from pipeline.store import Commit

CHARACTERS = (150, 500)
PARAGRAPHS = (3, 6)
COPIES = 0.3
REPLACED = 0.02
FILE_ROWS = 100_000
PARTITION_BYTES = 2**26
SKETCH_BYTES_A_SECOND = 150e6
"""Text that a core sketches: measured 115 on Chinese to 266 on novels (``benchmarks.minhash``)."""
RECIPE = """
name: scale
store: {root}/store
runs: {root}/runs
sources:
  prose: {{kind: jsonl, path: "{root}/in/*.jsonl", split_bytes: 33554432}}
stages:
  - minhash_dedup
execution: {{executor: local, dedup_memory_bytes: {memory}}}
"""


def corpus(count: int, seed: int = 1) -> Iterator[str]:
    """Texts. Copies are made of originals only, or families would grow faster than the corpus.

    Of an original only the places of its paragraphs are remembered.
    """
    pool = list(dict.fromkeys(_paragraphs()))
    rng = random.Random(seed)
    originals: list[list[int]] = []
    for _ in range(count):
        if originals and rng.random() < COPIES:
            yield _edited("\n\n".join(pool[place] for place in rng.choice(originals)), rng)
            continue
        originals.append([rng.randrange(len(pool)) for _ in range(rng.randint(*PARAGRAPHS))])
        yield "\n\n".join(pool[place] for place in originals[-1])


def _paragraphs() -> Iterator[str]:
    for text in documents(Path(os.environ["GRISTMILL_DATA"]), ENGLISH):
        for line in text.replace("\r", "").split("\n"):
            if CHARACTERS[0] <= len(line) <= CHARACTERS[1]:
                yield line


def _edited(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    for _ in range(rng.randint(0, int(REPLACED * len(words)))):
        words[rng.randrange(len(words))] = words[rng.randrange(len(words))]
    return " ".join(words)


def write(root: Path, count: int, memory: int, copies: bool) -> str:
    """Write the corpus and a recipe; returns the recipe's path."""
    (root / "in").mkdir(parents=True)
    texts = enumerate(repeat(next(corpus(1)), count) if copies else corpus(count))
    for number in range(-(-count // FILE_ROWS)):
        with open(root / "in" / f"{number:04d}.jsonl", "w") as out:
            for index, text in texts:
                out.write(json.dumps({"id": str(index), "text": text}) + "\n")
                if index % FILE_ROWS == FILE_ROWS - 1:
                    break
    (root / "recipe.yaml").write_text(RECIPE.format(root=root, memory=memory))
    return str(root / "recipe.yaml")


class Measured(LocalExecutor):
    """One worker in this process, which remembers what each phase took."""

    def __init__(self) -> None:
        super().__init__(1)
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, int] = {}

    def run(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        kind = type(work).__name__.removesuffix("Work").lower()
        before, started = resident_bytes(), time.process_time()
        reset_peak()
        yield from super().run(work, units)
        self.seconds[kind] = self.seconds.get(kind, 0) + time.process_time() - started
        self.memory[kind] = max(self.memory.get(kind, 0), peak_bytes() - before)


def left(found: Run) -> tuple[dict[str, int], dict[str, float]]:
    """Bytes in the store by phase; and what the formula is asked with."""
    disk: dict[str, int] = {}
    sums = dict.fromkeys(("documents", "records", "signatures", "candidates", "verified", "partitions"), 0)
    for block in found.blocks:
        for commit in block.open().read_many(block.units):
            disk[block.kind] = disk.get(block.kind, 0) + sum(file.bytes for file in commit.files.values())
            if block.kind == "sketch":
                sums["partitions"] += 1
                sums["records"] += commit.files["run"].rows
                sums["documents"] += commit.files[SIGNATURES].rows
                sums["signatures"] += commit.files[SIGNATURES].bytes
            if block.kind == "verify":
                sums["candidates"] += commit.facts["candidates"]
                sums["verified"] += commit.facts["verified"]
    return disk, {name: float(value) for name, value in sums.items()}


def measure(recipe: str, memory: int) -> dict[str, Any]:
    """Run the recipe here; returns figures by phase, and what the formula says."""
    from unittest import mock

    from pipeline.run_recipe import run_recipe

    executor, started = Measured(), time.monotonic()
    with mock.patch("pipeline.run_recipe.make_executor", lambda *_: executor):
        found = load_run(run_recipe(recipe))
    elapsed = time.monotonic() - started
    disk, sums = left(found)
    rows = sums["documents"]
    said = dedup_estimate(
        rows,
        sums["records"] / rows,
        (sums["signatures"] / rows - ROW_BYTES) / 4,
        candidates=sums["candidates"] / rows,
        partitions=int(sums["partitions"]),
        memory_bytes=memory,
    )
    if "large_star" in disk:
        disk["components"] = sum(disk.pop(kind) for kind in ("spread", "large_star", "small_star"))
        executor.seconds["components"] = sum(executor.seconds.pop(kind) for kind in ("spread", "star"))
        executor.memory["components"] = max(executor.memory.pop(kind) for kind in ("spread", "star"))
    return {
        **sums,
        "elapsed": elapsed,
        "disk": disk,
        "seconds": executor.seconds,
        "memory": executor.memory,
        "said": {"disk": said.disk, "seconds": said.seconds, "memory": said.memory_bytes},
    }


PHASES = ("sketch", "merge", "link", "gather", "verify", "components", "label", "claim", "resolve")


def show(found: dict[str, Any], size: int) -> None:
    """Print one size."""
    rows = found["documents"]
    print(
        f"\n{rows:,.0f} documents, {size / 1e6:,.0f} MB, {found['partitions']:.0f} partitions, "
        f"{found['candidates'] / rows:.3f} candidates and {found['verified'] / rows:.3f} verified pairs a document; "
        f"{found['elapsed']:.0f} s for the run"
    )
    print(f"{'phase':12}{'CPU s':>8}{'said':>8}{'µs a doc':>10}{'MB':>9}{'said':>9}{'b a doc':>9}{'peak MB':>9}")
    for phase in PHASES:
        if phase not in found["disk"]:
            continue
        seconds, disk, said = found["seconds"][phase], found["disk"][phase], found["said"]
        expected = f"{said['seconds'][phase]:8.2f}" if phase in said["seconds"] else " " * 8
        print(
            f"{phase:12}{seconds:8.2f}{expected}{seconds / rows * 1e6:10.2f}{disk / 1e6:9.1f}"
            f"{said['disk'][phase] / 1e6:9.1f}{disk / rows:9.1f}{found['memory'][phase] / 1e6:9.0f}"
        )
    disk, said_disk = sum(found["disk"].get(p, 0) for p in PHASES), sum(found["said"]["disk"].values())
    peak = max(found["memory"].get(phase, 0) for phase in PHASES if phase != "sketch")
    seconds = sum(found["seconds"].get(phase, 0) for phase in PHASES)
    print(
        f"all: {seconds / rows * 1e6:.1f} µs and {disk / rows:.1f} bytes a document ({disk / said_disk:.3f} of the "
        f"formula); peak {peak / 1e6:.0f} MB after the sketches, said {found['said']['memory'] / 1e6:.0f}"
    )


def worked_estimate() -> None:
    """Print what 96 snapshots of 500 million documents take, one after the other and in one run.

    3 kB a document, as after filtering; 50 nodes of 64 cores that read and write 1 GB/s each. What was written is read
    once; text is read once. Components are found by rounds, in tasks of the default budget.
    """
    snapshots, rows, text, nodes, cores = 96, 5e8, 3000, 50, 64
    print(
        f"{snapshots} snapshots of {rows:,.0f} documents of {text:,} bytes; {nodes} nodes of {cores} cores, 1 GB/s each"
    )
    print(f"{'':24}{'pairs a doc':>12}{'core h':>9}{'cores h':>9}{'disks h':>9}{'TB':>8}{'GB a task':>11}{'tasks':>12}")
    for name, times, scale in (("one snapshot", 1, 1), ("96, one by one", 96, 1), ("all in one run", 1, 96)):
        for candidates in CANDIDATES:
            documents = rows * scale
            parts = int(documents * text / PARTITION_BYTES)
            said = dedup_estimate(documents, 14, 112, candidates=candidates, partitions=parts, memory_bytes=2**31)
            seconds = sum(said.seconds.values()) + documents * text / SKETCH_BYTES_A_SECOND
            moved = (2 * said.disk_bytes + documents * text) / nodes / 1e9
            tasks = times * (parts + sum(said.units.values()))
            print(
                f"{name:24}{candidates:12}{times * seconds / 3600:9,.0f}{times * seconds / nodes / cores / 3600:9.2f}"
                f"{times * moved / 3600:9.2f}{said.disk_bytes / 1e12:8.2f}{said.memory_bytes / 1e9:11.2f}{tasks:12,}"
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--documents", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--rounds", action="store_true", help="find components on disk")
    parser.add_argument("--copies", action="store_true", help="of one document")
    parser.add_argument("--estimate", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    memory = 1 if options.rounds else 2**31
    if options.estimate:
        worked_estimate()
    elif options.one:
        print(json.dumps(measure(options.one, memory)))
    elif options.folder is None:
        parser.error("give a folder, or --estimate")
    else:
        for count in options.documents:
            root = options.folder / str(count)
            recipe = write(root, count, memory, options.copies)
            size = sum(file.stat().st_size for file in (root / "in").iterdir())
            command = [sys.executable, "-m", "benchmarks.dedup_scale", "--one", recipe]
            command += ["--rounds"] if options.rounds else []
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            show(json.loads(said.splitlines()[-1]), size)
            shutil.rmtree(root)


if __name__ == "__main__":
    main()

"""JSONL → normalize → word_count → exact_dedup → Arrow shards, against datatrove, in one run.

    python benchmarks/make_corpus.py CORPUS --megabytes 2100
    python benchmarks/spine.py CORPUS --workers 2 --peer-megabytes 256

Ours runs the recipe below over all files. The peer, datatrove's JsonlReader, ExactDedup (signature, find, filter)
and ParquetWriter, runs over the first files up to ``--peer-megabytes`` with as many tasks and workers; both rates
are MB of input per second and core. Start-up (imports, executor, compilation) is measured by running over one tiny
file first and is reported apart. Also reported: the largest peak memory of a worker, and the share of worker
time that is neither reading, writing nor a stage.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import gristmill
from pipeline.runs import load_run

RECIPE = """
name: spine
store: {root}/store
sources:
  corpus: {{kind: jsonl, path: "{path}"}}
stages:
  - normalize
  - word_count
  - exact_dedup
"""

PEER = """
import sys, glob, os, time
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove.pipeline.dedup import ExactDedupSignature, ExactFindDedups, ExactDedupFilter
from datatrove.pipeline.dedup.exact_dedup import ExactDedupConfig
folder, out, tasks, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
def run(name, steps, tasks):
    logs = f"{out}/logs/{name}"
    LocalPipelineExecutor(steps, tasks=tasks, workers=workers, logging_dir=logs, start_method="spawn").run()
if __name__ == "__main__":
    config = ExactDedupConfig(content_getter=lambda document: document.text)
    signature = ExactDedupSignature(f"{out}/sigs", config=config, finder_workers=workers)
    run("signature", [JsonlReader(folder), signature], tasks)
    run("find", [ExactFindDedups(f"{out}/sigs", f"{out}/dups", config=config)], workers)
    keep = ExactDedupFilter(f"{out}/dups", config=config)
    run("filter", [JsonlReader(folder), keep, ParquetWriter(f"{out}/parquet")], tasks)
"""


def ours(path: str, root: str, executor: str, workers: int) -> dict[str, float]:
    """Run the recipe in a process of its own. Returns seconds and facts of the run."""
    recipe = Path(root) / "recipe.yaml"
    recipe.write_text(RECIPE.format(root=root, path=path))
    code = f"import sys; sys.path.insert(0, {gristmill.ROOT!r}); import gristmill; gristmill.main()"
    command = [sys.executable, "-c", code, "run", str(recipe), "--executor", executor, "--workers", str(workers)]
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    return {"seconds": seconds, **facts(f"{root}/runs/spine")}


def facts(folder: str) -> dict[str, float]:
    """Worker seconds by what they went into, and the engine's own share."""
    spent: dict[str, float] = defaultdict(float)
    peak = 0.0
    for block in load_run(folder).blocks:
        for commit in block.open().read_many(block.units):
            for name, seconds in commit.seconds.items():
                spent["total" if block.kind != "rows" else name] += seconds
                if block.kind != "rows":
                    spent[block.kind] += seconds
            peak = max(peak, commit.peak_bytes)
    own = spent["total"] - sum(seconds for name, seconds in spent.items() if name != "total")
    return {
        "engine_share": own / spent["total"],
        "peak_memory_mb": peak / 1e6,
        **{f"s_{k}": v for k, v in spent.items()},
    }


def peer(folder: str, root: str, tasks: int, workers: int) -> float:
    """Seconds that datatrove takes over the folder."""
    script = Path(root) / "peer.py"
    script.write_text(PEER)
    started = time.monotonic()
    with open(Path(root) / "peer.log", "w") as log:
        subprocess.run(
            [sys.executable, str(script), folder, f"{root}/peer", str(tasks), str(workers)],
            check=True, stdout=subprocess.DEVNULL, stderr=log,
        )  # fmt: skip
    return time.monotonic() - started


def some_files(corpus: Path, megabytes: int, target: Path) -> int:
    """Link the first files up to that size into the target folder; returns their bytes."""
    target.mkdir(parents=True)
    total = 0
    for file in sorted(corpus.glob("*.jsonl")):
        if total and total + file.stat().st_size > megabytes * 10**6:
            break
        os.symlink(file, target / file.name)
        total += file.stat().st_size
    return total


def tiny_file(corpus: Path, target: Path) -> None:
    """The first 20 lines of the corpus, for start-up times."""
    target.mkdir(parents=True)
    with open(sorted(corpus.glob("*.jsonl"))[0], "rb") as stream:
        (target / "0000.jsonl").write_bytes(b"".join(stream.readline() for _ in range(20)))


def main() -> None:
    """Measure ours and the peer, and print all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--executor", default="ray")
    parser.add_argument("--peer-megabytes", type=int, default=300)
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    size = sum(file.stat().st_size for file in options.corpus.glob("*.jsonl"))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tiny_file(options.corpus, root / "tiny")
        (root / "warm").mkdir()
        (root / "whole").mkdir()
        start = ours(f"{root}/tiny/*.jsonl", f"{root}/warm", options.executor, options.workers)["seconds"]
        whole = ours(f"{options.corpus}/*.jsonl", f"{root}/whole", options.executor, options.workers)
        steady = size / 1e6 / (whole["seconds"] - start) / options.workers
        result = {"mb": size / 1e6, "start_seconds": start, "mb_per_s_core_steady": steady, **whole}
        if not options.no_peer:
            result |= compare(options, root, steady)
        print(json.dumps({key: round(value, 3) for key, value in result.items()}, indent=1))
        shutil.rmtree(root / "whole")


def compare(options: argparse.Namespace, root: Path, steady: float) -> dict[str, float]:
    """The peer's figures and the ratio."""
    peer_size = some_files(options.corpus, options.peer_megabytes, root / "part")
    (root / "peer-start").mkdir()
    start = peer(f"{root}/tiny", f"{root}/peer-start", 1, options.workers)
    seconds = peer(f"{root}/part", str(root), options.workers, options.workers)
    rate = peer_size / 1e6 / (seconds - start) / options.workers
    return {
        "peer_mb": peer_size / 1e6,
        "peer_start_seconds": start,
        "peer_mb_per_s_core_steady": rate,
        "ratio": steady / rate,
    }


if __name__ == "__main__":
    main()

"""What ``gristmill plan`` estimates against what a run then takes: time, disk, memory, tokens, text and documents.

    GRISTMILL_DATA=… python benchmarks/pilot.py recipes/quickstart.yaml recipes/real-data.yaml --workers 2

Each recipe is planned with an empty store (the store has to stay empty), then run without its training, which a plan
does not estimate. A first plan that is thrown away has compiled the kernels. For each quantity: the estimate with its
range, the run, estimate / run, and whether the run lies in the range. Time is that of the whole command; disk that of
the store's files; memory the most of any worker.

``--processor-time`` compares phase by phase what one worker spends on the processor, estimated and in the run, instead:
on a machine that others use, too, the clock tells more of them than of the estimate.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gristmill
from pipeline.books import Books
from pipeline.progress import Silent
from pipeline.runs import load_run, run_books

MEMORY_FACTOR = 1.25
"""A plan gives no range for memory; this far off is still told as inside."""
COMMAND = [
    sys.executable,
    "-c",
    f"import sys; sys.path.insert(0, {gristmill.ROOT!r}); import gristmill; gristmill.main()",
]


def command(arguments: list[str], settings: list[str]) -> tuple[str, float]:
    """What a ``gristmill`` command prints, and its seconds."""
    options = [word for setting in settings for word in ("--set", setting)]
    started = time.monotonic()
    done = subprocess.run([*COMMAND, *arguments, *options], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout, time.monotonic() - started


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; 0 if it is not there."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def tokens_of(folder: str) -> int:
    """Tokens that the run wrote."""
    return sum(
        commit.facts["counts"]["tokens"]
        for block in load_run(folder).blocks_of("tokenize")
        for commit in block.open().read_many(block.units)
    )


def peak_bytes(folder: str) -> int:
    """The most memory that a worker had."""
    return max(commit.peak_bytes for block in load_run(folder).blocks for commit in block.open().read_many(block.units))


def text_read(books: Books) -> tuple[int, int]:
    """(bytes, documents) of text that readers gave."""
    read = [entry for entry in books if entry.stage == "read" and entry.kind == "out"]
    return sum(entry.bytes for entry in read), sum(entry.documents for entry in read)


def compared(
    plan: dict[str, Any], folder: str, store: Path, seconds: float
) -> Iterator[tuple[str, list[float], float]]:
    """Quantity, [estimate, low, high], and what the run took."""
    sums = [[sum(part) for part in zip(*(source[key] for source in plan["sources"]), strict=True)]
            for key in ("text_bytes", "documents")]  # fmt: skip
    n_bytes, documents = text_read(run_books(load_run(folder)))
    memory = plan["memory"]["worker_bytes"]
    around = [memory, memory / MEMORY_FACTOR, memory * MEMORY_FACTOR]
    yield "seconds", plan["seconds"], seconds
    yield "disk_bytes", plan["disk"]["new_bytes"], folder_bytes(store)
    yield "worker_bytes", around, peak_bytes(folder)
    yield "text_bytes", sums[0], n_bytes
    yield "documents", sums[1], documents
    if plan["tokens"]:
        yield "tokens", plan["tokens"], tokens_of(folder)


def measure(recipe: str, options: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Plan and run one recipe; every quantity with its ratio."""
    settings = [f"store={root}/store", f"execution.executor={options.executor}", f"execution.workers={options.workers}"]
    settings += ["train=null", *options.set]
    command(["plan", recipe], settings)
    text, plan_seconds = command(["plan", recipe, "--json"], settings)
    assert not (root / "store").exists(), "a plan wrote into the store"
    plan = json.loads(text)
    _, seconds = command(["run", recipe], settings)
    folder = f"{root}/runs/{plan['recipe']}"
    found: dict[str, Any] = {"plan_seconds": round(plan_seconds, 2), "pilot": plan["pilot"]}
    for name, (value, low, high), real in compared(plan, folder, root / "store", seconds):
        inside = low <= real <= high
        ratio = round(value / real, 3) if real else None
        found[name] = {"estimate": value, "range": [low, high], "run": real, "ratio": ratio, "inside": inside}
    return found


class PhaseClock(Silent):
    """Listens to a run in this process: phase → seconds of the processor."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def begin(self, phase: str, units: int, reused: int) -> None:
        self._phase, self._started = phase, time.process_time()

    def end(self) -> None:
        self.seconds[self._phase] = round(time.process_time() - self._started, 2)


def processor_time(recipe: str, overrides: list[str], root: Path) -> dict[str, Any]:
    """Phase → [estimated, spent] seconds of the processor, and the ratio of their sums. Runs in this process."""
    from pipeline.pilot.forecast import forecast
    from pipeline.recipe.loader import load_recipe
    from pipeline.run_recipe import run_recipe

    settings = [f"store={root}/store", "execution.executor=local", "execution.workers=1", "train=null", *overrides]
    real, time.perf_counter = time.perf_counter, time.process_time
    clock = PhaseClock()
    try:
        found = forecast(load_recipe(recipe, settings))
        run_recipe(recipe, overrides=settings, progress=clock)
    finally:
        time.perf_counter = real
    estimated = {
        f"{phase.estimate.kind}: {phase.estimate.name}".removesuffix(": "): phase.seconds.value
        for phase in found.phases
    }
    phases = {name: [round(estimated.get(name, 0.0), 2), spent] for name, spent in clock.seconds.items()}
    sums = [sum(pair[side] for pair in phases.values()) for side in (0, 1)]
    return {
        "phases": phases,
        "estimate": round(sums[0], 2),
        "run": round(sums[1], 2),
        "ratio": round(sums[0] / sums[1], 3),
    }


def main() -> None:
    """Print all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--executor", default="ray")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--processor-time", action="store_true")
    options = parser.parse_args()
    result = {}
    for recipe in options.recipes:
        with tempfile.TemporaryDirectory() as root:
            name = os.path.basename(recipe)
            if options.processor_time:
                result[name] = processor_time(recipe, options.set, Path(root))
            else:
                result[name] = measure(recipe, options, Path(root))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

"""What 10,000 small partitions cost the driver.

    python benchmarks/partitions.py --partitions 10000 --executor ray

Writes that many JSONL files of three short documents, runs them through one row block, and reports the driver's
own processor time and the wall time for each partition, for the first run and for a second one that reuses all.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import gristmill
from pipeline.run_recipe import run_recipe

RECIPE = """
name: partitions
store: {root}/store
sources:
  small: {{kind: jsonl, path: "{root}/in/*.jsonl"}}
stages:
  - word_count: {{min_words: 2}}
"""


def write_files(folder: Path, count: int) -> None:
    """Small files of three documents."""
    folder.mkdir()
    for number in range(count):
        lines = [json.dumps({"id": f"{number}-{row}", "text": f"a few words {number} {row}"}) for row in range(3)]
        (folder / f"{number:06d}.jsonl").write_text("\n".join(lines) + "\n")


def measured(recipe: str, executor: str, workers: int, count: int) -> dict[str, float]:
    """Driver's processor time and wall time of a run, in milliseconds for each partition."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    run_recipe(recipe, executor=executor, workers=workers)
    after, wall = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - started
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"driver_ms": 1000 * cpu / count, "wall_ms": 1000 * wall / count}


def main() -> None:
    """Measure a first run and one that reuses it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, default=10_000)
    parser.add_argument("--executor", default="ray")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_files(root / "in", options.partitions)
        recipe = root / "recipe.yaml"
        recipe.write_text(RECIPE.format(root=root))
        for label in ("first", "reused"):
            figures = measured(str(recipe), options.executor, options.workers, options.partitions)
            print(
                label, {key: round(value, 3) for key, value in figures.items()}, f"(Gristmill {gristmill.__version__})"
            )


if __name__ == "__main__":
    main()

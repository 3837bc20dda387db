"""Our deduplication up to its marks: which documents or lines go, decided and stored, and no documents without them.

    python -m benchmarks.dedup_peers_marks RECIPE WORKERS

Runs a recipe's plan without its last block, which applies the marks; the report is left out with it. For
:mod:`benchmarks.dedup_peers`, which sets it against a Bloom filter that marks and writes no documents.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent


def run(path: str, workers: int) -> None:
    """Run the plan on the local executor. Heavy imports come once the nursery is importing too."""
    from pipeline.executors.nursery import early_nursery

    with early_nursery("local", workers) as nursery:
        from pipeline.engine import Engine, make_executor
        from pipeline.plan import RowsBlock, make_plan
        from pipeline.progress import Silent
        from pipeline.recipe.loader import load_recipe
        from pipeline.run_recipe import run_folder

        recipe = load_recipe(path, ())
        plan = make_plan(recipe)
        *before, last = plan.blocks
        if not isinstance(last, RowsBlock) or last.corpus is None or last.steps:
            raise SystemExit(f"{path}: the last stage has to be one that deduplicates")
        executor = make_executor("local", workers, None, nursery)
        Engine(replace(plan, blocks=tuple(before)), executor, Silent(), run_folder(recipe, None)).run()
        executor.close()


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    import gristmill  # noqa: F401 - pins our packages' names

    run(sys.argv[1], int(sys.argv[2]))

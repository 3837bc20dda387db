"""Gristmill: pre-training corpora from one recipe. The public Python API, the command, and the workers' door.

Our packages have common names (``pipeline``, ``stages``, …), and Python looks into the working directory or a
script's folder first. So every process enters through this module, whose name is unmistakable: on import it
pins those names to the folder that it lies in, and says if something else was loaded under one of them.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.reports.opened import OpenedRun

__all__ = ["main", "open", "run", "shadowed"]
__version__ = "0.1.0"

PACKAGES = ("classifiers", "pipeline", "recipes", "stages", "trainer")
ROOT = os.path.dirname(os.path.abspath(__file__))


class _Pinned:
    """Finds our packages beside this file, before anything else on the path is asked."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: ModuleType | None = None) -> Any:
        if name not in PACKAGES:
            return None
        return importlib.machinery.PathFinder.find_spec(name, [ROOT])


def _pin() -> None:
    """Pin our names. Raises ImportError if one of them is already something else."""
    if not any(getattr(finder, "__name__", "") == "_Pinned" for finder in sys.meta_path):
        sys.meta_path.insert(0, _Pinned)
    for name in PACKAGES:
        loaded = sys.modules.get(name)
        place = getattr(loaded, "__file__", None) or next(iter(getattr(loaded, "__path__", [])), None)
        if loaded is not None and place and not os.path.abspath(place).startswith(os.path.join(ROOT, name)):
            raise ImportError(
                f"{place} was imported as {name!r} before Gristmill's own package of that name.\n"
                f"  → import gristmill first, or rename that file"
            )


def shadowed() -> list[str]:
    """Files and folders that Python would have found first under our packages' names; they are not used."""
    found = []
    for name in PACKAGES:
        spec = importlib.machinery.PathFinder.find_spec(name, sys.path)
        place = spec.origin if spec else None  # None for a folder without __init__.py, which shadows no package
        if place and not os.path.abspath(place).startswith(os.path.join(ROOT, name)):
            found.append(place)
    return found


_pin()


def run(
    recipe: str | os.PathLike[str], *, overrides: Sequence[str] = (), sample: float | None = None, **execution: Any
) -> OpenedRun:
    """Run a recipe and open the result.

    ``recipe``: path of a YAML file. ``overrides``: ``name.key=value`` as on the command line. ``sample``: share of
    documents, by content hash. ``execution``: ``executor`` ("ray" or "local"), ``workers``, ``address``.
    Raises :class:`pipeline.errors.GristmillError` with what to do.
    """
    from pipeline.executors.nursery import early_nursery

    with early_nursery(execution.get("executor"), execution.get("workers")) as nursery:
        from pipeline.reports.opened import OpenedRun
        from pipeline.run_recipe import run_recipe

        folder = run_recipe(os.fspath(recipe), overrides=overrides, sample=sample, nursery=nursery, **execution)
    return OpenedRun(folder)


def open(run: str | os.PathLike[str]) -> OpenedRun:  # noqa: A001 - the name users expect: gristmill.open(run)
    """Open a finished or interrupted run (its folder, or its name below ``./runs``): Arrow tables of what it holds."""
    from pipeline.reports.opened import OpenedRun
    from pipeline.runs import find_run

    return OpenedRun(find_run(os.fspath(run)))


def run_pickled(work: bytes, unit: bytes) -> Any:
    """Entry of every worker: the path is right by now, so the work can be unpickled."""
    from pipeline.executors.worker import run_pickled as enter

    return enter(work, unit)


def prepare_worker() -> None:
    """Have a worker process import what units need, before the first one comes."""
    from pipeline.executors.worker import prepare

    prepare()


def serve_nursery(descriptor: int) -> None:
    """Entry of the process that the local executor's workers are forked from."""
    from pipeline.executors.nursery import serve

    serve(descriptor)


def main() -> None:
    """The ``gristmill`` command."""
    from pipeline.cli import app

    app()


if __name__ == "__main__":
    main()

"""A recipe from start to end: load, plan, compute, mix, train, report."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gristmill
from pipeline.engine import Engine, make_executor
from pipeline.errors import GristmillError, disk_error
from pipeline.executors.nursery import Nursery
from pipeline.plan import Plan, make_plan
from pipeline.progress import Progress, Silent
from pipeline.recipe.loader import load_recipe
from pipeline.recipe.model import DEFAULT_SEQUENCE_LENGTH, Recipe
from pipeline.recipe.resolved import resolved_recipe
from pipeline.reports.report import write_report
from pipeline.runs import lock, new_run, with_blocks
from pipeline.storage import Folder, filesystem


def run_recipe(
    path: str,
    *,
    overrides: Sequence[str] = (),
    sample: float | None = None,
    executor: str | None = None,
    workers: int | None = None,
    address: str | None = None,
    progress: Progress | None = None,
    nursery: Nursery | None = None,
) -> str:
    """Run a recipe file; returns the run's folder. Finished work in the store is reused.

    ``executor``, ``workers`` and ``address`` override the recipe's ``execution``. ``nursery``: for the local executor,
    if one was started already.
    Raises GristmillError with what to do.
    """
    recipe = load_recipe(path, overrides)
    chosen = {"executor": executor, "workers": workers, "address": address}
    given = {key: value for key, value in chosen.items() if value is not None}
    recipe = recipe.model_copy(update={"execution": recipe.execution.model_copy(update=given)})
    folder = run_folder(recipe, sample)
    try:
        with lock(folder):
            return run_plan(make_plan(recipe, sample), folder, path, progress or Silent(), nursery)
    except OSError as error:
        raise disk_error(error, recipe.store) or error from error


def run_folder(recipe: Recipe, sample: float | None) -> Folder:
    """``runs/<name>``."""
    return Folder(recipe.runs).child(recipe.run_name(sample))


def run_plan(plan: Plan, folder: Folder, path: str, progress: Progress, nursery: Nursery | None = None) -> str:
    """Run a plan in the folder. The run's record says how far it came, also when it fails."""
    recipe, execution = plan.recipe, plan.recipe.execution
    progress.say(f"starting {execution.executor}")
    started = time.perf_counter()
    executor = make_executor(execution.executor, execution.workers, execution.address, nursery)
    progress.say(f"{executor.workers} workers ready in {time.perf_counter() - started:.1f} s")
    name = folder.uri.rstrip("/").rsplit("/", 1)[-1]
    run = new_run(name, folder.uri, path, execution.executor, executor.workers, plan.sample).save()
    folder.write("recipe.yaml", resolved_recipe(recipe).encode())
    engine = Engine(plan, executor, progress, folder)
    engine.save = lambda: with_blocks(run, engine.phases, engine.executed).save()
    try:
        engine.run()
        executor.close()
        _mix_and_train(recipe, folder, progress)
    except BaseException as error:
        failed = replace(run, status="failed", finished=time.time(), error=f"{type(error).__name__}: {error}")
        with_blocks(failed, engine.phases, engine.executed).save()
        raise
    finally:
        executor.close()
    finished = replace(run, status="finished", finished=time.time())
    write_report(with_blocks(finished, engine.phases, engine.executed).save())
    return folder.uri


def _mix_and_train(recipe: Recipe, folder: Folder, progress: Progress) -> None:
    if recipe.mix is None:
        return
    from pipeline.tokens.mix import plan_mix
    from pipeline.tokens.shards import TokenShards

    length = sequence_length(recipe)
    shards = TokenShards.open(folder.child("tokens").uri)
    mix = recipe.mix
    plan = plan_mix(
        shards,
        tokens=mix.tokens,
        weights=mix.weights,
        sequence_length=length,
        max_epochs=mix.max_epochs,
        validation=mix.validation,
        seed=recipe.seed,
    )
    for name, content in plan.files().items():
        folder.child("mix").write(name, content)
    for warning in plan.report["warnings"]:
        progress.say(f"mix: {warning}")
    if recipe.train is not None:
        train_run(recipe, folder, length)


def sequence_length(recipe: Recipe) -> int:
    """Tokens of a sequence: the mix's, the trainer's, or the default; they have to agree."""
    asked = {config.sequence_length for config in (recipe.mix, recipe.train) if config and config.sequence_length}
    if len(asked) > 1:
        remedy = "give it once"
        raise GristmillError(f"mix and train ask for sequences of {sorted(asked)} tokens", remedy=remedy)
    return asked.pop() if asked else DEFAULT_SEQUENCE_LENGTH


def train_run(recipe: Recipe, folder: Folder, length: int) -> None:
    """Start ``python -m trainer`` as a process of its own; its lines go to the terminal."""
    assert recipe.train is not None
    options: dict[str, Any] = {
        "tokens": filesystem(folder.child("tokens").uri)[1] if folder.is_local else folder.child("tokens").uri,
        "mix": folder.child("mix").path,
        "out": folder.child("train").path,
        "seed": recipe.seed,
    }
    options |= {key: value for key, value in recipe.train.model_dump().items() if value is not None}
    options["sequence_length"] = length
    train(options)


def train(options: dict[str, Any]) -> None:
    """Run the trainer with those options. Raises GristmillError if it fails."""
    arguments = [text for key, value in options.items() for text in (f"--{key.replace('_', '-')}", str(value))]
    code = (
        f"import sys; root = {gristmill.ROOT!r}; sys.path.insert(0, root); import gristmill, runpy; "
        "sys.path.remove(root); runpy.run_module('trainer', run_name='__main__', alter_sys=True)"
    )
    sys.stdout.flush()
    if subprocess.run([sys.executable, "-c", code, *arguments], check=False).returncode:
        remedy = "read its message above; `pip install 'gristmill[train]'` brings torch"
        raise GristmillError("the trainer failed", remedy=remedy)

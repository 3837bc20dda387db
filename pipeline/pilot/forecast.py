"""What ``gristmill plan`` does: plan the recipe, look into the store, run a pilot for what is missing, scale it up."""

from __future__ import annotations

import time

from pipeline.pilot.engine import SECONDS, run_pilot
from pipeline.pilot.estimate import estimate
from pipeline.pilot.findings import asking_findings, findings, plan_findings
from pipeline.pilot.outlook import Outlook, outlook, workers_of
from pipeline.plan import make_plan
from pipeline.recipe.model import Recipe
from pipeline.reports.store_walk import walk_store
from pipeline.run_recipe import run_folder


def forecast(recipe: Recipe, sample: float | None = None, *, pilot: bool = True, seconds: float = SECONDS) -> Outlook:
    """Plan and estimate a recipe; writes nothing into its store. Raises GristmillError for what cannot work.

    Without ``pilot``, or where everything is in the store, no document is read. ``seconds``: see
    :func:`pipeline.pilot.engine.run_pilot`.
    """
    started = time.monotonic()
    plan = make_plan(recipe, sample)
    planned = time.monotonic() - started
    walk = walk_store(plan, run_folder(recipe, sample))
    workers = workers_of(plan)
    certain = plan_findings(plan)
    if not pilot or walk.complete:
        return outlook(plan, walk, workers, findings=tuple(certain))
    measured = run_pilot(plan, seconds)
    scaled = estimate(plan, measured, workers, planned)
    found = (*certain, *findings(plan, measured), *asking_findings(plan, scaled))
    return outlook(plan, walk, workers, scaled, found)

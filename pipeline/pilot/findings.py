"""What looks wrong in a pilot, before hours are spent on it: warnings with their place in the recipe and a remedy.

A pilot is small, so nothing here stops a run; what is certainly wrong is an error when the recipe is planned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.blocks.models import models_of
from pipeline.blocks.steps import StageStep, stage_steps
from pipeline.books import NO_LANGUAGE, Books
from pipeline.pilot.engine import Pilot
from pipeline.pilot.estimate import Estimate
from pipeline.pilot.scaling import Amount
from pipeline.pilot.stages import StageEstimate, stage_estimates
from pipeline.plan import CorpusBlock, Plan, RowsBlock
from pipeline.quarantine import ALWAYS_ALLOWED
from pipeline.recipe.model import RouteUse
from pipeline.recipe.problems import suggest
from stages.contract import Doubt

NEARLY_ALL = 0.9
"""Share of a stage's documents from which a rule that drops them is worth a warning."""
ENOUGH = 20
"""Documents that a stage has to have seen for that."""


@dataclass(frozen=True)
class Finding:
    """A warning. ``where``: ``file:line``."""

    where: str
    message: str
    remedy: str


def findings(plan: Plan, pilot: Pilot) -> list[Finding]:
    """Everything that the pilot gives reason to look at."""
    books = pilot.books()
    stages = stage_estimates(plan, pilot)
    found = [
        *_empty_sources(plan, pilot),
        *_unreadable(plan, pilot),
        *_empty_fits(plan, pilot),
        *_greedy_rules(plan, [stage for stage in stages if stage.address not in pilot.asked]),
        *_idle_branches(plan, books),
        *_unmet_weights(plan, pilot),
    ]
    return list(dict.fromkeys(found))


def asking_findings(plan: Plan, found: Estimate) -> list[Finding]:
    """What the stages that ask others say of what the run is estimated to ask."""
    steps = [step for block in plan.blocks if isinstance(block, RowsBlock) for step in stage_steps(block.steps)]
    doubts = [(step.address, doubt) for step in steps for doubt in _asking_doubts(step, found.asked)]
    return [
        Finding(plan.recipe.where(address), f"{address}: {doubt.message}", doubt.remedy) for address, doubt in doubts
    ]


def _asking_doubts(step: StageStep, asked: Mapping[str, Mapping[str, Amount]]) -> Sequence[Doubt]:
    totals = {name: amount.value for name, amount in asked.get(step.address, {}).items()}
    rehearsal = step.stage.rehearsal
    if not totals or rehearsal is None:
        return ()
    return rehearsal.doubts(step.config, models_of([step]).get(step.address), totals)


def plan_findings(plan: Plan) -> list[Finding]:
    """What the plan alone gives reason to look at."""
    return [
        Finding(plan.recipe.where(f"{block.name}.scope"), f"{block.name}: {doubt.message}", doubt.remedy)
        for block in plan.blocks
        if isinstance(block, CorpusBlock)
        for doubt in block.spec.stage.doubts(block.spec.config, block.upstream.schema.names)
    ]


def _empty_sources(plan: Plan, pilot: Pilot) -> Iterator[Finding]:
    for name, chosen in pilot.chosen.items():
        rows = sum(reading.rows for one in chosen if (reading := pilot.readings.get(one.key)))
        if not rows:
            yield Finding(
                plan.recipe.where(f"sources.{name}"),
                f"source {name} gave no document in {len(chosen)} of its partitions",
                "look at its files, and at the columns that its settings name",
            )


def _unreadable(plan: Plan, pilot: Pilot) -> Iterator[Finding]:
    allowed = plan.recipe.max_errors
    for name, chosen in pilot.chosen.items():
        readings = [reading for one in chosen if (reading := pilot.readings.get(one.key))]
        bad = sum(reading.quarantined for reading in readings)
        records = bad + sum(reading.rows for reading in readings)
        if not records or bad / records <= allowed:
            continue
        factor = sum(one.stands_for for one in chosen) / max(1.0, sum(one.expected_bytes for one in chosen))
        if bad * factor > ALWAYS_ALLOWED:
            yield Finding(
                plan.recipe.where(f"sources.{name}"),
                f"{100 * bad / records:.1f} % of the records of source {name} cannot be read; "
                f"the run would stop at {100 * allowed:g} %",
                "mend the input, or raise max_errors if that is what it is like",
            )


def _empty_fits(plan: Plan, pilot: Pilot) -> Iterator[Finding]:
    for name in pilot.fits:
        yield Finding(
            plan.recipe.where(f"fits.{name}"),
            f"fit {name} has no documents to learn from in the pilot",
            "look at what the stages before it drop, or let it learn from other documents",
        )


def _greedy_rules(plan: Plan, stages: Sequence[StageEstimate]) -> Iterator[Finding]:
    for stage in stages:
        for rule, share in stage.dropped.items():
            if share >= NEARLY_ALL and stage.documents >= ENOUGH:
                yield Finding(
                    plan.recipe.where(stage.address),
                    f"{stage.address}:{rule} would drop {100 * share:.0f} % of the {stage.documents:,} documents "
                    "that reach it in the pilot",
                    "loosen its threshold, or leave the stage out if that is not wanted",
                )


def _idle_branches(plan: Plan, books: Books) -> Iterator[Finding]:
    reached = {entry.stage for entry in books if entry.kind == "in"}
    languages = sorted({entry.language for entry in books if entry.kind == "in" and entry.language != NO_LANGUAGE})
    for entry in plan.recipe.stages:
        if not isinstance(entry, RouteUse) or entry.brought:
            continue
        for value, uses in entry.branches.items():
            if uses and not any(use.address in reached for use in uses):
                seen = f"languages of the pilot: {', '.join(languages[:12])}" if entry.by == "language" else None
                yield Finding(
                    uses[0].where or entry.where,
                    f"no document of the pilot takes the branch {value!r} of the route by {entry.by}",
                    seen or f"look at the values of {entry.by}; rare ones may well be missing from a pilot",
                )


def _unmet_weights(plan: Plan, pilot: Pilot) -> Iterator[Finding]:
    """Weights of the mix that no tokenized document of the pilot would fill."""
    if plan.recipe.mix is None:
        return
    keys = {
        (domain, language)
        for phase in pilot.phases
        if phase.kind == "tokenize"
        for unit in phase.units
        for domain, language, *_ in unit.commit.facts["counts"]["by"]
    }
    if not keys:
        return
    names = {domain for domain, _ in keys} | {f"{domain}.{language}" for domain, language in keys}
    names |= {f"{domain}.other" for domain, _ in keys}
    for key in plan.recipe.mix.weights:
        if key not in names:
            yield Finding(
                plan.recipe.where(f"mix.weights.{key}"),
                f"no document of the pilot counts as {key!r} in the mix",
                suggest(key, names),
            )

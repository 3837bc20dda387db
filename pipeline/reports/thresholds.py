"""``gristmill thresholds``: thresholds for each language from the signals that a run stored.

For every value of a column (a language, a source, a domain), and for every threshold of the stages that are asked for:
the number that the method gives (:mod:`pipeline.reports.threshold_methods`), and how many of the run's documents it
would drop. Documents that the run dropped count like others, as far as they got.

Limits: a stage measured the documents that reached it, so behind a strict stage the next one's distribution is of what
that one kept. For thresholds that do not depend on each other, run the recipe with all of them switched off (``null``)
and derive them with ``every``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.blocks.steps import StageStep
from pipeline.errors import GristmillError, RunNotFound
from pipeline.recipe.problems import suggest
from pipeline.reports.joined_signals import signals_schema
from pipeline.reports.signal_distributions import Distributions, Judged, distributions, judge, key_column
from pipeline.reports.stored_run import StoredRun
from pipeline.reports.threshold_methods import METHODS, Method, Model, NotDerived
from pipeline.reports.threshold_scope import Request, Scope, scope_of
from pipeline.reports.watched_thresholds import Watched, number
from pipeline.runs import find_run
from stages.contract import Threshold


@dataclass(frozen=True)
class Derived:
    """A threshold.

    ``drops``: share of the run's documents with the signal that lie beyond; ``kept``: why it is the run's own.
    """

    watched: Watched
    value: Threshold
    drops: float
    kept: str | None = None


@dataclass(frozen=True)
class DerivedStage:
    """A use of a stage with its thresholds, and what all its rules together make of the documents."""

    step: StageStep
    thresholds: tuple[Derived, ...]
    judged: Judged = Judged()


@dataclass(frozen=True)
class Thresholds:
    """What came of a request.

    ``branches``: value → stages in their order. ``default``: stages of all other values, as in the run, or None where
    these pass by. ``few``: value → documents, of values that have too few.
    """

    run: StoredRun
    request: Request
    branches: Mapping[str, tuple[DerivedStage, ...]]
    default: tuple[StageStep, ...] | None
    few: Mapping[str, int]


def derive_thresholds(run: StoredRun, request: Request) -> Thresholds:
    """Thresholds for stages of one row block. Raises GristmillError for names that the run does not have."""
    _check_request(request)
    scope = scope_of(run, request)
    own = distributions(scope.rows, key_column(scope), scope.columns())
    measured = _measured(run, request, scope, own)
    documents = _documents(measured)
    values = _values(measured, own, request)
    work = _Derivation(request, scope, measured, own)
    branches = {value: work.stages(value) for value in values if documents[value] >= request.least}
    few = {value: documents[value] for value in values if documents[value] < request.least}
    return Thresholds(run, request, _judged(scope, branches), scope.default(), few)


def _check_request(request: Request) -> None:
    method = request.method
    if method.name not in METHODS:
        raise GristmillError(f"no method is called {method.name!r}", remedy=suggest(method.name, METHODS))
    if method.needs_model and request.like is None:
        remedy = f"name the {request.by} whose thresholds are right with --like, as in --like en"
        raise GristmillError(
            f"{method.name} carries thresholds over from one {request.by} to the others", remedy=remedy
        )
    if request.like is not None and not method.needs_model:
        carried = ", ".join(name for name in METHODS if Method(name).needs_model)
        raise GristmillError(f"{method.name} carries nothing over", remedy=f"--like is for {carried}")


def _measured(run: StoredRun, request: Request, scope: Scope, own: Distributions) -> Distributions:
    """The distributions that thresholds are derived from: the run's own, or the reference's."""
    name, columns = request.reference, scope.columns()
    if name is None:
        return own
    if name in run.recipe.sources:
        return distributions(scope.rows, key_column(scope), columns, [name])
    try:
        other = StoredRun.open(find_run(name))
    except RunNotFound as error:
        remedy = f"sources: {', '.join(run.recipe.sources)}; {error.remedy}"
        raise GristmillError(f"no source and no run is called {name!r}", remedy=remedy) from None
    there = scope_of(other, replace(request, stages=scope.names(), every=True))
    missing = sorted(set(columns) - set(signals_schema(there.rows).names))
    if missing:
        remedy = "run the reference through the same stages"
        raise GristmillError(f"run {name} did not measure {', '.join(missing)}", remedy=remedy)
    return distributions(there.rows, key_column(there), columns)


def _documents(measured: Distributions) -> dict[str, int]:
    """Value → documents that have the most frequent of the signals."""
    found: dict[str, int] = {}
    for (value, _), distribution in measured.items():
        found[value] = max(found.get(value, 0), distribution.documents)
    return found


def _values(measured: Distributions, own: Distributions, request: Request) -> list[str]:
    """The values to derive for, sorted. Raises GristmillError for one that no document has."""
    known = sorted({value for value, _ in measured} & {value for value, _ in own})
    for value in (*request.values, *([request.like] if request.like else [])):
        if value not in known:
            where = f" of {request.reference}" if request.reference else ""
            raise GristmillError(f"no document{where} has the {request.by} {value!r}", remedy=suggest(value, known))
    return [value for value in known if value in request.values] if request.values else known


@dataclass(frozen=True)
class _Derivation:
    """Derives the thresholds of one value after the other."""

    request: Request
    scope: Scope
    measured: Distributions
    own: Distributions

    def stages(self, value: str) -> tuple[DerivedStage, ...]:
        """The stages that rows of the value meet."""
        return tuple(
            DerivedStage(
                step, tuple(self.derived(value, step, item) for item in self.scope.watched.get(step.address, ()))
            )
            for step in self.scope.path(value)
        )

    def derived(self, value: str, step: StageStep, item: Watched) -> Derived:
        """One threshold; the run's own where the method gives none."""
        column = f"{step.name}.{item.signal}"
        found, kept = item.value, None
        try:
            found = self.threshold(value, column, item, self.model(step, item))
        except NotDerived as reason:
            kept = str(reason)
        bound, own = number(found), self.own.get((value, column))
        drops = 0.0 if bound is None or own is None else own.beyond(bound, item.side) / own.documents
        return Derived(item, found, drops, kept)

    def threshold(self, value: str, column: str, item: Watched, model: Model | None) -> float:
        if value == self.request.like:
            raise NotDerived(f"{value} is the model")
        if (value, column) not in self.measured:
            raise NotDerived("no document has the signal")
        found = self.request.method.threshold(self.measured[value, column], item.side, model)
        return float(math.floor(found) if item.side == "min" else math.ceil(found)) if item.whole else found

    def model(self, step: StageStep, item: Watched) -> Model | None:
        """The threshold of the same setting in the value that is followed."""
        like = self.request.like
        column = f"{step.name}.{item.signal}"
        if like is None or (like, column) not in self.measured:
            return None
        for other in self.scope.path(like):
            for found in self.scope.watched.get(other.address, ()):
                threshold = number(found.value)
                if other.name == step.name and found.key == item.key and threshold is not None:
                    return Model(self.measured[like, column], threshold)
        return None


def _judged(scope: Scope, branches: Mapping[str, tuple[DerivedStage, ...]]) -> dict[str, tuple[DerivedStage, ...]]:
    """The stages with what their rules would make of the run's documents."""
    rules = {
        (value, stage.step.name): stage.step.stage.rules(stage.step.config.model_copy(update=settings(stage)))
        for value, stages in branches.items()
        for stage in stages
    }
    found = judge(scope.rows, key_column(scope), rules)
    return {
        value: tuple(DerivedStage(stage.step, stage.thresholds, found[value, stage.step.name]) for stage in stages)
        for value, stages in branches.items()
    }


def settings(stage: DerivedStage) -> dict[str, Threshold]:
    """Setting → its threshold."""
    return {item.watched.key: item.value for item in stage.thresholds}

"""Which thresholds of a run are to be derived: the request, and the neighbouring stages that it means.

What comes out is a route that takes the place of those stages, so they have to stand together on the recipe's list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.blocks.steps import RouteStep, StageStep, Step, stage_steps
from pipeline.errors import GristmillError
from pipeline.recipe.problems import suggest
from pipeline.reports.stored_run import StoredRows, StoredRun
from pipeline.reports.threshold_methods import Method
from pipeline.reports.watched_thresholds import Watched, watched_thresholds


@dataclass(frozen=True)
class Request:
    """What to derive.

    ``by``: the column whose values get thresholds of their own. ``like``: the value whose thresholds are carried over.
    ``reference``: a source of the run, or another run, whose documents are looked at instead of all of this run's.
    ``stages``, ``signals``, ``values``: only these; all if empty. ``every``: rules that the run had switched off too.
    ``least``: fewest documents that a value needs.
    """

    method: Method
    by: str = "language"
    like: str | None = None
    reference: str | None = None
    stages: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    every: bool = False
    least: int = 100


@dataclass(frozen=True)
class Scope:
    """Neighbouring steps of a row block, those before and after, and which of their thresholds are looked at."""

    rows: StoredRows
    steps: tuple[Step, ...]
    by: str
    before: tuple[Step, ...]
    after: tuple[Step, ...]
    watched: Mapping[str, tuple[Watched, ...]]

    def path(self, value: str) -> tuple[StageStep, ...]:
        """Stages that rows of the value meet."""
        found: list[StageStep] = []
        for step in self.steps:
            if isinstance(step, StageStep):
                found.append(step)
            else:
                found += step.branches.get(value, step.default or ())
        return tuple(found)

    def default(self) -> tuple[StageStep, ...] | None:
        """Stages that rows of any other value meet; None if these pass by."""
        if all(isinstance(step, RouteStep) and step.default is None for step in self.steps):
            return None
        lists = [(step,) if isinstance(step, StageStep) else step.default or () for step in self.steps]
        return tuple(step for steps in lists for step in steps)

    def columns(self) -> list[str]:
        """Columns of the signals table that the thresholds look at, each once."""
        names = {step.address: step.name for step in stage_steps(self.steps)}
        found = [f"{names[address]}.{item.signal}" for address, items in self.watched.items() for item in items]
        return list(dict.fromkeys(found))

    def names(self) -> tuple[str, ...]:
        """Names of the stages whose thresholds are looked at."""
        return tuple(_names(self.steps, self.watched))


def scope_of(run: StoredRun, request: Request) -> Scope:
    """The steps from the first to the last chosen stage. Raises GristmillError where they do not stand together."""
    watched = {step.address: _looked_at(step, request) for rows in run.rows for step in stage_steps(rows.steps)}
    watched = {address: found for address, found in watched.items() if found}
    _check_names(run, request, watched)
    places = [
        (index, place)
        for index, rows in enumerate(run.rows)
        for place, step in enumerate(rows.steps)
        if any(inner.address in watched for inner in stage_steps([step]))
    ]
    if places[0][0] != places[-1][0]:
        blocks = sorted({index for index, _ in places})
        names = " | ".join(" ".join(_names(run.rows[index].steps, watched)) for index in blocks)
        remedy = f"name stages of one block with --stage: {names}"
        raise GristmillError("these stages stand in different blocks of the run", remedy=remedy)
    rows = run.rows[places[0][0]]
    first, last = places[0][1], places[-1][1]
    scope = Scope(rows, rows.steps[first : last + 1], request.by, rows.steps[:first], rows.steps[last + 1 :], watched)
    _check_steps(scope)
    return scope


def _looked_at(step: StageStep, request: Request) -> tuple[Watched, ...]:
    """The thresholds of a use that are asked for; of a stage that writes the column by which they differ, none."""
    if (request.stages and step.name not in request.stages) or request.by in step.stage.writes(step.config):
        return ()
    wanted = (item for item in watched_thresholds(step.stage, step.config) if item.on or request.every)
    return tuple(item for item in wanted if not request.signals or item.signal in request.signals)


def _names(steps: Sequence[Step], chosen: Mapping[str, object]) -> list[str]:
    return list(dict.fromkeys(step.name for step in stage_steps(steps) if step.address in chosen))


def _check_names(run: StoredRun, request: Request, chosen: Mapping[str, tuple[Watched, ...]]) -> None:
    steps = [step for rows in run.rows for step in stage_steps(rows.steps)]
    known = {step.name: list(watched_thresholds(step.stage, step.config)) for step in steps}
    known = {name: found for name, found in known.items() if found}
    for name in request.stages:
        if name not in known:
            raise GristmillError(f"no stage with thresholds is called {name!r}", remedy=suggest(name, known))
    signals = [item.signal for name, found in known.items() for item in found if name in (request.stages or known)]
    for name in request.signals:
        if name not in signals:
            raise GristmillError(f"no threshold looks at a signal {name!r}", remedy=suggest(name, signals))
    if not chosen:
        remedy = f"give --all to derive switched off ones of {', '.join(known)}" if known else "add a stage with rules"
        raise GristmillError(f"run {run.run.name} has no threshold that is switched on", remedy=remedy)


def _check_steps(scope: Scope) -> None:
    """A route of another column cannot become one by this, and the column has to stay the same on the way."""
    for step in scope.steps:
        if isinstance(step, RouteStep) and step.by != scope.by:
            names = ", ".join(_names([step], scope.watched)) or "a stage in between"
            raise GristmillError(
                f"{names} stands in a route by {step.by}, and routes do not stand inside routes",
                remedy=f"give --by {step.by}, or other stages with --stage",
            )
    for inner in stage_steps(scope.steps):
        if scope.by in inner.stage.writes(inner.config):
            remedy = "name stages on one side of it with --stage"
            raise GristmillError(f"stage {inner.address} writes the column {scope.by}", remedy=remedy)

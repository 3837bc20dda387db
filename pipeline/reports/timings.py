"""How long a run took, by phase and stage: kept apart from the report, whose bytes do not depend on it."""

from __future__ import annotations

import time

from pipeline.reports.amounts import grouped
from pipeline.reports.collect import Collected
from pipeline.reports.model import PhaseTimes, StageTimes, Timings
from pipeline.reports.stored_run import StoredRun


def build_timings(run: StoredRun, found: Collected) -> Timings:
    """How long each phase and stage took."""
    bytes_in = {
        stage: sum(entry.bytes for entry in entries if entry.kind == "in")
        for stage, entries in grouped(list(found.books), lambda entry: entry.stage).items()
    }
    computed = list(run.run.executed.values())
    phases = []
    for index, phase in enumerate(run.phases):
        seconds = dict(found.seconds[index])
        total = seconds.pop("total", None)
        phases.append(
            PhaseTimes(
                kind=phase.kind,
                name=phase.name,
                units=len(phase.block.units),
                computed=computed[index] if index < len(computed) else 0,
                seconds=round(sum(seconds.values()) if total is None else total, 3),
                stages={name: _stage_times(value, bytes_in.get(name, 0)) for name, value in seconds.items()},
            )
        )
    ended = run.run.finished or time.time()
    return Timings(
        started=run.run.started,
        seconds=round(ended - run.run.started, 3),
        executor=run.run.executor,
        workers=run.run.workers,
        phases=phases,
    )


def _stage_times(seconds: float, n_bytes: int) -> StageTimes:
    speed = round(n_bytes / 1e6 / seconds, 2) if seconds > 0 and n_bytes else None
    return StageTimes(seconds=round(seconds, 3), bytes=n_bytes, mb_per_s=speed)

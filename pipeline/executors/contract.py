"""What an executor is: it runs the units of a work and hands back commits in any order.

Failures fall into three kinds. An error that the user must mend (GristmillError) and a bug in a stage stop the
run. A system failure (a worker dies, a node goes, the object store answers nothing) is retried. A unit that has
killed its worker twice is searched for the row that does it (:mod:`pipeline.blocks.crash`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from pipeline.blocks.work import Unit, Work
from pipeline.store import Commit

SYSTEM_RETRIES = 4
"""Times that a unit is tried again after a failure that is not its own (node lost, connection reset)."""
CRASHES = 2
"""Times that a unit may kill its worker before its rows are searched."""


class Executor(Protocol):
    """Runs units. ``workers``: how many at a time."""

    @property
    def workers(self) -> int: ...

    def run(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        """Run all units, at most a small window ahead of what was taken. Yields in order of completion."""
        ...

    def close(self) -> None:
        """Give back processes; a Ray that was started for the run is stopped."""
        ...


@dataclass(frozen=True)
class WorkerDied(Exception):
    """The process that ran the unit is gone (signal, out of memory)."""

    label: str

    def __str__(self) -> str:
        return f"the worker that ran {self.label} died"

"""Work and units: what executors carry to workers.

A :class:`Work` is made once per block and pickled once; a :class:`Unit` is one small piece of it. Running the
same unit twice gives the same bytes, so executors may retry, double or move it as they like.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pipeline.store import BlockStore, Commit


class Unit(Protocol):
    """One piece of a block's work. ``key`` names its commit; ``label`` is what a message calls it."""

    @property
    def key(self) -> str: ...

    @property
    def label(self) -> str: ...


class Work(Protocol):
    """What a block does with each of its units. Must be picklable; ``name`` is what progress calls it."""

    @property
    def name(self) -> str: ...

    @property
    def store(self) -> BlockStore: ...

    def run(self, unit: Unit) -> Commit:
        """Compute the unit and commit it. Raises GristmillError for what the user must mend."""
        ...


@dataclass(frozen=True)
class Done:
    """A unit that is committed."""

    unit: Unit
    commit: Commit

"""Stages that ask others at a price: in a pilot their rehearsals stand in for them, and note what they would ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import pyarrow as pa

from pipeline.blocks.steps import RouteStep, StageStep, Step
from stages.contract import ADDRESS, ORDINAL_BITS, Applied, Questions, RowStage

ASKED = "questions"
"""Name of the number of questions, beside the amounts that a stage names."""


@dataclass
class Noted:
    """Questions that stages would ask, each once: it is paid for once, whichever stage comes first."""

    _questions: dict[str, tuple[str, int, dict[str, float]]] = field(default_factory=dict)
    _stages: dict[str, None] = field(default_factory=dict)

    def add(self, address: str, batch: pa.RecordBatch, asked: Questions) -> None:
        """Note what the stage would ask about rows of the batch."""
        self._stages.setdefault(address)
        addresses = batch.column(ADDRESS).take(pa.array(asked.rows)).to_pylist()
        partitions = [int(address) >> ORDINAL_BITS for address in addresses]
        for place, (key, number) in enumerate(zip(asked.keys, partitions, strict=True)):
            amounts = {name: float(values[place]) for name, values in asked.amounts.items()}
            self._questions.setdefault(key, (address, number, {ASKED: 1.0, **amounts}))

    def totals(self) -> dict[str, dict[str, dict[int, float]]]:
        """Stage's address → amount → number of the partition → its sum. Of stages that would ask nothing: empty."""
        found: dict[str, dict[str, dict[int, float]]] = {
            address: defaultdict(lambda: defaultdict(float)) for address in self._stages
        }
        for address, number, amounts in self._questions.values():
            for name, value in amounts.items():
                found[address][name][number] += value
        return found


@dataclass(frozen=True)
class RehearsedStep(StageStep):
    """A use of a stage that asks others, as a pilot has it."""

    noted: Noted = field(default_factory=Noted, compare=False)

    @property
    def stage(self) -> RowStage:
        return replace(super().stage, apply=self._rehearse)

    def _rehearse(self, batch: pa.RecordBatch, config: Any, model: Any) -> Applied:
        rehearsal = super().stage.rehearsal
        assert rehearsal is not None
        applied, asked = rehearsal.apply(batch, config, model)
        self.noted.add(self.address, batch, asked)
        return applied


def rehearsed(steps: Sequence[Step], noted: Noted) -> tuple[Step, ...]:
    """The steps, with rehearsals for those that have one."""
    return tuple(_rehearsed(step, noted) for step in steps)


def _rehearsed(step: Step, noted: Noted) -> Step:
    if isinstance(step, RouteStep):
        branches = {value: tuple(_of_stage(one, noted) for one in branch) for value, branch in step.branches.items()}
        default = None if step.default is None else tuple(_of_stage(one, noted) for one in step.default)
        return RouteStep(step.by, branches, default)
    return _of_stage(step, noted)


def _of_stage(step: StageStep, noted: Noted) -> StageStep:
    if step.stage.rehearsal is None:
        return step
    return RehearsedStep(**{each.name: getattr(step, each.name) for each in fields(StageStep)}, noted=noted)

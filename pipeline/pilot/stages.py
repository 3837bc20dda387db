"""What each stage did to the documents of a pilot: how fast it is, and the share that each of its rules drops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.books import READ
from pipeline.pilot.engine import Pilot
from pipeline.plan import Plan


@dataclass(frozen=True)
class StageEstimate:
    """A stage in the pilot.

    ``seen``: share of the pilot's documents that came to it; ``dropped``: rule → share of those that came to it.
    """

    address: str
    documents: int
    seen: float
    mb_per_s: float | None
    dropped: Mapping[str, float]


def stage_estimates(plan: Plan, pilot: Pilot) -> list[StageEstimate]:
    """What each stage did to the pilot's documents, in the plan's order.

    Corpus stages are left out: what they drop is not the pilot's to know.
    """
    came, dropped = _came_and_dropped(pilot)
    spent = _stage_seconds(pilot)
    corpus = {phase.name for phase in pilot.phases if phase.kind == "sketch"}
    read = came.get(READ, (0, 0))[0]
    found = []
    for name in (READ, *(use.address for use in plan.recipe.uses())):
        if name not in came or name in corpus:
            continue
        documents, n_bytes = came[name]
        rules = {rule: count / documents for rule, count in dropped.get(name, {}).items() if documents}
        speed = _read_speed(pilot) if name == READ else n_bytes / 1e6 / spent[name] if spent.get(name) else None
        found.append(StageEstimate(name, documents, documents / read if read else 0.0, speed, rules))
    return found


def _came_and_dropped(pilot: Pilot) -> tuple[dict[str, tuple[int, int]], dict[str, dict[str, int]]]:
    """Stage → (documents, bytes) that came in, and stage → rule → documents that it dropped."""
    came: dict[str, tuple[int, int]] = {}
    dropped: dict[str, dict[str, int]] = {}
    for entry in pilot.books():
        if entry.kind == "in":
            documents, n_bytes = came.get(entry.stage, (0, 0))
            came[entry.stage] = documents + entry.documents, n_bytes + entry.bytes
        elif entry.kind == "dropped":
            rules = dropped.setdefault(entry.stage, {})
            rules[entry.reason] = rules.get(entry.reason, 0) + entry.documents
    return came, dropped


def _stage_seconds(pilot: Pilot) -> dict[str, float]:
    spent: dict[str, float] = {}
    for phase in pilot.phases:
        for unit in phase.units if phase.kind == "rows" else ():
            for name, value in unit.commit.seconds.items():
                spent[name] = spent.get(name, 0.0) + value
    return spent


def _read_speed(pilot: Pilot) -> float | None:
    """MB of text a second that the readers gave, what was not used included."""
    seconds = sum(reading.seconds for reading in pilot.readings.values())
    return sum(reading.text_bytes for reading in pilot.readings.values()) / 1e6 / seconds if seconds else None

"""Runs the phases of a corpus stage on a few rows, and their slow, obvious twin."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.blocks.reading import BlockUnit, rows_between
from pipeline.blocks.sketch import CorpusSpec
from pipeline.blocks.work import Unit, Work
from pipeline.corpus_phases import CorpusPhases
from pipeline.plan import Block, CorpusBlock, RowsBlock
from pipeline.storage import Folder
from pipeline.store import Attempt, BlockStore, Commit
from stages.contract import ADDRESS, ORDINAL_BITS, StageConfig
from tests.batches import documents
from tests.fake_corpus_stages import NearConfig, jaccard, numbers

PLENTY = 2**40


class Stopped(Exception):
    """The test stops the run here."""


@dataclass
class Phases:
    """An engine for one corpus block: runs what is not committed yet, in an order that the seed shuffles.

    ``stop_after``: units after which it stops. ``ran``: kind → units that it computed. ``commits``: kind → of the last
    phase of that kind.
    """

    seed: int | None = None
    stop_after: int | None = None
    ran: dict[str, int] = field(default_factory=dict)
    commits: dict[str, list[Commit]] = field(default_factory=dict)

    def phase(self, kind: str, name: str, block: Block | None, work: Work, units: Sequence[Unit]) -> list[Commit]:
        assert len({unit.key for unit in units}) == len(units)
        order = list(units)
        if self.seed is not None:
            random.Random(self.seed).shuffle(order)
        there = work.store.committed()
        for unit in order:
            if unit.key in there:
                continue
            if self.stop_after is not None and sum(self.ran.values()) >= self.stop_after:
                raise Stopped
            work.run(unit)
            self.ran[kind] = self.ran.get(kind, 0) + 1
        self.commits[kind] = list(work.store.read_many([unit.key for unit in units]))
        return self.commits[kind]


def stored(folder: Path, parts: Mapping[int, Sequence[str]]) -> list[BlockUnit]:
    """Partition number → texts, as units of a row block; in the order in which they are given."""
    store = BlockStore(Folder(str(folder / "documents")))
    units = []
    for number, texts in parts.items():
        attempt = Attempt(store, f"p{number}")
        batch = documents(texts, number=number)
        with attempt.arrow("docs", batch.schema, None) as sink:
            for start in range(0, batch.num_rows, 7000):
                sink.write(batch.slice(start, 7000))
        commit = attempt.commit([], {}, {})
        units.append(BlockUnit(f"p{number}", number, "news", store, commit.files["docs"]))
    return units


def patches_of(
    folder: Path,
    parts: Mapping[int, Sequence[str]],
    config: StageConfig | None = None,
    engine: Phases | None = None,
    memory_bytes: int = PLENTY,
    kind: str = "fake_near",
) -> list[dict[str, Any]]:
    """What the stage decides of the rows, by address."""
    units = stored(folder, parts)
    spec = CorpusSpec("near", kind, config or NearConfig())
    store = BlockStore(Folder(str(folder / "dedup")))
    before = RowsBlock("rows", "r", units[0].store, (), pa.schema([]))
    block = CorpusBlock("near", "f", store, spec, before)
    found = CorpusPhases(engine or Phases(), block, memory_bytes).run(units)
    rows: list[dict[str, Any]] = []
    for number in sorted(found):
        patches = found[number][0]
        first = number << ORDINAL_BITS
        batch = rows_between(patches.store, patches.file, first, first + (1 << ORDINAL_BITS) - 1)
        rows += batch.to_pylist()
    return rows


def split(texts: Sequence[str], number_of: Callable[[int], int]) -> dict[int, list[str]]:
    """Texts by partition."""
    parts: dict[int, list[str]] = {}
    for index, text in enumerate(texts):
        parts.setdefault(number_of(index), []).append(text)
    return parts


def expected(parts: Mapping[int, Sequence[str]], threshold: float) -> dict[int, tuple[int, float, int]]:
    """Address → (survivor, similarity, size), of rows in clusters of two or more; ranks are equal.

    Buckets are all rows that share a number; edges lead from the first row of each to every other one that is similar
    enough. The rest is the definition: first come, first served, in the order in which partitions are given.
    """
    rows = {number << ORDINAL_BITS | at: numbers(t) for number, texts in parts.items() for at, t in enumerate(texts)}
    near: dict[int, set[int]] = {address: set() for address in rows}
    for value in {value for one in rows.values() for value in one}:
        bucket = [address for address, one in rows.items() if value in one]
        for other in bucket[1:]:
            if jaccard(rows[bucket[0]], rows[other]) >= threshold:
                near[bucket[0]].add(other)
                near[other].add(bucket[0])
    survivor: dict[int, int] = {}
    for address in rows:
        if address not in survivor:
            survivor[address] = address
            survivor |= {other: address for other in near[address] if other not in survivor}
    sizes = {one: sum(other == one for other in survivor.values()) for one in survivor.values()}
    return {
        address: (one, 1.0 if one == address else jaccard(rows[address], rows[one]), sizes[one])
        for address, one in survivor.items()
        if sizes[one] > 1
    }


def by_address(rows: Sequence[Mapping[str, Any]]) -> dict[int, tuple[int, float, int]]:
    """Patches as :func:`expected` has them."""
    return {row[ADDRESS]: (row["survivor"], row["similarity"], row["cluster_size"]) for row in rows}

"""The formula of near deduplication is what the phases write and hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pipeline import machine
from pipeline.blocks.work import Unit, Work
from pipeline.pilot.dedup import CANDIDATES, VERIFIED, dedup_estimate, near_phases
from pipeline.plan import Block
from pipeline.store import Commit
from tests import fake_stages
from tests.fake_corpus_stages import NearConfig
from tests.pipeline.blocks.near.corpus_fakes import Phases, patches_of, split

DOCUMENTS, BANDS = 20_000, 12


@pytest.fixture(autouse=True, scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        fake_stages.install(tmp_path_factory.mktemp("installed"), patch)
        yield


class Weighed(Phases):
    """Notes bytes on disk, and memory beyond that at the beginning, of every phase."""

    def __init__(self) -> None:
        super().__init__()
        self.disk: dict[str, int] = {}
        self.memory: dict[str, int] = {}

    def phase(self, kind: str, name: str, block: Block | None, work: Work, units: Sequence[Unit]) -> list[Commit]:
        before = machine.resident_bytes()
        machine.reset_peak()
        commits = super().phase(kind, name, block, work, units)
        if kind != "sketch":
            self.memory[kind] = machine.peak_bytes() - before
        size = sum(file.bytes for commit in commits for file in commit.files.values())
        self.disk[kind] = self.disk.get(kind, 0) + size
        return commits


@pytest.mark.parametrize("budget", [1, 2**40])
def test_disk_and_memory_are_as_the_formula_says(tmp_path: Path, budget: int) -> None:
    """Within 10 % of disk on documents of which half have a copy; memory is not more than it says by 16 MB."""
    texts = [" ".join(str(16 * (i // 2) + k) for k in range(BANDS)) for i in range(DOCUMENTS)]
    engine = Weighed()
    parts = split(texts, lambda index: 1 + index % 2)
    found = patches_of(tmp_path, parts, NearConfig(threshold=0.9), engine, memory_bytes=budget)
    assert len(found) == DOCUMENTS
    # a list has offsets: 8 bytes beside its values of 8 bytes
    lanes = 2 * BANDS + 2
    said = dedup_estimate(DOCUMENTS, BANDS, lanes, candidates=0.5 / VERIFIED, memory_bytes=budget)
    assert engine.disk["sketch"] == pytest.approx(said.disk["sketch"], rel=0.1)
    assert engine.disk["link"] == pytest.approx(said.disk["link"] * VERIFIED, rel=0.1)
    assert engine.disk["gather"] == pytest.approx(said.disk["gather"] * VERIFIED, rel=0.1)
    for kind in ("verify", "label"):
        assert engine.disk[kind] == pytest.approx(said.disk[kind], rel=0.1)
    rounds = sum(engine.disk.get(kind, 0) for kind in ("spread", "large_star", "small_star", "components"))
    assert rounds <= said.disk["components"] * 1.1
    assert max(engine.memory.values()) < said.memory_bytes + 2**24


def test_memory_does_not_grow_with_the_corpus() -> None:
    """Beyond the sizes of its tasks and the budget, a corpus 1,000 times as large needs the same memory."""
    small, large = (dedup_estimate(n, 14, 112, memory_bytes=2**30).memory_bytes for n in (10**7, 10**10))
    assert large <= small <= 2**30


def test_disk_is_linear_but_for_merges() -> None:
    """Ten times the documents take ten times the disk; more than 128 files of a kind are merged once more."""
    one, ten, more = (dedup_estimate(n, 14, 112, memory_bytes=1) for n in (10**7, 10**8, 10**10))
    assert ten.disk_bytes - ten.disk["merge"] == pytest.approx(10 * one.disk_bytes, rel=0.01)
    assert one.disk["merge"] == 0 and one.units["gather"] < 128 < ten.units["gather"] < 128**2 < more.units["link"]
    pairs = ten.disk["gather"] + ten.disk["label"]
    assert ten.disk["merge"] == pytest.approx(pairs + ten.disk["link"])
    assert more.disk["merge"] == pytest.approx(2 * (100 * pairs + more.disk["link"]))
    assert dedup_estimate(10**6, 14, 112, partitions=128).disk["merge"] == 0
    assert dedup_estimate(10**6, 14, 112, partitions=129).disk["merge"] == 24 * 14 * 10**6


def test_phases_are_ranges() -> None:
    """How many copies there are is not known: few, likely and many are told apart."""
    for phase in near_phases(10**7, 14, 112, 2**31):
        assert phase.disk[0] < phase.disk[1] < phase.disk[2]
        assert phase.seconds[0] < phase.seconds[1] < phase.seconds[2]
        assert phase.units >= 1
    assert list(CANDIDATES) == sorted(CANDIDATES)

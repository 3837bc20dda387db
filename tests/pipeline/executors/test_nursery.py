"""Workers that are forked from one process: what they have in common with it, and what outlives whom."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.blocks.work import Unit
from pipeline.executors.local import LocalExecutor
from pipeline.executors.nursery import Nursery, early_nursery, let_go
from pipeline.storage import Folder
from pipeline.store import Attempt, BlockStore, Commit

BURNT_SECONDS = 0.5


@dataclass(frozen=True)
class Asked:
    """What the worker shall do."""

    key: str
    what: str = ""

    @property
    def label(self) -> str:
        return self.key


@dataclass(frozen=True)
class Asking:
    """Commits what a worker says of itself."""

    name: str
    store: BlockStore

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, Asked)
        if unit.what == "burn":
            end = time.process_time() + BURNT_SECONDS
            while time.process_time() < end:
                pass
        if unit.what == "fail":
            raise ValueError("a bug")
        facts = {"pid": os.getpid(), "parent": os.getppid(), "path": sys.path}
        return Attempt(self.store, unit.key).commit([], facts, {})


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    return Asking("asking", BlockStore(Folder(str(tmp_path / "store"))))


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


def answer(nursery: Nursery, asking: Asking, what: str = "") -> Any:
    """What a new worker says, which then ends."""
    worker = nursery.worker()
    worker.send_bytes(pickle.dumps(asking))
    worker.send_bytes(pickle.dumps(Asked("one", what)))
    try:
        return worker.recv()
    finally:
        let_go(worker)


def test_workers_find_what_the_driver_finds(nursery: Nursery, asking: Asking) -> None:
    """A worker looks for modules where the driver does; so modules of the user's, as this test's, are found."""
    assert answer(nursery, asking).facts["path"] == sys.path


def test_an_error_comes_back_as_a_value(nursery: Nursery, asking: Asking) -> None:
    """A bug ends its unit and no worker."""
    assert "ValueError: a bug" in str(answer(nursery, asking, "fail"))


def test_workers_of_a_run_cost_what_they_cost(asking: Asking) -> None:
    """The processor time of workers counts as that of the driver's children once the executor is closed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    executor = LocalExecutor(2)
    list(executor.run(asking, [Asked("one", "burn"), Asked("two", "burn")]))
    executor.close()
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before > 2 * BURNT_SECONDS


def test_a_killed_nursery_is_replaced(asking: Asking) -> None:
    """Its workers live on; those that are needed after them come from a new one."""
    executor = LocalExecutor(2)
    [(_, first)] = executor.run(asking, [Asked("one")])
    os.kill(first.facts["parent"], signal.SIGKILL)
    found = {unit.key: commit for unit, commit in executor.run(asking, [Asked(f"u{n}") for n in range(20)])}
    executor.close()
    assert sorted(found) == sorted(f"u{n}" for n in range(20))


def test_a_worker_that_died_idle_harms_nothing(asking: Asking) -> None:
    """Its next unit is given to another one."""
    executor = LocalExecutor(2)
    [(_, first)] = executor.run(asking, [Asked("one")])
    os.kill(first.facts["pid"], signal.SIGKILL)
    [(_, second)] = executor.run(asking, [Asked("two")])
    executor.close()
    assert second.facts["pid"] != first.facts["pid"]


def test_workers_end_with_the_executor(asking: Asking) -> None:
    """After close() there is neither a worker nor a nursery, also where a run was broken off."""
    executor = LocalExecutor(2)
    units = executor.run(asking, [Asked(f"u{n}", "burn") for n in range(4)])
    _, first = next(units)
    del units
    executor.close()
    for process in (first.facts["pid"], first.facts["parent"]):
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_one_is_started_early_only_where_it_is_needed() -> None:
    """Not for Ray, not for one worker, and not where the recipe may say either."""
    for executor, workers in (("ray", 2), ("local", 1), ("local", None), (None, 2)):
        with early_nursery(executor, workers) as none:
            assert none is None
    with early_nursery("local", 2) as some:
        assert isinstance(some, Nursery)

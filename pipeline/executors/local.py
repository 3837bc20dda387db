"""The local executor: in this process with one worker, in child processes with more.

One worker in-process is the easiest to debug. A crash there takes the run with it, so a note of the unit at
work is left beside the commits: after two deaths at the same unit the next start searches its rows.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait

from pipeline.blocks.crash import run_around_crashes
from pipeline.blocks.work import Unit, Work
from pipeline.executors.contract import CRASHES, SYSTEM_RETRIES
from pipeline.executors.nursery import Nursery, Worker, let_go
from pipeline.executors.worker import run_unit
from pipeline.store import Commit


class LocalExecutor:
    """Runs units on this machine without Ray. ``nursery``: one that was started before; it is closed with this."""

    def __init__(self, workers: int = 1, nursery: Nursery | None = None) -> None:
        self.workers = workers
        self._nursery = nursery or (Nursery() if workers > 1 else None)
        self._idle: list[Worker] = []

    def run(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        if self.workers == 1:
            yield from self._run_here(work, units)
        else:
            yield from self._run_in_pool(work, units)

    def close(self) -> None:
        while self._idle:
            let_go(self._idle.pop())
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None

    def _run_here(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        note = _Note(work)
        for unit in units:
            if note.deaths(unit) >= CRASHES:
                yield unit, run_around_crashes(work, unit)
                continue
            note.begin(unit)
            try:
                commit = _retried(work, unit)
            finally:
                note.end()
            yield unit, commit

    def _run_in_pool(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        pickled = pickle.dumps(work)
        waiting: dict[Worker, Unit] = {}
        crashes: dict[str, int] = {}
        queue = iter(units)
        retry: list[Unit] = []
        try:
            while True:
                while len(waiting) < self.workers and (unit := _next(retry, queue)) is not None:
                    if crashes.get(unit.key, 0) >= CRASHES:
                        yield unit, run_around_crashes(work, unit)
                    else:
                        waiting[self._at_work(pickled, pickle.dumps(unit))] = unit
                if not waiting:
                    return
                for worker in [worker for worker in wait(list(waiting)) if isinstance(worker, Connection)]:
                    unit = waiting.pop(worker)
                    try:
                        result = worker.recv()
                    except (EOFError, OSError):
                        worker.close()
                        crashes[unit.key] = crashes.get(unit.key, 0) + 1
                        retry.append(unit)
                        continue
                    self._idle.append(worker)
                    yield unit, result if isinstance(result, Commit) else _retried(work, unit, result)
        finally:
            for worker in waiting:
                let_go(worker)

    def _at_work(self, work: bytes, unit: bytes) -> Worker:
        """A worker that has been given the unit: an idle one, or a new one."""
        worker = self._idle.pop() if self._idle else self._new_worker()
        with suppress(OSError):  # it has died: receiving says so
            worker.send_bytes(work)
            worker.send_bytes(unit)
        return worker

    def _new_worker(self) -> Worker:
        if self._nursery is not None:
            try:
                return self._nursery.worker()
            except OSError:  # killed; workers that it made live on
                self._nursery.close()
        self._nursery = Nursery()
        return self._nursery.worker()


def _retried(work: Work, unit: Unit, failure: BaseException | None = None) -> Commit:
    """The unit's commit, tried again after system failures. Raises the error that is not one, or the last."""
    for _ in range(SYSTEM_RETRIES):
        if isinstance(failure, BaseException) and not isinstance(failure, OSError):
            raise failure
        result = run_unit(work, unit)
        if isinstance(result, Commit):
            return result
        failure = result
    assert failure is not None
    raise failure


def _next(retry: list[Unit], queue: Iterator[Unit]) -> Unit | None:
    return retry.pop(0) if retry else next(queue, None)


class _Note:
    """Which unit is at work in this process, and how often it was when the process died."""

    def __init__(self, work: Work) -> None:
        folder = work.store.folder
        self._path = folder.file("at_work.json") if folder.is_local else None
        self._died: dict[str, int] = {}
        if self._path and os.path.exists(self._path):
            try:
                with open(self._path) as stream:
                    self._died = json.load(stream)
            except ValueError:
                pass  # the process died while it wrote the note, before it began the unit

    def deaths(self, unit: Unit) -> int:
        return self._died.get(unit.key, 0)

    def begin(self, unit: Unit) -> None:
        if self._path:
            with open(self._path, "w") as stream:
                json.dump({unit.key: self.deaths(unit) + 1}, stream)

    def end(self) -> None:
        if self._path:
            try:
                os.unlink(self._path)
            except FileNotFoundError:
                pass  # another run that shares the block has ended a unit of its own

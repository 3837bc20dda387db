"""The local executor: in this process with one worker, in child processes with more.

One worker in-process is the easiest to debug. A crash there takes the run with it, so a note of the unit at
work is left beside the commits: after two deaths at the same unit the next start searches its rows.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

import gristmill
from pipeline.blocks.crash import run_around_crashes
from pipeline.blocks.work import Unit, Work
from pipeline.executors.contract import CRASHES, SYSTEM_RETRIES
from pipeline.executors.worker import run_unit
from pipeline.store import Commit

WINDOW = 2
"""Units in flight per worker: one at work and one waiting."""


class LocalExecutor:
    """Runs units on this machine without Ray."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def run(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        if self.workers == 1:
            yield from self._run_here(work, units)
        else:
            yield from self._run_in_pool(work, units)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

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
        waiting: dict[Future[Commit | BaseException], Unit] = {}
        crashes: dict[str, int] = {}
        queue = iter(units)
        retry: list[Unit] = []
        while True:
            while len(waiting) < WINDOW * self.workers and (unit := _next(retry, queue)) is not None:
                if crashes.get(unit.key, 0) >= CRASHES:
                    yield unit, run_around_crashes(work, unit)
                else:
                    waiting[self._submit(pickled, unit)] = unit
            if not waiting:
                return
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            broken = False
            for future in finished:
                unit = waiting.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    broken = True
                    crashes[unit.key] = crashes.get(unit.key, 0) + 1
                    retry.append(unit)
                    continue
                result = future.result()
                yield unit, result if isinstance(result, Commit) else _retried(work, unit, result)
            if broken:
                retry.extend(waiting.values())
                waiting.clear()
                self.close()

    def _submit(self, pickled: bytes, unit: Unit) -> Future[Commit | BaseException]:
        try:
            return self._live_pool().submit(gristmill.run_pickled, pickled, pickle.dumps(unit))
        except BrokenProcessPool:  # a worker died since the last look; its unit's future says so
            self.close()
            return self._live_pool().submit(gristmill.run_pickled, pickled, pickle.dumps(unit))

    def _live_pool(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.workers, mp_context=multiprocessing.get_context("spawn"))
        return self._pool


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

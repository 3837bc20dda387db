"""The Ray executor: the only file that knows Ray.

Tasks enter workers through the module ``gristmill``: a worker's path begins with the driver's working directory
and script folder, so the task's function must not be found by a common name; it is pickled by value here and
imports ``gristmill`` from the folder it is told, which pins our packages before the work is unpickled.

Retries are ours, not Ray's: a worker that dies of its unit counts as a crash of that unit, a node that goes
does not.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError, WorkerCrashedError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import gristmill
from pipeline.blocks.crash import run_around_crashes
from pipeline.blocks.work import Unit, Work
from pipeline.errors import StoreError
from pipeline.executors.contract import CRASHES, SYSTEM_RETRIES
from pipeline.store import Commit

WINDOW = 2


class RayExecutor:
    """Runs units as Ray tasks. Without an address a Ray is started on this machine, and stopped by close()."""

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        self._started = not ray.is_initialized()
        if self._started:
            _start(workers, address)
        self._workers = workers
        self._task = _remote_task()
        if self._started and address is None:
            ray.get([self._task.remote(gristmill.ROOT) for _ in range(self.workers)])

    @property
    def workers(self) -> int:
        if self._workers is not None:
            return self._workers
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray is typed only in part
        return max(1, int(resources.get("CPU", 1)))

    def close(self) -> None:
        if self._started and ray.is_initialized():
            ray.shutdown()

    def on_every_node(self, work: Any, unit: Callable[[str], Any], seconds: float) -> dict[str, Any]:
        """Run ``work`` once on each living node, on ``unit(node's id)``. Node's id → what it gave, or the exception.

        It takes no processor, so a busy cluster answers too. A node that says nothing for so long gives a StoreError.
        """
        shared = ray.put(pickle.dumps(work))
        waiting = {
            node: self._task.options(
                num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
            ).remote(gristmill.ROOT, shared, pickle.dumps(unit(node)))
            for node in _living_nodes()
        }
        done, _ = ray.wait(list(waiting.values()), num_returns=len(waiting), timeout=seconds)
        silent = StoreError(f"no answer within {seconds:g} s", remedy="look whether the node is alive: ray status")
        return {node: _answer(task) if task in done else silent for node, task in waiting.items()}

    def run(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        shared = ray.put(pickle.dumps(work))
        waiting: dict[Any, Unit] = {}
        crashes: dict[str, int] = {}
        failures: dict[str, int] = {}
        queue = iter(units)
        retry: list[Unit] = []
        while True:
            while len(waiting) < WINDOW * self.workers and (unit := retry.pop() if retry else next(queue, None)):
                waiting[self._task.remote(gristmill.ROOT, shared, pickle.dumps(unit))] = unit
            if not waiting:
                return
            finished, _ = ray.wait(list(waiting), num_returns=1)
            unit = waiting.pop(finished[0])
            result = _result(finished[0])
            if isinstance(result, Commit):
                yield unit, result
            elif isinstance(result, WorkerCrashedError):
                crashes[unit.key] = crashes.get(unit.key, 0) + 1
                if crashes[unit.key] < CRASHES:
                    retry.append(unit)
                else:
                    yield unit, run_around_crashes(work, unit)
            elif isinstance(result, OSError | RayError):
                failures[unit.key] = failures.get(unit.key, 0) + 1
                if failures[unit.key] > SYSTEM_RETRIES:
                    raise StoreError(f"gave up after {SYSTEM_RETRIES} retries: {result}", where=unit.label)
                retry.append(unit)
            else:
                raise result


def _living_nodes() -> list[str]:
    """Ids of the cluster's nodes, sorted."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return sorted(node["NodeID"] for node in nodes if node["Alive"])


def _answer(reference: Any) -> Any:
    """What a task gave, or the exception that it ended with."""
    try:
        return ray.get(reference)
    except Exception as error:  # also what a node without our modules cannot unpickle
        return error


def _result(reference: Any) -> Commit | BaseException:
    """The task's commit, or what went wrong. Raises what Ray itself could not unpickle."""
    try:
        result: Commit | BaseException = ray.get(reference)
    except RayTaskError as error:
        raise StoreError(str(error), remedy="this is a failure of the worker's environment") from error
    except RayError as error:
        return error
    return result


def _start(workers: int | None, address: str | None) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        # "local": without an address Ray would join whatever cluster was started last on this machine
        ray.init("local", num_cpus=workers, include_dashboard=False, ignore_reinit_error=True, **quiet)
    else:
        ray.init(address=address, **quiet)


def _remote_task() -> Any:
    """The task. A nested function is pickled by value: the worker needs no module of ours to receive it.

    Without work it readies the worker.
    """

    def gristmill_task(root: str, work: bytes | None = None, unit: bytes = b"") -> Any:
        import sys

        if "gristmill" not in sys.modules:
            sys.path.insert(0, root)
            try:
                import gristmill as entry
            finally:
                sys.path.remove(root)
        else:
            entry = sys.modules["gristmill"]
        return entry.prepare_worker() if work is None else entry.run_pickled(work, unit)

    return ray.remote(num_cpus=1, max_retries=0)(gristmill_task)

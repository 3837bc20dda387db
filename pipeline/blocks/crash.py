"""Rows that kill the process: found by bisection in subprocesses, quarantined as ``crash:stage`` or ``timeout:stage``.

A stage that calls native code can die of one document. After a unit has killed its worker twice, it is run in
a subprocess that notes which stage is working on which rows; when the subprocess dies, halves of those rows are
tried in further subprocesses until one row is left. The unit is then run without it.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

import gristmill
from pipeline.blocks.rows import Fatal, RowsWork, Skip
from pipeline.blocks.stall import report_to
from pipeline.blocks.work import Unit, Work
from pipeline.errors import GristmillError
from pipeline.storage import Folder
from pipeline.store import BlockStore, Commit
from stages.contract import ADDRESS, ORDINAL_BITS

MAX_ROWS = 32
"""Rows of one partition that may be quarantined as crashing before the run stops: beyond it the stage is broken."""


@dataclass(frozen=True)
class _Mark:
    """The stage that was at work when the subprocess died, and the first and last ordinal of its rows.

    ``reason``: ``crash``, or ``timeout`` where the process was ended because the stage did not.
    """

    stage: str
    first: int
    last: int
    reason: str


def run_around_crashes(work: Work, unit: Unit) -> Commit:
    """Run the unit without the rows that kill the process. Raises GristmillError where rows are not to blame."""
    skip: dict[int, Fatal] = {}
    while True:
        outcome = _probe(work, unit, skip, None)
        if isinstance(outcome, Commit):
            return outcome
        if not isinstance(work, RowsWork) or outcome is None or len(skip) >= MAX_ROWS:
            remedy = "give workers more memory, or look at the stage; the store keeps all finished work"
            raise GristmillError(
                f"the process dies each time (rows left out so far: {len(skip)})",
                where=f"{work.name}, {unit.label}",
                remedy=remedy,
            )
        skip[_search(work, unit, skip, outcome)] = Fatal(outcome.reason, outcome.stage)


def _search(work: RowsWork, unit: Unit, skip: Skip, mark: _Mark) -> int:
    """Ordinal of the row that kills the process. O(log rows) subprocesses."""
    first, last = mark.first, mark.last
    with tempfile.TemporaryDirectory() as folder:
        trial = replace(work, store=BlockStore(Folder(folder)))
        while first < last:
            middle = (first + last) // 2
            if isinstance(_probe(trial, unit, skip, (first, middle)), Commit):
                first = middle + 1
            else:
                last = middle
        if isinstance(_probe(trial, unit, skip, (first, first)), Commit):
            remedy = "give workers more memory; no single row is to blame"
            raise GristmillError(f"stage {mark.stage} kills the process", where=unit.label, remedy=remedy)
    return first


def _probe(work: Work, unit: Unit, skip: Skip, only: tuple[int, int] | None) -> Commit | _Mark | None:
    """Run the unit in a subprocess: its commit, or where it died (None if before any stage). Raises its errors."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "task"), "wb") as stream:
            pickle.dump((work, unit, dict(skip), only), stream)
        code = (
            f"import sys; sys.path.insert(0, {gristmill.ROOT!r}); import gristmill; "
            f"from pipeline.blocks.crash import probe_main; probe_main({folder!r})"
        )
        subprocess.run([sys.executable, "-c", code], check=False)
        result = os.path.join(folder, "result")
        if os.path.exists(result):
            with open(result, "rb") as stream:
                outcome = pickle.load(stream)
            if isinstance(outcome, BaseException):
                raise outcome
            commit: Commit = outcome
            return commit
        try:
            with open(os.path.join(folder, "mark")) as text:
                stalled = os.path.getsize(os.path.join(folder, "stalled")) > 0
                return _Mark(**json.load(text), reason="timeout" if stalled else "crash")
        except (FileNotFoundError, ValueError):
            return None


def probe_main(folder: str) -> None:
    """The subprocess: run the task in the folder, note what it is at, leave the result."""
    from pipeline.executors.worker import as_result

    with open(os.path.join(folder, "task"), "rb") as stream:
        work, unit, skip, only = pickle.load(stream)

    def watch(stage: str, batch: pa.RecordBatch) -> None:
        ordinals = batch.column(ADDRESS).to_numpy() & np.uint64((1 << ORDINAL_BITS) - 1)
        mark = {"stage": stage, "first": int(ordinals.min()), "last": int(ordinals.max())}
        temporary = os.path.join(folder, "mark.tmp")
        with open(temporary, "w") as stream:
            json.dump(mark, stream)
        os.replace(temporary, os.path.join(folder, "mark"))

    def task() -> Commit:
        if isinstance(work, RowsWork):
            return work.run_with(unit, skip, watch, only)
        commit: Commit = work.run(unit)
        return commit

    report_to(open(os.path.join(folder, "stalled"), "w"))  # noqa: SIM115 - it is there for the end of this process
    result = as_result(task, f"{work.name}, {unit.label}", work.store.folder.uri)
    with open(os.path.join(folder, "result.tmp"), "wb") as output:
        pickle.dump(result, output)
    os.replace(os.path.join(folder, "result.tmp"), os.path.join(folder, "result"))

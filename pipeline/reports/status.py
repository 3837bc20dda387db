"""``gristmill status``: the runs of a workspace, and how far one of them is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.fs as pafs
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import GristmillError
from pipeline.plan import make_plan
from pipeline.reports import figures
from pipeline.reports.inert import one_line
from pipeline.reports.store_walk import StoreWalk, walk_store
from pipeline.reports.stored_run import StoredRun
from pipeline.runs import Run, block_folder, load_run, lock
from pipeline.storage import Folder, filesystem
from pipeline.terminal import text


@dataclass(frozen=True)
class RunState:
    """A run, its state in a word, and the bytes of its store blocks (shared with other runs) and of its folder."""

    run: Run
    state: str
    store_bytes: int
    folder_bytes: int


def is_running(folder: Folder) -> bool:
    """Whether a process holds the run's folder."""
    try:
        with lock(folder):
            return False
    except GristmillError:
        return True


def state_of(run: Run) -> str:
    """finished, failed, running, or interrupted (it says running, but nobody runs it)."""
    if run.status != "running":
        return "interrupted" if (run.error or "").startswith("KeyboardInterrupt") else run.status
    return "running" if is_running(Folder(run.folder)) else "interrupted"


def run_state(folder: str) -> RunState:
    """State and size of the run in a folder."""
    run = load_run(folder)
    blocks = dict.fromkeys(block_folder(folder, block.store) for block in run.blocks)
    return RunState(run, state_of(run), sum(map(folder_bytes, blocks)), folder_bytes(folder))


def folder_bytes(uri: str) -> int:
    """Bytes of all files below a folder."""
    fs, path = filesystem(uri)
    found = fs.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True))
    return sum(info.size or 0 for info in found if info.type == pafs.FileType.File)


def runs_below(folder: str) -> list[str]:
    """Folders of the runs in a folder, sorted by name."""
    fs, path = filesystem(folder)
    found = fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
    names = sorted(info.base_name for info in found if info.type == pafs.FileType.Directory)
    return [f"{folder.rstrip('/')}/{name}" for name in names if Folder(f"{folder}/{name}").exists("run.json")]


def print_runs(folder: str, console: Console) -> None:
    """A line for every run in a folder."""
    states = [run_state(run) for run in runs_below(folder)]
    if not states:
        console.print(text(f"no runs in {folder}; next: gristmill run RECIPE"))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("run", "state", "started", "took", "phases"):
        table.add_column(name)
    for name in ("store", "own"):
        table.add_column(name, justify="right")
    for state in states:
        table.add_row(*_cells(state))
    console.print(table)
    console.print(
        text("store: blocks of the run, shared with other runs; own: its folder, tokens linked from the store")
    )


def _cells(state: RunState) -> Iterator[Text]:
    run = state.run
    yield text(run.name, "bold")
    yield Text(state.state, _COLOURS.get(state.state, ""))
    yield Text(time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started)))
    yield Text(figures.duration(run.finished - run.started) if run.finished else "")
    yield Text(str(len(run.blocks)))
    yield Text(figures.size(state.store_bytes))
    yield Text(figures.size(state.folder_bytes))


_COLOURS = {"finished": "green", "running": "cyan", "failed": "red", "interrupted": "yellow"}


def print_run(folder: str, console: Console) -> None:
    """How far one run is: phases done and left."""
    state = run_state(folder)
    run = state.run
    line = text(f"{run.name}: ", "bold").append(state.state, _COLOURS.get(state.state, ""))
    console.print(line.append(f", started {time.strftime('%Y-%m-%d %H:%M', time.localtime(run.started))}"))
    if run.error:
        console.print(text(f"  {one_line(run.error, 500)}", "red"), soft_wrap=True)
    for index, block in enumerate(run.blocks):
        label = f"{block.kind}: {block.name}" if block.name else block.kind
        computed = list(run.executed.values())[index] if index < len(run.executed) else 0
        units = figures.counted(len(block.units), "unit")
        console.print(text(f"  ✓ {label}: {units}, {computed} computed by the last start"), soft_wrap=True)
    if state.state != "finished":
        _print_left(folder, len(run.blocks), console)
    sizes = f"{figures.size(state.store_bytes)} in the store, {figures.size(state.folder_bytes)} in {run.folder}"
    console.print(text(sizes), soft_wrap=True)
    console.print(text(_next(state), "bold"), soft_wrap=True)


def _print_left(folder: str, done: int, console: Console) -> None:
    try:
        walk = walk_run(folder)
    except GristmillError as error:
        console.print(text(f"  what is left cannot be told: {error.message}", "yellow"), soft_wrap=True)
        return
    for phase in walk.walked[done:]:
        label = f"{phase.kind}: {phase.name}" if phase.name else phase.kind
        sign = "✓" if phase.complete else "…"
        console.print(text(f"  {sign} {label}: {phase.done} of {phase.units} units"), soft_wrap=True)
    for block in walk.blocks_left():
        console.print(text(f"  · {block.name}: not begun", "dim"), soft_wrap=True)


def walk_run(folder: str) -> StoreWalk:
    """How far the store is with a run's recipe. Raises GristmillError if its input is gone."""
    stored = StoredRun.open(folder)
    return walk_store(make_plan(stored.recipe, stored.run.sample), stored.folder)


def _next(state: RunState) -> str:
    if state.state == "finished":
        return f"next: gristmill report {state.run.folder}"
    if state.state == "running":
        return "next: wait; another process is at work"
    recipe = state.run.recipe if os.path.exists(state.run.recipe) else "its recipe"
    return f"next: gristmill run {recipe}; finished work is kept"

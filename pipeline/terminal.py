"""The terminal: one console for what commands print, and the live display of a run.

Live lines only where the error stream is a terminal; plain lines elsewhere (:class:`pipeline.progress.PlainLines`).
What is printed is plain text when it is piped. Text of documents and names go through :mod:`pipeline.reports.inert`
and are never read as markup: ``word_count[zh]`` is a name.
"""

from __future__ import annotations

import os
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from pipeline.progress import PlainLines, amounts
from pipeline.progress import Progress as RunProgress
from pipeline.reports import figures
from pipeline.reports.inert import inert, one_line
from pipeline.store import Commit

PIPED_WIDTH = 110
"""Columns of tables that go into a file or pipe."""
PHASE_WIDTH = 44
"""A block of many stages has a long name; the amounts behind it matter more."""


def console(*, stderr: bool = False) -> Console:
    """A console that takes text as it is: no markup, no emoji codes, no guesses at what to colour."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else int(os.environ.get("COLUMNS", PIPED_WIDTH))
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def text(value: str, style: str = "") -> Text:
    """A cell of a table, safe to show."""
    return Text(inert(value), style=style)


def run_progress() -> RunProgress:
    """The display of a run that suits the error stream."""
    return LiveLines(console(stderr=True)) if sys.stderr.isatty() else PlainLines()


class LiveLines:
    """A line for each phase: bar, units, documents, bytes, dropped, MB/s, time left.

    The display is live only within a phase, so that what others print between phases (the trainer) stays whole.
    """

    def __init__(self, target: Console) -> None:
        self._console = target
        self._progress: Progress | None = None

    def begin(self, phase: str, units: int, reused: int) -> None:
        if units == reused:
            self.say(f"  {phase}: all {units} in the store")
            return
        self._progress = Progress(
            TextColumn("  {task.description}", markup=False),
            BarColumn(bar_width=20),
            _Units(),
            _Amounts(),
            _Left(),
            console=self._console,
            refresh_per_second=5,
        )
        self._task = self._progress.add_task(
            one_line(phase, PHASE_WIDTH),
            total=units - reused,
            reused=reused,
            documents=0,
            bytes=0,
            dropped=0,
            begun=time.monotonic(),
        )
        self._progress.start()

    def advance(self, label: str, commit: Commit) -> None:
        if self._progress is None:
            return
        documents, n_bytes, dropped = amounts(commit)
        fields = self._progress.tasks[0].fields
        self._progress.update(
            self._task,
            advance=1,
            documents=fields["documents"] + documents,
            bytes=fields["bytes"] + n_bytes,
            dropped=fields["dropped"] + dropped,
        )

    def end(self) -> None:
        self.close()

    def say(self, message: str) -> None:
        self._console.print(text(message))

    def close(self) -> None:
        """Stop the live display; the last state of the line stays."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class _Units(ProgressColumn):
    max_refresh = None

    def render(self, task: Task) -> Text:
        reused = f" (+{task.fields['reused']} stored)" if task.fields["reused"] else ""
        return Text(f"{task.completed:.0f}/{task.total:.0f}{reused}")


class _Amounts(ProgressColumn):
    max_refresh = None

    def render(self, task: Task) -> Text:
        fields = task.fields
        if not fields["documents"]:
            return Text("")
        speed = figures.rate(fields["bytes"], _seconds(task))
        dropped = f", {figures.short(fields['dropped'])} dropped" if fields["dropped"] else ""
        return Text(f"{figures.short(fields['documents'])} docs, {figures.size(fields['bytes'])}{dropped}, {speed}")


class _Left(ProgressColumn):
    """Time that was taken, or that is left by the pace so far."""

    max_refresh = None

    def render(self, task: Task) -> Text:
        taken = _seconds(task)
        if task.finished or not task.completed or task.total is None:
            return Text(figures.duration(taken), style="dim")
        left = taken / task.completed * (task.total - task.completed)
        return Text(f"{figures.duration(left)} left", style="dim")


def _seconds(task: Task) -> float:
    if task.finished and task.finished_time is not None:
        return max(task.finished_time, 1e-3)
    return max(time.monotonic() - float(task.fields["begun"]), 1e-3)

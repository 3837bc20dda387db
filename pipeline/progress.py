"""What a run tells while it goes: phases, units, documents, bytes."""

from __future__ import annotations

import sys
import time
from typing import Protocol, TextIO

from pipeline.store import Commit


class Progress(Protocol):
    """Listens to a run. ``phase``: what is computed now, as in ``rows: normalize, language``."""

    def begin(self, phase: str, units: int, reused: int) -> None:
        """A phase of that many units begins; ``reused`` of them are in the store already."""
        ...

    def advance(self, label: str, commit: Commit) -> None:
        """A unit is done."""
        ...

    def end(self) -> None:
        """The phase is over."""
        ...

    def say(self, message: str) -> None:
        """Anything else worth a line."""
        ...

    def close(self) -> None:
        """The run is over, or has failed within a phase: leave the terminal as it was."""
        ...


class Silent:
    """Tells nothing."""

    def begin(self, phase: str, units: int, reused: int) -> None: ...
    def advance(self, label: str, commit: Commit) -> None: ...
    def end(self) -> None: ...
    def say(self, message: str) -> None: ...
    def close(self) -> None: ...


class PlainLines:
    """A line when a phase begins, at most one every few seconds, and one when it ends; for logs and pipes."""

    def __init__(self, stream: TextIO | None = None, every_seconds: float = 5.0) -> None:
        self._stream = stream or sys.stderr
        self._every = every_seconds

    def begin(self, phase: str, units: int, reused: int) -> None:
        self._phase, self._units, self._done = phase, units - reused, 0
        self._documents = self._bytes = self._dropped = 0
        self._started = self._said = time.monotonic()
        if self._units:
            self.say(f"{phase}: {self._units} to do" + (f", {reused} in the store" if reused else ""))

    def advance(self, label: str, commit: Commit) -> None:
        self._done += 1
        documents, n_bytes, dropped = amounts(commit)
        self._documents += documents
        self._bytes += n_bytes
        self._dropped += dropped
        if time.monotonic() - self._said > self._every:
            self._said = time.monotonic()
            self.say(self._state())

    def end(self) -> None:
        if self._units:
            self.say(self._state())

    def say(self, message: str) -> None:
        print(message, file=self._stream, flush=True)

    def close(self) -> None:
        """Lines are whole as they are."""

    def _state(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-3)
        amount = ""
        if self._documents:
            rate = self._bytes / 1e6 / seconds
            amount = f", {self._documents:,} documents, {self._dropped:,} dropped, {rate:.1f} MB/s"
        return f"{self._phase}: {self._done} of {self._units} done in {seconds:.1f} s{amount}"


def amounts(commit: Commit) -> tuple[int, int, int]:
    """(documents, bytes, dropped documents) that a unit of a row block went through; zeros for other units."""
    came: dict[str, list[int]] = {}
    dropped = 0
    for stage, _, _, kind, _, documents, n_bytes in commit.books:
        if kind == "in":
            line = came.setdefault(stage, [0, 0])
            line[0] += documents
            line[1] += n_bytes
        elif kind == "dropped":
            dropped += documents
    most = max(came.values(), default=[0, 0])
    return most[0], most[1], dropped

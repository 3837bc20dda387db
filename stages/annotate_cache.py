"""Answers that were paid for, kept in a folder, so that nothing is paid twice, whatever is killed or run again.

    <folder>/answers-<random>.jsonl    written by one process, which appends a line, flushes it to disk, and goes on
    <folder>/failures-<random>.jsonl   documents that got no usable answer; without these files they are asked again
    <folder>/claims                    empty; its byte ranges are locked while a question is being asked

Every process reads what the others append. A line that a kill tore has no line feed and is left unread; its process is
gone and its file is not written again. Before a process asks, it locks the byte of ``claims`` that the key names, and
looks once more; so of two that want the same answer one asks and the other reads. The kernel drops a lock with its
process.

Limits: the folder has to be on a disk that all workers share and whose locks work between them (local, NFSv4, Lustre;
not an object store). Where locks do not work between machines, the same text may be asked twice at the same moment; all
processes then use the same one of the two answers, the smaller line. An index of about 200 bytes an answer is in
memory.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from classifiers.errors import ModelError

_CLAIM_PLACES = 2**62


@dataclass
class Spent:
    """What a task has cost. ``documents``: with an answer or a failure; ``answers``: stored ones."""

    documents: int = 0
    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Record:
    """A line of the cache: what one request brought.

    ``task``: of whom, for :class:`Spent`. ``answer``: value and reason. ``failure``: why there will be none. A line
    with neither is a request that was paid for and brought nothing usable; the document is asked again. Tokens are
    None where the endpoint does not count them.
    """

    key: str
    task: str
    answer: tuple[int | str, str] | None = None
    failure: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def is_final(self) -> bool:
        return self.answer is not None or self.failure is not None

    def line(self) -> bytes:
        """The record as it is stored."""
        return json.dumps(self.__dict__, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True)
class Outcome:
    """The final record of a question, and the tokens of all its requests."""

    record: Record
    prompt_tokens: int | None
    completion_tokens: int | None


class CacheUnusable(ModelError):
    """A whole line of the cache is not a record, or its folder has no locks."""


@dataclass(slots=True)
class _Known:
    """Of a key: tokens of all its lines, and where the final one stands."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    place: tuple[str, int, int] | None = None

    def add(self, record: Record) -> None:
        self.prompt_tokens = _sum(self.prompt_tokens, record.prompt_tokens)
        self.completion_tokens = _sum(self.completion_tokens, record.completion_tokens)


@dataclass
class AnswerCache:
    """The folder, as this process sees it. Safe for threads; one for each folder and process: :func:`open_cache`."""

    folder: str
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _known: dict[str, _Known] = field(default_factory=dict)
    _read: dict[str, int] = field(default_factory=dict)
    _spent: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    _mine: dict[str, str] = field(default_factory=dict)
    _asking: set[str] = field(default_factory=set)
    _claims: int = -1

    def refresh(self) -> None:
        """Take in what other processes have appended."""
        with self._lock:
            for name in sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else ():
                if name.endswith(".jsonl"):
                    self._take_in(name)

    def find(self, key: str) -> Outcome | None:
        """The outcome for the key, as far as it is known here."""
        with self._lock:
            known = self._known.get(key)
            if known is None or known.place is None:
                return None
            try:
                line = self._line(known.place)
            except FileNotFoundError:  # failures that the user took away, so that they are asked again
                known.place = None
                return None
            return Outcome(_parsed(line), known.prompt_tokens, known.completion_tokens)

    def spent(self, task: str) -> Spent:
        """What the task has cost, by all processes and runs."""
        return self.spent_and_open(task, ())[0]

    def spent_and_open(self, task: str, keys: Iterable[str]) -> tuple[Spent, int]:
        """:meth:`spent`, and how many of the keys had no outcome at that moment: no document is in both."""
        with self._lock:
            found = self._spent.get(task, Spent())
            spent = Spent(found.documents, found.answers, found.prompt_tokens, found.completion_tokens)
            return spent, sum(key not in self._known or self._known[key].place is None for key in keys)

    def add(self, record: Record) -> None:
        """Store the record; it is on the disk when this returns."""
        with self._lock:
            role: Literal["answers", "failures"] = "answers" if record.failure is None else "failures"
            name = self._own_file(role)
            try:
                with open(os.path.join(self.folder, name), "ab") as stream:
                    stream.write(record.line())
                    stream.flush()
                    os.fsync(stream.fileno())
            except OSError as error:
                del self._mine[role]  # it may end in half a line, which no other may follow
                raise CacheUnusable(f"{self.folder} cannot be written ({error.strerror}): make room there") from error
            self._take_in(name)

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Whether the right to ask that question is ours; if so, until the end of the block."""
        place = int(key, 16) % _CLAIM_PLACES
        with self._lock:  # locks of a file hold between processes, and not between the threads of one
            mine = key not in self._asking and self._locked(place)
            if mine:
                self._asking.add(key)
        try:
            yield mine
        finally:
            if mine:
                with self._lock:
                    fcntl.lockf(self._claims, fcntl.LOCK_UN, 1, place)
                    self._asking.discard(key)

    def _locked(self, place: int) -> bool:
        if self._claims < 0:
            os.makedirs(self.folder, exist_ok=True)
            # never closed: closing any descriptor of the file would drop all locks that this process has on it
            self._claims = os.open(os.path.join(self.folder, "claims"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(self._claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise CacheUnusable(
                f"{self.folder} cannot be locked ({error.strerror}): put the cache elsewhere"
            ) from error
        return True

    def _own_file(self, role: Literal["answers", "failures"]) -> str:
        if role not in self._mine:
            os.makedirs(self.folder, exist_ok=True)
            name = f"{role}-{secrets.token_hex(8)}.jsonl"
            with open(os.path.join(self.folder, name), "xb") as stream:
                os.fsync(stream.fileno())
            _flush_folder(self.folder)
            self._mine[role] = name
        return self._mine[role]

    def _take_in(self, name: str) -> None:
        path, start = os.path.join(self.folder, name), self._read.get(name, 0)
        try:
            if os.stat(path).st_size <= start:
                return
            with open(path, "rb") as stream:
                stream.seek(start)
                content = stream.read()
        except FileNotFoundError:
            return  # a file of failures that the user took away
        for line in content[: content.rfind(b"\n") + 1].splitlines(keepends=True):
            try:
                record = _parsed(line)
            except (ValueError, TypeError) as error:
                message = "does not begin a record of an answer: remove the line, or restore the file"
                raise CacheUnusable(f"{path}: byte {start} {message}") from error
            self._note(record, (name, start, len(line)))
            start += len(line)
        self._read[name] = start

    def _note(self, record: Record, place: tuple[str, int, int]) -> None:
        known, spent = self._known.setdefault(record.key, _Known()), self._spent[record.task]
        spent.prompt_tokens += record.prompt_tokens or 0
        spent.completion_tokens += record.completion_tokens or 0
        known.add(record)
        if not record.is_final:
            return
        spent.documents += known.place is None
        spent.answers += record.answer is not None
        if known.place is None or self._goes_before(place, known.place):
            known.place = place

    def _goes_before(self, place: tuple[str, int, int], other: tuple[str, int, int]) -> bool:
        """Answers before failures; of two alike the smaller line, whichever process looks."""
        mine, its = self._line(place), self._line(other)
        return (_parsed(mine).answer is None, mine) < (_parsed(its).answer is None, its)

    def _line(self, place: tuple[str, int, int]) -> bytes:
        name, start, length = place
        with open(os.path.join(self.folder, name), "rb") as stream:
            stream.seek(start)
            return stream.read(length)


@cache
def _opened(folder: str) -> AnswerCache:
    return AnswerCache(folder)


def open_cache(folder: str) -> AnswerCache:
    """The process's view of the folder, which is made with the first question."""
    return _opened(os.path.realpath(folder))


def _parsed(line: bytes) -> Record:
    """Raises ValueError and TypeError for what is not a record."""
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    answer = found.get("answer")
    return Record(**{**found, "answer": None if answer is None else (answer[0], answer[1])})


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _flush_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

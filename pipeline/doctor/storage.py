"""Storage: what a store does to a file, tried out in a folder of its own that is deleted again.

A disk is written, flushed, renamed over, linked and locked; an object store is written, read, listed, read in part,
overwritten and deleted. Each step's time is told, because a slow flush costs every unit of work.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

import pyarrow.fs as pafs

from pipeline import machine
from pipeline.doctor.check import Check, Status
from pipeline.doctor.resources import CLOCK_SECONDS, keeps_names
from pipeline.errors import GristmillError
from pipeline.reports import figures
from pipeline.storage import Folder

Result = TypeVar("Result")
PREFIX = "gristmill-doctor-"
LARGE_BYTES = 64 * 2**20
OBJECT_BYTES = 4 * 2**20
SMALL_FILES = 20
LOW_BYTES = 5 * 10**9
LOW_INODES = 100_000
SLOW_MB_PER_S = 50.0
SLOW_FLUSH_SECONDS = 0.1


def storage(uri: str, name: str = "store") -> Iterator[Check]:
    """Checks of a folder or an object store's prefix."""
    folder = Folder(uri)
    if folder.is_local:
        yield from _disk(folder.path, name)
    else:
        yield from _objects(folder, name)


def temporary() -> Iterator[Check]:
    """Checks of the folder for temporary files."""
    yield from _disk(tempfile.gettempdir(), "temporary folder")


def _disk(path: str, name: str) -> Iterator[Check]:
    disk = machine.disk(path)
    yield _space(disk, name)
    try:
        inside = tempfile.mkdtemp(prefix=PREFIX, dir=disk.path)
    except OSError as error:
        yield Check(name, "failed", f"{disk.path}: {error.strerror}", "give this user the right to write there")
        return
    try:
        yield _written(inside, disk.path, name)
    finally:
        shutil.rmtree(inside, ignore_errors=True)


def _space(disk: machine.Disk, name: str) -> Check:
    facts = {"path": disk.path, "free_bytes": disk.free, "total_bytes": disk.total, "free_inodes": disk.free_inodes}
    said = f"{figures.size(disk.free)} of {figures.size(disk.total)} free at {disk.path}"
    if disk.inodes and disk.free_inodes < LOW_INODES:
        said += f", but only {disk.free_inodes:,} inodes"
        return Check(f"{name}: space", "warning", said, "delete small files: each unit of work has about five", facts)
    if disk.free < LOW_BYTES:
        return Check(f"{name}: space", "warning", said, "free some; `gristmill plan` says how much a run needs", facts)
    return Check(f"{name}: space", "ok", said, None, facts)


def _written(inside: str, path: str, name: str) -> Check:
    """One check of everything that is done to files on a disk."""
    facts: dict[str, float] = {}
    try:
        facts["write_mb_per_s"] = round(LARGE_BYTES / 1e6 / _timed(lambda: _write(inside, "large", LARGE_BYTES)), 1)
        seconds = _timed(lambda: _write_small(inside))
        facts["flush_and_rename_seconds"] = round(seconds / SMALL_FILES, 5)
        facts["clock_difference_seconds"] = round(_clock_difference(inside), 2)
    except OSError as error:
        return Check(name, "failed", f"{path}: {error.strerror}", "see that the disk is sound and not full", facts)
    said = (
        f"{facts['write_mb_per_s']:.0f} MB/s written and flushed, "
        f"{1000 * facts['flush_and_rename_seconds']:.1f} ms for a small file"
    )
    problem, remedy = _wrong(inside, facts)
    status: Status = "ok" if not problem else "warning"
    return Check(name, status, f"{said}; {problem}" if problem else said, remedy or None, facts)


def _wrong(inside: str, facts: dict[str, float]) -> tuple[str, str]:
    """What is not as it should be, and the remedy; empty where all is well."""
    if not keeps_names(inside):
        return "names of files are changed by it", "use a file system that keeps names, as ext4 and xfs do"
    if not _can_lock(inside):
        return "files cannot be locked: two runs on one folder are not noticed", "use a file system with locks"
    if not _can_link(inside):
        return "no hard links: token shards are copied into the run's folder", "keep store and runs on one file system"
    if abs(facts["clock_difference_seconds"]) > CLOCK_SECONDS:
        return f"its clock is {facts['clock_difference_seconds']:+.0f} s off", "set the clocks by NTP"
    if facts["write_mb_per_s"] < SLOW_MB_PER_S or facts["flush_and_rename_seconds"] > SLOW_FLUSH_SECONDS:
        return "slow", "put the store on a local disk, and only the results on a shared one"
    return "", ""


def _timed(task: Callable[[], object]) -> float:
    started = time.perf_counter()
    task()
    return max(time.perf_counter() - started, 1e-9)


def _write(folder: str, name: str, size: int) -> None:
    block = os.urandom(2**20)  # zeros would be written faster where a disk compresses
    with open(os.path.join(folder, name), "wb") as stream:
        for _ in range(size // len(block)):
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())


def _write_small(folder: str) -> None:
    """Small files, each written under another name, flushed and renamed, as commits are."""
    for number in range(SMALL_FILES):
        Folder(folder).write(f"small-{number}", b"a commit")


def _clock_difference(folder: str) -> float:
    """Seconds by which the file system's clock is ahead of this machine's."""
    path = os.path.join(folder, "clock")
    with open(path, "wb") as stream:
        stream.write(b".")
    return os.stat(path).st_mtime - time.time()


def _can_lock(folder: str) -> bool:
    with open(os.path.join(folder, "lock"), "w") as one, open(os.path.join(folder, "lock"), "w") as other:
        try:
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def _can_link(folder: str) -> bool:
    try:
        os.link(os.path.join(folder, "large"), os.path.join(folder, "link"))
    except OSError:
        return False
    return True


@dataclass
class _RoundTrip:
    """The life of an object. ``seconds``: step → how long it took; ``step``: the one at work."""

    folder: Folder
    seconds: dict[str, float] = field(default_factory=dict)
    step: str = "open"

    def run(self) -> str | None:
        """What is wrong, or None. Raises what the object store raises."""
        content, other = os.urandom(OBJECT_BYTES), b"another, and shorter"
        self._step("write", lambda: self.folder.write("object", content))
        if self._step("read", lambda: self.folder.read("object")) != content:
            return "other bytes came back than were written"
        if self._step("list", self.folder.names) != ["object"]:
            return "a listing does not show what was just written"
        if self._step("read_part", self._part) != content[-4096:]:
            return "a part of an object is not what was written there"
        self._step("overwrite", lambda: self.folder.write("object", other))
        if self.folder.read("object") != other:
            return "an object that was written over still shows its old bytes"
        self._step("delete", lambda: self.folder.delete("object"))
        return "a deleted object is still listed" if self.folder.names() else None

    def _part(self) -> bytes:
        with self.folder.fs.open_input_file(self.folder.file("object")) as stream:
            return bytes(stream.read_at(4096, OBJECT_BYTES - 4096))

    def _step(self, name: str, task: Callable[[], Result]) -> Result:
        self.step = name
        started = time.perf_counter()
        result = task()
        self.seconds[name] = round(time.perf_counter() - started, 4)
        return result


def _objects(folder: Folder, name: str) -> Iterator[Check]:
    trip: _RoundTrip | None = None
    try:
        with trial_folder(folder) as inside:
            trip = _RoundTrip(inside)
            wrong = trip.run()
    except (OSError, GristmillError, ValueError) as error:
        wrong = f"{trip.step.replace('_', ' ') if trip else 'open'}: {error}"
    facts = {f"{step}_seconds": seconds for step, seconds in trip.seconds.items()} if trip else {}
    if trip is None or wrong:
        remedy = "check address, region, credentials and the bucket's policy: read, write, list and delete are needed"
        yield Check(name, "failed", f"{folder.uri}: {wrong}", remedy, facts)
        return
    times = ", ".join(f"{step.replace('_', ' ')} {1000 * seconds:.0f} ms" for step, seconds in trip.seconds.items())
    yield Check(name, "ok", f"{folder.uri}: {times}", None, facts)


@contextmanager
def trial_folder(folder: Folder) -> Iterator[Folder]:
    """A folder of a new name in a store; it, and what of the way there did not exist before, is deleted afterwards."""
    inside = folder.child(f"{PREFIX}{uuid.uuid4().hex[:12]}")
    outermost = _outermost_missing(inside)
    try:
        yield inside
    finally:
        with suppress(OSError, GristmillError):
            inside.fs.delete_dir(outermost)


def _outermost_missing(folder: Folder) -> str:
    """The first folder on the way to this one that is not there yet."""
    path = folder.path.rstrip("/")
    while "/" in path.strip("/"):
        above = path.rpartition("/")[0]
        try:
            is_there = folder.fs.get_file_info(above).type != pafs.FileType.NotFound
        except OSError:  # may not be asked about; what is wrong shows when something is written
            is_there = True
        if is_there:
            break
        path = above
    return path

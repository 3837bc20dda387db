"""Runs: ``runs/<name>/`` says what was run and points into the store.

``run.json`` lists the blocks with the units that belong to this run, so that reports, ``why`` and ``gc`` need no
recipe. ``recipe.yaml`` is the resolved recipe, every default filled in.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import IO, Any, Literal

from pipeline.books import Books
from pipeline.errors import GristmillError, RunNotFound, StoreError
from pipeline.storage import Folder
from pipeline.store import FORMAT_VERSION, BlockStore

Status = Literal["running", "finished", "failed"]


@dataclass(frozen=True)
class RunBlock:
    """A phase of a run: units of one folder of the store that were computed or reused.

    ``kind``: ingest, rows, sketch, merge, link, gather, verify, components (or spread, large_star, small_star), label,
    claim, resolve, summarize, finish, tokenize, compact, index.
    """

    name: str
    kind: str
    fingerprint: str
    store: str
    units: tuple[str, ...] = ()

    def open(self) -> BlockStore:
        return BlockStore(Folder(self.store))


@dataclass(frozen=True)
class Run:
    """What is known of a run. ``executed``: units that this start computed, by phase; the others were reused."""

    name: str
    folder: str
    status: Status
    recipe: str
    started: float
    finished: float | None = None
    sample: float | None = None
    executor: str = "local"
    workers: int = 1
    blocks: tuple[RunBlock, ...] = ()
    executed: dict[str, int] = field(default_factory=dict)
    error: str | None = None

    def blocks_of(self, kind: str) -> list[RunBlock]:
        return [block for block in self.blocks if block.kind == kind]

    def save(self) -> Run:
        """Write ``run.json``; returns the run."""
        text = json.dumps({"format": FORMAT_VERSION, **asdict(self)}, indent=1, ensure_ascii=False)
        Folder(self.folder).write("run.json", text.encode())
        return self


def load_run(folder: str) -> Run:
    """The run in a folder. Raises RunNotFound."""
    try:
        record = json.loads(Folder(folder).read("run.json"))
        found = record.pop("format")
        if found != FORMAT_VERSION:
            raise GristmillError(f"run format {found}, this is {FORMAT_VERSION}", where=folder, remedy="run it again")
        blocks = [RunBlock(**{**block, "units": tuple(block["units"])}) for block in record.pop("blocks")]
        return replace(Run(**record), blocks=tuple(blocks), folder=folder)
    except FileNotFoundError as error:
        raise RunNotFound(f"no run in {folder}", remedy="give the folder of a run, or its name below ./runs") from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        where = Folder(folder).file("run.json")
        raise StoreError("damaged record of a run", where=where, remedy="run the recipe again") from error


def block_folder(run_folder: str, recorded: str) -> str:
    """Where a block lies now: as recorded, or beside the runs where a workspace was moved or is not the cwd."""
    if "://" in recorded or os.path.isdir(recorded):
        return recorded
    store, fingerprint = os.path.split(recorded.rstrip("/"))
    workspace = os.path.dirname(os.path.dirname(os.path.abspath(run_folder)))
    moved = os.path.join(workspace, os.path.basename(store), fingerprint)
    return moved if os.path.isdir(moved) else recorded


def stored_block(run: Run, block: RunBlock) -> BlockStore:
    """A phase of a run where it lies now."""
    return BlockStore(Folder(block_folder(run.folder, block.store)))


def find_run(name: str) -> str:
    """Folder of a run, given its folder or its name below ``./runs``. Raises RunNotFound."""
    for candidate in (name,) if "://" in name else (name, f"./runs/{name}"):
        if Folder(candidate).exists("run.json"):
            return candidate
    known = sorted(entry.name for entry in os.scandir("runs") if entry.is_dir()) if os.path.isdir("runs") else []
    remedy = f"runs here: {', '.join(known)}" if known else "there are no runs below ./runs"
    raise RunNotFound(f"no run {name!r}", remedy=remedy)


@contextmanager
def lock(folder: Folder) -> Iterator[None]:
    """Hold the run's folder: a second process on it is refused. Freed by the system if this process dies."""
    if not folder.is_local:
        yield
        return
    folder.make()
    with open(folder.file(".lock"), "w") as stream:
        _hold(stream, folder)
        yield


def _hold(stream: IO[str], folder: Folder) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        remedy = "wait for it, or give this run another name"
        raise GristmillError("another process is running this run", where=folder.path, remedy=remedy) from error


def publish(store: BlockStore, source: str, folder: Folder, name: str) -> None:
    """Make a data file of the store appear in the run's folder: a hard link on a disk, a copy elsewhere."""
    path, target = store.data.file(source), folder.file(name)
    if not (store.data.is_local and folder.is_local):
        with store.data.fs.open_input_stream(path, compression=None) as stream:
            with folder.fs.open_output_stream(target, compression=None) as out:
                while chunk := stream.read(1 << 24):
                    out.write(chunk)
        return
    folder.make()
    if os.path.exists(target) and os.path.samefile(path, target):
        return  # renaming one link of a file over another does nothing, and the temporary name would stay
    temporary = f"{target}.tmp"
    if os.path.exists(temporary):
        os.unlink(temporary)
    try:
        os.link(path, temporary)
    except OSError:
        folder.write(name, store.data.read(source))
        return
    os.replace(temporary, target)


def new_run(name: str, folder: str, recipe: str, executor: str, workers: int, sample: float | None) -> Run:
    """A run that starts now."""
    return Run(name, folder, "running", recipe, time.time(), None, sample, executor, workers)


def with_blocks(run: Run, blocks: Sequence[RunBlock], executed: dict[str, Any]) -> Run:
    """The run with what it has done so far."""
    return replace(run, blocks=tuple(blocks), executed=dict(executed))


def data_checksums(run: Run) -> dict[str, str]:
    """``phase-kind/unit/role`` → checksum of every data file of the run: equal for equal recipes and inputs.

    Whatever the executor, the number of workers, the order of partitions, and however often it was killed. Phases
    and units are counted in the plan's order, because a unit's key also covers time stamps of input files.
    """
    return {
        f"{phase:02d}-{block.kind}/{unit:06d}/{role}": file.checksum
        for phase, block in enumerate(run.blocks)
        for unit, commit in enumerate(block.open().read_many(block.units))
        for role, file in commit.files.items()
    }


def run_books(run: Run) -> Books:
    """The books of all units of the run."""
    books = Books()
    for block in run.blocks:
        for commit in block.open().read_many(block.units):
            books.merge(commit.books)
    return books

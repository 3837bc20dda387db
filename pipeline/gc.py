"""``gristmill gc``: frees what no kept run of a workspace needs.

Kept are the runs whose folders are there: delete ``runs/<name>`` to let go of one. A finished run needs the units
that its ``run.json`` lists; an unfinished one the blocks of its recipe, so that it can go on. Data files that no commit
names are left-overs of killed attempts: they go when nothing is running, or once they are a day old.

While a run is at work, it alone knows what it needs, so only old left-overs are freed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import pyarrow.fs as pafs

from pipeline.errors import GristmillError, RunNotFound
from pipeline.plan import make_plan
from pipeline.reports.status import folder_bytes, runs_below
from pipeline.reports.stored_run import StoredRun
from pipeline.runs import Run, block_folder, load_run, lock
from pipeline.storage import Folder, filesystem
from pipeline.store import BlockStore, Commit

ALL = None
"""In place of a set of units: the whole block is needed."""
OLD_SECONDS = 24 * 3600

Needed = dict[str, set[str] | None]
"""Name of a block's folder → units that are needed, or :data:`ALL`."""


@dataclass
class Freed:
    """What was freed, or would be. ``blocks``: folders that went as a whole; ``running``: runs at work."""

    kept: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    blocks: int = 0
    units: int = 0
    files: int = 0
    bytes: int = 0


def collect_garbage(workspace: str, dry_run: bool = False) -> Freed:
    """Free what no run below ``workspace/runs`` needs of ``workspace/store``. Raises GristmillError.

    Runs are locked meanwhile, so none can start in this workspace.
    """
    store, runs = Folder(workspace).child("store"), Folder(workspace).child("runs")
    folders = runs_below(runs.uri)
    if not _folders(store) and not folders:
        remedy = "give the folder that holds `store` and `runs`, often the one you run recipes in"
        raise RunNotFound(f"no store in {workspace}", remedy=remedy)
    freed = Freed()
    with ExitStack() as held:
        for name in _folders(runs):
            _hold(runs.child(name), held, freed)
        needed: Needed = {} if freed.running else needed_blocks(folders)
        for name in _folders(store):
            _Block(BlockStore(store.child(name)), freed, dry_run).free(needed.get(name, set()), name in needed)
    return freed


def _hold(folder: Folder, held: ExitStack, freed: Freed) -> None:
    """Lock a run's folder; one that has just begun has no ``run.json`` yet, but is locked."""
    name = _name(folder.uri)
    try:
        held.enter_context(lock(folder))
    except GristmillError:
        freed.running.append(name)
        return
    if folder.exists("run.json"):
        freed.kept.append(name)


def needed_blocks(folders: Iterable[str]) -> Needed:
    """What some runs need. Raises GristmillError for an unfinished run whose recipe cannot be planned any more."""
    needed: Needed = {}
    for folder in folders:
        run = load_run(folder)
        for name, units in _listed(run).items():
            have = needed.setdefault(name, set())
            if have is not ALL:
                have |= units
        if run.status != "finished":
            needed |= dict.fromkeys(_planned(folder), ALL)
    return needed


def _listed(run: Run) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for block in run.blocks:
        found.setdefault(_name(block_folder(run.folder, block.store)), set()).update(block.units)
    return found


def _planned(folder: str) -> Iterator[str]:
    """Names of the blocks that an unfinished run would go on with."""
    stored = StoredRun.open(folder)
    try:
        plan = make_plan(stored.recipe, stored.run.sample)
    except GristmillError as error:
        remedy = f"finish the run, or delete {folder} if you do not want it"
        raise GristmillError(
            f"what the unfinished run {stored.run.name} needs cannot be told: {error.message}", remedy=remedy
        ) from error
    yield _name(plan.ingest.folder.uri)
    for block in plan.blocks:
        yield _name(block.store.folder.uri)


def _name(folder: str) -> str:
    return folder.rstrip("/").rsplit("/", 1)[-1]


def _folders(folder: Folder) -> list[str]:
    """Names of the folders in a folder, sorted."""
    found = folder.fs.get_file_info(pafs.FileSelector(folder.path, allow_not_found=True))
    return sorted(info.base_name for info in found if info.type == pafs.FileType.Directory)


class _Block:
    """Frees what is not needed of one block."""

    def __init__(self, store: BlockStore, freed: Freed, dry_run: bool) -> None:
        self.store, self.freed, self.dry_run = store, freed, dry_run

    def free(self, units: set[str] | None, is_needed: bool) -> None:
        if self.freed.running:
            self._free_leftovers(list(self._commits()))
        elif not is_needed:
            self._free_whole()
        else:
            self._free_leftovers([commit for commit in self._commits() if not self._free_unit(commit, units)])

    def _commits(self) -> Iterator[Commit]:
        return self.store.read_many(sorted(self.store.committed()))

    def _free_whole(self) -> None:
        uri = self.store.folder.uri
        self.freed.blocks += 1
        self.freed.bytes += folder_bytes(uri)
        if not self.dry_run:
            fs, path = filesystem(uri)
            fs.delete_dir(path)

    def _free_unit(self, commit: Commit, units: set[str] | None) -> bool:
        """Free a unit that is not needed: its commit first, so that it never names files that are gone."""
        if units is ALL or commit.unit in units:
            return False
        # an export's commit names files outside the store, which are the user's
        files = [file for file in commit.files.values() if file.name.startswith(f"{commit.unit}.")]
        self.freed.units += 1
        self.freed.bytes += sum(file.bytes for file in files)
        if not self.dry_run:
            self.store.commits.delete(f"{commit.unit}.json")
            for file in files:
                self.store.data.delete(file.name)
        return True

    def _free_leftovers(self, kept: Iterable[Commit]) -> None:
        """Files that no commit names. Those of units that were just freed are gone already."""
        named = {file.name for commit in kept for file in commit.files.values()}
        if self.dry_run:
            named |= {file.name for commit in self._commits() for file in commit.files.values()}
        self._free_files(self.store.data, named)
        self._free_files(self.store.commits, {name for name in self.store.commits.names() if name.endswith(".json")})

    def _free_files(self, folder: Folder, kept: set[str]) -> None:
        for info in folder.fs.get_file_info(pafs.FileSelector(folder.path, allow_not_found=True)):
            if info.type != pafs.FileType.File or info.base_name in kept or not self._may_go(info):
                continue
            self.freed.files += 1
            self.freed.bytes += info.size or 0
            if not self.dry_run:
                folder.fs.delete_file(info.path)

    def _may_go(self, info: pafs.FileInfo) -> bool:
        if not self.freed.running:
            return True
        return info.mtime is not None and time.time() - info.mtime.timestamp() > OLD_SECONDS

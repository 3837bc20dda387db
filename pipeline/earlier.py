"""Earlier runs that a corpus stage compares with: found by the planner, read by the phases, never changed.

Of an earlier run its stored sketches are read. They are of all documents that its own corpus stage saw; those that it
dropped are left out, unless ``against_rows: seen`` asks for them: what is like them only would be lost in both runs.
Partition numbers are made of file names, so those of two runs may be the same; the earlier ones get others while they
are read. Their rows come before all of this run's, whatever the order of survivors says, and pairs of two of them are
not looked at: they were the earlier run's to judge.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from pipeline.blocks.sketch import SIGNATURES, CorpusSpec, corpus_spec
from pipeline.blocks.sorted_runs import Run as SortedRun
from pipeline.errors import GristmillError, RecipeError, RunNotFound, StoreError
from pipeline.fingerprint import digest
from pipeline.recipe.loader import load_recipe_text
from pipeline.recipe.model import Recipe, StageUse
from pipeline.runs import Run, RunBlock, load_run, stored_block
from pipeline.storage import Folder
from pipeline.store import BlockStore, Commit, DataFile
from stages.contract import ADDRESS, ORDINAL_BITS

NUMBER_BITS = 64 - ORDINAL_BITS


@dataclass(frozen=True)
class EarlierRun:
    """The sketches of an earlier run, and the units that resolved which rows go, if these are left out.

    ``identity``: of what is in them.
    """

    folder: str
    store: BlockStore
    units: tuple[str, ...]
    fingerprint: str
    resolved: tuple[str, ...] = ()

    @property
    def identity(self) -> list[Any]:
        return [self.fingerprint, digest(sorted(self.units)), digest(self.resolved)]

    def commits(self) -> list[Commit]:
        """The commits of its sketches, in their order."""
        return list(self.store.read_many(self.units))

    def patches(self) -> dict[int, DataFile]:
        """Partition number → the file that says which of its rows go, for partitions in which some may."""
        return {
            int(number, 16): commit.files["patches"]
            for commit in self.store.read_many(self.resolved)
            for number in commit.facts["digests"]
        }


@dataclass(frozen=True)
class EarlierPartition:
    """A partition of an earlier run. ``number``: the one that it has while it is read."""

    folder: str
    number: int
    was: int
    records: SortedRun
    signatures: SortedRun


def earlier_runs(spec: CorpusSpec, where: str) -> tuple[EarlierRun, ...]:
    """The runs that the stage's ``against`` names. Raises RecipeError for one that cannot be compared with."""
    folders: Sequence[str] = getattr(spec.config, "against", ())
    if folders and (spec.stage.comparable is None or spec.stage.verify is None):
        raise RecipeError(
            f"{spec.kind} cannot be compared with earlier runs", where=where, remedy="leave out `against`"
        )
    return tuple(_earlier_run(folder, spec, where) for folder in folders)


def _earlier_run(folder: str, spec: CorpusSpec, where: str) -> EarlierRun:
    try:
        run = load_run(folder)
        recipe = load_recipe_text(Folder(folder).read("recipe.yaml").decode(), Folder(folder).file("recipe.yaml"))
    except (RunNotFound, FileNotFoundError) as error:
        remedy = "`against` takes folders of runs, as in ./runs/2024"
        raise RecipeError(f"no run in {folder}", where=where, remedy=remedy) from error
    except GristmillError as error:
        raise RecipeError(f"{folder}: {error.message}", where=where, remedy=error.remedy) from error
    block = _sketches(run, recipe, spec, where)
    resolved = () if getattr(spec.config, "against_rows", "seen") == "seen" else _resolved(run, block.name, where)
    return EarlierRun(folder, stored_block(run, block), block.units, block.fingerprint, resolved)


def _resolved(run: Run, stage: str, where: str) -> tuple[str, ...]:
    """The units that resolved which rows the stage drops; none where it found no copies."""
    for block in run.blocks_of("resolve"):
        if block.name == stage:
            return block.units
    if run.status != "finished":
        remedy = "run it to its end, or take all rows that it saw with `against_rows: seen`"
        raise RecipeError(f"run {run.name} did not come to the end of {stage}", where=where, remedy=remedy)
    return ()


def _sketches(run: Run, recipe: Recipe, spec: CorpusSpec, where: str) -> RunBlock:
    """The phase that sketched with comparable settings."""
    compare = spec.stage.comparable
    assert compare is not None
    uses: list[StageUse] = [use for use in recipe.uses() if use.kind == spec.kind]
    configs = [corpus_spec(use, _columns(run, use.name)).config for use in uses]
    for use, config in zip(uses, configs, strict=True):
        if compare(config) == compare(spec.config):
            for block in run.blocks_of("sketch"):
                if block.name == use.name:
                    return block
            raise RecipeError(f"run {run.name} did not come to {use.name}", where=where, remedy="run it to its end")
    if not uses:
        raise RecipeError(
            f"run {run.name} has no {spec.kind}", where=where, remedy="it has no sketches to compare with"
        )
    other, own = compare(configs[0]), compare(spec.config)
    differ = [f"{key}: {other.get(key)} there, {own.get(key)} here" for key in own if other.get(key) != own.get(key)]
    remedy = f"take the settings of that run ({'; '.join(differ)})"
    raise RecipeError(f"sketches of run {run.name} cannot be compared with these", where=where, remedy=remedy)


def _columns(run: Run, stage: str) -> list[str]:
    """Columns of the documents that a corpus stage of the run saw; none where it saw no documents."""
    seen = takewhile(lambda block: (block.kind, block.name) != ("sketch", stage), run.blocks)
    for block in reversed([block for block in seen if block.kind == "rows"]):
        store = stored_block(run, block)
        for commit in store.read_many(block.units[:1]):
            return list(store.open(commit.files["docs"]).schema.names)
    return []


def earlier_partitions(runs: Sequence[EarlierRun], own: Collection[int], by: tuple[str, ...]) -> list[EarlierPartition]:
    """All partitions of the runs, with numbers that neither this run nor another of them has.

    ``by``: what records are sorted by. Raises StoreError for sketches of a Gristmill that did not note the partition.
    """
    taken = set(own)
    found = []
    for run in runs:
        patches = run.patches()
        for commit in run.commits():
            was = _number(commit, run)
            number = int(digest([run.identity, commit.unit])[: NUMBER_BITS // 4], 16)
            while number in taken:
                number = (number + 1) % (1 << NUMBER_BITS)
            taken.add(number)
            records = replace(SortedRun.of(run.store, commit, by), patches=patches.get(was))
            signatures = SortedRun.of(run.store, commit, (ADDRESS,), SIGNATURES)
            moved = (was, number)
            found.append(
                EarlierPartition(
                    run.folder, number, was, replace(records, moved=moved), replace(signatures, moved=moved)
                )
            )
    return found


def _number(commit: Commit, run: EarlierRun) -> int:
    facts: Mapping[str, Any] = commit.facts
    if "number" not in facts:
        raise StoreError("sketches do not say of which partition they are", where=run.folder, remedy="run it anew")
    return int(facts["number"])

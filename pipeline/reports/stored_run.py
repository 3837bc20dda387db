"""A run as it lies in the store: its phases, commits, recipe, fits and row blocks.

Reports, ``why``, ``whatif`` and ``gristmill.open`` all start here. Nothing is computed again: the recipe says what the
stages are, ``run.json`` which units belong to the run, and commits what the units wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline.blocks.fit import artifact_role
from pipeline.blocks.patches import CorpusUse
from pipeline.blocks.steps import Step
from pipeline.books import Books
from pipeline.errors import RunNotFound
from pipeline.plan import RowsBlock, corpus_use, resolve_steps, stored_blocks
from pipeline.recipe.loader import load_recipe_text
from pipeline.recipe.model import Recipe
from pipeline.runs import Run, RunBlock, load_run, stored_block
from pipeline.storage import Folder
from pipeline.store import BlockStore, Commit, DataFile
from stages import catalogue


@dataclass(frozen=True)
class Phase:
    """A phase of a run and where it is kept."""

    block: RunBlock
    store: BlockStore

    @property
    def kind(self) -> str:
        return self.block.kind

    @property
    def name(self) -> str:
        return self.block.name

    def commits(self) -> Iterator[Commit]:
        """Commits of the run's units, in the order of the units; read from the store each time."""
        return self.store.read_many(self.block.units)

    def files(self, role: str) -> Iterator[DataFile]:
        """The file of that role of every unit that has one."""
        return (commit.files[role] for commit in self.commits() if role in commit.files)


@dataclass(frozen=True)
class PartFiles:
    """What a row block wrote for a partition. ``place``: its position among the phase's units."""

    place: int
    number: int
    source: str
    unit: str
    files: dict[str, DataFile]


@dataclass(frozen=True)
class StoredRows:
    """A row block of a run. ``steps`` have the values that fits made; ``corpus`` is the stage just before."""

    phase: Phase
    block: RowsBlock
    steps: tuple[Step, ...]
    corpus: CorpusUse | None

    @cached_property
    def parts(self) -> dict[int, PartFiles]:
        """Partition number → what was written for it, in the order of the units."""
        parts = {}
        for place, commit in enumerate(self.phase.commits()):
            number, source = commit.facts["number"], commit.facts["source"]
            parts[number] = PartFiles(place, number, source, commit.unit, dict(commit.files))
        return parts


@dataclass(frozen=True)
class StoredFit:
    """A fit that was made.

    ``facts``: what is said of the artifact, itself where it is small JSON; ``value``: of a threshold.
    """

    name: str
    kind: str
    sha256: str
    path: str
    value: float | None
    facts: dict[str, Any] | None


SMALL_ARTIFACT_BYTES = 4096


class StoredRun:
    """A run. ``phases`` are those that are complete, in their order."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.folder = Folder(run.folder)
        self.phases = [Phase(block, stored_block(run, block)) for block in run.blocks]

    @staticmethod
    def open(folder: str) -> StoredRun:
        """The run in a folder. Raises RunNotFound."""
        return StoredRun(load_run(folder))

    def phases_of(self, kind: str) -> list[Phase]:
        return [phase for phase in self.phases if phase.kind == kind]

    @cached_property
    def recipe_text(self) -> str:
        """The resolved recipe, as it was run."""
        return self.folder.read("recipe.yaml").decode()

    @cached_property
    def recipe(self) -> Recipe:
        return load_recipe_text(self.recipe_text, self.folder.file("recipe.yaml"))

    @cached_property
    def fits(self) -> dict[str, StoredFit]:
        """Name → every fit that is finished."""
        return {phase.name: self._fit(phase) for phase in self.phases_of("finish")}

    def _fit(self, phase: Phase) -> StoredFit:
        use = self.recipe.fits[phase.name]
        fit = catalogue.fit(use.kind)
        [commit] = phase.commits()
        file = commit.files[artifact_role(use.kind)]
        small = fit.suffix == "json" and file.bytes <= SMALL_ARTIFACT_BYTES
        content = phase.store.read_bytes(file) if small or fit.value or fit.facts else b""
        facts = dict(fit.facts(content)) if fit.facts else json.loads(content) if small else None
        value = fit.value(content, use.config) if fit.value is not None else None
        path = f"{phase.store.data.uri}/{file.name}"
        return StoredFit(phase.name, use.kind, commit.facts["sha256"], path, value, facts)

    @cached_property
    def rows(self) -> list[StoredRows]:
        """The row blocks that are complete, in their order. Raises RunNotFound if there is none."""
        phases = self.phases_of("rows")
        if not phases:
            raise RunNotFound(f"run {self.run.name} has not finished a block yet", remedy="run its recipe again")
        blocks = row_blocks(self.recipe)[: len(phases)]
        steps = self.resolved_steps(blocks)
        return [StoredRows(*found, _corpus(found[1])) for found in zip(phases, blocks, steps, strict=True)]

    def resolved_steps(self, blocks: Sequence[RowsBlock]) -> list[tuple[Step, ...]]:
        """Steps of row blocks with the thresholds and models that the run's fits made."""
        values = {name: fit.value for name, fit in self.fits.items() if fit.value is not None}
        artifacts = {name: fit.path for name, fit in self.fits.items()}
        return [resolve_steps(block.steps, values, artifacts) for block in blocks]

    def books(self) -> Books:
        """The books of all units of the run."""
        books = Books()
        for phase in self.phases:
            for commit in phase.commits():
                books.merge(commit.books)
        return books

    @property
    def complete(self) -> bool:
        """All row blocks of the recipe are there, so the last one holds the finished documents."""
        return self.run.status == "finished"


def row_blocks(recipe: Recipe) -> list[RowsBlock]:
    """The row blocks that a recipe makes."""
    return [block for block in stored_blocks(recipe) if isinstance(block, RowsBlock)]


def _corpus(block: RowsBlock) -> CorpusUse | None:
    return corpus_use(block.corpus) if block.corpus else None

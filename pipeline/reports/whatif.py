"""What other thresholds would have done, from stored signals, without running anything.

Exact for rows whose fate is known: tightening where no corpus stage follows, and loosening as far as later signals
exist. Elsewhere bounds: a released row may go or stay, and a removed row may have stood for copies that come back.
Only *rule* keys can be varied; a *measure* key changes what would have been measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.blocks.rows import SAMPLE
from pipeline.blocks.steps import stage_steps
from pipeline.books import NO_LANGUAGE, READ, Books, Entry
from pipeline.errors import GristmillError
from pipeline.plan import FitBlock, RowsBlock, stored_blocks
from pipeline.recipe.config_types import effect
from pipeline.recipe.loader import load_recipe_text
from pipeline.recipe.model import Recipe, StageUse
from pipeline.reports.replayed_rules import Replayed, replay_rules
from pipeline.reports.stored_run import Phase, StoredRun, row_blocks
from stages.contract import ADDRESS, FitRef


@dataclass(frozen=True)
class Change:
    """A threshold that differs from the run's."""

    address: str
    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.address}.{self.key}: {self.before} → {self.after}"


@dataclass
class WhatIf:
    """The run as it was and as it would have been.

    ``kept_before``, ``kept_after``: (source, language) → (documents, bytes) of finished documents. ``released``:
    (rule that dropped them in the run, source, language) → (documents, bytes) of rows whose fate is unknown.
    ``returning``: copies that a corpus stage dropped for a row that would now be gone. ``fits``: those that would
    learn from other documents and might give another value; here they keep the run's.
    """

    changes: list[Change]
    before: Books
    after: Books
    kept_before: dict[tuple[str, str], tuple[int, int]]
    kept_after: dict[tuple[str, str], tuple[int, int]]
    released: dict[tuple[str, str, str], tuple[int, int]]
    returning: int = 0
    before_corpus: bool = False
    fits: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """Whether every row's fate is known: a run with these thresholds (and fits) would give just these books."""
        return not self.released and not self.returning

    def kept_bounds(self) -> tuple[int, int]:
        """Fewest and most finished documents."""
        known = sum(documents for documents, _ in self.kept_after.values())
        unknown = sum(documents for documents, _ in self.released.values())
        replaced = min(unknown, known) if self.before_corpus else 0
        return known - replaced, known + unknown + self.returning


def what_if(run: StoredRun, settings: Sequence[str]) -> WhatIf:
    """Judge the run by other thresholds. ``settings``: ``name.key=value``, as for ``run --set``.

    Raises GristmillError for a key that is not a rule's, or if the run is not finished.
    """
    if not run.complete:
        raise GristmillError(f"run {run.run.name} is not finished", remedy="run its recipe to the end first")
    recipe = load_recipe_text(run.recipe_text, run.folder.file("recipe.yaml"), list(settings))
    changes = _changes(run.recipe, recipe)
    steps = run.resolved_steps(row_blocks(recipe))
    before = run.books()
    was = replay_rules(run.rows, [rows.steps for rows in run.rows])
    now = replay_rules(run.rows, steps)
    return WhatIf(
        changes,
        before,
        _books_after(before, now.books),
        _by_source_and_language(was),
        _by_source_and_language(now),
        {key: (line[0], line[1]) for key, line in sorted(now.unknown.items())},
        _returning(run, now),
        _released_before_corpus(run, now),
        _fits_after(run, {_block_of(run, change.address) for change in changes}),
    )


def _changes(old: Recipe, new: Recipe) -> list[Change]:
    """What differs. Raises GristmillError for anything but thresholds."""
    same = {"stages": ()}
    if old.model_copy(update=same) != new.model_copy(update=same):
        remedy = "for anything else run the recipe with --set"
        raise GristmillError("whatif varies thresholds of stages only", remedy=remedy)
    changes = [change for was, now in zip(old.uses(), new.uses(), strict=True) for change in _changes_of_use(was, now)]
    if not changes:
        raise GristmillError("nothing differs from the run", remedy="give another value, as in word_count.min_words=80")
    return changes


def _changes_of_use(was: StageUse, now: StageUse) -> Iterator[Change]:
    for key, value in now.config:
        if getattr(was.config, key) == value:
            continue
        change = Change(was.address, key, getattr(was.config, key), value)
        kind = effect(type(was.config), key)
        if kind == "effort":
            said = f"{was.address}.{key} says how the work is done, and no result depends on it"
            raise GristmillError(said, remedy="name a threshold, as in word_count.min_words=80")
        if kind != "rule":
            said = f"{was.address}.{key} changes what is measured, which stored signals cannot tell"
            raise GristmillError(said, remedy=f"run the recipe with --set {was.address}.{key}=…; the store is reused")
        if isinstance(value, FitRef):
            raise GristmillError(f"{was.address}.{key}: give a number", remedy="a fit has to be computed by a run")
        yield change


def _books_after(before: Books, known: Books) -> Books:
    """The run's lines for reading and quarantine, the new ones for rows that come in, go out or are dropped.

    What a stage cut is stored by reason for all rows together: it stays where just the same rows come in, and else
    is given as the net change of bytes.
    """
    after = Books(known.rows())
    flows: dict[tuple[str, str, str], dict[str, list[tuple[int, int]]]] = {}
    for which, books in (("before", before), ("after", known)):
        for entry in books:
            if entry.kind == "in":
                flows.setdefault(entry[:3], {}).setdefault(which, []).append((entry.documents, entry.bytes))
    for entry in before:
        flow = flows.get(entry[:3], {})
        same = entry.kind in ("cut", "added") and flow.get("before") == flow.get("after")
        if same or _is_given(entry):
            after.merge([entry])
    _add_net_cuts(after)
    return after


def _is_given(entry: Entry) -> bool:
    """Whether a line of the books does not depend on thresholds."""
    return entry.stage in (READ, SAMPLE) or entry.language == NO_LANGUAGE


NET = "(net of all reasons)"


def _add_net_cuts(books: Books) -> None:
    """Book what is missing from a stage's balance as cut or added."""
    signs = {"in": 1, "out": -1, "dropped": -1, "cut": -1, "added": 1, "quarantined": -1}
    missing: dict[tuple[str, str, str], int] = {}
    for entry in books:
        missing[entry[:3]] = missing.get(entry[:3], 0) + signs.get(entry.kind, 0) * entry.bytes
    for (stage, source, language), n_bytes in missing.items():
        if n_bytes > 0:
            books.add(stage, source, language, "cut", NET, 0, n_bytes)
        elif n_bytes < 0:
            books.add(stage, source, language, "added", NET, 0, -n_bytes)


def _by_source_and_language(replayed: Replayed) -> dict[tuple[str, str], tuple[int, int]]:
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for (source, language, _), (documents, n_bytes) in sorted(replayed.kept.items()):
        have = sums.get((source, language), (0, 0))
        sums[source, language] = have[0] + documents, have[1] + n_bytes
    return sums


def _returning(run: StoredRun, now: Replayed) -> int:
    """Documents that a corpus stage dropped in favour of a row that would now be gone before that stage."""
    found = 0
    for index, rows in enumerate(run.rows):
        gone = [part for before in range(index) for part in now.removed[before] if len(part)]
        if rows.corpus is None or not gone:
            continue
        for phase in run.phases_of("resolve"):
            if phase.name == rows.corpus.name:
                found += _dropped_for(phase, np.concatenate(gone))
    return found


def _dropped_for(phase: Phase, gone: npt.NDArray[np.uint64]) -> int:
    """Rows that the stage dropped for one that is gone, and that are not gone themselves."""
    found = 0
    for file in phase.files("patches"):
        for batch in phase.store.batches(file, [ADDRESS, "drop", "survivor"]):
            dropped = batch.filter(batch.column("drop"))
            member, survivor = (dropped.column(name).to_numpy() for name in (ADDRESS, "survivor"))
            found += int((np.isin(survivor, gone) & ~np.isin(member, gone)).sum())
    return found


def _released_before_corpus(run: StoredRun, now: Replayed) -> bool:
    """Whether released rows would meet a corpus stage, and might take the place of what it kept."""
    stages = {f"{rows.corpus.name}": index for index, rows in enumerate(run.rows) if rows.corpus}
    if not now.unknown or not stages:
        return False
    last = max(stages.values())
    addresses = {rule.rpartition(":")[0] for rule, _, _ in now.unknown}
    return any(_block_of(run, address) < last for address in addresses)


def _block_of(run: StoredRun, address: str) -> int:
    """Index of the row block that a stage belongs to."""
    for index, rows in enumerate(run.rows):
        if any(step.address == address for step in stage_steps(rows.steps)):
            return index
    return len(run.rows)


def _fits_after(run: StoredRun, changed: set[int]) -> list[str]:
    """Fits that learn from documents that a changed block hands on."""
    blocks = stored_blocks(run.recipe)
    rows = [block for block in blocks if isinstance(block, RowsBlock)]
    return [
        block.name
        for block in blocks
        if isinstance(block, FitBlock) and block.upstream is not None and rows.index(block.upstream) >= min(changed)
    ]


def entries_by_reason(books: Books) -> dict[tuple[str, str, str], tuple[int, int]]:
    """(stage, kind, reason) → (documents, bytes), over sources and languages."""
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for entry in books:
        key = entry.stage, str(entry.kind), entry.reason
        have = sums.get(key, (0, 0))
        sums[key] = have[0] + entry.documents, have[1] + entry.bytes
    return sums

"""Rules judged again on stored signals: the books that other thresholds would have given.

Stages are walked in the order of the recipe, batch by batch, with the run's own rule code
(:func:`pipeline.blocks.rules.first_broken`) on the stored values; no text is read. What a stage measured is known for
rows that reached it in the run. A row that the run dropped and the new rules keep is *released*: at the next stage that
could do something to it, its fate is unknown. Decisions of corpus stages are taken as they were.

Sizes: before and after a stage that writes text, from ``<stage>.bytes``. Language: as it came into the block until the
stage that writes it has run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.blocks.rules import chosen, first_broken
from pipeline.blocks.steps import StageStep, Step, columns_asked, stage_steps, written_columns
from pipeline.books import Books, group_by
from pipeline.errors import GristmillError
from pipeline.reports.joined_signals import JoinedBatch, joined_signals, signals_schema
from pipeline.reports.stored_run import StoredRows
from stages.contract import ADDRESS, Rule

Bools = npt.NDArray[np.bool_]
ALIVE, GONE = 0, 1
KNOWN_COLUMNS = ("source", "language", "domain")


@dataclass
class Replayed:
    """What the rules gave. ``kept``: (source, language, domain) → [documents, bytes] of rows whose fate is known.

    ``unknown``: (what dropped them in the run, source, language) → [documents, bytes] of released rows. ``removed``:
    for each row block, addresses of rows that the run kept in it and these rules do not.
    """

    books: Books = field(default_factory=Books)
    kept: dict[tuple[str, str, str], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    unknown: dict[tuple[str, str, str], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    removed: dict[int, list[npt.NDArray[np.uint64]]] = field(default_factory=lambda: defaultdict(list))


def replay_rules(blocks: Sequence[StoredRows], steps: Sequence[tuple[Step, ...]]) -> Replayed:
    """Judge all rows of a run. ``steps``: of each block, with the thresholds to judge by.

    Raises GristmillError where rows find their way by what a stage of the same block writes (but for one language).
    """
    for block, block_steps in zip(blocks, steps, strict=True):
        _check(block, block_steps)
    found = Replayed()
    for joined in joined_signals(blocks):
        _replay(joined, blocks, steps, found)
    return found


def _check(block: StoredRows, steps: Sequence[Step]) -> None:
    name, remedy = block.phase.name, "run the recipe with --set; finished blocks before this one are reused"
    known = {*KNOWN_COLUMNS, *signals_schema(block).names} - ({"domain"} & set(written_columns(steps)))
    strange = sorted(columns_asked(steps) - known)
    if strange:
        said = f"block {name!r} goes by column {strange[0]!r}, which one of its own stages writes"
        raise GristmillError(said, remedy=remedy)
    writers = {step.name for step in stage_steps(steps) if "language" in step.stage.writes(step.config)}
    if len(writers) > 1:
        said = f"in block {name!r} the stages {', '.join(sorted(writers))} all write the language"
        raise GristmillError(said, remedy=remedy)


def _replay(
    joined: JoinedBatch, blocks: Sequence[StoredRows], steps: Sequence[tuple[Step, ...]], found: Replayed
) -> None:
    """Take the rows of a batch through all blocks."""
    state = np.zeros(joined.rows, np.int8)
    released = np.zeros(joined.rows, np.bool_)
    for index, (block, block_steps) in enumerate(zip(blocks, steps, strict=True)):
        places = joined.places[index]
        if index:
            here = np.zeros(joined.rows, np.bool_)
            here[places] = True
            lost = (state == ALIVE) & ~here
            _tally_unknown(joined, index, lost & released, found)
            state[lost] = GONE
        rows = _BlockRows(joined, index, block, block_steps, state[places] == ALIVE, found)
        rows.walk()
        state[places[~rows.alive]] = GONE
        released[places[rows.alive & (rows.dropped_at >= 0)]] = True
        gone = ~rows.alive & rows.came & (rows.dropped_at < 0) & ~rows.unknown
        found.removed[index].append(joined.blocks[index].column(ADDRESS).to_numpy()[places_of(gone)])
    _tally_kept(joined, state == ALIVE, found)


def places_of(mask: Bools) -> npt.NDArray[np.int64]:
    """Positions where the mask is true."""
    return np.flatnonzero(mask).astype(np.int64)


class _BlockRows:
    """Rows of one block on their way through its stages again."""

    def __init__(
        self, joined: JoinedBatch, index: int, block: StoredRows, steps: Sequence[Step], alive: Bools, found: Replayed
    ) -> None:
        self.joined, self.index, self.block, self.steps, self.found = joined, index, block, steps, found
        self.batch = joined.blocks[index]
        self.came, self.alive = alive, alive.copy()
        self.unknown = np.zeros(len(alive), np.bool_)
        self.sizes = self.batch.column("bytes_in").to_numpy().copy()
        self.final_language = self.batch.column("language")
        source = pa.repeat(pa.scalar(joined.source, pa.string()), len(alive))
        asked = columns_asked(steps) & set(self.batch.schema.names)
        self.columns: dict[str, pa.Array] = {name: self.batch.column(name) for name in asked - {"domain"}}
        self.columns |= {"source": source, "language": self.batch.column("language_in")}
        if "domain" not in written_columns(steps):
            self.columns["domain"] = self.batch.column("domain")
        self.positions = {step.address: position for position, step in enumerate(stage_steps(steps), 1)}
        self.dropped_at = self._dropped_at()

    def _dropped_at(self) -> npt.NDArray[np.int64]:
        """int64[rows]: position of the stage that dropped the row in the run (0: the corpus stage), -1 if none."""
        encoded = self.batch.column("dropped_by").dictionary_encode()
        places = [self.positions.get(name.rpartition(":")[0], 0) for name in encoded.dictionary.to_pylist()]
        codes = encoded.indices.fill_null(len(places)).to_numpy(zero_copy_only=False)
        return np.array([*places, -1], np.int64)[codes]

    def walk(self) -> None:
        if self.block.corpus is not None:
            corpus, dropped, before = self.block.corpus, self.alive & (self.dropped_at == 0), self.sizes
            if corpus.cut is not None:
                self.sizes = self.batch.column(f"{corpus.name}.bytes").to_numpy()
            self._book(corpus.name, self.alive, before, {corpus.rule: dropped})
        for step in self.steps:
            if isinstance(step, StageStep):
                self._stage(step, self.alive.copy())
                continue
            groups = group_by(self.columns[step.by].fill_null(""))
            for code, value in enumerate(groups.names):
                path = groups.codes == code
                for inner in step.branches.get(value, step.default) or ():
                    self._stage(inner, path & self.alive)

    def _stage(self, step: StageStep, reach: Bools) -> None:
        if step.config.when is not None:
            reach = reach & chosen(step.config.when, self.columns)
        writes = step.stage.writes(step.config)
        position = self.positions[step.address]
        if writes or step.rules:
            lost = reach & (self.dropped_at >= 0) & (self.dropped_at < position)
            if lost.any():
                self._forget(lost)
                reach = reach & ~lost
        before = self.sizes
        if "language" in writes:
            current = self.columns["language"]
            self.columns["language"] = pc.if_else(pa.array(reach), self.final_language, current)
        if "domain" in writes:
            self.columns["domain"] = self.batch.column("domain")
        if "text" in writes:
            after = self.batch.column(f"{step.name}.bytes").fill_null(0).to_numpy(zero_copy_only=False)
            self.sizes = np.where(reach, after, self.sizes)
        self._book(step.address, reach, before, self._broken(step, reach))

    def _broken(self, step: StageStep, reach: Bools) -> Mapping[str, Bools]:
        """Rule → rows that it drops."""
        rules: Sequence[Rule] = step.rules
        if not rules:
            return {}
        signals = {rule.signal: self.batch.column(f"{step.name}.{rule.signal}") for rule in rules}
        first = first_broken(rules, signals, self.columns, self.batch.num_rows)
        return {rule.name: reach & (first == index) for index, rule in enumerate(rules)}

    def _book(self, address: str, reach: Bools, before: npt.NDArray[np.int64], drops: Mapping[str, Bools]) -> None:
        books, source = self.found.books, self.joined.source
        groups = group_by(self.columns["language"])
        books.add_rows(address, source, groups, "in", "", before, reach)
        out = reach.copy()
        for rule, dropped in drops.items():
            books.add_rows(address, source, groups, "dropped", rule, self.sizes, dropped)
            out &= ~dropped
        books.add_rows(address, source, groups, "out", "", self.sizes, out)
        self.alive = self.alive & (out | ~reach)

    def _forget(self, lost: Bools) -> None:
        """Rows that the run dropped earlier: nobody measured what this stage would say of them."""
        self.unknown |= lost
        self.alive = self.alive & ~lost
        names = self.batch.column("dropped_by")
        table = pa.table(
            [names, self.columns["language"], pa.array(self.sizes)], names=["rule", "language", "bytes"]
        ).filter(pa.array(lost))
        _add_unknown(table, self.joined.source, self.found)


def _tally_unknown(joined: JoinedBatch, index: int, mask: Bools, found: Replayed) -> None:
    """Released rows that meet a block which never saw them."""
    if not mask.any():
        return
    table = pa.table(
        [_latest(joined, index, "dropped_by"), _latest(joined, index, "language"), _sizes(joined, index)],
        names=["rule", "language", "bytes"],
    ).filter(pa.array(mask))
    _add_unknown(table, joined.source, found)


def _add_unknown(table: pa.Table, source: str, found: Replayed) -> None:
    sums = table.group_by(["rule", "language"]).aggregate([("bytes", "count"), ("bytes", "sum")])
    for row in sums.to_pylist():
        line = found.unknown[row["rule"], source, row["language"]]
        line[0] += row["bytes_count"]
        line[1] += row["bytes_sum"]


def _tally_kept(joined: JoinedBatch, mask: Bools, found: Replayed) -> None:
    last = len(joined.blocks)
    columns = [_latest(joined, last, "language"), _latest(joined, last, "domain"), _sizes(joined, last)]
    table = pa.table(columns, names=["language", "domain", "bytes"]).filter(pa.array(mask))
    sums = table.group_by(["language", "domain"]).aggregate([("bytes", "count"), ("bytes", "sum")])
    for row in sums.to_pylist():
        line = found.kept[joined.source, row["language"], row["domain"]]
        line[0] += row["bytes_count"]
        line[1] += row["bytes_sum"]


def _latest(joined: JoinedBatch, blocks: int, name: str) -> pa.Array:
    """A column as of the last of the first blocks that each row reached."""
    return pc.coalesce(*(joined.column(block, name) for block in reversed(range(blocks))))


def _sizes(joined: JoinedBatch, blocks: int) -> pa.Array:
    """Bytes of text after the last of the first blocks that each row reached."""
    found = []
    for block in reversed(range(blocks)):
        names = joined.blocks[block].schema.names
        written = [name for name in reversed(names) if name.endswith(".bytes")]
        found += [joined.column(block, name) for name in [*written, "bytes_in"]]
    return pc.coalesce(*found)

"""The story of one document: where it was read, what every stage measured and did, where it went.

Told from what the run stored; row stages are replayed on the one row to show what they did to its text, and a replay
that disagrees with what is stored is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.blocks.reading import rows_between
from pipeline.blocks.steps import RouteStep, StageStep, Step
from pipeline.errors import GristmillError
from pipeline.reports.clusters import ClusterVerdict, spans_of, survivor_document, verdicts
from pipeline.reports.find_document import Match
from pipeline.reports.replay import BlockReplay, StageReplay, replay_row, rule_check
from pipeline.reports.stored_run import StoredRows, StoredRun
from stages.contract import ADDRESS


@dataclass(frozen=True)
class CorpusStory:
    """What a corpus stage said: ``verdict`` None: it has no copies. ``survivor``: the document that stands for it.

    ``cut``: bytes (start, end) that were cut out of it; None where the stage does not cut.
    """

    stage: str
    verdict: ClusterVerdict | None
    survivor: Match | None
    cluster_size: int | None = None
    cut: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True)
class BlockStory:
    """What a row block said. ``signals``: its stored row, None where the row never came in."""

    name: str
    signals: Mapping[str, Any]
    stages: tuple[StageReplay, ...]
    corpus: CorpusStory | None
    replayed: bool
    differences: tuple[str, ...] = ()


@dataclass
class Story:
    """Everything that is known of a document. ``fate``: a sentence. ``notes``: what could not be found out."""

    match: Match
    fate: str
    blocks: list[BlockStory] = field(default_factory=list)
    origin: Mapping[str, Any] = field(default_factory=dict)
    shard: str | None = None
    notes: list[str] = field(default_factory=list)


def tell(run: StoredRun, match: Match) -> Story:
    """The story of a document of the run."""
    story = Story(match, "not finished: the run stopped before its fate was decided")
    for index, rows in enumerate(run.rows):
        signals = _stored_row(rows, match)
        if signals is None:
            story.fate = _fate_of_missing(run, index, story)
            return story
        story.blocks.append(_block(run, index, match, signals, story))
        story.origin = story.origin or _document(rows, match)
        if signals["dropped_by"] is not None:
            story.fate = f"dropped by {signals['dropped_by']}"
            return story
    if run.complete:
        story.fate = "kept"
        story.shard = _in_shards(run, match, story)
    return story


def _stored_row(rows: StoredRows, match: Match) -> dict[str, Any] | None:
    if match.number not in rows.parts:
        return None
    found = rows_between(
        rows.phase.store, rows.parts[match.number].files["signals"], match.address, match.address
    ).to_pylist()
    return found[0] if found else None


def _document(rows: StoredRows, match: Match) -> dict[str, Any]:
    """Where a document that the block handed on comes from; nothing for one that it dropped."""
    found = rows_between(rows.phase.store, rows.parts[match.number].files["docs"], match.address, match.address)
    wanted = [name for name in found.schema.names if name not in ("text", "content_hash")]
    return next(iter(found.select(wanted).to_pylist()), {})


def _fate_of_missing(run: StoredRun, index: int, story: Story) -> str:
    """A row that a block handed on and the next never saw: it crashed a stage there."""
    rows = run.rows[index]
    file, offset = story.origin.get("file"), story.origin.get("offset")
    if match_part := rows.parts.get(story.match.number):
        for record in _records(rows, match_part.files):
            if (record["file"], record["offset"]) == (file, offset):
                return f"quarantined: {record['reason']} ({record['detail']})"
    return f"gone before block {rows.phase.name!r}, probably quarantined there"


def _records(rows: StoredRows, files: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "quarantine" in files:
        for batch in rows.phase.store.batches(files["quarantine"]):
            yield from batch.to_pylist()


def _block(run: StoredRun, index: int, match: Match, signals: Mapping[str, Any], story: Story) -> BlockStory:
    rows = run.rows[index]
    replay: BlockReplay | None = None
    try:
        replay = replay_row(run, index, match.address)
        story.origin = story.origin or replay.origin
    except GristmillError as error:
        story.notes.append(f"{rows.phase.name}: not replayed, {error.message}")
    stages = replay.stages if replay else tuple(_from_signals(rows, signals))
    different = tuple(_differences(signals, replay.signals)) if replay else ()
    return BlockStory(rows.phase.name, signals, stages, _corpus(run, rows, match), replay is not None, different)


def _differences(stored: Mapping[str, Any], replayed: Mapping[str, Any]) -> Iterator[str]:
    for name, value in stored.items():
        if replayed.get(name) != value:
            yield f"{name}: stored {value}, replayed {replayed.get(name)}"


def _corpus(run: StoredRun, rows: StoredRows, match: Match) -> CorpusStory | None:
    if rows.corpus is None:
        return None
    for verdict in verdicts(run, match.address):
        if verdict.stage == rows.corpus.name:
            survivor = survivor_document(run, verdict.stage, verdict.survivor)
            return CorpusStory(rows.corpus.name, verdict, survivor)
    spans = spans_of(run, rows.corpus.name, match.address)
    cut = None if rows.corpus.cut is None else tuple((span.start, span.end) for span in spans)
    return CorpusStory(rows.corpus.name, None, None, cut=cut)


def _from_signals(rows: StoredRows, signals: Mapping[str, Any]) -> Iterator[StageReplay]:
    """What the stages measured, as stored, for a row whose text cannot be read again."""
    size = signals["bytes_in"]
    types = rows.phase.store.open(next(iter(rows.parts.values())).files["signals"]).schema
    columns = {name: pa.array([value], types.field(name).type) for name, value in signals.items()}
    dropped_at = (signals["dropped_by"] or "").rpartition(":")[0]
    for step in _path(rows.steps, signals):
        measured = {name: signals[f"{step.name}.{name}"] for name in step.stage.signals(step.config)}
        after = signals.get(f"{step.name}.bytes") if step.writes_text else None
        checks = tuple(
            rule_check(rule, columns[f"{step.name}.{rule.signal}"], columns)
            for rule in step.rules
            if rule.when is None or set(rule.when) <= set(columns)
        )
        yield StageReplay(step.address, size, size if after is None else after, measured, checks)
        size = size if after is None else after
        if step.address == dropped_at:
            return


def _path(steps: tuple[Step, ...], signals: Mapping[str, Any]) -> Iterator[StageStep]:
    """The stages that a row met, as far as stored columns tell: by language as it came out, domain, source."""
    for step in steps:
        chosen = [step] if isinstance(step, StageStep) else _branch(step, signals)
        for inner in chosen:
            wanted = inner.config.when or {}
            if all(signals.get(name) in values for name, values in wanted.items() if name in signals):
                yield inner


def _branch(route: RouteStep, signals: Mapping[str, Any]) -> tuple[StageStep, ...]:
    return route.branches.get(str(signals.get(route.by)), route.default or ())


def _in_shards(run: StoredRun, match: Match, story: Story) -> str | None:
    """Shard and row of a kept document."""
    phases = run.phases_of("tokenize")
    if not phases or not run.folder.child("tokens").exists("index.arrow"):
        return None
    from pipeline.tokens.shards import TokenShards

    shards = TokenShards.open(run.folder.child("tokens").uri)
    document = _document_number(run, match)
    group, row = shards.locate(document)
    found = shards.group(int(group)).column(ADDRESS)[int(row)].as_py()
    if found != match.address:
        story.notes.append("the token shards do not hold the document where it should be")
        return None
    before = 0
    for shard in shards.shards:
        if document < before + shard["documents"]:
            tokens = int(shards.length[document])
            return f"tokens/{shard['file']}, row {document - before} ({tokens:,} tokens)"
        before += shard["documents"]
    return None


def _document_number(run: StoredRun, match: Match) -> int:
    """Number of a kept document among all documents, in the order of the shards."""
    number = 0
    last = run.rows[-1]
    for part in last.parts.values():
        if part.number != match.number:
            number += part.files["docs"].rows
            continue
        for batch in last.phase.store.batches(part.files["docs"], [ADDRESS]):
            places = batch.column(ADDRESS).to_numpy()
            row = int(places.searchsorted(np.uint64(match.address)))
            if row < len(places) and places[row] == match.address:
                return number + row
            number += len(places)
    raise GristmillError("the document is not in the last block", remedy="run the recipe again")

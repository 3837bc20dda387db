"""One pass over what a run stored: books, times, token counts, clusters, quarantine, samples, what was kept.

Reads commits and narrow tables, never the text of documents.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.blocks.samples import KEPT, SAMPLES_PER_RULE, smallest
from pipeline.blocks.samples import SCHEMA as SAMPLES_SCHEMA
from pipeline.books import Books
from pipeline.reports.cluster_tables import member_rows
from pipeline.reports.model import Clusters, QuarantinedRecord
from pipeline.reports.stored_run import Phase, StoredRun
from pipeline.store import BlockStore, Commit
from stages.contract import ADDRESS, ORDINAL_BITS

FIRST_QUARANTINED = 20
LARGEST_CLUSTERS = 3

KeptKey = tuple[str, str, str]
"""Source, language, domain."""


@dataclass
class Collected:
    """What the units of a run add up to. ``kept``: (source, language, domain) → [documents, bytes].

    ``largest``: corpus stage → survivor's address → documents, of its largest clusters; ``wiped``: corpus stage →
    clusters of which no document stays, which is a bug.
    """

    books: Books = field(default_factory=Books)
    seconds: dict[int, dict[str, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    counts: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    clusters: list[Clusters] = field(default_factory=list)
    largest: dict[str, dict[int, int]] = field(default_factory=dict)
    wiped: dict[str, int] = field(default_factory=dict)
    quarantined: list[QuarantinedRecord] = field(default_factory=list)
    kept: dict[KeptKey, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    samples: pa.RecordBatch = field(default_factory=lambda: pa.RecordBatch.from_pylist([], schema=SAMPLES_SCHEMA))

    def language_counts(self) -> Iterator[tuple[str, int, int]]:
        """(language, bytes of text, tokens) as the tokenizer counted them."""
        for (_, language), (_, n_bytes, tokens) in sorted(self.counts.items()):
            yield language, n_bytes, tokens


def collect(run: StoredRun) -> Collected:
    """Everything that the run's finished phases stored."""
    found = Collected()
    samples: dict[str, pa.RecordBatch] = {}
    row_phases = run.phases_of("rows")
    for index, phase in enumerate(run.phases):
        last = bool(row_phases) and phase is row_phases[-1]
        for commit in phase.commits():
            found.books.merge(commit.books)
            for name, seconds in commit.seconds.items():
                found.seconds[index][name] += seconds
            _collect_quarantine(found, phase.store, commit)
            if phase.kind == "rows":
                _collect_samples(samples, phase.store, commit, last)
                if last:
                    _collect_kept(found, phase.store, commit)
            elif phase.kind == "tokenize":
                for domain, language, *amounts in commit.facts["counts"]["by"]:
                    line = found.counts[domain, language]
                    line[:] = [have + more for have, more in zip(line, amounts, strict=True)]
        if phase.kind == "resolve":
            found.clusters.append(clusters(phase, found))
    if samples:
        found.samples = pa.concat_batches([samples[rule] for rule in sorted(samples)])
    return found


def collect_samples(run: StoredRun) -> pa.RecordBatch:
    """The run's samples: of each rule and of kept documents those with the smallest content hash."""
    samples: dict[str, pa.RecordBatch] = {}
    phases = run.phases_of("rows")
    for phase in phases:
        for commit in phase.commits():
            _collect_samples(samples, phase.store, commit, phase is phases[-1])
    if not samples:
        return pa.RecordBatch.from_pylist([], schema=SAMPLES_SCHEMA)
    return pa.concat_batches([samples[rule] for rule in sorted(samples)])


def _collect_quarantine(found: Collected, store: BlockStore, commit: Commit) -> None:
    if "quarantine" not in commit.files or len(found.quarantined) >= FIRST_QUARANTINED:
        return
    names = ["source", "file", "offset", "bytes", "reason", "detail"]
    for batch in store.batches(commit.files["quarantine"], names):
        room = FIRST_QUARANTINED - len(found.quarantined)
        found.quarantined += [QuarantinedRecord(**record) for record in batch.slice(0, room).to_pylist()]


def _collect_samples(samples: dict[str, pa.RecordBatch], store: BlockStore, commit: Commit, last: bool) -> None:
    """Merge a unit's samples; of the kept ones only those of the last block are kept by the run."""
    for batch in store.batches(commit.files["samples"]):
        for rule in pc.unique(batch.column("rule")).to_pylist():
            if rule == KEPT and not last:
                continue
            rows = batch.filter(pc.equal(batch.column("rule"), rule))
            parts = [samples[rule], rows] if rule in samples else [rows]
            samples[rule] = smallest(parts, SAMPLES_PER_RULE)


def _collect_kept(found: Collected, store: BlockStore, commit: Commit) -> None:
    """Documents and bytes that a unit of the last row block hands on, from its signals."""
    file = commit.files["signals"]
    sizes = [name for name in store.open(file).schema.names if name.endswith(".bytes")]
    for batch in store.batches(file, ["language", "domain", "bytes_in", *sizes, "dropped_by"]):
        batch = batch.filter(batch.column("dropped_by").is_null())
        n_bytes = pc.coalesce(*(batch.column(name) for name in reversed(["bytes_in", *sizes])))
        table = pa.table([batch.column("language"), batch.column("domain"), n_bytes], names=["language", "domain", "n"])
        sums = table.group_by(["language", "domain"]).aggregate([("n", "count"), ("n", "sum")])
        for row in sums.to_pylist():
            line = found.kept[commit.facts["source"], row["language"], row["domain"]]
            line[0] += row["n_count"]
            line[1] += row["n_sum"]


def clusters(phase: Phase, collected: Collected) -> Clusters:
    """Clusters of a corpus stage, from its patches: a row for every member, survivors of this run among them.

    Fills ``largest`` and ``wiped``.
    """
    totals: Counter[str] = Counter()
    survivors, kept = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    for batch in member_rows(phase):
        totals["members"] += batch.num_rows
        totals["dropped"] += pc.sum(batch.column("drop").cast(pa.int64())).as_py() or 0
        survivors.append(batch.column("survivor").to_numpy())
        kept.append(batch.filter(pc.invert(batch.column("drop"))).column(ADDRESS).to_numpy())
    roots, sizes = np.unique(np.concatenate(survivors), return_counts=True)
    order = np.argsort(-sizes, kind="stable")[:LARGEST_CLUSTERS]
    collected.largest[phase.name] = {int(roots[place]): int(sizes[place]) for place in order}
    here = roots[~np.isin(roots >> np.uint64(ORDINAL_BITS), _earlier_numbers(phase))]
    collected.wiped[phase.name] = len(np.setdiff1d(here, np.concatenate(kept)))
    return Clusters(
        stage=phase.name,
        clusters=len(sizes),
        members=totals["members"],
        dropped=totals["dropped"],
        largest=int(sizes.max(initial=0)),
        sizes=_by_size(sizes),
    )


def _earlier_numbers(phase: Phase) -> np.ndarray[Any, Any]:
    """Numbers of partitions of earlier runs, whose rows may be survivors."""
    return np.array([int(n, 16) for commit in phase.commits() for n in commit.facts.get("earlier", {})], np.uint64)


def _by_size(sizes: np.ndarray[Any, Any]) -> dict[str, int]:
    """Clusters by size in powers of two: ``2``, ``3-4``, ``5-8`` and so on."""
    steps = np.ceil(np.log2(np.maximum(sizes, 1))).astype(np.int64)
    found: dict[str, int] = {}
    for step, number in zip(*np.unique(steps, return_counts=True), strict=True):
        low, high = (1 << int(step)) // 2 + 1, 1 << int(step)
        found[str(high) if low >= high else f"{low}-{high}"] = int(number)
    return found

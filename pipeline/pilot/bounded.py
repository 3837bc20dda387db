"""Readers that stop early: the same reader, the same rows, but only the first of a partition's.

A reader's batch is up to 16 MB of text, so the last one is cut to the rows that are wanted; the time that the others
took is noted, because a run would have used it. How much of its partition a reader has come through is told by the
place in its files (:func:`pipeline.sources.streams.watch_opened`); where files are not read in order (Parquet), the
partition is read to its end without being used, up to a limit, and the share is assumed beyond that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipeline.blocks.reading import SourceReader
from pipeline.pilot.choose import Chosen
from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceKind
from pipeline.sources.streams import Opened
from stages.kernels.arrow_text import byte_lengths

DRAIN_BYTES = 96 * 2**20
"""Text that is read for the sake of its amount alone: more than one partition of Parquet has by default."""
DRAIN_SECONDS = 1.0
LATE_BYTES = 256 * 2**10
"""Text that a partition gives once the pilot has taken its time."""
_MOST_ROW_GROUPS = 4096
"""A piece of fewer units is taken to count row groups; a range of bytes so short is not worth a guess."""


@dataclass
class Reading:
    """What came of reading a partition. ``share``: of its bytes that were read; None where it cannot be told.

    ``text_bytes`` and ``rows`` came from the reader in ``seconds``, and ``kept_bytes`` and ``kept_rows`` of them were
    handed on. ``quarantined`` and ``skipped``: records that became no row.
    """

    text_bytes: int = 0
    rows: int = 0
    kept_bytes: int = 0
    kept_rows: int = 0
    quarantined: int = 0
    skipped: int = 0
    seconds: float = 0.0
    share: float | None = None
    complete: bool = False


@dataclass
class Meter:
    """What the readers of a pilot note.

    ``opened``: files that are open now; ``wasted_seconds``: of reading what was not used, since it was last asked for;
    ``deadline``: from then on a partition gives little.
    """

    chosen: Mapping[str, Chosen]
    opened: Opened = field(default_factory=list)
    readings: dict[str, Reading] = field(default_factory=dict)
    wasted_seconds: float = 0.0
    deadline: float = float("inf")

    def take_wasted(self) -> float:
        """Seconds of reading what was not used, since the last call."""
        wasted, self.wasted_seconds = self.wasted_seconds, 0.0
        return wasted


@dataclass(frozen=True)
class BoundedReader(SourceReader):
    """A reader of a source that gives the first rows of a partition only."""

    meter: Meter = field(default_factory=lambda: Meter({}), compare=False)

    @property
    def source(self) -> SourceKind:
        kind = super().source
        return replace(kind, read=lambda partition, config: _read(kind, partition, config, self.meter))


def bounded(reader: SourceReader, meter: Meter) -> BoundedReader:
    """The reader with bounds."""
    return BoundedReader(reader.name, reader.kind, reader.config, reader.columns, meter)


def _read(kind: SourceKind, partition: Partition, config: Any, meter: Meter) -> Iterator[SourceBatch]:
    chosen = meter.chosen[partition.key]
    reading = Reading()
    meter.opened.clear()
    batches = kind.read(partition, config)
    while (batch := _next(batches, reading)) is not None:
        most = chosen.text_bytes if time.monotonic() < meter.deadline else min(chosen.text_bytes, LATE_BYTES)
        rows = _rows_within(batch, most - reading.kept_bytes)
        kept = replace(batch, rows=batch.rows.slice(0, rows))
        reading.kept_rows += rows
        reading.kept_bytes += _text_bytes(kept)
        yield kept
        if reading.kept_bytes >= most or rows < batch.rows.num_rows:
            break
    else:
        reading.complete = True
    reading.share = 1.0 if reading.complete else _share(partition, meter.opened)
    used, measured = reading.seconds, replace(reading)
    if reading.share is None:
        measured = _drained(batches, reading)
    _close(batches)
    meter.opened.clear()
    unused = 1 - reading.kept_bytes / reading.text_bytes if reading.text_bytes else 0.0
    meter.wasted_seconds += used * unused + measured.seconds - used
    meter.readings.setdefault(partition.key, measured)


def _next(batches: Iterator[SourceBatch], reading: Reading) -> SourceBatch | None:
    started = time.perf_counter()
    batch = next(batches, None)
    reading.seconds += time.perf_counter() - started
    if batch is not None:
        reading.rows += batch.rows.num_rows
        reading.text_bytes += _text_bytes(batch)
        reading.quarantined += 0 if batch.quarantined is None else batch.quarantined.num_rows
        reading.skipped += sum(records for records, _ in batch.skipped.values())
    return batch


def _drained(batches: Iterator[SourceBatch], reading: Reading) -> Reading:
    """Read on without using it, to know how much text the partition has."""
    measured = replace(reading)
    until = time.monotonic() + DRAIN_SECONDS
    while measured.text_bytes < DRAIN_BYTES and time.monotonic() < until:
        if _next(batches, measured) is None:
            measured.share = 1.0
            break
    return measured


def _close(batches: Iterator[SourceBatch]) -> None:
    close = getattr(batches, "close", None)
    if close is not None:
        close()


def _rows_within(batch: SourceBatch, n_bytes: int) -> int:
    """How many of the batch's rows come before so many bytes of text are exceeded; at least one."""
    ends = np.cumsum(byte_lengths(batch.rows.column("text")))
    return min(batch.rows.num_rows, max(1, int(np.searchsorted(ends, n_bytes, side="right"))))


def _text_bytes(batch: SourceBatch) -> int:
    return int(byte_lengths(batch.rows.column("text")).sum())


def _share(partition: Partition, opened: Opened) -> float | None:
    """Share of the partition's bytes that lie before the place where its reader stands, or None."""
    if not opened:
        return None
    uri, stream = opened[-1]
    pieces = partition.pieces
    at = next((index for index, piece in enumerate(pieces) if piece.uri == uri), None)
    if at is None:
        return None
    within = 1.0 if stream.closed else _within(pieces[at], stream)
    if within is None:
        return None
    sizes = [max(1, piece.end - piece.start) for piece in pieces]
    return (sum(sizes[:at]) + within * sizes[at]) / sum(sizes)


def _within(piece: Piece, stream: Any) -> float | None:
    """Share of a piece that was read, where it is a range of bytes that is read in order."""
    span, place = piece.end - piece.start, stream.tell()
    counts_row_groups = span < _MOST_ROW_GROUPS < piece.size
    if counts_row_groups or place <= piece.start:
        return None
    return min(1.0, float((place - piece.start) / span))

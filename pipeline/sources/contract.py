"""What a source is: a config type, ``split`` into partitions, ``read`` of one partition.

A partition is the unit of work, retry and resume. Splitting looks at names and sizes only and is the same on
every machine; adding a file leaves the partitions of all other files as they are. The engine adds what is the
same for all sources: ``_address``, ``content_hash``, ``source``, ``domain``, constant columns and sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipeline.fingerprint import digest
from stages.contract import StageConfig


class SourceConfig(BaseModel):
    """What every source's settings have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: str | list[str]
    """Path, URI or glob (``*``, ``**``, ``?``), or a list of them."""
    exclude: list[str] = []
    """Globs of files to leave out, matched against the path relative to the folder that ``path`` names."""
    domain: str = "web"
    """What the mix weighs: the domain of all documents of this source, unless a field or stage says otherwise."""
    columns: dict[str, str] = {}
    """Constant columns, as in ``{snapshot: "2024-18", language: code}``."""
    max_document_bytes: int = Field(default=256 * 2**20, gt=0)
    """A longer document (bytes of UTF-8) is quarantined as ``too_large``."""


@dataclass(frozen=True)
class Piece:
    """A file or a part of one. ``start`` and ``end`` are bytes, or row groups for columnar files.

    ``relative``: path below the folder that the recipe names; part of ids. ``size`` in bytes and ``stamp``
    (modification time or version) tell whether the file has changed.
    """

    uri: str
    relative: str
    start: int
    end: int
    size: int
    stamp: str


@dataclass(frozen=True)
class Partition:
    """Pieces that one task reads, in order. ``stream``: cannot be split, so it is ingested into Arrow first."""

    source: str
    pieces: tuple[Piece, ...]
    stream: bool = False
    salt: int = 0

    @property
    def number(self) -> int:
        """40 bits that go into addresses: from names and ranges, not from time stamps."""
        identity = [self.source, self.salt, *([piece.relative, piece.start] for piece in self.pieces)]
        return int(digest(identity)[:10], 16)

    @property
    def key(self) -> str:
        """Names the partition in the store: changes when the input does."""
        pieces = [[p.relative, p.start, p.end, p.size, p.stamp] for p in self.pieces]
        return digest([self.source, self.salt, self.stream, pieces])[:24]


QUARANTINE_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("file", pa.string()),
        ("offset", pa.int64()),
        ("bytes", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("raw", pa.large_binary()),
    ]
)
"""A record that could not be read: where it is, how many bytes it has, why, and its first 64 kB."""


@dataclass(frozen=True)
class SourceBatch:
    """What a reader yields.

    ``rows``: ``id``, ``text`` (large_string, no nulls), ``url``, ``date``, ``license`` (may be null), ``file``,
    ``offset``, and the columns of ``fields``; bounded to about 16 MB of text unless one document is longer.
    ``quarantined``: :data:`QUARANTINE_SCHEMA` or None. ``repaired``: what was mended in place → how many documents.
    ``skipped``: why a sound record is no document (``redirect``, ``not_html``) → (records, bytes); the books have them
    as dropped by ``read:<reason>``.
    """

    rows: pa.RecordBatch
    quarantined: pa.RecordBatch | None = None
    repaired: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, tuple[int, int]] = field(default_factory=dict)


CHOOSES = frozenset({"path", "exclude", "split_bytes", "ingest_above_bytes"})
"""Settings of that kind that many sources have."""


@dataclass(frozen=True)
class SourceKind:
    """A kind of source. ``version`` is raised when the same input gives other rows.

    split: (source name, config) → partitions in a deterministic order. Raises SourceError if nothing matches.
    read: (partition, config) → batches; the same rows however they are cut into batches.
    fields: config → name → type of the columns that it yields beyond the common ones.
    stages: config → (kind, config) of row stages that take this source's rows before any stage of the recipe, as the
        extraction of text from HTML; they are booked, stored and explained like all others.
    settle: (config, folder of the run that is planned, if one is) → the config with what the input decides, such as the
        columns of an earlier run; asked first of all, and noted in the resolved recipe. Raises SourceError.
    chooses: settings that say only which files are read and where they are cut. Partitions' keys cover what comes of
        them, so changing one (a larger share of a crawl) leaves the work on the same partitions good.
    """

    kind: str
    version: int
    config: type[SourceConfig]
    split: Callable[[str, Any], Sequence[Partition]]
    read: Callable[[Partition, Any], Iterator[SourceBatch]]
    fields: Callable[[Any], Mapping[str, pa.DataType]] = lambda config: {}
    stages: Callable[[Any], Sequence[tuple[str, StageConfig]]] = lambda config: ()
    settle: Callable[[Any, str | None], Any] = lambda config, own: config
    chooses: frozenset[str] = CHOOSES
    libraries: tuple[str, ...] = ()

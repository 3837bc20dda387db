"""The books: what became of every document, for every stage, source and language.

The identity that every stage keeps, in documents and in bytes::

    in = out + dropped + cut − added + quarantined

(cut and added are bytes only; a document is never cut as a whole.) A stage that writes ``language`` or
``domain`` books a row under the new value on both sides, so the identity holds there too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Kind = Literal["in", "out", "dropped", "cut", "added", "quarantined", "repaired"]


READ = "read"
"""The name under which reading a source is booked."""

NO_LANGUAGE = ""
"""Language of records that never became a document."""


class Entry(NamedTuple):
    """A line of the books. ``stage`` is ``name`` or ``name[branch]``; ``reason``: rule or reason, "" for in and out."""

    stage: str
    source: str
    language: str
    kind: Kind
    reason: str
    documents: int
    bytes: int


class Books:
    """Sums of documents and bytes by (stage, source, language, kind, reason)."""

    def __init__(self, rows: Iterable[Sequence[Any]] = ()) -> None:
        self._sums: dict[tuple[str, str, str, Kind, str], list[int]] = defaultdict(lambda: [0, 0])
        self.merge(rows)

    def add(
        self, stage: str, source: str, language: str, kind: Kind, reason: str, documents: int, n_bytes: int
    ) -> None:
        """Add to one line."""
        line = self._sums[stage, source, language, kind, reason]
        line[0] += documents
        line[1] += n_bytes

    def merge(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows as :meth:`rows` gives them."""
        for stage, source, language, kind, reason, documents, n_bytes in rows:
            self.add(stage, source, language, kind, reason, documents, n_bytes)

    def add_rows(
        self, stage: str, source: str, groups: Groups, kind: Kind, reason: str, n_bytes: npt.NDArray[np.int64],
        chosen: npt.NDArray[np.bool_] | None = None,
    ) -> None:  # fmt: skip
        """Add rows of one source, grouped by language. ``chosen``: bool[n], the rows to count; all by default."""
        codes = groups.codes if chosen is None else groups.codes[chosen]
        weights = n_bytes if chosen is None else n_bytes[chosen]
        counts = np.bincount(codes, minlength=len(groups.names))
        for code in np.flatnonzero(counts):
            total = int(weights.sum()) if counts[code] == len(codes) else int(weights[codes == code].sum())
            self.add(stage, source, groups.names[code], kind, reason, int(counts[code]), total)

    def add_quarantined(self, stage: str, source: str, records: pa.RecordBatch) -> None:
        """Book quarantine records as having come in and gone out to quarantine, by reason."""
        sizes, groups = records.column("bytes").to_numpy(), group_by(records.column("reason"))
        for code, reason in enumerate(groups.names):
            mask = groups.codes == code
            documents, n_bytes = int(mask.sum()), int(sizes[mask].sum())
            self.add(stage, source, NO_LANGUAGE, "in", "", documents, n_bytes)
            self.add(stage, source, NO_LANGUAGE, "quarantined", reason, documents, n_bytes)

    def add_skipped(self, source: str, skipped: Mapping[str, tuple[int, int]]) -> None:
        """Book records that are no documents as come in and dropped by reading. Reason → (records, bytes)."""
        for reason, (records, n_bytes) in skipped.items():
            self.add(READ, source, NO_LANGUAGE, "in", "", records, n_bytes)
            self.add(READ, source, NO_LANGUAGE, "dropped", reason, records, n_bytes)

    def rows(self) -> list[list[Any]]:
        """All lines as lists, in a stable order, for JSON."""
        return [list(entry) for entry in self]

    def __iter__(self) -> Iterator[Entry]:
        for key in sorted(self._sums):
            yield Entry(*key, *self._sums[key])

    def total(self, kind: Kind, stage: str | None = None, **where: str) -> tuple[int, int]:
        """(documents, bytes) of all lines of that kind (and stage, source, language, reason)."""
        documents = n_bytes = 0
        for entry in self:
            wanted = entry.kind == kind and stage in (None, entry.stage)
            if wanted and all(getattr(entry, field) == value for field, value in where.items()):
                documents += entry.documents
                n_bytes += entry.bytes
        return documents, n_bytes

    def unbalanced(self) -> list[str]:
        """Every (stage, source, language) whose identity does not hold, as a sentence; empty is right."""
        sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
        signs = {"in": 1, "out": -1, "dropped": -1, "cut": -1, "added": 1, "quarantined": -1, "repaired": 0}
        for entry in self:
            documents_too = entry.kind not in ("cut", "added")
            line = sums[entry.stage, entry.source, entry.language]
            line[0] += signs[entry.kind] * entry.documents * documents_too
            line[1] += signs[entry.kind] * entry.bytes
        return [
            f"{'/'.join(key)}: {documents} documents and {n_bytes} bytes unaccounted for"
            for key, (documents, n_bytes) in sorted(sums.items())
            if documents or n_bytes
        ]


class Groups(NamedTuple):
    """Rows by the value of a column: ``names[codes[i]]`` is row i's value."""

    names: list[str]
    codes: npt.NDArray[np.int64]


def group_by(column: pa.Array) -> Groups:
    """Group rows by a string column without nulls."""
    encoded = column.dictionary_encode()
    return Groups(encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64))

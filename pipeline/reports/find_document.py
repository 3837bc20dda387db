"""Finds documents of a run by id, URL, address, content hash, or a part of id or URL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.blocks.reading import rows_between
from pipeline.errors import RunNotFound
from pipeline.reports.stored_run import StoredRun
from stages.contract import ADDRESS, ORDINAL_BITS

MANY = 20
"""Matches after which a search stops."""


@dataclass(frozen=True)
class Match:
    """A document that was read. ``number``: of its partition."""

    address: int
    id: str
    source: str

    @property
    def number(self) -> int:
        return self.address >> ORDINAL_BITS

    @property
    def ordinal(self) -> int:
        return self.address & ((1 << ORDINAL_BITS) - 1)


def find_documents(run: StoredRun, query: str, limit: int = MANY) -> list[Match]:
    """Documents that the query names; those that contain it in id or URL if it names none. At most ``limit``."""
    by_address = _address(run, query)
    if by_address is not None:
        return by_address
    exact: list[Match] = []
    near: list[Match] = []
    for source, batch in _identities(run):
        exact += _matches(batch, _same(batch, query), source)
        if len(near) < limit:
            near += _matches(batch, _contains(batch, query), source)
        if len(exact) >= limit:
            break
    return (exact or near)[:limit]


def find_document(run: StoredRun, query: str) -> Match:
    """The one document that the query means. Raises RunNotFound for none or several, listing them."""
    found = find_documents(run, query)
    if len(found) == 1:
        return found[0]
    if not found:
        raise RunNotFound(f"no document {query!r} in run {run.run.name}", remedy="give an id, a URL, or a part of one")
    listed = "\n".join(f"    {match.id}   ({match.source}, {match.address})" for match in found)
    more = " (and perhaps more)" if len(found) == MANY else ""
    raise RunNotFound(
        f"{len(found)}{more} documents match {query!r}:\n{listed}", remedy="give a whole id or an address"
    )


def ids_of(run: StoredRun, addresses: Iterable[int]) -> dict[int, Match]:
    """The documents at some addresses, by address."""
    wanted: dict[int, list[int]] = {}
    for address in addresses:
        wanted.setdefault(address >> ORDINAL_BITS, []).append(address)
    found: dict[int, Match] = {}
    first = run.rows[0]
    for number, listed in wanted.items():
        if number not in first.parts:
            continue
        part = first.parts[number]
        rows = rows_between(first.phase.store, part.files["signals"], min(listed), max(listed))
        mask = np.isin(rows.column(ADDRESS).to_numpy(), np.array(listed, np.uint64))
        found |= {match.address: match for match in _matches(rows, mask, part.source, len(listed))}
    return found


def ids_at(run: StoredRun, number: int, addresses: npt.NDArray[np.uint64]) -> tuple[pa.Array, str]:
    """Ids of a partition's documents at addresses, null for one that was not read, and the partition's source."""
    part = run.rows[0].parts[number]
    known: list[pa.RecordBatch] = []
    for batch in run.rows[0].phase.store.batches(part.files["signals"], [ADDRESS, "id"]):
        known.append(batch.filter(pa.array(np.isin(batch.column(ADDRESS).to_numpy(), addresses))))
    table = pa.Table.from_batches(known)
    place = pc.index_in(pa.array(addresses), value_set=table.column(ADDRESS))
    return table.column("id").combine_chunks().take(place), part.source


def quarantined_records(run: StoredRun, query: str, limit: int = MANY) -> list[dict[str, Any]]:
    """Quarantined records of a file, or of a file and offset (``file#offset``, ``file:offset``)."""
    found: list[dict[str, Any]] = []
    names = ["source", "file", "offset", "bytes", "reason", "detail"]
    for phase in run.phases:
        for file in phase.files("quarantine"):
            for batch in phase.store.batches(file, names):
                found += [record for record in batch.to_pylist() if _names(record, query)]
                if len(found) >= limit:
                    return found[:limit]
    return found


def _names(record: Mapping[str, Any], query: str) -> bool:
    places = [f"{record['file']}{sign}{record['offset']}" for sign in "#:@"]
    return query == record["file"] or query in places


def _identities(run: StoredRun) -> Iterator[tuple[str, pa.RecordBatch]]:
    """(source, address and what names a document) of everything that was read."""
    first = run.rows[0]
    for part in first.parts.values():
        for batch in first.phase.store.batches(part.files["signals"], [ADDRESS, "id", "url", "content_hash"]):
            yield part.source, batch


def _same(batch: pa.RecordBatch, query: str) -> npt.NDArray[np.bool_]:
    """Rows whose id (whole, or without the file in front of ``#``), URL or content hash is the query."""
    own = f"#{query.removeprefix('#')}"
    mask = _plain(pc.equal(batch.column("id"), query)) | _plain(pc.equal(batch.column("url"), query))
    mask |= _plain(pc.ends_with(batch.column("id"), own))
    try:
        content_hash = bytes.fromhex(query) if len(query) == 32 else b""
    except ValueError:
        content_hash = b""
    if content_hash:
        mask |= _plain(pc.equal(batch.column("content_hash"), pa.scalar(content_hash, pa.binary(16))))
    return mask


def _contains(batch: pa.RecordBatch, query: str) -> npt.NDArray[np.bool_]:
    return _plain(pc.match_substring(batch.column("id"), query)) | _plain(
        pc.match_substring(batch.column("url"), query)
    )


def _matches(batch: pa.RecordBatch, mask: npt.NDArray[np.bool_], source: str, most: int = MANY + 1) -> list[Match]:
    rows = batch.select([ADDRESS, "id"]).take(pa.array(np.flatnonzero(mask)[:most]))
    return [Match(row[ADDRESS], row["id"], source) for row in rows.to_pylist()]


def _address(run: StoredRun, query: str) -> list[Match] | None:
    """The document at an address, decimal or ``0x…``; None if the query is no address of this run."""
    try:
        address = int(query, 0)
    except ValueError:
        return None
    found = ids_of(run, [address]) if 0 <= address < 1 << 64 else {}
    return list(found.values()) or None


def _plain(mask: pa.Array) -> npt.NDArray[np.bool_]:
    plain: npt.NDArray[np.bool_] = mask.fill_null(False).to_numpy(zero_copy_only=False)
    return plain

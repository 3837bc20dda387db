"""The partitions that a corpus block compares: which comes first, and where the signatures of each are.

Addresses are made of hashes of file names, so their order says nothing. The list has partitions in the order in which
the recipe names sources, files are sorted by name, and ranges follow each other in a file; those of earlier runs come
before all. A row's *place*, 40 bits of its partition's position in that order and 24 of its ordinal, is therefore the
same order however files are cut, and needs no byte in a sketch: it is looked up when rows are compared.

The list is written once into the block's folder, named by its content. Work carries the name alone: with 10,000
partitions the list has 3 MB, which would travel with every unit.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from pipeline.blocks.sorted_runs import Run
from pipeline.storage import Folder
from pipeline.store import BlockStore, DataFile
from stages.contract import ADDRESS, ORDINAL_BITS

UInt64s = npt.NDArray[np.uint64]
_ORDINAL = np.uint64((1 << ORDINAL_BITS) - 1)
_BITS = np.uint64(ORDINAL_BITS)
_BLOCK = 1 << 16
_SCHEMA = pa.schema(
    [
        ("number", pa.uint64()),
        ("place", pa.uint64()),
        ("store", pa.dictionary(pa.int32(), pa.string())),
        ("file", pa.string()),
        ("bytes", pa.int64()),
        ("rows", pa.int64()),
        ("checksum", pa.string()),
        ("first_keys", pa.list_(pa.uint64())),
        ("was", pa.uint64()),
    ]
)
"""By number. ``file`` and what follows: of the signatures, null where there are none; ``was``: see ``Run.moved``."""


@dataclass(frozen=True)
class PartitionList:
    """A list that was written to ``folder`` as ``name``."""

    folder: Folder
    name: str

    @staticmethod
    def write(folder: Folder, numbers: Sequence[int], signatures: Mapping[int, Run]) -> PartitionList:
        """Write the list of partitions, the first one first, with the signatures of those that have some.

        It stays if it is there already.
        """
        rows = [_row(number, place, signatures.get(number)) for place, number in enumerate(numbers)]
        stream = io.BytesIO()
        batch = pa.RecordBatch.from_pylist(sorted(rows, key=lambda row: int(str(row["number"]))), schema=_SCHEMA)
        with pa.ipc.new_file(stream, batch.schema) as writer:
            writer.write_batch(batch)
        found = PartitionList(folder, f"{xxhash.xxh3_128_hexdigest(stream.getvalue())}.arrow")
        if not folder.exists(found.name):
            folder.write(found.name, stream.getvalue())
        return found

    def signatures(self, number: int) -> Run:
        """Signatures of a partition, by address. Raises KeyError for one that is not listed, or has none."""
        return _read(self).signatures(number)

    def any_signatures(self) -> Run:
        """Those of the first partition by number; all have the same columns."""
        listed = _read(self)
        return listed.signatures(listed.lowest)

    def places(self, addresses: UInt64s) -> UInt64s:
        """uint64[n]: the places of rows. Raises KeyError for a partition that is not listed."""
        return _in_blocks(_read(self).places, addresses)

    def addresses(self, places: UInt64s) -> UInt64s:
        """uint64[n]: the addresses of rows at these places. Raises KeyError for a place beyond the list."""
        return _in_blocks(_read(self).addresses, places)


def _in_blocks(made: Callable[[UInt64s], UInt64s], values: UInt64s) -> UInt64s:
    """What is made of all values, some at a time: at once it would take five times the memory meanwhile."""
    out = np.empty_like(values)
    for start in range(0, len(values), _BLOCK):
        out[start : start + _BLOCK] = made(values[start : start + _BLOCK])
    return out


def _row(number: int, place: int, run: Run | None) -> dict[str, object]:
    row: dict[str, object] = {"number": number, "place": place}
    if run is not None:
        row |= {"store": run.store.folder.uri, "file": run.file.name, "bytes": run.file.bytes, "rows": run.rows}
        row |= {"checksum": run.file.checksum, "first_keys": run.first_keys, "was": run.moved and run.moved[0]}
    return row


class _Listed:
    """A list in memory."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._numbers, self._places = (batch.column(name).to_numpy() for name in ("number", "place"))
        self._by_place = np.argsort(self._places)

    @property
    def lowest(self) -> int:
        return int(self._numbers[0])

    def signatures(self, number: int) -> Run:
        row = self._batch.slice(int(self._rows(np.array([number], np.uint64))[0]), 1).to_pylist()[0]
        if row["file"] is None:
            raise KeyError(f"partition {number:010x} has no signatures")
        file = DataFile(row["file"], row["bytes"], row["rows"], row["checksum"])
        moved = None if row["was"] is None else (row["was"], number)
        return Run(BlockStore(Folder(row["store"])), file, tuple(row["first_keys"]), (ADDRESS,), (), moved)

    def places(self, addresses: UInt64s) -> UInt64s:
        return self._places[self._rows(addresses >> _BITS)] << _BITS | addresses & _ORDINAL

    def addresses(self, places: UInt64s) -> UInt64s:
        at = places >> _BITS
        if len(at) and at.max() >= len(self._numbers):
            raise KeyError(f"there is no partition {at.max()}")
        return self._numbers[self._by_place[at]] << _BITS | places & _ORDINAL

    def _rows(self, numbers: UInt64s) -> npt.NDArray[np.int64]:
        from stages.kernels.sorted_lookup import MISSING, look_up

        rows = look_up(self._numbers, numbers)
        if (rows == MISSING).any():
            raise KeyError(f"partition {numbers[rows == MISSING][0]:010x} is not listed")
        return rows


@lru_cache(maxsize=8)
def _read(listed: PartitionList) -> _Listed:
    with pa.ipc.open_file(pa.BufferReader(listed.folder.read(listed.name))) as reader:
        return _Listed(reader.get_batch(0))

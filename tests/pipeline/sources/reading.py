"""Reading a whole source, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.sources.contract import QUARANTINE_SCHEMA, Partition, SourceBatch, SourceConfig, SourceKind
from pipeline.sources.records import row_schema


class Everything(NamedTuple):
    """``rows`` and ``quarantined`` as lists of dictionaries, ``repaired`` summed up."""

    rows: list[dict[str, Any]]
    quarantined: list[dict[str, Any]]
    repaired: dict[str, int]


def read_all(kind: SourceKind, config: SourceConfig, source: str = "s") -> Everything:
    """Split, read every partition, check the schema of each batch."""
    partitions = kind.split(source, config)
    assert len({partition.number for partition in partitions}) == len(partitions)
    return read_partitions(kind, partitions, config)


def read_partitions(kind: SourceKind, partitions: Iterable[Partition], config: SourceConfig) -> Everything:
    """Read some partitions."""
    schema = row_schema(kind.fields(config))
    everything = Everything([], [], {})
    for partition in partitions:
        for batch in kind.read(partition, config):
            _add(everything, batch, schema)
    return everything


def _add(everything: Everything, batch: SourceBatch, schema: pa.Schema) -> None:
    assert batch.rows.schema == schema
    batch.rows.validate(full=True)
    assert batch.rows.column("text").null_count == 0
    everything.rows.extend(batch.rows.to_pylist())
    if batch.quarantined is not None:
        assert batch.quarantined.schema == QUARANTINE_SCHEMA
        everything.quarantined.extend(batch.quarantined.to_pylist())
    for reason, count in batch.repaired.items():
        everything.repaired[reason] = everything.repaired.get(reason, 0) + count

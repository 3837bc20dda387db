"""Reading a whole source, for the tests of this folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
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


_MEASURE = """
import sys
from pipeline.machine import peak_bytes
from pipeline.sources import catalogue

kind = catalogue.source(sys.argv[1])

def read(path):
    sizes = []
    config = kind.config(path=path)
    for partition in kind.split("s", config):
        for batch in kind.read(partition, config):
            sizes.append(batch.rows.column("text").nbytes)
    return sizes

read(sys.argv[2])
before = peak_bytes()
sizes = read(sys.argv[3])
print(sum(sizes), max(sizes), (peak_bytes() - before) // 1024)
"""


def memory_of_reading(kind: str, small: Path, big: Path) -> tuple[int, int, int]:
    """Read a file in a process of its own, after a small one that has everything loaded and compiled.

    Returns bytes of text, those of the largest batch, and by how many kB the process grew.
    """
    command = [sys.executable, "-c", _MEASURE, kind, str(small), str(big)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    total, largest, grown = map(int, done.stdout.split())
    return total, largest, grown

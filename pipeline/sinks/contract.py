"""What a sink is: a file format that groups of rows are written in.

A sink sees groups that were cut by looking at rows only (:class:`pipeline.blocks.rechunk.Rechunker`), so that its bytes
do not depend on how documents came in batches; it writes each as one row group, record batch or piece of text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa


class Output(Protocol):
    """Where bytes go; never closed or flushed by a sink."""

    def write(self, chunk: Any, /) -> int: ...


class Writer(Protocol):
    """An open file of a format."""

    def write(self, group: pa.RecordBatch) -> None:
        """Write a group of rows, which has the schema of the file."""
        ...

    def close(self) -> None:
        """Write what stands at the end; the output stays open."""
        ...


@dataclass(frozen=True)
class SinkKind:
    """A format.

    version: raised when the same rows give other bytes.
    compressions: → ending of the file's name, the default first.
    open: (output, schema, compression, facts for the file's own metadata) → a writer.
    group_rows, group_bytes: largest number of rows in a group, and bytes of text with which it is closed.
    libraries: distributions whose version decides the bytes.
    """

    kind: str
    version: int
    compressions: Mapping[str, str]
    open: Callable[[Output, pa.Schema, str, Mapping[str, str]], Writer]
    group_rows: int
    group_bytes: int
    libraries: tuple[str, ...] = ()


def with_facts(schema: pa.Schema, facts: Mapping[str, str]) -> pa.Schema:
    """The schema with the facts as its metadata, ``gristmill.`` before their names."""
    return schema.with_metadata({f"gristmill.{name}": value for name, value in facts.items()})

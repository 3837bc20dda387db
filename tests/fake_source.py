"""A source for tests of the engine: lines of text files, some of which are no documents; it brings a stage.

A line ``#reason`` is skipped for that reason. Before any stage of the recipe, ``fake_cut`` takes the letter x out of
the rows of this source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceConfig, SourceKind
from pipeline.sources.listing import list_files
from pipeline.sources.records import row_schema
from stages.contract import StageConfig
from tests.fake_stages import CutConfig


class FakeConfig(SourceConfig):
    letter: str = "x"
    """What is cut."""
    stream: bool = False
    """Have the files ingested first."""


def _split(source: str, config: FakeConfig) -> Sequence[Partition]:
    files = list_files(config.path)
    pieces = [Piece(file.uri, file.relative, 0, file.size, file.size, file.stamp) for file in files]
    return [Partition(source, (piece,), config.stream) for piece in pieces]


def _read(partition: Partition, config: FakeConfig) -> Iterator[SourceBatch]:
    for piece in partition.pieces:
        lines = Path(piece.uri).read_text("utf-8").splitlines()
        names = [f"{piece.relative}#{number}" for number, line in enumerate(lines) if not line.startswith("#")]
        texts = [line for line in lines if not line.startswith("#")]
        columns: dict[str, list[object]] = {"id": [*names], "text": [*texts], "file": [piece.relative] * len(texts)}
        columns["offset"] = list(range(len(texts)))
        schema = row_schema({})
        arrays = [pa.array(columns.get(field.name, [None] * len(texts)), field.type) for field in schema]
        reasons = Counter(line[1:] for line in lines if line.startswith("#"))
        skipped = {reason: (count, count * (len(reason) + 1)) for reason, count in reasons.items()}
        yield SourceBatch(pa.record_batch(arrays, schema=schema), skipped=skipped)


def _stages(config: FakeConfig) -> Sequence[tuple[str, StageConfig]]:
    return [("fake_cut", CutConfig(letter=config.letter))]


SOURCE = SourceKind("fake_lines", 1, FakeConfig, _split, _read, stages=_stages)

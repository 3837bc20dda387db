"""What is assumed where no pilot says better: sizes of text and of stored blocks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.blocks.export import PACKED
from pipeline.plan import Block, CorpusBlock, ExportBlock, FitBlock, Plan, RowsBlock

EXPANSION = {".gz": 3.5, ".zst": 3.8, ".xz": 4.5, ".bz2": 4.5, ".lz4": 2.0, ".parquet": 2.5}
"""Bytes of text per byte of file. zst was measured on prose (3.4 to 4.1); the others are assumed."""
DOCUMENTS = {"none": 1.05, "lz4": 0.57, "zstd": 0.38}
"""Bytes of stored documents (Arrow) per byte of text, by ``compression``; measured on prose."""
SIGNALS = 60 / 4000
SKETCHES = 2 * 34 / 4000
"""Bytes per byte of text for documents of 4,000 bytes: signals compressed, records of 34 bytes written and linked."""
TOKENS = 2 * 4 / 4
"""Four bytes a token, about four bytes of text a token, once as parts and once as shards."""


@dataclass(frozen=True)
class SourceSize:
    """A source's input: partitions, files, their bytes, and the bytes of text that they may hold.

    ``streams``: files that have to be ingested first.
    """

    name: str
    partitions: int
    files: int
    bytes: int
    text_bytes: int
    streams: int = 0


def source_sizes(plan: Plan) -> list[SourceSize]:
    """What each source reads, from names and sizes of files."""
    found = []
    for name in plan.readers:
        units = [unit for unit in plan.units if unit.source == name]
        files = {piece.uri: piece.size for unit in units for piece in unit.partition.pieces}
        text_bytes = sum(int(size * expansion(uri)) for uri, size in files.items())
        streams = sum(unit.partition.stream for unit in units)
        found.append(SourceSize(name, len(units), len(files), sum(files.values()), text_bytes, streams))
    return found


def expansion(uri: str) -> float:
    """Bytes of text per byte of a file, by its ending."""
    return EXPANSION.get(os.path.splitext(uri)[1].lower(), 1.0)


def streamed_text_bytes(plan: Plan) -> int:
    """Bytes of text of files that have to be ingested."""
    streams = {piece.uri: piece.size for unit in plan.units if unit.partition.stream for piece in unit.partition.pieces}
    return sum(int(size * expansion(uri)) for uri, size in streams.items())


def assumed_bytes(plan: Plan, blocks: Sequence[Block | None]) -> int:
    """Bytes that blocks may write if no stage dropped anything. None among them: the ingest."""
    text_bytes = int(sum(size.text_bytes for size in source_sizes(plan)) * (plan.sample or 1))
    documents = DOCUMENTS[plan.recipe.compression]
    return sum(
        int(streamed_text_bytes(plan) * DOCUMENTS["lz4"])
        if block is None
        else _block_bytes(block, text_bytes, documents)
        for block in blocks
    )


def _block_bytes(block: Block, text_bytes: int, documents: float) -> int:
    if isinstance(block, RowsBlock):
        return int(text_bytes * (documents + SIGNALS))
    if isinstance(block, CorpusBlock):
        return int(text_bytes * SKETCHES)
    if isinstance(block, ExportBlock):
        return int(text_bytes * PACKED[block.spec.compression])
    return 0 if isinstance(block, FitBlock) else int(text_bytes * TOKENS)

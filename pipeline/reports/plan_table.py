"""``gristmill plan``: the blocks of a recipe, what of them is in the store, what they will need. Reads no document."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.plan import Block, CorpusBlock, FitBlock, Plan, RowsBlock
from pipeline.reports import figures
from pipeline.reports.store_walk import StoreWalk
from pipeline.terminal import text

EXPANSION = {".gz": 3.5, ".zst": 3.8, ".xz": 4.5, ".bz2": 4.5, ".lz4": 2.0, ".parquet": 2.5}
"""Bytes of text per byte of file. zst was measured on prose (3.4 to 4.1); the others are assumed."""
DOCUMENTS = 0.57
"""Bytes of stored documents (Arrow, lz4) per byte of text; measured on prose: 0.50 to 0.62."""
SIGNALS = 60 / 4000
SKETCHES = 2 * 34 / 4000
"""Bytes per byte of text for documents of 4,000 bytes: signals compressed, records of 34 bytes written and linked."""
TOKENS = 2 * 4 / 4
"""Four bytes a token, about four bytes of text a token, once as parts and once as shards."""


@dataclass(frozen=True)
class SourceSize:
    """A source's input: partitions, files, their bytes, and the bytes of text that they may hold."""

    name: str
    partitions: int
    files: int
    bytes: int
    text_bytes: int


def source_sizes(plan: Plan) -> list[SourceSize]:
    """What each source reads, from names and sizes of files."""
    found = []
    for name in plan.readers:
        units = [unit for unit in plan.units if unit.source == name]
        files = {piece.uri: piece.size for unit in units for piece in unit.partition.pieces}
        text_bytes = sum(int(size * expansion(uri)) for uri, size in files.items())
        found.append(SourceSize(name, len(units), len(files), sum(files.values()), text_bytes))
    return found


def expansion(uri: str) -> float:
    """Bytes of text per byte of a file, by its ending."""
    return EXPANSION.get(os.path.splitext(uri)[1].lower(), 1.0)


def estimated_bytes(block: Block | None, text_bytes: int, streamed: int) -> int:
    """Bytes that a block may write. ``block`` None: ingest of ``streamed`` bytes of text."""
    if block is None:
        return int(streamed * DOCUMENTS)
    if isinstance(block, RowsBlock):
        return int(text_bytes * (DOCUMENTS + SIGNALS))
    if isinstance(block, CorpusBlock):
        return int(text_bytes * SKETCHES)
    return 0 if isinstance(block, FitBlock) else int(text_bytes * TOKENS)


def print_plan(plan: Plan, walk: StoreWalk, console: Console) -> None:
    """What will be read, what is there, what is left to do, and the disk that it needs at most."""
    sizes = source_sizes(plan)
    console.print(_source_table(sizes))
    console.print(_block_table(walk))
    for line in _disk_lines(plan, walk, sizes):
        console.print(line, soft_wrap=True)


def _source_table(sizes: list[SourceSize]) -> Table:
    table = Table(title="input", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("source")
    for name in ("files", "partitions", "bytes"):
        table.add_column(name, justify="right")
    for size in sizes:
        cells = [figures.count(size.files), figures.count(size.partitions), figures.size(size.bytes)]
        table.add_row(text(size.name), *map(Text, cells))
    return table


def _block_table(walk: StoreWalk) -> Table:
    table = Table(title="blocks", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("block", overflow="fold")
    table.add_column("in the store", justify="right")
    table.add_column("fingerprint")
    for phase in walk.walked:
        label = f"{phase.kind}: {phase.name}" if phase.name else phase.kind
        state = "all" if phase.complete else "none" if not phase.done else "some"
        done = Text(f"{state} ({phase.done} of {phase.units})", "green" if phase.complete else "")
        table.add_row(text(label), done, Text(phase.block.fingerprint[:12] if phase.block else ""))
    for block in walk.blocks_left():
        table.add_row(text(f"{_kind(block)}: {block.name}"), Text("after that", "dim"), Text(block.fingerprint[:12]))
    return table


def _kind(block: Block) -> str:
    if isinstance(block, RowsBlock):
        return "rows"
    return "corpus" if isinstance(block, CorpusBlock) else "fit" if isinstance(block, FitBlock) else "tokens"


def _disk_lines(plan: Plan, walk: StoreWalk, sizes: list[SourceSize]) -> Iterator[Text]:
    there = sum(phase.bytes for phase in walk.walked)
    if walk.complete:
        yield text(f"everything is in the store ({figures.size(there)}); a run only writes its report", "green")
        return
    text_bytes = int(sum(size.text_bytes for size in sizes) * (plan.sample or 1))
    streams = {piece.uri: piece.size for unit in plan.units if unit.partition.stream for piece in unit.partition.pieces}
    streamed = sum(int(size * expansion(uri)) for uri, size in streams.items())
    missing = [phase.block for phase in walk.walked if not phase.complete] + list(walk.blocks_left())
    more = sum(estimated_bytes(block, text_bytes, streamed) for block in missing)
    yield text(
        f"disk at the end of the run: about {figures.size(there + more)}, {figures.size(there)} of it there already "
        f"(from about {figures.size(text_bytes)} of text, if no stage dropped anything)"
    )
    yield text("nothing is freed during a run; afterwards `gristmill gc` frees what no kept run needs")

"""Token blocks: every partition → tokens, consecutive partitions → shards of about 512 MB, one index over all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from pipeline.blocks.models import local_copy
from pipeline.blocks.reading import BlockUnit, read_block
from pipeline.blocks.work import Unit
from pipeline.store import Attempt, BlockStore, Commit, DataFile
from pipeline.tokens.shard_writer import compact_parts, merge_indexes, write_token_part
from pipeline.tokens.tokenizers import load_tokenizer

PART = "tokens"
SHARD = "shard"
SIDECAR = "sidecar"
INDEX = "index"


@dataclass(frozen=True)
class TokenizeWork:
    """One unit: a partition → its tokens. ``tokenizer``: a name, or the path or URI of a vocabulary.

    ``called``: what shards call it; an artifact's file is named after an attempt, which bytes must not depend on.
    """

    name: str
    store: BlockStore
    tokenizer: str
    called: str
    pattern: str | None = None
    append_eos: bool = True

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, BlockUnit)
        started = time.perf_counter()
        path = local_copy(self.tokenizer) if "/" in self.tokenizer else self.tokenizer
        tokenizer = replace(load_tokenizer(path, pattern=self.pattern), name=self.called)
        attempt = Attempt(self.store, unit.key)
        batches = (batch for batch, _ in read_block(unit))
        with attempt.create(PART) as sink:
            counts = write_token_part(batches, tokenizer, sink, append_eos=self.append_eos)
        facts = {"number": unit.number, "source": unit.source, "counts": counts.to_json(), "engine": tokenizer.engine}
        return attempt.commit([], facts, {"tokenize": time.perf_counter() - started})


@dataclass(frozen=True)
class CompactUnit:
    """Consecutive parts that become one shard."""

    key: str
    parts: tuple[DataFile, ...]

    @property
    def label(self) -> str:
        return f"shard of {len(self.parts)} partitions"


@dataclass(frozen=True)
class CompactWork:
    """One unit: parts → a shard and the part of the index that belongs to it."""

    name: str
    store: BlockStore

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, CompactUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        with attempt.create(SHARD) as shard, attempt.create(SIDECAR) as sidecar:
            compact_parts(self._open(unit), shard, sidecar)
        return attempt.commit([], {}, {"compact": time.perf_counter() - started})

    def _open(self, unit: CompactUnit) -> Iterator[pa.NativeFile]:
        for file in unit.parts:
            yield open_file(self.store, file)


@dataclass(frozen=True)
class IndexUnit:
    """Shards, (name as published, sidecar), in order."""

    key: str
    shards: tuple[tuple[str, DataFile], ...]

    @property
    def label(self) -> str:
        return f"index of {len(self.shards)} shards"


@dataclass(frozen=True)
class IndexWork:
    """The one unit that merges the index."""

    name: str
    store: BlockStore

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, IndexUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        with attempt.create(INDEX) as sink:
            merge_indexes([(name, open_file(self.store, file)) for name, file in unit.shards], sink)
        return attempt.commit([], {}, {"index": time.perf_counter() - started})


def open_file(store: BlockStore, file: DataFile) -> pa.NativeFile:
    """Open any data file of a commit for reading."""
    path = store.data.file(file.name)
    return pa.memory_map(path) if store.data.is_local else store.data.fs.open_input_file(path)


def shard_name(index: int) -> str:
    """File name of a published shard."""
    return f"shard-{index:05d}.arrow"

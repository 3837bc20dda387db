"""Writing token shards: partition → part, consecutive parts → shard, shards → one index.

A part is written per input partition, so that it can be resumed and reused; parts have the layout of shards but
follow the size of partitions. ``compact_parts`` joins them into shards of about 512 MB and writes, per shard, its
piece of the index (a "sidecar"); ``merge_indexes`` joins those. Bytes depend on the documents in their order and on
nothing else: row groups are cut by rows and tokens, whatever batches come in.

Limits: the index is merged in memory (9 bytes a document); a row group holds at most one document more than
fits, so a group is bounded by the largest document.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import StoreError
from pipeline.tokens.documents import encode_documents, key_pairs
from pipeline.tokens.row_groups import GroupWriter, Sink
from pipeline.tokens.shards import INDEX_SCHEMA, MAX_KEYS, metadata, read_metadata
from pipeline.tokens.tokenizers import Tokenizer

SHARD_BYTES = 512 * 2**20

Readable: TypeAlias = pa.NativeFile | pa.Buffer | str
"""An open file, its bytes, or a local path."""


@dataclass(frozen=True)
class TokenCounts:
    """What a part holds. ``tokens`` count end-of-document ids, ``text_bytes`` are UTF-8.

    ``by``: [domain, language, documents, text_bytes, tokens], sorted.
    """

    documents: int
    tokens: int
    text_bytes: int
    by: list[list[Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(value: dict[str, Any]) -> TokenCounts:
        return TokenCounts(**value)


@dataclass(frozen=True)
class ShardCounts:
    """What a shard or all of them hold. ``bytes``: of the shard files."""

    documents: int
    tokens: int
    bytes: int


def write_token_part(
    batches: Iterable[pa.RecordBatch], tokenizer: Tokenizer, sink: Sink, *, append_eos: bool = True
) -> TokenCounts:
    """Encode documents and write them as one part.

    ``batches``: the columns of every batch (``stages.contract.BASE_COLUMNS``), and ``quality`` and
    ``cluster_size`` where a stage wrote them. Raises ValueError for an unfit column type.
    """
    totals: dict[tuple[str, str], npt.NDArray[np.int64]] = {}
    meta = {"tokenizer": tokenizer.description, "append_eos": append_eos}
    writer = GroupWriter(sink, meta)
    for batch in batches:
        documents, text_bytes = encode_documents(batch, tokenizer, append_eos)
        _count(totals, documents, text_bytes)
        writer.write(documents)
    writer.finish()
    counted = sum(totals.values(), np.zeros(3, np.int64)).tolist()
    by = [[domain, language, *totals[domain, language].tolist()] for domain, language in sorted(totals)]
    return TokenCounts(documents=counted[0], text_bytes=counted[1], tokens=counted[2], by=by)


def plan_shards(part_bytes: Sequence[int], target_bytes: int = SHARD_BYTES) -> list[range]:
    """Which consecutive parts become one shard: as many as fit ``target_bytes``, at least one."""
    shards: list[range] = []
    start, size = 0, 0
    for number, part in enumerate(part_bytes):
        if number > start and size + part > target_bytes:
            shards.append(range(start, number))
            start, size = number, 0
        size += part
    return [*shards, range(start, len(part_bytes))] if part_bytes else []


def compact_parts(parts: Iterable[Readable], sink: Sink, sidecar: Sink) -> ShardCounts:
    """Join parts, in their order, into one shard; its piece of the index goes to ``sidecar``.

    Parts are opened one at a time. Raises StoreError if they were written with different tokenizers or settings,
    and for no parts at all.
    """
    writer: GroupWriter | None = None
    for part in parts:
        reader = _open(part)
        meta = read_metadata(reader.schema, "part")
        meta.pop("format")
        writer = writer or GroupWriter(sink, meta)
        if meta != writer.meta:
            raise StoreError(f"parts differ: {meta} and {writer.meta}", remedy=_SAME)
        for number in range(reader.num_record_batches):
            writer.write(reader.get_batch(number))
    if writer is None:
        raise StoreError("no parts to compact", remedy=_SAME)
    writer.finish()
    _write_index(sidecar, writer.meta | {"keys": writer.keys, "shards": [writer.counts]}, writer.index())
    return ShardCounts(writer.counts["documents"], writer.counts["tokens"], writer.counts["bytes"])


_SAME = "delete the token block's folder in the store and run the recipe again"


def merge_indexes(shards: Sequence[tuple[str, Readable]], sink: Sink) -> ShardCounts:
    """Write ``index.arrow``. ``shards``: (file relative to the index's folder, its sidecar), in order.

    Raises StoreError for no shards, and where sidecars disagree on the tokenizer.
    """
    if not shards:
        raise StoreError("no documents are left to tokenize", remedy="loosen the rules that dropped them all")
    keys: dict[tuple[str, str], int] = {}
    listed: list[dict[str, Any]] = []
    pieces: list[pa.RecordBatch] = []
    common: dict[str, Any] = {}
    for number, (name, source) in enumerate(shards):
        reader = _open(source)
        meta = read_metadata(reader.schema, name)
        head = {key: meta[key] for key in ("tokenizer", "append_eos")}
        if head != (common := common or head):
            raise StoreError(f"shards differ: {head} and {common}", where=name, remedy=_SAME)
        listed.append({"file": name, **meta["shards"][0]})
        codes = [keys.setdefault((domain, language), len(keys)) for domain, language in meta["keys"]]
        pieces.append(_renumbered(reader.get_batch(0), number, np.array(codes, np.uint16)))
    if len(keys) > MAX_KEYS:
        raise StoreError(f"{len(keys)} pairs of domain and language, at most {MAX_KEYS}", remedy="use fewer domains")
    _write_index(sink, common | {"keys": list(keys), "shards": listed}, pa.concat_batches(pieces))
    return ShardCounts(*(sum(shard[key] for shard in listed) for key in ("documents", "tokens", "bytes")))


def _count(
    totals: dict[tuple[str, str], npt.NDArray[np.int64]], documents: pa.RecordBatch, text_bytes: npt.NDArray[np.int64]
) -> None:
    pairs, rows = key_pairs(documents)
    tokens = np.diff(documents.column("tokens").offsets.to_numpy())
    sums = [np.bincount(rows, weights, len(pairs)) for weights in (np.ones(len(rows)), text_bytes, tokens)]
    for number, pair in enumerate(pairs):
        added = np.array([column[number] for column in sums]).astype(np.int64)
        totals[pair] = totals.get(pair, np.zeros(3, np.int64)) + added


def _open(source: Readable) -> pa.ipc.RecordBatchFileReader:
    return pa.ipc.open_file(pa.memory_map(source) if isinstance(source, str) else source)


def _renumbered(piece: pa.RecordBatch, shard: int, codes: npt.NDArray[np.uint16]) -> pa.RecordBatch:
    """A sidecar's rows with the number of its shard and the numbers of its keys in the merged index."""
    keys = piece.column("key")
    values = codes[keys.values.to_numpy()] if len(keys.values) else np.zeros(0, np.uint16)
    columns = dict(zip(piece.schema.names, piece.columns, strict=True))
    columns["shard"] = pa.array(np.full(piece.num_rows, shard, np.uint32))
    columns["key"] = pa.LargeListArray.from_arrays(keys.offsets, pa.array(values), type=keys.type)
    return pa.record_batch(list(columns.values()), schema=INDEX_SCHEMA)


def _write_index(sink: Sink, meta: dict[str, Any], rows: pa.RecordBatch) -> None:
    options = pa.ipc.IpcWriteOptions(compression=None, use_threads=False)
    content = pa.BufferOutputStream()
    with pa.ipc.new_file(content, INDEX_SCHEMA.with_metadata(metadata(meta)), options=options) as writer:
        writer.write_batch(rows)
    sink.write(content.getvalue())

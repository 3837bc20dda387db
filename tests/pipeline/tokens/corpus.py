"""Small corpora for the tests of token shards: batches with all base columns, tokens that a reader can predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.tokens.shard_writer import compact_parts, merge_indexes, plan_shards, write_token_part
from pipeline.tokens.shards import TokenShards
from pipeline.tokens.tokenizers import Tokenizer
from stages.contract import BASE_COLUMNS
from stages.kernels.arrow_text import text_view
from stages.kernels.hashing import hash128_binary

EOS = 256


@dataclass(frozen=True)
class ByteEngine:
    """One token per byte of UTF-8."""

    def encode(self, text: pa.Array) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        data, offsets = text_view(text)
        return data[offsets[0] : offsets[-1]].astype(np.uint32), offsets - offsets[0]

    def decode(self, ids: list[int]) -> bytes:
        return bytes(ids)


BYTES = Tokenizer("bytes", 257, EOS, "0" * 64, "tokenizers", ByteEngine())
"""A tokenizer whose ids are the bytes of the text."""


def documents(
    texts: Sequence[str], domain: str | Sequence[str] = "web", language: str | Sequence[str] = "en", **extra: Any
) -> pa.RecordBatch:
    """A batch with every base column; ``extra`` columns are Arrow arrays."""
    rows = len(texts)
    text = pa.array(texts, pa.large_string())
    columns: dict[str, Any] = {
        "_address": pa.array(np.arange(rows), pa.uint64()),
        "id": [f"doc{row}" for row in range(rows)],
        "text": text,
        "source": ["test"] * rows,
        "domain": [domain] * rows if isinstance(domain, str) else list(domain),
        "language": [language] * rows if isinstance(language, str) else list(language),
        "content_hash": hash128_binary(text),
        "url": [None] * rows,
        "date": [None] * rows,
        "license": ["CC0"] * rows,
        "file": ["f.jsonl"] * rows,
        "offset": pa.array(np.arange(rows), pa.int64()),
    }
    arrays = [pa.array(columns[name], kind) for name, kind in BASE_COLUMNS.items()]
    schema = pa.schema([*BASE_COLUMNS.items(), *((name, array.type) for name, array in extra.items())])
    return pa.record_batch([*arrays, *extra.values()], schema=schema)


class Buffer:
    """A sink that keeps what is written."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def write(self, chunk: Any) -> None:
        self.chunks.append(bytes(chunk))

    @property
    def content(self) -> pa.Buffer:
        return pa.py_buffer(b"".join(self.chunks))


def part(batches: Sequence[pa.RecordBatch], append_eos: bool = True, tokenizer: Tokenizer = BYTES) -> pa.Buffer:
    """The bytes of a part."""
    sink = Buffer()
    write_token_part(batches, tokenizer, sink, append_eos=append_eos)
    return sink.content


def write_shards(folder: Path, parts: Sequence[pa.Buffer], target_bytes: int = 2**20) -> TokenShards:
    """Compact parts into shards below ``folder`` and open them."""
    folder.mkdir(parents=True, exist_ok=True)
    listed: list[tuple[str, pa.Buffer]] = []
    for number, chosen in enumerate(plan_shards([len(each) for each in parts], target_bytes)):
        shard, sidecar = Buffer(), Buffer()
        compact_parts((parts[index] for index in chosen), shard, sidecar)
        name = f"shard-{number:05d}.arrow"
        (folder / name).write_bytes(shard.content)
        listed.append((name, sidecar.content))
    index = Buffer()
    merge_indexes(listed, index)
    (folder / "index.arrow").write_bytes(index.content)
    return TokenShards.open(str(folder))


def corpus(folder: Path, texts: Sequence[str], **columns: Any) -> TokenShards:
    """Shards of these texts, one token per byte and one that ends the document."""
    return write_shards(folder, [part([documents(texts, **columns)])])

"""Three corpora of documents on which rules are compared: English prose, extracted HTML, crawl text from Parquet."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from benchmarks.make_corpus import cut_at_line_ends

T = TypeVar("T")

PIECE = 5_000
"""Characters after which a novel is cut, at the next end of a paragraph."""

ARTICLES = Path("prose_en") / "lctt_sources_history.jsonl.zst"
NOVELS = Path("prose_en") / "100_english_novels.jsonl.zst"
CHINESE = Path("prose_zh") / "lctt_published.jsonl.zst"


@dataclass(frozen=True)
class Corpus:
    """Documents, in order. ``ids``: what names each of them."""

    name: str
    ids: Sequence[str]
    texts: Sequence[str]


def json_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(id, text) of each row of a compressed file of JSON lines."""
    with path.open("rb") as packed:
        unpacked = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(packed)
        for line in io.TextIOWrapper(unpacked, encoding="utf-8"):
            row = json.loads(line)
            yield row["id"], row["text"]


def novels(data: Path) -> Iterator[tuple[str, str]]:
    """Pieces of the novels, with line ends as in other text."""
    for name, text in json_lines(data / NOVELS):
        for number, piece in enumerate(cut_at_line_ends(text.replace("\r\n", "\n"), PIECE)):
            yield f"{name}#{number}", piece


def prose(data: Path, limit: int) -> Corpus:
    """Articles as they are and pieces of novels, half of each, spread evenly over the files."""
    articles = spread(list(json_lines(data / ARTICLES)), limit - limit // 2)
    return _corpus("prose", [*articles, *spread(list(novels(data)), limit // 2)])


def extracted(data: Path, limit: int) -> Corpus:
    """Pages of html_gold as our extraction leaves them."""
    from benchmarks.extraction import batches_of
    from benchmarks.html_gold import read_pages
    from stages.extract import MODEL, STAGE, ExtractConfig, read_model

    pages = spread(read_pages(data), limit)
    model = read_model(MODEL.read_bytes())
    texts = [
        text
        for batch in batches_of(pages)
        for text in STAGE.apply(batch, ExtractConfig(), model).columns["text"].to_pylist()
    ]
    return _corpus("html", list(zip((page.url for page in pages), texts, strict=True)))


def crawl(data: Path, limit: int) -> Corpus:
    """Crawl text of the Parquet samples."""
    table = pq.read_table(data / "parquet_dpk" / "filter_test1.parquet", columns=["document_id", "contents"])
    rows = zip(table.column("document_id").to_pylist(), table.column("contents").to_pylist(), strict=True)
    return _corpus("parquet", spread(list(rows), limit))


CORPORA: dict[str, Callable[[Path, int], Corpus]] = {"prose": prose, "html": extracted, "parquet": crawl}


def spread(rows: Sequence[T], limit: int) -> list[T]:
    """At most so many rows, evenly spread."""
    if len(rows) <= limit:
        return list(rows)
    return [rows[i] for i in np.linspace(0, len(rows) - 1, limit).astype(int).tolist()]


def _corpus(name: str, rows: Sequence[tuple[str, str]]) -> Corpus:
    return Corpus(name, [str(key) for key, _ in rows], [text for _, text in rows])


def batch_of(texts: Sequence[str], language: str = "en") -> pa.RecordBatch:
    """The texts as a batch with the columns that every batch has."""
    from stages.contract import ADDRESS, BASE_COLUMNS
    from stages.kernels.hashing import hash128_binary

    text, n = pa.array(texts, pa.large_string()), len(texts)
    known = {
        ADDRESS: pa.array(np.arange(n, dtype=np.uint64)),
        "id": pa.array([str(i) for i in range(n)], pa.string()),
        "text": text,
        "source": pa.array(["benchmark"] * n, pa.string()),
        "domain": pa.array(["web"] * n, pa.string()),
        "language": pa.array([language] * n, pa.string()),
        "content_hash": hash128_binary(text),
        "file": pa.array(["benchmark"] * n, pa.string()),
        "offset": pa.array(np.arange(n, dtype=np.int64)),
    }
    arrays = [known.get(name, pa.nulls(n, kind)) for name, kind in BASE_COLUMNS.items()]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(list(BASE_COLUMNS.items())))

"""PDF files: one file, one document, its text by pdfium (``gristmill[pdf]`` brings pypdfium2).

Text comes in the order in which pdfium finds it, which for most files is that of reading; columns and tables may be
mixed up; what lies outside the page is not there. How lines become a text stands in ``pdf_text``. A scanned file
without a text layer is skipped, one with a password quarantined. pdfium runs in a process of its own (``pdf_guard``):
a file that kills it or keeps it too long is quarantined as ``crash:pdf`` or ``timeout:pdf``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import pyarrow as pa
from pydantic import Field

from pipeline.errors import SourceError
from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceConfig, SourceKind
from pipeline.sources.documents import Collector, Document
from pipeline.sources.listing import list_files
from pipeline.sources.pdf_guard import Guard
from pipeline.sources.pdf_text import iso_date, joined
from pipeline.sources.records import RAW_BYTES, Fault
from pipeline.sources.streams import open_raw
from pipeline.sources.text import group_pieces

SUFFIXES = (".pdf",)


class PdfConfig(SourceConfig):
    """PDF files with a text layer."""

    running_lines_out: bool = True
    """Leave out headers and footers that stand on most pages, page numbers among them."""
    max_file_bytes: int = Field(default=256 * 2**20, gt=0)
    """A larger file is quarantined as ``too_large``."""
    max_pages: int = Field(default=10_000, gt=0)
    """A file of more pages is quarantined as ``too_many_pages``."""
    timeout_seconds: float = Field(default=300.0, gt=0)
    """A file that takes longer is quarantined as ``timeout:pdf``. Generous on purpose: what it hits depends on the
    machine, what the limits on bytes and pages hit does not."""


def fields(config: PdfConfig) -> Mapping[str, pa.DataType]:
    """``title`` and ``author`` as the file's metadata says them; ``pages``: how many it has."""
    return {"title": pa.string(), "author": pa.string(), "pages": pa.int64()}


def split(source: str, config: PdfConfig) -> Sequence[Partition]:
    """Groups of files, in the order of their names. Raises SourceError if there are none, or no pypdfium2."""
    if find_spec("pypdfium2") is None:
        raise SourceError(
            "pypdfium2, which opens PDFs, is not installed",
            where=f"sources.{source}",
            remedy="install it: pip install 'gristmill[pdf]'",
        )
    files = list_files(config.path, config.exclude, SUFFIXES)
    pieces = [Piece(file.uri, file.relative, 0, file.size, file.size, file.stamp) for file in files]
    return [Partition(source, tuple(group)) for group in group_pieces(pieces)]


def read(partition: Partition, config: PdfConfig) -> Iterator[SourceBatch]:
    """The partition's documents, about 16 MB of text a batch. Raises SourceError if a file is gone or has changed."""
    collector = Collector(partition.source, fields(config))
    with Guard(config.timeout_seconds) as guard:
        for piece in partition.pieces:
            _read_file(piece, config, guard, collector)
            if collector.is_full:
                yield collector.take()
    if not collector.is_empty:
        yield collector.take()


def _read_file(piece: Piece, config: PdfConfig, guard: Guard, collector: Collector) -> None:
    """Put the file's document, or what is wrong with it, into the collector."""
    with open_raw(piece.uri, piece.size) as stream:
        content = bytes(stream.read(piece.size if piece.size <= config.max_file_bytes else RAW_BYTES))
    if piece.size > config.max_file_bytes:
        detail = f"a file of {piece.size:,} bytes; the limit is {config.max_file_bytes:,}"
        found: dict[str, Any] = {"reason": "too_large", "detail": detail}
    else:
        found = guard.ask(content, max_pages=config.max_pages, max_bytes=config.max_document_bytes)
    text = joined(found["pages"], config.running_lines_out).encode("utf-8", "replace") if "pages" in found else b""
    if len(text) > config.max_document_bytes:
        found = {"reason": "too_large", "detail": f"a text of more than {config.max_document_bytes:,} bytes"}
    if "reason" in found:
        fault = Fault(0, piece.size, found["reason"], found["detail"], content[:RAW_BYTES])
        collector.lose(piece.relative, fault)
    elif not text.strip():
        collector.skip("no_text_layer", piece.size)
    else:
        collector.add(_document(piece, text, found))
        if found["damaged"]:
            collector.repair("damaged_page")


def _document(piece: Piece, text: bytes, found: Mapping[str, Any]) -> Document:
    metadata = {name: _clean(value) for name, value in found["metadata"].items()}
    more = {"title": metadata["Title"], "author": metadata["Author"], "pages": len(found["pages"])}
    return Document(piece.relative, text, piece.relative, 0, date=iso_date(metadata["CreationDate"]), more=more)


def _clean(value: str | None) -> str | None:
    """Metadata may hold anything: lone surrogates and line breaks are mended."""
    return " ".join(value.encode("utf-8", "replace").decode().split()) or None if value else None


SOURCE = SourceKind(
    kind="pdf", version=1, config=PdfConfig, split=split, read=read, fields=fields, libraries=("pypdfium2",)
)

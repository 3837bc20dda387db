"""EPUB books: a book is a document, or each of its chapters.

Chapters are XHTML; their bodies, one behind the other in the order of the spine, are the text, which the stage
``extract`` turns into plain text, everything visible. Title, author, language, date and rights come from the package
document. A book under DRM is quarantined; a chapter that is missing or damaged is, too, and the rest of its book is
read. How hostile archives are met stands in ``epub_book``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import pyarrow as pa
from pydantic import Field

from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceConfig, SourceKind
from pipeline.sources.documents import Collector, Document
from pipeline.sources.epub_book import Archive, Book, BrokenBook, Part, chapter_html, read_book
from pipeline.sources.listing import list_files
from pipeline.sources.records import RAW_BYTES, Fault
from pipeline.sources.streams import open_raw
from pipeline.sources.text import group_pieces
from stages.contract import StageConfig
from stages.extract import ExtractConfig

SUFFIXES = (".epub",)

_RIGHTS_CHARACTERS = 500


class EpubConfig(SourceConfig):
    """EPUB 2 and 3 books without DRM."""

    documents: Literal["book", "chapter"] = "book"
    """What a document is. A chapter is what the book's spine calls one; the table of contents is left out."""
    language_from_book: bool = False
    """Take each document's language from the book's metadata (``en`` where it says ``en-GB``)."""
    extract: ExtractConfig | None = ExtractConfig(content="all")
    """How the HTML of chapters becomes text; ``null`` leaves it as it is."""
    max_file_bytes: int = Field(default=2**30, gt=0)
    """A larger file is quarantined as ``too_large``."""


def fields(config: EpubConfig) -> Mapping[str, pa.DataType]:
    """``title`` and ``author`` of the book; ``chapter``: place in the spine, from 1, where chapters are documents."""
    columns = {"title": pa.string(), "author": pa.string(), "chapter": pa.int64()}
    return {**columns, **({"language": pa.string()} if config.language_from_book else {})}


def stages(config: EpubConfig) -> Sequence[tuple[str, StageConfig]]:
    """The stage that turns HTML into text."""
    return [] if config.extract is None else [("extract", config.extract)]


def split(source: str, config: EpubConfig) -> Sequence[Partition]:
    """Groups of files, in the order of their names. Raises SourceError if there are none."""
    files = list_files(config.path, config.exclude, SUFFIXES)
    pieces = [Piece(file.uri, file.relative, 0, file.size, file.size, file.stamp) for file in files]
    return [Partition(source, tuple(group)) for group in group_pieces(pieces)]


def read(partition: Partition, config: EpubConfig) -> Iterator[SourceBatch]:
    """The partition's books, about 16 MB of text a batch. Raises SourceError if a file is gone or has changed."""
    collector = Collector(partition.source, fields(config))
    for piece in partition.pieces:
        for _ in _read_book(piece, config, collector):
            if collector.is_full:
                yield collector.take()
    if not collector.is_empty:
        yield collector.take()


def _read_book(piece: Piece, config: EpubConfig, collector: Collector) -> Iterator[None]:
    """Put the book into the collector; pauses after each document."""
    with open_raw(piece.uri, piece.size) as stream:
        try:
            if piece.size > config.max_file_bytes:
                raise BrokenBook("too_large", f"a file of {piece.size:,} bytes; the limit is {config.max_file_bytes:,}")
            archive = Archive(stream, piece.size)
            book = read_book(archive)
        except BrokenBook as error:
            stream.seek(0)
            raw = bytes(stream.read(RAW_BYTES))
            collector.lose(piece.relative, Fault(0, piece.size, error.reason, str(error), raw))
            yield
            return
        if config.documents == "chapter":
            yield from _chapters(piece, archive, book, config, collector)
        else:
            _whole(piece, archive, book, config, collector)
            yield


def _chapters(piece: Piece, archive: Archive, book: Book, config: EpubConfig, collector: Collector) -> Iterator[None]:
    for number, part in enumerate(book.chapters, 1):
        found = _chapter(archive, part, config.max_document_bytes)
        if isinstance(found, Fault):
            collector.lose(piece.relative, found)
        else:
            identity = f"{piece.relative}#{number}"
            collector.add(_document(identity, found[0].encode(), piece, part.offset, book, number))
            if found[1]:
                collector.repair("invalid_utf8")
        yield


def _whole(piece: Piece, archive: Archive, book: Book, config: EpubConfig, collector: Collector) -> None:
    texts: list[bytes] = []
    left, mended = config.max_document_bytes, False
    for part in book.chapters:
        found = _chapter(archive, part, left)
        if isinstance(found, Fault) and found.reason == "too_large":
            detail = f"{found.detail}, for the whole book {config.max_document_bytes:,}"
            collector.lose(piece.relative, Fault(0, piece.size, "too_large", detail, b""))
            return
        if isinstance(found, Fault):
            collector.lose(piece.relative, found)
            continue
        texts.append(b"<div>" + found[0].encode() + b"</div>")
        left -= len(texts[-1]) + 1
        mended = mended or found[1]
    collector.add(_document(piece.relative, b"\n".join(texts), piece, 0, book, None))
    if mended:
        collector.repair("invalid_utf8")


def _chapter(archive: Archive, part: Part, limit: int) -> tuple[str, bool] | Fault:
    """HTML, and whether its bytes had to be mended; or what is wrong with the chapter."""
    try:
        return chapter_html(archive.read(part.name, max(limit, 0)))
    except BrokenBook as error:
        return Fault(max(part.offset, 0), 0, error.reason, str(error), b"")


def _document(identity: str, text: bytes, piece: Piece, offset: int, book: Book, chapter: int | None) -> Document:
    links = [*book.metadata.get("identifier", ()), *book.metadata.get("source", ())]
    url = next((link for link in links if link.startswith(("http://", "https://"))), None)
    rights = book.first("rights")
    language = book.first("language")
    more = {
        "title": book.first("title"),
        "author": "; ".join(book.metadata.get("creator", ())) or None,
        "chapter": chapter,
        "language": language.partition("-")[0].lower() if language else None,
    }
    license_ = rights[:_RIGHTS_CHARACTERS] if rights else None
    return Document(identity, text, piece.relative, offset, url, book.first("date"), license_, more)


SOURCE = SourceKind(kind="epub", version=1, config=EpubConfig, split=split, read=read, fields=fields, stages=stages)

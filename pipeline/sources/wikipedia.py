"""Wikipedia and other MediaWiki sites: XML dumps (``*-pages-articles*.xml``), plain or compressed.

Plain files are split where a page begins: text in a dump is escaped, so ``<page>`` is always a tag. So are multistream
bzip2 files, at the beginnings of their streams, which can be found again (``BZh``, a level and a block's magic number:
80 bits by chance once in 10^22 bytes); damage in one stream costs that stream only. Pages cross streams where another
program than Wikimedia's has packed the file, so a reader goes on until its last page ends. Other compressed files
cannot be split and are ingested first. ``offset`` is that of the page, in bzip2 files that of the stream that it begins
in, as in Wikimedia's index files.

Articles are rows; redirects, other namespaces, pages that are no wikitext and deleted ones are ``skipped``. The text is
wikitext, which the stage ``wikitext`` turns into plain text.
"""

from __future__ import annotations

import bz2
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
from pydantic import Field

from pipeline.errors import SourceError
from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceConfig, SourceKind
from pipeline.sources.documents import Collector, Document
from pipeline.sources.listing import FoundFile, list_files
from pipeline.sources.records import RAW_BYTES, Fault
from pipeline.sources.streams import DamagedStream, compression_of, open_raw, open_stream, open_units
from pipeline.sources.wikipedia_pages import (
    SITE_BYTES,
    Chunk,
    MalformedPage,
    RawPage,
    Site,
    find_pages,
    parse_page,
    parse_site,
)
from stages.contract import StageConfig
from stages.wikitext import WikitextConfig

SUFFIXES = (".xml", ".xml.bz2", ".xml.gz", ".xml.zst", ".xml.xz", ".xml.lz4")

_CHUNK_BYTES = 2**20
_MARKUP_BYTES = 64 * 2**20
_HEAD_BYTES = 2**20
_BZIP2_RATIO = 4
_BLOCK_MAGIC = b"1AY&SY"
_STREAM_HEADS = tuple(b"BZh%d" % level + _BLOCK_MAGIC for level in range(1, 10))
_STREAM_HEAD_BYTES = len(_STREAM_HEADS[0])
_SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"


class WikipediaConfig(SourceConfig):
    """MediaWiki XML dumps, plain, bzip2 (multistream is split), gzip, zstd, xz or lz4."""

    namespaces: list[int] = [0]
    """Numbers of the namespaces whose pages are documents; 0 is articles."""
    wikitext: WikitextConfig | None = WikitextConfig()
    """How markup becomes text; ``null`` leaves it as it is."""
    license: str | None = "CC-BY-SA-4.0"
    """Licence of all pages. Wikimedia publishes text under CC BY-SA 4.0 since June 2023 (Terms of Use, section 7);
    Wikinews and other sites have other ones."""
    language_from_site: bool = False
    """Take each document's language from the dump (``xml:lang``)."""
    max_document_bytes: int = Field(default=16 * 2**20, gt=0)
    """A longer page (bytes of wikitext) is quarantined as ``too_large``. MediaWiki's own limit is 2 MiB."""
    split_bytes: int = Field(default=64 * 2**20, gt=0, le=2**30)
    """Bytes of a plain file that one task reads; of a multistream bzip2 file a quarter of that."""
    ingest_above_bytes: int = Field(default=16 * 2**20, ge=0)
    """A compressed file that cannot be split is read once into partitions of its own if it is larger than this."""


def fields(config: WikipediaConfig) -> Mapping[str, pa.DataType]:
    """Columns beyond the common ones."""
    return {"title": pa.string(), **({"language": pa.string()} if config.language_from_site else {})}


def stages(config: WikipediaConfig) -> Sequence[tuple[str, StageConfig]]:
    """The stage that turns markup into text."""
    return [] if config.wikitext is None else [("wikitext", config.wikitext)]


def split(source: str, config: WikipediaConfig) -> Sequence[Partition]:
    """One partition for each byte range of a plain or multistream file, one for each other file. Raises SourceError."""
    files = list_files(config.path, config.exclude, SUFFIXES)
    _check(files[0])
    return [partition for file in files for partition in _split_file(source, file, config)]


def _check(file: FoundFile) -> None:
    """A first file that is no dump is an error before the run."""
    if _site(file.uri, file.size) is None:
        raise SourceError(
            "does not begin with <mediawiki>",
            where=file.uri,
            remedy="name the XML dump itself, as in enwiki-latest-pages-articles-multistream.xml.bz2",
        )


def _site(uri: str, size: int) -> Site | None:
    stream = open_stream(uri, size)
    head = bytearray(SITE_BYTES)
    have = 0
    try:
        while have < SITE_BYTES and (got := stream.readinto(memoryview(head)[have:])):
            have += got
            if head.find(b"</siteinfo>", 0, have) >= 0:
                break
    except DamagedStream:
        # Reading quarantines what is damaged; pages behind it may be sound.
        return parse_site(bytes(head[:have])) or Site(None, None)
    finally:
        stream.close()
    return parse_site(bytes(head[:have]))


def _split_file(source: str, file: FoundFile, config: WikipediaConfig) -> Iterator[Partition]:
    step, stream = max(file.size, 1), False
    if file.size > min(config.split_bytes // _BZIP2_RATIO, config.ingest_above_bytes):
        codec = _codec(file.uri, file.size)
        if codec is None:
            step = config.split_bytes
        elif codec == "bzip2" and _is_multistream(file):
            step = max(config.split_bytes // _BZIP2_RATIO, 1)
        else:
            stream = file.size > config.ingest_above_bytes
    for start in range(0, max(file.size, 1), step):
        piece = Piece(file.uri, file.relative, start, min(start + step, file.size), file.size, file.stamp)
        yield Partition(source, (piece,), stream)


def _codec(uri: str, size: int) -> str | None:
    with open_raw(uri, size) as raw:
        head = bytes(raw.read_at(16, 0))
    if head.startswith(_SEVEN_ZIP):
        raise SourceError("is packed with 7-Zip", where=uri, remedy="unpack it: 7z x FILE")
    return compression_of(head, uri)


def _is_multistream(file: FoundFile) -> bool:
    """Whether the first stream ends soon: it holds no more than the site's description, or one block."""
    with open_raw(file.uri, file.size) as raw:
        head = bytes(raw.read_at(_HEAD_BYTES, 0))
    decoder = bz2.BZ2Decompressor()
    try:
        decoder.decompress(head, 16 * 2**20)
    except OSError:
        return False
    return decoder.eof and decoder.unused_data.startswith(_STREAM_HEADS)


def read(partition: Partition, config: WikipediaConfig) -> Iterator[SourceBatch]:
    """The partition's pages, about 16 MB of text a batch. Raises SourceError if a file is gone or has changed."""
    collector = Collector(partition.source, fields(config))
    for piece in partition.pieces:
        site = _site(piece.uri, piece.size)
        if site is None:
            if piece.start == 0:
                collector.lose(piece.relative, _no_dump(piece))
            continue
        for found in find_pages(_chunks(piece), config.max_document_bytes + _MARKUP_BYTES):
            _collect(found, piece, site, config, collector)
            if collector.is_full:
                yield collector.take()
    if not collector.is_empty:
        yield collector.take()


def _no_dump(piece: Piece) -> Fault:
    with open_raw(piece.uri, piece.size) as raw:
        head = bytes(raw.read_at(RAW_BYTES, 0))
    return Fault(0, piece.size, "not_a_dump", "the file does not begin with <mediawiki>", head)


def _collect(found: RawPage | Fault, piece: Piece, site: Site, config: WikipediaConfig, collector: Collector) -> None:
    """Put a page where it belongs."""
    if isinstance(found, Fault):
        collector.lose(piece.relative, found)
        return
    size = len(found.content)
    try:
        page = parse_page(found.content)
    except MalformedPage as error:
        raw = found.content[:RAW_BYTES]
        collector.lose(piece.relative, Fault(found.offset, size, error.reason, str(error), raw))
        return
    if page.redirect:
        collector.skip("redirect", size)
    elif page.namespace not in config.namespaces:
        collector.skip("other_namespace", size)
    elif page.model != "wikitext":
        collector.skip("not_wikitext", size)
    elif page.text is None:
        collector.skip("deleted", size)
    elif len(page.text) > config.max_document_bytes:
        detail = f"a text of {len(page.text):,} bytes; the limit is {config.max_document_bytes:,}"
        collector.lose(piece.relative, Fault(found.offset, size, "too_large", detail, found.content[:RAW_BYTES]))
    else:
        more = {"title": page.title, "language": site.language}
        url = site.url(page.title)
        identity = f"{piece.relative}#{page.id or page.title}"
        collector.add(Document(identity, page.text, piece.relative, found.offset, url, page.date, config.license, more))
        if page.repaired:
            collector.repair("invalid_character")


def _chunks(piece: Piece) -> Iterator[Chunk | Fault]:
    """The piece's bytes, and those behind it for its last page."""
    codec = _codec(piece.uri, piece.size)
    if codec is None:
        return _plain_chunks(piece)
    return _bzip2_chunks(piece) if codec == "bzip2" else _stream_chunks(piece)


def _plain_chunks(piece: Piece) -> Iterator[Chunk]:
    with open_raw(piece.uri, piece.size, piece.start) as raw:
        offset = piece.start
        while offset < piece.size:
            owned = offset < piece.end
            data = bytes(raw.read(min(_CHUNK_BYTES, piece.end - offset) if owned else _CHUNK_BYTES))
            if not data:
                return
            yield Chunk(data, owned, offset)
            offset += len(data)


def _stream_chunks(piece: Piece) -> Iterator[Chunk | Fault]:
    stream = open_stream(piece.uri, piece.size)
    view = memoryview(bytearray(_CHUNK_BYTES))
    offset = 0
    try:
        while got := stream.readinto(view):
            yield Chunk(bytes(view[:got]), True, offset)
            offset += got
    except DamagedStream as damage:
        yield Fault(offset, damage.unread_bytes, damage.reason, damage.detail, b"")
    finally:
        stream.close()


def _bzip2_chunks(piece: Piece) -> Iterator[Chunk | Fault]:
    """Streams from the first that begins in the piece on, and those behind a damaged one."""
    stream = open_units(piece.uri, piece.size, "bzip2")
    view = memoryview(bytearray(_CHUNK_BYTES))
    try:
        start: int | None = piece.start if piece.start == 0 else _next_stream(piece, piece.start)
        while start is not None:
            stream.go_to(start)
            try:
                while got := stream.readinto(view):
                    offset = stream.unit.offset
                    yield Chunk(bytes(view[:got]), offset < piece.end, offset, fixed=True)
                return
            except DamagedStream as damage:
                # The last stream; or what stands behind the one before, if that is where a reader began.
                broken = max(stream.unit.offset, start)
                start = _next_stream(piece, broken + 1)
                if broken < piece.end:
                    lost = (piece.size if start is None else start) - broken
                    yield Fault(broken, lost, damage.reason, damage.detail, b"")
                if start is None or start >= piece.end:
                    return
    finally:
        stream.close()


def _next_stream(piece: Piece, start: int) -> int | None:
    """Offset of the first bzip2 stream at or behind ``start``. O(bytes)."""
    with open_raw(piece.uri, piece.size) as raw:
        while start < piece.size:
            data = bytes(raw.read_at(_CHUNK_BYTES + _STREAM_HEAD_BYTES - 1, start))
            place = data.find(_BLOCK_MAGIC, 4)
            while place >= 0:
                if data.startswith(_STREAM_HEADS, place - 4):
                    return start + place - 4
                place = data.find(_BLOCK_MAGIC, place + 1)
            start += _CHUNK_BYTES
    return None


SOURCE = SourceKind(
    kind="wikipedia", version=1, config=WikipediaConfig, split=split, read=read, fields=fields, stages=stages
)

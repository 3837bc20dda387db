"""Markdown files (``.md``, ``.markdown``, ``.mdx``): one file, one document.

The Markdown itself is the text, as in corpora for language models; ``plain`` strips the markup. Front matter becomes
columns, HTML comments and MDX imports are left out. Files are grouped into partitions as those of the source ``text``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import pyarrow as pa
from pydantic import AfterValidator

from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceConfig, SourceKind
from pipeline.sources.listing import list_files
from pipeline.sources.markdown_text import front_matter, plain_text, without_comments
from pipeline.sources.records import BATCH_BYTES, Fault, check_fields, no_rows, quarantine, row_schema
from pipeline.sources.text import file_text, group_pieces, known_encoding, too_large, whole_file

SUFFIXES = (".md", ".markdown", ".mdown", ".mkd", ".mdx")

PLAIN_BYTES = 4 * 2**20
"""Longest file that is stripped of its markup: the parser reads 0.1 to 4 MB/s, and holds 50 times as much."""

_KEYS: Mapping[str, tuple[str, ...]] = {
    "title": ("title",),
    "language": ("language", "lang"),
    "date": ("date",),
    "url": ("url", "permalink"),
    "license": ("license", "licence"),
}
"""Column → keys of front matter; the first that is there counts."""
_OWN_FIELDS = ("title", "language")


class MarkdownConfig(SourceConfig):
    """Markdown files.

    Their front matter gives ``title``, ``date``, ``license``, ``url`` or ``permalink``, ``language`` or ``lang``.
    """

    encoding: Annotated[str, AfterValidator(known_encoding)] = "utf-8"
    """Encoding of the files. A file that is not in it is quarantined; a byte order mark is left out."""
    plain: bool = False
    """Strip the markup: what a reader sees, code as it is. Files over 4 MiB are then quarantined as ``too_large``."""
    fields: Annotated[dict[str, str], AfterValidator(check_fields)] = {}
    """Further columns: name → key of the front matter, as in ``{author: author}``."""


def fields(config: MarkdownConfig) -> Mapping[str, pa.DataType]:
    """Columns beyond the common ones."""
    return dict.fromkeys([*_OWN_FIELDS, *config.fields], pa.string())


def split(source: str, config: MarkdownConfig) -> Sequence[Partition]:
    """Groups of files, in the order of their names. Raises SourceError if there are none."""
    pieces = [whole_file(file) for file in list_files(config.path, config.exclude, SUFFIXES)]
    return [Partition(source, tuple(group)) for group in group_pieces(pieces)]


def read(partition: Partition, config: MarkdownConfig) -> Iterator[SourceBatch]:
    """The partition's documents, about 16 MB of text a batch. Raises SourceError if a file is gone or has changed."""
    batch = _Batch(config)
    for piece in partition.pieces:
        found = _document(piece, config)
        if isinstance(found, Fault):
            yield SourceBatch(no_rows(fields(config)), quarantine(partition.source, piece.relative, [found]))
            continue
        if batch.documents and batch.size + len(found.text) > BATCH_BYTES:
            yield batch.finish()
            batch = _Batch(config)
        batch.add(piece, found)
    if batch.documents:
        yield batch.finish()


@dataclass(frozen=True)
class _Document:
    text: bytes
    values: Mapping[str, str]
    repaired: tuple[str, ...]


def _document(piece: Piece, config: MarkdownConfig) -> _Document | Fault:
    limit = min(config.max_document_bytes, PLAIN_BYTES) if config.plain else config.max_document_bytes
    content = file_text(piece, config.encoding, limit)
    if isinstance(content, Fault):
        return content
    head = front_matter(content.decode())
    body = without_comments(head.body, piece.relative.lower().endswith(".mdx"))
    repaired = ["broken_front_matter"] * head.broken
    if config.plain:
        plain = plain_text(body)
        repaired += ["nested_too_deeply"] * (plain is None)
        body = body if plain is None else plain
    text = body.encode()
    return _Document(text, head.values, tuple(repaired)) if len(text) <= limit else too_large(piece, text, limit)


@dataclass
class _Batch:
    """Documents on their way into a batch."""

    config: MarkdownConfig
    documents: list[tuple[str, _Document]] = field(default_factory=list)
    size: int = 0

    def add(self, piece: Piece, document: _Document) -> None:
        self.documents.append((piece.relative, document))
        self.size += len(document.text)

    def finish(self) -> SourceBatch:
        schema = row_schema(fields(self.config))
        keys = {**_KEYS, **{name: (key,) for name, key in self.config.fields.items()}}
        names = [name for name, _ in self.documents]
        values: dict[str, list[str | None] | list[str] | pa.Array] = {
            "id": names,
            "text": pa.array([one.text for _, one in self.documents], pa.large_binary()).view(pa.large_string()),
            "file": names,
            "offset": pa.array([0] * len(names), pa.int64()),
        }
        for column, choices in keys.items():
            values[column] = [_first(one.values, choices) for _, one in self.documents]
        columns = [pa.array(values[name], schema.field(name).type) for name in schema.names]
        repaired = Counter(reason for _, one in self.documents for reason in one.repaired)
        return SourceBatch(pa.record_batch(columns, schema=schema), repaired=dict(repaired))


def _first(values: Mapping[str, str], keys: Sequence[str]) -> str | None:
    return next((values[key] for key in keys if key in values), None)


SOURCE = SourceKind(
    kind="markdown",
    version=1,
    config=MarkdownConfig,
    split=split,
    read=read,
    fields=fields,
    libraries=("markdown-it-py", "ruamel.yaml"),
)

"""Source trees: folders, globs, and archives of repositories. The source ``code``.

A file is a document, or a whole repository is. What is no code that people wrote is left out and counted by kind
(``code_kinds``); the language goes into the column ``programming_language``, and ``language`` is ``code``, which the
route by language has a branch for. The licence of a file is what its SPDX header says, or the licence texts in the
nearest folder above it, up to the repository's.

Those texts are read with every partition that needs them: as pieces of no length, so that a changed licence changes the
partition's key. An archive is one repository and one partition; a large one is ingested first. Links are not followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.fs as pafs

from pipeline.errors import SourceError
from pipeline.sources.code_archives import Archive, Member, Skipped, Unreadable, is_archive, stem
from pipeline.sources.code_config import CodeConfig
from pipeline.sources.code_documents import Documents, Entry, repository_order
from pipeline.sources.code_licenses import LICENSE_FILE_BYTES, is_license_file, licenses_in
from pipeline.sources.code_tar import Tar
from pipeline.sources.code_text import decode
from pipeline.sources.code_zip import Zip
from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceKind
from pipeline.sources.listing import list_files
from pipeline.sources.records import Fault
from pipeline.sources.streams import compression_of, open_raw, read_head
from pipeline.sources.text import group_pieces, whole_file
from pipeline.storage import filesystem

_URI_SAFE = "/:@+-._~"
"""What a listing leaves as it is in URIs of files."""


def fields(config: CodeConfig) -> Mapping[str, pa.DataType]:
    """Columns beyond the common ones."""
    return dict.fromkeys(("language", "programming_language", "repository", "path"), pa.string())


def split(source: str, config: CodeConfig) -> Sequence[Partition]:
    """Groups of files or repositories, in the order of their names; an archive by itself. Raises SourceError."""
    files = [whole_file(file) for file in list_files(config.path, config.exclude)]
    loose = [piece for piece in files if not is_archive(piece.relative)]
    places = _Places(loose, loose, config)
    groups: Sequence[Sequence[Piece]] = group_pieces(loose)
    if config.documents == "repository":
        groups = _repository_groups(loose, places)
    partitions = [Partition(source, (*places.licenses_of(group), *group)) for group in groups]
    for piece in files:
        if is_archive(piece.relative):
            partitions.append(Partition(source, (piece,), stream=piece.size > config.ingest_above_bytes))
    return partitions


def _repository_groups(pieces: Sequence[Piece], places: _Places) -> list[Sequence[Piece]]:
    """Whole repositories, put together as small files are."""
    held: dict[str, list[Piece]] = {}
    for piece in pieces:
        held.setdefault(places.root_of(piece), []).append(piece)
    wholes = [Piece(root, root, 0, 0, sum(one.size for one in held[root]), "") for root in sorted(held)]
    return [[piece for whole in group for piece in held[whole.relative]] for group in group_pieces(wholes)]


def _is_context(piece: Piece) -> bool:
    """Whether a piece is there for its licence only."""
    return piece.end == 0 < piece.size


class _Places:
    """Where files are: the repository of each, and the licence texts above it, which are among ``texts``."""

    def __init__(self, pieces: Sequence[Piece], texts: Sequence[Piece], config: CodeConfig) -> None:
        self.how = config.repository
        self.git = _git_folders(pieces) if self.how == "git" else frozenset()
        self.licenses: dict[str, list[Piece]] = {}
        for piece in texts:
            folder, _, name = piece.relative.rpartition("/")
            if is_license_file(name) and piece.size:
                self.licenses.setdefault(folder, []).append(piece)

    def root_of(self, piece: Piece) -> str:
        """The repository's folder, relative to the one that the recipe names; "" for that one."""
        if self.how == "root":
            return ""
        for folder in _folders_above(piece.relative) if self.git else ():
            if folder in self.git:
                return folder
        return piece.relative.partition("/")[0] if "/" in piece.relative else ""

    def name_of(self, piece: Piece) -> tuple[str, str]:
        """(repository's name, path in it)."""
        root = self.root_of(piece)
        if root:
            return root, piece.relative[len(root) + 1 :]
        return unquote(_base(piece)[0].rstrip("/").rpartition("/")[2]) or "/", piece.relative

    def license_folder(self, piece: Piece) -> str | None:
        """The nearest folder with a licence text, in the piece's repository."""
        root = self.root_of(piece)
        for folder in _folders_above(piece.relative):
            if folder in self.licenses and (folder == root or not root or folder.startswith(root + "/")):
                return folder
        return None

    def licenses_of(self, group: Sequence[Piece]) -> list[Piece]:
        """The licence texts that a group of files needs, as pieces of no length."""
        folders = sorted({folder for piece in group if (folder := self.license_folder(piece)) is not None})
        return [
            Piece(one.uri, one.relative, 0, 0, one.size, one.stamp)
            for folder in folders
            for one in self.licenses[folder]
        ]


def _folders_above(relative: str) -> Iterator[str]:
    """Folders of a path from the nearest to ""."""
    while relative:
        relative = relative.rpartition("/")[0]
        yield relative


def _base(piece: Piece) -> tuple[str, str]:
    """URI of the folder that ``relative`` begins in, and the query that URIs of that store end with."""
    if "://" not in piece.uri:
        return piece.uri.removesuffix(piece.relative), ""
    uri, mark, query = piece.uri.partition("?")
    return uri.removesuffix(quote(piece.relative, safe=_URI_SAFE)), mark + query


def _git_folders(pieces: Sequence[Piece]) -> frozenset[str]:
    """Folders above the pieces that have a ``.git`` (in a worktree it is a file)."""
    above: dict[str, str] = {}
    for piece in pieces:
        for folder in _folders_above(piece.relative):
            if folder in above:
                break
            base, query = _base(piece)
            name = f"{folder}/.git".lstrip("/")
            above[folder] = base + (quote(name, safe=_URI_SAFE) if "://" in base else name) + query
    found = set()
    for folder, uri in above.items():
        fs, path = filesystem(uri)
        if fs.get_file_info(path).type != pafs.FileType.NotFound:
            found.add(folder)
    return frozenset(found)


def read(partition: Partition, config: CodeConfig) -> Iterator[SourceBatch]:
    """The partition's documents, about 16 MB of text a batch. Raises SourceError if a file is gone or has changed."""
    contexts = [piece for piece in partition.pieces if _is_context(piece)]
    pieces = [piece for piece in partition.pieces if not _is_context(piece)]
    if len(pieces) == 1 and is_archive(pieces[0].relative):
        yield from _read_archive(partition.source, pieces[0], config)
        return
    documents = Documents(partition.source, config, fields(config))
    entries = _entries(pieces, contexts, config, documents)
    yield from documents.of_repositories(entries) if config.documents == "repository" else documents.of_files(entries)


def _entries(
    pieces: Sequence[Piece], contexts: Sequence[Piece], config: CodeConfig, documents: Documents
) -> Iterator[Entry]:
    """Files of folders; in the order of a repository if that is one document."""
    places = _Places(pieces, contexts, config)
    known: dict[str, list[str]] = {}
    links = _Links()
    placed = [(places.root_of(piece), *places.name_of(piece), piece) for piece in pieces]
    if config.documents == "repository":
        placed.sort(key=lambda one: (one[0], repository_order(one[2])))
    for root, repository, path, piece in placed:
        if links.leads_through(piece):
            documents.skip("link", piece.size)
            continue
        folder = places.license_folder(piece)
        if folder is not None and folder not in known:
            texts = [text for text in places.licenses[folder] if not links.leads_through(text)]
            known[folder] = [one for text in texts for one in _licenses_of(_raw(text, LICENSE_FILE_BYTES))]
        yield Entry(
            repository=repository,
            path=path,
            identity=piece.relative,
            whole=root or ".",
            file=piece.relative,
            offset=0,
            size=piece.size,
            licenses=tuple(known[folder]) if folder is not None else (),
            read=partial(_raw, piece),
        )


def _raw(piece: Piece, limit: int) -> bytes:
    with open_raw(piece.uri, piece.size) as stream:
        content: bytes = stream.read(limit)
    return content


def _licenses_of(content: bytes) -> list[str]:
    decoded = decode(content)
    return [] if decoded is None else licenses_in(decoded.text.decode())


class _Links:
    """Links on a disk: a repository may hold ones that lead out of it."""

    def __init__(self) -> None:
        self.known: dict[str, bool] = {}

    def leads_through(self, piece: Piece) -> bool:
        """Whether the file or a folder of its relative path is a link."""
        if "://" in piece.uri:
            return False
        base, _ = _base(piece)
        return os.path.islink(piece.uri) or any(
            self._is_link(base, folder) for folder in _folders_above(piece.relative)
        )

    def _is_link(self, base: str, folder: str) -> bool:
        if not folder:
            return False
        path = base + folder
        if path not in self.known:
            self.known[path] = os.path.islink(path)
        return self.known[path]


def _read_archive(source: str, piece: Piece, config: CodeConfig) -> Iterator[SourceBatch]:
    """An archive is walked twice: its licence texts may stand behind the files that they are for."""
    licenses: dict[str, list[str]] = {}
    for member, archive in _members(piece, config):
        if isinstance(member, Member) and is_license_file(member.path.rpartition("/")[2]):
            content = archive.read(LICENSE_FILE_BYTES)
            if isinstance(content, bytes):
                licenses.setdefault(member.path.rpartition("/")[0], []).extend(_licenses_of(content))
    documents = Documents(source, config, fields(config))
    entries = _archived(piece, config, licenses, documents)
    if config.documents == "repository":
        yield from documents.of_unsorted(entries)
    else:
        yield from documents.of_files(entries)


def open_archive(piece: Piece, max_bytes: int) -> Archive:
    """The archive; ``max_bytes`` of decompressed content are read. Raises SourceError if it is gone or has changed."""
    head = read_head(piece.uri)
    if head.startswith(b"PK") or piece.relative.lower().endswith(".zip"):
        return Zip(piece, max_bytes)
    try:
        compression_of(head, piece.uri)
    except SourceError as error:  # of its kind; one file of a tree does not stop the run
        return Unreadable(Fault(0, piece.size, "damaged_archive", error.message, b""))
    return Tar(piece, max_bytes)


def _members(piece: Piece, config: CodeConfig) -> Iterator[tuple[Member | Skipped | Fault, Archive]]:
    archive = open_archive(piece, config.max_archive_bytes)
    try:
        for member in archive.members():
            yield member, archive
    finally:
        archive.close()


def _archived(
    piece: Piece, config: CodeConfig, licenses: Mapping[str, Sequence[str]], documents: Documents
) -> Iterator[Entry | None]:
    """Files of an archive; None for each member that is none, or is hidden as those of folders are."""
    name = stem(piece.relative)
    for member, archive in _members(piece, config):
        if isinstance(member, Fault):
            documents.fault(piece.relative, member)
            yield None
        elif isinstance(member, Skipped) or "/." in f"/{member.path}":
            documents.skip(member.reason if isinstance(member, Skipped) else "hidden", member.size)
            yield None
        else:
            folder = next((one for one in _folders_above(member.path) if one in licenses), None)
            yield Entry(
                repository=name,
                path=member.path,
                identity=f"{piece.relative}#{member.path}",
                whole=piece.relative,
                file=piece.relative,
                offset=member.offset,
                size=member.size,
                licenses=tuple(licenses[folder]) if folder is not None else (),
                read=archive.read,
            )


SOURCE = SourceKind(kind="code", version=1, config=CodeConfig, split=split, read=read, fields=fields)

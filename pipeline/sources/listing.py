"""Which files a recipe's ``path`` means, on a disk or an object store.

A folder means all files below it, a glob what it matches. Files whose name begins with a dot are left out unless
the glob says so. Every folder is listed once and no more folders than the glob leads into. ``relative`` is the path
below the longest part without wildcards: it goes into ids and addresses, and is the same wherever the data lie.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from urllib.parse import quote

import pyarrow.fs as pafs

from pipeline.errors import SourceError
from pipeline.sources.globs import expand_braces, has_wildcard, name_pattern, path_pattern
from pipeline.storage import filesystem

_QUERY = re.compile(r"\?(\w+=[^&/]*)(&\w+=[^&]*)*$")
_SHOWN = 8


@dataclass(frozen=True)
class FoundFile:
    """A file. ``uri`` opens it, ``relative`` names it, ``size`` in bytes, ``stamp``: modification time in ns."""

    uri: str
    relative: str
    size: int
    stamp: str


@dataclass(frozen=True)
class _Entry:
    name: str
    is_folder: bool
    size: int = 0
    stamp: str = ""


def list_files(
    path: str | Sequence[str], exclude: Sequence[str] = (), suffixes: Sequence[str] | None = None
) -> list[FoundFile]:
    """Files that ``path`` (path, URI, glob, or several) means, sorted by ``relative``; each once.

    ``exclude``: globs of relative paths (of names, where they have no ``/``). ``suffixes``: endings that count
    where a path is a folder; None takes all. Raises SourceError if a path matches nothing, or if two files would
    have the same ``relative``.
    """
    found: dict[str, FoundFile] = {}
    for pattern in [path] if isinstance(path, str) else path:
        files = list(_matches(pattern, suffixes))
        if not files:
            raise _nothing(pattern, suffixes)
        kept = [file for file in files if not any(path_pattern(glob).match(file.relative) for glob in exclude)]
        if not kept:
            raise SourceError(f"`exclude` leaves none of its {len(files)} files", where=pattern, remedy="exclude less")
        for file in kept:
            _check_name(file)
            found.setdefault(file.uri, file)
    files = sorted(found.values(), key=lambda file: file.relative)
    for one, other in pairwise(files):
        if one.relative == other.relative:
            raise _same_name(one, other)
    return files


class _Place:
    """Where a pattern begins: a file system, the folder or file without wildcards, and how to write URIs below it."""

    def __init__(self, pattern: str) -> None:
        scheme, _, rest = pattern.rpartition("://")
        query = _QUERY.search(rest) if scheme else None
        self.query = query.group() if query else ""
        rest = rest[: len(rest) - len(self.query)]
        rest = rest.rstrip("/") or rest[:1]
        names = rest.split("/")
        fixed = next((i for i, name in enumerate(names) if has_wildcard(name)), len(names))
        self.globs = names[fixed:]
        root = "/".join(names[:fixed]) or ("/" if rest.startswith("/") else "")
        self.scheme = scheme
        uri = f"{scheme}://{quote(root, safe='/:@%+-._~')}{self.query}" if scheme else root or "."
        self.fs, self.root = filesystem(uri)
        self.is_local = isinstance(self.fs, pafs.LocalFileSystem)
        self.listed: dict[str, list[_Entry]] = {}

    def uri(self, path: str) -> str:
        if self.is_local:
            return path
        return f"{self.scheme}://{quote(path, safe='/:@+-._~')}{self.query}"

    def shown(self, path: str) -> str:
        """The path as a person writes it."""
        return path if self.is_local else f"{self.scheme}://{path}"

    def entries(self, folder: str) -> list[_Entry]:
        """What is in a folder; nothing if it is not there. Asked for once."""
        if folder not in self.listed:
            self.listed[folder] = _local_entries(folder) if self.is_local else self._remote_entries(folder)
        return self.listed[folder]

    def _remote_entries(self, folder: str) -> list[_Entry]:
        infos = self.fs.get_file_info(pafs.FileSelector(folder, allow_not_found=True))
        return [
            _Entry(info.base_name, info.type == pafs.FileType.Directory, info.size or 0, str(info.mtime_ns))
            for info in infos
        ]

    def kind(self, path: str) -> pafs.FileInfo:
        return self.fs.get_file_info(path)


def _local_entries(folder: str) -> list[_Entry]:
    found = []
    try:
        with os.scandir(folder or "/") as entries:
            for entry in entries:
                if entry.is_dir():
                    found.append(_Entry(entry.name, True))
                elif entry.is_file():
                    status = entry.stat()
                    found.append(_Entry(entry.name, False, status.st_size, str(status.st_mtime_ns)))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise SourceError(
            f"may not be listed: {error.strerror}", where=folder, remedy="give read access, or exclude it"
        ) from error
    return found


def _matches(pattern: str, suffixes: Sequence[str] | None) -> Iterator[FoundFile]:
    place = _Place(pattern)
    if place.globs:
        seen: dict[str, _Entry] = {}
        for globs in expand_braces("/".join(place.globs)):
            seen.update(_walk(place, place.root, "", [glob for glob in globs.split("/") if glob]))
        for relative, entry in seen.items():
            yield _file(place, relative, entry)
        return
    info = place.kind(place.root)
    if info.type == pafs.FileType.File:
        yield FoundFile(place.uri(place.root), info.base_name, info.size, str(info.mtime_ns))
    elif info.type == pafs.FileType.Directory:
        for relative, entry in _walk(place, place.root, "", ["**"]):
            if suffixes is None or relative.lower().endswith(tuple(suffixes)):
                yield _file(place, relative, entry)


def _file(place: _Place, relative: str, entry: _Entry) -> FoundFile:
    return FoundFile(place.uri(f"{place.root.rstrip('/')}/{relative}"), relative, entry.size, entry.stamp)


def _walk(
    place: _Place, folder: str, relative: str, globs: Sequence[str], links: tuple[str, ...] = ()
) -> Iterator[tuple[str, _Entry]]:
    """Files below ``folder`` that the rest of a glob matches, by relative path.

    ``links``: where the links to folders led that ``**`` has followed; one that leads back is not followed.
    """
    glob, rest = globs[0], globs[1:]
    if glob == "**" and rest:
        yield from _walk(place, folder, relative, rest, links)
    wanted = name_pattern("*" if glob == "**" else glob)
    for entry in place.entries(folder):
        if not wanted.match(entry.name):
            continue
        below, name = f"{folder.rstrip('/')}/{entry.name}", relative + entry.name
        if not entry.is_folder:
            if not rest:
                yield name, entry
        elif glob == "**":
            target = os.path.realpath(below) if place.is_local and os.path.islink(below) else None
            if target is None or not _leads_back(target, folder, links):
                yield from _walk(place, below, name + "/", globs, (*links, target) if target else links)
        elif rest:
            yield from _walk(place, below, name + "/", rest, links)


def _leads_back(target: str, folder: str, links: tuple[str, ...]) -> bool:
    return target in links or (os.path.realpath(folder) + "/").startswith(target.rstrip("/") + "/")


def _check_name(file: FoundFile) -> None:
    try:
        file.relative.encode()
    except UnicodeEncodeError as error:
        raise SourceError(
            "the file's name is not UTF-8, and ids are made of it",
            where=repr(file.uri),
            remedy="rename the file, or exclude it",
        ) from error


def _nothing(pattern: str, suffixes: Sequence[str] | None) -> SourceError:
    place = _Place(pattern)
    folder = place.root
    if place.kind(folder).type == pafs.FileType.Directory and not place.globs:
        what = f"no file below it ends in {', '.join(suffixes)}" if suffixes else "the folder has no files"
        return SourceError(what, where=pattern, remedy=f"{_near(place, folder, '')}; name the files by a glob")
    missing = place.globs[0] if place.globs else os.path.basename(folder)
    folder = folder if place.globs else os.path.dirname(folder)
    while place.kind(folder).type != pafs.FileType.Directory and len(folder) > 1:
        folder, missing = os.path.dirname(folder), os.path.basename(folder)
    return SourceError("no file matches", where=pattern, remedy=_near(place, folder, missing))


def _near(place: _Place, folder: str, wanted: str) -> str:
    """What there is in the folder, names like the wanted one first."""
    entries = [entry for entry in place.entries(folder) if not entry.name.startswith(".") or wanted.startswith(".")]
    names = sorted(entry.name + "/" * entry.is_folder for entry in entries)
    if not names:
        return f"{place.shown(folder)} is empty"
    close = get_close_matches(wanted, names, _SHOWN, 0.5)
    shown = [*close, *(name for name in names if name not in close)][:_SHOWN]
    more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    return f"{place.shown(folder)} has {', '.join(shown)}{more}"


def _same_name(one: FoundFile, other: FoundFile) -> SourceError:
    return SourceError(
        f"{one.uri} and {other.uri} are both called {one.relative!r}, and ids are made of that name",
        remedy="name them by one glob from a folder above both, as in `/data/{2023,2024}/*.jsonl`",
    )

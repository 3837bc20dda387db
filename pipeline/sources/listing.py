"""Which files a recipe's ``path`` means, on a disk, an object store or a web server.

A folder means all files below it, a glob what it matches. Files whose name begins with a dot are left out unless
the glob says so. Every folder is listed once and no more folders than the glob leads into. ``relative`` is the path
below the longest part without wildcards: it goes into ids and addresses, and is the same wherever the data lie.

A web server has no folders. A glob, or a URL that ends with ``/``, works where the server shows pages with links to its
files; elsewhere the files have to be named, in a list.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from urllib.parse import quote

import pyarrow.fs as pafs

from pipeline.errors import SourceError
from pipeline.remote import NATIVE_SCHEMES, Entry, split_chain
from pipeline.sources.globs import expand_braces, has_wildcard, name_pattern, path_pattern
from pipeline.storage import entries, entry, filesystem, handler_of

_QUERY = re.compile(r"\?(\w+=[^&/]*)(&\w+=[^&]*)*$")
_SHOWN = 8
_THREADS = 16
_MAX_DEPTH = 64


@dataclass(frozen=True)
class FoundFile:
    """A file. ``uri`` opens it, ``relative`` names it, ``size`` in bytes, ``stamp``: modification time or ETag."""

    uri: str
    relative: str
    size: int
    stamp: str


def list_files(
    path: str | Sequence[str], exclude: Sequence[str] = (), suffixes: Sequence[str] | None = None
) -> list[FoundFile]:
    """Files that ``path`` (path, URI, glob, or several) means, sorted by ``relative``; each once.

    ``exclude``: globs of relative paths (of names, where they have no ``/``). ``suffixes``: endings that count
    where a path is a folder; None takes all. Raises SourceError if a path matches nothing, or if two files would
    have the same ``relative``.
    """
    found: dict[str, FoundFile] = {}
    patterns = [path] if isinstance(path, str) else list(path)
    with ThreadPoolExecutor(min(_THREADS, len(patterns) or 1)) as pool:  # a web server is asked for each file
        matched = list(pool.map(lambda pattern: _asked(pattern, suffixes), patterns))
    for pattern, files in zip(patterns, matched, strict=True):
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
        head, chain = split_chain(pattern)
        scheme, _, rest = head.rpartition("://")
        query = _QUERY.search(rest) if scheme else None
        self.query = query.group() if query else ""
        rest = rest[: len(rest) - len(self.query)]
        self.names_folder = rest.endswith("/")
        rest = rest.rstrip("/") or rest[:1]
        names = rest.split("/")
        is_host = scheme in ("http", "https")  # and may be an IPv6 address in brackets
        fixed = next((i for i, name in enumerate(names) if has_wildcard(name) and not (is_host and i == 0)), len(names))
        self.globs = names[fixed:]
        root = "/".join(names[:fixed]) or ("/" if rest.startswith("/") else "")
        self.scheme = scheme
        is_native = scheme in NATIVE_SCHEMES
        shown = quote(root, safe="/:@%+-._~") if is_native else root
        uri = f"{scheme}://{shown}{self.query}{chain}" if scheme else root or "."
        self.fs, self.root = filesystem(uri)
        self.is_local = isinstance(self.fs, pafs.LocalFileSystem)
        handler = handler_of(self.fs)
        self.is_web = handler is not None and handler.is_web
        # what stands around a path in a URI; fsspec's paths are parts of their URIs, whole ones on the web
        around = uri.rpartition(self.root + ("" if self.is_web else self.query) + chain)
        self.before = around[0] if not is_native and around[1] else f"{scheme}://"
        self.behind = chain if self.is_web else self.query + chain
        self.is_quoted = is_native
        self.listed: dict[str, list[Entry]] = {}

    def uri(self, path: str) -> str:
        if self.is_local:
            return path
        return self.before + (quote(path, safe="/:@+-._~") if self.is_quoted else path) + self.behind

    def shown(self, path: str) -> str:
        """The path as a person writes it."""
        return path if self.is_local else self.before + path

    def entries(self, folder: str) -> list[Entry]:
        """What is in a folder; nothing if it is not there. Asked for once."""
        if folder not in self.listed:
            self.listed[folder] = _local_entries(folder) if self.is_local else entries(self.fs, folder)
            if self.is_web and folder == self.root and not self.listed[folder]:
                raise SourceError(
                    "the web server shows no list of files here",
                    where=self.shown(folder),
                    remedy="name every file, in a list: path: [https://…, https://…]",
                )
        return self.listed[folder]

    def kind(self, path: str) -> Entry | None:
        """What is at a path; None if there is nothing."""
        return entry(self.fs, path)

    def is_folder(self, path: str) -> bool:
        found = self.kind(path)
        return found is not None and found.is_folder


def _local_entries(folder: str) -> list[Entry]:
    found = []
    try:
        with os.scandir(folder or "/") as inside:
            for one in inside:
                path = f"{folder.rstrip('/')}/{one.name}"
                if one.is_dir():
                    found.append(Entry(path, one.name, True))
                elif one.is_file():
                    status = one.stat()
                    found.append(Entry(path, one.name, False, status.st_size, str(status.st_mtime_ns)))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise SourceError(
            f"may not be listed: {error.strerror}", where=folder, remedy="give read access, or exclude it"
        ) from error
    return found


def _asked(pattern: str, suffixes: Sequence[str] | None) -> list[FoundFile]:
    try:
        return list(_matches(pattern, suffixes))
    except OSError as error:
        if "://" not in pattern:
            raise
        remedy = "look at the address, the network and the credentials, and start again"
        raise SourceError(f"cannot be reached: {error}", where=pattern, remedy=remedy) from error


def _matches(pattern: str, suffixes: Sequence[str] | None) -> Iterator[FoundFile]:
    place = _Place(pattern)
    if place.globs:
        seen: dict[str, Entry] = {}
        for globs in expand_braces("/".join(place.globs)):
            seen.update(_walk(place, place.root, "", [glob for glob in globs.split("/") if glob]))
        yield from _files(place, seen)
        return
    found = None if place.is_web and place.names_folder else place.kind(place.root)
    if found is not None and not found.is_folder:
        yield _file(place, found.name, found)
    elif found is not None or place.is_web and place.names_folder:
        inside = dict(_walk(place, place.root, "", ["**"]))
        wanted = None if suffixes is None else tuple(suffixes)
        yield from _files(place, {r: e for r, e in inside.items() if wanted is None or r.lower().endswith(wanted)})


def _files(place: _Place, found: dict[str, Entry]) -> Iterator[FoundFile]:
    """Files by relative path, those asked for whose size the listing does not tell."""
    if all(one.size is not None for one in found.values()):
        yield from (_file(place, relative, one) for relative, one in found.items())
        return
    with ThreadPoolExecutor(_THREADS) as pool:
        asked = pool.map(lambda one: place.kind(one.path) or one, found.values())
        yield from (_file(place, relative, one) for relative, one in zip(found, asked, strict=True))


def _file(place: _Place, relative: str, found: Entry) -> FoundFile:
    if found.size is None:
        remedy = "download it and name the local file"
        raise SourceError("the server does not say how large it is", where=place.uri(found.path), remedy=remedy)
    return FoundFile(place.uri(found.path), relative, found.size, found.stamp)


def _walk(
    place: _Place, folder: str, relative: str, globs: Sequence[str], links: tuple[str, ...] = ()
) -> Iterator[tuple[str, Entry]]:
    """Files below ``folder`` that the rest of a glob matches, by relative path.

    ``links``: where the links to folders led that ``**`` has followed; one that leads back is not followed.
    """
    glob, rest = globs[0], globs[1:]
    if not place.is_local and relative.count("/") > _MAX_DEPTH:  # pages may link to deeper ones without end
        raise SourceError(f"folders more than {_MAX_DEPTH} deep", where=place.shown(folder), remedy="name the files")
    if glob == "**" and rest:
        yield from _walk(place, folder, relative, rest, links)
    wanted = name_pattern("*" if glob == "**" else glob)
    for found in place.entries(folder):
        if not wanted.match(found.name):
            continue
        below, name = found.path, relative + found.name
        if not found.is_folder:
            if not rest:
                yield name, found
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
    if place.is_web and not place.globs and not place.names_folder:
        return SourceError("the web server has no such file", where=pattern, remedy="look whether a browser finds it")
    if not place.globs and (place.is_web or place.is_folder(folder)):
        what = f"no file below it ends in {', '.join(suffixes)}" if suffixes else "the folder has no files"
        return SourceError(what, where=pattern, remedy=f"{_near(place, folder, '')}; name the files by a glob")
    missing = place.globs[0] if place.globs else os.path.basename(folder)
    folder = folder if place.globs else os.path.dirname(folder)
    while not place.is_web and len(folder) > 1 and not place.is_folder(folder):
        folder, missing = os.path.dirname(folder), os.path.basename(folder)
    return SourceError("no file matches", where=pattern, remedy=_near(place, folder, missing))


def _near(place: _Place, folder: str, wanted: str) -> str:
    """What there is in the folder, names like the wanted one first."""
    inside = [one for one in place.entries(folder) if not one.name.startswith(".") or wanted.startswith(".")]
    names = sorted(one.name + "/" * one.is_folder for one in inside)
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

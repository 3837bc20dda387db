"""File systems that pyarrow does not know itself, through fsspec: https, hf, oss, az, sftp, webdav, archives.

``https://host/a.jsonl``, ``hf://datasets/owner/name/data/*.parquet``, ``oss://bucket/path``, and chains
(``zip://inner/*.jsonl::https://host/a.zip``). Credentials, endpoints and anonymous access are set where fsspec looks
for them: the variables and files of the service's own library (``HF_TOKEN``, ``OSS_ACCESS_KEY_ID``, …, ``~/.netrc``
and proxies for https), ``FSSPEC_<SCHEME>_<OPTION>`` variables, or JSON and INI files in ``~/.config/fsspec``. So no
recipe holds a secret, and workers on other machines need the same settings there.

Reading is by ranges with read-ahead. A request that fails for the network's sake (5xx, 429, connection lost) is tried
again; what is left of it is an OSError with a number, which executors retry. A server that gives no ranges makes the
file be copied to the temporary folder as a whole, once for each part that is read of it. Written is only where a file
appears once it is whole (object stores); nothing is buffered here beyond a block.

Limits: a file that changes between two ranges is noticed by its size alone, and by its ``ETag`` or date when the next
run looks at it. Listings are not cached. An archive's members are read from their beginning: no ranges inside.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from pipeline.errors import SourceError, StoreError
from pipeline.remote_errors import retried
from pipeline.remote_files import RemoteFile, RemoteSink

WHOLE_ON_CLOSE = frozenset(
    ("abfs", "abfss", "az", "gcs", "gs", "hf", "memory", "oci", "oss", "s3", "s3a", "tos", "tosfs")
)
"""Schemes where a file appears once it has been written to its end, and replaces an earlier one at once. A file of
``memory`` is seen earlier, but only by the process that writes it."""

EXTRA = "remote"
IN_EXTRA = frozenset(("hf", "http", "https", "oss"))
"""Schemes that the extra brings all packages for. Other packages are named when they are missing."""

_CHAIN = re.compile(r"::(?=[a-z][a-z0-9+.-]*(?:::|://))")
_STAMPS = ("ETag", "etag", "checksum", "blob_id", "generation", "CRC", "mtime", "Last-Modified", "LastModified",
           "last_modified", "modified", "updated", "created")  # fmt: skip
_TIMEOUTS = {"total": None, "sock_connect": 60, "sock_read": 120}


@dataclass(frozen=True)
class Entry:
    """A file or folder. ``path`` is that in its file system; ``stamp`` changes when the file does.

    ``size`` None: the listing does not tell, so neither size nor stamp is known.
    """

    path: str
    name: str
    is_folder: bool
    size: int | None = 0
    stamp: str = ""


def split_chain(uri: str) -> tuple[str, str]:
    """``zip://a::https://b`` → ``zip://a``, ``::https://b``; what only wraps (``simplecache::``) stays whole."""
    first = uri.find("://")
    found = _CHAIN.search(uri, first) if first > 0 else None
    return (uri, "") if found is None else (uri[: found.start()], uri[found.start() :])


def open_remote(uri: str) -> tuple[pafs.PyFileSystem, str]:
    """The file system of a URI, and the path in it. Raises StoreError; OSError if it cannot be reached."""
    head, tail = split_chain(uri)
    try:
        if tail:  # one instance for all members: opening it reads the archive's directory
            fs = _archive(head.partition("://")[0] + "://" + tail)
            path = type(fs)._strip_protocol(head)
        else:
            fs, path = _url_to_fs(uri)
    except ImportError as error:
        raise _missing(uri) from error
    except (ValueError, FileNotFoundError) as error:
        raise _cannot_open(uri, error) from error
    return pafs.PyFileSystem(RemoteHandler(fs)), path


@lru_cache(maxsize=8)
def _archive(uri: str) -> Any:
    return retried(lambda: _url_to_fs(uri)[0], uri)


def _url_to_fs(uri: str) -> tuple[Any, str]:
    fsspec = _module("fsspec")
    options: dict[str, Any] = {}
    for scheme in set(re.findall(r"(https?)://", uri)):
        options[scheme] = _http_options(fsspec.config.conf.get(scheme, {}))
    scheme = uri.partition(":")[0]
    if scheme in WHOLE_ON_CLOSE:
        options["use_listings_cache"] = False  # other processes write into the same folders
    found: tuple[Any, str] = fsspec.url_to_fs(uri, **options)
    return found


def _module(name: str) -> Any:
    """A module of fsspec, which only URIs of its own schemes need: paths and s3:// work without it."""
    return import_module(name)


def _http_options(configured: Mapping[str, Any]) -> dict[str, Any]:
    """Proxies and ``~/.netrc`` are heeded, and a file may take longer than aiohttp's five minutes.

    A server that compresses on its way has neither ranges nor a size, so it is asked not to.
    """
    aiohttp = _module("fsspec.implementations.http").aiohttp
    headers = {"Accept-Encoding": "identity"}
    own = {"trust_env": True, "timeout": aiohttp.ClientTimeout(**_TIMEOUTS), "headers": headers}
    return {"client_kwargs": {**own, **configured.get("client_kwargs", {})}}


def _missing(uri: str) -> StoreError:
    scheme = next((name for name in _schemes_in(uri) if not _is_there(name)), uri.partition("://")[0])
    remedy = f"pip install 'gristmill[{EXTRA}]'"
    if scheme not in IN_EXTRA and find_spec("fsspec") is not None:
        remedy = _known_schemes().get(scheme) or f"install the package that {scheme}:// needs"
    return StoreError(f"cannot open {uri}: the package for {scheme}:// is missing", remedy=remedy)


def _is_there(scheme: str) -> bool:
    try:
        _module("fsspec").get_filesystem_class(scheme)
    except ImportError:
        return False
    return True


def _cannot_open(uri: str, error: Exception) -> StoreError:
    known = sorted({*_known_schemes(), *NATIVE_SCHEMES})
    unknown = [scheme for scheme in _schemes_in(uri) if scheme not in known]
    remedy = "use a path, s3://bucket/path, gs://bucket/path, or a URI that fsspec knows"
    if not unknown:
        return StoreError(f"cannot open {uri}: {error}", remedy=remedy)
    near = get_close_matches(unknown[0], known, 1)
    if near:
        remedy = f"did you mean {near[0]}://? otherwise {remedy}"
    return StoreError(f"cannot open {uri}: no file system is called {unknown[0]!r}", remedy=remedy)


NATIVE_SCHEMES = ("file", "s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
"""What pyarrow opens itself."""


def _schemes_in(uri: str) -> list[str]:
    return [part.partition("://")[0] for part in uri.split("::")]


def _known_schemes() -> dict[str, str]:
    """Scheme → what fsspec says where its package is missing."""
    known = _module("fsspec.registry")
    told = {name: str(about.get("err", "")) for name, about in known.known_implementations.items()}
    return {**dict.fromkeys(known.registry, ""), **told}


class RemoteHandler(pafs.FSSpecHandler):
    """fsspec as a file system of pyarrow: picklable, with errors that are told apart and passing ones tried again."""

    @property
    def scheme(self) -> str:
        protocol = self.fs.protocol
        return str(protocol if isinstance(protocol, str) else protocol[0])

    @property
    def is_web(self) -> bool:
        """Whether paths are URLs, and folders nothing but pages with links."""
        return self.scheme in ("http", "https")

    def entry(self, path: str) -> Entry | None:
        """What is at a path; None if there is nothing. Raises OSError, SourceError."""
        try:
            info = retried(lambda: self.fs.info(path), path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return self._entry(path, info)

    def entries(self, folder: str) -> list[Entry]:
        """What is in a folder, in no order; nothing if it is not there."""
        asked = folder.rstrip("/") + "/" if self.is_web else folder
        try:
            infos = retried(lambda: self.fs.ls(asked, detail=True), folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        paths = {str(info["name"]): info for info in infos}
        found = [self._entry(path, info) for path, info in paths.items() if path.strip("/") != folder.strip("/")]
        return [entry for entry in found if entry.name and not (self.is_web and re.search("[?#]", entry.path))]

    def _entry(self, path: str, info: Mapping[str, Any]) -> Entry:
        name = path.rstrip("/").rpartition("/")[2]
        if self.is_web:  # a query may hold a signature, which must not get into ids
            name = unquote(urlsplit(path).path.rstrip("/").rpartition("/")[2])
        if info["type"] == "directory":
            return Entry(path.rstrip("/"), name, True)
        return Entry(path, name, False, info.get("size"), _stamp(info))

    def _file_info(self, path: str, entry: Entry | None) -> pafs.FileInfo:
        if entry is None:
            return pafs.FileInfo(path, pafs.FileType.NotFound)
        if entry.is_folder:
            return pafs.FileInfo(path, pafs.FileType.Directory)
        return pafs.FileInfo(path, pafs.FileType.File, size=entry.size)

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        return [self._file_info(path, self.entry(path)) for path in paths]

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        return [self._file_info(entry.path, entry) for entry in self._below(selector.base_dir, selector.recursive)]

    def _below(self, folder: str, recursive: bool) -> Iterator[Entry]:
        for entry in self.entries(folder):
            yield entry
            if entry.is_folder and recursive:
                yield from self._below(entry.path, recursive)

    def open_input_file(self, path: str) -> pa.PythonFile:
        entry = self.entry(path)
        if entry is None or entry.is_folder:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if entry.size is None:
            remedy = "download it and name the local file"
            raise SourceError("the server does not say how large it is", where=path, remedy=remedy)
        return pa.PythonFile(RemoteFile(self.fs, path, entry.size, self.is_web), mode="r")

    def open_input_stream(self, path: str) -> pa.PythonFile:
        return self.open_input_file(path)

    def check_writable(self, path: str) -> None:
        """Raises StoreError where files are not replaced as a whole."""
        if self.scheme not in WHOLE_ON_CLOSE:
            why = "has no way to write" if self.is_web else "shows files before they are whole"
            remedy = "write to a path, s3://, gs://, oss:// or az://"
            raise StoreError(
                f"{self.scheme}:// {why}, and a run that dies would leave damage", where=path, remedy=remedy
            )

    def open_output_stream(self, path: str, metadata: Any) -> pa.PythonFile:
        self.check_writable(path)
        return pa.PythonFile(RemoteSink(self.fs.open(path, mode="wb"), path), mode="w")

    def open_append_stream(self, path: str, metadata: Any) -> pa.PythonFile:
        raise StoreError("nothing is appended to remote files", where=path, remedy="write the file anew")


def _stamp(info: Mapping[str, Any]) -> str:
    """What tells two states of a file apart: the best that the file system knows of it."""
    value = next((info[key] for key in _STAMPS if info.get(key)), "")
    return value.isoformat() if isinstance(value, datetime) else str(value)

"""Where bytes live: a path, ``s3://``, ``gs://``, or any URI that fsspec knows; everything goes through ``pyarrow.fs``.

Writes are atomic: on a local disk a temporary name, flush to disk, rename; an object store shows an object
only once it is whole. Where neither holds (https, sftp) files can be read, and writing is refused.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.fs as pafs

from pipeline.errors import StoreError
from pipeline.remote import NATIVE_SCHEMES, Entry, RemoteHandler, open_remote


def filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a path or URI, and the path in it. Relative paths are made absolute.

    Raises StoreError for a scheme that neither pyarrow nor fsspec knows, and for one whose package is missing.
    """
    if "://" not in uri:
        return pafs.LocalFileSystem(), os.path.abspath(os.path.expanduser(uri))
    return _native(uri) if uri.partition("://")[0] in NATIVE_SCHEMES else open_remote(uri)


def handler_of(fs: pafs.FileSystem) -> RemoteHandler | None:
    """What stands behind a file system that came from fsspec; None for pyarrow's own."""
    handler = fs.handler if isinstance(fs, pafs.PyFileSystem) else None
    return handler if isinstance(handler, RemoteHandler) else None


def check_writable(uri: str) -> None:
    """Raises StoreError if nothing can be written there safely."""
    fs, path = filesystem(uri)
    handler = handler_of(fs)
    if handler is not None:
        handler.check_writable(path)


def entry(fs: pafs.FileSystem, path: str) -> Entry | None:
    """What is at a path; None if there is nothing. Raises OSError."""
    handler = handler_of(fs)
    if handler is not None:
        return handler.entry(path)
    info = fs.get_file_info(path)
    return None if info.type == pafs.FileType.NotFound else _entry(info)


def entries(fs: pafs.FileSystem, folder: str) -> list[Entry]:
    """What is in a folder, in no order; nothing if it is not there. Raises OSError."""
    handler = handler_of(fs)
    if handler is not None:
        return handler.entries(folder)
    return [_entry(info) for info in fs.get_file_info(pafs.FileSelector(folder, allow_not_found=True))]


def _entry(info: pafs.FileInfo) -> Entry:
    is_folder = info.type == pafs.FileType.Directory
    return Entry(info.path, info.base_name, is_folder, info.size or 0, str(info.mtime_ns))


@lru_cache(maxsize=64)
def _native(uri: str) -> tuple[pafs.FileSystem, str]:
    try:
        fs, path = pafs.FileSystem.from_uri(uri)
    except (pa.ArrowInvalid, ValueError, OSError) as error:
        raise StoreError(
            f"cannot open {uri}: {error}", remedy="use a path, s3://bucket/path or gs://bucket/path"
        ) from error
    return fs, path


@dataclass(frozen=True)
class Folder:
    """A folder on some file system. ``uri``: an absolute path or a URI; picklable, opened where it is used."""

    uri: str

    def __post_init__(self) -> None:
        if "://" not in self.uri:  # a worker's working directory may be another
            object.__setattr__(self, "uri", os.path.abspath(os.path.expanduser(self.uri)))

    def child(self, name: str) -> Folder:
        """The folder below this one."""
        return Folder(f"{self.uri.rstrip('/')}/{name}")

    @property
    def fs(self) -> pafs.FileSystem:
        return filesystem(self.uri)[0]

    @property
    def path(self) -> str:
        return filesystem(self.uri)[1]

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, pafs.LocalFileSystem)

    def file(self, name: str) -> str:
        """Path in the file system of a file in this folder."""
        return f"{self.path.rstrip('/')}/{name}"

    def make(self) -> None:
        """Create the folder (a no-op where folders are only prefixes)."""
        if self.is_local:
            os.makedirs(self.path, exist_ok=True)

    def names(self) -> list[str]:
        """Names of the files in the folder, sorted; empty if there is no such folder."""
        selector = pafs.FileSelector(self.path, allow_not_found=True)
        return sorted(info.base_name for info in self.fs.get_file_info(selector) if info.type == pafs.FileType.File)

    def exists(self, name: str) -> bool:
        return bool(self.fs.get_file_info(self.file(name)).type == pafs.FileType.File)

    def read(self, name: str) -> bytes:
        """The file's bytes. Raises FileNotFoundError."""
        if self.is_local:
            with open(self.file(name), "rb") as stream:
                return stream.read()
        with self.fs.open_input_stream(self.file(name), compression=None) as stream:
            return bytes(stream.read())

    def write(self, name: str, content: bytes) -> None:
        """Write the file atomically and durably."""
        if not self.is_local:
            with self.fs.open_output_stream(self.file(name), compression=None) as stream:
                stream.write(content)
            return
        self.make()
        target = self.file(name)
        temporary = f"{target}.{uuid.uuid4().hex[:8]}.tmp"
        try:
            with open(temporary, "wb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(temporary, target)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise

    def delete(self, name: str) -> None:
        """Delete the file if it is there."""
        if self.exists(name):
            self.fs.delete_file(self.file(name))

"""The folder of an export: files named after their bytes, a manifest that is written last, nothing of anybody else.

::

    part-00000-3f2a9c1d77e0.parquet        number of the group of partitions, beginning of the bytes' checksum
    language=de/part-00000-….parquet       where `partition_by` asks for it
    _manifest.json                         files, rows, bytes, checksums, schema, recipe; written last
    _exporting.json                        while an export is at work: whose it is

A file appears under its name once it is whole, and a name stands for the same bytes for ever. So an earlier export of
the same recipe stays readable, by its manifest, until the new manifest takes its place; then its files go. A folder
with files that this export cannot have written is refused before anything is computed.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow.fs as pafs

from pipeline.errors import StoreError
from pipeline.storage import Folder, check_writable, entries
from pipeline.store import ChecksumSink, DataFile

MANIFEST = "_manifest.json"
MARKER = "_exporting.json"
FORMAT_VERSION = 1

_PART = re.compile(r"(?:[^/=]+=[^/]*/)*part-\d{5,}-[0-9a-f]{12}(\.parquet|\.arrow|\.jsonl|\.jsonl\.zst|\.jsonl\.gz)")
_LITTER = re.compile(r"\.[0-9a-f]{12}\.tmp|(_manifest|_exporting)\.json\.[0-9a-f]{8}\.tmp")
_DATA = (".parquet", ".arrow", ".jsonl", ".json", ".zst", ".gz")
_COPY_BYTES = 16 * 2**20
_SHOWN = 5


@dataclass(frozen=True)
class ExportFolder:
    """A folder and whose export it holds. ``owner``: names of recipe and export; picklable, opened where it is used."""

    folder: Folder
    owner: tuple[str, str]

    def files(self) -> dict[str, int]:
        """Name → bytes of every file in the folder and below it."""
        return dict(_files(self.folder.fs, self.folder.path, ""))

    def check(self) -> None:
        """Raises StoreError for a place that cannot be written, or that holds files of somebody else."""
        check_writable(self.folder.uri)
        files = [name for name in self.files() if not _LITTER.fullmatch(name)]
        known = [name for name in (MANIFEST, MARKER) if name in files]
        for name in known:
            self._check_owner(name)
        wrong = [name for name in files if not known or (name.endswith(_DATA) and not _ours(name))]
        if wrong:
            more = f" and {len(wrong) - _SHOWN:,} more" if len(wrong) > _SHOWN else ""
            raise StoreError(
                f"holds files that export {self.owner[1]!r} did not write: {', '.join(sorted(wrong)[:_SHOWN])}{more}",
                where=self.folder.uri,
                remedy="give `path` an empty folder, or move the files away",
            )

    def _check_owner(self, name: str) -> None:
        try:
            record = json.loads(self.folder.read(name))
            owner = record["recipe"], record["export"]
        except (ValueError, KeyError, TypeError) as error:
            remedy = "give `path` an empty folder"
            raise StoreError("not the manifest of an export", where=self.folder.file(name), remedy=remedy) from error
        if owner != self.owner:
            raise StoreError(
                f"holds export {owner[1]!r} of recipe {owner[0]!r}",
                where=self.folder.uri,
                remedy=f"give export {self.owner[1]!r} of {self.owner[0]!r} a `path` of its own, or delete the folder",
            )

    def mark(self) -> None:
        """Say whose files are about to appear; before the first of them does."""
        if not self.folder.exists(MARKER):
            self.folder.write(MARKER, self._json({}))

    def finish(self, files: Sequence[DataFile], facts: Mapping[str, Any]) -> None:
        """Write the manifest, and delete files that an earlier export or a killed process left. Idempotent."""
        listed = [{"name": f.name, "rows": f.rows, "bytes": f.bytes, "xxh3_128": f.checksum} for f in files]
        sums = {"rows": sum(file.rows for file in files), "bytes": sum(file.bytes for file in files)}
        content = self._json({**facts, **sums, "files": listed})
        there = self.files()
        if MANIFEST not in there or self.folder.read(MANIFEST) != content:
            self.folder.write(MANIFEST, content)
        current = {file.name for file in files}
        for name in there:
            if name not in current and (_PART.fullmatch(name) or _LITTER.fullmatch(name)):
                self.folder.delete(name)
        self.folder.delete(MARKER)

    def _json(self, facts: Mapping[str, Any]) -> bytes:
        record = {"format": FORMAT_VERSION, "recipe": self.owner[0], "export": self.owner[1], **facts}
        return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()


def _ours(name: str) -> bool:
    return name in (MANIFEST, MARKER) or _PART.fullmatch(name) is not None


def _files(fs: pafs.FileSystem, path: str, below: str) -> Iterator[tuple[str, int]]:
    for found in entries(fs, path):
        if found.is_folder:
            yield from _files(fs, found.path, f"{below}{found.name}/")
        else:
            yield below + found.name, found.size or 0


class NewFile:
    """A file of an export on its way. Write to ``sink``, then :meth:`publish`; :meth:`close` in any case.

    On a disk it is written beside its place, elsewhere into the temporary folder: its name is known at its end.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._path = ""
        if folder.is_local:
            folder.make()
            self._path = folder.file(f".{uuid.uuid4().hex[:12]}.tmp")
        self._handle: Any = open(self._path, "wb", buffering=0) if self._path else tempfile.TemporaryFile()  # noqa: SIM115
        self.sink = ChecksumSink(self._handle, self._handle.fileno() if self._path else None)

    def publish(self, name: str) -> None:
        """Make the file appear, whole and durable, as ``name``."""
        if self._path:
            os.fsync(self._handle.fileno())
            os.makedirs(os.path.dirname(self._folder.file(name)), exist_ok=True)
            os.replace(self._path, self._folder.file(name))
            return
        self._handle.seek(0)
        with self._folder.fs.open_output_stream(self._folder.file(name), compression=None) as stream:
            while chunk := self._handle.read(_COPY_BYTES):
                stream.write(chunk)

    def close(self) -> None:
        """Close the file, and delete what was not published."""
        self._handle.close()
        if self._path and os.path.exists(self._path):
            os.unlink(self._path)


@contextmanager
def new_file(folder: Folder) -> Iterator[NewFile]:
    """A file on its way, closed at the end."""
    file = NewFile(folder)
    try:
        yield file
    finally:
        file.close()

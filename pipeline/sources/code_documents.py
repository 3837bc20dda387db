"""From files of source trees to documents: one a file, or one a repository.

The document of a repository puts its files under plain lines with their paths, as StarCoder2 and Qwen2.5-Coder do with
tokens of their own: text of a corpus is always encoded as ordinary text, and a tokenizer's user can replace the lines.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

import pyarrow as pa

from pipeline.sources.code_config import CodeConfig
from pipeline.sources.code_kinds import kind_by_content, kind_by_path
from pipeline.sources.code_licenses import is_allowed, joined, spdx_header
from pipeline.sources.code_text import decode
from pipeline.sources.contract import SourceBatch
from pipeline.sources.records import BATCH_BYTES, Fault, no_rows, quarantine, row_schema

LANGUAGE = "code"
"""What the column ``language`` says of all documents; routes have a branch for it."""

_SPOOL_BYTES = 64 * 2**20
_BATCH_EVENTS = 10_000


class Entry(NamedTuple):
    """A file of a repository.

    ``identity``: id of the file's document; ``whole``: of the repository's. ``file`` and ``offset``: where it is read.
    ``licenses``: of the texts above it. ``read``: limit → its first bytes, what is wrong, or None if that is told
    elsewhere.
    """

    repository: str
    path: str
    identity: str
    whole: str
    file: str
    offset: int
    size: int
    licenses: tuple[str, ...]
    read: Callable[[int], bytes | Fault | None]


class File(NamedTuple):
    """A file that is kept, as UTF-8."""

    entry: Entry
    text: bytes
    language: str
    license: str | None


def repository_order(path: str) -> tuple[bool, int, str]:
    """README first, those nearer to the root before others, then by path."""
    is_readme = re.match(r"readme\b", path.rpartition("/")[2], re.IGNORECASE) is not None
    return not is_readme, path.count("/") if is_readme else 0, path


class Documents:
    """Makes batches of documents, and keeps count of the files that are none."""

    def __init__(self, source: str, config: CodeConfig, fields: Mapping[str, pa.DataType]) -> None:
        self.source = source
        self.config = config
        self.fields = fields
        self.schema = row_schema(fields)
        self.allowed = None if config.licenses is None else frozenset(name.lower() for name in config.licenses)
        self._reset()

    def skip(self, reason: str, size: int) -> None:
        """Count a file that is no document."""
        records, n_bytes = self.skipped.get(reason, (0, 0))
        self.skipped[reason] = (records + 1, n_bytes + size)
        self.events += 1

    def fault(self, file: str, fault: Fault) -> None:
        """Quarantine a file, or what cannot be read of an archive."""
        self.faults.append((file, fault))
        self.events += 1

    def of_files(self, entries: Iterable[Entry | None]) -> Iterator[SourceBatch]:
        """One document a file. None stands for what has been counted already."""
        for entry in entries:
            file = None if entry is None else self._kept(entry)
            if file is not None:
                yield from self._add(_row(file))
            elif self.events >= _BATCH_EVENTS:
                yield self._finish()
        yield from self._rest()

    def of_repositories(self, entries: Iterable[Entry]) -> Iterator[SourceBatch]:
        """One document a repository. Entries of one come together, in the order in which they are to stand."""
        for _, group in groupby(entries, key=lambda entry: entry.whole):
            yield from self._repository(file for entry in group if (file := self._kept(entry)) is not None)
        yield from self._rest()

    def of_unsorted(self, entries: Iterable[Entry | None]) -> Iterator[SourceBatch]:
        """One document of one repository whose files come in any order: they are put aside, on a disk if need be."""
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
            aside: list[tuple[File, int, int]] = []
            for entry in entries:
                file = None if entry is None else self._kept(entry)
                if file is not None:
                    aside.append((file._replace(text=b""), spool.tell(), len(file.text)))
                    spool.write(file.text)
                elif self.events >= _BATCH_EVENTS:
                    yield self._finish()

            def again() -> Iterator[File]:
                for file, start, size in sorted(aside, key=lambda one: repository_order(one[0].entry.path)):
                    spool.seek(start)
                    yield file._replace(text=spool.read(size))

            yield from self._repository(again())
        yield from self._rest()

    def _kept(self, entry: Entry) -> File | None:
        """The file, if it is one that people wrote; else it is counted or quarantined."""
        found = self._judged(entry)
        if isinstance(found, str):
            self.skip(found, entry.size)
        elif isinstance(found, Fault):
            self.fault(entry.file, found)
        return found if isinstance(found, File) else None

    def _judged(self, entry: Entry) -> File | Fault | str | None:
        """The file, what is wrong with it, or why it is no document; None if it is torn and the archive says so."""
        reason = kind_by_path(entry.path, entry.size, self.config)
        if reason is not None:
            return reason
        limit = self.config.file_limit
        content = entry.read(limit + 1)
        if not isinstance(content, bytes):
            return content
        if len(content) > limit:
            return "too_long"
        decoded = decode(content)
        if decoded is None:
            return "binary"
        if len(decoded.text) > limit:
            return "too_long"
        language = kind_by_content(entry.path.rpartition("/")[2], decoded.text, self.config)
        if isinstance(language, str):
            return language
        license_ = spdx_header(decoded.text) or joined(entry.licenses)
        if self.allowed is not None and not (license_ and is_allowed(license_, self.allowed)):
            return "other_license" if license_ else "unknown_license"
        if decoded.repaired is not None:
            self.repaired[decoded.repaired] += 1
        return File(entry, decoded.text, language.name, license_)

    def _repository(self, files: Iterator[File]) -> Iterator[SourceBatch]:
        """The documents of one repository; more than one if it is too long for one."""
        held: list[File] = []
        size = part = 0
        for file in files:
            more = len(self._head(file)) + len(file.text) + 1
            if held and size + more > self.config.max_document_bytes:
                self.repaired["split_repository"] += part == 0
                yield from self._add(self._whole(held, part))
                held, size, part = [], 0, part + 1
            held.append(file)
            size += more + (0 if size else len(self._title(file)))
        if held:
            yield from self._add(self._whole(held, part))

    def _title(self, file: File) -> bytes:
        return self.config.repository_header.replace("{repository}", _one_line(file.entry.repository)).encode()

    def _head(self, file: File) -> bytes:
        return self.config.file_header.replace("{path}", _one_line(file.entry.path)).encode()

    def _whole(self, files: list[File], part: int) -> dict[str, object]:
        first = files[0].entry
        text = [self._title(files[0])]
        for file in files:
            text += [self._head(file), file.text, b"" if file.text.endswith(b"\n") else b"\n"]
        sizes: Counter[str] = Counter()
        for file in files:
            sizes[file.language] += len(file.text)
        licenses = {file.license for file in files}
        return {
            "id": f"{first.whole}#{part}" if part else first.whole,
            "text": b"".join(text),
            "license": None if None in licenses else joined(name for name in licenses if name),
            "file": first.whole,
            "offset": part,
            "programming_language": min(sizes, key=lambda name: (-sizes[name], name)),
            "repository": first.repository,
            "path": None,
        }

    def _add(self, row: dict[str, object]) -> Iterator[SourceBatch]:
        text = row["text"]
        assert isinstance(text, bytes)
        if self.rows and (self.size + len(text) > BATCH_BYTES or self.events >= _BATCH_EVENTS):
            yield self._finish()
        self.rows.append({**row, "language": LANGUAGE})
        self.size += len(text)
        self.events += 1

    def _rest(self) -> Iterator[SourceBatch]:
        if self.events:
            yield self._finish()

    def _finish(self) -> SourceBatch:
        rows = no_rows(self.fields)
        if self.rows:
            columns = []
            for field in self.schema:
                values = [row.get(field.name) for row in self.rows]
                is_text = field.name == "text"
                column = pa.array(values, pa.large_binary() if is_text else field.type)
                columns.append(column.view(field.type) if is_text else column)
            rows = pa.record_batch(columns, schema=self.schema)
        batch = SourceBatch(rows, self._quarantined(), dict(self.repaired), self.skipped)
        self._reset()
        return batch

    def _quarantined(self) -> pa.RecordBatch | None:
        by_file = [
            quarantine(self.source, file, [fault for _, fault in group])
            for file, group in groupby(self.faults, key=lambda one: one[0])
        ]
        return pa.concat_batches(by_file) if by_file else None

    def _reset(self) -> None:
        self.rows: list[dict[str, object]] = []
        self.size = 0
        self.events = 0
        self.skipped: dict[str, tuple[int, int]] = {}
        self.repaired: Counter[str] = Counter()
        self.faults: list[tuple[str, Fault]] = []


def _row(file: File) -> dict[str, object]:
    entry = file.entry
    return {
        "id": entry.identity,
        "text": file.text,
        "license": file.license,
        "file": entry.file,
        "offset": entry.offset,
        "programming_language": file.language,
        "repository": entry.repository,
        "path": entry.path,
    }


def _one_line(name: str) -> str:
    """A name cannot make lines of its own."""
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", "?", name)

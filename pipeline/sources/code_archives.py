r"""What archives of source trees hold: files, links, and what is not to be read. Nothing is unpacked to a disk.

An archive is input from a stranger. Names that lead out of it (``../x``, ``/etc/x``, ``C:\x``) are refused, links are
not followed, and devices are no files. What an archive says about sizes is not believed: a file is read up to a limit,
all of them together up to another. Sparse files, and members that are encrypted or compressed by other methods than
deflate, are quarantined. The formats are read by ``code_tar`` and ``code_zip``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pipeline.sources.records import Fault

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.zstd", ".tzst") + (
    ".tar.bz2",
    ".tbz2",
    ".tar.xz",
    ".txz",
    ".tar.lz4",
    ".zip",
)

_MAX_PATH = 4096


class Member(NamedTuple):
    """A file in an archive. ``offset``: of its content in the decompressed tar, or of its header in the zip."""

    path: str
    size: int
    offset: int


class Skipped(NamedTuple):
    """A member that is no file of its own: ``link`` or ``special_file``."""

    reason: str
    size: int


class Archive(Protocol):
    """Members in order.

    ``read`` gives the first bytes of the member that was yielded last, or what is wrong with it; None where the archive
    ends in it, which the next fault of ``members`` says.
    """

    def members(self) -> Iterator[Member | Skipped | Fault]: ...

    def read(self, limit: int) -> bytes | Fault | None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Unreadable:
    """An archive of a kind that is not read, whatever it is called."""

    fault: Fault

    def members(self) -> Iterator[Member | Skipped | Fault]:
        """The one thing to say of it."""
        yield self.fault

    def read(self, limit: int) -> bytes | Fault | None:
        return None

    def close(self) -> None: ...


def is_archive(name: str) -> bool:
    """Whether a file's name is that of an archive that is read."""
    return name.lower().endswith(SUFFIXES)


def stem(name: str) -> str:
    """The archive's name without folders and suffix: what it is an archive of."""
    name = name.rpartition("/")[2]
    suffix = max((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), key=len)
    return name[: len(name) - len(suffix)] or name


def unsafe(path: str) -> str | None:
    """What is wrong with a member's path, if anything."""
    parts = path.replace("\\", "/").split("/")
    if ".." in parts:
        return "leads out of the archive"
    if path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", path):
        return "is absolute"
    if len(path) > _MAX_PATH or not path.strip("./ "):
        return "is no path"
    return "has control characters" if re.search(r"[\x00-\x1f\x7f]", path) else None


def member_of(raw: bytes, size: int, offset: int) -> Member | Fault:
    """The member with that path; a fault if the path is not safe. What is not UTF-8 in it is mended."""
    path = raw.decode("utf-8", "replace")
    wrong = unsafe(path)
    if wrong is not None:
        return Fault(offset, size, "unsafe_path", f"the path {path[:200]!r} {wrong}", b"")
    return Member("/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", ".")), size, offset)


class Stop(Exception):
    """The rest of the archive cannot be read."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

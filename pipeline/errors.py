"""Errors that a user sees. Each says what was expected, what came, where, and what to do."""

from __future__ import annotations

import errno


class GristmillError(Exception):
    """Something that the user can mend.

    ``where``: file and line, record or partition. ``remedy``: what to do, as a sentence.
    """

    def __init__(self, message: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message, where, remedy)
        self.message = message
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        head = f"{self.where}: {self.message}" if self.where else self.message
        return f"{head}\n  → {self.remedy}" if self.remedy else head

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.where, self.remedy)


def _rebuild(kind: type[GristmillError], message: str, where: str | None, remedy: str | None) -> GristmillError:
    return kind(message, where=where, remedy=remedy)


class RecipeError(GristmillError):
    """The recipe is wrong; ``where`` is its file and line."""


class SourceError(GristmillError):
    """Input that makes the whole run impossible: nothing matches, a column is missing, a format is not known."""


class TooManyErrors(GristmillError):
    """More records were quarantined than ``max_errors`` allows."""


class StoreError(GristmillError):
    """The store cannot be written, or what it holds is damaged or of another format version."""


class StageBug(GristmillError):
    """A stage broke its contract (NaN, wrong row count, undeclared signal): a bug, never missing data."""


class RunNotFound(GristmillError):
    """No run of that name, or it has not got far enough for the question."""


_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_PLACE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}


def disk_error(error: OSError, where: str) -> StoreError | None:
    """What to tell of an error that trying again does not mend: no room, no access. None for others."""
    place = str(error.filename or where)
    if error.errno in _FULL:
        remedy = (
            "make room (`gristmill gc` frees what no run needs) and run the same command again: finished work is kept"
        )
        return StoreError(f"the disk is full: {error.strerror}", where=place, remedy=remedy)
    if error.errno in _NO_PLACE:
        remedy = "give this user access, move what is in the way, or use another folder"
        return StoreError(f"cannot be used: {error.strerror}", where=place, remedy=remedy)
    return None

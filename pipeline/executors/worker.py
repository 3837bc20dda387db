"""The worker's side: unpickle the work once per process, run units, make errors travel well."""

from __future__ import annotations

import ctypes
import hashlib
import pickle
import traceback
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module

import numpy as np
import pyarrow as pa

from classifiers.errors import ModelError
from pipeline.blocks.work import Unit, Work
from pipeline.errors import GristmillError, StageBug, disk_error
from pipeline.store import Commit

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 2**28

RETRIED = (OSError, TimeoutError)
"""Exceptions that say something about the system, not about the data."""


@cache
def prepare() -> None:
    """What a process needs before its first unit: one thread for Arrow, memory that is kept, imports."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(2)
    _keep_memory()
    import_module("pipeline.blocks.rows")
    import_module("stages.kernels.jsonl")


def warm() -> None:
    """Start Numba, which imports as much again, and load the kernels that nearly every run needs."""
    from stages.kernels import hashing, json_paths, jsonl

    hashing.hash128(pa.array([""]))
    paths = json_paths.compile_paths(["text"])
    jsonl.scan(np.zeros(0, np.uint8), 0, 0, paths, 0, 0, jsonl.make_room(paths, 0))


def _keep_memory() -> None:
    """Let glibc reuse the arrays of one batch for the next instead of asking the kernel for fresh pages each time.

    A batch is about 16 MB, which malloc would map and unmap; a quarter of the system time went into that.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # not glibc: slower, and just as right
    mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


@lru_cache(maxsize=8)
def _work(digest: bytes, holder: _Bytes) -> Work:
    prepare()
    work: Work = pickle.loads(holder.content)
    return work


class _Bytes:
    """Bytes that compare by digest, so that the cache does not hash megabytes twice."""

    def __init__(self, content: bytes, digest: bytes) -> None:
        self.content, self.digest = content, digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bytes) and other.digest == self.digest


def run_pickled(work: bytes, unit: bytes) -> Commit | BaseException:
    """Run one pickled unit. Errors come back as values, so that their text is ours and not a remote traceback."""
    digest = hashlib.sha1(work, usedforsecurity=False).digest()
    return run_unit(_work(digest, _Bytes(work, digest)), pickle.loads(unit))


def run_unit(work: Work, unit: Unit) -> Commit | BaseException:
    """Run one unit; see :func:`as_result` for what happens to errors."""
    return as_result(lambda: work.run(unit), f"{work.name}, {unit.label}", work.store.folder.uri)


def as_result(task: Callable[[], Commit], where: str, store: str) -> Commit | BaseException:
    """What the task returns; a GristmillError or a system failure as a value, a bug as a StageBug with its trace."""
    try:
        return task()
    except GristmillError as error:
        if error.where is None:
            error.where = where
        return error
    except ModelError as error:
        return GristmillError(str(error), where=where)
    except RETRIED as error:
        return disk_error(error, store) or error
    except Exception:
        remedy = "this is a bug in the stage, or in Gristmill; nothing was dropped for it"
        return StageBug(traceback.format_exc().rstrip(), where=where, remedy=remedy)

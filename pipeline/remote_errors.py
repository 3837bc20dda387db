"""What went wrong on a remote file system, in terms that the rest of the engine knows.

Libraries for the network have exceptions of their own, many of them no OSError. Here they become OSErrors with a
number, so that executors retry the unit and readers do not take them for damage in the file: FileNotFoundError and
PermissionError for what will not pass, ConnectionError and TimeoutError for what may.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pipeline.errors import GristmillError, SourceError

DELAYS_SECONDS = (0.2, 0.8, 3.2)
"""Between tries of a request."""

_ARCHIVES = frozenset(("bz2", "lzma", "tarfile", "zipfile", "zlib"))
_GONE = (404, 410)
_FORBIDDEN = (401, 403)
_BUSY = (408, 429)

T = TypeVar("T")


def retried(call: Callable[[], T], uri: str) -> T:
    """What the call returns, tried again after failures that may pass. Raises OSError or SourceError."""
    for delay in DELAYS_SECONDS:
        try:
            with system_errors(uri):
                return call()
        except (ConnectionError, TimeoutError):
            time.sleep(delay)
    with system_errors(uri):
        return call()


@contextmanager
def system_errors(uri: str) -> Iterator[None]:
    """Errors of libraries as OSErrors and SourceErrors. ``uri``: what they are about."""
    try:
        yield
    except Exception as error:
        known = system_error(error, uri)
        if known is error:
            raise
        raise known from error


def system_error(error: BaseException, uri: str) -> BaseException:
    """The error in our terms; itself where it is that already, or a bug."""
    if isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        cause = system_error(error.__cause__, uri)  # fsspec's http calls every failure of a server "not found"
        return cause if isinstance(cause, OSError) else error
    if isinstance(error, GristmillError):
        return error
    status = _status(error)
    if status is not None:
        return _answered(status, uri)
    if isinstance(error, TimeoutError):
        return TimeoutError(errno.ETIMEDOUT, f"timed out: {error}", uri)
    library = type(error).__module__.partition(".")[0]
    if library in _ARCHIVES:
        return SourceError(f"damaged archive: {error}", where=uri, remedy="get the archive again, or leave it out")
    if library in sys.stdlib_module_names and (type(error).__module__ == "builtins" or not isinstance(error, OSError)):
        return error
    return ConnectionResetError(errno.ECONNRESET, f"{type(error).__name__}: {error}", uri)


def _status(error: BaseException) -> int | None:
    """The HTTP status of an error of aiohttp, requests or httpx."""
    response = getattr(error, "response", None)
    found = [getattr(error, "status", None), getattr(response, "status_code", None)]
    return next((status for status in found if isinstance(status, int)), None)


def _answered(status: int, uri: str) -> OSError:
    message = f"the server answers {status}"
    if status in _GONE:
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), uri)
    if status in _FORBIDDEN:
        return PermissionError(errno.EACCES, message, uri)
    if status < 500 and status not in _BUSY:
        return OSError(errno.EIO, message, uri)
    return ConnectionResetError(errno.ECONNRESET, message, uri)

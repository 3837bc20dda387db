"""Files on remote file systems, as pyarrow reads and writes them.

Their size is known, they are read by ranges, and what fails for the network's sake is tried again. A server that gives
no ranges has its file copied to the temporary folder first.
"""

from __future__ import annotations

import errno
import io
import tempfile
from typing import Any

from pipeline.remote_errors import retried, system_errors

READ_AHEAD_BYTES = 4 * 2**20
"""Read beyond what is asked for: readers ask for 4 MB, so a request brings 8 MB."""

_COPY_BYTES = 2**20


class RemoteFile:
    """A file to be read: its size is known, it reads by ranges, and passing failures are tried again."""

    def __init__(self, fs: Any, path: str, size: int, is_web: bool) -> None:
        self._fs = fs
        self._path = path
        self._size = size
        self._is_web = is_web
        self._position = 0
        self._raw: Any = None
        self._whole = False
        self.closed = False

    def read(self, count: int | None = -1) -> bytes:
        """Up to ``count`` bytes, fewer only at the end. Raises OSError."""
        left = max(self._size - self._position, 0)
        wanted = left if count is None or count < 0 else min(count, left)
        content = retried(lambda: self._read(wanted), self._path) if wanted else b""
        self._position += len(content)
        return content

    def _read(self, wanted: int) -> bytes:
        try:
            raw = self._opened()
            raw.seek(self._position)
            content = bytes(raw.read(wanted))
        except ValueError:  # what fsspec says where a range was asked for and the whole file came
            if self._whole or not self._is_web:
                raise
            self._forget()
            self._whole = True
            return self._read(wanted)
        except BaseException:
            self._forget()
            raise
        if not content:
            self._forget()
            message = f"ends at byte {self._position:,} of {self._size:,}"
            raise ConnectionResetError(errno.ECONNRESET, message, self._path)
        return content

    def _opened(self) -> Any:
        if self._raw is None:
            self._raw = self._copied() if self._whole else self._by_ranges()
        return self._raw

    def _by_ranges(self) -> Any:
        options: dict[str, Any] = {"block_size": READ_AHEAD_BYTES, "cache_type": "readahead"}
        if self._is_web:
            options["size"] = self._size  # saves a request
        return self._fs.open(self._path, mode="rb", **options)

    def _copied(self) -> Any:
        """The whole file, in the temporary folder under no name."""
        copy: Any = tempfile.TemporaryFile()  # noqa: SIM115 - close() does
        with self._fs.open(self._path, mode="rb", block_size=0) as stream:
            while chunk := stream.read(_COPY_BYTES):
                copy.write(chunk)
        if copy.tell() != self._size:
            message = f"{copy.tell():,} of {self._size:,} bytes came"
            raise ConnectionResetError(errno.ECONNRESET, message, self._path)
        return copy

    def _forget(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.close()

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + position
        return self._position

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def close(self) -> None:
        self._forget()
        self.closed = True


class RemoteSink:
    """A file being written; its errors are told apart like those of reading."""

    def __init__(self, raw: Any, path: str) -> None:
        self._raw = raw
        self._path = path

    @property
    def closed(self) -> bool:
        return bool(self._raw.closed)

    def write(self, chunk: Any) -> int:
        with system_errors(self._path):
            return int(self._raw.write(chunk))

    def flush(self) -> None:
        """The file is whole when it is closed, and not before."""

    def close(self) -> None:
        with system_errors(self._path):
            self._raw.close()

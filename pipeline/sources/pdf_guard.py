"""A process that opens PDFs for a reader, watched: a file that kills it or takes too long costs itself only.

The process is started with the first file, answers one after the other, and is replaced when it has died or has been
ended. Limits in pages and bytes come first and are the same on every machine; the time-out is for what they do not see.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from types import TracebackType
from typing import Any

import gristmill
from pipeline.sources.pdf_child import FRAME

CHILD = "pipeline.sources.pdf_child"
"""The module whose ``main`` the process runs."""

_CHUNK_BYTES = 2**16
_LEAVE_SECONDS = 1.0
_START_SECONDS = 60.0
"""A new process on a busy machine may need this long before it looks at its first file."""


class Guard:
    """Asks the process. A context manager: the process ends with it."""

    def __init__(self, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def ask(self, content: bytes, **limits: int) -> dict[str, Any]:
        """What ``pdf_child.text_of`` answers, or ``reason`` ``crash:pdf`` or ``timeout:pdf``."""
        limit = self.timeout_seconds + (_START_SECONDS if self._child is None else 0)
        child = self._child or self._start()
        settings = json.dumps(limits).encode()
        question = b"".join([FRAME.pack(len(settings)), settings, FRAME.pack(len(content)), content])
        try:
            answer = _exchange(child, question, time.monotonic() + limit)
        except TimeoutError:
            self._end()
            return {"reason": "timeout:pdf", "detail": f"no answer in {self.timeout_seconds:,.0f} seconds"}
        if answer is None:
            code = self._end()
            how = f"signal {-code}" if code < 0 else f"status {code}"
            return {"reason": "crash:pdf", "detail": f"the process that opened it ended with {how}"}
        found: dict[str, Any] = json.loads(answer)
        return found

    def _start(self) -> subprocess.Popen[bytes]:
        code = f"import sys; sys.path.insert(0, {gristmill.ROOT!r}); import gristmill; from {CHILD} import main; main()"
        command = [sys.executable, "-c", code]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        for stream in (self._child.stdin, self._child.stdout):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
        return self._child

    def _end(self) -> int:
        """End the process; its exit status, or minus the signal that ended it."""
        child, self._child = self._child, None
        if child is None:
            return 0
        assert child.stdin is not None and child.stdout is not None
        child.stdin.close()
        try:
            # One that waits for a question leaves by itself, and one that has died tells how by its own status.
            child.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
        child.stdout.close()
        return child.wait()


def _exchange(child: subprocess.Popen[bytes], question: bytes, deadline: float) -> bytes | None:
    """The answer; None if the process ends before. Raises TimeoutError."""
    assert child.stdin is not None and child.stdout is not None
    left, answer, size = memoryview(question), bytearray(), None
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdout, selectors.EVENT_READ)
        ready.register(child.stdin, selectors.EVENT_WRITE)
        while size is None or len(answer) < size:
            events = ready.select(max(deadline - time.monotonic(), 0))
            if not events:
                raise TimeoutError
            for key, _ in events:
                if key.fileobj is child.stdin:
                    try:
                        left = left[os.write(child.stdin.fileno(), left[:_CHUNK_BYTES]) :]
                    except BrokenPipeError:
                        return None
                    if not left:
                        ready.unregister(child.stdin)
                else:
                    data = os.read(child.stdout.fileno(), _CHUNK_BYTES)
                    if not data:
                        return None
                    answer += data
            if size is None and len(answer) >= FRAME.size:
                size = FRAME.unpack_from(answer)[0] + FRAME.size
    return bytes(answer[FRAME.size :])

"""The process that opens PDFs: reads them from its input, answers with their text.

pdfium is native code and PDFs are programs in disguise, so a file may crash it, hang it or make it take all memory.
That then happens here and not in the reader (``pdf_guard``). This module imports little, so that a new process is
quickly there.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
import threading
import time
from typing import IO, Any

FRAME = struct.Struct("<Q")
"""Length of the message that follows. A question is limits as JSON, then the file; an answer is JSON."""

MEMORY_BYTES = 4 * 2**30
"""Most address space of this process: what wants more crashes."""

_METADATA = ("Title", "Author", "CreationDate")


def main() -> None:
    """Answer questions until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever native code prints must not get between the answers.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    serve(sys.stdin.buffer, answers)


def _end_with_parent(parent: int) -> None:
    """A process that hangs in native code sees no end of its input, and would outlive a reader that was killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer each question on the stream in turn."""
    while (limits := _message(questions)) is not None:
        content = _message(questions)
        if content is None:
            return
        answer = json.dumps(text_of(content, **json.loads(limits))).encode()
        answers.write(FRAME.pack(len(answer)) + answer)
        answers.flush()


def _message(stream: IO[bytes]) -> bytes | None:
    head = stream.read(FRAME.size)
    if len(head) < FRAME.size:
        return None
    size = FRAME.unpack(head)[0]
    content = stream.read(size)
    return content if len(content) == size else None


def text_of(content: bytes, max_pages: int, max_bytes: int) -> dict[str, Any]:
    """``pages``: text of each, and ``metadata``; or ``reason`` and ``detail`` of why there is none."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        locked = getattr(error, "err_code", None) == pypdfium2.raw.FPDF_ERR_PASSWORD
        return {"reason": "encrypted" if locked else "malformed_pdf", "detail": str(error)}
    try:
        count = len(document)
        if count > max_pages:
            return {"reason": "too_many_pages", "detail": f"{count:,} pages; the limit is {max_pages:,}"}
        metadata = document.get_metadata_dict(skip_empty=True)
        pages: list[str] = []
        damaged = size = 0
        for number in range(count):
            try:
                page = _page_text(document, number)
            except pypdfium2.PdfiumError:
                page = ""
                damaged += 1
            pages.append(page)
            size += len(page)
            if size > max_bytes:
                return {"reason": "too_large", "detail": f"a text of more than {max_bytes:,} bytes"}
        if count and damaged == count:
            return {"reason": "malformed_pdf", "detail": "no page can be read"}
        return {"pages": pages, "damaged": damaged, "metadata": {name: metadata.get(name) for name in _METADATA}}
    finally:
        document.close()


def _page_text(document: Any, number: int) -> str:
    page = document[number]
    try:
        text = page.get_textpage()
        try:
            found: str = text.get_text_bounded(errors="replace")
            return found
        finally:
            text.close()
    finally:
        page.close()

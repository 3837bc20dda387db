"""What is known of a model, kept behind it in the same file: how it was trained, and how well it does.

fastText reads its matrices and no further, so a model with notes is a model to every program. Behind the model stand
the notes as JSON, their length in 8 bytes and :data:`MARK`.
"""

from __future__ import annotations

import json
import struct
from typing import Any

MARK = b"GRSTNOTE"
_TAIL = struct.Struct("<q8s")


def with_notes(model: bytes, notes: dict[str, Any]) -> bytes:
    """The model file with notes behind it."""
    content = json.dumps(notes, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
    return model + content + _TAIL.pack(len(content), MARK)


def notes_in(content: bytes) -> dict[str, Any]:
    """The notes of a model file's bytes; empty if it has none."""
    if len(content) < _TAIL.size:
        return {}
    size, mark = _TAIL.unpack(content[-_TAIL.size :])
    if mark != MARK or not 0 <= size <= len(content) - _TAIL.size:
        return {}
    found: dict[str, Any] = json.loads(content[-_TAIL.size - size : -_TAIL.size])
    return found


def read_notes(path: str) -> dict[str, Any]:
    """The notes of a model file, of which only they are read; empty if it has none."""
    with open(path, "rb") as stream:
        end = stream.seek(0, 2)
        stream.seek(max(0, end - _TAIL.size))
        tail = stream.read()
        if len(tail) < _TAIL.size or _TAIL.unpack(tail)[1] != MARK:
            return {}
        stream.seek(max(0, end - _TAIL.size - max(0, _TAIL.unpack(tail)[0])))
        return notes_in(stream.read())

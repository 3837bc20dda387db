"""Slow, obvious twin of ``stages.kernels.json_text``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def json_lines(columns: Mapping[str, Sequence[Any]], rows: int) -> bytes:
    """Strings, bytes (as hexadecimal digits), numbers, bools and nulls, row by row."""
    lines = []
    for row in range(rows):
        record = {key: _plain(values[row]) for key, values in columns.items()}
        lines.append(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
    return "".join(lines).encode()


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value

"""Slow, obvious twin of ``stages.kernels.delimited``: one row at a time from the whole content."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A row, where it begins and ends, and its values."""

    start: int
    stop: int
    values: list[bytes]


@dataclass(frozen=True)
class Bad:
    """A row that cannot be taken."""

    start: int
    stop: int
    reason: str
    value: int


class _Fault(Exception):
    def __init__(self, reason: str, seen: int) -> None:
        self.reason = reason
        self.seen = seen


def read_rows(content: bytes, delimiter: bytes, quote: bytes | None, columns: int) -> list[Row | Bad]:
    """All rows of the content."""
    found: list[Row | Bad] = []
    at = 0
    while at < len(content):
        blank = next((end for end in (b"\n", b"\r\n") if content.startswith(end, at)), b"")
        if blank or content[at:] == b"\r":
            at += len(blank) or 1
            continue
        try:
            values, stop = _row(content, at, delimiter, quote)
        except _Fault as fault:
            line_feed = content.find(b"\n", at + (fault.seen - at) // 64)
            stop = line_feed + 1 if line_feed >= 0 else len(content)
            found.append(Bad(at, stop, fault.reason, fault.seen - at))
        else:
            nul = content.find(b"\0", at, stop)
            if len(values) != columns:
                found.append(Bad(at, stop, "column_count", len(values)))
            elif nul >= 0:
                found.append(Bad(at, stop, "nul_byte", nul - at))
            else:
                found.append(Row(at, stop, values))
        at = stop
    return found


def _row(content: bytes, at: int, delimiter: bytes, quote: bytes | None) -> tuple[list[bytes], int]:
    values = []
    while True:
        if quote is not None and content.startswith(quote, at):
            value, at = _quoted_field(content, at + 1, delimiter, quote)
        else:
            ends = [content.find(end, at) for end in (delimiter, b"\n")]
            end = min([end for end in ends if end >= 0], default=len(content))
            value, at = content[at:end], end
            if content[at : at + 1] != delimiter:
                value = value.removesuffix(b"\r")
        values.append(value)
        if content[at : at + 1] != delimiter:
            return values, min(at + 1, len(content))
        at += 1


def _quoted_field(content: bytes, at: int, delimiter: bytes, quote: bytes) -> tuple[bytes, int]:
    value = b""
    while True:
        close = content.find(quote, at)
        if close < 0:
            raise _Fault("unclosed_quote", len(content))
        value += content[at:close]
        at = close + 1
        if not content.startswith(quote, at):
            break
        value += quote
        at += 1
    if content.startswith(b"\r\n", at) or content[at:] == b"\r":
        at += 1
    if at < len(content) and content[at : at + 1] not in (delimiter, b"\n"):
        raise _Fault("stray_quote", at)
    return value, at

"""The kernel for delimited text against its twin and against ``csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages.kernels import delimited as kernel
from tests.reference.delimited import Bad, Row, read_rows

PIECES = [b"a", b"x" * 70, b",", b"\t", b'"', b'""', b"\n", b"\r", b"\r\n", b"\0", "é中🙂".encode(), b" ", b"\xff"]
CONTENTS = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)


def scan_rows(content: bytes, quote: int, columns: int, room_rows: int, cuts: Iterable[int] = ()) -> list[Row | Bad]:
    """The kernel's answer in the twin's words, with the content shown up to each cut first, and whole at last."""
    data = np.frombuffer(content, np.uint8)
    slots = np.arange(columns)[::-1].copy()
    room = kernel.make_room(room_rows, columns)
    found: list[Row | Bad] = []
    at = 0
    for stop in [*sorted(min(cut, len(content)) for cut in cuts), None]:
        behind = kernel.ENDS if stop is None else kernel.MORE
        end = len(content) if stop is None else stop
        while at < end:
            rows = kernel.scan(data, at, end, behind, ord(","), quote, slots, room)
            values = [bytes_of(data, rows.cells, int(slots[column]), quote) for column in range(columns)]
            for row, (start, stop_) in enumerate(zip(rows.starts.tolist(), rows.stops.tolist(), strict=True)):
                found.append(Row(start, stop_, [column[row] for column in values]))
            for start, stop_, code, value in rows.bad.tolist():
                found.append(Bad(start, stop_, kernel.REASONS[code], value))
            if rows.next == at:
                break
            at = rows.next
    assert at == len(content)
    return sorted(found, key=lambda one: one.start)


def bytes_of(data: np.ndarray, cells: np.ndarray, slot: int, quote: int) -> list[bytes]:
    """Values of a slot."""
    content, offsets = kernel.gather(data, cells, slot, quote)
    return [content[a:b].tobytes() for a, b in zip(offsets[:-1], offsets[1:], strict=True)]


@given(CONTENTS, st.booleans(), st.integers(1, 3), st.lists(st.integers(0, 200), max_size=4))
@example(b'a,"b\n', True, 2, [])
@example(b'"a"\r', True, 1, [3, 4])
@example(b'"a\n' * 70 + b'b",c\n', True, 1, [])
@example(b"a\r\rb\r\n\r\n\r", True, 1, [1, 2, 3])
@example(b"a,", True, 2, [2])
def test_against_the_twin(content: bytes, quoted: bool, columns: int, cuts: list[int]) -> None:
    """Rows, values and faults are the twin's, however much of the content is seen at first."""
    quote = ord('"') if quoted else kernel.NO_QUOTE
    expected = read_rows(content, b",", b'"' if quoted else None, columns)
    assert scan_rows(content, quote, columns, 3, cuts) == expected
    assert scan_rows(content, quote, columns, 100) == expected


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=20)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_what_csv_writes(records: list[tuple[str, str, str]], end: str) -> None:
    """Rows that Python's ``csv`` writes are read as they were."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end).writerows(records)
    found = scan_rows(out.getvalue().encode(), ord('"'), 3, 5)
    assert [row.values for row in found if isinstance(row, Row)] == [[v.encode() for v in record] for record in records]
    assert len(found) == len(records)


def test_a_row_that_is_too_long() -> None:
    """Where no more may be read, a row in quotes is given up from its first line on, others are left to the caller."""
    room = kernel.make_room(4, 1)
    slots = np.zeros(1, np.int64)
    for content, expected in (
        (b'"a\nb,c\nd', [(0, 3, "unclosed_quote", 8)]),
        (b'"abcdef', []),
        (b"abcdef", []),
    ):
        data = np.frombuffer(content, np.uint8)
        rows = kernel.scan(data, 0, len(data), kernel.FULL, ord(","), ord('"'), slots, room)
        assert [(a, b, kernel.REASONS[c], v) for a, b, c, v in rows.bad.tolist()] == expected
        assert rows.next == (expected[0][1] if expected else 0)


@pytest.mark.compiled
@pytest.mark.parametrize("line", [b'",",w",,"\n', b'"\n', b'"""a\n', b'a"\n', b'"a""\n', b'"a\n,'])
def test_hostile_quotes_take_linear_time(line: bytes) -> None:
    """Lines after which everything seems to be in quotes: giving up more than a line each time would take hours."""
    room = kernel.make_room(1 << 17, 2)
    slots = np.arange(2)
    for size in (1000, 4_000_000):
        data = np.frombuffer(line * (size // len(line)), np.uint8)
        at = 0
        while at < len(data):
            at = kernel.scan(data, at, len(data), kernel.ENDS, ord(","), ord('"'), slots, room).next

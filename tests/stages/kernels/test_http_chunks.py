"""Chunked bodies against their twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.http_chunks import BROKEN, CUT, ENDED, NO_LAST, dechunk
from tests.reference.http_chunks import dechunk as reference
from tests.stages.hostile import long_bytes


def unpacked(data: bytes) -> tuple[bytes, int, int, int]:
    found = dechunk(np.frombuffer(data, np.uint8))
    return found.content.tobytes(), found.end, found.whole, found.place


def chunk(content: bytes, line: str = "{:x}\r\n", end: bytes = b"\r\n") -> bytes:
    return line.format(len(content)).encode() + content + end


CONTENT = st.binary(min_size=1, max_size=20)
LINE = st.sampled_from(["{:x}\r\n", "{:X}\n", "{:05x}\r\n", "{:x};name=value\r\n", "{:x}  \r\n", "{:x}", "{:x} z\r\n"])
LAST = st.sampled_from([b"", b"0\r\n\r\n", b"0;x\n", b"00"])
PIECE = st.builds(chunk, CONTENT, LINE, st.sampled_from([b"\r\n", b"\n", b""])) | st.binary(max_size=3)


@given(
    pieces=st.lists(PIECE, max_size=5),
    last=st.sampled_from([b"", b"0\r\n\r\n", b"0;x\n", b"00"]),
    cut=st.integers(0, 9),
)
def test_chunks_are_those_of_the_twin(pieces: list[bytes], last: bytes, cut: int) -> None:
    """Content, end, whole chunks and place agree for sound bodies, broken ones, and ones that are cut anywhere."""
    data = b"".join(pieces) + last
    data = data[: len(data) - cut]
    assert unpacked(data) == reference(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", (b"abcde", ENDED, 2, 15)),
        (b"3\r\nabc\r\n", (b"abc", NO_LAST, 1, 8)),
        (b"9\r\nabc", (b"abc", CUT, 0, 0)),
        (b"3\r\nabc\r\n<p>", (b"abc", BROKEN, 1, 8)),
        (b"<html>", (b"", BROKEN, 0, 0)),
        (b"fffffffffffff\r\nabc", (b"", BROKEN, 0, 0)),
        (b"", (b"", NO_LAST, 0, 0)),
    ],
)
def test_ends(data: bytes, expected: tuple[bytes, int, int, int]) -> None:
    """A body's end says whether it is whole, lacks its last chunk, is cut inside one, or is not chunked."""
    assert unpacked(data) == expected


def test_a_long_body_of_tiny_chunks() -> None:
    """Chunks of one byte are taken apart in linear time."""
    count = long_bytes() // 6
    assert unpacked(b"1\r\na\r\n" * count + b"0\r\n\r\n")[:3] == (b"a" * count, ENDED, count)

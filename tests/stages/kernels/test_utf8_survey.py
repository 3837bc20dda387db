"""UTF-8's well-formed and broken sequences against their twin."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.utf8_survey import survey
from tests.reference.utf8_survey import survey as reference
from tests.stages.hostile import long_bytes

PIECES = [
    b"a", b"plain ascii text", b"\x00", b"\x80", b"\xbf", b"\xc0", b"\xc1\xbf", b"\xc3\xa9", b"\xc3", b"\xe4\xb8\xad",
    b"\xe4\xb8", b"\xe0\x80", b"\xe0\xa0\x80", b"\xed\xa0\x80", b"\xed\x9f\xbf", b"\xf0\x9f\x99\x82", b"\xf0\x80",
    b"\xf0\x9f\x99",
    b"\xf4\x8f\xbf\xbf", b"\xf4\x90", b"\xf5", b"\xff",
]  # fmt: skip


@given(pieces=st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=30), skip=st.integers(0, 9))
def test_counts_are_those_of_the_twin(pieces: list[bytes], skip: int) -> None:
    """Sequences and broken pieces are counted as Python's decoder has them, from any place in an array."""
    data = b"".join(pieces)
    array = np.frombuffer(bytes(skip) + data, np.uint8)[skip:]
    assert survey(array) == reference(data)


def test_a_long_row() -> None:
    """A long row of ASCII with one broken byte at its end is told from a sound one."""
    data = b"a" * long_bytes()
    assert survey(np.frombuffer(data, np.uint8)) == (0, 0)
    assert survey(np.frombuffer(data + b"\xff", np.uint8)) == (0, 1)

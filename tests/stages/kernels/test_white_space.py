"""White space at the ends of UTF-8 text."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.white_space import after_spaces, before_spaces

MIXED = st.text("a \n\x1c\x1f\x85\u00a0\u1680\u2000\u200a\u200b\u2028\u2029\u202f\u205f\u3000é中\ufeff😀", max_size=9)


def stripped(text: str) -> str:
    data = np.frombuffer(text.encode(), np.uint8)
    start = after_spaces(data, 0, len(data))
    return data[start : before_spaces(data, start, len(data))].tobytes().decode()


def test_white_space_is_that_of_python() -> None:
    """Of all characters those that ``str.isspace`` names, and no others, are taken off; alone and around a letter."""
    spaces = [chr(code) for code in range(0x3100) if chr(code).isspace()]
    others = [chr(code) for code in (*range(0x3100), 0xFEFF, 0x1F600) if not chr(code).isspace()]
    assert [stripped(space) for space in spaces] == [""] * len(spaces)
    assert [stripped(f"{space}a{space}") for space in spaces] == ["a"] * len(spaces)
    assert [stripped(other) for other in others] == others


@given(text=MIXED)
def test_runs_of_white_space(text: str) -> None:
    """Runs at both ends go as ``str.strip`` does it, also where nothing else is."""
    assert stripped(text) == text.strip()

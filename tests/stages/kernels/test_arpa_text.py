"""Lines of ARPA files are read as Python reads them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arpa_text import read_lines

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r "), min_size=1, max_size=9)
NUMBERS = st.floats(-200, 0, allow_subnormal=False).flatmap(
    lambda value: st.sampled_from([f"{value:.6f}", f"{value:.3e}", f"{value:g}", f"{value:.0f}", f"{value:+.9f}"])
)


@given(
    rows=st.lists(st.tuples(NUMBERS, st.lists(WORDS, min_size=3, max_size=3), NUMBERS | st.none()), max_size=5),
    space=st.sampled_from(["\t", " "]),
    end=st.sampled_from(["\n", "\r\n", " \n"]),
)
def test_lines_are_read(rows: list[tuple[str, list[str], str | None]], space: str, end: str) -> None:
    """Numbers in every decimal form, words of all scripts, missing backoff weights, other spaces and line ends."""
    written = [space.join([p, " ".join(words), *([] if b is None else [b])]) for p, words, b in rows]
    data = np.frombuffer(("before\n" + "".join(line + end for line in written) + "after").encode(), np.uint8)
    lines, after, wrong = read_lines(data, 7, 3, len(rows))
    assert (data[after:].tobytes(), wrong) == (b"after", -1)
    found = [data[a:b].tobytes().decode() for a, b in zip(lines.starts, lines.ends, strict=True)]
    assert found == [word for _, words, _ in rows for word in words]
    assert lines.probabilities.tolist() == pytest.approx([float(p) for p, _, _ in rows], rel=1e-12, abs=1e-12)
    assert lines.backoffs.tolist() == pytest.approx([float(b or 0) for _, _, b in rows], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "line", ["", "-1", "-1\tone", "x\tone two", "-1 one two x", "-1 one two -1 x", "-1\t\tone two", "-"]
)
def test_unsound_lines_are_told(line: str) -> None:
    """A line without its numbers and two words is found by its place."""
    data = np.frombuffer(f"-1\tone two\t-1\n{line}\n".encode(), np.uint8)
    assert read_lines(data, 0, 2, 2)[2] == 14
    assert read_lines(data, 0, 2, 1)[2] == -1


def test_a_file_that_ends_early() -> None:
    """Behind the last byte there is no sound line."""
    data = np.frombuffer(b"-1\tone", np.uint8)
    assert read_lines(data, 0, 1, 1)[1:] == (7, -1)
    assert read_lines(data, 0, 1, 2)[2] == 7

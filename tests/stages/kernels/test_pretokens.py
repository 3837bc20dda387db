"""The pre-token scan against the published regular expression."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.pretokens import pretokens
from tests.reference.pretokens import pretokens as reference

HOSTILE = (
    "abcS sxX'’mMdDtTlLrReEvV019٣Ⅷ²中文한か \t\n\r\v\u3000\u00a0\u0085\u2028!?.-_<|>e\u0301ſİǅʰש\u064e\0😀\u200d\u0301"
)
TEXT = st.text(st.sampled_from(HOSTILE), max_size=40) | st.text(
    st.characters(exclude_categories=("Cs", "Cn")), max_size=20
)


def pieces(array: pa.Array, max_bytes: int = 256) -> list[list[bytes]]:
    view = text_view(array)
    ends, rows = pretokens(view, max_bytes)
    found: list[list[bytes]] = [[] for _ in range(len(array))]
    start = int(view.offsets[0])
    for end, row in zip(ends.tolist(), rows.tolist(), strict=True):
        found[row].append(view.data[start:end].tobytes())
        start = end
    return found


@settings(max_examples=400)
@given(
    texts=st.lists(TEXT, max_size=6),
    kind=st.sampled_from([pa.string(), pa.large_string()]),
    skip=st.integers(0, 3),
    max_bytes=st.sampled_from([4, 7, 256]),
)
@example(
    texts=["I'LL he'ſ don't' 's'", " \n \n  x", "  ", "1234", " ?!\r\n\r\n a"], kind=pa.string(), skip=0, max_bytes=256
)
def test_pieces_are_those_of_the_regex(texts: list[str], kind: pa.DataType, skip: int, max_bytes: int) -> None:
    """The scan cuts where Qwen2's expression does, on slices, empty rows, both string types and hostile text."""
    array = pa.array(texts, kind)[skip:]
    assert pieces(array, max_bytes) == [reference(text, max_bytes) for text in texts[skip:]]


@pytest.mark.compiled
def test_a_long_row() -> None:
    """A row of 50 MB without a space is cut into pieces of bounded size that join to the row."""
    row = "中文" * (50_000_000 // 6)
    view = text_view(pa.array([row], pa.large_string()))
    ends, _ = pretokens(view, 256)
    assert ends[-1] == len(view.data)
    assert ends[0] == 255 and int((ends[1:] - ends[:-1]).max()) == 255

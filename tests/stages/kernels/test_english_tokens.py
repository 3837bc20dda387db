"""English tokens by example and against a slow twin."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.english_tokens import english_tokens
from stages.kernels.word_spans import word_hash
from tests.reference import english_tokens as reference
from tests.stages.hostile import TEXT, arrays, long_bytes

SIGNS = st.text("aBnt's’dm.,-–:/()=_+%19 \n…”é中", max_size=40)
ENGLISH = st.lists(
    st.sampled_from(
        [
            "don't",
            "it's",
            "we’ve",
            "I'LL",
            "Mr.",
            "e.g.",
            "U.S.",
            "J.",
            "end.",
            "www.a.org/b",
            "http://x.y",
            "--",
            "...",
            "5%",
        ]
        + [
            "(a)",
            "and/or",
            "05/09/2018",
            "well-known",
            "time...they",
            "x.Y",
            "1-2",
            " ",
            " ",
            "\u3000",
            "'s",
            "n't",
            ".",
        ]
    ),
    max_size=12,
).map("".join)


def tokens(text: str) -> list[str]:
    view = text_view(pa.array([text], pa.large_string()))
    found, raw = english_tokens(*view), text.encode()
    return [raw[start:end].decode() for start, end in zip(found.starts, found.ends, strict=True)]


@given(array=arrays(TEXT | SIGNS | ENGLISH))
def test_tokens_are_those_of_the_twin(array: pa.Array) -> None:
    """Every row has the twin's tokens, with the hashes that words of these bytes have."""
    view = text_view(array)
    found, data = english_tokens(*view), view.data.tobytes()
    for row, text in enumerate(array.to_pylist()):
        numbers = range(found.rows[row], found.rows[row + 1])
        expected = reference.english_tokens(text)
        assert [data[found.starts[k] : found.ends[k]].decode() for k in numbers] == expected
        assert [int(found.hashes[k]) for k in numbers] == [word_hash(token) for token in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't go, it's late.", ["Do", "n't", "go", ",", "it", "'s", "late", "."]),
        (
            'He said: "Well-known (3.14%)..."',
            ["He", "said", ":", '"', "Well", "-", "known", "(", "3.14", "%", ")", "...", '"'],
        ),
        (
            "Mr. J. Smith of the U.S. wrote e.g. this",
            ["Mr.", "J.", "Smith", "of", "the", "U.S.", "wrote", "e.g.", "this"],
        ),
        ("see https://a.org/b-c, or a.org/b", ["see", "https://a.org/b-c", ",", "or", "a.org/b"]),
        ("05/09/2018 /etc/hosts and/or 1-2", ["05/09/2018", "/etc", "/", "hosts", "and", "/", "or", "1", "-", "2"]),
        ("wait...what end.Next $5 +5 +x", ["wait", "...", "what", "end", ".", "Next", "$", "5", "+5", "+", "x"]),
        ("“Quote” — dash…", ["“", "Quote", "”", "—", "dash", "…"]),
        ("", []),
        (" \n\u3000", []),
    ],
)
def test_what_a_token_is(text: str, expected: list[str]) -> None:
    """The rules by example."""
    assert tokens(text) == expected
    assert reference.english_tokens(text) == expected


def test_a_long_row() -> None:
    """A row of 50 MB, without a space or with many, is cut like a short one."""
    size = long_bytes() // 10
    found = english_tokens(*text_view(pa.array(["x" * size, "ab, " * size, "." * size], pa.large_string())))
    assert found.rows.tolist() == [0, 1, 1 + 2 * size, 2 + 2 * size]


def test_bytes_that_are_not_utf8() -> None:
    """Each broken byte is a mark, and nothing outside the row is read."""
    view = text_view(pa.array([b"a\xff\xfe b", b"ab\xe4\xb8", b"\xf4\xbf."], pa.large_binary()))
    assert english_tokens(*view).rows.tolist() == [0, 4, 7, 10]

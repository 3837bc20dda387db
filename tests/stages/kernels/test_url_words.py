"""Look-ups of hosts and words in URLs, compared with string methods."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.url_words import url_tables, url_words
from tests.reference import url_words as reference
from tests.stages import hostile

HOSTS = {"example.org": 1, "a.example.org": 2, "shop.de": 4, "web.archive.org": 8, "org": 16}
WORDS = {"forum": 1, "shop": 2, "news": 4, "a": 8}
STEMS = {"zeitung": 1, "xxx": 2, "é": 4}
TABLES = url_tables(HOSTS, WORDS, STEMS)

PIECES = st.sampled_from(
    ["https://", "http:/", "web.archive.org", "/web/2020/", "a.example.org", "example.org", "notexample.org", "shop.de",
     "www.", "user:pw@", ":8080", "/", "?u=", "#", "/Forum/", "SHOP", "news", "-", "_", ".", "meinezeitung", "xxx", "é",
     "中文", "%20", ""]
)  # fmt: skip
URLS = st.lists(PIECES, max_size=7).map("".join) | hostile.TEXT


def found(array: pa.Array) -> list[list[int]]:
    with np.errstate(over="ignore"):  # hashes wrap around, and say so where the JIT is off
        result: list[list[int]] = url_words(*text_view(array), TABLES).tolist()
    return result


@given(hostile.arrays(URLS))
def test_equals_the_twin(array: pa.Array) -> None:
    """Whatever the URLs are, as whole arrays and as slices."""
    assert found(array) == reference.url_words(array.to_pylist(), HOSTS, WORDS, STEMS)


@pytest.mark.parametrize(
    ("url", "bits"),
    [
        ("https://example.org/", [17, 0, 0]),
        ("https://b.a.example.org", [19, 8, 0]),
        ("https://notexample.org/", [16, 0, 0]),
        ("http://user@WWW.Shop.DE:80/FORUM?x=news", [4, 2, 5]),
        ("https://web.archive.org/web/2019/https://shop.de/forum", [4, 2, 1]),
        ("https://web.archive.org/web/2019/", [24, 0, 0]),
        ("https://forum.neuezeitung.de/", [0, 1, 0]),
        ("shop.de/a", [4, 2, 8]),
        ("https://x.de/?to=https://example.org/", [0, 0, 0]),
        ("", [0, 0, 0]),
    ],
)
def test_known_urls(url: str, bits: list[int]) -> None:
    """Hosts count with those below, not with longer names; an archived page counts as itself."""
    assert found(pa.array([url])) == [bits]


@pytest.mark.compiled
def test_a_very_long_url() -> None:
    """A megabyte of path, host or nothing but slashes comes to an end."""
    urls = ["https://example.org/" + "forum/" * 200_000, "a." * 1_000 + "shop.de", "/" * 1_000_000]
    assert found(pa.array(urls)) == reference.url_words(urls, HOSTS, WORDS, STEMS)

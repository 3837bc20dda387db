"""URLs that lead to the same page are equal, others are not."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.urls import normal_urls, unescaped
from tests.stages.hostile import TEXT

ESCAPES = st.text(st.sampled_from("%%%aAfF0279gG~-é/中"), max_size=24)
URLISH = st.text(st.sampled_from("htp:/w.abA?&=#%2e;@_ é"), max_size=40)


def unescaped_twin(text: str) -> str:
    made, at = "", 0
    while at < len(text):
        digits = text[at + 1 : at + 3]
        if text[at] == "%" and len(digits) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in digits):
            character = chr(int(digits, 16))
            is_plain = character.isascii() and (character.isalnum() or character in "-._~")
            made += character if is_plain else f"%{digits.upper()}"
            at += 3
        else:
            made += text[at]
            at += 1
    return made


@given(texts=st.lists(ESCAPES, max_size=5), skip=st.integers(0, 2))
def test_escapes_are_undone_as_by_the_twin(texts: list[str], skip: int) -> None:
    """Escapes of unreserved characters are undone once, the others are in capitals, on slices too."""
    array = pa.array(texts, pa.large_string())[skip:]
    assert unescaped(array).to_pylist() == [unescaped_twin(text) for text in array.to_pylist()]


@given(urls=st.lists(st.none() | URLISH | TEXT, max_size=8), skip=st.integers(0, 2))
def test_each_row_by_itself(urls: list[str | None], skip: int) -> None:
    """A row's form does not depend on the others, and hostile text has one unless it is blank."""
    array = pa.array(urls, pa.string())
    whole = normal_urls(array).to_pylist()
    assert normal_urls(array[skip:]).to_pylist() == whole[skip:]
    assert [normal_urls(pa.array([url], pa.string()))[0].as_py() for url in urls] == whole
    assert all(form is None or url is not None for url, form in zip(urls, whole, strict=True))


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("HTTP://WWW.Example.com:80/a%7eb//c/?utm_source=x&b=1&gclid=3#top", "example.com/a~b/c?b=1"),
        ("https://user:secret@example.org./x%2f%c3%a9", "example.org/x%2F%C3%A9"),
        ("//example.org", "example.org"),
        ("http://example.org:8080/", "example.org:8080"),
        ("http://example.org/?a=1&&utm_medium=b&c", "example.org?a=1&c"),
        ("http://example.org/x;jsessionid=0AF?id=2", "example.org/x?id=2"),
        ("http://example.org/#!/page", "example.org#!/page"),
        ("http://www.com/", "www.com"),
        ("http://[2001:DB8::1]/x", "[2001:db8::1]/x"),
        ("mailto:a@example.org", "mailto:a@example.org"),
        (" no url ", "no url"),
        ("  ", None),
        (None, None),
    ],
)
def test_the_form(url: str | None, form: str | None) -> None:
    """What is left out and what is kept, as the module says."""
    assert normal_urls(pa.array([url], pa.string())).to_pylist() == [form]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://example.org/a?x=1", "http://example.org/a?x=2"),
        ("http://example.org/A", "http://example.org/a"),
        ("http://example.org/a?id=1", "http://example.org/a"),
        ("http://m.example.org/", "http://example.org/"),
        ("http://example.org:81/", "http://example.org/"),
        ("http://example.org/a%2Fb", "http://example.org/a/b"),
        ("http://example.org/#!a", "http://example.org/#!b"),
    ],
)
def test_other_pages(one: str, other: str) -> None:
    """Case of the path, values of parameters, ports and hosts tell pages apart."""
    first, second = normal_urls(pa.array([one, other])).to_pylist()
    assert first != second

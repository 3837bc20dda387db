"""What pages say of themselves: the order of trust, and the spellings."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.html_metadata import (
    AUTHOR_FIELD,
    DATE_FIELD,
    FIELD_BYTES,
    FIELDS,
    LANGUAGE_FIELD,
    TITLE_FIELD,
    write_field,
)
from stages.kernels.html_tables import tables
from stages.kernels.html_tree import parse, tree_for


def fields(html: str) -> list[str]:
    """Title, language, date and author of a page."""
    data = np.frombuffer(html.encode(), np.uint8)
    tree = tree_for(len(data))
    parse(data, tree, tables())
    out = np.full(FIELD_BYTES, 65, np.uint8)
    return [out[: write_field(data, tree, field, tables(), out, 0)].tobytes().decode() for field in range(FIELDS)]


ESCAPED = r"""<script type="application/ld+json">{"author": "a\ud83dz \ud83d\ude00 \uZZ &eacute;"}</script>"""


def linked(data: object) -> str:
    return f'<script type="application/ld+json">{json.dumps(data)}</script>'


@pytest.mark.parametrize(
    ("html", "title"),
    [
        ("<title> A  &amp;\nB </title><title>C</title>", "A & B"),
        ("<title>A</title><meta property=og:title content='B &lt; C'>", "B < C"),
        ("<meta property=OG:Title content=''><title>A</title>", "A"),
        ("<meta name=twitter:title content=B><meta property=og:title content=C><title>A</title>", "B"),
        ("<svg><title>Icon</title></svg><title>A<b></title>", "A<b>"),
        ("<title>never closed", ""),
        ("<p>no title</p>", ""),
    ],
)
def test_titles(html: str, title: str) -> None:
    """A title made for sharing comes before ``<title>``, the first of each kind counts, and icons have none."""
    assert fields(html)[TITLE_FIELD] == title


@pytest.mark.parametrize(
    ("html", "language"),
    [
        ("<html lang=de-AT><meta property=og:locale content=en_US>", "de-AT"),
        ("<html xml:lang='fr'>", "fr"),
        ("<meta http-equiv=Content-Language content=pt-br>", "pt-br"),
        ("<meta property=og:locale content=ja_JP>", "ja_JP"),
        ("<p lang=it>", ""),
    ],
)
def test_languages(html: str, language: str) -> None:
    """The language is that of the page as a whole, as it is written."""
    assert fields(html)[LANGUAGE_FIELD] == language


PUBLISHED = "<meta property=article:published_time content=2021-01-01>"
MARKED = "<time itemprop=datePublished datetime=2022-02-02>"
DATED = "<meta name=date content=2023-03-03>"
TIMED = "<time datetime=2024-04-04>"


@pytest.mark.parametrize(
    ("html", "date"),
    [
        (TIMED + DATED + MARKED + linked({"datePublished": "2020-05-05"}) + PUBLISHED, "2021-01-01"),
        (TIMED + DATED + MARKED + linked({"datePublished": "2020-05-05"}), "2020-05-05"),
        (TIMED + DATED + MARKED, "2022-02-02"),
        (TIMED + DATED, "2023-03-03"),
        (TIMED, "2024-04-04"),
        (linked({"dateModified": "2020"}) + linked([{"a": {"datePublished": "2019"}}]), "2019"),
        ("<time>yesterday</time>", ""),
    ],
)
def test_dates(html: str, date: str) -> None:
    """The date of publication is taken from what is meant for machines, the most explicit first."""
    assert fields(html)[DATE_FIELD] == date


@pytest.mark.parametrize(
    ("html", "author"),
    [
        ("<meta name=author content='A. Name'>" + linked({"author": "B"}), "A. Name"),
        (linked({"author": "B"}), "B"),
        (linked({"author": {"@type": "Person", "name": 'José "Q" & Ñ 😀\n'}}), 'José "Q" & Ñ 😀'),
        (linked({"author": [{"url": "x", "name": "First"}, {"name": "Second"}]}), "First"),
        (linked({"author": {"url": "x"}}), ""),
        (
            '<script type="application/ld+json">{"author": "a\\ud83dz \\ud83d\\ude00 \\uZZ &eacute;"}</script>',
            "a\ufffdz 😀 ZZ é",
        ),
        ('<script type="application/ld+json">{"author": "unclosed</script>', "unclosed"),
    ],
)
def test_authors(html: str, author: str) -> None:
    """The author's name is that of ``<meta>`` or of JSON-LD, escapes resolved."""
    assert fields(html)[AUTHOR_FIELD] == author


@given(
    name=st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"], exclude_characters="&<\u00ad\ufeff"), max_size=20)
)
def test_json_strings_are_those_of_the_standard_library(name: str) -> None:
    """What ``json.dumps`` escapes comes back, with and without ASCII only."""
    for ascii_only in (True, False):
        written = json.dumps({"author": name}, ensure_ascii=ascii_only)
        assert fields(f'<script type="application/ld+json">{written}</script>')[AUTHOR_FIELD] == name


@given(content=st.text(st.sampled_from("é中😀a&;t "), min_size=300, max_size=600))
def test_long_values_are_cut_between_characters(content: str) -> None:
    """A value is cut behind half of its room, never inside of a character."""
    title = fields(f"<title>{content}</title>")[TITLE_FIELD]
    assert len(title.encode()) <= FIELD_BYTES
    assert "\ufffd" not in title

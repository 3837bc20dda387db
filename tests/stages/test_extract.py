"""The extract stage: what stays of a page, what the books say, what libraries may do, what hostile pages may not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.blocks.rules import first_broken, stored_signal
from stages import html_libraries
from stages.contract import Applied
from stages.extract import STAGE, ExtractConfig, ExtractModel, read_model
from tests.stages.hostile import ROWS, TEXT, chunked, values

EXTRACTORS = ("gristmill", "resiliparse", "trafilatura")
PROSE = (
    "The ferry left at noon, and nobody on the pier could say when it would come back, because the wind had turned. ",
    "Those who had waited since morning went home, and the baker, who had closed his shop, opened it again for them. ",
    "In the evening the harbour master wrote in his book that the sea was calm, which was true for the inner harbour. ",
)
ARTICLE = f"""<!DOCTYPE html><html lang="en-GB"><head><title>The ferry &amp; the pier</title>
<meta name="author" content="Ada Lovelace"><meta property="article:published_time" content="2021-03-04T05:06:07Z">
<script>var x = "<p>not text</p>";</script><style>p {{ color: red }}</style></head><body>
<nav class="main-nav"><ul><li><a href="/">Home</a></li><li><a href="/news">All news</a></li></ul></nav>
<main><article><h1>The ferry</h1><div class="article-body"><p>{PROSE[0]}</p>
<ul><li>one <b>ticket</b></li><li>two tickets<ol start="3"><li>with luggage, which has to be carried</li></ol></li></ul>
<p>{PROSE[1]}<span style="display: none">secret words</span></p>
<pre><code>def leave(ferry):
    return ferry - 1
</code></pre>
<table><tr><th>Day</th><th>Ferries</th></tr><tr><td>Monday</td><td>12</td></tr></table>
<p>{PROSE[2]}The speed is <math><mfrac><mi>s</mi><mi>t</mi></mfrac></math>.</p></div></article></main>
<div hidden>{PROSE[0].upper()}</div>
<footer class="site-footer"><p>Copyright 2021 <a href="/imprint">Imprint</a></p></footer></body></html>"""

TAGS = """
<p> </p> <div> </div> <div/hidden> <ul> <li> </ul> <table> <tr> <td> </table> <pre> </pre> <a/href=x> </a> <br> <script>
</script> <!-- --> <math> <mi> </math> <h1> </h1> <b <p/ </ < > & &amp; &#x41; &#0; <title> <textarea> <svg> </svg>
"""
PAGES = st.lists(st.sampled_from(TAGS.split()) | TEXT, max_size=12).map("".join)
LIBRARIES = pytest.mark.parametrize("extractor", EXTRACTORS)


@cache
def model() -> ExtractModel:
    config = ExtractConfig()
    found: ExtractModel = STAGE.load(config, {name: str(path) for name, path in STAGE.resources(config).items()})
    return found


def batch(pages: Sequence[str], **columns: list[str | None]) -> pa.RecordBatch:
    more = {"date": [None] * len(pages), **columns}
    arrays = {name: pa.array(items, pa.string()) for name, items in more.items()}
    return pa.record_batch({"text": pa.array(pages, pa.large_string()), **arrays})


def done(rows: pa.RecordBatch, **asked: Any) -> Applied:
    config = ExtractConfig(**asked)
    return STAGE.apply(rows, config, model() if STAGE.resources(config) else None)


def text_of(page: str, **asked: Any) -> str:
    found: str = done(batch([page]), **asked).columns["text"][0].as_py()
    return found


def reasons(rows: pa.RecordBatch, **asked: Any) -> list[str | None]:
    """The rule that each row breaks, as the engine finds it."""
    config, outcome = ExtractConfig(**asked), done(rows, **asked)
    kinds = STAGE.signals(config)
    signals = {name: stored_signal(array, kinds[name], name) for name, array in outcome.signals.items()}
    found = first_broken(STAGE.rules(config), signals, {}, rows.num_rows)
    return [STAGE.rules(config)[place].name if place >= 0 else None for place in found.tolist()]


def test_an_article_as_a_reader_sees_it() -> None:
    """Main content has paragraphs, marked lists, code with its lines, tables and LaTeX, and nothing of the frame."""
    assert text_of(ARTICLE) == "\n\n".join(
        [
            "The ferry",
            PROSE[0].strip(),
            "- one ticket\n- two tickets\n  3. with luggage, which has to be carried",
            PROSE[1].strip(),
            "def leave(ferry):\n    return ferry - 1",
            "Day | Ferries\nMonday | 12",
            f"{PROSE[2]}The speed is $\\frac{{s}}{{t}}$.",
        ]
    )


def test_all_content_leaves_out_what_is_not_seen() -> None:
    """``content: all`` keeps navigation and footer, and neither scripts nor hidden elements."""
    text = text_of(ARTICLE, content="all")
    assert text.startswith("- Home\n- All news\n\nThe ferry\n\n")
    assert text.endswith("Copyright 2021 Imprint")
    assert "not text" not in text and "secret" not in text and PROSE[0].upper().strip() not in text


def test_switches() -> None:
    """Without lists items have no marks; without tables and code these are gone, and nothing else is."""
    whole = text_of(ARTICLE)
    assert text_of(ARTICLE, lists=False) == whole.replace("- one", "one").replace("- two", "two").replace("  3. ", "")
    assert text_of(ARTICLE, tables=False) == whole.replace("Day | Ferries\nMonday | 12\n\n", "")
    assert text_of(ARTICLE, code=False) == whole.replace("def leave(ferry):\n    return ferry - 1\n\n", "")


def test_precision_keeps_no_more_than_recall() -> None:
    """The settings of ``favor`` differ in nothing but the bound: what precision keeps, recall keeps, too."""
    bounds = model().bounds
    assert bounds["precision"] > bounds["balanced"] > bounds["recall"]
    kept = [
        values(done(batch([ARTICLE]), favor=favor))["signal kept"][0] for favor in ("precision", "balanced", "recall")
    ]
    assert kept == sorted(kept)


@LIBRARIES
def test_what_the_page_says_of_itself(extractor: str) -> None:
    """Title, author, date and language are columns, whoever extracts; what the source has said stays."""
    columns = done(batch([ARTICLE, "<p>text", "plain"]), extractor=extractor).columns
    assert columns["title"].to_pylist() == ["The ferry & the pier", None, None]
    assert columns["author"].to_pylist() == ["Ada Lovelace", None, None]
    assert columns["published"].to_pylist() == ["2021-03-04T05:06:07Z", None, None]
    assert columns["html_language"].to_pylist() == ["en-GB", None, None]
    assert columns["date"].to_pylist() == ["2021-03-04", None, None]
    rows = batch([ARTICLE, ARTICLE], date=["1999-01-01", None], title=["Ours", None])
    columns = done(rows, extractor=extractor).columns
    assert columns["date"].to_pylist() == ["1999-01-01", "2021-03-04"]
    assert columns["title"].to_pylist() == ["Ours", "The ferry & the pier"]


@pytest.mark.parametrize("written", ["4 March 2021", "2021-13-04", "2021", "03/04/2021"])
def test_only_days_fill_the_date(written: str) -> None:
    """A date that is not written year, month, day stays in ``published`` alone."""
    page = f'<meta name="date" content="{written}"><p>text</p>'
    columns = done(batch([page])).columns
    assert columns["published"].to_pylist() == [written]
    assert columns["date"].to_pylist() == [None]


@LIBRARIES
def test_plain_text_passes_unharmed(extractor: str) -> None:
    """Text without a complete tag is no HTML and keeps every byte, whoever extracts."""
    texts = ["a\n\n  b\0c &amp; d", "if a < b and b > c", "x<y", "<3 & </", "1 <b 2", *ROWS]
    outcome = done(batch(texts), extractor=extractor)
    assert outcome.columns["text"].to_pylist() == texts
    assert not any(cut.any() for cut in outcome.cut.values())
    assert values(outcome)["signal failure"] == [None] * len(texts)


@given(pages=st.lists(PAGES, max_size=6), asked=st.sampled_from([{}, {"content": "all"}, {"extractor": "resiliparse"}]))
def test_books_balance(pages: list[str], asked: dict[str, Any]) -> None:
    """Bytes of text are those of HTML less the cut ones plus what was added, never less; text is valid."""
    outcome = done(batch(pages), **asked)
    after = [len(text.encode()) for text in outcome.columns["text"].to_pylist()]
    outcome.columns["text"].validate(full=True)
    cut = np.sum([*outcome.cut.values()], axis=0)
    for page, size, taken in zip(pages, after, cut.tolist(), strict=True):
        assert size >= len(page.encode()) - taken
    assert all((counts >= 0).all() for counts in outcome.cut.values())


def test_cut_by_reason() -> None:
    """What is left out is cut as boilerplate, what cannot be seen as hidden, the rest as markup."""
    page = "<nav>Navigation here</nav><p>Text</p><p hidden>Not seen</p>"
    outcome = done(batch([page]), content="all")
    cut = {reason: int(counts[0]) for reason, counts in outcome.cut.items()}
    text = outcome.columns["text"][0].as_py()
    assert cut == {"boilerplate": 0, "hidden": len("Not seen"), "markup": len(page) - len("Not seen") - len(text)}
    boilerplate = int(done(batch([ARTICLE])).cut["boilerplate"][0])
    assert boilerplate == len("HomeAll newsCopyright 2021 Imprint")


@given(pages=st.lists(PAGES, min_size=1, max_size=7), sizes=st.lists(st.integers(1, 4), min_size=1))
@settings(deadline=None)
def test_batches_do_not_matter(pages: list[str], sizes: list[int]) -> None:
    """The same rows in other batches, and at other places of a buffer, give the same columns, signals and cuts."""
    rows = batch([*pages, ARTICLE, *ROWS])
    assert values(chunked(rows, sizes, done)) == values(done(rows))


@LIBRARIES
def test_rules(extractor: str) -> None:
    """A page without text is ``empty``; the threshold is inclusive, and null switches it off."""
    rows = batch(["<p></p>", "", "<title>T</title><div></div>", "abc", "äöü"])
    assert reasons(rows, extractor=extractor) == ["empty", "empty", "empty", None, None]
    assert reasons(rows, extractor=extractor, min_characters=3)[3:] == [None, None]
    assert reasons(rows, extractor=extractor, min_characters=4)[3:] == ["empty", "empty"]
    assert reasons(rows, extractor=extractor, min_characters=None) == [None] * 5


@pytest.mark.parametrize("extractor", ["resiliparse", "trafilatura"])
def test_too_large_for_a_library(extractor: str) -> None:
    """A page above the limit, counted in bytes, is ``failed`` and its signal says why; one at the limit is not."""
    rows = batch(["<p>äää</p>", "<p>äääa</p>"])
    outcome = done(rows, extractor=extractor, max_html_bytes=13)
    assert values(outcome)["signal failure"] == [None, "too_large"]
    assert reasons(rows, extractor=extractor, max_html_bytes=13, min_characters=None) == [None, "failed"]


@pytest.mark.parametrize("extractor", ["resiliparse", "trafilatura"])
def test_too_deep_for_a_library(extractor: str) -> None:
    """A page that is nested deeper than browsers nest is ``failed``; one level less is not."""
    pages = ["<div>" * 512 + PROSE[0], "<div>" * 513 + PROSE[0], "<p>" + "<b>" * 5_000, "x" * 600]
    outcome = done(batch(pages), extractor=extractor)
    assert values(outcome)["signal failure"] == [None, "too_deep", "too_deep", None]
    assert reasons(batch(pages), extractor=extractor)[1:] == ["failed", "failed", None]


def test_what_a_library_raises_is_a_reason() -> None:
    """An exception drops its page by name and leaves the others alone; lone surrogates never reach Arrow."""

    def extract(html: str) -> str | None:
        if "bad" in html:
            raise RecursionError("too deep")
        return None if "nothing" in html else html + "\ud800"

    pages = pa.array(["<p>bad", "<p>nothing", "<p>good", "plain bad"], pa.large_string())
    plain = np.array([False, False, False, True])
    texts, failures = html_libraries.texts_of(pages, plain, np.zeros(4, np.int64), extract, 100)
    assert texts.to_pylist() == ["", "", "<p>good?", "plain bad"]
    assert failures.to_pylist() == ["RecursionError", None, None, None]


def test_a_missing_library_is_said_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of a recipe names the extra to install; nothing is needed for our own extractor."""
    monkeypatch.setattr(html_libraries, "find_spec", lambda name: None)
    (finding,) = STAGE.check(ExtractConfig(extractor="resiliparse"), None)
    assert "gristmill[html]" in finding
    assert not STAGE.check(ExtractConfig(), None)
    assert STAGE.chosen_libraries(ExtractConfig()) == ()
    assert STAGE.chosen_libraries(ExtractConfig(extractor="trafilatura")) == ("trafilatura",)


@pytest.mark.parametrize(
    "asked",
    [
        {"extractor": "trafilatura", "content": "all"},
        {"extractor": "resiliparse", "favor": "recall"},
        {"extractor": "resiliparse", "code": False},
        {"extractor": "trafilatura", "lists": False},
        {"extractor": "resiliparse", "model": "forest.json"},
    ],
)
def test_what_an_extractor_cannot_do_is_refused(asked: dict[str, Any]) -> None:
    """A setting that the chosen extractor would pass over is an error that names those that know it."""
    with pytest.raises(ValidationError, match="take extractor: gristmill"):
        ExtractConfig(**asked)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"nodes": [1], "roots": [], "bounds": {}}', b"[1]", b'{"features": 3}']
)
def test_a_damaged_model_is_refused(content: bytes) -> None:
    """What is not a forest is an error that says so."""
    with pytest.raises(ValueError, match="not a forest"):
        read_model(content)


HOSTILE = {
    "emoji": "<p>👩🏽‍🚀 e\u0301 \u0301 שלום \u202eabc 中文</p>",
    "NULs": "<p>a\0b</p>\0<\0p>",
    "unclosed": "<div><p><b><table><tr><td><ul><li><a href='x><p>text" * 50,
    "stray ends": "</p></div></table></li></a></b>text" * 50,
    "attributes": "<p " + "a=b " * 5_000 + ">text</p>",
    "comment": "<p>before</p><!-- <p>never closed",
    "references": "<p>" + "&amp;&#x1F600;&nosuch;&#xD800;&#99999999;" * 500,
    "tables": "<table><tr><td>" * 300 + "deep",
    "lists": "<ul><li>" * 300 + "deep",
    "math": "<math>" + "<msqrt><mroot>" * 300 + "<mi>x</mi>",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("content", ["main", "all"])
def test_hostile_pages(name: str, content: str) -> None:
    """Broken and hostile markup gives valid text, the same every time, and leaves the neighbours alone."""
    rows = batch([ARTICLE, HOSTILE[name], ARTICLE])
    outcome = done(rows, content=content)
    outcome.columns["text"].validate(full=True)
    text = outcome.columns["text"].to_pylist()
    assert text[0] == text[2] == text_of(ARTICLE, content=content)
    assert values(done(rows, content=content)) == values(outcome)


LONG = {
    "one line": ("<p>", "word ", 10_000_000, ""),
    "articles": ("", ARTICLE, 25_000, ""),
    "blocks": ("", "<div>", 1_000_000, "deep"),
    "inline elements": ("", "<b>", 1_000_000, "deep"),
    "links": ("", "<a href=x>", 1_000_000, "deep"),
    "tables": ("", "<table><tr><td>", 400_000, "deep"),
    "lists": ("", "<ul><li>", 500_000, "deep"),
    "signs": ("", "<", 20_000_000, "p>deep"),
    "comments": ("", "<!--", 5_000_000, "-->deep"),
    "scripts": ("", "<script>", 2_000_000, "</script>deep"),
    "a reference": ("<p>deep &", "a", 20_000_000, "deep"),
    "a class": ("<p class='", "nav ", 5_000_000, "'>deep"),
    "roots": ("<math>", "<mroot>", 500_000, "<mi>x</mi></math>deep"),
    "stray ends": ("", "</p>", 3_000_000, "deep"),
}


@pytest.mark.compiled
@pytest.mark.parametrize("name", LONG)
def test_long_pages(name: str) -> None:
    """Pages of tens of megabytes and a million open elements are read to their end, in time that is linear."""
    before, piece, times, behind = LONG[name]
    page = before + piece * times + behind
    ending = {"one line": "word word", "articles": "Imprint"}.get(name, "deep")
    assert text_of(page, content="all").endswith(ending)
    assert len(text_of(page)) <= len(page)


@pytest.mark.compiled
@pytest.mark.parametrize("text", ["plain text, one line " * 2_500_000, "中文 " * 7_000_000], ids=["latin", "chinese"])
def test_a_long_line_of_plain_text(text: str) -> None:
    """50 MB of text without markup pass unharmed."""
    assert text_of(text) == text

"""``report.html`` opens offline, shows the report's numbers, and is safe whatever documents say."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.blocks.samples import SCHEMA
from pipeline.reports import figures
from pipeline.reports.line_chart import MAX_POINTS, line_chart, thinned, ticks
from pipeline.reports.markup import VOID, Markup, element
from pipeline.reports.model import Identity, PhaseTimes, Report, StageTimes, Timings
from pipeline.reports.page import report_page
from pipeline.reports.report import read_report
from tests.pipeline.reports.finished_runs import small_run
from tests.pipeline.reports.report_fakes import dropped, full_report, report, stage

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\x1b]0;owned\x07\u202egnp.exe\u202c\"' &amp; \x00"
NO_SAMPLES = pa.RecordBatch.from_pylist([], schema=SCHEMA)


class Page(HTMLParser):
    """Collects tags, attributes and text, and refuses what is not nested well."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)


def samples(text: str, rule: str = "word_count[zh]:too_short", name: str = "a#1") -> pa.RecordBatch:
    row = {"rule": rule, "_address": 1, "id": name, "source": "web", "language": "en", "bytes": len(text.encode()),
           "content_hash": bytes(16), "text": text}  # fmt: skip
    return pa.RecordBatch.from_pylist([row], schema=SCHEMA)


def page_of(found: Report, batch: pa.RecordBatch = NO_SAMPLES, log: list[dict[str, Any]] | None = None) -> str:
    seconds = {"normalize": StageTimes(seconds=1.5, bytes=10**7, mb_per_s=6.7)}
    phase = PhaseTimes(kind="rows", name="normalize", units=3, computed=1, seconds=2.5, stages=seconds)
    timings = Timings(started=0, seconds=3.0, executor="local", workers=1, phases=[phase])
    return report_page(found, timings, batch, log or [], "name: fake\n")


def test_it_needs_nothing_from_anywhere() -> None:
    """One file: no script, nothing loaded, and a policy that forbids it."""
    page = page_of(full_report(), samples("a text"))
    parsed = Page(page)
    assert not parsed.tags & {"script", "link", "iframe", "img", "object", "embed", "form", "base"}
    assert not [name for _, name, _ in parsed.attributes if name in ("src", "action") or name.startswith("on")]
    assert {value for _, name, value in parsed.attributes if name == "href"} <= {
        f"#{value}" for _, name, value in parsed.attributes if name == "id"
    }
    assert "url(" not in page
    assert "@import" not in page
    policy = [value for tag, name, value in parsed.attributes if tag == "meta" and name == "content"][0]
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_hostile_documents_are_inert() -> None:
    """Whatever a document, an id, a file or a reason holds, it is text."""
    found = report(
        run=Identity(name="x<script>", status="finished", recipe="<b>", seed=0, recipe_hash="0" * 64),
        stages=[stage("read", 9, form="read"), stage("s", 9, dropped("<i>r</i>", 3))],
    )
    page = page_of(found, samples(HOSTILE, "s:<i>r</i>", 'a"><script>alert(3)</script>'))
    parsed = Page(page)
    assert "script" not in parsed.tags
    assert "img" not in parsed.tags
    assert "i" not in parsed.tags
    shown = "".join(parsed.text)
    assert "</pre><script>alert(1)</script>" in shown
    assert "␛]0;owned␇<U+202E>gnp.exe<U+202C>" in shown
    assert not set(page) & set("\x1b\x07\x00\u202e\u202c")


def test_numbers_are_those_of_the_report(tmp_path: Path) -> None:
    """Every stage and reason of a run's ``report.json`` stands in its page with the same figures."""
    found = small_run(tmp_path)
    page = (Path(found.folder) / "report.html").read_text("utf-8")
    written = read_report(found.folder)
    assert written.stages
    for totals in written.stages:
        row = _row(page, totals.address)
        assert figures.count(totals.flow["in"].documents) in row
        assert figures.size(totals.flow["in"].bytes) in row
        for reason in totals.reasons:
            if reason.total.documents:
                assert f"−{figures.count(reason.total.documents)}" in page
    assert figures.count(written.kept.total.documents) in _row(page, "kept")
    Page(page)


def _row(page: str, label: str) -> str:
    [row] = re.findall(rf'<tr[^>]*><th scope="row">{re.escape(label)}</th>.*?</tr>', page)[:1]
    return str(row)


def test_every_part_is_there_when_there_is_something_to_say() -> None:
    """Sections for what the run did, none for what it did not."""
    log = [{"step": step, "loss": 9.0 - step, "learning_rate": 0.1} for step in range(5)]
    full = page_of(full_report(), samples("a text"), log)
    names = [
        "reduction",
        "sources",
        "languages",
        "samples",
        "dedup",
        "tokens",
        "training",
        "quarantine",
        "time",
        "recipe",
    ]
    assert [name for name in names if f'id="{name}"' in full] == names
    assert "<polyline" in full
    bare = page_of(report())
    assert not [name for name in ("dedup", "tokens", "training", "quarantine") if f'id="{name}"' in bare]


def test_rules_say_when_they_drop() -> None:
    """A rule's threshold stands beside its name."""
    assert "words &lt; 50" in page_of(report())


def test_samples_of_kept_documents_come_last() -> None:
    """Dropped ones in the order of the table, then kept ones."""
    batch = pa.concat_batches([samples("kept text", "kept"), samples("dropped text")])
    page = page_of(report(), batch)
    assert page.index("dropped text") < page.index("kept text")


def test_a_large_report_stays_small() -> None:
    """A sample of 1,000 characters for each of 8 rows of 200 rules is a page under 6 MB."""
    rules = [dropped(f"r{index}", 1) for index in range(200)]
    rows = pa.concat_batches([samples("x" * 1000, f"s:r{index}") for index in range(200) for _ in range(8)])
    assert len(page_of(report(stages=[stage("read", 999, form="read"), stage("s", 999, *rules)]), rows)) < 6_000_000


def test_elements_escape_their_children_and_attributes() -> None:
    """Text is escaped once, markup not again, None and False are left out."""
    assert element("a", "<b>", href='"x"', hidden=True, title=None) == '<a href="&quot;x&quot;" hidden>&lt;b&gt;</a>'
    assert element("p", [element("b", "&"), " & "]) == "<p><b>&amp;</b> &amp; </p>"
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert element("p", class_="x", aria_label="y") == '<p class="x" aria-label="y"></p>'
    assert isinstance(element("p"), Markup)


def test_curves_are_drawn_to_scale_and_thinned() -> None:
    """Few enough points, the ends among them; ticks are round numbers inside the range; one point is no line."""
    points = [(float(x), 2.0 * x) for x in range(10_000)]
    assert len(thinned(points)) == MAX_POINTS
    assert (thinned(points)[0], thinned(points)[-1]) == (points[0], points[-1])
    assert ticks(0.0, 9.5) == [0, 2, 4, 6, 8]
    assert line_chart("t", "x", {"loss": [(0.0, 1.0)]}) is None
    assert line_chart("t", "x", {"loss": [(0.0, float("nan")), (1.0, 2.0)]}) is None
    chart = line_chart("t", "x", {"a": [(0, 1), (1, 1)], "b": [(0, 2), (1, 0)]})
    assert chart is not None
    assert chart.count("<polyline") == 2


@pytest.mark.parametrize("value", [0.0, 1e-9, 1e9])
def test_a_flat_curve_is_a_line(value: float) -> None:
    """Equal values are no division by zero."""
    assert line_chart("t", "x", {"loss": [(0, value), (1, value)]}) is not None

"""Dumps, books and PDFs through a run: the stages that their sources bring, ingest, and the books."""

from __future__ import annotations

import bz2

import pytest

import gristmill
from pipeline.books import READ
from pipeline.reports.opened import OpenedRun
from tests.pipeline.sources import test_epub as epubs
from tests.pipeline.sources import test_stackexchange as posts
from tests.pipeline.sources import test_wikipedia as wikis
from tests.pipeline.sources.pdf_files import pdf

pytest.importorskip("pypdfium2")

RECIPE = """
name: dumps
store: {root}/store
sources:
  wiki: {{kind: wikipedia, path: {root}/wiki, split_bytes: 4000, ingest_above_bytes: 100}}
  cut: {{kind: wikipedia, path: {root}/cut, ingest_above_bytes: 100, wikitext: {{name: wikitext_cut, min_bytes: 5}}}}
  answers: {{kind: stackexchange, path: {root}/answers, ingest_above_bytes: 100}}
  books: {{kind: epub, path: {root}/books, extract: {{name: extract_books, content: all}}}}
  papers: {{kind: pdf, path: {root}/papers}}
stages:
  - normalize
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> OpenedRun:
    """A finished run over a little of everything."""
    root = tmp_path_factory.mktemp("dumps")
    redirect = wikis.page(500, "#REDIRECT [[x]]", more='    <redirect title="x" />\n')
    files = {
        "wiki/a.xml": wikis.DUMP,
        "wiki/b.xml.bz2": wikis.multistream([*wikis.PAGES[:30], redirect]),
        "cut/c.xml.bz2": bz2.compress(
            (wikis.HEAD + wikis.page(1, "{{stub}}") + wikis.page(2, "'''Long''' enough") + "  <page>").encode()
        ),
        "answers/Posts.xml": posts.dump(posts.QUESTION, *posts.ANSWERS, posts.row(8, 5, "wiki")) + b"rubbish\n",
        "books/a.epub": epubs.book(),
        "books/b.epub": b"no book",
        "papers/a.pdf": pdf([["An exam-", "ple."]]),
        "papers/b.pdf": pdf([[]]),
        "papers/c.pdf": b"no pdf",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(content)
    (root / "recipe.yaml").write_text(RECIPE.format(root=root))
    return gristmill.run(root / "recipe.yaml", executor="local")


def texts(run: OpenedRun, source: str) -> list[str]:
    """Texts of the source's documents, by id."""
    rows = [row for row in run.documents().table().to_pylist() if row["source"] == source]
    return [row["text"] for row in sorted(rows, key=lambda row: row["id"])]


def test_texts(run: OpenedRun) -> None:
    """Wikitext and HTML have become text: each source by the stage that it brings."""
    assert texts(run, "cut") == ["Long enough"]
    assert len([text for text in texts(run, "wiki") if text]) == len(wikis.PAGES) - 17 + 30 - 4
    assert texts(run, "wiki")[0].startswith("Text 1")
    (thread,) = texts(run, "answers")
    assert " ".join(thread.split()) == 'Why <b>? Why "x" & y? Answer: five Answer: three Answer: six Answer: four'
    assert texts(run, "books") == ["One é中\n\nTwo\n\nThree"]
    assert texts(run, "papers") == ["An example."]


def test_books(run: OpenedRun) -> None:
    """Every record is booked once: what is no document by ``read:`` reasons, what is damaged as quarantined."""
    assert run.books.unbalanced() == []
    dropped = {(e.source, e.reason): e.documents for e in run.books if (e.stage, e.kind) == (READ, "dropped")}
    assert dropped == {("wiki", "redirect"): 1, ("answers", "other_post_type"): 1, ("papers", "no_text_layer"): 1}
    reasons = sorted((row["source"], row["reason"]) for row in run.quarantine().to_pylist())
    assert reasons == [
        ("answers", "malformed_row"),
        ("books", "malformed_archive"),
        ("cut", "torn_page"),
        ("papers", "malformed_pdf"),
    ]


def test_titles_and_licences_arrive(run: OpenedRun) -> None:
    """Columns of the sources stand beside the text; the extractor leaves the source's title alone."""
    rows = {row["source"]: row for row in run.documents().table().to_pylist()}
    assert rows["answers"]["title"] == "Why <b>?"
    assert rows["books"]["title"] == "A Book"
    assert rows["books"]["author"] == "Ann; Bob"
    assert rows["wiki"]["license"] == "CC-BY-SA-4.0"

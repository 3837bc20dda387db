"""The source ``pdf``: files written here, sound, scanned, locked, damaged, or deadly to what opens them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.sources import documents, pdf_guard
from pipeline.sources.pdf import SOURCE, PdfConfig
from pipeline.sources.pdf_child import text_of
from pipeline.sources.pdf_guard import Guard
from pipeline.sources.pdf_text import iso_date, joined
from tests.pipeline.sources.pdf_files import CRASH, GARBAGE, HANG, pdf
from tests.pipeline.sources.reading import Everything, read_all

pytest.importorskip("pypdfium2")

PLAIN = pdf([["A first line of text,", "and a second one."], ["The other page."]])


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def read(folder: Path, **settings: Any) -> Everything:
    return read_all(SOURCE, PdfConfig(path=str(folder), **settings))


def skipped(folder: Path) -> dict[str, tuple[int, int]]:
    config = PdfConfig(path=str(folder))
    batches = [batch for partition in SOURCE.split("s", config) for batch in SOURCE.read(partition, config)]
    return {reason: found for batch in batches for reason, found in batch.skipped.items()}


def test_a_file_is_a_document(tmp_path: Path) -> None:
    """Pages are parted by an empty line; title, author and date come from the metadata."""
    info = {"Title": "A title", "Author": "Zoë", "CreationDate": "D:20200102030405+01'00'"}
    write(tmp_path, {"a.pdf": pdf([["naïve (x)"], ["two"]], info), "b.pdf": PLAIN})
    found = read(tmp_path)
    assert found.quarantined == []
    assert found.rows[0] == {
        "id": "a.pdf",
        "text": "naïve (x)\n\ntwo",
        "url": None,
        "date": "2020-01-02T03:04:05+01:00",
        "license": None,
        "file": "a.pdf",
        "offset": 0,
        "title": "A title",
        "author": "Zoë",
        "pages": 2,
    }
    assert found.rows[1]["text"] == "A first line of text,\nand a second one.\n\nThe other page."
    assert found.rows[1]["title"] is None


def test_scanned_files_are_skipped(tmp_path: Path) -> None:
    """A file without text is skipped by name with its bytes."""
    scan = pdf([[], []])
    write(tmp_path, {"a.pdf": scan, "b.pdf": PLAIN})
    assert [row["file"] for row in read(tmp_path).rows] == ["b.pdf"]
    assert skipped(tmp_path) == {"no_text_layer": (1, len(scan))}


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """Passwords, rubbish, cut and empty files, too many pages, too much text, too large files: each by its reason."""
    files = {
        "a.pdf": pdf([["secret"]], password=b"sesame"),
        "b.pdf": b"no pdf at all",
        "c.pdf": b"",
        "d.pdf": pdf([["x"]] * 30),
        "e.pdf": pdf([["long line " * 5] * 40] * 2),
        "f.pdf": PLAIN,
        "g.pdf": PLAIN + b" " * 200_000,
    }
    write(tmp_path, files)
    found = read(tmp_path, max_pages=20, max_document_bytes=3000, max_file_bytes=100_000)
    assert [row["file"] for row in found.rows] == ["f.pdf"]
    assert [(bad["file"], bad["reason"]) for bad in found.quarantined] == [
        ("a.pdf", "encrypted"),
        ("b.pdf", "malformed_pdf"),
        ("c.pdf", "malformed_pdf"),
        ("d.pdf", "too_many_pages"),
        ("e.pdf", "too_large"),
        ("g.pdf", "too_large"),
    ]
    for bad in found.quarantined:
        content = files[bad["file"]]
        assert (bad["bytes"], bad["raw"]) == (len(content), content[:65_536])


def test_files_that_kill_or_hang_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are quarantined, each with its file, and the reader goes on with a new process."""
    monkeypatch.setattr(pdf_guard, "CHILD", "tests.pipeline.sources.pdf_files")
    monkeypatch.setattr(pdf_guard, "_START_SECONDS", 30.0)
    write(tmp_path, {"a.pdf": PLAIN, "b.pdf": PLAIN + CRASH, "c.pdf": PLAIN, "d.pdf": PLAIN + HANG})
    write(tmp_path, {"e.pdf": PLAIN, "f.pdf": PLAIN + GARBAGE, "g.pdf": PLAIN})
    found = read(tmp_path, timeout_seconds=2.0)
    assert [row["file"] for row in found.rows] == ["a.pdf", "c.pdf", "e.pdf", "g.pdf"]
    assert [(bad["file"], bad["reason"]) for bad in found.quarantined] == [
        ("b.pdf", "crash:pdf"),
        ("d.pdf", "timeout:pdf"),
        ("f.pdf", "crash:pdf"),
    ]
    assert "signal 11" in found.quarantined[0]["detail"]
    assert "status 3" in found.quarantined[2]["detail"]


def test_the_process_is_used_again_and_ended(tmp_path: Path) -> None:
    """One process for many files; none is left when the reader is done, or given up."""
    with Guard(60.0) as guard:
        assert "pages" in guard.ask(PLAIN, max_pages=10, max_bytes=1000)
        first = guard._child
        assert "pages" in guard.ask(PLAIN, max_pages=10, max_bytes=1000)
        assert guard._child is first is not None
    assert first.poll() is not None


def test_rows_do_not_depend_on_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of any size give the same rows."""
    write(tmp_path, {f"{i}.pdf": PLAIN if i % 3 else b"x" for i in range(8)})
    whole = read(tmp_path)
    monkeypatch.setattr(documents, "BATCH_BYTES", 1)
    assert read(tmp_path) == whole


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error before the run, with the extra to install."""
    write(tmp_path, {"a.pdf": PLAIN})
    monkeypatch.setattr("pipeline.sources.pdf.find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"gristmill\[pdf\]"):
        SOURCE.split("s", PdfConfig(path=str(tmp_path)))
    assert importlib.util.find_spec("pypdfium2") is not None


def test_damaged_pages() -> None:
    """A page that cannot be read is left out and counted; if none can, the file is damaged."""
    broken = PLAIN.replace(b"/Kids [5 0 R 7 0 R]", b"/Kids [5 0 R 9 0 R]")
    assert broken != PLAIN
    found = text_of(broken, 10, 1000)
    assert (found["pages"][0].split("\r\n")[0], found["pages"][1], found["damaged"]) == ("A first line of text,", "", 1)
    none = PLAIN.replace(b"/Kids [5 0 R 7 0 R]", b"/Kids [8 0 R 9 0 R]")
    assert text_of(none, 10, 1000)["reason"] == "malformed_pdf"


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        (["an exam-\r\nple"], "an example"),
        (["an exam\u2010\nple"], "an example"),
        (["exam\ufffe\r\nple, exam\x02ple"], "example, example"),
        (["Jean-\nPaul, 1-\n2, a -\nb"], "Jean-\nPaul, 1-\n2, a -\nb"),
        (["  a  \n\n\nb\t\n"], "  a\n\n\nb"),
        (["", "a", " ", "b"], "a\n\nb"),
        ([], ""),
    ],
)
def test_lines(pages: list[str], expected: str) -> None:
    """Words are mended before small letters only; ends of lines and empty pages are left out."""
    assert joined(pages, True) == expected


def test_running_lines() -> None:
    """Lines at the edges of most pages go, page numbers among them; three pages are the fewest; others stay."""
    pages = [f"Chapter  One\n{i}\nbody {i} of\nChapter One\nmore {'x' * i}\n- {i} -" for i in range(1, 6)]
    assert joined(pages, True).split("\n\n")[0] == "body 1 of\nChapter One\nmore x"
    assert joined(pages, False).split("\n\n")[0] == pages[0].replace("  ", "  ")
    assert joined(pages[:2], True) == joined(pages[:2], False)
    some = ["head\na\nb\nc\nd", "head\ne\nf\ng\nh", *[f"{x}\nq{x}\nr\ns{x}\nt{x}" for x in "uvw"]]
    assert joined(some, True) == joined(some, False)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("D:20200102030405Z", "2020-01-02T03:04:05Z"),
        ("D:20200102030405-05'30'", "2020-01-02T03:04:05-05:30"),
        ("D:202001", "2020-01"),
        ("20200102", "2020-01-02"),
        ("yesterday", "yesterday"),
        ("", None),
        (None, None),
    ],
)
def test_dates(date: str | None, expected: str | None) -> None:
    """As ISO 8601 where they are dates."""
    assert iso_date(date) == expected

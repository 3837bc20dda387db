"""Whole runs of ``line_dedup``, ``paragraph_dedup`` and ``url_dedup``: texts, books, explanations, resume."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest

import gristmill
from pipeline.reports.find_document import find_document
from pipeline.reports.stored_run import StoredRun
from pipeline.reports.why import Story, tell
from pipeline.runs import Run, data_checksums, run_books
from stages.dedup.line_dedup import LineDedup
from tests.pipeline.corpora import run
from tests.pipeline.near_runs import decided, names, near_run, write
from tests.pipeline.test_minhash_resume import killed_in, small_units
from tests.reference.segments import spans_to_cut
from tests.stages.hostile import ROWS

MENU = "Home | Über uns | 联系我们"


def left(found: Run) -> dict[str, str]:
    """Id → text of the documents that are left."""
    table = gristmill.open(found.folder).documents().table(["id", "text"])
    ids = [name.rpartition("#")[2] for name in table.column("id").to_pylist()]
    return dict(zip(ids, table.column("text").to_pylist(), strict=True))


def story(found: Run, query: str) -> Story:
    """What ``gristmill why`` says; it finds no difference between what is stored and what comes out again."""
    stored = StoredRun.open(found.folder)
    told = tell(stored, find_document(stored, query))
    assert not told.notes and all(not block.differences for block in told.blocks)
    return told


PAGES = {
    "first": f"{MENU}\nEin Text über Fähren.\n\n{MENU}\n",
    "second": f"{MENU.upper()}\nAnother text, about ferries.",
    "third": f"渡船的故事。\r\n{MENU}\r\n",
    "menu": f" {MENU}\n\n{MENU} ",
    "blank": " \n\n",
}
"""The menu has 31 bytes, in capitals too."""


BARE = {
    "first": "Ein Text über Fähren.\n\n",
    "second": "Another text, about ferries.",
    "third": "渡船的故事。\r\n",
    "blank": " \n\n",
}
"""What is left without any menu."""


def test_lines(tmp_path: Path) -> None:
    """A line stays once in the whole corpus; cut bytes are booked; what has no other lines goes by its own rule."""
    found = near_run(tmp_path, PAGES, stage="line_dedup")
    texts = left(found)
    assert sum(text.casefold().count("home") for text in texts.values()) == 1
    lines = {name: [line for line in text.split("\n") if "home" not in line.casefold()] for name, text in texts.items()}
    for name, bare in BARE.items():
        assert "\n".join(lines[name]).strip("\n") == bare.strip("\n")
    books = run_books(found)
    assert books.unbalanced() == []
    size, stays = (sum(len(text.encode()) for text in some.values()) for some in (PAGES, texts))
    gone = len(PAGES) - len(texts)
    assert gone == ("menu" not in texts)
    assert books.total("in", "line_dedup") == (5, size)
    assert books.total("out", "line_dedup") == (5 - gone, stays)
    dropped, cut = (books.total(what, "line_dedup") for what in ("dropped", "cut"))
    assert dropped == books.total("dropped", "line_dedup", reason="nothing_left") == (gone, gone)
    assert cut == books.total("cut", "line_dedup", reason="repeated_line") and dropped[1] + cut[1] == size - stays


def test_nothing_left(tmp_path: Path) -> None:
    """With ``keep: none`` no occurrence stays; the page that was a menu is gone, and ``why`` says by what."""
    found = near_run(tmp_path, PAGES, "{keep: none}", stage="line_dedup")
    assert left(found) == BARE
    books = run_books(found)
    assert books.total("dropped", "line_dedup", reason="nothing_left") == (1, 1)
    size = len(MENU.encode())
    assert books.total("cut", "line_dedup", reason="repeated_line") == (4, 6 * size + 8)
    told = story(found, "menu")
    assert told.fate == "dropped by line_dedup:nothing_left"
    told = story(found, "first")
    assert told.fate == "kept"
    [corpus] = [block.corpus for block in told.blocks if block.corpus]
    body = len(f"{MENU}\nEin Text über Fähren.\n\n".encode())
    assert corpus.cut == ((0, size + 1), (body, body + size + 1))
    [corpus] = [block.corpus for block in story(found, "blank").blocks if block.corpus]
    assert corpus.cut == ()


def test_paragraphs(tmp_path: Path) -> None:
    """Paragraphs are cut whole, with the blank lines behind them; a line of one that is not repeated stays."""
    licence = "Permission is granted\nto anybody."
    texts = {
        "one": f"{licence}\n\nA body.\n",
        "two": f"Another body.\n \n{licence}",
        "three": "to anybody.\nElse.",
    }
    found = near_run(tmp_path, texts, "{keep: none}", stage="paragraph_dedup")
    assert left(found) == {"one": "A body.\n", "two": "Another body.\n \n", "three": "to anybody.\nElse."}
    books = run_books(found)
    assert books.unbalanced() == []
    assert books.total("cut", "paragraph_dedup", reason="repeated_paragraph") == (2, 2 * len(licence) + 2)


def pages(count: int, seed: int = 4) -> dict[str, str]:
    """Pages of lines that come up again and again, in all scripts, with all line ends, and hostile ones."""
    draw = random.Random(seed)
    pool = [f"{word} {number}" for word in ("Zurück", "next »", "更多", "อ่านต่อ", "🚀", "…") for number in range(9)]
    own = [f"{k} only here {draw.random()}" for k in "abcdefghij"]
    rows = [
        draw.choice(["\n", "\r\n", "\n\n"]).join(draw.choices([*pool, *own, "", " "], k=draw.randint(0, 9)))
        for _ in range(count)
    ]
    hostile = [text for text in ROWS if len(text) < 10_000]
    return {str(number): text for number, text in enumerate([*rows, *hostile, *hostile])}


@pytest.mark.parametrize(
    ("kind", "keep"), [("line_dedup", "first"), ("line_dedup", "none"), ("paragraph_dedup", "first")]
)
def test_a_run_cuts_what_the_twin_cuts(kind: str, keep: str, tmp_path: Path) -> None:
    """Of many partitions: the texts that are left, what is dropped, and bytes that are cut, as a dictionary says."""
    texts = pages(300)
    found = near_run(tmp_path, texts, f"{{keep: {keep}}}", stage=kind, files=3, split_bytes=4000)
    of = dict(enumerate(sorted(names(found).values(), key=lambda name: (int(name) % 3, int(name)))))  # file by file
    rows = [{"_address": place, "text": texts[name], "source": "web"} for place, name in of.items()]
    spans = spans_to_cut(
        rows, by_paragraph=kind != "line_dedup", scope=[], settings=LineDedup.model_validate({"keep": keep})
    )
    wanted = {name: text.encode() for name, text in texts.items()}
    touched = set()
    for place, start, end, _ in sorted(spans, reverse=True):
        name = of[place]
        wanted[name] = wanted[name][:start] + wanted[name][end:]
        touched.add(name)
    gone = {name for name in touched if not wanted[name].decode().strip()}
    assert gone and len(touched) > 100
    assert left(found) == {name: text.decode() for name, text in wanted.items() if name not in gone}
    books = run_books(found)
    assert books.unbalanced() == []
    reason = "repeated_line" if kind == "line_dedup" else "repeated_paragraph"
    cut = (len(touched), sum(end - start for _, start, end, _ in spans))
    assert books.total("cut", kind, reason=reason) == cut
    assert books.total("dropped", kind, reason="nothing_left")[0] == len(gone)


@pytest.mark.parametrize("kind", ["line_dedup", "paragraph_dedup"])
def test_workers_do_not_matter(kind: str, tmp_path: Path) -> None:
    """One worker or two: the same bytes."""
    found = []
    for workers in (1, 2):
        recipe = write(tmp_path / str(workers), pages(120), stage=kind, split_bytes=4000)
        found.append(data_checksums(run(recipe, workers=workers)))
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["line_dedup", "paragraph_dedup"])
def test_sigkill_in_each_phase(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while sketching, linking, resolving and cutting, then finished: no byte and no book differs."""
    small_units(monkeypatch)
    wanted = near_run(tmp_path / "whole", pages(120), stage=kind, split_bytes=2000)
    recipe = write(tmp_path / "killed", pages(120), stage=kind, split_bytes=2000)
    for phase in ("sketch", "link", "resolve", "rows"):
        assert killed_in(phase)(recipe) == -signal.SIGKILL, phase
    found = run(recipe)
    assert data_checksums(found) == data_checksums(wanted)
    assert run_books(found).rows() == run_books(wanted).rows()


def test_lines_are_cut_before_copies_are_looked_for(tmp_path: Path) -> None:
    """Pages that share most of their lines are near-duplicates; behind ``line_dedup`` only copies are."""
    draw = random.Random(6)
    frame = "\n".join(
        " ".join(draw.choices(["tide", "pier", "rope", "hull", "mast", "oar", "keel"], k=9)) for _ in range(40)
    )
    bodies = [" ".join(f"w{draw.randrange(10**6)}" for _ in range(30)) for _ in range(6)]
    texts = {str(k): f"{frame}\n{body}" for k, body in enumerate([*bodies, bodies[0] + " more"])}
    assert len(decided(near_run(tmp_path / "alone", texts))) == 7
    stages = "line_dedup\n  - minhash_dedup"
    lines = decided(near_run(tmp_path / "both", texts, stage=stages))
    assert len(lines) in (0, 2)
    assert set(lines) <= {"0", "6"}


URLS = {
    "a": ("http://www.example.org/ferry?utm_source=mail", "2024-01-01"),
    "b": ("https://example.org/ferry/", "2024-05-01"),
    "c": ("https://EXAMPLE.org:443/ferry#top", "2023-01-01"),
    "d": ("https://example.org/pier", "2024-01-01"),
    "e": (None, None),
    "f": (None, None),
}


def url_recipe(root: Path, rows: list[dict[str, Any]], settings: str, split_bytes: int = 2**24) -> str:
    """Write rows with URL, date and perhaps a snapshot, and a recipe; returns its path."""
    recipe = Path(write(root, {}, settings, stage="url_dedup", split_bytes=split_bytes))
    (root / "in/0.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = "url: url, date: date, " + ("fields: {snapshot: snapshot}, " if "snapshot" in rows[0] else "")
    recipe.write_text(recipe.read_text().replace("split_bytes", f"{fields}split_bytes"))
    return str(recipe)


def url_run(root: Path, settings: str, snapshots: dict[str, str] | None = None) -> Run:
    """A run over :data:`URLS`; ``snapshots``: of some of them."""
    rows: list[dict[str, Any]] = [
        {"id": name, "text": f"Text {name}", "url": url, "date": date} for name, (url, date) in URLS.items()
    ]
    for row in rows if snapshots else ():
        row["snapshot"] = (snapshots or {}).get(row["id"])
    return run(url_recipe(root, rows, settings))


@pytest.mark.slow
def test_sigkill_among_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for URLs, of which each comes up four times or so."""
    small_units(monkeypatch)
    rows = [{"id": str(k), "text": f"Page {k}", "url": f"https://example.org/{k % 50}?utm_id={k}"} for k in range(200)]
    wanted = run(url_recipe(tmp_path / "whole", rows, "{}", 2000))
    assert run_books(wanted).total("dropped", "url_dedup")[0] == 150
    recipe = url_recipe(tmp_path / "killed", rows, "{}", 2000)
    for phase in ("sketch", "link", "resolve", "rows"):
        assert killed_in(phase)(recipe) == -signal.SIGKILL, phase
    found = run(recipe)
    assert data_checksums(found) == data_checksums(wanted)
    assert run_books(found).rows() == run_books(wanted).rows()


@pytest.mark.parametrize(("keep", "winner"), [("newest", "b"), ("oldest", "c")])
def test_urls(keep: str, winner: str, tmp_path: Path) -> None:
    """Of three spellings of one URL one row stays, by date, with the number of rows; those without a URL all stay."""
    found = url_run(tmp_path, f"{{keep: {keep}}}")
    assert set(left(found)) == {winner, "d", "e", "f"}
    assert {name: line.size for name, line in decided(found).items()} == dict.fromkeys("abc", 3)
    table = gristmill.open(found.folder).documents().table().to_pylist()
    assert {row["text"]: row["cluster_size"] for row in table if row["cluster_size"]} == {f"Text {winner}": 3}
    books = run_books(found)
    assert books.unbalanced() == [] and books.total("dropped", "url_dedup", reason="duplicate") == (2, 12)
    loser = next(name for name in "abc" if name != winner)
    told = story(found, f"0.jsonl#{loser}")
    assert told.fate == "dropped by url_dedup:duplicate"


def test_urls_of_snapshots_are_kept_apart(tmp_path: Path) -> None:
    """Rows with a snapshot are compared within it unless the scope says all."""
    snapshots = {"a": "CC-1", "b": "CC-1", "c": "CC-2", "d": "CC-2"}
    assert len(left(url_run(tmp_path / "each", "{keep: newest}", snapshots))) == 5
    assert len(left(url_run(tmp_path / "all", "{keep: newest, scope: all}", snapshots))) == 4

"""``gristmill dups`` shows who the copies of a document are, how they differ, and what was cut as repeated."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

import gristmill
from pipeline.reports.clusters import seen_text
from pipeline.reports.copies import DIFFERENCES_SHOWN, print_copies
from pipeline.reports.find_document import find_document
from pipeline.reports.stored_run import StoredRun
from pipeline.runs import Run
from tests.pipeline.near_runs import near_run

WORDS = [f"word{number}" for number in range(200)]
TEXT = " ".join(WORDS)
EDITED = " ".join([*WORDS[:30], "other", *WORDS[31:]])
LONGER = f"{TEXT}\nwrite to jane.doe@example.org"


def shown(run: Run, query: str) -> str:
    """What ``dups`` prints."""
    stream, stored = io.StringIO(), StoredRun.open(run.folder)
    print_copies(stored, find_document(stored, query), Console(file=stream, width=200, highlight=False, markup=False))
    return stream.getvalue()


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Run:
    texts = {"plain": TEXT, "edited": EDITED, "longer": LONGER, "spaced": TEXT.replace(" ", "\t"), "alone": "x y z"}
    return near_run(tmp_path_factory.mktemp("near"), texts, "{short: skip}")


def test_members_and_how_they_differ(near: Run) -> None:
    """The survivor first, each copy with its similarity and the words in which it differs; mail is masked."""
    lines = [line.strip() for line in shown(near, "edited").splitlines()]
    assert lines[0] == "minhash_dedup: a cluster of 4"
    assert lines[1].startswith("stays") and "#longer (web), similarity 1.000" in lines[1]
    place = next(number for number, line in enumerate(lines) if "#edited" in line)
    assert lines[place].endswith("←") and lines[place].startswith("dropped")
    assert lines[place + 1].startswith("… word25 word26 word27 word28 word29 [-word30-]{+other+} word31 word32")
    assert "[-write to <email>-]" in "\n".join(lines) and "jane" not in "\n".join(lines)


def test_white_space_is_no_difference(tmp_path: Path) -> None:
    """Copies with the same words are told apart from copies with the same bytes."""
    run = near_run(tmp_path, {"a": TEXT, "b": TEXT.replace(" ", "  "), "c": TEXT.replace(" ", "  ")})
    text = shown(run, "a")
    assert text.count("(the same words)") == 1 and text.count("(the same text)") == 1


def test_nothing_to_show(near: Run) -> None:
    """A document without copies has none."""
    assert shown(near, "alone") == "0.jsonl#alone has no copies\n"


def test_the_document_that_was_asked_for_is_always_shown(tmp_path: Path) -> None:
    """In a large cluster too: some members with their differences, the one asked for, and how many more there are."""
    texts = {f"d{number:02}": " ".join([*WORDS[:-1], f"end{number}"]) for number in range(70)}
    run = near_run(tmp_path, texts, "{survivor: [first]}")
    lines = shown(run, "d69").splitlines()
    assert lines[0] == "minhash_dedup: a cluster of 70" and lines[-1] == "  and 19 more"
    assert sum("dropped" in line for line in lines) == 50
    assert sum("{+" in line for line in lines) == DIFFERENCES_SHOWN + 1
    [asked] = [place for place, line in enumerate(lines) if line.endswith("←")]
    assert "#d69" in lines[asked] and lines[asked + 1].endswith("word198 [-end0-]{+end69+}")


def test_texts_of_an_earlier_run_are_compared(tmp_path: Path) -> None:
    """A survivor of an earlier run is read there; where that run is gone, that is said."""
    (tmp_path / "earlier").mkdir()
    earlier = near_run(tmp_path / "earlier", {"before": TEXT})
    later = near_run(tmp_path, {"after": EDITED}, f'{{against: ["{earlier.folder}"]}}')
    text = shown(later, "after")
    assert f"stays   0.jsonl#before (web of {earlier.folder}), similarity 1.000" in text
    assert "[-word30-]{+other+}" in text
    shutil.rmtree(tmp_path / "earlier")
    assert "(the texts are not stored any more)" in shown(later, "after")


def test_the_text_is_that_which_the_stage_saw(near: Run) -> None:
    """As the row stages before it left it, of copies that went too; None for an address that is nobody's."""
    stored = StoredRun.open(near.folder)
    assert seen_text(stored, "minhash_dedup", find_document(stored, "edited").address) == EDITED
    assert seen_text(stored, "minhash_dedup", 1) is None


def test_cut_lines_and_where_they_were_said_first(tmp_path: Path) -> None:
    """A stage that cuts has no clusters; ``dups`` shows what it cut and which document still has it."""
    texts = {"one": "a menu line\nfirst body", "two": "a menu line\nsecond body\nsecond body\ncall +49 30 1234 5678"}
    run = near_run(tmp_path, texts | {"three": "call +49 30 1234 5678"}, stage="line_dedup")
    text = shown(run, "two")
    assert text.splitlines() == [
        "line_dedup: 2 spans cut",
        "  bytes 0–12: a menu line",
        "      said first in 0.jsonl#one (web)",
        "  bytes 24–36: second body",
        "      said first in this document",
    ]
    assert "  bytes 0–21: call <number>\n      said first in 0.jsonl#two (web)" in shown(run, "three")
    assert shown(run, "one") == "0.jsonl#one has no copies\n"


def test_the_survivor_has_the_size_of_its_cluster(near: Run) -> None:
    """As column ``cluster_size``, for weights of a mix; others have none."""
    table = gristmill.open(near.folder).documents().table()
    sizes = dict(zip(table.column("id").to_pylist(), table.column("cluster_size").to_pylist(), strict=True))
    assert sizes == {"0.jsonl#longer": 4, "0.jsonl#alone": None}

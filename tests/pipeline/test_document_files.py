"""Documents of files and runs, for commands that have no recipe."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from pipeline.document_files import kind_of, read_documents, run_folder
from pipeline.errors import GristmillError
from tests.pipeline.corpora import run

TEXTS = ["plain", "中文 🙂", "שלום", "e\u0301\u0300", 'a, b\n"c"\td', "long " * 1000]
LABELS = ["1", "0", "1", "0", "1", "0"]
RECIPE = """
name: earlier
store: {root}/store
sources: {{pages: {{kind: jsonl, path: "{root}/a.jsonl", text: body, fields: {{grade: grade}}}}}}
execution: {{executor: local}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same labelled documents in files of every kind, and as a run."""
    monkeypatch.chdir(tmp_path)
    rows = [{"body": text, "grade": label} for text, label in zip(TEXTS, LABELS, strict=True)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    Path("a.jsonl").write_text(lines)
    Path("b.JSON.gz").write_bytes(gzip.compress(lines.encode()))
    table = pa.table({"body": TEXTS, "grade": [int(label) for label in LABELS]})
    pq.write_table(table, "c.parquet")
    feather.write_feather(table, "d.arrow")
    for name, delimiter in (("e.csv", ","), ("f.tsv", "\t")):
        with open(name, "w", newline="") as stream:
            writer = csv.writer(stream, delimiter=delimiter)
            writer.writerows([["body", "grade"], *zip(TEXTS, LABELS, strict=True)])
    Path("folder/below").mkdir(parents=True)
    pq.write_table(table, "folder/below/a.parquet")
    Path("recipe.yaml").write_text(RECIPE.format(root=tmp_path))
    run("recipe.yaml")
    return tmp_path


KINDS = {
    "a.jsonl": "jsonl",
    "b.JSON.gz": "jsonl",
    "c.parquet": "parquet",
    "d.arrow": "arrow",
    "e.csv": "csv",
    "f.tsv": "csv",
    "folder": "parquet",
    "folder/below/*.parquet": "parquet",
    "runs/earlier": "run",
    "earlier": "run",
}


def test_every_kind_gives_the_same_documents(here: Path) -> None:
    """Texts, and labels as strings, in the same order."""
    for path, kind in KINDS.items():
        assert kind_of(path) == kind, path
        rows = [row for batch in read_documents(path, "body", {"label": "grade"}) for row in batch.to_pylist()]
        assert rows == [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)], path


def test_plain_text(here: Path) -> None:
    """A file of any other name, or each file of a folder, is a document; it has no fields."""
    Path("texts").mkdir()
    for number in range(2):
        Path(f"texts/{number}.md").write_text(f"text {number}\n")
    assert kind_of("texts") == kind_of("texts/0.md") == "text"
    [batch] = read_documents("texts", "body", {"label": "grade"})
    assert batch.to_pylist() == [{"text": "text 0\n"}, {"text": "text 1\n"}]


def test_a_file_goes_before_a_run_of_its_name(here: Path) -> None:
    """What is there is meant; a folder is a run if it says so."""
    assert run_folder("earlier") == "./runs/earlier"
    Path("earlier").write_text("a text")
    assert run_folder("earlier") is None and kind_of("earlier") == "text"
    assert run_folder("runs") is None


def test_what_is_wrong_is_said(here: Path) -> None:
    """A folder of several kinds, a column or file that is not there, and a run that is not finished."""
    pq.write_table(pa.table({"text": ["a"]}), "folder/b.parquet")
    Path("folder/c.csv").write_text("text\na\n")
    cases = {
        "folder": "files of several kinds: csv, parquet\n  → .*glob",
        "c.parquet": "has no column 'absent'\n  → its columns are body, grade",
        "earlier": "has no column 'absent'\n  → .*grade",
        "nothing": "nothing",
    }
    for path, message in cases.items():
        with pytest.raises(GristmillError, match=message):
            list(read_documents(path, "body", {"label": "absent"}))
    record = Path("runs/earlier/run.json")
    record.write_text(record.read_text().replace('"finished"', '"failed"', 1))
    with pytest.raises(GristmillError, match="run earlier is not finished\n  → run its recipe again"):
        list(read_documents("earlier"))


def test_damaged_records_are_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are left out, with their number and the first one's place on standard error."""
    Path("damaged.jsonl").write_text('{"text": "a"}\n{"text": \n{"text": "b"}\n[]\n')
    rows = [row for batch in read_documents("damaged.jsonl") for row in batch.to_pylist()]
    assert rows == [{"text": "a"}, {"text": "b"}]
    told = capsys.readouterr().err
    assert told.startswith(
        "gristmill: damaged.jsonl: 2 records that cannot be read were left out; first damaged.jsonl at 14:"
    )

"""Whole runs over source trees, archives, Markdown, CSV and Arrow files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.runs import Run, data_checksums, run_books
from tests.pipeline.corpora import run, write_recipe
from tests.pipeline.sources.test_code_archives import tar

RECIPE = """
name: trees
store: {root}/store
max_errors: 0.9
sources:
  code: {{kind: code, path: "{root}/in/code", domain: code, ingest_above_bytes: 1000}}
  notes: {{kind: markdown, path: "{root}/in/notes"}}
  sheets: {{kind: csv, path: "{root}/in/sheets", ingest_above_bytes: 1000, fields: {{language: lang}}}}
  tables: {{kind: arrow, path: "{root}/in/tables", split_bytes: 2000}}
stages:
  - normalize
  - route:
      by: language
      code:
        - word_count: {{min_words: 1}}
      default:
        - word_count: {{min_words: 2}}
execution: {{executor: local}}
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run over a corpus in which every kind of file has damage."""
    root = tmp_path_factory.mktemp("trees")
    files = {f"r/{i}.py": b"value = %d\n" % i for i in range(50)}
    write(
        root / "in/code",
        {**files, "r/data.json": b"{}", "r/b.c": b"\0", "a.tgz": gzip.compress(tar({"../x": b"", **files}))},
    )
    write(
        root / "in/notes",
        {"a.md": b"---\nlang: de\n---\nein Text\n", "b.md": b"\xff", "c.md": b"---\na: [\n---\nb c\n"},
    )
    rows = b"".join(b'"row, number\n%d",en\n' % i for i in range(200))
    write(root / "in/sheets", {"a.csv": b"text,lang\n" + rows + b"bad\n"})
    (root / "in/tables").mkdir(parents=True)
    with pa.ipc.new_stream(root / "in/tables/a.arrow", pa.schema([("text", pa.string())])) as writer:
        for start in range(0, 100, 20):
            writer.write_batch(
                pa.record_batch({"text": [None, *(f"row {i} of it" for i in range(start + 1, start + 20))]})
            )
    return run(write_recipe(root, text=RECIPE))


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Files with that content."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_every_record_is_in_the_books(found: Run) -> None:
    """Rows, quarantine records and what is left out add up to what is in the files, for each source."""
    books = run_books(found)
    assert books.unbalanced() == []
    assert books.total("in", "read", source="code")[0] == 50 + 2 + 51
    assert books.total("dropped", "read", source="code", reason="data")[0] == 1
    assert books.total("dropped", "read", source="code", reason="binary")[0] == 1
    assert books.total("out", "read", source="code", language="code")[0] == 100
    assert books.total("out", "read", source="notes", language="de")[0] == 1
    assert books.total("repaired", "read", source="notes", reason="broken_front_matter")[0] == 1
    assert books.total("out", "read", source="sheets", language="en")[0] == 200
    assert books.total("out", "read", source="tables")[0] == 95
    quarantined = {
        name: books.total("quarantined", "read", source=name)[0] for name in ("code", "notes", "sheets", "tables")
    }
    assert quarantined == {"code": 1, "notes": 1, "sheets": 1, "tables": 5}


def test_a_run_again_computes_nothing(found: Run) -> None:
    """The same files are the same partitions, and a licence that is added computes its repository's anew."""
    recipe = Path(found.folder).parents[1] / "recipe.yaml"
    before = data_checksums(found)
    again = run(str(recipe))
    assert not any(again.executed.values())
    assert data_checksums(again) == before
    text = b"This is free and unencumbered software released into the public domain.\n"
    write(recipe.parent / "in/code", {"r/LICENSE": text})
    changed = run(str(recipe))
    assert run_books(changed).unbalanced() == []
    assert run_books(changed).total("dropped", "read", source="code", reason="license_text")[0] == 1
    assert data_checksums(changed) != before

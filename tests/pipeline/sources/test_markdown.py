"""The source ``markdown``."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pipeline.errors import SourceError
from pipeline.sources import markdown
from pipeline.sources.markdown import SOURCE, MarkdownConfig
from tests.pipeline.sources.reading import Everything, read_all, read_partitions

HOSTILE = ["", "plain", "中文 🙂", "שלום", "e\u0301\u0300", "a\x00b", "x" * 10_000, "---", "<!--", "```"]


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Files with that content."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def read(folder: Path, **settings: Any) -> Everything:
    """Everything in a folder."""
    return read_all(SOURCE, MarkdownConfig(path=str(folder), **settings))


def test_documents(tmp_path: Path) -> None:
    """A file is a document; its front matter becomes columns, comments go; other files are not looked at."""
    head = b"---\ntitle: T\ndate: 2024-01-02\npermalink: /a/\nlicence: MIT\nlang: de\nauthor: me\n---\n\n"
    write(tmp_path, {"a.md": head + b"# T\n\ntext <!-- no -->\n", "b/c.MDX": b"import 'x'\n\nmdx", "d.txt": b"no"})
    found = read(tmp_path, fields={"author": "author"})
    first, second = found.rows
    assert first == {
        "id": "a.md",
        "text": "# T\n\ntext \n",
        "url": "/a/",
        "date": "2024-01-02",
        "license": "MIT",
        "file": "a.md",
        "offset": 0,
        "title": "T",
        "language": "de",
        "author": "me",
    }
    assert (second["id"], second["text"], second["title"]) == ("b/c.MDX", "mdx", None)
    assert (found.quarantined, found.repaired) == ([], {})


def test_hostile_text(tmp_path: Path) -> None:
    """Text in which nothing is to be done comes back as it is."""
    write(tmp_path, {f"{i}.md": text.encode() for i, text in enumerate(HOSTILE)})
    assert [row["text"] for row in read(tmp_path).rows] == HOSTILE
    assert len(read(tmp_path, plain=True).rows) == len(HOSTILE)


def test_broken_front_matter_is_counted(tmp_path: Path) -> None:
    """It stays in the text."""
    found = read(write(tmp_path, {"a.md": b"---\na: [\n---\ntext", "b.md": b"+++\na\n+++\n", "c.md": b"fine"}))
    assert [row["text"] for row in found.rows] == ["---\na: [\n---\ntext", "+++\na\n+++\n", "fine"]
    assert found.repaired == {"broken_front_matter": 2}


def test_plain(tmp_path: Path) -> None:
    """Markup is stripped on request; what is nested too deeply keeps it and is counted."""
    deep = "> " * 1000 + "deep"
    found = read(write(tmp_path, {"a.md": b"# *T*\n\n- a", "b.md": deep.encode()}), plain=True)
    assert [row["text"] for row in found.rows] == ["T\n\n- a\n", deep]
    assert found.repaired == {"nested_too_deeply": 1}


def test_bad_files_are_quarantined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken UTF-8, too much text and torn compression are quarantined; other files are read."""
    monkeypatch.setattr(markdown, "PLAIN_BYTES", 100)
    write(
        tmp_path,
        {"a.md": b"\xff\xfe", "b.md": b"x" * 101, "c.md": gzip.compress(b"x" * 50)[:15], "d.md": b"\xef\xbb\xbffine"},
    )
    found = read(tmp_path, plain=True)
    assert [row["text"] for row in found.rows] == ["fine\n"]
    assert [(bad["file"], bad["reason"], bad["bytes"]) for bad in found.quarantined] == [
        ("a.md", "invalid_utf8", 2),
        ("b.md", "too_large", 101),
        ("c.md", "truncated_stream", 15),
    ]
    assert len(read(tmp_path).quarantined) == 2


def test_encoding(tmp_path: Path) -> None:
    """Other encodings on request."""
    write(tmp_path, {"a.md": "好 <!-- 不 -->".encode("gb18030"), "b.md": b"\xff"})
    found = read(tmp_path, encoding="gb18030")
    assert [row["text"] for row in found.rows] == ["好 "]
    assert [bad["reason"] for bad in found.quarantined] == ["invalid_encoding"]


def test_no_files(tmp_path: Path) -> None:
    """A folder without Markdown is an error before the run."""
    with pytest.raises(SourceError, match="no file below it ends in .md"):
        SOURCE.split("s", MarkdownConfig(path=str(write(tmp_path, {"a.txt": b"x"}))))


def test_rows_do_not_depend_on_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of any size give the same rows in the order of the names."""
    files = {
        f"{i:03}.md": b"\xff" if i % 10 == 0 else b"---\ntitle: %d\n---\n" % i + b"x" * (i * 7 % 50) for i in range(99)
    }
    whole = read(write(tmp_path, files))
    assert [row["title"] for row in whole.rows] == [str(i) for i in range(99) if i % 10]
    for size in (1, 60, 1000):
        monkeypatch.setattr(markdown, "BATCH_BYTES", size)
        assert read(tmp_path) == whole


def test_a_file_that_changes(tmp_path: Path) -> None:
    """A file of another size than when it was split stops the run."""
    config = MarkdownConfig(path=str(write(tmp_path, {"a.md": b"x"})))
    partitions = SOURCE.split("s", config)
    write(tmp_path, {"a.md": b"xy"})
    with pytest.raises(SourceError, match="start the run again"):
        read_partitions(SOURCE, partitions, config)


@pytest.mark.data
def test_real_files(real_data: Path, tmp_path: Path) -> None:
    """Of real articles the text is kept, and stripping them leaves most letters and no fences."""
    with zstandard.open(real_data / "prose_en" / "lctt_sources_history.jsonl.zst", "rt", encoding="utf-8") as stream:
        texts = [json.loads(next(stream))["text"] for _ in range(300)]
    write(tmp_path, {f"{i:03}.md": text.encode() for i, text in enumerate(texts)})
    kept, plain = read(tmp_path), read(tmp_path, plain=True)
    same = [row["text"] == text for row, text in zip(kept.rows, texts, strict=True) if "<!--" not in text]
    assert all(same)
    assert len(same) > 250
    before, after = sum(map(len, texts)), sum(len(row["text"]) for row in plain.rows)
    assert 0.7 * before < after < before
    assert plain.quarantined == []

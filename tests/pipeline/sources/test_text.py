"""The source ``text``."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import pytest
import zstandard
from pydantic import ValidationError

from pipeline.errors import SourceError
from pipeline.sources import text
from pipeline.sources.contract import Piece
from pipeline.sources.text import MAX_GROUP_BYTES, MAX_GROUP_FILES, SOURCE, TextConfig, group_pieces
from tests.pipeline.sources.reading import Everything, read_all, read_partitions


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Files with that content."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def read(folder: Path, **settings: Any) -> Everything:
    """Everything in a folder."""
    return read_all(SOURCE, TextConfig(path=str(folder), **settings))


def test_a_file_is_a_document(tmp_path: Path) -> None:
    """The id is the relative name; empty files are documents; compressed files are unpacked whatever their name."""
    content = "中文 🙂 שלום e\u0301\r\n\x00".encode()
    write(
        tmp_path,
        {
            "a.txt": content,
            "empty": b"",
            "sub/b": gzip.compress(content),
            "sub/c.zst": zstandard.compress(content),
            ".no": b"x",
        },
    )
    found = read(tmp_path)
    assert found.quarantined == []
    assert [(row["id"], row["file"], row["offset"]) for row in found.rows] == [
        (name, name, 0) for name in ("a.txt", "empty", "sub/b", "sub/c.zst")
    ]
    assert [row["text"].encode() for row in found.rows] == [content, b"", content, content]


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    """At the beginning only."""
    write(tmp_path, {"a": b"\xef\xbb\xbfx\xef\xbb\xbf"})
    assert read(tmp_path).rows[0]["text"] == "x\ufeff"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"From: x\nTo: y\n\nbody\n\nmore", "body\n\nmore"),
        (b"no header here", "no header here"),
        (b"header\n\n", ""),
        (b"\n\nbody", "body"),
        (b"", ""),
    ],
)
def test_the_text_may_begin_behind_a_marker(tmp_path: Path, content: bytes, expected: str) -> None:
    """It begins behind the first marker; a file without it is taken whole."""
    write(tmp_path, {"a": content})
    assert read(tmp_path, body_after="\n\n").rows[0]["text"] == expected


@pytest.mark.parametrize(
    ("encoding", "given"), [("gb18030", "GB18030"), ("cp1252", "windows-1252"), ("utf-16", "utf16")]
)
def test_encodings(tmp_path: Path, encoding: str, given: str) -> None:
    """Files in another encoding become UTF-8."""
    expected = "naïve “text”" if encoding == "cp1252" else "中文 naïve"
    write(tmp_path, {"a": expected.encode(encoding)})
    assert read(tmp_path, encoding=given).rows[0]["text"] == expected


@pytest.mark.parametrize("name", ["no-such-code", "hex", "base64"])
def test_unknown_encodings(name: str) -> None:
    """A name that is no encoding of text is refused with the recipe."""
    with pytest.raises(ValidationError, match="encoding"):
        TextConfig(path="x", encoding=name)


def test_what_cannot_be_decoded(tmp_path: Path) -> None:
    """It is quarantined with its place and first 64 kB; other files of the partition are read."""
    write(tmp_path, {"a": b"fine", "b": b"x" * 70_000 + b"\xff", "c": b"\xed\xa0\x80", "d": b"also fine"})
    found = read(tmp_path)
    assert [row["text"] for row in found.rows] == ["fine", "also fine"]
    assert [(bad["file"], bad["reason"], bad["bytes"]) for bad in found.quarantined] == [
        ("b", "invalid_utf8", 70_001),
        ("c", "invalid_utf8", 3),
    ]
    assert "70000" in found.quarantined[0]["detail"]
    assert found.quarantined[0]["raw"] == b"x" * 65_536
    assert [bad["reason"] for bad in read(tmp_path, encoding="ascii").quarantined] == ["invalid_encoding"] * 2


def test_other_damage(tmp_path: Path) -> None:
    """Truncated compressed files and files over the limit, packed or not, are quarantined."""
    packed = gzip.compress(random.Random(1).randbytes(4000).hex().encode())
    write(tmp_path, {"a": packed[:-100], "b": b"x" * 101, "c": gzip.compress(b"x" * 10_000), "d": b"x" * 100})
    found = read(tmp_path, max_document_bytes=100)
    assert [row["file"] for row in found.rows] == ["d"]
    assert [(bad["file"], bad["reason"]) for bad in found.quarantined] == [(name, "too_large") for name in "abc"]
    found = read(tmp_path)
    assert [(bad["file"], bad["reason"]) for bad in found.quarantined] == [("a", "truncated_stream")]


def test_a_long_file(tmp_path: Path) -> None:
    """A file of 50 MB, one line, is a document like another."""
    content = "中文 🙂 text ".encode() * 3_000_000
    write(tmp_path, {"a": content, "b": b"short"})
    partitions = SOURCE.split("s", TextConfig(path=str(tmp_path)))
    found = [batch.rows for p in partitions for batch in SOURCE.read(p, TextConfig(path=str(tmp_path)))]
    assert [batch.column("text")[0].as_buffer().size for batch in found] == [len(content), 5]


def test_rows_do_not_depend_on_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of any size give the same rows in the order of the names, and are bounded."""
    write(tmp_path, {f"{i:03}": b"\xff" if i % 10 == 0 else b"x" * (i * 7 % 50) for i in range(100)})
    whole = read(tmp_path)
    assert [row["file"] for row in whole.rows] == [f"{i:03}" for i in range(100) if i % 10]
    for size in (1, 60, 1000):
        monkeypatch.setattr(text, "BATCH_BYTES", size)
        assert read(tmp_path) == whole
        config = TextConfig(path=str(tmp_path))
        for partition in SOURCE.split("s", config):
            for batch in SOURCE.read(partition, config):
                assert batch.rows.num_rows <= 1 or sum(map(len, batch.rows.column("text").to_pylist())) <= size


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    """A file that is gone stops the run with its name."""
    write(tmp_path, {"a": b"x"})
    config = TextConfig(path=str(tmp_path))
    partitions = SOURCE.split("s", config)
    (tmp_path / "a").unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        read_partitions(SOURCE, partitions, config)


def piece(name: str, size: int) -> Piece:
    """A file that need not be there."""
    return Piece(f"/x/{name}", name, 0, size, size, "1")


def groups_of(files: dict[str, int]) -> set[tuple[str, ...]]:
    """Groups of the files, in order of their names."""
    return {
        tuple(one.relative for one in group) for group in group_pieces([piece(*file) for file in sorted(files.items())])
    }


@pytest.mark.parametrize(("count", "size"), [(20_000, 1_000), (3_000, 1_500_000), (200, 40_000_000)])
def test_groups_keep_their_caps(count: int, size: int) -> None:
    """No group has more than 4,096 files or, unless it is one file, 64 MiB; together they are all files in order."""
    draw = random.Random(count)
    files = [piece(f"{i:06}", draw.randrange(2 * size)) for i in range(count)]
    groups = group_pieces(files)
    assert [one for group in groups for one in group] == files
    for group in groups:
        assert len(group) <= MAX_GROUP_FILES
        assert len(group) == 1 or sum(one.size for one in group) <= MAX_GROUP_BYTES
    # Cut at random places, a group is half full or better on average.
    assert len(groups) < 4 * sum(one.size for one in files) / MAX_GROUP_BYTES + count / 200


def test_many_files_without_a_boundary() -> None:
    """Where no hash is 0 modulo 512 the cap on files cuts."""
    names = [
        name for name in (f"{i:06}" for i in range(20_000)) if len(group_pieces([piece(name, 1), piece("z", 1)])) == 1
    ]
    groups = group_pieces([piece(name, 1) for name in names])
    assert max(map(len, groups)) <= MAX_GROUP_FILES
    assert len(groups) < 20


@pytest.mark.parametrize(
    ("count", "size", "most"), [(5_000, 1_000, 2), (3_000, 300_000, 2), (1_000, 1_500_000, 3), (300, 20_000_000, 4)]
)
def test_a_file_more_or_less_moves_its_own_group_only(count: int, size: int, most: int) -> None:
    """Adding or removing a file changes one or two groups; where two or three files fill a group, now and then four."""
    draw = random.Random(count)
    files = {f"{draw.randrange(10**9):09}": draw.randrange(2 * size) for _ in range(count)}
    before = groups_of(files)
    changed = []
    for _ in range(100):
        gone = draw.choice(list(files))
        more = groups_of({**files, f"{draw.randrange(10**9):09}": draw.randrange(2 * size)})
        fewer = groups_of({name: size for name, size in files.items() if name != gone})
        changed += [max(len(after - before), len(before - after)) for after in (more, fewer)]
    assert max(changed) <= most
    assert sum(changed) / len(changed) < 1.6


def test_numbers_and_keys_follow_the_groups(tmp_path: Path) -> None:
    """Partitions without the new file keep their numbers and keys."""
    write(tmp_path, {f"{i:04}": b"x" for i in range(3000)})
    config = TextConfig(path=str(tmp_path))
    before = {(p.number, p.key) for p in SOURCE.split("s", config)}
    assert len(before) > 3
    write(tmp_path, {"1500a": b"new"})
    after = {(p.number, p.key) for p in SOURCE.split("s", config)}
    assert len(before - after) == 1
    assert len(after - before) <= 2

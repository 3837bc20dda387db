"""The source ``code``."""

from __future__ import annotations

import gzip
import os
import sys
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.sources import code_documents, text
from pipeline.sources.code_config import CodeConfig
from pipeline.sources.code_trees import SOURCE
from pipeline.sources.contract import Partition
from tests.pipeline.sources.reading import Everything, read_all, read_partitions
from tests.pipeline.sources.test_code_archives import tar, zipped

MIT = (
    b"Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated\n"
    b'documentation files (the "Software"), to deal in the Software without restriction. The above copyright notice\n'
    b"and this permission notice shall be included in all copies.\n"
)
UNLICENSE = b"This is free and unencumbered software released into the public domain.\n"
TREE = {
    "a/LICENSE": MIT,
    "a/README.md": b"# A\n",
    "a/src/main.py": b"print(1)\n",
    "a/src/own.py": b"# SPDX-License-Identifier: ISC\nprint(2)\n",
    "a/lib/COPYING": UNLICENSE,
    "a/lib/x.c": b"int x;\n",
    "a/data.json": b"{}",
    "b/old.c": "// été\nint x;\n".encode("latin-1"),
    "b/main.go": b"package main\n",
    "b/vendor/v.go": b"package v\n",
    "b/bad.rs": b"\0\1\2",
    "top.py": b"top = 1\n",
}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Files with that content."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def settings_of(folder: Path, **settings: Any) -> CodeConfig:
    """Settings for a folder."""
    return CodeConfig(path=str(folder), **settings)


def read(folder: Path, **settings: Any) -> Everything:
    """Everything in a folder."""
    return read_all(SOURCE, settings_of(folder, **settings))


def skipped(folder: Path, **settings: Any) -> dict[str, tuple[int, int]]:
    """Files and bytes left out, by reason."""
    config = settings_of(folder, **settings)
    found: Counter[tuple[str, int]] = Counter()
    for partition in SOURCE.split("s", config):
        for batch in SOURCE.read(partition, config):
            for reason, counts in batch.skipped.items():
                found.update({(reason, place): count for place, count in enumerate(counts)})
    return {reason: (found[reason, 0], found[reason, 1]) for reason in {reason for reason, _ in found}}


def test_files(tmp_path: Path) -> None:
    """A file is a document with its language, repository, path, and the licence of its header or nearest text."""
    found = read(write(tmp_path / "root", TREE))
    assert [(row["id"], row["programming_language"], row["license"]) for row in found.rows] == [
        ("a/README.md", "Markdown", "MIT"),
        ("a/lib/x.c", "C", "Unlicense"),
        ("a/src/main.py", "Python", "MIT"),
        ("a/src/own.py", "Python", "ISC"),
        ("b/main.go", "Go", None),
        ("b/old.c", "C", None),
        ("top.py", "Python", None),
    ]
    assert {row["language"] for row in found.rows} == {"code"}
    assert [(row["repository"], row["path"], row["file"]) for row in found.rows][2:] == [
        ("a", "src/main.py", "a/src/main.py"),
        ("a", "src/own.py", "a/src/own.py"),
        ("b", "main.go", "b/main.go"),
        ("b", "old.c", "b/old.c"),
        ("root", "top.py", "top.py"),
    ]
    assert found.rows[5]["text"] == "// été\nint x;\n"
    assert (found.repaired, found.quarantined) == ({"latin1": 1}, [])


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    """Every file is a row or counted under its kind, with its bytes."""
    folder = write(tmp_path, TREE)
    left_out = skipped(folder)
    assert left_out == {
        "license_text": (2, len(MIT) + len(UNLICENSE)),
        "data": (1, 2),
        "vendored": (1, 10),
        "binary": (1, 3),
    }
    assert len(read(folder).rows) + sum(count for count, _ in left_out.values()) == len(TREE)


def test_allowed_licenses(tmp_path: Path) -> None:
    """Files under other licences, and under none that is known, are left out by name."""
    folder = write(tmp_path, {**TREE, "a/two.py": b"# SPDX-License-Identifier: GPL-2.0 OR MIT\nx = 1\n"})
    found = read(folder, licenses=["MIT"])
    assert [row["path"] for row in found.rows] == ["README.md", "src/main.py", "two.py"]
    counts = {reason: count for reason, (count, _) in skipped(folder, licenses=["MIT"]).items()}
    assert (counts["other_license"], counts["unknown_license"]) == (2, 3)


def test_a_changed_license_changes_the_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Licence texts are in the key of every partition that they matter for, and of no other; they are read once."""
    monkeypatch.setattr(text, "MAX_GROUP_FILES", 50)
    files = {f"{name}/{i:04}.py": b"x = %d\n" % i for name in "ab" for i in range(300)}
    folder = write(tmp_path, {**files, "a/LICENSE": MIT, "b/LICENSE": MIT})
    config = settings_of(folder)
    before = SOURCE.split("s", config)
    assert len(before) > 5
    assert len({partition.number for partition in before}) == len(before)
    with_a = [one for one in before if any(piece.relative.startswith("a/") for piece in one.pieces)]
    assert len(with_a) > 2
    (folder / "a/LICENSE").write_bytes(UNLICENSE)
    after = SOURCE.split("s", config)
    changed = {one.key for one in before} - {one.key for one in after}
    assert changed == {one.key for one in with_a}
    assert [one.number for one in before] == [one.number for one in after]
    rows = read_partitions(SOURCE, after, config).rows
    assert Counter((row["repository"], row["license"]) for row in rows) == {
        ("a", "Unlicense"): 300,
        ("b", "MIT"): 300,
    }
    assert skipped(folder)["license_text"][0] == 2


def test_repositories(tmp_path: Path) -> None:
    """A repository is one document: README first, then by path, each file under its path."""
    files = {
        "a/docs/README.rst": b"Docs\n",
        "a/README.md": b"# A\n",
        "a/z.c": b"int z;",
        "a/b/y.c": b"int y;\n",
        "a/x.py": b"x = 1\n",
        "c/x.go": b"package x\n",
        "loose.py": b"y = 1\n",
    }
    found = read(write(tmp_path / "root", {**files, "a/LICENSE": MIT}), documents="repository")
    assert [(row["id"], row["repository"]) for row in found.rows] == [(".", "root"), ("a", "a"), ("c", "c")]
    first = found.rows[1]
    assert first["text"] == (
        "Repository: a\n\nFile: README.md\n# A\n\nFile: docs/README.rst\nDocs\n\nFile: b/y.c\nint y;\n"
        "\nFile: x.py\nx = 1\n\nFile: z.c\nint z;\n"
    )
    assert (first["programming_language"], first["license"], first["repository"], first["path"]) == (
        "C",
        "MIT",
        "a",
        None,
    )
    assert found.rows[2]["license"] is None


def test_headers_of_repositories(tmp_path: Path) -> None:
    """Separators are the recipe's; a name cannot add lines of its own, and braces in names stay."""
    files = {"a/{path}.py": b"x = 1\n", "a/evil\nFile: b.py": b"#!/bin/sh\necho\n"}
    found = read(
        write(tmp_path, files),
        documents="repository",
        repository_header="<repo>{repository}",
        file_header="<f>{path}\n",
    )
    assert found.rows[0]["text"] == "<repo>a<f>evil?File: b.py\n#!/bin/sh\necho\n<f>{path}.py\nx = 1\n"


def test_long_repositories_are_split(tmp_path: Path) -> None:
    """Documents are no longer than the limit, cut between files; the repository is counted once."""
    folder = write(tmp_path, {f"a/{i:02}.py": b"x = %d\n" % i * 30 for i in range(20)})
    found = read(folder, documents="repository", max_document_bytes=1000)
    assert [row["id"] for row in found.rows][:3] == ["a", "a#1", "a#2"]
    assert [row["offset"] for row in found.rows] == list(range(len(found.rows)))
    assert all(len(row["text"]) <= 1000 and row["text"].startswith("Repository: a\n") for row in found.rows)
    texts = "".join(row["text"] for row in found.rows)
    assert [texts.count(f"x = {i}\n") for i in range(20)] == [30] * 20
    assert found.repaired == {"split_repository": 1}


def test_what_a_repository_is(tmp_path: Path) -> None:
    """A folder in the root; all of the root; or what has a ``.git``, which is a file in worktrees."""
    files = {"g/x/a.py": b"a = 1\n", "g/x/s/b.py": b"b = 1\n", "g/y/c.py": b"c = 1\n", "h/d.py": b"d = 1\n"}
    folder = write(tmp_path / "root", files)
    (folder / "g/x/.git").mkdir()
    (folder / "g/y/.git").write_text("gitdir: elsewhere")
    for how, expected in (
        ("child", [("g", "x/a.py"), ("g", "x/s/b.py"), ("g", "y/c.py"), ("h", "d.py")]),
        ("root", [("root", name) for name in files]),
        ("git", [("g/x", "a.py"), ("g/x", "s/b.py"), ("g/y", "c.py"), ("h", "d.py")]),
    ):
        found = read(folder, repository=how)
        assert [(row["repository"], row["path"]) for row in found.rows] == expected
        whole = read(folder, repository=how, documents="repository")
        assert [row["repository"] for row in whole.rows] == sorted({name for name, _ in expected})
        assert len({row["id"] for row in whole.rows}) == len(whole.rows)


@pytest.mark.parametrize("name", ["a-1.0.tar.gz", "a-1.0.tar", "a-1.0.zip"])
def test_archives(tmp_path: Path, name: str) -> None:
    """An archive is one repository; licences are found wherever they stand; offsets and ids name the member."""
    members = {
        "r/x.py": b"x = 1\n",
        "r/sub/y.c": b"int y;\n",
        "../evil.py": b"e = 1\n",
        "r/sub/LICENSE": UNLICENSE,
        "r/LICENSE": MIT,
    }
    content = zipped(members) if name.endswith("zip") else tar(members)
    write(tmp_path, {f"deep/{name}": gzip.compress(content) if name.endswith("gz") else content, "b.py": b"b = 1\n"})
    found = read(tmp_path)
    assert [(row["id"], row["license"], row["repository"], row["path"], row["file"]) for row in found.rows] == [
        ("b.py", None, tmp_path.name, "b.py", "b.py"),
        (f"deep/{name}#r/x.py", "MIT", "a-1.0", "r/x.py", f"deep/{name}"),
        (f"deep/{name}#r/sub/y.c", "Unlicense", "a-1.0", "r/sub/y.c", f"deep/{name}"),
    ]
    if not name.endswith("zip"):
        assert [content[row["offset"] :][: len(row["text"])].decode() for row in found.rows[1:]] == [
            "x = 1\n",
            "int y;\n",
        ]
    (bad,) = found.quarantined
    assert (bad["file"], bad["reason"], bad["bytes"]) == (f"deep/{name}", "unsafe_path", 6)
    assert skipped(tmp_path)["license_text"][0] == 2
    whole = read(tmp_path, documents="repository")
    assert [row["id"] for row in whole.rows] == [".", f"deep/{name}"]
    assert whole.rows[1]["text"].startswith("Repository: a-1.0\n\nFile: r/sub/y.c\nint y;\n\nFile: r/x.py\n")
    assert whole.rows[1]["license"] == "MIT AND Unlicense"
    assert len(whole.quarantined) == 1


def test_what_is_hidden(tmp_path: Path) -> None:
    """Names with a dot first are not listed in folders, and counted in archives; a link to a licence is no licence."""
    files = {".git/hooks/x.py": b"x = 1\n", "r/.y.py": b"y = 1\n", "r/z.py": b"z = 1\n"}
    folder = write(tmp_path / "root", {**files, "a.zip": zipped(files)})
    (tmp_path / "text").write_bytes(UNLICENSE)
    (folder / "r/LICENSE").symlink_to(tmp_path / "text")
    found = read(folder)
    assert [(row["path"], row["license"]) for row in found.rows] == [("z.py", None), ("r/z.py", None)]
    assert skipped(folder)["hidden"] == (2, 12)


@pytest.mark.parametrize("documents", ["file", "repository"])
def test_an_archive_of_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, documents: str) -> None:
    """Many members that are no files do not gather in memory."""
    monkeypatch.setattr(code_documents, "_BATCH_EVENTS", 10)
    config = settings_of(write(tmp_path, {"a.tar": tar({f"../{i}": b"" for i in range(100)})}), documents=documents)
    (partition,) = SOURCE.split("s", config)
    batches = list(SOURCE.read(partition, config))
    assert [batch.quarantined.num_rows for batch in batches if batch.quarantined is not None] == [10] * 10


def test_large_archives_are_streams(tmp_path: Path) -> None:
    """They are one partition that is ingested first."""
    folder = write(tmp_path, {"a.zip": zipped({"x.py": b"x = 1\n"}), "b.py": b"b = 1\n"})

    def streams(**settings: Any) -> list[bool]:
        return [partition.stream for partition in SOURCE.split("s", settings_of(folder, **settings))]

    assert streams() == [False, False]
    assert streams(ingest_above_bytes=10) == [False, True]


def test_a_damaged_archive(tmp_path: Path) -> None:
    """What is before the damage is read, what is behind is one quarantine record."""
    content = gzip.compress(tar({f"{i}.py": os.urandom(3000).hex().encode() for i in range(50)}), 1)
    write(tmp_path, {"a.tgz": content[: len(content) // 2], "b.zip": b"not a zip"})
    found = read(tmp_path, max_mean_line=None, max_line=None)
    assert 15 < len(found.rows) < 30
    assert [(bad["file"], bad["reason"]) for bad in found.quarantined] == [
        ("a.tgz", "truncated_stream"),
        ("b.zip", "damaged_archive"),
    ]


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A link in a tree may lead anywhere; neither linked files nor what is in linked folders is read."""
    secret = write(tmp_path / "outside", {"secret.py": b"password = 1\n"})
    folder = write(tmp_path / "root", {"r/a.py": b"a = 1\n"})
    (folder / "r/link.py").symlink_to(secret / "secret.py")
    (folder / "r/folder").symlink_to(secret)
    assert [row["id"] for row in read(folder).rows] == ["r/a.py"]
    assert skipped(folder)["link"] == (2, 26)
    (tmp_path / "to_root").symlink_to(folder)
    assert [row["id"] for row in read(tmp_path / "to_root").rows] == ["r/a.py"]


@pytest.mark.parametrize("documents", ["file", "repository"])
def test_rows_do_not_depend_on_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, documents: str) -> None:
    """Batches of any size, and partitions of any cut, give the same rows and counts."""
    files = {
        f"{i % 7}/{i:03}.py": b"\xff" if i % 10 == 0 else b"" if i % 11 == 0 else b"x = %d\n" % i for i in range(300)
    }
    write(tmp_path, {**files, "3/LICENSE": MIT, "z.zip": zipped({"../a": b"", **files})})
    whole, left_out = read(tmp_path, documents=documents), skipped(tmp_path, documents=documents)
    assert left_out["empty"][0] == 2 * 25
    for size, events, group in ((1, 1, 50), (60, 7, 3), (10**6, 10**6, 1)):
        monkeypatch.setattr(code_documents, "BATCH_BYTES", size)
        monkeypatch.setattr(code_documents, "_BATCH_EVENTS", events)
        monkeypatch.setattr(text, "MAX_GROUP_FILES", group)
        assert read(tmp_path, documents=documents) == whole
        assert skipped(tmp_path, documents=documents) == left_out


def test_a_new_file_leaves_other_partitions_alone(tmp_path: Path) -> None:
    """Partitions without the new file or repository keep their numbers and keys."""
    write(tmp_path, {f"{i % 50:02}/{i:04}.py": b"x = 1\n" for i in range(4000)})
    for documents in ("file", "repository"):
        config = settings_of(tmp_path, documents=documents)
        before = {(one.number, one.key) for one in SOURCE.split("s", config)}
        write(tmp_path, {f"25{documents}/new.py": b"x = 1\n"})
        after = {(one.number, one.key) for one in SOURCE.split("s", config)}
        assert len(before - after) <= 1
        assert len(after - before) <= 2


def test_a_file_that_changes(tmp_path: Path) -> None:
    """A file of another size than when it was split stops the run."""
    config = settings_of(write(tmp_path, {"a.py": b"a = 1\n"}))
    partitions: list[Partition] = list(SOURCE.split("s", config))
    write(tmp_path, {"a.py": b"a = 10\n"})
    with pytest.raises(SourceError, match="start the run again"):
        read_partitions(SOURCE, partitions, config)


def test_files_that_only_look_compressed(tmp_path: Path) -> None:
    """The first bytes of a source file are not taken for a compression: it is binary, and the run goes on."""
    folder = write(tmp_path, {"a.py": b"PK\x03\x04\0\0", "b.py": b"\x1f\x8b\x08\0", "c.py": b"c = 1\n"})
    assert [row["id"] for row in read(folder).rows] == ["c.py"]
    assert skipped(folder)["binary"][0] == 2


def test_the_standard_library(tmp_path: Path) -> None:
    """Of this Python's own modules every file is in the books once, and nearly all of the Python is kept."""
    root = Path(sysconfig.get_path("stdlib"))
    exclude = ["site-packages/**", "dist-packages/**", "test/**", "**/tests/**", "**/__pycache__/**", "lib-dynload/**"]
    config = CodeConfig(path=str(root), exclude=exclude, repository="root")
    found = read_all(SOURCE, config)
    names = {row["id"] for row in found.rows if row["programming_language"] == "Python"}
    assert {"json/decoder.py", "ast.py", "asyncio/events.py"} <= names
    files = [piece for one in SOURCE.split("s", config) for piece in one.pieces if piece.end or not piece.size]
    counts: Counter[str] = Counter()
    for partition in SOURCE.split("s", config):
        for batch in SOURCE.read(partition, config):
            counts.update({reason: count for reason, (count, _) in batch.skipped.items()})
    assert len(found.rows) + len(found.quarantined) + sum(counts.values()) == len(files)
    modules = [
        piece for piece in files if piece.relative.endswith(".py") and piece.size and not Path(piece.uri).is_symlink()
    ]
    assert len(names) > 0.9 * len(modules)
    assert sys.version_info >= (3, 11)


@pytest.mark.data
def test_real_archives(real_data: Path) -> None:
    """Every member of the real zips is a row or counted."""
    import zipfile

    config = CodeConfig(path=str(real_data / "nltk" / "*.zip"))
    found = read_all(SOURCE, config)
    counts: Counter[str] = Counter()
    for partition in SOURCE.split("s", config):
        for batch in SOURCE.read(partition, config):
            counts.update({reason: count for reason, (count, _) in batch.skipped.items()})
    members = 0
    for file in (real_data / "nltk").glob("*.zip"):
        members += sum(not info.is_dir() for info in zipfile.ZipFile(file).infolist())
    assert len(found.rows) + sum(counts.values()) == members
    assert found.quarantined == []
    assert len(found.rows) > 2000

"""The folder of an export holds what its manifest says, and nobody else's files are touched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import StoreError
from pipeline.sinks.folder import MANIFEST, MARKER, ExportFolder, new_file
from pipeline.storage import Folder
from pipeline.store import DataFile

OWNER = ("small", "clean")


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Folder]:
    """An empty folder on a disk, and one of fsspec."""
    if request.param == "disk":
        yield Folder(f"{tmp_path}/out")
        return
    yield Folder(f"memory:/{tmp_path}/out")


def part(target: ExportFolder, content: bytes, below: str = "") -> DataFile:
    """A file of the export, written as a unit writes it."""
    with new_file(target.folder) as file:
        file.sink.write(content)
        checksum = file.sink.checksum()
        name = f"{below}part-00000-{checksum[:12]}.jsonl"
        file.publish(name)
    return DataFile(name, len(content), 1, checksum)


def test_a_file_appears_under_its_name_only(folder: Folder) -> None:
    """What is published is there, in a folder below too; nothing else stays."""
    target = ExportFolder(folder, OWNER)
    names = {part(target, b"{}\n").name, part(target, b"[]\n", "language=de/").name}
    assert set(target.files()) == names


def test_what_fails_leaves_nothing(folder: Folder) -> None:
    """A file that is not published is deleted."""
    target = ExportFolder(folder, OWNER)
    with pytest.raises(RuntimeError), new_file(folder) as file:
        file.sink.write(b"half")
        raise RuntimeError
    assert target.files() == {}


def test_the_manifest_takes_the_place_of_the_earlier_one(folder: Folder) -> None:
    """Files of an earlier export go once the manifest names the new ones; the marker goes too."""
    target = ExportFolder(folder, OWNER)
    target.mark()
    old = part(target, b"old\n")
    target.finish([old], {})
    target.check()
    target.mark()
    new = part(target, b"new\n", "language=de/")
    assert set(target.files()) == {old.name, new.name, MANIFEST, MARKER}
    target.finish([new], {"schema": {"text": "string"}})
    assert set(target.files()) == {new.name, MANIFEST}
    manifest = json.loads(folder.read(MANIFEST))
    assert (manifest["recipe"], manifest["export"]) == OWNER
    assert (manifest["rows"], manifest["bytes"], manifest["schema"]) == (1, 4, {"text": "string"})
    assert manifest["files"] == [{"name": new.name, "rows": 1, "bytes": 4, "xxh3_128": new.checksum}]


def test_a_killed_export_may_go_on(folder: Folder) -> None:
    """With the marker there, parts are known to be ours; litter of a killed writer is none's, and goes at the end."""
    target = ExportFolder(folder, OWNER)
    folder.write("_exporting.json.0123abcd.tmp", b"half")
    target.check()
    target.mark()
    file = part(target, b"{}\n")
    for litter in (".0123456789ab.tmp", "_manifest.json.0123abcd.tmp"):
        folder.write(litter, b"half")
    target.check()
    target.finish([file], {})
    assert set(target.files()) == {file.name, MANIFEST}


@pytest.mark.parametrize("name", ["notes.txt", "data.parquet", "part-00000-0123456789ab.parquet", "below/a.jsonl"])
def test_foreign_files_are_refused(folder: Folder, name: str) -> None:
    """A folder that holds anything without a manifest of ours is left alone, and the error names what it holds."""
    below, _, last = name.rpartition("/")
    (folder.child(below) if below else folder).write(last, b"x")
    with pytest.raises(StoreError, match=f"did not write: {name}") as caught:
        ExportFolder(folder, OWNER).check()
    assert "empty folder" in str(caught.value.remedy)


def test_data_beside_an_export_is_refused(folder: Folder) -> None:
    """A reader of the folder would take a foreign data file for a part of it; a note beside it harms nobody."""
    target = ExportFolder(folder, OWNER)
    target.finish([part(target, b"{}\n")], {})
    folder.write("README.md", b"x")
    target.check()
    folder.write("more.jsonl", b"x")
    with pytest.raises(StoreError, match=r"did not write: more\.jsonl"):
        target.check()
    target.finish([], {})
    assert folder.read("more.jsonl") == b"x" and folder.read("README.md") == b"x"


@pytest.mark.parametrize("name", [MANIFEST, MARKER])
def test_another_export_is_not_replaced(folder: Folder, name: str) -> None:
    """The manifest or marker of another recipe's export, or one that is none, stops the run."""
    other = ExportFolder(folder, ("large", "clean"))
    other.mark() if name == MARKER else other.finish([], {})
    with pytest.raises(StoreError, match="holds export 'clean' of recipe 'large'"):
        ExportFolder(folder, OWNER).check()
    folder.write(name, b"[]")
    with pytest.raises(StoreError, match="not the manifest of an export"):
        ExportFolder(folder, OWNER).check()


def test_a_place_that_cannot_be_written_is_refused() -> None:
    """Nothing is asked of a web server to find that out."""
    with pytest.raises(StoreError, match="has no way to write"):
        ExportFolder(Folder("http://127.0.0.1:9/out"), OWNER).check()


def test_a_full_disk_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be flushed is not published."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    target = ExportFolder(Folder(f"{tmp_path}/out"), OWNER)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        part(target, b"{}\n")
    assert target.files() == {}

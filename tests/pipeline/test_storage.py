"""Files are written whole or not at all, and folders mean the same in every process."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StoreError
from pipeline.storage import Folder, filesystem


def test_write_and_read_back(tmp_path: Path) -> None:
    """What is written is read; writing makes the folders above and replaces an earlier file."""
    folder = Folder(str(tmp_path)).child("a").child("b")
    folder.write("x.json", b"one")
    folder.write("x.json", b"two\0")
    assert folder.read("x.json") == b"two\0"
    assert folder.exists("x.json") and folder.names() == ["x.json"]


def test_no_temporary_file_stays(tmp_path: Path) -> None:
    """A write leaves its file and nothing else."""
    for index in range(20):
        Folder(str(tmp_path)).write("x", bytes(index))
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """A full disk leaves the earlier file as it was, and no temporary one."""
    folder = Folder(str(tmp_path))
    folder.write("x", b"old")

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space left"):
        folder.write("x", b"new")
    assert folder.read("x") == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    """Asking an absent folder is not an error; reading a file in it is FileNotFoundError."""
    folder = Folder(str(tmp_path / "absent"))
    assert folder.names() == []
    assert not folder.exists("x")
    folder.delete("x")
    with pytest.raises(FileNotFoundError):
        folder.read("x")


def test_names_are_files_in_order(tmp_path: Path) -> None:
    """``names`` lists files and not folders, sorted."""
    folder = Folder(str(tmp_path))
    for name in ("b", "a", "ä"):
        folder.write(name, b"")
    folder.child("folder").make()
    assert folder.names() == ["a", "b", "ä"]
    folder.delete("a")
    assert folder.names() == ["b", "ä"]


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder named by a relative path is the same one after a change of directory, and in another process."""
    monkeypatch.chdir(tmp_path)
    folder = Folder("./store")
    folder.write("x", b"1")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert pickle.loads(pickle.dumps(folder)).read("x") == b"1"
    assert not Folder("./store").exists("x")
    assert filesystem("store")[1] == str(tmp_path / "elsewhere" / "store")


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Folder("~/store").path == str(tmp_path / "store")


def test_a_file_uri_is_a_local_folder(tmp_path: Path) -> None:
    """``file://`` names the same folder as the path does."""
    folder = Folder(f"file://{tmp_path}")
    folder.write("x", b"1")
    assert folder.is_local and Folder(str(tmp_path)).read("x") == b"1"


@pytest.mark.parametrize(("uri", "near"), [("htps://x/y", "https://"), ("hff://x", "hf://"), ("zzzzzz://x", "s3://")])
def test_an_unknown_scheme_is_refused(uri: str, near: str) -> None:
    """A scheme that neither pyarrow nor fsspec knows is a StoreError that names the nearest, or what works."""
    with pytest.raises(StoreError, match=f"cannot open {uri}: no file system is called") as caught:
        Folder(uri).names()
    assert near in str(caught.value.remedy)


def test_children_of_folders_with_a_slash() -> None:
    """A slash at the end changes nothing."""
    assert Folder("/a/").child("b") == Folder("/a").child("b")
    assert Folder("s3://bucket/a/").child("b").uri == "s3://bucket/a/b"
    assert Folder("/").file("x") == "/x"

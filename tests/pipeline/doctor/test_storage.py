"""Round trips through disks and object stores: each check in a case where it fails, and nothing is left behind."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import machine
from pipeline.doctor import storage
from pipeline.storage import Folder
from tests.object_store import bucket


def checks(uri: str) -> dict[str, Any]:
    return {check.name: check for check in storage.storage(uri)}


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte says as much as 64 in a test."""
    monkeypatch.setattr(storage, "LARGE_BYTES", 2**20)
    monkeypatch.setattr(storage, "SLOW_MB_PER_S", 0.0)
    monkeypatch.setattr(storage, "SLOW_FLUSH_SECONDS", 1e9)
    monkeypatch.setattr(storage, "LOW_BYTES", 0)


def test_a_disk(tmp_path: Path) -> None:
    """A store that is not there yet is tried out beside it, and nothing is left."""
    found = checks(str(tmp_path / "new/store"))
    assert {name: check.status for name, check in found.items()} == {"store: space": "ok", "store": "ok"}
    assert found["store"].facts.keys() == {"write_mb_per_s", "flush_and_rename_seconds", "clock_difference_seconds"}
    assert not list(tmp_path.iterdir())


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is the system's."""

    def refuse(*_: Any, **__: Any) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    assert checks(str(tmp_path))["store"].status == "failed"
    assert "Permission denied" in checks(str(tmp_path))["store"].found


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing fails; what was written is taken away."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "_write", full)
    assert "No space left" in checks(str(tmp_path))["store"].found
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SLOW_MB_PER_S", 1e9, "slow"),
        ("SLOW_FLUSH_SECONDS", 0.0, "slow"),
        ("keeps_names", lambda folder: False, "names of files are changed"),
        ("_can_lock", lambda folder: False, "files cannot be locked"),
        ("_can_link", lambda folder: False, "no hard links"),
        ("_clock_difference", lambda folder: -60.0, "its clock is -60 s off"),
    ],
)
def test_what_a_disk_may_lack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: Any, said: str
) -> None:
    """Each makes a warning with a remedy, for a run may work without it."""
    monkeypatch.setattr(storage, name, value)
    check = checks(str(tmp_path))["store"]
    assert check.status == "warning"
    assert said in check.found
    assert check.remedy


def test_locks_and_links_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that does not keep a second one out is none; so is a link that cannot be made."""
    (tmp_path / "large").write_text("x")
    assert storage._can_lock(str(tmp_path))
    assert storage._can_link(str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    assert not storage._can_lock(str(tmp_path))
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(1, "no")))
    assert not storage._can_link(str(tmp_path))


@pytest.mark.parametrize(
    ("disk", "said"),
    [
        (machine.Disk("/", 10**12, 10**9, 10**9, 10**9), "free some"),
        (machine.Disk("/", 10**12, 10**12, 10**6, 5), "only 5 inodes"),
    ],
)
def test_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: machine.Disk, said: str) -> None:
    """Bytes or inodes that run out are a warning."""
    monkeypatch.setattr(storage, "LOW_BYTES", 5 * 10**9)
    check = storage._space(disk, "store")
    assert check.status == "warning"
    assert said in f"{check.found} {check.remedy}"


def test_the_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at like a store."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    names = [check.name for check in storage.temporary()]
    assert names == ["temporary folder: space", "temporary folder"]
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with bucket() as uri:
        yield uri


def left(uri: str) -> list[str]:
    import pyarrow.fs as pafs

    fs, path = pafs.FileSystem.from_uri(uri)
    return [info.path for info in fs.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True))]


@pytest.mark.s3
def test_an_object_store(s3: str) -> None:
    """Every step is timed, and nothing is left."""
    check = checks(f"{s3}/store")["store"]
    assert check.status == "ok", check.found
    steps = ("write", "read", "list", "read_part", "overwrite", "delete")
    assert list(check.facts) == [f"{step}_seconds" for step in steps]
    assert not left(s3)


@pytest.mark.s3
def test_a_bucket_that_is_not_there(s3: str) -> None:
    """The step that failed is named, with what the service said."""
    check = checks(f"{s3}-nothing/store")["store"]
    assert check.status == "failed"
    assert "write: " in check.found
    assert "credentials" in str(check.remedy)


@pytest.mark.s3
@pytest.mark.parametrize(
    ("method", "lie", "said"),
    [
        ("read", lambda self, name: b"stale", "other bytes came back"),
        ("names", lambda self: [], "a listing does not show"),
        ("delete", lambda self, name: None, "a deleted object is still listed"),
    ],
)
def test_an_object_store_that_lies(s3: str, monkeypatch: pytest.MonkeyPatch, method: str, lie: Any, said: str) -> None:
    """Stale reads, late listings and deletions that do not happen are failures."""
    monkeypatch.setattr(Folder, method, lie)
    check = checks(f"{s3}/store")["store"]
    assert check.status == "failed"
    assert said in check.found


@pytest.mark.s3
def test_an_object_that_cannot_be_overwritten(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that keeps the first of two writes would keep the litter of a killed attempt."""
    before, written = Folder.write, set[str]()

    def once(self: Folder, name: str, content: bytes) -> None:
        if name not in written:
            written.add(name)
            before(self, name, content)

    monkeypatch.setattr(Folder, "write", once)
    assert "still shows its old bytes" in checks(f"{s3}/store")["store"].found
    assert not [path for path in left(s3) if os.path.basename(path) == "object" and "doctor" not in path]

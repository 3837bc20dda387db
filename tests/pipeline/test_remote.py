"""File systems of fsspec: opened by URI in any process, read by ranges, failures told apart."""

from __future__ import annotations

import errno
import pickle
import sys
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from pipeline import remote_errors
from pipeline.errors import SourceError, StoreError
from pipeline.remote import split_chain
from pipeline.remote_errors import DELAYS_SECONDS, system_error
from pipeline.remote_files import READ_AHEAD_BYTES
from pipeline.runs import data_checksums
from pipeline.sources.streams import is_transport_error
from pipeline.storage import Folder, check_writable, entries, entry, filesystem, handler_of
from tests.pipeline.corpora import run, write_corpus, write_recipe
from tests.web_server import Site, web_site

CONTENT = bytes(range(256)) * (3 * READ_AHEAD_BYTES // 256) + b"the end"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(remote_errors, "DELAYS_SECONDS", (0.0,) * len(DELAYS_SECONDS))
    with web_site() as found:
        found.files["/a.bin"] = CONTENT
        yield found


def opened(uri: str) -> pa.NativeFile:
    fs, path = filesystem(uri)
    return fs.open_input_file(path)


def test_a_file_is_read_by_ranges(site: Site) -> None:
    """From the beginning, from anywhere, and from the end; little more is asked for than is read."""
    with opened(f"{site.url}/a.bin") as file:
        assert file.size() == len(CONTENT)
        file.seek(len(CONTENT) - 7)
        assert file.read() == b"the end" and file.read() == b""
        assert site.sent == 7
        file.seek(1000)
        assert file.read(500) == CONTENT[1000:1500]
        assert site.sent == 7 + 500 + READ_AHEAD_BYTES
        file.seek(0)
        pieces = []
        while piece := file.read(READ_AHEAD_BYTES):
            pieces.append(piece)
        assert b"".join(pieces) == CONTENT
    assert site.sent < 2.5 * len(CONTENT)


def test_a_server_without_ranges(site: Site) -> None:
    """The file is copied once and then read like any other."""
    site.ranges = False
    with opened(f"{site.url}/a.bin") as file:
        for start in (len(CONTENT) - 7, 0, 12345):
            file.seek(start)
            assert file.read(1000) == CONTENT[start : start + 1000]
    assert site.sent <= 2 * len(CONTENT)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("faults", [[500], ["drop"], [503, "drop", 429]])
def test_passing_failures_are_tried_again(site: Site, ranges: bool, faults: list[int | str]) -> None:
    """A server that fails, is busy, or closes the connection in the middle costs a request, and no byte."""
    site.ranges = ranges
    site.faults["GET", "/a.bin"] = [*faults]
    with opened(f"{site.url}/a.bin") as file:
        file.seek(1)
        assert file.read() == CONTENT[1:]
    assert site.faults["GET", "/a.bin"] == []


@pytest.mark.parametrize("fault", [500, "drop"])
def test_what_does_not_pass_is_a_transport_error(site: Site, fault: int | str) -> None:
    """A file that cannot be read for the server's sake is not damaged, so readers hand the error on."""
    site.faults["GET", "/a.bin"] = [fault] * 20
    with opened(f"{site.url}/a.bin") as file, pytest.raises(ConnectionError) as caught:
        file.read(100)
    assert is_transport_error(caught.value)
    assert site.asked["GET", "/a.bin"] == 1 + len(DELAYS_SECONDS)


def test_parquet_reports_transport_errors_as_they_are(site: Site) -> None:
    """An error that goes through Arrow's C++ comes out as it went in."""
    out = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": ["a" * 1000] * 1000}), out, compression="none", use_dictionary=False)
    site.files["/a.parquet"] = out.getvalue().to_pybytes()
    with opened(f"{site.url}/a.parquet") as source:
        file = pq.ParquetFile(source)
        site.faults["GET", "/a.parquet"] = [500] * 20
        with pytest.raises(OSError) as caught:
            file.read()
    assert is_transport_error(caught.value)


def test_what_is_not_there(site: Site) -> None:
    """404 is FileNotFoundError, 403 PermissionError, and neither is tried again for long."""
    fs, path = filesystem(f"{site.url}/b.bin")
    assert entry(fs, path) is None
    with pytest.raises(FileNotFoundError):
        fs.open_input_file(path)
    site.faults["HEAD", "/a.bin"] = site.faults["GET", "/a.bin"] = [403] * 9
    with pytest.raises(PermissionError, match="403"):
        entry(*filesystem(f"{site.url}/a.bin"))
    assert site.asked["HEAD", "/a.bin"] == 1


def test_a_file_of_unknown_size(site: Site) -> None:
    """Without a length nothing can be split or checked, so it is said what to do."""
    site.sized = False
    with pytest.raises(SourceError, match="does not say how large") as caught:
        opened(f"{site.url}/a.bin")
    assert "download" in str(caught.value.remedy)


def test_a_changed_file_has_another_stamp(site: Site) -> None:
    """Of the same size too: the server's ETag tells."""
    uri = f"{site.url}/a.bin"
    before = entry(*filesystem(uri))
    assert before == entry(*filesystem(uri))
    site.files["/a.bin"] = CONTENT[::-1]
    after = entry(*filesystem(uri))
    assert before and after and before.size == after.size and before.stamp != after.stamp


def test_file_systems_travel(site: Site) -> None:
    """A pickled file system reads in the process that unpickles it."""
    fs, path = pickle.loads(pickle.dumps(filesystem(f"{site.url}/a.bin")))
    with fs.open_input_file(path) as file:
        assert file.read(4) == CONTENT[:4]


def test_memory_is_a_folder_like_any_other() -> None:
    """What is written is read, listed, replaced and deleted; its stamp changes."""
    folder = Folder("memory://test_memory/a")
    assert folder.names() == [] and not folder.exists("x")
    folder.write("x", b"one")
    first = entry(folder.fs, folder.file("x"))
    folder.write("x", b"two")
    folder.child("below").write("y", b"")
    assert first != entry(folder.fs, folder.file("x"))
    assert folder.read("x") == b"two" and folder.names() == ["x"]
    assert {one.name: one.is_folder for one in entries(folder.fs, folder.path)} == {"x": False, "below": True}
    infos = folder.fs.get_file_info(pafs.FileSelector(folder.path, recursive=True))
    assert sorted(info.base_name for info in infos) == ["below", "x", "y"]
    folder.delete("x")
    assert folder.names() == []
    with pytest.raises(FileNotFoundError):
        folder.read("x")


def test_members_of_an_archive(tmp_path: Path, site: Site) -> None:
    """A chain of URIs leads into an archive on a server; a damaged one is an error that says so."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/a.bin", CONTENT)
    site.files["/a.zip"] = (tmp_path / "a.zip").read_bytes()
    uri = f"zip://in/a.bin::{site.url}/a.zip"
    with opened(uri) as file:
        assert file.read(6) == CONTENT[:6]
        assert file.size() == len(CONTENT)
        file.seek(0)
        assert file.read() == CONTENT
    found = entry(*filesystem(uri))
    assert found and found.size == len(CONTENT) and found.stamp
    site.files["/b.zip"] = b"no archive" * 100
    with pytest.raises(SourceError, match="damaged archive"):
        filesystem(f"zip://a::{site.url}/b.zip")


def test_chains() -> None:
    """Where a chain is cut; an IPv6 address is no chain."""
    assert split_chain("zip://a/*.x::https://h/b.zip") == ("zip://a/*.x", "::https://h/b.zip")
    assert split_chain("simplecache::https://h/b") == ("simplecache::https://h/b", "")
    assert split_chain("zip://a::simplecache::s3://b/c") == ("zip://a", "::simplecache::s3://b/c")
    assert split_chain("http://[::1]:80/a") == ("http://[::1]:80/a", "")


@pytest.mark.parametrize(
    ("uri", "module", "remedy"),
    [
        ("https://h/a", "aiohttp", "pip install 'gristmill[remote]'"),
        ("hf://datasets/a/b", "huggingface_hub", "pip install 'gristmill[remote]'"),
        ("oss://bucket/a", "ossfs", "pip install 'gristmill[remote]'"),
        ("az://c/a", "adlfs", "Install adlfs"),
        ("zip://a::oss://bucket/a.zip", "ossfs", "pip install 'gristmill[remote]'"),
    ],
)
def test_a_missing_package_is_named(uri: str, module: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install: our extra where it has it, the package where it has not."""
    known = import_module("fsspec.registry")
    for protocol in list(known._registry):
        monkeypatch.delitem(known._registry, protocol)
    for name in [name for name in sys.modules if name.startswith("fsspec.implementations.http")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    scheme = uri.rpartition("::")[2].partition("://")[0]
    with pytest.raises(StoreError, match=f"the package for {scheme}:// is missing") as caught:
        filesystem(uri)
    assert remedy in str(caught.value.remedy)


def test_hugging_face_is_fsspecs(monkeypatch: pytest.MonkeyPatch) -> None:
    """``hf://`` is opened by ``huggingface_hub`` and may be written: a file appears with its commit."""
    fs, path = filesystem("hf://datasets/owner/name@main/data/a.parquet")
    handler = handler_of(fs)
    assert handler is not None and type(handler.fs).__name__ == "HfFileSystem"
    assert path == "datasets/owner/name@main/data/a.parquet"
    check_writable("hf://datasets/owner/name/data")


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9/store", "https://127.0.0.1:9/store"])
def test_writing_where_files_are_not_replaced_whole(uri: str) -> None:
    """A store on a web server is refused before anything is sent, with what to use instead."""
    with pytest.raises(StoreError, match="has no way to write") as caught:
        check_writable(uri)
    assert "s3://" in str(caught.value.remedy)
    with pytest.raises(StoreError, match="has no way to write"):
        Folder(uri).write("x", b"")


class _Answer(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Library(Exception):
    """Of a library for the network."""


class _LibraryOSError(OSError):
    """The same, an OSError without a number."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_Answer(404), FileNotFoundError),
        (_Answer(401), PermissionError),
        (_Answer(503), ConnectionError),
        (_Library("reset"), ConnectionError),
        (_LibraryOSError("reset"), ConnectionError),
        (TimeoutError(), TimeoutError),
        (zipfile.BadZipFile("x"), SourceError),
    ],
)
def test_errors_in_our_terms(error: Exception, kind: type[Exception]) -> None:
    """Every OSError that comes out has a number, which is what tells the network from damage."""
    found = system_error(error, "x://y")
    assert isinstance(found, kind)
    assert not isinstance(found, OSError) or found.errno is not None


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), ValueError("a bug"), StoreError("ours"), KeyError(1)])
def test_other_errors_stay(error: Exception) -> None:
    """A full disk, a bug and our own errors are what they are."""
    assert system_error(error, "x://y") is error


def test_a_bug_behind_not_found_is_not_shown_in_its_place() -> None:
    """fsspec's archives raise FileNotFoundError from a KeyError."""
    error = FileNotFoundError("x")
    error.__cause__ = KeyError("x")
    assert system_error(error, "x://y") is error


def test_a_run_with_its_store_in_memory(tmp_path: Path) -> None:
    """A whole run on a file system of fsspec gives the bytes that it gives on a disk, exports too."""
    write_corpus(tmp_path)
    exports = "\nexports: {{x: {{path: '{path}', target_bytes: 50000}}}}\n"
    here = run(write_recipe(tmp_path, extra=exports.format(path=f"{tmp_path}/out")))
    memory = write_recipe(tmp_path, extra=exports.format(path="memory://test_run/out"))
    there = run(memory, overrides=["store=memory://test_run/store"])
    assert there.folder == "memory://test_run/runs/small"
    assert data_checksums(there) == data_checksums(here)
    again = run(memory, overrides=["store=memory://test_run/store"])
    assert set(again.executed.values()) == {0}

"""Sources on a web server."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import remote_errors
from pipeline.errors import SourceError
from pipeline.runs import Run
from pipeline.sources import jsonl, parquet, text
from pipeline.sources.listing import list_files
from pipeline.sources.streams import open_raw
from pipeline.storage import Folder
from tests.pipeline.corpora import run
from tests.pipeline.sources.reading import read_all
from tests.web_server import Site, web_site

LINES = "".join(json.dumps({"text": f"中文 {i}"}) + "\n" for i in range(200)).encode()
PAGE = b'<a href="a.jsonl">a</a> <a href="?C=N;O=D">by name</a> <a href="sub/">sub</a> <a href="../">up</a>'


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(remote_errors, "DELAYS_SECONDS", (0.0, 0.0, 0.0))
    with web_site() as found:
        found.files = {"/d/": PAGE, "/d/a.jsonl": LINES, "/d/sub/": b'<a href="b%20c.jsonl.gz">b</a>'}
        found.files["/d/sub/b%20c.jsonl.gz"] = gzip.compress(LINES)
        yield found


def test_named_files(site: Site) -> None:
    """A list of URLs is the way that always works; what stands behind ``?`` is sent and not in ids."""
    found = list_files([f"{site.url}/d/a.jsonl?signature=secret", f"{site.url}/d/sub/b%20c.jsonl.gz"])
    assert [file.relative for file in found] == ["a.jsonl", "b c.jsonl.gz"]
    assert found[0].size == len(LINES) and found[0].stamp
    assert found[0].uri.endswith("?signature=secret")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/d/*.jsonl", ["a.jsonl"]),
        ("/d/**/*.jsonl*", ["a.jsonl", "sub/b c.jsonl.gz"]),
        ("/d/", ["a.jsonl", "sub/b c.jsonl.gz"]),
        ("/d/*/b*", ["sub/b c.jsonl.gz"]),
    ],
)
def test_pages_with_links(site: Site, pattern: str, expected: list[str]) -> None:
    """Where a server shows its folders, globs mean the same as on a disk."""
    found = list_files(site.url + pattern, suffixes=(".jsonl", ".jsonl.gz"))
    assert [file.relative for file in found] == expected
    assert all(file.size and file.stamp for file in found)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/e/*.jsonl", "shows no list of files here\n.*name every file"),
        ("/d/a.jsonl/*", "shows no list of files here"),
        ("/d/*.parquet", r"no file matches\n.*/d has a\.jsonl, sub/"),
        ("/d/b.jsonl", "has no such file"),
        ("/d/sub/*.jsonl", r"no file matches\n.*b c\.jsonl\.gz"),
    ],
)
def test_nothing_found(site: Site, pattern: str, message: str) -> None:
    """The error says what there is, or how to name the files."""
    with pytest.raises(SourceError, match=message):
        list_files(site.url + pattern)


def test_a_server_that_does_not_answer(site: Site) -> None:
    """Planning ends with an error of ours and not with a traceback."""
    site.faults["HEAD", "/d/a.jsonl"] = site.faults["GET", "/d/a.jsonl"] = [500] * 20
    with pytest.raises(SourceError, match="cannot be reached: .*500"):
        list_files(f"{site.url}/d/a.jsonl")


def test_pages_without_end(site: Site) -> None:
    """A server whose pages link to ever deeper ones is left, and not followed for ever."""
    for depth in range(80):
        site.files["/x/" + "x/" * depth] = b'<a href="x/">deeper</a>'
    with pytest.raises(SourceError, match="folders more than 64 deep"):
        list_files(f"{site.url}/x/**/*.jsonl")


@pytest.mark.parametrize("ranges", [True, False])
def test_sources(site: Site, ranges: bool) -> None:
    """All kinds read from a web server, in parts too, whether it gives ranges or not."""
    site.ranges = ranges
    out = io.BytesIO()
    pq.write_table(pa.table({"text": ["a", "b"]}), out)
    site.files["/t.parquet"] = out.getvalue()
    config = jsonl.JsonlConfig(path=f"{site.url}/d/", split_bytes=1000)
    assert len(jsonl.SOURCE.split("s", config)) > 4
    assert [row["text"] for row in read_all(jsonl.SOURCE, config).rows] == [f"中文 {i}" for i in range(200)] * 2
    found = read_all(text.SOURCE, text.TextConfig(path=f"{site.url}/d/a.jsonl"))
    assert [row["text"] for row in found.rows] == [LINES.decode()]
    found = read_all(parquet.SOURCE, parquet.ParquetConfig(path=f"{site.url}/t.parquet"))
    assert [row["text"] for row in found.rows] == ["a", "b"]


def test_globs_inside_an_archive(site: Site, tmp_path: Path) -> None:
    """``zip://*.jsonl::http://…`` means the members that match."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("in/a.jsonl", "in/b.txt", "in/sub/c.jsonl"):
            archive.writestr(name, LINES)
    site.files["/a.zip"] = (tmp_path / "a.zip").read_bytes()
    config = jsonl.JsonlConfig(path=f"zip://in/**/*.jsonl::{site.url}/a.zip")
    assert [file.relative for file in list_files(config.path)] == ["a.jsonl", "sub/c.jsonl"]
    assert len(read_all(jsonl.SOURCE, config).rows) == 400


def test_globs_on_file_systems_of_fsspec() -> None:
    """They mean the same as on a disk, hard names too, and what is found can be opened by its URI."""
    folder = Folder("memory://test_globs/in")
    for name in ("a b%20c.jsonl", ".hidden.jsonl", "d.txt"):
        folder.write(name, LINES)
    folder.child("sub").write("e#f.jsonl", LINES)
    found = list_files("memory://test_globs/**/*.jsonl")
    assert [file.relative for file in found] == ["in/a b%20c.jsonl", "in/sub/e#f.jsonl"]
    for file in found:
        with open_raw(file.uri, file.size) as stream:
            assert stream.read() == LINES
    with pytest.raises(SourceError, match=r"no file matches\n.*in has a b%20c\.jsonl, d\.txt, sub/"):
        list_files("memory://test_globs/in/*.parquet")


def test_a_cache_in_front(site: Site, tmp_path: Path) -> None:
    """``simplecache::`` keeps a whole file on this machine: who reads it again asks the server for nothing."""
    uri = f"simplecache::{site.url}/d/a.jsonl"
    [found] = list_files(uri)
    assert (found.uri, found.relative, found.size) == (uri, "a.jsonl", len(LINES))
    asked = []
    for _ in range(2):
        with open_raw(uri, found.size) as stream:
            assert stream.read() == LINES
        asked.append(site.asked["GET", "/d/a.jsonl"])
    assert asked[0] == asked[1] > 0


RECIPE = """
name: web
store: {root}/store
sources: {{web: {{kind: jsonl, path: {url}/d/, split_bytes: 2000}}}}
execution: {{executor: local}}
"""


def recompute(tmp_path: Path, site: Site, workers: int) -> Run:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(root=tmp_path, url=site.url))
    return run(str(path), workers=workers)


def test_a_run_over_a_web_server(tmp_path: Path, site: Site) -> None:
    """Workers in other processes read it through a bad spell; later only what has changed is read again."""
    site.faults["GET", "/d/a.jsonl"] = [503, "drop", 500]
    first = recompute(tmp_path, site, workers=2)
    assert sum(first.executed.values()) == len(first.blocks_of("rows")[0].units) > 2
    assert set(recompute(tmp_path, site, workers=1).executed.values()) == {0}
    site.files["/d/sub/b%20c.jsonl.gz"] = gzip.compress(LINES.replace(b"7", b"8"))
    assert sum(recompute(tmp_path, site, workers=1).executed.values()) == 1

"""The source ``commoncrawl``."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from pipeline.errors import SourceError
from pipeline.sources.commoncrawl import SOURCE, CommonCrawlConfig, choose
from pipeline.storage import filesystem
from tests.pipeline.sources.archives import pages, read, warc

SNAPSHOT = "CC-MAIN-2024-18"
FOLDER = f"crawl-data/{SNAPSHOT}"
NAMES = [f"{FOLDER}/segments/{n % 3}/warc/CC-MAIN-{n:05d}.warc.gz" for n in range(20)]


def mirror(folder: Path, kind: str = "warc") -> Path:
    """A mirror with twenty archives of two records each, and their list."""
    names = [name.replace("warc", "wet") if kind == "wet" else name for name in NAMES]
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        records = pages(2, 500, first=10 * number)
        if kind == "wet":
            records = [warc(b"plain words", "conversion", number=10 * number, media="text/plain")]
        (folder / name).write_bytes(b"".join(map(gzip.compress, records)))
    (folder / FOLDER / f"{kind}.paths.gz").write_bytes(gzip.compress("\n".join(names).encode() + b"\n"))
    return folder


def settings(base: Path, **more: Any) -> CommonCrawlConfig:
    return CommonCrawlConfig(snapshot=SNAPSHOT, base=str(base), **more)


def chosen(config: CommonCrawlConfig) -> list[str]:
    return [partition.pieces[0].relative for partition in SOURCE.split("s", config)]


def test_a_mirror(tmp_path: Path) -> None:
    """All archives of the snapshot's own list are read, in the order of their names, with the snapshot's name."""
    config = settings(mirror(tmp_path))
    assert chosen(config) == sorted(NAMES)
    (first, *_) = SOURCE.split("s", config)
    (batch,) = SOURCE.read(first, config)
    rows = batch.rows.to_pylist()
    assert [row["id"] for row in rows] == [f"{NAMES[0]}#urn:uuid:0000000{n}" for n in (0, 1)]
    assert {(row["snapshot"], row["media_type"]) for row in rows} == {(SNAPSHOT, "text/html")}
    assert batch.rows.schema.names[-2:] == list(SOURCE.fields(config))


def test_wet(tmp_path: Path) -> None:
    """Extracted text needs no extraction."""
    config = settings(mirror(tmp_path, "wet"), records="wet", files=1)
    (partition,) = SOURCE.split("s", config)
    (batch,) = SOURCE.read(partition, config)
    assert batch.rows.column("text").to_pylist() == ["plain words"]
    assert SOURCE.stages(config) == ()
    assert [kind for kind, _ in SOURCE.stages(settings(tmp_path))] == ["extract"]


def test_large_archives_are_cut(tmp_path: Path) -> None:
    """Ranges give what whole archives give; they are not opened for it."""
    config = settings(mirror(tmp_path), split_bytes=300)
    assert len(SOURCE.split("s", config)) > len(NAMES)
    assert not any(partition.stream for partition in SOURCE.split("s", config))
    listed = {"snapshot": SNAPSHOT, "base": str(tmp_path)}
    path = tmp_path / FOLDER / "warc.paths.gz"
    assert read(path, SOURCE, **listed, split_bytes=300) == read(path, SOURCE, **listed)


def test_fractions(tmp_path: Path) -> None:
    """A larger fraction holds the smaller one; a path's lot does not depend on the other paths; a seed changes it."""
    config = settings(mirror(tmp_path), fraction=0.5)
    half = chosen(config)
    assert 4 <= len(half) <= 16
    assert set(chosen(settings(tmp_path, fraction=0.2))) <= set(half)
    assert choose(NAMES[:10], config) == [name for name in half if name in NAMES[:10]]
    assert chosen(settings(tmp_path, fraction=0.5, seed=1)) != half
    five = chosen(settings(tmp_path, files=5))
    assert len(five) == 5
    assert set(five) <= set(chosen(settings(tmp_path, files=6)))


def test_only_chosen_archives_have_to_be_there(tmp_path: Path) -> None:
    """Those that are not chosen are not asked for; of chosen ones that are missing it is said which."""
    mirror(tmp_path)
    few = chosen(settings(tmp_path, files=3))
    for name in set(NAMES) - set(few):
        (tmp_path / name).unlink()
    assert chosen(settings(tmp_path, files=3)) == few
    with pytest.raises(SourceError, match="17 of 20 chosen archives are not there: .*\n.*complete the mirror"):
        chosen(settings(tmp_path))


def test_lists(tmp_path: Path) -> None:
    """Lists may be named, plain or packed, and paths excluded; each path counts once."""
    mirror(tmp_path)
    (tmp_path / "a.paths").write_text(f"{NAMES[1]}\r\n\n/{NAMES[2]}\n{NAMES[1]}\n")
    (tmp_path / "b.paths.gz").write_bytes(gzip.compress(NAMES[3].encode()))
    lists = [str(tmp_path / "a.paths"), str(tmp_path / "b.paths.gz")]
    assert chosen(settings(tmp_path, path=lists)) == sorted(NAMES[1:4])
    assert chosen(settings(tmp_path, path=lists, exclude=["**/*00002.warc.gz"])) == sorted([NAMES[1], NAMES[3]])


@pytest.mark.parametrize("line", ["../../etc/passwd", "a/../../b", "https://evil.example/a", "a\x00b"])
def test_paths_that_lead_elsewhere(tmp_path: Path, line: str) -> None:
    """A list can only name archives below the base."""
    (tmp_path / "a.paths").write_text(f"{NAMES[0]}\n{line}\n")
    with pytest.raises(SourceError, match="a.paths, line 2: expected a path below `base`"):
        chosen(settings(tmp_path, path=str(tmp_path / "a.paths")))


def test_wrong_choices(tmp_path: Path) -> None:
    """What chooses nothing, too much, or twice is an error that says so."""
    mirror(tmp_path)
    with pytest.raises(SourceError, match="chooses none of 20 archives"):
        chosen(settings(tmp_path, fraction=1e-9))
    with pytest.raises(SourceError, match="asks for 21 archives\n.*the lists have 20"):
        chosen(settings(tmp_path, files=21))
    with pytest.raises(ValidationError, match="give one of them"):
        settings(tmp_path, files=2, fraction=0.5)
    with pytest.raises(ValidationError, match="snapshot"):
        CommonCrawlConfig(snapshot="../x")
    with pytest.raises(SourceError, match="cannot be read"):
        chosen(CommonCrawlConfig(snapshot="CC-MAIN-1999-01", base=str(tmp_path)))
    (tmp_path / "a.paths.gz").write_bytes(gzip.compress(b"x" * 999)[:20])
    with pytest.raises(SourceError, match="the list is damaged"):
        chosen(settings(tmp_path, path=str(tmp_path / "a.paths.gz")))


@pytest.mark.s3
def test_an_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a bucket, whose URI has settings behind it, comes what comes from the mirror, in ranges too."""
    from moto.server import ThreadedMotoServer

    mirror(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        query = f"?endpoint_override={quote(f'{host}:{port}', safe='')}&scheme=http&allow_bucket_creation=true"
        fs, _ = filesystem(f"s3://crawl{query}")
        fs.create_dir("crawl")
        for name in (*NAMES, f"{FOLDER}/warc.paths.gz"):
            with fs.open_output_stream(f"crawl/{name}", compression=None) as stream:
                stream.write((tmp_path / name).read_bytes())
        there = settings(Path("."), files=4, split_bytes=300).model_copy(update={"base": f"s3://crawl/{query}"})
        here = settings(tmp_path, files=4)
        assert rows(there) == rows(here)
        assert len(rows(here)) == 8
    finally:
        server.stop()


def rows(config: CommonCrawlConfig) -> list[dict[str, object]]:
    """All rows of all partitions."""
    found = [batch.rows for part in SOURCE.split("s", config) for batch in SOURCE.read(part, config)]
    return [row for batch in found for row in batch.to_pylist()]

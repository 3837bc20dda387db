"""The bad-input suite: whole runs over input of every kind of badness, one test for each line of ``docs/bad-input.md``.

Three outcomes are allowed: an error before the run where it can be known, records in quarantine while everything else
goes on, or a clean stop that the same command resumes. Nothing is lost: the books balance, and every record is a
document, quarantined, or skipped for a named reason.
"""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gristmill
from pipeline.errors import GristmillError, StoreError, TooManyErrors
from pipeline.recipe.loader import load_recipe
from pipeline.run_recipe import run_folder, run_recipe
from pipeline.runs import Run, data_checksums, load_run, lock, run_books
from pipeline.store import ChecksumSink
from tests import fake_stages
from tests.fake_stages import MARKER

ROOT = Path(__file__).resolve().parents[2]
GOOD = ["a first good document", "a second good one", "and a third of them"]


class Outcome(NamedTuple):
    """Kept documents, and quarantined and skipped records by reason."""

    kept: int
    quarantined: dict[str, int]
    skipped: dict[str, int]


def run(root: Path, source: str, more: str = "", **options: Any) -> Run:
    """Run a recipe with one source over what lies below ``root/in``."""
    path = root / "recipe.yaml"
    path.write_text(f"name: bad\nstore: {root}/store\nmax_errors: 0.001\nsources:\n  s: {{{source}}}\n{more}")
    return load_run(run_recipe(str(path), **{"executor": "local", **options}))


def outcome(found: Run) -> Outcome:
    """What became of all records; raises where the books do not balance."""
    books = run_books(found)
    assert books.unbalanced() == []
    sums: dict[str, dict[str, int]] = {"quarantined": {}, "dropped": {}}
    for entry in books:
        if entry.kind in sums and (entry.kind == "quarantined" or entry.stage == "read"):
            sums[entry.kind][entry.reason] = sums[entry.kind].get(entry.reason, 0) + entry.documents
    kept = gristmill.open(found.folder).documents().table(["id"]).num_rows
    return Outcome(kept, sums["quarantined"], sums["dropped"])


def folder(root: Path, files: dict[str, bytes]) -> str:
    """Write files below ``root/in``; the folder's path."""
    for name, content in files.items():
        path = root / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return str(root / "in")


def jsonl(texts: list[str]) -> bytes:
    """Lines of records."""
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def damaged(root: Path, name: str, content: bytes, source: str = "kind: jsonl") -> Outcome:
    """The outcome of a run over one file."""
    return outcome(run(root, f'{source}, path: "{folder(root, {name: content})}"'))


# an error before the run


def refused(root: Path, source: str, says: list[str], more: str = "") -> None:
    """The run is refused before it computes anything, and the message says all that."""
    with pytest.raises(GristmillError) as error:
        run(root, source, more)
    for words in says:
        assert words in str(error.value), str(error.value)
    assert not (root / "store").exists()


def test_nothing_matches(tmp_path: Path) -> None:
    """A glob that matches nothing is an error that names the files that there are."""
    where = folder(tmp_path, {"pages.jsonl": jsonl(GOOD)})
    refused(tmp_path, f'kind: jsonl, path: "{where}/page.jsonl"', ["no file matches", "pages.jsonl"])


def test_missing_column(tmp_path: Path) -> None:
    """Also where Parquet's schema tells it; the columns that there are stand in the message."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"content": GOOD, "url": GOOD}), sink)
    where = folder(tmp_path, {"a.parquet": sink.getvalue()})
    refused(tmp_path, f'kind: parquet, path: "{where}"', ["has no column 'text'", "content, url"])


def test_missing_text_path(tmp_path: Path) -> None:
    """JSON has no schema: if none of the first records has the text, they are taken to be another kind of file."""
    lines = b"".join(json.dumps({"body": text, "n": i}).encode() + b"\n" for i, text in enumerate(GOOD * 5))
    where = folder(tmp_path, {"a.jsonl": lines})
    refused(tmp_path, f'kind: jsonl, path: "{where}"', ["none of the first", "'text'", "body, n"])


def test_archive_that_is_not_read(tmp_path: Path) -> None:
    """A packing that no reader unpacks is named, with what to do."""
    where = folder(tmp_path, {"a.jsonl": b"7z\xbc\xaf\x27\x1c" + bytes(2**21)})
    refused(tmp_path, f'kind: jsonl, path: "{where}", split_bytes: 1000', ["7z", "unpack"])


def test_unknown_scheme(tmp_path: Path) -> None:
    """A URI of a scheme that nothing opens."""
    refused(tmp_path, 'kind: jsonl, path: "gopherhole://bucket/a.jsonl"', ["gopherhole"])


def test_two_runs_on_one_folder(tmp_path: Path) -> None:
    """The second is refused while the first is at work; it has touched nothing."""
    where = folder(tmp_path, {"a.jsonl": jsonl(GOOD)})
    run(tmp_path, f'kind: jsonl, path: "{where}"')
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    recipe = load_recipe(tmp_path / "recipe.yaml")
    with lock(run_folder(recipe, None)):
        with pytest.raises(GristmillError, match="another process") as error:
            run(tmp_path, f'kind: jsonl, path: "{where}"')
        assert "name" in str(error.value)
    files = [path for path in before if path.name != ".lock"]
    assert all(path.stat().st_mtime_ns == before[path] for path in files)


def test_store_that_cannot_be_written(tmp_path: Path) -> None:
    """A file where the store's folder should be."""
    where = folder(tmp_path, {"a.jsonl": jsonl(GOOD)})
    (tmp_path / "store").write_text("in the way")
    with pytest.raises(GristmillError, match=re.escape(str(tmp_path / "store"))):
        run(tmp_path, f'kind: jsonl, path: "{where}"')


# quarantine


@pytest.mark.parametrize("cut", [0.4, 0.97])
def test_truncated_compressed_file(tmp_path: Path, cut: float) -> None:
    """What comes before the end is kept; the rest is one record of the quarantine that says how much is missing."""
    texts = [f"document {i} {os.urandom(40).hex()}" for i in range(400)]
    packed = gzip.compress(jsonl(texts))
    found = damaged(tmp_path, "a.jsonl.gz", packed[: int(len(packed) * cut)])
    assert 400 * cut * 0.8 < found.kept < 400 and found.quarantined == {"truncated_stream": 1}


def test_malformed_lines(tmp_path: Path) -> None:
    """Each for its reason."""
    lines = ['{"text": "torn', "[1, 2]", '{"text": 7}', '{"text": null}', '{"other": 1}', "words", '{"text": "a"} {}']
    bad = "".join(line + "\n" for line in lines).encode()
    found = damaged(tmp_path, "a.jsonl", jsonl(GOOD) + bad + jsonl(GOOD))
    assert found.kept == 6 and sum(found.quarantined.values()) == 7


def test_broken_utf8(tmp_path: Path) -> None:
    """In a record, and in a file that is one document."""
    assert damaged(tmp_path, "a.jsonl", jsonl(GOOD) + b'{"text": "\xff\xfe"}\n').quarantined == {"invalid_utf8": 1}
    other = tmp_path / "other"
    found = damaged(other, "a.txt", b"caf\xe9", "kind: text")
    assert found == Outcome(0, {"invalid_utf8": 1}, {})


def test_a_line_of_50_megabytes(tmp_path: Path) -> None:
    """It is a document like any other; with a lower limit it is quarantined, and the line behind it is read."""
    content = jsonl(["x" * 50_000_000, *GOOD])
    assert damaged(tmp_path, "a.jsonl", content) == Outcome(4, {}, {})
    found = damaged(tmp_path / "other", "a.jsonl", content, "kind: jsonl, max_document_bytes: 1000000")
    assert found == Outcome(3, {"too_large": 1}, {})


@pytest.mark.slow
def test_decompression_bomb(tmp_path: Path) -> None:
    """A megabyte that unpacks to a gigabyte without a line break takes bounded memory, and is one record."""
    content = gzip.compress(b"x" * 2**24) * 64
    where = folder(tmp_path, {"a.jsonl.gz": content + gzip.compress(b"\n" + jsonl(GOOD))})
    source = f'kind: jsonl, path: "{where}", max_document_bytes: 20000000'
    path = tmp_path / "recipe.yaml"
    path.write_text(f"name: bad\nstore: {tmp_path}/store\nsources:\n  s: {{{source}}}\n")
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pipeline.run_recipe import run_recipe; "
        f"from pipeline.machine import peak_bytes; run_recipe({str(path)!r}, executor='local'); print(peak_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert outcome(load_run(str(tmp_path / "runs" / "bad"))) == Outcome(3, {"too_large": 1}, {})
    assert int(done.stdout.split()[-1]) < 1_000_000_000, "with what compiling takes"


def test_empty_files(tmp_path: Path) -> None:
    """An empty file of records has no documents, an empty text is one, a table may have no rows: the run ends well."""
    assert damaged(tmp_path / "j", "a.jsonl", b"") == Outcome(0, {}, {})
    assert damaged(tmp_path / "z", "a.jsonl.gz", gzip.compress(b"")) == Outcome(0, {}, {})
    assert damaged(tmp_path / "t", "a.txt", b"", "kind: text") == Outcome(1, {}, {})
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), sink)
    assert damaged(tmp_path / "p", "a.parquet", sink.getvalue(), "kind: parquet") == Outcome(0, {}, {})


def test_nothing_is_left(tmp_path: Path) -> None:
    """Rules that drop everything are no error for documents; a mix of nothing is one, with the rule to look at."""
    where = folder(tmp_path, {"a.jsonl": jsonl(GOOD)})
    stages = "stages:\n  - word_count: {min_words: 1000}\n"
    assert outcome(run(tmp_path, f'kind: jsonl, path: "{where}"', stages)).kept == 0
    mix = stages + "tokenize: {tokenizer: qwen2.5}\nmix: {tokens: 1000, weights: {web: 1}}\n"
    with pytest.raises(GristmillError, match="no document"):
        run(tmp_path, f'kind: jsonl, path: "{where}"', mix)


def test_too_many_errors(tmp_path: Path) -> None:
    """Above ``max_errors`` the run stops and names the first ones; with more allowed, the same command goes on."""
    good = jsonl(GOOD)
    where = folder(tmp_path, {"a.jsonl": good + b"broken\n" * 101})
    source = f'kind: jsonl, path: "{where}"'
    with pytest.raises(TooManyErrors, match=r"101 of 104 records of source 's'") as error:
        run(tmp_path, source)
    assert f"a.jsonl at {len(good)}: malformed_json" in str(error.value)
    found = run(tmp_path, source, overrides=["max_errors=1"])
    assert outcome(found) == Outcome(3, {"malformed_json": 101}, {})
    assert set(found.executed.values()) == {0}


def planted_repository(pack: str) -> bytes:
    """An archive with a good file and names that lead out of it."""
    names = {"good.py": b"print('hello, world')\n", "../outside.py": b"x = 1\n", "/etc/absolute.py": b"x = 1\n"}
    sink = io.BytesIO()
    if pack == "zip":
        with zipfile.ZipFile(sink, "w") as archive:
            for name, content in names.items():
                archive.writestr(name, content)
        return sink.getvalue()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for name, content in names.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("link.py")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return sink.getvalue()


@pytest.mark.parametrize("pack", ["zip", "tar"])
def test_path_tricks_in_archives(tmp_path: Path, pack: str) -> None:
    """Names that lead out of the archive are quarantined, links counted; nothing is written or followed."""
    found = damaged(tmp_path, f"repository.{pack}", planted_repository(pack), "kind: code")
    assert found == Outcome(1, {"unsafe_path": 2}, {} if pack == "zip" else {"link": 1})
    assert not (tmp_path / "outside.py").exists()


# documents that a stage dies of


@pytest.fixture
def fakes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages that crash and hang come from metadata on the path."""
    fake_stages.install(tmp_path_factory.mktemp("installed"), monkeypatch)


@pytest.mark.slow
@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize(("how", "reason"), [("segfault", "crash"), ("hang", "timeout")])
def test_a_document_that_a_stage_dies_of(tmp_path: Path, how: str, reason: str) -> None:
    """As an extractor in native code may crash or hang on one page: the page is quarantined, the others are kept."""
    source = f'kind: jsonl, path: "{folder(tmp_path, {"a.jsonl": jsonl([*GOOD, MARKER, *GOOD])})}"'
    more = f"stages:\n  - fake_crash: {{how: {how}}}\nexecution: {{stall_seconds: 4}}\n"
    found = outcome(run(tmp_path, source, more, workers=2))
    assert found == Outcome(6, {f"{reason}:fake_crash": 1}, {})


# a clean stop that resumes


def full_after(writes: int) -> Callable[[ChecksumSink, Any], int]:
    """A sink that fails as a full disk does once so many writes went well."""
    real, left = ChecksumSink.write, [writes]

    def write(sink: ChecksumSink, chunk: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(sink, chunk)

    return write


@pytest.mark.parametrize("writes", [0, 3, 40, 90])
def test_a_full_disk(tmp_path: Path, writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run stops at once, wherever it was, says what to do, and ends with the same files once there is room."""
    files = {f"{i}.jsonl": jsonl([f"{text} {i}" for text in GOOD]) for i in range(4)}
    source, stages = f'kind: jsonl, path: "{folder(tmp_path, files)}"', "stages:\n  - word_count\n  - exact_dedup\n"
    with monkeypatch.context() as patch:
        patch.setattr(ChecksumSink, "write", full_after(writes))
        with pytest.raises(StoreError, match="the disk is full") as error:
            run(tmp_path, source, stages)
    assert "gristmill gc" in str(error.value) and "run the same command again" in str(error.value)
    resumed = run(tmp_path, source, stages)
    undisturbed = run(tmp_path, source, stages, overrides=[f"store={tmp_path}/other"])
    assert data_checksums(resumed) == data_checksums(undisturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB; skipped where this user may not mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting needs rights that this user lacks")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
def test_a_disk_that_is_really_full(tmp_path: Path, small_disk: Path) -> None:
    """The command says so and exits with 1; with more room the same command ends well."""
    where = folder(tmp_path, {"a.jsonl": jsonl([os.urandom(40_000).hex() for _ in range(50)])})
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f'name: bad\nstore: {small_disk}/store\nsources:\n  s: {{kind: jsonl, path: "{where}"}}\n')
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import gristmill; gristmill.main()"
    command = [sys.executable, "-c", code, "run", str(recipe), "--executor", "local"]
    stopped = subprocess.run(command, capture_output=True, text=True, check=False)
    assert stopped.returncode == 1 and "the disk is full" in stopped.stderr and "Traceback" not in stopped.stderr
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    subprocess.run(command, capture_output=True, check=True)
    assert outcome(load_run(str(small_disk / "runs" / "bad"))).kept == 50


def test_a_file_that_goes_during_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error that names the file, not a corpus without it; put back, the run goes on."""
    where = folder(tmp_path, {"a.jsonl": jsonl(GOOD), "b.jsonl": jsonl(GOOD[:2])})
    from pipeline import engine

    real = engine.Engine.run

    def without_b(self: engine.Engine) -> None:
        (tmp_path / "in" / "b.jsonl").rename(tmp_path / "gone")
        try:
            real(self)
        finally:
            (tmp_path / "gone").rename(tmp_path / "in" / "b.jsonl")

    with monkeypatch.context() as patch:
        patch.setattr(engine.Engine, "run", without_b)
        with pytest.raises(GristmillError, match=r"b\.jsonl"):
            run(tmp_path, f'kind: jsonl, path: "{where}"')
    assert outcome(run(tmp_path, f'kind: jsonl, path: "{where}"')) == Outcome(5, {}, {})


def test_the_table_in_the_docs_is_this_suite() -> None:
    """``docs/bad-input.md`` names every test here, and no other."""
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "bad-input.md").read_text("utf-8")))
    here = set(re.findall(r"^def (test_\w+)", Path(__file__).read_text("utf-8"), re.MULTILINE))
    assert named == here - {"test_the_table_in_the_docs_is_this_suite"}

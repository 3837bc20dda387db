"""The source ``jsonl``."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import SourceError
from pipeline.sources import jsonl
from pipeline.sources.jsonl import SOURCE, JsonlConfig
from tests.pipeline.sources.reading import Everything, memory_of_reading, read_all, read_partitions

RECORDS: list[dict[str, Any]] = [
    {"id": "a", "text": "one", "url": "http://x/1", "meta": {"lang": "en", "score": 0.50}},
    {"id": 7, "text": "二 🙂 שלום e\u0301\x00", "date": "2024-01-02", "license": "MIT"},
    {"text": "", "meta": None},
    {"id": None, "text": 'line\nbreaks\r\n"quoted"', "meta": {"tags": ["x", 1]}},
]


def dump(records: list[Any], end: str = "\n", **how: Any) -> bytes:
    """Records as lines."""
    return "".join(json.dumps(record, **how) + end for record in records).encode()


def write(folder: Path, content: bytes, name: str = "a.jsonl") -> Path:
    """A file with that content."""
    file = folder / name
    file.write_bytes(content)
    return file


def read(file: Path, **settings: Any) -> Everything:
    """Everything in a file."""
    return read_all(SOURCE, JsonlConfig(path=str(file), **settings))


@pytest.mark.parametrize("ascii_only", [True, False])
def test_columns(tmp_path: Path, ascii_only: bool) -> None:
    """Known columns are taken where the record has them, ids carry the file's name, offsets say where a line begins."""
    content = dump(RECORDS, ensure_ascii=ascii_only)
    found = read(write(tmp_path, content), fields={"language": "meta.lang", "score": "meta.score", "tags": "meta.tags"})
    offsets = [0, *(i + 1 for i, byte in enumerate(content[:-1]) if byte == 10)]
    assert found.quarantined == []
    assert [row["text"] for row in found.rows] == [record["text"] for record in RECORDS]
    assert [row["offset"] for row in found.rows] == offsets
    assert [row["id"] for row in found.rows] == ["a.jsonl#a", "a.jsonl#7", *(f"a.jsonl#{i}" for i in offsets[2:])]
    assert {row["file"] for row in found.rows} == {"a.jsonl"}
    assert [row["url"] for row in found.rows] == ["http://x/1", None, None, None]
    assert [row["date"] for row in found.rows] == [None, "2024-01-02", None, None]
    assert [row["license"] for row in found.rows] == [None, "MIT", None, None]
    assert [row["language"] for row in found.rows] == ["en", None, None, None]
    assert [row["score"] for row in found.rows] == ["0.5", None, None, None]
    assert [row["tags"] for row in found.rows] == [None, None, None, '["x", 1]']


def test_columns_that_are_switched_off(tmp_path: Path) -> None:
    """A path of None is not looked for; ids are then offsets."""
    found = read(write(tmp_path, dump(RECORDS[:1])), id=None, url=None)
    assert (found.rows[0]["id"], found.rows[0]["url"]) == ("a.jsonl#0", None)


@pytest.mark.parametrize("name", ["text", "url", "_address", "content_hash", "file", ""])
def test_fields_with_names_of_others(name: str) -> None:
    """A field cannot be called what a setting or the engine already means."""
    with pytest.raises(ValidationError, match="a field cannot be called"):
        JsonlConfig(path="x", fields={name: "a"})


BAD_LINES: list[tuple[bytes, str]] = [
    (b'{"text": "a"', "malformed_json"),
    (b"{'text': 'a'}", "malformed_json"),
    (b"\x00\x00\x00\x00", "malformed_json"),
    (b'{"text": "a\x00b"}', "malformed_json"),
    (b'{"text": NaN}', "malformed_json"),
    (b'{"text": "\xff"}', "invalid_utf8"),
    (b'{"text": "ab\xe4\xb8"}', "invalid_utf8"),
    (b'["a"]', "not_an_object"),
    (b'{"id": 3}', "missing_text"),
    (b'{"text": null}', "null_text"),
    (b'{"text": 5}', "text_not_a_string"),
    (b'{"text": "' + b"x" * 100 + b'"}', "too_large"),
]


def test_bad_lines_are_quarantined(tmp_path: Path) -> None:
    """Every line is a row or one quarantine record with its place, size, reason, detail and content."""
    good = b'{"text": "fine"}\n'
    content = good + b"".join(line + b"\n" + good for line, _ in BAD_LINES)
    found = read(write(tmp_path, content), max_document_bytes=99)
    assert len(found.rows) == len(BAD_LINES) + 1
    assert [record["reason"] for record in found.quarantined] == [reason for _, reason in BAD_LINES]
    for record, (line, _) in zip(found.quarantined, BAD_LINES, strict=True):
        assert (record["source"], record["file"], record["raw"]) == ("s", "a.jsonl", line)
        assert content[record["offset"] : record["offset"] + record["bytes"]] == line
        assert record["detail"]


def test_a_quarantined_record_keeps_64_kb(tmp_path: Path) -> None:
    """Of a long bad line the first 64 kB are kept."""
    found = read(write(tmp_path, b"{" + b"x" * 200_000 + b"\n"))
    assert found.quarantined[0]["bytes"] == 200_001
    assert found.quarantined[0]["raw"] == b"{" + b"x" * 65_535


def test_form_of_lines(tmp_path: Path) -> None:
    """A byte order mark, CR LF, blank lines and a last line without newline are no errors."""
    content = b'\xef\xbb\xbf{"text": "a"}\r\n\r\n \t\n{"text": "b"}\n\n  {"text": "c"} \r\n{"text": "d"}'
    found = read(write(tmp_path, content))
    assert found.quarantined == []
    assert [row["text"] for row in found.rows] == ["a", "b", "c", "d"]
    assert found.rows[0]["offset"] == 3
    for row in found.rows:
        assert content[row["offset"] :].lstrip().startswith(b'{"text": "' + row["text"].encode())


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b" \r\n\n"])
def test_files_without_records(tmp_path: Path, content: bytes) -> None:
    """Empty files and files of blank lines give nothing, and no error."""
    assert read(write(tmp_path, content)) == Everything([], [], {})


def test_lone_surrogates_are_mended_and_counted(tmp_path: Path) -> None:
    """Half a surrogate pair becomes U+FFFD; documents that had one are counted once."""
    found = read(
        write(tmp_path, b'{"text": "a\\ud83d\\ude42"}\n{"text": "\\ud83d \\ude42", "id": "\\ud83d"}\n{"text": "b"}\n')
    )
    assert [row["text"] for row in found.rows] == ["a🙂", "\ufffd \ufffd", "b"]
    assert found.rows[1]["id"] == "a.jsonl#\ufffd"
    assert found.repaired == {"lone_surrogate": 1}


def test_keys_that_come_twice(tmp_path: Path) -> None:
    """The last one counts, as in Python."""
    found = read(write(tmp_path, b'{"text": "a", "id": 1, "text": "b", "id": 2}\n'))
    assert [(row["text"], row["id"]) for row in found.rows] == [("b", "a.jsonl#2")]


def compressed(content: bytes, form: str) -> bytes:
    """Content in one of the forms that are read."""
    half = len(content) // 2
    return {
        "plain": lambda: content,
        "gzip": lambda: gzip.compress(content),
        "members": lambda: gzip.compress(content[:half]) + gzip.compress(content[half:]),
        "zstd": lambda: zstandard.compress(content),
        "frames": lambda: zstandard.compress(content[:half]) + zstandard.compress(content[half:]),
    }[form]()


@pytest.mark.parametrize("form", ["gzip", "members", "zstd", "frames"])
def test_compressed_files_are_like_plain_ones(tmp_path: Path, form: str) -> None:
    """The same rows with the same offsets (those of the decompressed stream), whatever the file is called."""
    content = dump(RECORDS * 50)
    plain = read(write(tmp_path, content))
    assert read(write(tmp_path, compressed(content, form))) == plain
    assert len(plain.rows) == 200


@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_truncated_files_keep_their_good_lines(tmp_path: Path, form: str) -> None:
    """Lines before the break are rows; the torn line is one record, where it begins."""
    records = [{"text": os.urandom(30).hex()} for _ in range(20_000)]
    content = dump(records)
    whole = compressed(content, form)
    found = read(write(tmp_path, whole[: len(whole) * 2 // 3]))
    rows = len(found.rows)
    assert len(records) * 2 // 3 - 3000 < rows < len(records)
    assert [row["text"] for row in found.rows] == [record["text"] for record in records[:rows]]
    (lost,) = found.quarantined
    assert lost["reason"] == "truncated_stream"
    assert lost["offset"] == len(dump(records[:rows]))
    assert lost["raw"] == content[lost["offset"] : lost["offset"] + lost["bytes"]]
    assert "the file ends inside a" in lost["detail"]


def test_folders(tmp_path: Path) -> None:
    """A folder means the JSON Lines files below it, compressed or not."""
    for name in ("a.jsonl", "b.ndjson", "sub/c.jsonl.gz", "d.json.zst", "e.json", "f.txt", ".g.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path, dump(RECORDS[:1]), name)
    found = read(tmp_path)
    assert [row["file"] for row in found.rows] == ["a.jsonl", "b.ndjson", "d.json.zst", "sub/c.jsonl.gz"]


@given(
    cuts=st.integers(1, 400),
    block=st.sampled_from([64, 100, 1 << 20]),
    rows=st.sampled_from([1, 3, 1 << 17]),
    records=st.lists(st.sampled_from([*RECORDS, 5, None, {"text": "x" * 150}]), min_size=1, max_size=12),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_rows_do_not_depend_on_how_the_file_is_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: int, block: int, rows: int, records: list[Any], end: str
) -> None:
    """Byte ranges, blocks and batches of any size give the same rows and quarantine records in the same order."""
    file = write(tmp_path_factory.mktemp("cut"), dump(records, end))
    whole = read(file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "BLOCK_BYTES", block)
        patch.setattr(jsonl, "_BATCH_ROWS", rows)
        assert read(file, split_bytes=cuts) == whole


def test_partitions(tmp_path: Path) -> None:
    """Plain files are cut, small compressed ones are not, large compressed ones are streams."""
    write(tmp_path, dump([{"text": "x" * 80}] * 20), "a.jsonl")
    write(tmp_path, gzip.compress(os.urandom(300)), "b.jsonl")
    write(tmp_path, zstandard.compress(os.urandom(1500)), "c.jsonl")
    write(tmp_path, b"", "d.jsonl")
    config = JsonlConfig(path=f"{tmp_path}/*.jsonl", split_bytes=1000, ingest_above_bytes=1000)
    found = SOURCE.split("s", config)
    assert [(p.pieces[0].relative, p.pieces[0].start, p.stream) for p in found] == [
        ("a.jsonl", 0, False),
        ("a.jsonl", 1000, False),
        ("b.jsonl", 0, False),
        ("c.jsonl", 0, True),
        ("d.jsonl", 0, False),
    ]
    assert [p.pieces[0].end for p in found[:2]] == [1000, (tmp_path / "a.jsonl").stat().st_size]


def test_a_new_file_leaves_the_other_partitions_alone(tmp_path: Path) -> None:
    """Numbers and keys of the partitions of other files stay the same."""
    for name in ("b", "d"):
        write(tmp_path, dump(RECORDS * 9), f"{name}.jsonl")
    config = JsonlConfig(path=str(tmp_path), split_bytes=500)
    before = {(p.number, p.key) for p in SOURCE.split("s", config)}
    for name in ("a", "c", "e"):
        write(tmp_path, dump(RECORDS), f"{name}.jsonl")
    after = {(p.number, p.key) for p in SOURCE.split("s", config)}
    assert before < after
    assert {(p.number, p.key) for p in SOURCE.split("other", config)}.isdisjoint(after)


def test_a_text_path_that_no_record_has(tmp_path: Path) -> None:
    """It is an error before the run that names the keys there are; a few records without text are not."""
    file = write(tmp_path, dump([{"body": "a", "id": 1}] * 10))
    with pytest.raises(SourceError, match="none of the first 10 records has 'text'\n.*keys are body, id"):
        read(file)
    assert len(read(file, text="body").rows) == 10
    mixed = read(write(tmp_path, dump([{"body": "a"}] * 10 + [{"text": "b"}])))
    assert (len(mixed.rows), len(mixed.quarantined)) == (1, 10)


@pytest.mark.parametrize("content", [b"", b"[", b"3", b'{"a": 3}', b'{"a": {"b.c": null}}', b'{"a": {"b": "x"}}'])
def test_a_first_record_with_text_needs_no_kernel(content: bytes) -> None:
    """It is told by a look at the path, as the kernel would; anything else is left to the kernel."""
    assert jsonl._begins_with_text(b'{"a": {"b.c": "x"}}\nrest', "a.b\\.c")
    assert not jsonl._begins_with_text(content + b"\nrest", "a.b\\.c")


def test_a_file_that_changes(tmp_path: Path) -> None:
    """A file that has grown since it was split stops the run, because its ranges no longer fit."""
    file = write(tmp_path, dump(RECORDS))
    config = JsonlConfig(path=str(file))
    partitions = SOURCE.split("s", config)
    file.write_bytes(dump(RECORDS * 2))
    with pytest.raises(SourceError, match="start the run again"):
        read_partitions(SOURCE, partitions, config)


def test_lines_over_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line much longer than a document may be is passed over without being held in memory."""
    monkeypatch.setattr(jsonl, "LINE_SLACK_BYTES", 100)
    content = dump([{"text": "a"}, {"text": "b", "other": "x" * 400}, {"text": "c"}])
    found = read(write(tmp_path, content), max_document_bytes=50)
    assert [row["text"] for row in found.rows] == ["a", "c"]
    assert [(bad["reason"], bad["offset"]) for bad in found.quarantined] == [("too_large", 14)]


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["one line", "many lines"])
def test_memory(tmp_path: Path, shape: str) -> None:
    """A line of 50 MB is read; 130 MB of short ones come in batches of 16 MB and need no more than some of these."""
    small = write(tmp_path, dump(RECORDS), "small.jsonl")
    if shape == "one line":
        big = write(
            tmp_path, b'{"text": "' + "中文 🙂 text\\n".encode() * 3_000_000 + b'"}\n' + dump(RECORDS), "big.jsonl"
        )
    else:
        big = write(tmp_path, dump([{"text": "word " * 200}]) * 130_000, "big.jsonl")
    total, largest, kilobytes = memory_of_reading("jsonl", small, big)
    assert total > 50_000_000
    assert kilobytes < 200 * 1024
    if shape == "many lines":
        assert largest < 20 * 2**20
        assert kilobytes < 110 * 1024


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["mixture_samples/*.jsonl.zst", "benchmarks/humaneval/*.jsonl.gz", "quality_human/*.zst"]
)
def test_real_files(real_data: Path, name: str) -> None:
    """Every record of the real files is read, with the values that ``json`` gives."""
    expected = []
    for file in sorted(real_data.glob(name)):
        unpack = gzip.decompress if file.suffix == ".gz" else _unzstd
        raw = unpack(file.read_bytes())
        expected += [json.loads(line) for line in raw.splitlines() if line.strip()]
    text = next(key for key in ("text", "prompt", "content") if key in expected[0])
    found = read_all(SOURCE, JsonlConfig(path=f"{real_data}/{name}", text=text))
    assert found.quarantined == []
    assert [row["text"] for row in found.rows] == [record[text] for record in expected]


def _unzstd(content: bytes) -> bytes:
    return zstandard.ZstdDecompressor(max_window_size=2**31).decompressobj().decompress(content)

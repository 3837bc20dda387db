"""The source ``warc``: which records become rows, with which columns, and why others do not."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pipeline.sources import warc as module
from pipeline.sources.warc import SOURCE, WarcConfig
from stages.extract import ExtractConfig
from tests.pipeline.sources.archives import (
    BY_RECORD,
    DATE,
    PACKED,
    PAGE,
    answer,
    arc,
    arc_file,
    config,
    offsets,
    page,
    pages,
    read,
    read_bytes,
    warc,
)  # fmt: skip

RECORDS = [
    warc(b"software: x\r\n", "warcinfo", number=0, media="application/warc-fields"),
    *pages(3, 1500),
    warc(b"GET / HTTP/1.1\r\n\r\n", "request", number=4, media="application/http; msgtype=request"),
    *pages(2, 90, first=5),
]


@pytest.mark.parametrize("form", list(PACKED))
def test_forms(tmp_path: Path, form: str) -> None:
    """An archive gives the same rows however it is packed and called, with the place at which each can be found."""
    found = read_bytes(tmp_path, PACKED[form](RECORDS), "a")
    assert found.quarantined == []
    assert found.skipped == {"warcinfo": 1, "request": 1}
    numbers = [1, 2, 3, 5, 6]
    assert [row["text"].encode() for row in found.rows] == [page(n, 1500 if n < 4 else 90) for n in numbers]
    assert [row["id"] for row in found.rows] == [f"a#urn:uuid:{n:08d}" for n in numbers]
    assert [row["url"] for row in found.rows] == [f"http://example.org/{n}" for n in numbers]
    assert {row["date"] for row in found.rows} == {DATE}
    assert {row["media_type"] for row in found.rows} == {"text/html"}
    assert {row["file"] for row in found.rows} == {"a"}
    if form in (*BY_RECORD, "plain", "gzip", "zstd", "lz4", "bzip2", "xz"):
        assert [row["offset"] for row in found.rows] == [offsets(RECORDS, form)[n] for n in numbers]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("form", ["plain", "gzip by record", "gzip", "zstd by record"])
def test_arc(tmp_path: Path, form: str, version: int) -> None:
    """ARC files of both versions give what WARC files do; ids are places, because records have none."""
    records = arc_file(
        [
            arc("http://example.org/a b", answer(), version=version),
            arc("dns:example.org", b"20080430 1.2.3.4", "text/dns", version=version),
            arc("https://example.org/x", answer(b"no", "404 Not Found"), version=version),
            arc("http://example.org/y", answer(b"GIF", media="image/gif"), "image/gif", version=version),
            arc("http://example.org/z", answer(b"plain", media="text/plain"), "text/plain", version=version),
        ],
        version=version,
    )
    found = read_bytes(tmp_path, PACKED[form](records), "a.arc")
    places = offsets(records, form)
    assert [(row["url"], row["date"], row["id"], row["media_type"]) for row in found.rows] == [
        ("http://example.org/a b", "2008-04-30T20:48:25Z", f"a.arc#{_place(places[1], form)}", "text/html"),
        ("http://example.org/z", "2008-04-30T20:48:25Z", f"a.arc#{_place(places[5], form)}", "text/plain"),
    ]
    assert found.skipped == {"warcinfo": 1, "dns": 1, "http_error": 1, "not_html": 1}
    assert found.quarantined == []


def _place(offset: int, form: str) -> str:
    return f"0+{offset}" if form == "gzip" else str(offset)


def test_arc_with_an_extended_header_line(tmp_path: Path) -> None:
    """Addresses of IP version 6, dates without time, and media types that are missing or have a charset."""
    content = answer()
    lines = [
        b"http://a.example/ 2001:db8::1 20080430 text/html; charset=utf-8 %d\n",
        b"http://b.example/ 192.0.2.1 20080430204825  %d\n",
        b"http://c.example/ - 20080430204825123 no-type %d\n",
    ]
    found = read_bytes(tmp_path, b"\n".join(line % len(content) + content for line in lines))
    assert [row["url"] for row in found.rows] == ["http://a.example/", "http://b.example/", "http://c.example/"]
    assert [row["date"] for row in found.rows] == ["2008-04-30", "2008-04-30T20:48:25Z", "2008-04-30T20:48:25Z"]
    assert found.quarantined == []


SKIPPED = {
    "warcinfo": warc(b"a: b", "warcinfo", media="application/warc-fields"),
    "request": warc(b"GET / HTTP/1.1\r\n\r\n", "request", media="application/http; msgtype=request"),
    "metadata": warc(b"a: b", "metadata", media="application/warc-fields"),
    "revisit": warc(answer(b""), "revisit"),
    "continuation": warc(b"<p>more", "continuation", media=None, fields=["WARC-Segment-Number: 2"]),
    "unknown_type": warc(b"x", "screenshot", media="image/png"),
    "dns": warc(b"1.2.3.4", media="text/dns"),
    "redirect": warc(answer(b"moved", "301 Moved Permanently")),
    "http_error": warc(answer(b"<p>gone", "410 Gone")),
    "other_status": warc(answer(b"", "204 No Content")),
    "not_html": warc(answer(b"\x89PNG\r\n", media="image/png")),
    "no_payload": warc(answer(b"")),
}


@pytest.mark.parametrize("reason", list(SKIPPED))
def test_records_that_are_no_documents(tmp_path: Path, reason: str) -> None:
    """A sound record that is no document is counted once, by what it is, with its bytes."""
    file = tmp_path / "a.warc"
    file.write_bytes(SKIPPED[reason] + pages(1)[0])
    settings = WarcConfig(path=str(file))
    (batch,) = SOURCE.read(SOURCE.split("s", settings)[0], settings)
    assert batch.rows.num_rows == 1
    assert batch.skipped == {reason: (1, len(SKIPPED[reason]) - 4)}
    assert batch.quarantined is None


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (warc(answer(b"%PDF-1.4 x")), "not_html"),
        (warc(answer(b"x", media="application/pdf")), "not_html"),
        (warc(answer(b"\x00\x01binary", media=None)), "not_html"),
        (warc(b""), "no_payload"),
        (warc(b"", "resource", media="text/html"), "no_payload"),
        (warc(b"x", "resource", media="image/png"), "not_html"),
        (warc(b"{}", "conversion", media="application/json"), "not_html"),
        (warc(b"x", "resource", media="text/plain").replace(b"http://example.org/1", b"metadata://x"), "metadata"),
        (warc(b"ftp listing", media="application/octet-stream"), "not_html"),
        (warc(answer(b"<p>", "999 Denied")), "http_error"),
        (warc(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"), "no_payload"),
        (warc(b"HTTP/1.1 304 Not Modified\r\n"), "redirect"),
        (warc(answer(b"\xef\xbb\xbf")), "no_payload"),
    ],
)  # fmt: skip
def test_further_records_that_are_no_documents(tmp_path: Path, record: bytes, reason: str) -> None:
    """The payload decides where headers are wrong or missing."""
    found = read_bytes(tmp_path, record)
    assert (found.rows, found.quarantined, found.skipped) == ([], [], {reason: 1})


@pytest.mark.parametrize(
    ("record", "text", "media"),
    [
        (warc(answer(b"just text", media="text/plain")), "just text", "text/plain"),
        (warc(answer(media="application/xhtml+xml")), PAGE.decode(), "application/xhtml+xml"),
        (warc(answer(media="TEXT/HTML;charset=UTF-8")), PAGE.decode(), "text/html"),
        (warc(answer(media=None)), PAGE.decode(), "text/html"),
        (warc(answer(media="unknown/unknown")), PAGE.decode(), "text/html"),
        (
            warc(answer(b"words", media=None), fields=["WARC-Identified-Payload-Type: text/plain"]),
            "words",
            "text/plain",
        ),
        (warc(answer(), media=None), PAGE.decode(), "text/html"),
        (warc(PAGE, "resource", media="text/html"), PAGE.decode(), "text/html"),
        (warc("Wörter".encode(), "conversion", media="text/plain"), "Wörter", "text/plain"),
        (warc(answer(end="\n")), PAGE.decode(), "text/html"),
        (warc(b"HTTP/1.1 100 Continue\r\n\r\n" + answer()), PAGE.decode(), "text/html"),
        (warc(answer().replace(b"HTTP/1.1", b"HTTP/2")), PAGE.decode(), "text/html"),
    ],
)
def test_records_that_are_documents(tmp_path: Path, record: bytes, text: str, media: str) -> None:
    """Responses, resources and conversions with HTML, XHTML or plain text are rows, also where headers say little."""
    found = read_bytes(tmp_path, record)
    assert [(row["text"], row["media_type"]) for row in found.rows] == [(text, media)]
    assert found.records == 1


HEADERS = {
    "line feeds": {"end": "\n"},
    "version 1.1": {"version": "WARC/1.1"},
    "version 0.17": {"version": "WARC/0.17"},
    "folded lines": {"fields": ["X-Long: one", "  two: Content-Length: 5", "\tthree"]},
    "lines without colon": {"fields": ["nonsense", ""][:1]},
    "a field that comes twice": {"fields": ["Content-Length: 1", "WARC-Target-URI: http://other.example/"]},
    "a long header": {"fields": [f"X-{i}: {'v' * 90}" for i in range(2000)]},
}


@pytest.mark.parametrize("mistake", list(HEADERS))
@pytest.mark.parametrize("form", ["plain", "gzip by record"])
def test_headers_with_oddities(tmp_path: Path, mistake: str, form: str) -> None:
    """What other readers take is taken."""
    records = [warc(answer(), number=n, **HEADERS[mistake]) for n in (1, 2, 3)]  # type: ignore[arg-type]
    found = read_bytes(tmp_path, PACKED[form](records))
    assert [row["url"] for row in found.rows] == [f"http://example.org/{n}" for n in (1, 2, 3)]
    assert found.records == 3


def test_names_in_small_letters(tmp_path: Path) -> None:
    """Names of header fields may be written in any case."""
    record = warc(answer(fields=["content-ENCODING: identity"]))
    head, body = record.split(b"\r\n\r\n", 1)
    found = read_bytes(tmp_path, head.lower().replace(b"warc/1.0", b"WARC/1.0") + b"\r\n\r\n" + body)
    assert [row["id"] for row in found.rows] == ["a.warc#urn:uuid:00000001"]


def test_records_without_an_id(tmp_path: Path) -> None:
    """The id is then the record's place, which is unique even where records share a gzip member."""
    records = [warc(answer(), number=n, own_id=False) for n in (1, 2, 3)]
    content = gzip.compress(records[0] + records[1]) + gzip.compress(records[2])
    found = read_bytes(tmp_path, content)
    second = len(gzip.compress(records[0] + records[1]))
    assert [row["id"] for row in found.rows] == ["a.warc#0", f"a.warc#0+{len(records[0])}", f"a.warc#{second}"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2024-04-25T16:24:44Z", "2024-04-25T16:24:44Z"), ("2024-04-25t16:24:44z", "2024-04-25T16:24:44Z"),
        ("2024-04-25T16:24:44.123456Z", "2024-04-25T16:24:44.123456Z"), ("2024-04-25T16:24Z", "2024-04-25T16:24Z"),
        ("2024-04-25", "2024-04-25"), ("2024-04", "2024-04"), ("2024", "2024"),
        ("2024-13-01", None), ("yesterday", None), ("", None),
    ],
)  # fmt: skip
def test_dates(tmp_path: Path, written: str, expected: str | None) -> None:
    """ISO 8601, of which the end may be missing; what is no date is null."""
    found = read_bytes(tmp_path, warc(answer()).replace(DATE.encode(), written.encode()))
    assert [row["date"] for row in found.rows] == [expected]


def test_urls(tmp_path: Path) -> None:
    """wget's angle brackets are taken off; a URL that is not UTF-8 is taken for windows-1252; none is null."""
    url = b"http://example.org/1"
    record = warc(answer())
    content = record.replace(url, b"<http://x.example/>") + record.replace(url, b"http://x.example/\xe9")
    content += record.replace(b"WARC-Target-URI: " + url + b"\r\n", b"")
    found = read_bytes(tmp_path, content)
    assert [row["url"] for row in found.rows] == ["http://x.example/", "http://x.example/é", None]


def test_pages_that_the_crawler_has_cut(tmp_path: Path) -> None:
    """They are rows, with what there is of coded bodies too, and counted as repaired."""
    packed = gzip.compress(page(1, 5000))
    content = warc(answer(PAGE), fields=["WARC-Truncated: length"])
    content += warc(answer(packed[:-99], fields=["Content-Encoding: gzip"]), fields=["WARC-Truncated: time"])
    content += warc(answer(b"ff\r\n<p>a", fields=["Transfer-Encoding: chunked"]), fields=["WARC-Truncated: time"])
    content += warc(answer(PAGE), fields=["WARC-Segment-Number: 1"])
    found = read_bytes(tmp_path, content)
    assert found.repaired == {"warc_truncated": 3, "segmented": 1}
    assert [row["text"][:6] for row in found.rows] == ["<!DOCT", "<html>", "<p>a", "<!DOCT"]
    assert found.quarantined == []


def test_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, counts and quarantine records do not depend on how they are cut into batches."""
    records = [*RECORDS, warc(b"no answer"), *pages(30, first=10), *SKIPPED.values()]
    expected = read_bytes(tmp_path, b"".join(records))
    assert expected.records == len(records)
    monkeypatch.setattr(module, "BATCH_BYTES", 1000)
    monkeypatch.setattr(module, "_MAX_ROWS", 3)
    assert read_bytes(tmp_path, b"".join(records)) == expected


def test_files_without_records(tmp_path: Path) -> None:
    """Empty files and files of blank lines give nothing, and no error."""
    for content in (b"", b"\r\n\r\n", gzip.compress(b""), gzip.compress(b"\n\n")):
        assert read_bytes(tmp_path, content).records == 0


def test_folders(tmp_path: Path) -> None:
    """A folder means the archives below it."""
    for name in ("a.warc", "b.warc.gz", "sub/c.arc.gz", "d.warc.zst", "e.txt", "f.wet.gz", "g.warc.lz4", "h.cdx.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(pages(1)[0])
    names = ["a.warc", "b.warc.gz", "d.warc.zst", "f.wet.gz", "g.warc.lz4", "sub/c.arc.gz"]
    assert [row["file"] for row in read(tmp_path).rows] == names


def test_the_stage_that_it_brings() -> None:
    """Rows of HTML go through ``extract`` first, plain text does not; ``null`` leaves it out."""
    ((kind, stage),) = SOURCE.stages(config(extract=ExtractConfig(lists=False)))
    assert (kind, stage.when) == (
        "extract",
        {"media_type": ["text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"]},
    )
    assert isinstance(stage, ExtractConfig) and not stage.lists
    assert SOURCE.stages(config(extract=None)) == ()


@pytest.mark.data
def test_every_archive_of_the_real_data(real_data: Path) -> None:
    """Each record that an independent reader finds is in the books once; the clipped one is quarantined."""
    from fastwarc.warc import ArchiveIterator

    files = sorted((real_data / "warc").iterdir())
    assert len(files) == 16
    for file in files:
        with open(file, "rb") as stream:
            expected = sum(1 for _ in ArchiveIterator(stream, parse_http=False))
        found = read(file)
        assert found.records == expected, file.name
        damaged = [(bad["reason"], bad["offset"], bad["bytes"] > 70_000) for bad in found.quarantined]
        assert damaged == ([("truncated_record", 0, True)] if "clipped" in file.name else []), file.name


@pytest.mark.data
def test_real_records_of_each_type(real_data: Path) -> None:
    """warcio's records by type, and of its responses the decoded pages of status 200, are what the source finds."""
    from warcio.archiveiterator import ArchiveIterator

    for file in sorted((real_data / "warc").glob("*.warc*")):
        if file.suffix == ".lz4" or "clipped" in file.name:
            continue
        urls, types = [], {"warcinfo": 0, "request": 0, "revisit": 0}
        with open(file, "rb") as stream:
            for record in ArchiveIterator(stream):
                types[record.rec_type] = types.get(record.rec_type, 0) + 1
                http = record.http_headers
                if record.rec_type == "response" and http is not None and http.get_statuscode() == "200":
                    media = (http.get_header("Content-Type") or "").lower()
                    if media.startswith(("text/html", "text/plain")) and record.content_stream().read():
                        urls.append(record.rec_headers.get_header("WARC-Target-URI"))
        found = read(file)
        assert [row["url"] for row in found.rows if row["url"] in set(urls)] == urls, file.name
        assert {name: found.skipped.get(name, 0) for name in ("warcinfo", "request", "revisit")} == {
            name: types[name] for name in ("warcinfo", "request", "revisit")
        }

"""The source ``wikipedia``: dumps made here, whole, cut, compressed and damaged."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources import documents, wikipedia
from pipeline.sources.records import Fault
from pipeline.sources.wikipedia import SOURCE, WikipediaConfig
from pipeline.sources.wikipedia_pages import Chunk, MalformedPage, find_pages, parse_page
from pipeline.sources.xml_text import unescaped
from tests.pipeline.sources.reading import Everything, read_all

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="de">
  <siteinfo>
    <sitename>Wikipedia</sitename>
    <dbname>dewiki</dbname>
    <base>https://de.wikipedia.org/wiki/Wikipedia:Hauptseite</base>
  </siteinfo>
"""
TAIL = "</mediawiki>\n"


def page(number: int, text: str, title: str = "", ns: int = 0, more: str = "", model: str = "wikitext") -> str:
    """A page as dumps have it."""
    return f"""  <page>
    <title>{escape(title or f"Seite {number}")}</title>
    <ns>{ns}</ns>
    <id>{number}</id>
{more}    <revision>
      <id>{number + 1000}</id>
      <timestamp>2024-01-02T03:04:05Z</timestamp>
      <contributor><username>A</username><id>7</id></contributor>
      <model>{model}</model>
      <format>text/x-wiki</format>
      <text bytes="{len(text)}" sha1="x" xml:space="preserve">{escape(text, {'"': "&quot;"})}</text>
    </revision>
  </page>
"""


PAGES = [page(i, f"'''Text''' {i} <ref>é中🙂 & \"x\"</ref>\n" * (i % 7), f"Seite {i} & mehr?") for i in range(1, 120)]
DUMP = (HEAD + "".join(PAGES) + TAIL).encode()


def multistream(pages: Sequence[str], in_stream: int = 10) -> bytes:
    """Packed as Wikimedia does: the head, streams of some pages, the tail."""
    groups = ["".join(pages[i : i + in_stream]) for i in range(0, len(pages), in_stream)]
    return b"".join(bz2.compress(part.encode()) for part in (HEAD, *groups, TAIL))


def cut_anywhere(content: bytes, size: int) -> bytes:
    """Packed as parallel bzip2 programs do: streams that end in the middle of a page, or of a tag."""
    return b"".join(bz2.compress(content[i : i + size]) for i in range(0, len(content), size))


def read(path: Path, content: bytes, name: str = "a.xml", **settings: Any) -> Everything:
    """All that is read of a dump of that content."""
    (path / name).write_bytes(content)
    return read_all(SOURCE, WikipediaConfig(path=str(path / name), **settings))


def skipped(config: WikipediaConfig) -> dict[str, tuple[int, int]]:
    """Reason → (records, bytes)."""
    total: dict[str, tuple[int, int]] = {}
    for partition in SOURCE.split("s", config):
        for batch in SOURCE.read(partition, config):
            for reason, (records, size) in batch.skipped.items():
                before = total.get(reason, (0, 0))
                total[reason] = (before[0] + records, before[1] + size)
    return total


def without_offsets(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in ("offset", "id", "file")} for row in rows]


def test_an_article(tmp_path: Path) -> None:
    """Text is unescaped once; id, url, title, date, licence and place are the page's."""
    text = 'a &lt; <b>ü</b> &amp;nbsp; "q"\n中 🙂'
    found = read(tmp_path, (HEAD + page(5, text, "Ä/B: c?") + TAIL).encode(), language_from_site=True)
    assert found.quarantined == []
    assert found.rows == [
        {
            "id": "a.xml#5",
            "text": text,
            "url": "https://de.wikipedia.org/wiki/%C3%84/B:_c%3F",
            "date": "2024-01-02T03:04:05Z",
            "license": "CC-BY-SA-4.0",
            "file": "a.xml",
            "offset": len(HEAD) + 2,
            "title": "Ä/B: c?",
            "language": "de",
        }
    ]


def test_what_is_no_article_is_skipped_by_name(tmp_path: Path) -> None:
    """Redirects, other namespaces, other content models and deleted text, with the bytes of their pages."""
    redirect = page(1, "#REDIRECT [[x]]", more='    <redirect title="x" />\n')
    talk, lua = page(2, "talk", ns=1), page(3, "return {}", model="Scribunto")
    deleted = page(4, "x").replace(
        '<text bytes="1" sha1="x" xml:space="preserve">x</text>', '<text deleted="deleted" />'
    )
    (tmp_path / "a.xml").write_bytes((HEAD + redirect + talk + lua + deleted + page(5, "y") + TAIL).encode())
    config = WikipediaConfig(path=str(tmp_path))
    everything = read_all(SOURCE, config)
    assert [row["text"] for row in everything.rows] == ["y"]
    assert everything.quarantined == []
    assert skipped(config) == {
        reason: (1, len(part.strip()))
        for reason, part in (
            ("redirect", redirect), ("other_namespace", talk), ("not_wikitext", lua), ("deleted", deleted)
        )
    }  # fmt: skip
    both = read_all(SOURCE, WikipediaConfig(path=str(tmp_path), namespaces=[0, 1]))
    assert [row["text"] for row in both.rows] == ["talk", "y"]


@pytest.mark.parametrize(
    "packed",
    [
        DUMP,
        gzip.compress(DUMP),
        zstandard.compress(DUMP),
        bz2.compress(DUMP),
        multistream(PAGES),
        cut_anywhere(DUMP, 777),
    ],
)
def test_any_packing_gives_the_same_rows(tmp_path: Path, packed: bytes) -> None:
    """Plain, gzip, zstd, bzip2 in one stream, in many, and in streams cut anywhere."""
    found = read(tmp_path, packed)
    assert found.quarantined == []
    assert without_offsets(found.rows) == without_offsets(read(tmp_path, DUMP, "b.xml").rows)
    assert len(found.rows) == len(PAGES)


@pytest.mark.parametrize("name", ["plain", "multistream", "cut_anywhere"])
@pytest.mark.parametrize("step", [150, 1000, 4099])
def test_splitting_loses_nothing(tmp_path: Path, name: str, step: int) -> None:
    """Cut into byte ranges of any size, each page is read once, in order, and has the same place."""
    content = {"plain": DUMP, "multistream": multistream(PAGES), "cut_anywhere": cut_anywhere(DUMP, 1777)}[name]
    whole = read(tmp_path, content)
    split_bytes = step if name == "plain" else 4 * step
    config = WikipediaConfig(path=str(tmp_path / "a.xml"), split_bytes=split_bytes, ingest_above_bytes=0)
    partitions = SOURCE.split("s", config)
    assert len(partitions) > 1
    assert not any(partition.stream for partition in partitions)
    assert read_all(SOURCE, config) == whole


def test_streams_are_ingested(tmp_path: Path) -> None:
    """A file that cannot be split is a stream if it is large, and one partition if it is small."""
    (tmp_path / "a.xml.gz").write_bytes(gzip.compress(DUMP))
    (tmp_path / "b.xml.bz2").write_bytes(bz2.compress(DUMP * 40))
    for limit, expected in ((10, True), (10**9, False)):
        config = WikipediaConfig(path=str(tmp_path), ingest_above_bytes=limit, split_bytes=10**9)
        assert [partition.stream for partition in SOURCE.split("s", config)] == [expected] * 2


def test_offsets_in_multistream_files_are_those_of_the_index(tmp_path: Path) -> None:
    """The offset of a page is that of the bzip2 stream it begins in."""
    packed = multistream(PAGES, 50)
    found = read(tmp_path, packed)
    for offset, count in ((len(bz2.compress(HEAD.encode())), 50),):
        inside = [row for row in found.rows if row["offset"] == offset]
        assert len(inside) == count
        assert bz2.BZ2Decompressor().decompress(packed[offset:]).startswith(b"  <page>")


def test_batches_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches and small reads give the same rows."""
    whole = read(tmp_path, DUMP)
    monkeypatch.setattr(documents, "BATCH_BYTES", 50)
    monkeypatch.setattr(wikipedia, "_CHUNK_BYTES", 13)
    assert read(tmp_path, DUMP) == whole


@given(cuts=st.lists(st.integers(0, 1500), max_size=12), limit=st.integers(0, 12))
def test_pages_do_not_depend_on_chunks(cuts: list[int], limit: int) -> None:
    """Whatever the cuts, a page belongs to the chunk in which its tag begins, and to no other."""
    content = (HEAD[-20:] + page(1, "a") + page(2, "b" * 300) + page(3, "")).encode()
    places = sorted({0, *(cut for cut in cuts if cut < len(content))})
    parts = [content[a:b] for a, b in zip(places, [*places[1:], len(content)], strict=True)]
    limit = min(limit, len(parts))

    def offsets(first: int, last: int) -> list[int]:
        chunks = [Chunk(part, first <= i < last, places[i]) for i, part in enumerate(parts) if i >= first]
        return [found.offset for found in find_pages(chunks, 10_000) if not isinstance(found, Fault)]

    whole = [i for i in range(len(content)) if content.startswith(b"<page>", i)]
    assert offsets(0, limit) + offsets(limit, len(parts)) == whole


def test_damaged_pages_cost_themselves_only(tmp_path: Path) -> None:
    """A page without end, without text, without title, with bad bytes or a bad number is quarantined with its place."""
    bad = [
        "  <page>\n    <title>torn</title>\n",
        page(2, "x").replace("<text", "<txt"),
        page(3, "x").replace("title>", "titel>"),
        page(4, "x").replace(">x</text>", ">x"),
        page(5, "x").replace("<ns>0</ns>", "<ns>zero</ns>"),
    ]
    good = page(9, "fine")
    parts = [HEAD.encode(), *(part.encode() for one in bad for part in (one, good)), page(6, "y").encode()]
    parts[-1] = parts[-1].replace(b">y<", b">y\xff<")
    found = read(tmp_path, b"".join(parts) + b"  <page>\n <title>cut off")
    assert [row["text"] for row in found.rows] == ["fine"] * 5
    reasons = [quarantined["reason"] for quarantined in found.quarantined]
    assert reasons == ["torn_page", *["malformed_page"] * 4, "invalid_utf8", "torn_page"]
    content = b"".join(parts)
    for quarantined in found.quarantined:
        assert content[quarantined["offset"] :].startswith(b"<page>") or quarantined["offset"] == len(content) + 2
        assert quarantined["raw"].startswith(b"<page>")


def test_damage_in_one_stream_of_many(tmp_path: Path) -> None:
    """Pages of other streams are read, whole or split, and the stream is quarantined with its place."""
    packed = bytearray(multistream(PAGES, 10))
    stream = bytes(packed).find(b"BZh91AY&SY", 2000)
    packed[stream + 300] ^= 0xFF
    whole = read(tmp_path, bytes(packed))
    assert [(bad["reason"], bad["offset"]) for bad in whole.quarantined] == [("damaged_stream", stream)]
    assert len(whole.rows) == len(PAGES) - 10
    assert read(tmp_path, bytes(packed), split_bytes=4000, ingest_above_bytes=0) == whole


def test_truncated_files(tmp_path: Path) -> None:
    """What comes before the end is read; the rest is quarantined."""
    for packed in (gzip.compress(DUMP, 1), multistream(PAGES, 30)):
        found = read(tmp_path, packed[: len(packed) * 3 // 4 + 99])
        assert 20 < len(found.rows) < len(PAGES)
        assert "truncated_stream" in [bad["reason"] for bad in found.quarantined]


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page over the limit is quarantined with its size, in bounded memory, and the next one is read."""
    monkeypatch.setattr(wikipedia, "_MARKUP_BYTES", 2000)
    content = (HEAD + page(1, "x" * 200_000) + page(2, "x" * 1500) + page(3, "y") + TAIL).encode()
    found = read(tmp_path, content, max_document_bytes=1000)
    assert [row["text"] for row in found.rows] == ["y"]
    assert [(bad["reason"], bad["bytes"]) for bad in found.quarantined] == [
        ("too_large", len(page(1, "x" * 200_000).strip())),
        ("too_large", len(page(2, "x" * 1500).strip())),
    ]
    monkeypatch.setattr(wikipedia, "_CHUNK_BYTES", 100)
    assert read(tmp_path, content, max_document_bytes=1000) == found


def test_a_bomb(tmp_path: Path) -> None:
    """A gigabyte of one letter in a few kB ends as one quarantined page."""
    packer = bz2.BZ2Compressor()
    packed = [packer.compress((HEAD + page(1, "x")).encode().split(b">x<")[0] + b">")]
    packed += [packer.compress(b"x" * 2**22) for _ in range(50)]
    packed.append(packer.compress(b"</text></revision></page>" + page(2, "y").encode()))
    found = read(tmp_path, b"".join(packed) + packer.flush())
    assert [row["text"] for row in found.rows] == ["y"]
    assert [bad["reason"] for bad in found.quarantined] == ["too_large"]


def test_entities(tmp_path: Path) -> None:
    """The five predefined ones and numbers, once; none that a document type declares; numbers of no character."""
    assert unescaped(b"&amp;lt; &#60;&#x3C; &amp;#60; &lol; &#38;lt;") == (b"&lt; << &#60; &lol; &lt;", False)
    assert unescaped(b"&#0;&#xD800;&#x110000;")[0].decode() == "\ufffd" * 3
    bomb = '<!DOCTYPE x [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;">]>\n' + HEAD
    raw = page(1, "TEXT").replace("TEXT", "&lol2; &#1;")
    found = read(tmp_path, (bomb + raw + TAIL).encode())
    assert [row["text"] for row in found.rows] == ["&lol2; \ufffd"]
    assert found.repaired == {"invalid_character": 1}


def test_a_page_without_number(tmp_path: Path) -> None:
    """Its title stands for it, and not the number of its revision."""
    content = (HEAD + page(3, "x", "A b").replace("<id>3</id>", "") + TAIL).encode()
    assert [row["id"] for row in read(tmp_path, content).rows] == ["a.xml#A b"]


def test_several_revisions() -> None:
    """The last one is the page."""
    both = page(1, "old").replace("  </page>", page(1, "new").split("</id>\n", 1)[1])
    assert parse_page(both.encode()).text == b"new"
    with pytest.raises(MalformedPage, match="no <revision>"):
        parse_page(b"<page><title>x</title><ns>0</ns><id>1</id></page>")


def test_what_is_no_dump(tmp_path: Path) -> None:
    """As the first file it is an error before the run; later it is quarantined once, however it is split."""
    (tmp_path / "b.xml").write_text("<html>" + "x" * 5000)
    with pytest.raises(SourceError, match="does not begin with <mediawiki>"):
        SOURCE.split("s", WikipediaConfig(path=str(tmp_path)))
    (tmp_path / "a.xml").write_bytes(DUMP)
    found = read_all(SOURCE, WikipediaConfig(path=str(tmp_path), split_bytes=1000, ingest_above_bytes=0))
    assert len(found.rows) == len(PAGES)
    assert [(bad["file"], bad["reason"]) for bad in found.quarantined] == [("b.xml", "not_a_dump")]


def test_the_stage_that_comes_with_it() -> None:
    """Wikitext becomes text unless the setting is null."""
    assert [kind for kind, _ in SOURCE.stages(WikipediaConfig(path="x"))] == ["wikitext"]
    assert SOURCE.stages(WikipediaConfig(path="x", wikitext=None)) == []

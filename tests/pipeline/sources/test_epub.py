"""The source ``epub``: books made here, sound, locked, damaged and hostile."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.sources import documents, epub_book
from pipeline.sources.epub import SOURCE, EpubConfig
from pipeline.sources.epub_book import BrokenBook, chapter_html, elements
from tests.pipeline.sources.reading import Everything, read_all

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
 <rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>"""
METADATA = """<dc:title>A  Book</dc:title><dc:creator>Ann</dc:creator><dc:creator>Bob</dc:creator>
<dc:language>en-GB</dc:language><dc:date>2001-02-03</dc:date><dc:rights>Public domain</dc:rights>
<dc:identifier>urn:isbn:1</dc:identifier><dc:source>https://example.org/1</dc:source>"""


def package(chapters: Sequence[str], metadata: str = METADATA) -> str:
    items = "".join(
        f'<item id="c{i}" href="{href}" media-type="application/xhtml+xml"/>' for i, href in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{i}"/>' for i in range(len(chapters)))
    return f"""<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">{metadata}</metadata>
<manifest><item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="p" href="a.jpg" media-type="image/jpeg"/>{items}</manifest>
<spine><itemref idref="n"/><itemref idref="p"/><itemref idref="gone"/>{spine}</spine></package>"""


def page(body: str) -> str:
    head = '<?xml version="1.0" encoding="utf-8"?>\n<html><head><title>t</title></head>'
    return f'{head}<body class="x">{body}</body></html>'


CHAPTERS = {
    "one.xhtml": page("<p>One é中</p>"),
    "two%20b.xhtml": page("<p>Two</p>"),
    "sub/3.xhtml": page("<p>Three</p>"),
}


def book(
    chapters: Mapping[str, str | bytes] = CHAPTERS, parts: Mapping[str, str | bytes | None] | None = None
) -> bytes:
    """A book; ``parts`` adds and replaces parts of the archive, None takes one out."""
    files: dict[str, str | bytes | None] = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER}
    files |= {"OEBPS/book.opf": package(list(chapters)), "OEBPS/nav.xhtml": page("contents")}
    files |= {f"OEBPS/{name.replace('%20', ' ')}": content for name, content in chapters.items()}
    files |= parts or {}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            if content is not None:
                archive.writestr(name, content)
    return stream.getvalue()


def read(folder: Path, files: Mapping[str, bytes], **settings: Any) -> Everything:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return read_all(SOURCE, EpubConfig(path=str(folder), **settings))


def reasons(found: Everything) -> list[tuple[str, str]]:
    return [(bad["file"], bad["reason"]) for bad in found.quarantined]


def test_a_book(tmp_path: Path) -> None:
    """Chapters in the order of the spine, without the table of contents; metadata as the package says it."""
    found = read(tmp_path, {"a.epub": book()}, language_from_book=True)
    assert found.quarantined == []
    assert found.rows == [
        {
            "id": "a.epub",
            "text": "<div><p>One é中</p></div>\n<div><p>Two</p></div>\n<div><p>Three</p></div>",
            "url": "https://example.org/1",
            "date": "2001-02-03",
            "license": "Public domain",
            "file": "a.epub",
            "offset": 0,
            "title": "A Book",
            "author": "Ann; Bob",
            "chapter": None,
            "language": "en",
        }
    ]


def test_chapters(tmp_path: Path) -> None:
    """Each is a document with its number and its place in the archive."""
    content = book()
    found = read(tmp_path, {"a.epub": content}, documents="chapter")
    assert [(row["id"], row["chapter"], row["text"]) for row in found.rows] == [
        ("a.epub#1", 1, "<p>One é中</p>"),
        ("a.epub#2", 2, "<p>Two</p>"),
        ("a.epub#3", 3, "<p>Three</p>"),
    ]
    for row in found.rows:
        assert content[row["offset"] :].startswith(b"PK\x03\x04")


def test_a_book_without_metadata(tmp_path: Path) -> None:
    """It is read; what nobody says is null."""
    content = book(parts={"OEBPS/book.opf": package(["one.xhtml"], "")})
    (row,) = read(tmp_path, {"a.epub": content}).rows
    assert {row[name] for name in ("title", "author", "date", "license", "url")} == {None}


def test_missing_and_damaged_chapters(tmp_path: Path) -> None:
    """They are quarantined by name; the rest of the book is read."""
    missing = book(parts={"OEBPS/two b.xhtml": None})
    damaged = bytearray(book({**CHAPTERS, "two%20b.xhtml": page("<p>" + "Two " * 400 + "</p>")}))
    place = bytes(damaged).index(b"OEBPS/two b.xhtml") + len("OEBPS/two b.xhtml") + 20
    damaged[place] ^= 0xFF
    found = read(tmp_path, {"a.epub": missing, "b.epub": bytes(damaged)})
    assert reasons(found) == [("a.epub", "missing_part"), ("b.epub", "damaged_part")]
    assert "OEBPS/two b.xhtml" in found.quarantined[0]["detail"]
    assert [row["text"].count("<div>") for row in found.rows] == [2, 2]
    found = read(tmp_path, {}, documents="chapter")
    assert [row["chapter"] for row in found.rows] == [1, 3, 1, 3]


def encryption(name: str, method: str) -> str:
    return f"""<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"
xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData><enc:EncryptionMethod Algorithm="{method}"/>
<enc:CipherData><enc:CipherReference URI="{name}"/></enc:CipherData></enc:EncryptedData></encryption>"""


def test_drm(tmp_path: Path) -> None:
    """A book with encrypted chapters is quarantined; obfuscated fonts are no DRM."""
    aes, font = "http://www.w3.org/2001/04/xmlenc#aes128-cbc", "http://www.idpf.org/2008/embedding"
    files = {
        "a.epub": book(parts={"META-INF/encryption.xml": encryption("OEBPS/two%20b.xhtml", aes)}),
        "b.epub": book(parts={"META-INF/encryption.xml": encryption("OEBPS/font.otf", font)}),
        "c.epub": book(parts={"META-INF/encryption.xml": encryption("OEBPS/one.xhtml", font)}),
        "d.epub": book(parts={"META-INF/encryption.xml": "<encryption"}),
    }
    found = read(tmp_path, files)
    assert [row["file"] for row in found.rows] == ["b.epub", "c.epub"]
    assert reasons(found) == [("a.epub", "encrypted"), ("d.epub", "malformed_book")]


def test_damaged_books(tmp_path: Path) -> None:
    """No zip, a cut zip, no container, no package, broken XML, an empty spine, an empty file: by their reasons."""
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    files = {
        "a.epub": b"no zip",
        "b.epub": book()[:-200],
        "c.epub": book(parts={"META-INF/container.xml": None}),
        "d.epub": book(parts={"OEBPS/book.opf": None}),
        "e.epub": book(parts={"OEBPS/book.opf": "<package><spine>"}),
        "f.epub": book(parts={"OEBPS/book.opf": package([])}),
        "g.epub": b"",
        "h.epub": book(parts={"OEBPS/book.opf": bomb + package(["one.xhtml"]).split("?>")[1]}),
        "i.epub": book(parts={"OEBPS/book.opf": "<a>" * 100_000}),
        "j.epub": book(),
    }
    found = read(tmp_path, files)
    assert [row["file"] for row in found.rows] == ["j.epub"]
    assert reasons(found) == [
        ("a.epub", "malformed_archive"),
        ("b.epub", "malformed_archive"),
        ("c.epub", "missing_part"),
        ("d.epub", "missing_part"),
        ("e.epub", "malformed_book"),
        ("f.epub", "malformed_book"),
        ("g.epub", "malformed_archive"),
        ("h.epub", "malformed_book"),
        ("i.epub", "malformed_book"),
    ]
    for bad in found.quarantined:
        assert (bad["bytes"], bad["raw"]) == (len(files[bad["file"]]), files[bad["file"]][:65_536])


def test_names_that_lead_out_of_the_archive(tmp_path: Path) -> None:
    """They are looked up in the archive only, whatever lies on the disk; entries of such names are never written."""
    secret = tmp_path / "secret.xhtml"
    secret.write_text(page("<p>secret</p>"))
    names = ["../../secret.xhtml", str(secret), "one.xhtml", "%2e%2e/%2e%2e/secret.xhtml"]
    books = tmp_path / "books"
    books.mkdir()
    hostile = book(parts={"OEBPS/book.opf": package(names), "../../evil.txt": "x", "/abs.txt": "x"})
    found = read(books, {"a.epub": hostile})
    assert [row["text"] for row in found.rows] == ["<div><p>One é中</p></div>"]
    assert reasons(found) == [("a.epub", "missing_part")] * 3
    assert {path.name for path in tmp_path.rglob("*")} == {"secret.xhtml", "books", "a.epub"}


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that expand too far, books over the limit, lists of files beyond measure, files over the limit."""
    zeros = page("<p>" + "0" * 20_000_000 + "</p>")
    files = {"a.epub": book({"one.xhtml": zeros}), "b.epub": book({f"{i}.xhtml": page("x" * 300) for i in range(10)})}
    files["c.epub"] = book(parts={f"{i}": "" for i in range(3000)})
    files["d.epub"] = book(parts={"OEBPS/book.opf": "<!-- " + "0" * 17_000_000})
    monkeypatch.setattr(epub_book, "MAX_DIRECTORY_BYTES", 100_000)
    found = read(tmp_path, files)
    assert [row["file"] for row in found.rows] == ["b.epub"]
    assert reasons(found) == [("a.epub", "too_large"), ("c.epub", "too_large"), ("d.epub", "too_large")]
    found = read(tmp_path, {}, max_document_bytes=2000, exclude=["a.epub", "c.epub", "d.epub"])
    assert (found.rows, reasons(found)) == ([], [("b.epub", "too_large")])
    found = read(tmp_path, {}, max_file_bytes=1000, exclude=["a.epub", "c.epub", "d.epub"])
    assert (found.rows, reasons(found)) == ([], [("b.epub", "too_large")])


def test_parts_packed_otherwise(tmp_path: Path) -> None:
    """Passwords, methods that EPUB does not have, and parts longer than the archive says are refused."""
    locked = bytearray(book())
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := bytes(locked).find(magic, at + 1)) >= 0:
            locked[at + place] |= 1
    stream = io.BytesIO(book())
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("META-INF/encryption.xml", "<x/>")
    found = read(tmp_path, {"a.epub": bytes(locked), "b.epub": stream.getvalue()})
    assert reasons(found) == [("a.epub", "encrypted"), ("b.epub", "malformed_archive")]


@pytest.mark.parametrize(
    ("content", "expected", "repaired"),
    [
        (b'<html><body><a id="x"/>a<br/><p class="y" />b<script src="z"/></body></html>',
         '<a id="x"></a>a<br/><p class="y" ></p>b<script src="z"></script>', False),
        (b"<p>no body</p>", "<p>no body</p>", False),
        ('<?xml version="1.0" encoding="windows-1252"?><body>é</body>'.encode("cp1252"), "é", False),
        ("<body>é中</body>".encode("utf-16"), "é中", False),
        (b"\xef\xbb\xbf<body>x</body>", "x", False),
        (b"<body>\xe9</body>", "\ufffd", True),
        (b'<?xml version="1.0" encoding="no-such"?><body>x</body>', "x", False),
        (b"", "", False),
    ],
)  # fmt: skip
def test_chapters_as_html(content: bytes, expected: str, repaired: bool) -> None:
    """The body's content in its encoding; empty tags of XML are closed, for HTML has no such tags."""
    assert chapter_html(content) == (expected, repaired)


def test_mended_bytes_are_counted(tmp_path: Path) -> None:
    """Once a document."""
    content = book({"one.xhtml": b"<body>\xff</body>", "two.xhtml": b"<body>\xff</body>"})
    found = read(tmp_path, {"a.epub": content})
    assert found.rows[0]["text"] == "<div>\ufffd</div>\n<div>\ufffd</div>"
    assert found.repaired == {"invalid_utf8": 1}


def test_external_entities_are_not_fetched(tmp_path: Path) -> None:
    """Declaring one is refused."""
    (tmp_path / "x").write_text("secret")
    with pytest.raises(BrokenBook, match="declares an entity"):
        elements(f'<!DOCTYPE a [<!ENTITY x SYSTEM "{tmp_path}/x">]><a>&x;</a>'.encode())


def test_rows_do_not_depend_on_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of any size give the same rows."""
    files = {f"{i}.epub": book() if i % 3 else b"x" for i in range(8)}
    for mode in ("book", "chapter"):
        whole = read(tmp_path, files, documents=mode)
        with monkeypatch.context() as patch:
            patch.setattr(documents, "BATCH_BYTES", 30)
            assert read(tmp_path, {}, documents=mode) == whole


def test_the_stage_that_comes_with_it() -> None:
    """HTML becomes text, all that is visible, unless the setting is null."""
    ((kind, config),) = SOURCE.stages(EpubConfig(path="x"))
    assert (kind, getattr(config, "content", None)) == ("extract", "all")
    assert SOURCE.stages(EpubConfig(path="x", extract=None)) == []

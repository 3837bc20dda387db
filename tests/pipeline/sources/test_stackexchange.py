"""The source ``stackexchange``: dumps made here, as threads and as posts."""

from __future__ import annotations

import bz2
import gzip
import random
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest

from pipeline.errors import SourceError
from pipeline.sources import documents, stackexchange, stackexchange_threads
from pipeline.sources.stackexchange import SOURCE, StackexchangeConfig
from pipeline.sources.stackexchange_posts import license_at, site_of
from tests.pipeline.sources.reading import Everything, read_all
from tests.pipeline.sources.test_wikipedia import without_offsets

HEAD = '\ufeff<?xml version="1.0" encoding="utf-8"?>\n<posts>\n'


def row(number: int, kind: int, body: str, **more: Any) -> str:
    """A line of a dump."""
    values = {
        "Id": number,
        "PostTypeId": kind,
        "CreationDate": "2012-03-04T05:06:07.890",
        "Score": 1,
        "Body": body,
        **more,
    }
    attributes = " ".join(
        f"{name}={quoteattr(str(value), {chr(10): '&#xA;', chr(34): '&quot;'})}" for name, value in values.items()
    )
    return f"  <row {attributes} />\n"


def dump(*rows: str) -> bytes:
    return (HEAD + "".join(rows) + "</posts>\n").encode()


def read(folder: Path, content: bytes, name: str = "Posts.xml", **settings: Any) -> tuple[Everything, dict[str, Any]]:
    """All that is read, and what is skipped: reason → (records, bytes)."""
    (folder / name).write_bytes(content)
    config = StackexchangeConfig(path=str(folder / name), **settings)
    skipped: dict[str, tuple[int, int]] = {}
    for partition in SOURCE.split("s", config):
        for batch in SOURCE.read(partition, config):
            for reason, found in batch.skipped.items():
                before = skipped.get(reason, (0, 0))
                skipped[reason] = (before[0] + found[0], before[1] + found[1])
    return read_all(SOURCE, config), skipped


QUESTION = row(1, 1, '<p>Why "x" &amp; y?</p>\n', Title="Why <b>?", Tags="<c#><a-b>", AcceptedAnswerId=5, Score=7)
ANSWERS = [
    row(3, 2, "<p>three</p>", ParentId=1, Score=9),
    row(4, 2, "<p>four</p>", ParentId=1, Score=-2),
    row(5, 2, "<p>five</p>", ParentId=1, Score=2, CreationDate="2020-01-01T00:00:00.000"),
    row(6, 2, "<p>six</p>", ParentId=1, Score=9),
]


ODD_NUMBERS = [("Score", 10**19), ("Id", "+7"), ("PostTypeId", "1.0")]


def many(count: int, seed: int = 1) -> bytes:
    """A dump whose answers stand far from their questions."""
    draw = random.Random(seed)
    rows: list[str] = []
    questions: list[int] = []
    for number in range(1, count + 1):
        if not questions or draw.random() < 0.4:
            questions.append(number)
            rows.append(row(number, 1, f"<p>question {number} 中</p>\n" * draw.randrange(4), Title=f"T{number}"))
        else:
            rows.append(
                row(number, 2, f"<p>answer {number}</p>", ParentId=draw.choice(questions), Score=draw.randrange(5))
            )
    return dump(*rows)


def test_a_thread(tmp_path: Path) -> None:
    """Title, question, answers: the accepted one first, then by score, then by number; licences of all of them."""
    (tmp_path / "math.stackexchange.com").mkdir()
    found, skipped = read(tmp_path, dump(QUESTION, *ANSWERS), "math.stackexchange.com/Posts.xml")
    assert (found.quarantined, skipped) == ([], {})
    assert found.rows == [
        {
            "id": "Posts.xml#1",
            "text": '<h1>Why &lt;b&gt;?</h1>\n<div><p>Why "x" &amp; y?</p>\n</div>\n'
            + "\n".join(f"<p>Answer:</p>\n<div><p>{name}</p></div>" for name in ("five", "three", "six", "four")),
            "url": "https://math.stackexchange.com/questions/1",
            "date": "2012-03-04T05:06:07.890",
            "license": "CC-BY-SA-3.0 AND CC-BY-SA-4.0",
            "file": "Posts.xml",
            "offset": len(HEAD.encode()),
            "title": "Why <b>?",
            "tags": "c#,a-b",
            "score": 7,
            "answers": 4,
        }
    ]


def test_posts(tmp_path: Path) -> None:
    """Each by itself; tags in the new form too; a licence that the dump names goes before the date's."""
    other = row(9, 1, "q", Tags="|c#|a-b|", ContentLicense="CC BY-SA 2.5")
    found, skipped = read(
        tmp_path, dump(QUESTION, ANSWERS[0], row(8, 5, "wiki"), other), documents="post", site="x.com"
    )
    assert [(one["url"], one["tags"], one["license"], one["score"]) for one in found.rows] == [
        ("https://x.com/questions/1", "c#,a-b", "CC-BY-SA-3.0", 7),
        ("https://x.com/a/3", None, "CC-BY-SA-3.0", 9),
        ("https://x.com/questions/9", "c#,a-b", "CC-BY-SA-2.5", 1),
    ]
    assert skipped == {"other_post_type": (1, len(row(8, 5, "wiki").rstrip("\n")))}


def test_what_is_left_out_is_skipped_by_name(tmp_path: Path) -> None:
    """Low scores, surplus answers, answers without question, other posts, unanswered questions: each post once."""
    rows = [QUESTION, *ANSWERS, row(10, 1, "low", Score=-5), row(11, 2, "of low", ParentId=10), row(12, 1, "alone")]
    rows += [row(13, 2, "orphan", ParentId=99), row(14, 4, "excerpt"), row(1, 1, "again")]
    settings: dict[str, Any] = {
        "min_question_score": 0,
        "min_answer_score": 0,
        "max_answers": 2,
        "skip_unanswered": True,
    }
    found, skipped = read(tmp_path, dump(*rows), answer_mark=None, **settings)
    assert [one["text"].count("<div>") for one in found.rows] == [3]
    assert "Answer" not in found.rows[0]["text"]
    assert {reason: records for reason, (records, _) in skipped.items()} == {
        "low_score": 3,
        "surplus_answer": 1,
        "unanswered": 1,
        "orphan_answer": 1,
        "other_post_type": 1,
        "doubled_question": 1,
    }


def test_threads_do_not_depend_on_batches_and_packing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of any size, gaps of any size, compressed or not: the same rows in the order of their questions."""
    content = many(400)
    whole, _ = read(tmp_path, content)
    assert len(whole.rows) > 100
    assert sum(found["answers"] for found in whole.rows) + len(whole.rows) == 400
    assert [int(found["id"].split("#")[1]) for found in whole.rows] == sorted(
        int(f["id"].split("#")[1]) for f in whole.rows
    )
    monkeypatch.setattr(stackexchange_threads, "BATCH_BYTES", 900)
    monkeypatch.setattr(stackexchange_threads, "PASS_BYTES", 9000)
    monkeypatch.setattr(stackexchange_threads, "_GAP_BYTES", 100)
    monkeypatch.setattr(documents, "BATCH_BYTES", 300)
    assert read(tmp_path, content)[0] == whole
    for name, packed in (("Posts.xml.gz", gzip.compress(content)), ("Posts.xml.bz2", bz2.compress(content))):
        assert without_offsets(read(tmp_path, packed, name)[0].rows) == without_offsets(whole.rows)


def test_posts_do_not_depend_on_ranges(tmp_path: Path) -> None:
    """A plain file of posts is split; each post is read once."""
    content = many(300)
    whole, _ = read(tmp_path, content, documents="post")
    assert len(whole.rows) == 300
    for size in (50, 1000, 9999):
        assert read(tmp_path, content, documents="post", split_bytes=size)[0] == whole
    config = StackexchangeConfig(path=str(tmp_path), documents="post", split_bytes=1000)
    assert len(SOURCE.split("s", config)) == -(-len(content) // 1000)
    config = StackexchangeConfig(path=str(tmp_path), ingest_above_bytes=1000)
    assert [partition.stream for partition in SOURCE.split("s", config)] == [True]


def test_damaged_rows_cost_themselves_only(tmp_path: Path) -> None:
    """Rows without number, torn ones, bad bytes and lines that are no row are quarantined with their places."""
    bad = [b'  <row Id="7" PostTypeId="1" Body="torn\n', b"rubbish\n", b'  <row PostTypeId="1" Body="x" />\n']
    bad += [b'  <row Id="8" PostTypeId="1" Body="\xff" />\n', b'  <row Id="9" PostTypeId="2" Body="no parent" />\n']
    bad += [row(9 + i, 1, "x", **{name: value}).encode() for i, (name, value) in enumerate(ODD_NUMBERS)]
    content = b"".join([HEAD.encode(), *bad, QUESTION.encode(), b"</posts>\n"])
    for mode in ("thread", "post"):
        found, _ = read(tmp_path, content, documents=mode)
        assert [one["title"] for one in found.rows] == ["Why <b>?"]
        reasons = sorted((one["offset"], one["reason"]) for one in found.quarantined)
        assert [reason for _, reason in reasons] == [*["malformed_row"] * 3, "invalid_utf8", *["malformed_row"] * 4]
        for one in found.quarantined:
            assert content[one["offset"] :].startswith(one["raw"])
            assert one["bytes"] == len(one["raw"])


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Posts, threads and lines over the limits are quarantined; others are read."""
    monkeypatch.setattr(stackexchange, "_LINE_SLACK_BYTES", 3000)
    rows = [row(1, 1, "x" * 1500), row(2, 1, "y" * 9000), row(3, 1, "fine"), row(4, 1, "many")]
    rows += [row(5 + i, 2, "z" * 500, ParentId=4) for i in range(10)]
    found, _ = read(tmp_path, dump(*rows), max_document_bytes=1000)
    assert [one["id"] for one in found.rows] == ["Posts.xml#3"]
    assert [one["reason"] for one in found.quarantined] == ["too_large"] * 3
    whole = sum(len(one.rstrip("\n")) for one in rows[3:])
    assert [one["bytes"] for one in found.quarantined][2] == whole


def test_truncated_files(tmp_path: Path) -> None:
    """What comes before the end is read, once; the rest is quarantined."""
    packed = gzip.compress(many(3000))
    for mode in ("thread", "post"):
        found, _ = read(tmp_path, packed[: len(packed) // 2], documents=mode)
        assert len(found.rows) > 100
        assert [one["reason"] for one in found.quarantined] == ["truncated_stream"]


def test_what_is_no_dump(tmp_path: Path) -> None:
    """7-Zip archives and files that are no XML are errors before the run, with the remedy."""
    for content, message in ((b"7z\xbc\xaf\x27\x1c...", "7z x"), (b"Id,Body\n", "Posts.xml")):
        (tmp_path / "Posts.xml").write_bytes(content)
        with pytest.raises(SourceError, match=message):
            SOURCE.split("s", StackexchangeConfig(path=str(tmp_path)))


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2011-04-07T23:59:59.999", "CC-BY-SA-2.5"),
        ("2011-04-08T00:00:00.000", "CC-BY-SA-3.0"),
        ("2018-05-01T23:59:59.999", "CC-BY-SA-3.0"),
        ("2018-05-02T00:00:00.000", "CC-BY-SA-4.0"),
        (None, "CC-BY-SA-4.0"),
    ],
)
def test_licences_by_date(date: str | None, expected: str) -> None:
    """As Stack Exchange publishes them, at the days of the change."""
    assert license_at(date) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data/stackoverflow.com-Posts/Posts.xml", "stackoverflow.com"),
        ("/data/math.stackexchange.com/Posts.xml.gz", "math.stackexchange.com"),
        ("s3://b/meta.math.stackexchange.com/Posts.xml", "meta.math.stackexchange.com"),
        ("/stackoverflow.com/pt.stackoverflow.com/Posts.xml", "pt.stackoverflow.com"),
        ("/data/mathoverflow.net/Posts.xml", "mathoverflow.net"),
        ("/data/notstackoverflow.com/Posts.xml", None),
        ("/data/Posts.xml", None),
    ],
)
def test_sites(path: str, expected: str | None) -> None:
    """The innermost folder that is named for a site names it."""
    assert site_of(path) == expected


def test_the_stage_that_comes_with_it() -> None:
    """HTML becomes text, all that is visible, unless the setting is null."""
    ((kind, config),) = SOURCE.stages(StackexchangeConfig(path="x"))
    assert (kind, getattr(config, "content", None)) == ("extract", "all")
    assert SOURCE.stages(StackexchangeConfig(path="x", extract=None)) == []

"""The JSON Lines kernel against ``json.loads``."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages.kernels import jsonl as kernel
from stages.kernels.byte_runs import PAD
from stages.kernels.json_paths import compile_paths, split_path
from tests.reference.jsonl import Bad, Row, read_lines

PATHS = ["text", "id", "meta.url", "meta", "meta.a.b", "ключ", "a\\.b"]
HOSTILE = [
    "",
    "a",
    "naïve",
    "中文字符",
    "한국어",
    "ภาษาไทย",
    "🙂👩‍👩‍👧",
    "שלום עולם",
    "e\u0301\u0300",
    "\x7f",
    "\u2028",
    "\ufeff",
    "x" * 33,
]


def scan_lines(
    content: bytes, paths: list[str] = PATHS, text: str = "text", limit: int = 1 << 28, rows: int = 7
) -> Any:
    """The kernel's answer in the twin's words; few rows at a time, and bytes of a string behind the end."""
    compiled = compile_paths(paths)
    ended = content if content.endswith(b"\n") else content + b"\n"
    data = np.frombuffer(ended + b'"' * PAD, np.uint8)
    room = kernel.make_room(compiled, rows)
    found: list[Row | Bad] = []
    position = 0
    while position < len(ended):
        lines = kernel.scan(data, position, len(ended), compiled, compiled.columns[text], limit, room)
        assert lines.next > position
        position = lines.next
        columns = {path: values(data, lines.cells, column) for path, column in compiled.columns.items()}
        repaired = (lines.cells[:, :, kernel.KIND] == kernel.REPAIRED).any(axis=1)
        for row, start in enumerate(lines.row_starts.tolist()):
            found.append(Row(start, {path: column[row] for path, column in columns.items()}, bool(repaired[row])))
        for start, stop, code, place in lines.bad.T.tolist():
            assert 0 <= place <= stop - start
            found.append(Bad(start, stop - start, kernel.REASONS[code]))
    return sorted(found, key=lambda one: one.offset)


def values(data: Any, cells: Any, column: int) -> list[Any]:
    """A column's values; those of objects and lists parsed."""
    content, offsets = kernel.gather(data, cells, column)
    texts = [content[a:b].tobytes().decode() for a, b in zip(offsets, offsets[1:], strict=False)]
    out: list[Any] = []
    for text, kind in zip(texts, cells[:, column, kernel.KIND], strict=True):
        assert kind > kernel.NULL or text == ""
        nested = kind == kernel.RAW and text[0] in "[{"
        parsed = json.loads(text, parse_int=str, parse_float=str) if nested else text
        out.append(parsed if kind > kernel.NULL else None)
    return out


def check(content: bytes, **how: Any) -> None:
    """The kernel and the twin agree."""
    limit = how.get("limit", 1 << 28)
    assert scan_lines(content, **how) == read_lines(content, how.get("paths", PATHS), how.get("text", "text"), limit)


def line(**record: Any) -> bytes:
    """A record as one line."""
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


space = st.sampled_from(["", "", "", " ", "\t", "\r", " \t "])
fragments = st.one_of(
    st.sampled_from(HOSTILE),
    st.sampled_from(
        ['\\"', "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0041", "\\u00e9", "\\u4E2d", "\\u0000"]
    ),
    st.sampled_from(["\\ud83d\\ude42", "\\ud83d", "\\ude42", "\\ud83d\\n", "\\ud83d\\ud83d\\ude42", "\\uD83Dx"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), max_size=40),
    st.integers(0, 70).map(lambda n: "p" * n),
)
strings = st.lists(fragments, max_size=5).map(lambda parts: '"' + "".join(parts) + '"')
numbers = st.sampled_from(
    ["0", "-0", "12", "1.50", "-1e5", "2E+07", "1e400", "3.0e-2", "123456789012345678901234567890"]
)
broken = st.sampled_from(
    ["01", "1.", ".5", "-", "+1", "1e", "NaN", "-Infinity", "Infinity", "nul", "True", "'a'", "", "\x00"]
)
keys = st.sampled_from(
    ['"text"', '"text"', '"id"', '"meta"', '"url"', '"a"', '"b"', '"ключ"', '"a.b"', '""', '"te\\u0078t"', '"\\ud83d"']
)


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects as text, with blanks anywhere and keys that come twice."""
    members = st.tuples(space, keys, space, space, inner, space).map(lambda p: f"{p[0]}{p[1]}{p[2]}:{p[3]}{p[4]}{p[5]}")
    return st.lists(members, max_size=5).map(lambda found: "{" + ",".join(found) + "}")


def lists(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Lists as text."""
    members = st.tuples(space, inner, space).map("".join)
    return st.lists(members, max_size=3).map(lambda found: "[" + ",".join(found) + "]")


leaves = st.one_of(strings, strings, numbers, st.sampled_from(["true", "false", "null"]))
trees = st.recursive(leaves, lambda inner: st.one_of(objects(inner), lists(inner)), max_leaves=8)
records = st.one_of(objects(trees), objects(trees), objects(st.one_of(leaves, broken)), trees)
damage = st.lists(st.tuples(st.integers(0, 1 << 20), st.sampled_from("rdi"), st.integers(0, 255)), max_size=3)


def damaged(content: bytes, changes: list[tuple[int, str, int]]) -> bytes:
    """Replace, delete and insert bytes."""
    out = bytearray(content)
    for place, change, value in changes:
        at = place % (len(out) + 1)
        out[at : at + (change != "i")] = b"" if change == "d" else bytes([value])
    return bytes(out)


@given(
    st.lists(st.tuples(space, records, space, st.sampled_from(["\n", "\r\n", "\n\n"])), max_size=8),
    damage,
    st.integers(0, 40),
)
@example([("", '{"text":"\\ud83d', "", "\n")], [], 0)
def test_agrees_with_json_loads_on_whole_damaged_and_cut_lines(
    lines: list[tuple[str, str, str, str]], changes: list[tuple[int, str, int]], cut: int
) -> None:
    """Each line is accepted or refused as by Python, for the same reason, and gives the same values."""
    content = damaged("".join(map("".join, lines)).encode(), changes)
    check(content[: len(content) - cut])


@given(st.binary(max_size=200))
def test_agrees_with_json_loads_on_any_bytes_in_a_string(middle: bytes) -> None:
    """Any bytes between quotation marks are accepted exactly if they are UTF-8 without controls and bad escapes."""
    check(b'{"text":"' + middle + b'"}\n')


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("before", [0, 1, 29, 30, 31, 32, 33, 64])
def test_gives_back_hostile_text(text: str, ascii_only: bool, before: int) -> None:
    """Text of any script comes out as it went in, escaped or not, wherever it lies in a 32-byte step."""
    whole = "a" * before + text + '"\\\n' + text
    content = json.dumps({"id": text, "text": whole}, ensure_ascii=ascii_only).encode()
    (row,) = scan_lines(content)
    assert row.values["text"] == whole
    assert row.values["id"] == text


def test_every_code_point_is_unescaped() -> None:
    """All 1,112,064 code points come back from their escapes and from their UTF-8."""
    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    for ascii_only in (True, False):
        (row,) = scan_lines(json.dumps({"text": everything}, ensure_ascii=ascii_only).encode())
        assert row.values["text"] == everything


def test_every_pair_of_lead_and_second_byte_is_judged_as_python_does() -> None:
    """UTF-8 of two, three and four bytes is valid exactly where Python says so (overlong, surrogates, too high)."""
    tails = [b"", b"\x80", b"\x80\x80", b"\xbf\xbf\xbf", b"a"]
    content = b"".join(
        b'{"text":"' + bytes([lead, second]) + tail + b'"}\n'
        for lead in range(0xC0, 0x100)
        for second in (0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0)
        for tail in tails
    )
    check(content, rows=100)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"text": "a"', "malformed_json"),
        (b'{"text": "a" "b"}', "malformed_json"),
        (b'{"text": NaN}', "malformed_json"),
        (b'{"text": "a", "n": -Infinity}', "malformed_json"),
        (b'{"text": "a\x00"}', "malformed_json"),
        (b"\x00\x00\x00", "malformed_json"),
        (b'{"text": "a"}{"text": "b"}', "malformed_json"),
        (b'{"text": "\xff"}', "invalid_utf8"),
        (b'{"text": "\xed\xa0\x80"}', "invalid_utf8"),
        (b'{"broken" "\xff"}', "invalid_utf8"),
        (b'["text"]', "not_an_object"),
        (b"12", "not_an_object"),
        (b'{"txt": "a"}', "missing_text"),
        (b'{"text": null}', "null_text"),
        (b'{"text": {"text": "a"}}', "text_not_a_string"),
        (b'{"text": 1}', "text_not_a_string"),
        (b'{"text": "0123456789a"}', "too_large"),
    ],
)
def test_says_what_is_wrong(content: bytes, reason: str) -> None:
    """A refused line has the reason that fits, its place and its size; its neighbours are not touched."""
    good = b'{"text": "0123456789"}\n'
    found = scan_lines(good + content + b"\n" + good, limit=10)
    assert [type(one) for one in found] == [Row, Bad, Row]
    assert found[1] == Bad(len(good), len(content), reason)


def test_the_last_of_equal_keys_wins() -> None:
    """As in Python, also where an object replaces an object or a value that had what was wanted."""
    check(b'{"text":"first","text":"last"}\n')
    check(b'{"text":"t","meta":{"url":"old"},"meta":{"a":{"b":1}}}\n')
    check(b'{"text":"t","meta":{"url":"old"},"meta":3}\n')
    check(b'{"text":"t","text":null}\n')
    check(b'{"text":"\\ud83d","text":"fine"}\n')


def test_nesting_is_limited_to_1024() -> None:
    """1,024 open brackets are read, 1,025 are refused without harm."""
    for depth, kind in ((1024, Row), (1025, Bad), (100_000, Bad)):
        lists = depth - 1
        (found,) = scan_lines(b'{"text":"a","x":' + b"[" * lists + b"]" * lists + b"}\n")
        assert isinstance(found, kind)


def test_numbers_keep_their_digits() -> None:
    """A number becomes the text by which it is written, however many digits it has."""
    digits = "9" * 5000
    (row,) = scan_lines(f'{{"text":"a","id":{digits},"meta":{{"url":1.50}}}}'.encode())
    assert (row.values["id"], row.values["meta.url"]) == (digits, "1.50")


def test_a_long_line() -> None:
    """A line of some megabytes, escaped throughout, is read like a short one."""
    text = "Ünïcode 中文\n\"'\\🙂" * 200_000
    (row,) = scan_lines(json.dumps({"text": text}).encode())
    assert row.values["text"] == text


@given(st.lists(st.sampled_from(["text", "id", "meta", "meta.url", "meta.a.b", "x\\.y.z"]), min_size=1, max_size=8))
def test_paths_share_columns_in_preorder(paths: list[str]) -> None:
    """Each distinct path has one column, and the columns of a subtree are the paths that begin with its own."""
    compiled = compile_paths(paths)
    assert sorted(compiled.columns.values()) == list(range(len(set(paths))))
    for path, column in compiled.columns.items():
        below = {
            other
            for name, other in compiled.columns.items()
            if split_path(name)[: len(split_path(path))] == split_path(path)
        }
        assert below == set(range(column, column + len(below)))


def test_refuses_lines_without_an_end() -> None:
    """A buffer that does not end in a newline and spare bytes is a bug of the caller."""
    paths = compile_paths(["text"])
    room = kernel.make_room(paths, 10)
    with pytest.raises(ValueError, match="newline"):
        kernel.scan(np.frombuffer(b'{"text":""}' + b" " * PAD, np.uint8), 0, 11, paths, 0, 10, room)
    with pytest.raises(ValueError, match="spare"):
        kernel.scan(np.frombuffer(b'{"text":""}\n', np.uint8), 0, 12, paths, 0, 10, room)

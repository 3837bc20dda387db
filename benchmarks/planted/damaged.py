"""``damaged.jsonl``: lines that a reader has to put aside, and good ones between them that it has to keep."""

from __future__ import annotations

DAMAGED: tuple[tuple[str | None, bytes, str], ...] = (
    (None, b'{"id": "damaged-01", "text": "A good record in front of the bad ones."}', "good"),
    ("malformed_json", b'{"id": "damaged-02", "text": "This one stops in the middle of', "cut off"),
    ("malformed_json", b"This line is no JSON at all.", "prose"),
    ("invalid_utf8", b'{"id": "damaged-04", "text": "Two bytes \xff\xfe that are no UTF-8."}', "broken UTF-8"),
    ("missing_text", b'{"id": "damaged-05", "body": "The text is under another key."}', "no `text`"),
    ("null_text", b'{"id": "damaged-06", "text": null}', "`text` is null"),
    ("text_not_a_string", b'{"id": "damaged-07", "text": 42}', "`text` is a number"),
    ("not_an_object", b'["damaged-08", "a list instead of an object"]', "a list"),
    (None, b"", "empty; skipped, and no record"),
    (None, b'{"id": "damaged-10", "text": "Half of a surrogate pair: \\ud83d"}', "lone surrogate, replaced by U+FFFD"),
    ("malformed_json", b'{"id": "damaged-11", "text": "A comma too many.",}', "trailing comma"),
    ("malformed_json", b'{"id": "damaged-12", "text": "One."}{"id": "damaged-12b", "text": "Two."}', "two records"),
    ("text_not_a_string", b'{"id": "damaged-13", "text": {"nested": "an object"}}', "`text` is an object"),
    ("malformed_json", b'{"id": "damaged-14", "text": "Not a number.", "score": NaN}', "NaN is not JSON"),
    (None, b'{"id": "damaged-15", "text": "A good record with a CRLF line end."}\r', "good, CRLF"),
    (None, b'{"id": "damaged-16", "text": "A last good record, without a line end."}', "good, no line end"),
)
"""Why a reader quarantines the line (None: it does not), the line, and what is the matter with it."""


def damaged_file() -> bytes:
    """All lines, the last one without a line end."""
    return b"\n".join(line for _, line, _ in DAMAGED)

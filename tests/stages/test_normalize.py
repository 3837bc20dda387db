"""The normalize stage: text, bytes cut per reason, and what it leaves alone."""

from __future__ import annotations

import itertools
import unicodedata
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stages.contract import Applied
from stages.kernels.form_tables import Form
from stages.kernels.widths import Width
from stages.normalize import NormalizeConfig, apply
from tests.reference.normalize import normalized
from tests.stages.hostile import ROWS, TEXT, batch, chunked, long_bytes, values

FORMS: tuple[Form | None, ...] = ("NFC", "NFKC", None)
SETTINGS = [
    NormalizeConfig(form=form, newlines=newlines, controls=controls, width=width)
    for form, newlines, controls, width in itertools.product(FORMS, (True, False), (True, False), get_args(Width))
]


def done(rows: pa.RecordBatch) -> Applied:
    return apply(rows, NormalizeConfig(), None)


@given(texts=st.lists(TEXT, max_size=8), settings=st.sampled_from(SETTINGS), skip=st.integers(0, 2))
def test_text_and_cuts_are_those_of_the_twin(texts: list[str], settings: NormalizeConfig, skip: int) -> None:
    """Each row's text, and the bytes cut for each reason, equal the twin's, for all settings and on slices."""
    outcome = apply(batch(texts).slice(skip), settings, None)
    asked = settings.form, settings.newlines, settings.controls, settings.width
    expected = [normalized(text, *asked) for text in texts[skip:]]
    assert outcome.columns["text"].to_pylist() == [text for text, _ in expected]
    assert outcome.columns["text"].type == pa.large_string()
    for reason, taken in outcome.cut.items():
        assert taken.tolist() == [cut[reason] for _, cut in expected]


@given(texts=st.lists(TEXT, max_size=8), settings=st.sampled_from(SETTINGS))
def test_books_balance(texts: list[str], settings: NormalizeConfig) -> None:
    """No row is shorter than its old length less what was cut, so that only growth is left to be booked as added."""
    outcome = apply(batch(texts), settings, None)
    cut = np.sum([*outcome.cut.values()], axis=0)
    after = [len(text.encode()) for text in outcome.columns["text"].to_pylist()]
    for text, size, taken in zip(texts, after, cut.tolist(), strict=True):
        assert size >= len(text.encode()) - taken


@given(texts=st.lists(TEXT, min_size=1, max_size=8), settings=st.sampled_from(SETTINGS))
def test_twice_is_once(texts: list[str], settings: NormalizeConfig) -> None:
    """Normalizing normal text changes nothing and cuts nothing."""
    once = apply(batch(texts), settings, None).columns["text"]
    again = apply(batch(once.to_pylist()), settings, None)
    assert again.columns["text"] == once
    assert not any(cut.any() for cut in again.cut.values())


@given(texts=st.lists(TEXT, min_size=1, max_size=9), sizes=st.lists(st.integers(1, 4), min_size=1))
def test_batches_do_not_matter(texts: list[str], sizes: list[int]) -> None:
    """The same rows in other batches give the same text and cuts."""
    rows = batch(texts)
    assert values(chunked(rows, sizes, done)) == values(done(rows))


def test_clean_text_is_not_copied() -> None:
    """A batch in which nothing is to be done keeps its buffers."""
    rows = batch(["plain text\n", "déjà vu", "中文,日本語", "বাংলা", "😀", ""])
    kept = done(rows).columns["text"]
    assert [buffer.address for buffer in kept.buffers() if buffer] == [
        buffer.address for buffer in rows.column("text").buffers() if buffer
    ]


@pytest.mark.parametrize(
    ("text", "expected", "cut"),
    [
        ("a\r\nb\rc\r\r\n", "a\nb\nc\n\n", {"newlines": 2}),
        ("a\u2028b\u2029c\x85d\fe\vf", "a\nb\nc\nd\ne\nf", {"newlines": 5}),
        ("\ufeffa\0b\x1b[0m\tc\x9f", "ab[0m\tc", {"controls": 7}),
        ("\ufffe\uffff\ufdd0\U0001ffff", "", {"controls": 13}),
        ("e\u0301", "é", {"form": 1}),
        ("e\0\u0301\r\n", "é\n", {"newlines": 1, "controls": 1, "form": 1}),
        ("क\u0958", "क\u0915\u093c", {}),
        ("می\u200cخواهم 👩\u200d🚀 ไทย\u200bไทย \u202eabc\u00ad\ufffd", None, {}),
    ],
)
def test_by_example(text: str, expected: str | None, cut: dict[str, int]) -> None:
    """What each reason takes, and what stays: joiners, zero-width space, direction marks, soft hyphen, U+FFFD."""
    outcome = done(batch([text]))
    assert outcome.columns["text"].to_pylist() == [text if expected is None else expected]
    assert {reason: int(taken[0]) for reason, taken in outcome.cut.items() if taken[0]} == cut


def test_settings_apply_apart() -> None:
    """Each setting switches off its own work only: line breaks are no controls."""
    text = "a\r\n\0e\u0301\x85"
    assert _text(text, form=None) == "a\ne\u0301\n"
    assert _text(text, newlines=False) == "a\r\né\x85"
    assert _text(text, controls=False) == "a\n\0é\n"
    assert _text("ﬁ²，", form="NFKC") == "fi2,"
    assert _text("Ａ　ｶﾞ，", width="narrow") == "A ガ，"


@pytest.mark.parametrize(
    ("text", "narrow", "cut"),
    [
        ("ＧＰＴ－４　ａｎｄ　１００％", "GPT-4 and 100%", 28),
        ("你好，世界！（ＡＩ）：３；？", "你好，世界！（AI）：3；？", 6),
        ("ﾊﾟｿｺﾝとｶﾞﾗｽ､ｳﾞｧｲｵﾘﾝ｡", "パソコンとガラス、ヴァイオリン。", 9),
        ("ｶ\u3099かﾞaﾞ", "ガがa\u3099", 3),
        ("￥５０￠", "¥50¢", 6),
        ("２０２０年　Ｑ１\r\n", "2020年 Q1\n", 14),
    ],
)
def test_widths_by_example(text: str, narrow: str, cut: int) -> None:
    """Letters, digits, signs and the space become narrow, half-width kana usual; marks of sentences stay."""
    outcome = apply(batch([text]), NormalizeConfig(width="narrow"), None)
    assert outcome.columns["text"].to_pylist() == [narrow]
    assert outcome.cut["width"].tolist() == [cut]
    assert done(batch([text])).cut.keys() == {"newlines", "controls", "form"}


def test_punctuation_is_narrowed_when_asked() -> None:
    """The marks of Chinese sentences become ASCII only by ``narrow_punctuation``."""
    assert _text("你好，Ｗｏｒｌｄ！（１）：；？。", width="narrow_punctuation") == "你好,World!(1):;?。"


def _text(
    text: str, form: Form | None = "NFC", newlines: bool = True, controls: bool = True, width: Width = "keep"
) -> str:
    settings = NormalizeConfig(form=form, newlines=newlines, controls=controls, width=width)
    found: str = apply(batch([text]), settings, None).columns["text"][0].as_py()
    return found


def test_hostile_text() -> None:
    """Hostile rows, dirty and clean ones of 50 MB among them, come out as the twin says, and neighbours untouched."""
    size = long_bytes()
    texts = ["a\r", *ROWS, "x" * size, "\r\n" * (size // 10), "b\0"]
    found = done(batch(texts)).columns["text"].to_pylist()
    assert found[: len(ROWS) + 1] == [normalized(text, "NFC", True, True)[0] for text in texts[: len(ROWS) + 1]]
    assert found[-3:] == ["x" * size, "\n" * (size // 10), "b"]


def test_an_unknown_form_is_refused() -> None:
    """NFD makes text longer and is no choice; null is."""
    with pytest.raises(ValidationError):
        NormalizeConfig(form="NFD")  # type: ignore[arg-type]
    assert unicodedata.is_normalized("NFD", _text("e\u0301", form=None))

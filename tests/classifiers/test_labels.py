"""Names of languages."""

from __future__ import annotations

import re

import pytest

from classifiers.fasttext_model import lid176_path, load_fasttext
from classifiers.iso639 import LANGUAGES, NAMES_OF_THREE
from classifiers.labels import canonical, english_name, label_languages, name_problems

GLOTLID = ["eng_Latn", "cmn_Hani", "uzn_Latn", "uzn_Cyrl", "als_Latn", "gsw_Latn", "nob_Latn", "ceb_Latn", "und_Grek"]


@pytest.mark.parametrize(
    ("name", "language"),
    [
        *[(name, "en") for name in ("en", "eng", "EN", "eng_Latn", "en-US", "__label__en", "__label__eng_Latn")],
        *[(name, "zh") for name in ("zh", "zho", "chi", "cmn", "zho_Hans", "zh-TW", "cmn_Hani")],
        *[(name, "no") for name in ("no", "nor", "nb", "nob", "nob_Latn")],
        ("nn", "nn"),
        ("arb", "ar"),
        ("arz", "arz"),
        ("yue", "yue"),
        ("pes_Arab", "fa"),
        ("als_Latn", "sq"),
        ("tgl", "tl"),
        ("ceb", "ceb"),
        ("und", "und"),
    ],
)
def test_one_name_per_language(name: str, language: str) -> None:
    """Two-letter, three-letter and model labels of a language are one code; members that people tell apart stay."""
    assert canonical(name) == language


def test_the_table_is_consistent() -> None:
    """No code names two languages; codes have two and three letters; every language has a name."""
    codes = [code for entry in LANGUAGES for code in (entry.code, entry.three, *entry.others)]
    assert len(codes) == len(set(codes))
    assert not set(codes) & set(NAMES_OF_THREE)
    assert all(re.fullmatch("[a-z]{2}", entry.code) and re.fullmatch("[a-z]{3}", entry.three) for entry in LANGUAGES)
    assert all(re.fullmatch("[a-z]{2,3}", code) for code in codes)
    assert all(entry.name[0].isupper() for entry in LANGUAGES)
    assert len(LANGUAGES) == 182


def test_every_language_of_lid176_has_a_name() -> None:
    """Its 176 labels are 176 languages in our tables; Wikipedia's codes als and bh become gsw and bho."""
    labels = load_fasttext(lid176_path()).labels
    languages = label_languages(labels)
    assert len(set(languages)) == len(labels)
    assert [language for language in languages if english_name(language) is None] == []
    assert languages[labels.index("als")] == "gsw"
    assert languages[labels.index("bh")] == "bho"


def test_labels_with_scripts_are_iso_codes() -> None:
    """In a model whose labels name scripts, als is Albanian."""
    assert label_languages(GLOTLID) == ("en", "zh", "uz", "uz", "sq", "gsw", "no", "ceb", "und")


@pytest.mark.parametrize("names", [["en", "eng", "eng_Latn", "EN"], ["zh", "cmn_Hani", "nb"], ["uz"], ["und"], ["sq"]])
def test_names_that_the_model_has_are_fine(names: list[str]) -> None:
    """Any way to write a language that the model has a label for is accepted."""
    assert name_problems(names, GLOTLID) == []


@pytest.mark.parametrize(
    ("name", "labels", "problem"),
    [
        ("english", GLOTLID, "'english': no such language code in the model; did you mean en (English)?"),
        ("de", GLOTLID, "'de': the model has no label for German (de); known are 8 languages"),
        (
            "xyz",
            ["en", "zh"],
            "'xyz': no such language code in the model; known are 2 languages by ISO 639 code, as en",
        ),
        ("ennglish", ["en", "zh"], "did you mean en (English)?"),
        ("als", ["en", "als"], "'als' is Albanian in ISO 639 but Alemannic in the model; write sq or gsw"),
        ("uzn_Cyrl", GLOTLID, "names one of uzn_Latn, uzn_Cyrl, but languages are kept, not scripts; write uz"),
        ("uz-Cyrl", GLOTLID, "names one of uzn_Latn, uzn_Cyrl"),
        ("", GLOTLID, "no such language code"),
    ],
)
def test_names_that_would_drop_everything_are_found(name: str, labels: list[str], problem: str) -> None:
    """A wrong or ambiguous name gives a sentence that says why and what to write; good names beside it none."""
    [found] = name_problems(["en", name], labels)
    assert problem in found

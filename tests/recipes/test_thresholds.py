"""The thresholds that come with Gristmill load against the stages as they are, and are what was published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.recipe.files import SHIPPED
from pipeline.recipe.loader import load_recipe_text
from pipeline.recipe.model import StageUse
from pipeline.recipe.published_thresholds import FEWEST, found_here, write_thresholds
from stages.quality.stop_words import stop_words

FOLDER = Path(__file__).parents[2] / "recipes" / "thresholds" / "fineweb2"
FIGURES: dict[str, Any] = json.loads((FOLDER / "figures.json").read_text(encoding="utf-8"))
LANGUAGES = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "all")
LARGEST = ["ru", "zh", "de", "ja", "es", "fr", "it", "pt", "pl", "nl", "id", "vi", "tr", "fa", "ko", "th"]
LARGEST += ["ar", "sv", "hu", "ro", "cs", "uk", "el", "da", "fi", "no", "bg", "sk", "hr", "he", "hi", "bn"]


def loaded(stages: str) -> list[StageUse]:
    return list(load_recipe_text(f"name: a\nsources: {{web: {{kind: jsonl, path: x}}}}\nstages:\n{stages}").uses())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_loads_in_a_branch(language: str) -> None:
    """Every key is one of the stage's, and every value is allowed."""
    branch = f"      {json.dumps(language)}: [include: {SHIPPED}thresholds/fineweb2/{language}.yaml]\n"
    uses = loaded(f"  - route:\n      by: language\n{branch}")
    assert [use.kind for use in uses] == ["gopher_repetition", "fineweb", "gopher_quality"]
    assert {use.branch for use in uses} == {language}


def test_all_languages_in_one_route() -> None:
    """``all.yaml`` has a branch for every file."""
    uses = loaded(f"  - include: {SHIPPED}thresholds/fineweb2/all.yaml\n")
    assert sorted({use.branch for use in uses if use.branch}) == LANGUAGES
    assert len(uses) == 3 * len(LANGUAGES)


def test_the_largest_languages_are_there() -> None:
    """The thirty languages of which FineWeb-2 has most are among them."""
    assert not set(LARGEST) - set(LANGUAGES)


def test_the_files_are_what_the_figures_give(tmp_path: Path) -> None:
    """The files are those that ``python -m pipeline.recipe.published_thresholds`` writes."""
    (tmp_path / "figures.json").write_text(json.dumps(FIGURES), encoding="utf-8")
    written = {path.name: path.read_text(encoding="utf-8") for path in write_thresholds(tmp_path)}
    assert written == {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml")}


def test_published_figures_reach_the_stages() -> None:
    """German as published: each figure is the setting that it belongs to, rules that FineWeb-2 leaves out are off."""
    route = f"  - route:\n      by: language\n      de: [include: {SHIPPED}thresholds/fineweb2/de.yaml]\n"
    repetition, fineweb, gopher = (use.config.model_dump() for use in loaded(route))
    published = FIGURES["deu_Latn"]
    assert repetition["max_duplicate_lines"] == published["dup_line_frac"] == 0.263
    assert repetition["max_top_4gram"] == published["top_n_grams"]["4"] == 0.137
    assert repetition["max_duplicate_10grams"] == published["dup_n_grams"]["10"] == 0.098
    assert repetition["max_duplicate_paragraphs"] is None and fineweb["max_short_line_share"] is None
    assert fineweb["max_line_breaks_per_word"] == published["new_line_ratio"] == 0.152
    assert (gopher["max_mean_word_length"], gopher["min_alphabetic_words"]) == (15, 0.774)
    assert gopher["stop_words"] == published["stopwords"] and gopher["min_stop_words"] == 2


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_possible(name: str) -> None:
    """Shares are shares, n-grams fall with their length, and enough stop words are left to ask for two."""
    found = FIGURES[name]
    shares = [
        found["dup_line_frac"],
        found["line_punct_thr"],
        *found["dup_n_grams"].values(),
        *found["top_n_grams"].values(),
    ]
    assert all(0 <= share <= 1 for share in shares)
    duplicate = [found["dup_n_grams"][str(n)] for n in range(5, 11)]
    assert duplicate == sorted(duplicate, reverse=True)
    assert found["min_avg_word_length"] < found["max_avg_word_length"]
    assert len(found_here(found["stopwords"])) >= FEWEST


@pytest.mark.parametrize(
    ("name", "language"), [("deu_Latn", "de"), ("rus_Cyrl", "ru"), ("arb_Arab", "ar"), ("hin_Deva", "hi")]
)
def test_published_stop_words_are_known_ones(name: str, language: str) -> None:
    """Most of FineWeb-2's stop words stand in the language's list of stopwords-iso, so they are of that language."""
    words = found_here(FIGURES[name]["stopwords"])
    assert len(set(words) & set(stop_words(language))) > 0.6 * len(words)

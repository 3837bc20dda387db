"""Values that no document can have are refused before the run, with line and nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import RecipeError
from pipeline.plan import make_plan
from pipeline.recipe.loader import load_recipe

HEAD = """name: t
store: {root}/store
sources:
  news: {{kind: jsonl, path: "{root}/*.jsonl", domain: news{news}}}
  code: {{kind: text, path: "{root}/*.py", domain: code, columns: {{language: code, licence: mit}}}}
stages:
"""


def plan(root: Path, stages: str, news: str = "", tail: str = "") -> None:
    (root / "a.jsonl").write_text('{"text": "some text"}\n')
    (root / "b.py").write_text("pass\n")
    recipe = root / "recipe.yaml"
    recipe.write_text(HEAD.format(root=root, news=news) + stages + tail)
    make_plan(load_recipe(recipe))


def refused(root: Path, stages: str, news: str = "", tail: str = "") -> str:
    with pytest.raises(RecipeError) as caught:
        plan(root, stages, news, tail)
    return str(caught.value)


def route(*values: str, by: str = "language") -> str:
    branches = "".join(f"      {value}:\n        - word_count\n" for value in values)
    return f"  - route:\n      by: {by}\n{branches}"


LANGUAGE = "  - language\n"


def test_a_branch_for_a_label_that_the_model_does_not_give(tmp_path: Path) -> None:
    """``eng`` where the model says ``en``: the branch would never be taken."""
    found = refused(tmp_path, LANGUAGE + route("eng", "code", "und", "zh"))
    assert "recipe.yaml:11: branch 'eng': no document has this language here" in found
    assert "did you mean 'en'?" in found
    assert "'zh'" not in found
    assert "did you mean 'zh'?" in refused(tmp_path, LANGUAGE + route("cmn_Hani"))
    plan(tmp_path, LANGUAGE + route("en", "code", "und"))


def test_what_keep_drops_takes_no_branch(tmp_path: Path) -> None:
    """Languages that the language stage does not keep do not come to the route; those that a source sets do."""
    assert "branch 'fr'" in refused(tmp_path, "  - language: {keep: [en, zho]}\n" + route("en", "zh", "code", "fr"))


def test_before_the_language_is_known(tmp_path: Path) -> None:
    """A route above the language stage sees what the sources say."""
    assert "branch 'en'" in refused(tmp_path, route("en") + LANGUAGE)


def test_a_language_that_comes_row_by_row_may_be_any(tmp_path: Path) -> None:
    """A field of the records can hold what it likes."""
    plan(tmp_path, route("klingon"), news=", fields: {language: lang}")
    plan(tmp_path, LANGUAGE + route("klingon"), news=", fields: {language: lang}")


def test_when_names_values_that_there_are(tmp_path: Path) -> None:
    """On the main list and inside a branch; domains and constant columns are known from the sources."""
    found = refused(tmp_path, "  - word_count: {when: {domain: [new]}}\n")
    assert "recipe.yaml:7: word_count: when.domain: no document has the value 'new' here" in found
    assert "did you mean 'news'?" in found
    assert "'gpl'" in refused(tmp_path, "  - word_count: {when: {licence: [gpl]}}\n")
    inner = "  - route:\n      by: source\n      news:\n        - word_count: {when: {language: [eng]}}\n"
    assert "when.language" in refused(tmp_path, LANGUAGE + inner)
    plan(tmp_path, "  - word_count: {when: {domain: [news], licence: [mit]}}\n")


def test_all_are_found_at_once(tmp_path: Path) -> None:
    """One error lists every finding."""
    found = refused(tmp_path, LANGUAGE + route("eng", "deu") + "  - normalize: {when: {domain: [x]}}\n")
    assert "3 errors in the recipe" in found


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("newz", "did you mean 'news'?"),
        ("web.en", "known: code, news"),
        ("news.eng", "did you mean 'en'?"),
        ("code.xx", "no document has the language 'xx'"),
    ],
)
def test_weights_of_domains_and_languages_that_there_are(tmp_path: Path, key: str, said: str) -> None:
    """A weight for nothing is refused with its line and the nearest name."""
    tail = f"tokenize: {{}}\nmix:\n  tokens: 100\n  weights:\n    news: 1\n    {key}: 1\n"
    found = refused(tmp_path, LANGUAGE, tail=tail)
    assert found.startswith(f"{tmp_path}/recipe.yaml:13: mix.weights")
    assert said in found


def test_weights_that_are_right(tmp_path: Path) -> None:
    """Domains, languages of the model and of sources, and ``other``; anything where a field says the domain."""
    tail = "tokenize: {}\nmix: {tokens: 100, weights: {news.en: 1, news.other: 1, code: 1, code.code: 1}}\n"
    plan(tmp_path, LANGUAGE, tail=tail)
    tail = "tokenize: {}\nmix: {tokens: 100, weights: {sports.en: 1}}\n"
    plan(tmp_path, LANGUAGE, news=", fields: {domain: topic}", tail=tail)


def test_a_model_of_the_wrong_format_has_a_line(tmp_path: Path) -> None:
    """So has one that is not there."""
    (tmp_path / "m.bin").write_text("no model")
    wrong = refused(tmp_path, f"  - language: {{model: {tmp_path}/m.bin}}\n")
    assert wrong.startswith(f"{tmp_path}/recipe.yaml:7: ")
    missing = refused(tmp_path, f"  - language: {{model: {tmp_path}/none.bin}}\n")
    assert missing.startswith(f"{tmp_path}/recipe.yaml:7: no model file")

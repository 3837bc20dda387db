"""Two runs are compared rule by rule, and by what their recipes say."""

from __future__ import annotations

import io

from rich.console import Console

from pipeline.reports.difference import print_difference, recipe_changes
from pipeline.reports.model import Identity
from tests.pipeline.reports.report_fakes import amount, dropped, report, stage

RECIPE = "name: a\nstore: x\nstages:\n  - word_count:\n      min_words: 50\nexecution:\n  executor: ray\n"


def shown(one: object, two: object) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=120, highlight=False, markup=False)
    recipes = RECIPE, RECIPE.replace("50", "80").replace("ray", "local").replace("name: a", "name: b")
    print_difference(one, two, recipes, console)  # type: ignore[arg-type]
    return stream.getvalue()


def test_rules_are_compared_line_by_line() -> None:
    """Documents of both, the change, and each share of what came in."""
    one = report()
    more = stage("word_count[zh]", 1000, dropped("too_short", 100), dropped("too_long", 5))
    two = report(
        run=Identity(name="other", status="finished", recipe="b", seed=0, recipe_hash="1" * 64),
        stages=[one.stages[0], more],
        kept=one.kept.model_copy(update={"total": amount(895)}),
    )
    lines = shown(one, two).splitlines()
    [short] = [line.split() for line in lines if line.strip().startswith("too_short")]
    assert short[1:4] == ["40", "100", "+60"]
    assert short[-4:] == ["4.0", "%", "10.0", "%"]
    [long] = [line.split() for line in lines if line.strip().startswith("too_long")]
    assert long[1:4] == ["0", "5", "+5"]
    [kept] = [line.split() for line in lines if line.strip().startswith("kept")]
    assert kept[1:4] == ["960", "895", "−65"]
    assert any("different recipes" in line for line in lines)


def test_stages_that_only_one_run_has_are_shown() -> None:
    """A stage that the first run lacks comes behind its own, with nothing on the other side."""
    one, two = report(), report()
    two = two.model_copy(update={"stages": [*two.stages, stage("extra", 960, dropped("gone", 7))]})
    lines = shown(one, two).splitlines()
    [gone] = [line.split() for line in lines if line.strip().startswith("gone")]
    assert gone[1:4] == ["0", "7", "+7"]
    assert [line for line in lines if line.strip().startswith("extra")]


def test_recipes_are_compared_without_what_changes_no_result() -> None:
    """Names, folders and executors are left aside."""
    other = (
        RECIPE.replace("50", "80").replace("ray", "local").replace("name: a", "name: b").replace("store: x", "store: y")
    )
    assert recipe_changes(RECIPE, other) == ["-      min_words: 50", "+      min_words: 80"]
    assert recipe_changes(RECIPE, RECIPE) == []

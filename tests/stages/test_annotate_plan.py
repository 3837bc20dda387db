"""``gristmill plan`` of a recipe that asks a model: it asks nobody, and says what the run will ask."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.errors import GristmillError, RecipeError
from pipeline.pilot.forecast import forecast
from pipeline.pilot.outlook import Outlook
from pipeline.recipe.loader import load_recipe
from pipeline.reports.plan_table import plan_json, print_plan
from stages import annotate
from stages.annotate_asking import Question
from stages.annotate_rehearsal import ENOUGH, MADE_UP, rehearsed
from tests.batches import documents
from tests.completion_server import Completions, completion_server, score_of, tokens_of
from tests.pipeline.corpora import run
from tests.stages.annotating import forget, rubric_of, settings, signal
from tests.stages.hostile import values
from tests.stages.test_annotate_runs import write

TEXTS = [f"Page {number} says that the ferry left at noon." for number in range(60)]


@pytest.fixture
def server() -> Iterator[Completions]:
    """One that behaves."""
    forget()
    with completion_server() as found:
        yield found


def planned(recipe: str, overrides: Sequence[str] = ()) -> Outlook:
    forget()
    return forecast(load_recipe(recipe, ["execution.executor=local", *overrides]))


def said(found: Outlook) -> str:
    stream = io.StringIO()
    print_plan(found, Console(file=stream, width=200))
    return stream.getvalue()


def test_a_plan_asks_nobody_and_knows_what_a_run_will_ask(server: Completions, tmp_path: Path) -> None:
    """Where the pilot is the whole input, the number of questions is the run's, copies counted once; then it is 0."""
    recipe = write(tmp_path, server)
    prices = [f"{stage}.{price}=1000000" for stage in ("annotate", "again") for price in ("prompt_price",)]
    prices += [f"{stage}.completion_price=0" for stage in ("annotate", "again")]
    found = planned(recipe, prices)
    assert not server.asked and not (tmp_path / "answers").exists()
    assert found.estimate is not None and found.estimate.pilot.stopped is None
    asked = found.estimate.asked
    assert asked["again"] == {}  # it wants the answers that the first stage has got by then
    assert asked["annotate"]["cost"] == asked["annotate"]["prompt_tokens"]
    told = said(found)
    assert "annotate will ask about" in told and "the pilot asked nobody" in told
    assert "again has nothing left to ask" in told
    assert plan_json(found)["asked"]["annotate"]["questions"][0] == asked["annotate"]["questions"].value
    run(recipe)
    assert asked["annotate"]["questions"].value == server.asked.total() > 40


def test_what_was_answered_is_not_counted_again(server: Completions, tmp_path: Path) -> None:
    """After a run that its budget stopped the rest is left, by the tokens that the server has counted."""
    recipe = write(tmp_path, server, max_documents="40")
    whole = planned(recipe).estimate
    with pytest.raises(GristmillError, match="max_documents"):
        run(recipe)
    left = planned(recipe)
    assert whole is not None and left.estimate is not None and server.asked.total() == 40
    before, now = (found.asked["annotate"] for found in (whole, left.estimate))
    assert now["questions"].value == before["questions"].value - 40
    assert now["completion_tokens"].value == 5 * now["questions"].value
    (finding,) = (finding for finding in left.findings if finding.message.startswith("annotate:"))
    assert "stop at max_documents (40)" in finding.message and "40 documents among them before" in finding.message
    assert finding.where.startswith(recipe) and "raise the limit" in finding.remedy
    run(recipe, overrides=["annotate.max_documents=500", "again.max_documents=500"])
    assert server.asked.total() == before["questions"].value
    assert not planned(recipe, ["annotate.max_documents=500", "again.max_documents=500"]).findings


def test_a_fit_without_answers_ends_the_pilot_and_not_the_plan(server: Completions, tmp_path: Path) -> None:
    """A sample too small to learn from is no error of the recipe; the plan says why it does not go on."""
    path = Path(write(tmp_path, server, share=0.02))
    text = path.read_text().replace("min_score: {fit: middle}", "column: worth")
    text = text.replace(
        "middle: {kind: percentile, from: run, signal: annotate.score, quantile: 0.4}",
        'good: {kind: classifier, from: run, positive: {where: {worth: ["5"]}}, negative: {where: {worth: ["0"]}}}',
    )
    path.write_text(text.replace("execution:", "  - classifier: {model: good}\nexecution:"))
    found = planned(str(path))
    assert found.estimate is not None and "fit good" in str(found.estimate.pilot.stopped)
    assert "the pilot ended early: fit good" in said(found)
    assert not server.asked


def test_a_misspelt_column_of_labels_is_found_before_anybody_is_asked(server: Completions, tmp_path: Path) -> None:
    """With the nearest one that is there."""
    path = Path(write(tmp_path, server))
    text = path.read_text().replace("min_score: {fit: middle}", "column: worth")
    text = text.replace(
        "middle: {kind: percentile, from: run, signal: annotate.score, quantile: 0.4}",
        "good: {kind: label_classifier, column: wroth}",
    )
    path.write_text(text.replace("execution:", "  - classifier: {model: good, column: domain}\nexecution:"))
    with pytest.raises(RecipeError, match=r"no column 'wroth' at this point\n  → did you mean 'worth'"):
        run(str(path))
    assert not server.asked


def test_known_answers_are_used_and_others_made_up(server: Completions, tmp_path: Path) -> None:
    """Known answers are those of the stage; what is made up is allowed, and always the same."""
    config = settings(server, tmp_path, reason_column="why")
    scores = signal(TEXTS[:30], config)
    batch = documents(TEXTS)
    applied, asked = annotate.rehearse(batch, config, rubric_of(config))
    again, _ = annotate.rehearse(batch, config, rubric_of(config))
    assert server.asked.total() == 30
    found = values(applied)
    assert found == values(again)
    assert found["signal score"][:30] == scores == [float(score_of(text)) for text in TEXTS[:30]]
    assert set(found["signal score"][30:]) <= set(map(float, range(6))) and len(set(found["signal score"][30:])) > 3
    assert found["column why"][30:] == [MADE_UP] * 30
    assert asked.rows.tolist() == list(range(30, 60)) and len(set(asked.keys)) == 30
    spent = sum(sum(tokens_of(text)) for text in TEXTS[:30])
    assert sum(float(values.sum()) for values in asked.amounts.values()) == pytest.approx(spent, rel=0.02)
    assert list(asked.amounts) == ["prompt_tokens", "completion_tokens"]


def test_tokens_are_guessed_until_enough_is_known(server: Completions, tmp_path: Path) -> None:
    """By bytes of the whole request, and the longest answer; from :data:`ENOUGH` documents on by what was counted."""
    config = settings(server, tmp_path, max_answer_tokens=50)
    signal(TEXTS[: ENOUGH - 1], config)
    annotator = annotate._annotator(config, rubric_of(config))
    questions = [Question.of(annotator.task, text, None) for text in ("x" * 4000, "中" * 4000)]
    short = Question.of(annotator.task, "", None)
    (first, second, empty), _ = rehearsed(annotator, [*questions, short], [1])
    assert first.prompt_tokens is not None and second.prompt_tokens is not None and empty.prompt_tokens is not None
    assert first.prompt_tokens - empty.prompt_tokens == 1000 and second.prompt_tokens - empty.prompt_tokens == 4000
    assert empty.prompt_tokens > 200 and empty.completion_tokens == 50
    signal(TEXTS[:ENOUGH], config)
    (outcome, *_), made_up = rehearsed(annotator, questions, [1])
    assert outcome.completion_tokens == 5 and made_up.all()

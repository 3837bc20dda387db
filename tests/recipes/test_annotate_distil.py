"""The recipe that has a model judge a sample and distils it: sample, answers, classifiers, agreement, domains, mix."""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

import gristmill
from pipeline.pilot.forecast import forecast
from pipeline.recipe.loader import load_recipe
from pipeline.reports.model import Report
from pipeline.reports.table import print_report
from pipeline.run_recipe import run_recipe
from tests.completion_server import Completions, completion_server
from tests.pipeline.corpora import write_jsonl
from tests.stages.annotating import forget

RECIPE = Path(gristmill.ROOT) / "recipes" / "annotate-distil.yaml"
TOPICS = {
    "science": ["enzyme", "orbit", "catalyst", "neuron", "isotope", "genome", "photon"],
    "encyclopedia": ["born", "located", "municipality", "founded", "species", "dynasty", "river"],
    "news": ["minister", "yesterday", "police", "election", "spokesman", "announced", "strike"],
}
GRADES = ["buy", "click", "sale", "explains", "because", "theorem"]
"""The word of each score."""
BOTH = ["the", "of", "and", "in", "which", "was", "with"]


def page(draw: random.Random) -> str:
    """A page of a topic and of a grade."""
    topic = draw.choice(list(TOPICS.values()))
    grade = draw.choices(GRADES, weights=[1, 3, 3, 3, 3, 1])[0]
    words = [word for _ in range(draw.randint(8, 25)) for word in (draw.choice(topic), draw.choice(BOTH), grade)]
    return " ".join(words) + "."


def topic_of(text: str) -> str:
    words = text.rstrip(".").split()
    return max(TOPICS, key=lambda topic: sum(word in TOPICS[topic] for word in words))


def score_of(text: str) -> int:
    return next(score for score, word in enumerate(GRADES) if word in text)


@pytest.fixture(scope="module")
def pages() -> list[str]:
    draw = random.Random(11)
    return [page(draw) for _ in range(900)]


@pytest.fixture(scope="module")
def server() -> Iterator[Completions]:
    """A judge that follows a rule, behind an endpoint that fails now and then."""
    forget()
    faults = ("429", "500", "reset", "not_json", "prose")
    judges = {"score": score_of, "label": topic_of}
    with completion_server(judges=judges, chance=0.2, faults=faults) as found:
        yield found


@pytest.fixture(scope="module")
def root(
    tmp_path_factory: pytest.TempPathFactory, server: Completions, pages: list[str]
) -> Iterator[tuple[Path, list[str]]]:
    """(folder, overrides) of the recipe; its variables are in the environment."""
    root = tmp_path_factory.mktemp("distil")
    for part in range(3):
        write_jsonl(root / "in" / f"{part}.jsonl", pages[part::3])
    given = {"CORPUS": f"{root}/in/*.jsonl", "ANSWERS": f"{root}/answers", "JUDGE_URL": server.url}
    small = ["execution.executor=local", "vars.share=0.4", "mix.tokens=5000"]
    for stage in ("judge_worth", "judge_topic"):
        small += [f"{stage}.backoff_seconds=0.01"]
    for fit in ("worth_of", "topic_of"):
        small += [f"fits.{fit}.{key}" for key in ("buckets=2000", "dimensions=8", "held_out=0.25", "min_count=1")]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (given | {"JUDGE_MODEL": "judge"}).items():
            patch.setenv(name, value)
        yield root, [f"store={root}/store", f"runs={root}/runs", *small]


@pytest.fixture(scope="module")
def finished(root: tuple[Path, list[str]], server: Completions) -> Path:
    """The run's folder. Before it, the plan has asked nobody and said how much the run will ask."""
    planned = forecast(load_recipe(str(RECIPE), root[1])).estimate
    assert planned is not None and not server.asked and planned.pilot.stopped is None
    folder = Path(run_recipe(str(RECIPE), overrides=root[1]))
    expected = sum(planned.asked[stage]["questions"].value for stage in ("judge_worth", "judge_topic"))
    assert server.paid.total() == expected and set(server.paid.values()) <= {1, 2}
    return folder


def report_of(folder: Path) -> Report:
    return Report.model_validate_json((folder / "report.json").read_text(encoding="utf-8"))


def test_the_agreement_is_in_the_report(finished: Path) -> None:
    """Of both classifiers, with the stage whose labels they learned from: as JSON, as a page, in the terminal."""
    report = report_of(finished)
    fits = {fit.name: fit for fit in report.fits}
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=200), str(finished))
    html = (finished / "report.html").read_text(encoding="utf-8")
    for name, stage, labels in (
        ("worth_of", "judge_worth", list("012345")),
        ("topic_of", "judge_topic", sorted(TOPICS)),
    ):
        found = (fits[name].facts or {})["evaluation"]["held_out"]["agreement"]
        assert fits[name].labelled_by == [stage]
        assert [each["label"] for each in found["labels"]] == labels
        assert found["documents"] > 50 and found["accuracy"] > 0.9 and found["kappa"] > 0.85
        assert ("weighted_kappa" in found) == (name == "worth_of")
        words = f"agrees with {stage} on "
        assert words in stream.getvalue() and words in html
        assert f"{name}, held_out: documents by their label" in html


def test_every_document_is_judged_as_the_model_would(finished: Path, pages: list[str]) -> None:
    """Also those that nobody asked about: nearly all have the model's topic as their domain and its score as worth."""
    table = gristmill.open(str(finished)).documents().table(["text", "domain", "worth", "judged_topic"])
    rows = list(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
    assert sum(domain == topic_of(text) for text, domain, _, _ in rows) > 0.95 * len(rows)
    assert sum(worth == str(score_of(text)) for text, _, worth, _ in rows) > 0.9 * len(rows)
    assert 0.5 < sum(asked is None for *_, asked in rows) / len(rows) < 0.7
    wanted = {text for text in pages if score_of(text) >= 3}
    kept = {text for text, *_ in rows}
    assert len(wanted & kept) > 0.95 * len(wanted) and len(kept - wanted) < 0.05 * len(pages)


def test_topics_are_domains_of_the_mix(finished: Path) -> None:
    """The weights name labels of the rubric."""
    report = report_of(finished)
    assert set(report.kept.by_domain) <= {*TOPICS, "web"} and len(report.kept.by_domain) >= 3
    assert report.mix is not None
    realised = {stream["key"]: stream["realised"] for stream in report.mix["streams"]}
    assert all(realised[topic] > 0.1 for topic in TOPICS)


def test_a_second_run_pays_nothing(finished: Path, root: tuple[Path, list[str]], server: Completions) -> None:
    """Nor does one with other classifiers: another split learns from the answers that are there."""
    before, first = Counter(server.asked), report_of(finished)
    again = report_of(Path(run_recipe(str(RECIPE), overrides=[*root[1], "fits.worth_of.seed=1"])))
    assert server.asked == before
    assert [one.sha256 == other.sha256 for one, other in zip(first.fits, again.fits, strict=True)] == [
        fit.name != "worth_of" for fit in first.fits
    ]
    lines = [json.loads(line) for path in (root[0] / "answers").glob("*.jsonl") for line in path.open()]
    assert len({line["key"] for line in lines if line["answer"]}) == server.paid.total()

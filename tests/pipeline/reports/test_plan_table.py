"""``gristmill plan`` as text and as JSON."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.pilot.forecast import forecast
from pipeline.pilot.outlook import Outlook
from pipeline.pilot.scaling import Amount
from pipeline.recipe.loader import load_recipe
from pipeline.reports import figures
from pipeline.reports.plan_table import plan_json, print_plan
from tests.pipeline.corpora import write_corpus, write_recipe

EXTRA = "tokenize: {}\nmix: {tokens: 20_000, weights: {web: 0.5, books: 0.5}}\ntrain: {steps: 1}\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("plan")
    write_corpus(root, documents=40)
    write_recipe(root, extra=EXTRA)
    return root


@pytest.fixture(scope="module")
def found(root: Path) -> Outlook:
    return forecast(load_recipe(root / "recipe.yaml", ["word_count[zh].min_words=90000"]))


def shown(found: Outlook) -> str:
    out = io.StringIO()
    print_plan(found, Console(file=out, width=120, markup=False, highlight=False))
    return out.getvalue()


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["plan", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_everything_that_a_user_wants_to_know(found: Outlook) -> None:
    """Input, blocks, rules, time, tokens, memory, disk, and how sure it is."""
    text = shown(found)
    for pattern in (
        r"news +3 +3 \(1 to ingest\) +",
        r"books +2 +\d+ +",
        r"rows: length +.* tokenize",
        r"  too_short +100\.0 %",
        r"time: about .* with 1 worker \(local\), .* to start; training comes on top",
        r"tokens: about [\d,]+",
        r"memory: about \d.* a worker, .* are free here",
        r"disk: about .* at the end, 0 B of it there already; to be written: .* are free",
        r"at most .* of it are needed at the same time",
        r"how sure: a pilot of .* of text \(100\.0 %\) from \d+ of \d+ partitions",
        r"duplicates in the whole corpus are not known beforehand",
        r"warning: .*recipe\.yaml:\d+: word_count\[zh\]:too_short would drop 100 %",
    ):
        assert re.search(pattern, text), pattern


def test_warnings_of_the_machine_are_shown(found: Outlook) -> None:
    """Too small a disk, and a guess that is one, are marked."""
    assert found.estimate is not None
    source = replace(found.estimate.sources[0], assumed=True)
    estimate = replace(found.estimate, sources=(source, *found.estimate.sources[1:]))
    text = shown(replace(found, estimate=estimate, warnings=("the disk is too small",)))
    assert "warning: the disk is too small" in text
    assert "?: how much text a file holds was guessed by its ending" in text


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (Amount(5e9, 4e9, 6e9), "5.00 GB (4.00 GB to 6.00 GB)"),
        (Amount(5e9, 4.9e9, 5.1e9), "5.00 GB"),
        (Amount(5, 1, 9), "5 B"),
    ],
)
def test_ranges_where_they_say_something(amount: Amount, said: str) -> None:
    """No range for what is exact to a twentieth, nor for what is small."""
    from pipeline.reports.plan_table import _ranged, _within

    assert _ranged(amount, figures.size, 1e6) == said
    assert _within(amount, figures.size, 1e6) == re.sub(r"\(.*\)", "±20 %", said)


def test_json_for_scripts(root: Path, found: Outlook) -> None:
    """The same keys every time, numbers as numbers, ranges as three of them in order."""
    record = json.loads(call(str(root / "recipe.yaml"), "--json"))
    assert list(record) == list(plan_json(found))
    assert set(record) == {
        "format", "recipe", "complete", "executor", "sources", "disk", "corpus_stages", "warnings", "findings",
        "seconds", "start_seconds", "tokens", "asked", "memory", "phases", "stages", "pilot",
    }  # fmt: skip
    assert record["corpus_stages"] == {"exact_dedup": ["compared: all rows"]}
    assert record["executor"] == {"kind": "local", "address": None, "workers": 1}
    for amount in _amounts(record):
        assert amount[1] <= amount[0] <= amount[2]
    assert {phase["kind"] for phase in record["phases"]} >= {"ingest", "rows", "sketch", "link", "tokenize", "index"}
    assert not (root / "store").exists()


def _amounts(record: dict[str, Any]) -> Sequence[list[float]]:
    found = [record["seconds"], record["tokens"], record["disk"]["new_bytes"]]
    found += [source[key] for source in record["sources"] for key in ("text_bytes", "documents")]
    return found + [phase[key] for phase in record["phases"] for key in ("seconds", "bytes")]


def test_without_a_pilot(root: Path) -> None:
    """Text and JSON say what is guessed, and no document is read."""
    text = call(str(root / "recipe.yaml"), "--no-pilot")
    assert "guessed from sizes of files" in text
    assert "none (0 of 1)" in text
    assert "time: " not in text
    record = json.loads(call(str(root / "recipe.yaml"), "--no-pilot", "--json"))
    assert "seconds" not in record
    assert record["sources"][0]["guessed_text_bytes"] > 0

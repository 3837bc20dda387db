"""Annotate, then distil: a classifier that is trained inside the run on the answers of a model about a sample."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

import gristmill
from tests.completion_server import completion_server
from tests.pipeline.corpora import run, text, write_jsonl
from tests.stages.annotating import forget

RECIPE = """
name: distilled
seed: 3
store: {root}/store
runs: {root}/runs
sources:
  pages: {{kind: jsonl, path: "{root}/in/*.jsonl", domain: web}}
fits:
  worth:
    kind: classifier
    from: run
    positive: {{where: {{worth: ["3", "4", "5"]}}}}
    negative: {{where: {{worth: ["0", "1", "2"]}}}}
    epochs: 30
    buckets: 2000
stages:
  - annotate: {{base_url: "{url}", model: judge, share: 0.3, cache: {root}/answers, max_documents: null, column: worth}}
  - classifier: {{model: worth, min_score: 0.5}}
execution: {{executor: local}}
"""


def judge(page: str) -> int:
    """English is worth more to this model, by a point for a long page."""
    return (3 if "river" in page or " the " in page else 1) + (len(page) > 300)


@pytest.mark.slow
def test_a_classifier_learns_what_the_model_thinks(tmp_path: Path) -> None:
    """Of 600 pages the model sees a third; the classifier agrees with it about these and about all others."""
    rng = random.Random(5)
    pages = [text(rng, rng.choice(["en", "de"])) for _ in range(600)]
    for part in range(3):
        write_jsonl(tmp_path / "in" / f"{part}.jsonl", pages[part::3])
    forget()
    with completion_server(judge=judge) as server:
        path = tmp_path / "recipe.yaml"
        path.write_text(RECIPE.format(root=tmp_path, url=server.url))
        found = gristmill.open(run(str(path)).folder)
        asked = set(server.paid)
        assert set(server.paid.values()) == {1} and 120 < len(asked) < 240
        run(str(path))
        assert server.asked.total() == len(asked)
    table = found.signals().table()
    names = (name.rsplit("-", 1) for name in table["id"].to_pylist())
    ids = [f"{file[-1]}-{int(number):03}" for file, number in names]
    by_id = dict(zip(ids, table["classifier.score"].to_pylist(), strict=True))
    guessed = np.array([by_id[f"{place % 3}-{place // 3:03}"] >= 0.5 for place in range(len(pages))])
    thought = np.array([judge(page) >= 3 for page in pages])
    is_new = np.array([page not in asked for page in pages])
    assert (guessed == thought)[~is_new].mean() > 0.95
    assert (guessed == thought)[is_new].mean() > 0.95
    (fit,) = found.report["fits"]
    agreement = fit["facts"]["evaluation"]["held_out"]["agreement"]
    assert fit["labelled_by"] == ["annotate"] and agreement["documents"] > 10 and agreement["accuracy"] > 0.9
    dropped = np.array([reason == "classifier:low_score" for reason in table["dropped_by"].to_pylist()])
    assert 0.3 < dropped.mean() < 0.7

"""``report.json``: its numbers are sums of the books, its bytes those of every identical run, its schema published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a package of their own
import numpy as np
import pytest

from pipeline.books import Books
from pipeline.errors import GristmillError
from pipeline.reports.model import Amount, Report, report_schema
from pipeline.reports.report import read_report, read_timings, training_log, write_report
from pipeline.reports.stored_run import StoredRun
from pipeline.runs import load_run, run_books
from pipeline.storage import Folder
from tests.pipeline.corpora import run, write_recipe
from tests.pipeline.reports.finished_runs import small_run, stored, write_known

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("report")
    small_run(root)
    return root


@pytest.fixture(scope="module")
def report(root: Path) -> Report:
    return read_report(str(root / "runs/small"))


def text_of(root: Path) -> str:
    return (root / "runs/small/report.json").read_text()


def test_the_report_follows_its_schema(root: Path) -> None:
    """What is written validates against what ``gristmill schema --report`` prints."""
    schema = report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(text_of(root)), schema)


def test_the_schema_in_the_docs_is_the_one_of_the_code() -> None:
    """``docs/report-schema.json`` is generated: ``gristmill schema --report > docs/report-schema.json``."""
    assert json.loads((ROOT / "docs/report-schema.json").read_text()) == report_schema()


def test_an_unknown_format_is_refused(root: Path, tmp_path: Path) -> None:
    """A report of another format is an error, not a guess."""
    (tmp_path / "report.json").write_text('{"format": 99}')
    (tmp_path / "run.json").write_bytes((root / "runs/small/run.json").read_bytes())
    with pytest.raises(GristmillError, match="report format 99"):
        read_report(str(tmp_path))


def test_it_is_the_same_bytes_elsewhere_and_with_more_workers(root: Path, tmp_path: Path) -> None:
    """Neither the folder, nor the number of workers, nor the time of day is in the report."""
    small_run(tmp_path)
    before = (tmp_path / "runs/small/report.json").read_bytes()
    assert before == (root / "runs/small/report.json").read_bytes()
    elsewhere = tmp_path / "again"
    elsewhere.mkdir()
    small_run(elsewhere, recipe=(recipe := _two_workers()))
    assert "workers: 2" in recipe
    assert (elsewhere / "runs/small/report.json").read_bytes() == before


def _two_workers() -> str:
    from tests.pipeline.corpora import RECIPE

    return RECIPE.replace("{{executor: local}}", "{{executor: local, workers: 2}}")


def test_it_holds_no_path_and_no_time(root: Path) -> None:
    """Nothing of this machine is in it."""
    assert str(root) not in text_of(root)
    assert "seconds" not in text_of(root)
    assert "started" not in text_of(root)


def test_stages_come_in_the_order_of_the_recipe(report: Report) -> None:
    """Reading first, corpus stages where they stand, branches of a route apart."""
    assert [stage.address for stage in report.stages] == [
        "read", "normalize", "language", "exact_dedup", "word_count[zh]", "word_count[default]", "length",
    ]  # fmt: skip
    assert [stage.form for stage in report.stages] == ["read", "rows", "rows", "corpus", "rows", "rows", "rows"]


def _sum(amounts: Sequence[Amount]) -> tuple[int, int]:
    return sum(amount.documents for amount in amounts), sum(amount.bytes for amount in amounts)


def test_numbers_are_sums_of_the_books(root: Path, report: Report) -> None:
    """Totals, by source and by language are the books of the run's commits, and rules add up to what was dropped."""
    books = run_books(load_run(str(root / "runs/small")))
    assert Books(report.books).rows() == books.rows()
    for stage in report.stages:
        for kind, amount in stage.flow.items():
            assert (amount.documents if kind not in ("cut", "added") else 0, amount.bytes) == (
                books.total(kind, stage.address)[0] if kind not in ("cut", "added") else 0,
                books.total(kind, stage.address)[1],
            )
            assert _sum([flow.get(kind, Amount()) for flow in stage.by_source.values()]) == _sum([amount])
        dropped = [reason.total for reason in stage.reasons if reason.kind == "dropped"]
        assert _sum(dropped) == _sum([stage.flow.get("dropped", Amount())])
        for reason in stage.reasons:
            assert _sum(list(reason.by_source.values())) == _sum([reason.total])


def test_the_identity_holds_for_every_stage(report: Report) -> None:
    """in = out + dropped + cut − added + quarantined, in documents and bytes, as the report says itself."""
    assert report.balance.problems == []
    assert report.balance.lines > 20
    for stage in report.stages:
        flow = {
            kind: stage.flow.get(kind, Amount()) for kind in ("in", "out", "dropped", "cut", "added", "quarantined")
        }
        signs = {"in": 1, "out": -1, "dropped": -1, "cut": -1, "added": 1, "quarantined": -1}
        assert sum(signs[kind] * amount.bytes for kind, amount in flow.items()) == 0
        assert sum(signs[kind] * amount.documents for kind, amount in flow.items()) == 0


def test_what_is_kept_is_what_is_there(root: Path, report: Report) -> None:
    """Kept documents and bytes, by source, language and domain, are those of the documents."""
    documents = [batch for phase in stored(root).phases_of("rows")[-1:] for file in phase.files("docs")
                 for batch in phase.store.batches(file)]  # fmt: skip
    rows = [row for batch in documents for row in batch.to_pylist()]
    assert report.kept.total.documents == len(rows) > 50
    assert report.kept.total.bytes == sum(len(row["text"].encode()) for row in rows)
    for name, by in [("source", report.kept.by_source), ("language", report.kept.by_language),
                     ("domain", report.kept.by_domain)]:  # fmt: skip
        for value, amount in by.items():
            texts = [row["text"] for row in rows if row[name] == value]
            assert (amount.documents, amount.bytes) == (len(texts), sum(len(text.encode()) for text in texts))
        assert _sum(list(by.values())) == _sum([report.kept.total])


def test_rules_show_their_thresholds_with_the_values_of_fits(report: Report) -> None:
    """A threshold that a fit made is the number that was used."""
    length = report.stages[-1]
    rules = {reason.name: reason.rule for reason in length.reasons}
    assert rules["too_long"] is not None
    assert (rules["too_long"].signal, rules["too_long"].max) == ("words", 150)
    assert rules["too_short"] is not None
    assert rules["too_short"].min == report.fits[0].value
    assert report.fits[0].facts is not None
    assert report.fits[0].facts["quantile"] == 0.1


def test_clusters_are_counted_from_patches(root: Path, report: Report) -> None:
    """Clusters, members, dropped rows and sizes of a corpus stage."""
    [found] = report.clusters
    [phase] = stored(root).phases_of("resolve")
    survivors = np.concatenate(
        [batch.column("survivor").to_numpy() for file in phase.files("patches") for batch in phase.store.batches(file)]
    )
    sizes = np.unique(survivors, return_counts=True)[1]
    assert (found.clusters, found.members, found.largest) == (len(sizes), len(survivors), sizes.max())
    assert found.dropped == found.members - found.clusters == report.stages[3].flow["dropped"].documents
    assert sum(found.sizes.values()) == found.clusters
    assert found.sizes["2"] == int((sizes == 2).sum())


def test_quarantine_names_the_first_records(report: Report) -> None:
    """How many, why, and where the first ones are."""
    assert report.quarantine.documents == 1
    assert report.quarantine.by_reason == {"malformed_json": 1}
    assert report.quarantine.by_source == {"news": 1}
    [record] = report.quarantine.first
    assert (record.file, record.source) == ("c.jsonl", "news")
    assert record.offset and record.offset > 0


def test_sources_go_from_files_to_documents(report: Report) -> None:
    """What each source gave, lost to quarantine, and kept."""
    assert set(report.sources) == {"news", "books"}
    assert sum(source.read.documents for source in report.sources.values()) == report.stages[0].flow["out"].documents
    assert sum(source.kept.documents for source in report.sources.values()) == report.kept.total.documents
    assert report.sources["news"].quarantined.documents == 1


def test_timings_are_a_file_of_their_own(root: Path) -> None:
    """Seconds and MB/s per phase and stage."""
    timings = read_timings(str(root / "runs/small"))
    assert timings is not None
    phases = {(phase.kind, phase.name): phase for phase in timings.phases}
    first = phases["rows", "normalize, language"]
    assert first.seconds > 0
    assert {"read", "write", "normalize", "language"} <= set(first.stages)
    assert first.stages["normalize"].bytes > 10_000
    assert first.computed == first.units
    assert timings.workers == 1


def test_the_hash_is_of_what_the_recipe_asks_for(root: Path, tmp_path: Path) -> None:
    """Another threshold is another hash; another name or folder is not."""
    hashes = {}
    small_run(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    for name, overrides in {"same": ["name=same"], "other": ["name=other", "length.max_words=99"]}.items():
        run(str(recipe), overrides=overrides)
        hashes[name] = read_report(str(tmp_path / "runs" / name)).run.recipe_hash
    known: str = json.loads(text_of(root))["run"]["recipe_hash"]
    assert hashes["same"] == known
    assert hashes["other"] != known


def test_an_unfinished_run_reports_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that stopped has a report of its complete phases, which still balances."""
    from pipeline.engine import Engine

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Engine, "_run_fit", stop)
    with pytest.raises(KeyboardInterrupt):
        small_run(tmp_path)
    report = read_report(str(tmp_path / "runs/small"))
    assert report.run.status == "failed"
    assert [stage.address for stage in report.stages][-1] == "word_count[default]"
    assert report.balance.problems == []
    assert report.kept.total.documents > 0


def test_a_run_that_keeps_nothing_has_a_report(tmp_path: Path) -> None:
    """Every document dropped is a report with zeros, not an error."""
    write_known(tmp_path)
    recipe = 'name: none\nstore: {root}/store\nsources:\n  b: {{kind: jsonl, path: "{root}/in/books/*.jsonl"}}\n'
    recipe += "stages:\n  - word_count: {{min_words: 100000, max_words: null}}\nexecution: {{executor: local}}\n"
    run(write_recipe(tmp_path, text=recipe))
    report = read_report(str(tmp_path / "runs/none"))
    assert report.kept.total == Amount()
    assert report.balance.problems == []


def test_a_sample_says_so(tmp_path: Path) -> None:
    """A sampled run has its share in the report, and a stage for what was left out."""
    write_known(tmp_path)
    recipe = 'name: half\nstore: {root}/store\nsources:\n  b: {{kind: jsonl, path: "{root}/in/books/*.jsonl"}}\n'
    found = run(write_recipe(tmp_path, text=recipe + "execution: {{executor: local}}\n"), sample=0.5)
    report = read_report(found.folder)
    assert report.run.sample == 0.5
    assert [stage.address for stage in report.stages] == ["read", "sample"]
    assert report.balance.problems == []


def test_books_that_do_not_add_up_are_said(root: Path) -> None:
    """A document that is lost without a reason is a problem in the report."""
    from pipeline.reports.build import build_report
    from pipeline.reports.collect import collect

    run_ = StoredRun.open(str(root / "runs/small"))
    found = collect(run_)
    found.books.add("length", "news", "en", "dropped", "too_long", -1, 0)
    problems = build_report(run_, found).balance.problems
    assert any("length/news/en" in problem for problem in problems)
    assert any("documents were read" in problem for problem in problems)


def test_a_torn_last_line_of_a_log_is_left_out(tmp_path: Path) -> None:
    """A killed trainer may leave half a line; any other bad line is an error."""
    (tmp_path / "train").mkdir()
    log = tmp_path / "train/log.jsonl"
    log.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert training_log(Folder(str(tmp_path))) == [{"step": 1, "loss": 2.0}]
    log.write_text('{"step": 1, "lo\n{"step": 2, "loss": 1.0}\n')
    with pytest.raises(ValueError, match="Unterminated"):
        training_log(Folder(str(tmp_path)))


def test_a_report_can_be_written_again(root: Path) -> None:
    """Writing the report of a finished run anew gives the same bytes."""
    before = text_of(root)
    write_report(load_run(str(root / "runs/small")))
    assert text_of(root) == before

"""``report.html``: the report as one file that opens offline, in light and dark, and prints.

No script, nothing loaded from anywhere, and a content-security policy that says so: even text that slipped through
the escaping could do nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import pyarrow as pa

from pipeline.blocks.samples import KEPT
from pipeline.reports import figures
from pipeline.reports.line_chart import line_chart
from pipeline.reports.markup import Child, Markup, element, trusted
from pipeline.reports.model import Report, Timings
from pipeline.reports.page_parts import (
    by_language,
    by_source,
    fits_and_clusters,
    quarantine,
    reduction,
    table,
    tokens_and_mix,
)

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def report_page(
    report: Report,
    timings: Timings | None,
    samples: pa.RecordBatch,
    log: Sequence[Mapping[str, Any]],
    recipe: str,
) -> str:
    """The whole page. ``samples``: merged samples, masked; ``log``: the trainer's records; ``recipe``: as resolved."""
    title = f"{report.run.name}: what happened to every document"
    parts: list[tuple[str, str, Child]] = [
        ("reduction", "Reduction", reduction(report)),
        ("sources", "By source", by_source(report)),
        ("languages", "By language", by_language(report)),
        ("samples", "Samples", _samples(report, samples)),
        ("dedup", "Fits and clusters", fits_and_clusters(report)),
        ("tokens", "Tokens and mix", tokens_and_mix(report)),
        ("training", "Training", _training(report, log)),
        ("quarantine", "Quarantine", quarantine(report)),
        ("time", "Time", _times(timings)),
        ("recipe", "Recipe", _recipe(report, recipe)),
    ]
    shown = [(name, heading, body) for name, heading, body in parts if body]
    links = [element("a", heading, href=f"#{name}") for name, heading, _ in shown]
    sections = [element("section", element("h2", heading), body, id=name) for name, heading, body in shown]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", trusted(_style())),
    )
    body = element(
        "body", element("header", _header(report), element("nav", links, aria_label="Parts")), element("main", sections)
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _style() -> str:
    return files("pipeline.reports").joinpath("report.css").read_text(encoding="utf-8")


def _header(report: Report) -> list[Markup]:
    read, kept = report.stages[0].flow["out"], report.kept.total
    numbers = [
        ("documents read", figures.count(read.documents)),
        ("documents kept", f"{figures.count(kept.documents)} ({figures.share(kept.documents, read.documents)})"),
        ("text kept", figures.size(kept.bytes)),
    ]
    if report.tokens:
        numbers.append(("tokens", figures.count(report.tokens.tokens)))
    else:
        numbers.append(("tokens, estimated", figures.short(kept.tokens)))
    sample = f", a sample of {report.run.sample:g} of its documents" if report.run.sample is not None else ""
    said = f"Recipe {report.run.recipe}{sample}, {report.run.status}. Gristmill {report.versions.get('gristmill', '')}."
    return [
        element("h1", report.run.name),
        element("p", said, class_="soft"),
        element("ul", [element("li", element("strong", value), name) for name, value in numbers], class_="figures"),
    ]


def _samples(report: Report, samples: pa.RecordBatch) -> list[Markup] | None:
    """Dropped documents by rule, in the order of the reduction table, then kept ones."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in samples.select(["rule", "id", "source", "language", "bytes", "text"]).to_pylist():
        rows.setdefault(row["rule"], []).append(row)
    order = [f"{stage.address}:{reason.name}" for stage in report.stages for reason in stage.reasons]
    names = [name for name in [*order, KEPT] if name in rows]
    if not names:
        return None
    note = "Of each rule the documents with the smallest content hash: the same in every run. Personal data is masked."
    return [element("p", note, class_="soft"), *(_sample_list(name, rows[name]) for name in names)]


def _sample_list(rule: str, rows: Sequence[Mapping[str, Any]]) -> Markup:
    label = "kept" if rule == KEPT else f"dropped by {rule}"
    return element(
        "details",
        element("summary", f"{label} ({len(rows)} shown)"),
        element("div", [_sample(row) for row in rows]),
    )


def _sample(row: Mapping[str, Any]) -> Markup:
    about = f"{row['source']}, {row['language']}, {figures.size(row['bytes'])}"
    return element(
        "article",
        element("div", element("bdi", row["id"]), " ", element("span", about, class_="soft")),
        element("pre", row["text"], dir="auto"),
    )


def _training(report: Report, log: Sequence[Mapping[str, Any]]) -> list[Child] | None:
    if not report.training:
        return None
    rows = [element("tr", element("th", key, scope="row"), element("td", _plain(value))) for key, value in
            report.training.items()]  # fmt: skip
    return [_curve(log), table("What the trainer ended with", ["", "value"], rows)]


def _curve(log: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Every logged loss by step."""
    names = sorted({key for record in log for key in record if "loss" in key})
    lines = {
        name: [(float(record["step"]), float(record[name])) for record in log if _has(record, name)] for name in names
    }
    chart = line_chart("Loss by step", "step", lines)
    return element("figure", chart) if chart else None


def _has(record: Mapping[str, Any], name: str) -> bool:
    return isinstance(record.get(name), int | float) and isinstance(record.get("step"), int | float)


def _plain(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _times(timings: Timings | None) -> list[Child] | None:
    if timings is None:
        return None
    rows = [row for phase in timings.phases for row in _phase_rows(phase)]
    said = f"{figures.duration(timings.seconds)} from start to end, {timings.workers} workers ({timings.executor})."
    note = "Seconds are summed over workers and include work that earlier runs did and this one reused."
    headings = ["phase, stage", "units", "computed now", "seconds", "MB/s per worker"]
    return [element("p", said, " ", element("span", note, class_="soft")), table("Time per stage", headings, rows)]


def _phase_rows(phase: Any) -> Iterator[Markup]:
    name = f"{phase.kind}: {phase.name}" if phase.name else phase.kind
    cells = [figures.count(phase.units), figures.count(phase.computed), f"{phase.seconds:.2f}", ""]
    yield element("tr", element("th", name, scope="row"), [element("td", c, class_="n") for c in cells], class_="stage")
    for stage, spent in phase.stages.items():
        speed = "" if spent.mb_per_s is None else figures.speed(spent.mb_per_s)
        cells = ["", "", f"{spent.seconds:.2f}", speed]
        yield element(
            "tr", element("th", stage, scope="row"), [element("td", c, class_="n") for c in cells], class_="reason"
        )


def _recipe(report: Report, recipe: str) -> list[Markup]:
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return [
        element("p", f"Hash {report.run.recipe_hash[:16]}…; {versions}.", class_="soft"),
        element("details", element("summary", "The resolved recipe"), element("pre", recipe)),
    ]

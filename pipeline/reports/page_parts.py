"""Tables of the report page: reduction, sources, languages, fits, clusters, tokens, mix, quarantine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipeline.reports import figures
from pipeline.reports.agreement import agreement_words, agreements, left_out_words
from pipeline.reports.markup import Child, Markup, element
from pipeline.reports.model import Amount, FitResult, Reason, Report, RuleText, StageTotals
from pipeline.reports.table import balance_lines, dropped_by_language, reason_label

NOTHING = Amount()


def table(caption: str, headings: Sequence[str], rows: Iterable[Markup]) -> Markup:
    """A table that scrolls sideways by itself where the window is narrow."""
    first, *rest = headings
    head = element("tr", element("th", first, scope="col"), [element("th", h, scope="col", class_="n") for h in rest])
    inner = element("table", element("caption", caption), element("thead", head), element("tbody", list(rows)))
    return element("div", inner, class_="wide", tabindex=0, role="region", aria_label=caption)


def heading_cells() -> list[str]:
    """Headings of :func:`amount_cells`."""
    return ["documents", "bytes", "tokens"]


def amount_cells(amount: Amount, sign: str = "") -> list[Markup]:
    """Documents, bytes, tokens; what is nothing is left blank."""
    shown = [
        figures.count(amount.documents) if amount.documents else "",
        figures.size(amount.bytes) if amount.bytes else "",
        figures.short(amount.tokens) if amount.tokens else "",
    ]
    return [element("td", f"{sign}{value}" if value else "", class_="n") for value in shown]


def bar(kept: float, gone: float, whole: float) -> Markup:
    """How much of the whole is there, and how much of it goes here."""
    scale = 100 / whole if whole else 0
    rect = {"y": 0, "height": 10}
    parts = [
        element("rect", x=0, width=f"{(kept + gone) * scale:.2f}", fill="var(--bar)", **rect),
        element("rect", x=f"{kept * scale:.2f}", width=f"{gone * scale:.2f}", fill="var(--gone)", **rect),
    ]
    return element("svg", parts, viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")


def reduction(report: Report) -> list[Child]:
    """Stages with what came in, under each what went and why; at the end what is left."""
    read = report.stages[0].flow["in"]
    rows = [row for stage in report.stages for row in _stage_rows(stage, read)]
    kept = report.kept.total
    share = element("td", figures.share(kept.documents, read.documents), class_="n")
    last = element("td", bar(kept.documents, 0, read.documents), class_="bar")
    rows.append(element("tr", element("th", "kept", scope="row"), amount_cells(kept), share, last, class_="kept"))
    headings = ["stage, reason", *heading_cells(), "share", "left of what was read"]
    good = not report.balance.problems
    said = [element("p", str(line), class_="good" if good else "bad") for line in balance_lines(report)]
    return [table("What every stage took in, and what it took away", headings, rows), said, _estimate(report)]


def _estimate(report: Report) -> Markup:
    own = ", ".join(report.estimate.calibrated)
    said = f"calibrated by this run's own counts for {own}" if own else "from a table by language"
    return element("p", f"Tokens are estimated from bytes, {said}.", class_="soft")


def _stage_rows(stage: StageTotals, read: Amount) -> Iterator[Markup]:
    came, left = stage.flow["in"], stage.flow["out"]
    share = element("td", figures.share(came.documents, read.documents), class_="n")
    picture = element("td", bar(left.documents, came.documents - left.documents, read.documents), class_="bar")
    yield element("tr", element("th", stage.address, scope="row"), amount_cells(came), share, picture, class_="stage")
    for reason in stage.reasons:
        if reason.total.documents or reason.total.bytes:
            yield _reason_row(reason, came)
    added = stage.flow.get("added", NOTHING)
    if added.bytes:
        part = element("td", figures.share(added.bytes, came.bytes), class_="n")
        yield element(
            "tr", element("th", "added", scope="row"), amount_cells(added, "+"), part, element("td"), class_="reason"
        )


def _reason_row(reason: Reason, came: Amount) -> Markup:
    part, whole = (reason.total.bytes, came.bytes) if reason.kind == "cut" else (
        reason.total.documents, came.documents)  # fmt: skip
    label = [
        reason_label(reason),
        " ",
        element("span", rule_words(reason.rule), class_="rule") if reason.rule else None,
    ]
    return element(
        "tr",
        element("th", label, scope="row"),
        amount_cells(reason.total, "−"),
        element("td", figures.share(part, whole), class_="n"),
        element("td"),
        class_=f"reason {reason.kind}",
    )


def rule_words(rule: RuleText) -> str:
    """``words < 50``: when the rule drops."""
    parts = [f"{rule.signal} < {figures.number(rule.min)}"] if rule.min is not None else []
    parts += [f"{rule.signal} > {figures.number(rule.max)}"] if rule.max is not None else []
    if rule.allowed is not None:
        parts.append(f"{rule.signal} not one of {', '.join(rule.allowed)}")
    if rule.forbidden is not None:
        parts.append(f"{rule.signal} is {' or '.join(rule.forbidden)}")
    where = [f"{name} is {' or '.join(wanted)}" for name, wanted in (rule.when or {}).items()]
    return " or ".join(parts) + (f" where {' and '.join(where)}" if where else "")


def by_source(report: Report) -> Markup:
    """What each source gave and what is left of it."""
    rows = []
    for name, source in report.sources.items():
        share = element("td", figures.share(source.kept.documents, source.read.documents), class_="n")
        cells = [amount_cells(source.read), amount_cells(source.kept), share]
        label = [name, " ", element("span", f"{source.kind}, {source.domain}", class_="rule")]
        rows.append(element("tr", element("th", label, scope="row"), cells))
    headings = [
        "source",
        *(f"{name} read" for name in heading_cells()),
        *(f"{n} kept" for n in heading_cells()),
        "kept",
    ]
    return table("Read and kept, by source", headings, rows)


def by_language(report: Report) -> Markup | None:
    """What is left and what went of each language."""
    dropped = dropped_by_language(report.stages)
    names = sorted({*report.kept.by_language, *(name for name, amount in dropped.items() if amount.documents)})
    names.sort(key=lambda name: -report.kept.by_language.get(name, NOTHING).bytes)
    if not names:
        return None
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            amount_cells(report.kept.by_language.get(name, NOTHING)),
            amount_cells(dropped.get(name, NOTHING), "−"),
        )
        for name in names
    ]
    headings = [
        "language", *(f"{name} kept" for name in heading_cells()), *(f"{name} dropped" for name in heading_cells())
    ]  # fmt: skip
    return table("Kept and dropped, by the language that a document had by then", headings, rows)


def fits_and_clusters(report: Report) -> list[Markup] | None:
    """What fits made, and what deduplication found."""
    parts = []
    if report.fits:
        rows = [
            _row(fit.name, [fit.kind, "" if fit.value is None else figures.number(fit.value), fit.sha256[:16]])
            for fit in report.fits
        ]
        parts.append(table("Fits: made from the data", ["fit", "kind", "value", "sha256"], rows))
        parts += [part for fit in report.fits for part in _agreements(fit)]
    for found in report.clusters:
        counts = [found.clusters, found.members, found.dropped, found.largest]
        headings = ["stage", "clusters", "documents in them", "dropped", "largest"]
        rows = [_row(found.stage, [figures.count(n) for n in counts])]
        parts.append(table("Clusters of copies", headings, rows))
        sizes = [_row(name, [figures.count(number)]) for name, number in found.sizes.items()]
        if sizes:
            parts.append(table(f"{found.stage}: clusters by size", ["documents", "clusters"], sizes))
        if found.alarms:
            rows = [
                element(
                    "tr",
                    element("th", alarm.message, scope="row"),
                    element("td", [element("div", sample) for sample in alarm.samples]),
                )
                for alarm in found.alarms
            ]
            parts.append(table(f"{found.stage}: look at this", ["alarm", "some of the documents"], rows))
    return parts or None


def _agreements(fit: FitResult) -> Iterator[Markup]:
    """What a classifier found for documents that were held out, by the label that they had."""
    for test, found in agreements(fit):
        yield element("p", f"{fit.name}, {test}: {agreement_words(found, fit.labelled_by)}.")
        names = [each["label"] for each in found["labels"]]
        rows = [
            _row(each["label"], [*map(figures.count, line), figures.count(each["given"]), _share(each["recall"])])
            for each, line in zip(found["labels"], found["confusion"], strict=True)
        ]
        whole = [figures.count(each["found"]) for each in found["labels"]]
        rows.append(_row("found", [*whole, figures.count(found["documents"]), ""]))
        rows.append(_row("precision", [*(_share(each["precision"]) for each in found["labels"]), "", ""]))
        headings = ["label", *(f"found {name}" for name in names), "documents", "recall"]
        yield table(f"{fit.name}, {test}: documents by their label and by what the classifier found", headings, rows)
    if left_out := left_out_words(fit):
        yield element("p", f"{fit.name}: {left_out}.")


def _share(part: float | None) -> str:
    return "" if part is None else figures.share(part, 1)


def tokens_and_mix(report: Report) -> list[Child] | None:
    """Tokens as counted, by domain and language; the mix as asked and as realised."""
    parts: list[Child] = []
    if report.tokens:
        tokens = report.tokens
        said = (
            f"{figures.count(tokens.tokens)} tokens of {figures.count(tokens.documents)} documents in {tokens.shards} "
            f"shards; tokenizer {tokens.tokenizer.get('name')}, vocabulary {tokens.tokenizer.get('vocab_size', 0):,}."
        )
        rows = [
            _row(f"{line.domain}, {line.language}", [
                figures.count(line.documents), figures.size(line.text_bytes), figures.count(line.tokens),
                f"{line.text_bytes / max(line.tokens, 1):.2f}"])
            for line in tokens.by
        ]  # fmt: skip
        headings = ["domain, language", "documents", "bytes", "tokens", "bytes per token"]
        parts += [element("p", said), table("Tokens by domain and language", headings, rows)]
    if report.mix:
        parts.append(_mix(report.mix["streams"], report.mix.get("warnings", [])))
    return parts or None


def _mix(streams: Sequence[dict[str, float]], warnings: Sequence[str]) -> list[Markup]:
    rows = [
        _row(str(stream["key"]), [
            figures.share(stream["weight"], 1), figures.share(stream["realised"], 1), figures.short(stream["tokens"]),
            figures.short(stream["available_tokens"]), f"{stream['epochs']:.2f}{' (cap)' if stream['capped'] else ''}"])
        for stream in streams
    ]  # fmt: skip
    headings = ["domain", "asked", "realised", "tokens", "available", "epochs"]
    return [table("The mix", headings, rows), *(element("p", f"Mix: {warning}", class_="bad") for warning in warnings)]


def quarantine(report: Report) -> list[Markup] | None:
    """Records that could not be used: how many, why, and the first ones."""
    if not report.quarantine.documents:
        return None
    by_reason = [_row(name, [figures.count(number)]) for name, number in report.quarantine.by_reason.items()]
    first = [
        _row(record.file, ["" if record.offset is None else figures.count(record.offset), record.source, record.reason,
                           record.detail or ""])
        for record in report.quarantine.first
    ]  # fmt: skip
    return [
        table("By reason", ["reason", "records"], by_reason),
        table("The first ones", ["file", "offset", "source", "reason", "detail"], first),
    ]


def _row(name: str, cells: Sequence[str]) -> Markup:
    return element("tr", element("th", name, scope="row"), [element("td", cell, class_="n") for cell in cells])

"""The report of a run, put together from what :mod:`pipeline.reports.collect` found and from the recipe."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pyarrow as pa

import gristmill
from pipeline.blocks.rows import SAMPLE
from pipeline.books import READ, Entry
from pipeline.fingerprint import digest, library_versions
from pipeline.recipe.model import ExecutionConfig, Recipe
from pipeline.recipe.resolved import resolved_recipe
from pipeline.reports.amounts import (
    Sums,
    amounts_by,
    checked_lines,
    flow,
    flows_by,
    grouped,
    has_language,
    language_of,
    source_of,
    sums_by,
)
from pipeline.reports.cluster_alarms import cluster_alarms
from pipeline.reports.collect import Collected
from pipeline.reports.model import (
    Alarm,
    Amount,
    Balance,
    Clusters,
    Estimate,
    FitResult,
    Form,
    Identity,
    Kept,
    Quarantine,
    Reason,
    Report,
    RuleText,
    SourceTotals,
    StageTotals,
    StoredBlock,
    TokenCount,
    Tokens,
)
from pipeline.reports.stored_run import StoredRun
from pipeline.reports.token_estimates import TokenEstimate, token_estimate
from stages import catalogue
from stages.contract import CorpusStage, FitRef, RowStage, Rule


def build_report(run: StoredRun, found: Collected) -> Report:
    """The report of what a run has stored."""
    estimate = token_estimate(found.books, found.language_counts())
    entries = list(found.books)
    by_stage = grouped(entries, lambda entry: entry.stage)
    languages = sorted({entry.language for entry in entries if has_language(entry)})
    kept = _kept(found, estimate)
    return Report(
        run=_identity(run),
        versions=_versions(run.recipe),
        sources=_sources(run.recipe, by_stage.get(READ, []), estimate, kept),
        stages=[
            stage_totals(address, kind, form, by_stage.get(address, []), estimate, rules)
            for address, kind, form, rules in stage_order(run)
            if address in by_stage or run.complete
        ],
        kept=kept,
        balance=_balance(run, found, entries),
        estimate=Estimate(
            bytes_per_token={language: round(estimate.bytes_per_token(language), 3) for language in languages},
            calibrated=[language for language in estimate.calibrated if language in languages],
        ),
        fits=[
            FitResult(
                name=fit.name,
                kind=fit.kind,
                sha256=fit.sha256,
                value=fit.value,
                facts=fit.facts,
                labelled_by=_labelled_by(run.recipe, fit.name),
            )
            for fit in run.fits.values()
        ],
        clusters=_clusters(run, found, entries),
        tokens=_tokens(run, found),
        mix=_mix(run),
        training=_training(run),
        quarantine=_quarantine(entries, found),
        blocks=[StoredBlock(kind=phase.kind, name=phase.name, units=len(phase.block.units)) for phase in run.phases],
        books=[(*entry,) for entry in entries],
    )


def stage_order(run: StoredRun) -> list[tuple[str, str, Form, dict[str, RuleText | None]]]:
    """(address, kind, form, rules by name) of every line of the reduction table, in the recipe's order."""
    first: list[tuple[str, str, Form, dict[str, RuleText | None]]] = [(READ, READ, "read", {})]
    if run.run.sample is not None:
        first.append((SAMPLE, SAMPLE, "sample", {}))
    values = {name: fit.value for name, fit in run.fits.items() if fit.value is not None}
    for use in run.recipe.uses():
        stage = catalogue.stage(use.kind)
        if isinstance(stage, CorpusStage):
            first.append((use.address, use.kind, "corpus", {stage.rule: None}))
        else:
            rules = {rule.name: _rule_text(rule, values) for rule in stage.rules(use.config)}
            first.append((use.address, use.kind, "rows", dict(rules)))
    return first


def _rule_text(rule: Rule, values: Mapping[str, float]) -> RuleText:
    low, high = (values.get(end.fit) if isinstance(end, FitRef) else end for end in (rule.min, rule.max))
    allowed, forbidden = (None if words is None else list(words) for words in (rule.allowed, rule.forbidden))
    when = None if rule.when is None else {name: list(wanted) for name, wanted in rule.when.items()}
    return RuleText(signal=rule.signal, min=low, max=high, allowed=allowed, when=when, forbidden=forbidden)


def stage_totals(
    address: str, kind: str, form: Form, entries: Sequence[Entry], estimate: TokenEstimate,
    rules: Mapping[str, RuleText | None],
) -> StageTotals:  # fmt: skip
    """A stage's lines of the books, added up."""
    flowing = [entry for entry in entries if entry.kind != "repaired"]
    documents = [entry for entry in flowing if has_language(entry)]
    return StageTotals(
        address=address,
        kind=kind,
        form=form,
        flow=flow(flowing, estimate),
        by_source=flows_by(flowing, estimate, source_of),
        by_language=flows_by(documents, estimate, language_of),
        reasons=_reasons(flowing, estimate, rules),
    )


def _reasons(entries: Sequence[Entry], estimate: TokenEstimate, rules: Mapping[str, RuleText | None]) -> list[Reason]:
    """Quarantined first, then drops in the order of the rules (those that dropped nothing too), then cuts."""
    groups: Mapping[tuple[str, str], list[Entry]] = grouped(entries, lambda entry: (str(entry.kind), entry.reason))
    names = {kind: [name for found, name in sorted(groups) if found == kind] for kind in ("quarantined", "cut")}
    drops = list(dict.fromkeys([*rules, *(name for kind, name in sorted(groups) if kind == "dropped")]))
    order = [("quarantined", names["quarantined"]), ("dropped", drops), ("cut", names["cut"])]
    return [
        _reason(kind, name, groups.get((kind, name), []), estimate, rules.get(name))
        for kind, listed in order
        for name in listed
    ]


def _reason(kind: Any, name: str, entries: Sequence[Entry], estimate: TokenEstimate, rule: RuleText | None) -> Reason:
    return Reason(
        kind=kind,
        name=name,
        total=sums_by(entries, estimate, lambda entry: "").get("", Amount()),
        by_source=amounts_by(entries, estimate, source_of),
        by_language=amounts_by(filter(has_language, entries), estimate, language_of),
        rule=rule if kind == "dropped" else None,
    )


def _labelled_by(recipe: Recipe, fit: str) -> list[str]:
    """Addresses of the row stages that write a column whose values the fit learns from."""
    use = recipe.fits[fit]
    columns = set(catalogue.fit(use.kind).columns(use.config))
    stages = ((stage_use, catalogue.stage(stage_use.kind)) for stage_use in recipe.uses())
    return [
        stage_use.address
        for stage_use, stage in stages
        if isinstance(stage, RowStage) and columns & stage.writes(stage_use.config).keys()
    ]


def _identity(run: StoredRun) -> Identity:
    return Identity(
        name=run.run.name,
        status=run.run.status,
        sample=run.run.sample,
        recipe=run.recipe.name,
        seed=run.recipe.seed,
        recipe_hash=recipe_hash(run.recipe),
    )


def recipe_hash(recipe: Recipe) -> str:
    """Hash of what the recipe asks for: not of its name, of where things lie, nor of where the work is done."""
    sources = {
        name: type(use)(name, use.kind, use.config.model_copy(update={"path": ""}))
        for name, use in recipe.sources.items()
    }
    elsewhere = {"name": "", "store": "", "runs": "", "vars": {}, "execution": ExecutionConfig(), "sources": sources}
    return digest(resolved_recipe(recipe.model_copy(update=elsewhere), effort=False))


def _versions(recipe: Recipe) -> dict[str, str]:
    used = [catalogue.stage(use.kind) for use in recipe.uses()] + [
        catalogue.fit(use.kind) for use in recipe.fits.values()
    ]
    stages = ((catalogue.stage(use.kind), use.config) for use in recipe.uses())
    chosen = [
        name for stage, config in stages if isinstance(stage, RowStage) for name in stage.chosen_libraries(config)
    ]
    libraries = library_versions([*chosen, *(name for stage in used for name in stage.libraries)])
    return {"gristmill": _own_version(), "python": platform.python_version(), "pyarrow": pa.__version__, **libraries}


def _own_version() -> str:
    try:
        return version("gristmill")
    except PackageNotFoundError:
        return gristmill.__version__


def _sources(recipe: Recipe, entries: Sequence[Entry], estimate: TokenEstimate, kept: Kept) -> dict[str, SourceTotals]:
    found = {}
    for name, use in recipe.sources.items():
        lines = [entry for entry in entries if entry.source == name]
        totals = flow([entry for entry in lines if entry.kind != "repaired"], estimate)
        repaired = {entry.reason: entry.documents for entry in lines if entry.kind == "repaired"}
        found[name] = SourceTotals(
            kind=use.kind,
            domain=use.config.domain,
            read=totals["out"],
            quarantined=totals.get("quarantined", Amount()),
            kept=kept.by_source.get(name, Amount()),
            repaired=repaired,
        )
    return found


def _kept(found: Collected, estimate: TokenEstimate) -> Kept:
    tables = []
    for place in (None, 0, 1, 2):
        sums = Sums(estimate)
        for key, (documents, n_bytes) in sorted(found.kept.items()):
            sums.add("" if place is None else key[place], documents, n_bytes, key[1], key[0])
        tables.append(sums.table())
    total = tables[0].get("", Amount())
    by_source, by_language, by_domain = ({name: table[name] for name in sorted(table)} for table in tables[1:])
    return Kept(total=total, by_source=by_source, by_language=by_language, by_domain=by_domain)


def _balance(run: StoredRun, found: Collected, entries: Sequence[Entry]) -> Balance:
    problems = found.books.unbalanced()
    if run.complete:
        problems += _end_to_end(found, entries)
    return Balance(stages=len({entry.stage for entry in entries}), lines=checked_lines(found.books), problems=problems)


def _end_to_end(found: Collected, entries: Sequence[Entry]) -> list[str]:
    """Documents that were read and not lost to a reason have to be the documents that are there."""
    lost = sum(entry.documents for entry in entries if entry.kind in ("dropped", "quarantined"))
    read = sum(entry.documents for entry in entries if entry.kind == "in" and entry.stage == READ)
    crashed = sum(e.documents for e in entries if e.kind == "quarantined" and e.stage != READ and not has_language(e))
    kept = sum(documents for documents, _ in found.kept.values())
    if read - lost == kept:
        return []
    return [f"{read:,} documents were read and {lost:,} lost to a reason ({crashed:,} crashed), but {kept:,} are there"]


def _clusters(run: StoredRun, found: Collected, entries: Sequence[Entry]) -> list[Clusters]:
    """Of every corpus stage that has run and does not cut: one that found nothing has no patches, and says so."""
    by_name = {clusters.stage: clusters for clusters in found.clusters}
    cutting = {use.name for use in run.recipe.uses() if getattr(catalogue.stage(use.kind), "cut", None) is not None}
    linked = dict.fromkeys(phase.name for phase in run.phases_of("link") if phase.name not in cutting)
    listed = []
    for name in linked:
        clusters = by_name.get(name) or Clusters(stage=name, clusters=0, members=0, dropped=0, largest=0)
        alarms = list(cluster_alarms(run, name, found.largest.get(name, {}), entries))
        if found.wiped.get(name):
            said = f"{found.wiped[name]} clusters have no document left; this is a bug in Gristmill or a stage"
            alarms.append(Alarm(message=said, samples=[]))
        listed.append(clusters.model_copy(update={"alarms": alarms}))
    return listed


def _tokens(run: StoredRun, found: Collected) -> Tokens | None:
    phases = run.phases_of("compact")
    if not phases:
        return None
    from pipeline.tokens.shards import TokenShards

    shards = TokenShards.open(run.folder.child("tokens").uri)
    by = [
        TokenCount(domain=domain, language=language, documents=amounts[0], text_bytes=amounts[1], tokens=amounts[2])
        for (domain, language), amounts in sorted(found.counts.items())
    ]
    documents, text_bytes, tokens = (sum(line[i] for line in found.counts.values()) for i in range(3))
    return Tokens(
        tokenizer=shards.tokenizer,
        documents=documents,
        tokens=tokens,
        text_bytes=text_bytes,
        shards=len(phases[-1].block.units),
        by=by,
    )


def _mix(run: StoredRun) -> dict[str, Any] | None:
    if run.recipe.mix is None or not run.folder.child("mix").exists("plan.json"):
        return None
    from pipeline.tokens.mix import MixPlan

    report: dict[str, Any] = MixPlan.read(run.folder.child("mix").uri).report
    return report


def _training(run: StoredRun) -> dict[str, Any] | None:
    """The trainer's result, without what another run of it would measure differently."""
    if run.recipe.train is None:
        return None
    try:
        result = json.loads(run.folder.child("train").read("result.json"))
    except FileNotFoundError:
        return None
    return {key: value for key, value in result.items() if not _is_measured(key)}


def _is_measured(key: str) -> bool:
    return any(word in key for word in ("second", "time", "path", "folder", "device", "threads"))


def _quarantine(entries: Sequence[Entry], found: Collected) -> Quarantine:
    lines = [entry for entry in entries if entry.kind == "quarantined"]
    by_reason = grouped(lines, lambda entry: entry.reason)
    by_source = grouped(lines, source_of)
    return Quarantine(
        documents=sum(entry.documents for entry in lines),
        bytes=sum(entry.bytes for entry in lines),
        by_reason={name: sum(entry.documents for entry in by_reason[name]) for name in sorted(by_reason)},
        by_source={name: sum(entry.documents for entry in by_source[name]) for name in sorted(by_source)},
        first=found.quarantined,
    )

"""``gristmill plan``: what a recipe will read, do, drop and need, less what is in the store; as text or JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.pilot.outlook import Outlook, PhaseLeft
from pipeline.pilot.scaling import Amount
from pipeline.pilot.stages import StageEstimate
from pipeline.plan import Block, CorpusBlock, ExportBlock, FitBlock, RowsBlock
from pipeline.recipe.model import Recipe
from pipeline.reports import figures
from pipeline.terminal import text

SHOWN_SHARE = 0.0005
"""A rule that would drop less than this is not listed."""
JSON_FORMAT = 1


def print_plan(found: Outlook, console: Console) -> None:
    """Tables of the input, the blocks and the rules, then sums, warnings and how sure all of it is."""
    console.print(_source_table(found))
    console.print(_block_table(found))
    if found.estimate is not None and any(stage.dropped for stage in found.estimate.stages):
        console.print(_rule_table(found))
    for line in [*_corpus_stages(found), *_exports(found), *_asked(found), *_sums(found)]:
        console.print(line, soft_wrap=True)
    for warning in found.warnings:
        console.print(text(f"warning: {warning}", "yellow"), soft_wrap=True)
    for finding in found.findings:
        console.print(text(f"warning: {finding.where}: {finding.message}", "yellow"), soft_wrap=True)
        console.print(text(f"  → {finding.remedy}"), soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", overflow="fold", no_wrap=bool(place))
    return table


def _source_table(found: Outlook) -> Table:
    measured = {source.size.name: source for source in found.estimate.sources} if found.estimate else {}
    more = ("text", "documents", "MB/s a core") if measured else ()
    table = _table("input", "source", "files", "partitions", "bytes", *more)
    for size in found.sizes:
        partitions = figures.count(size.partitions)
        if size.streams:
            partitions += f" ({figures.count(size.streams)} to ingest)"
        cells = [figures.count(size.files), partitions, figures.size(size.bytes)]
        source = measured.get(size.name)
        if source is not None:
            mark = "?" if source.assumed else ""
            speed = "" if source.mb_per_s is None else figures.speed(source.mb_per_s)
            text_bytes = _within(source.text_bytes, figures.size, 1e6)
            cells += [text_bytes + mark, _within(source.documents, figures.short, 100) + mark, speed]
        table.add_row(text(size.name), *map(Text, cells))
    return table


def _block_table(found: Outlook) -> Table:
    if not found.phases:
        return _stored_table(found)
    table = _table("blocks", "block", "in the store", "time", "disk", "read until")
    measured = set()
    for phase in found.phases:
        block = phase.estimate.block
        until = found.needed_until.get(block.fingerprint, "") if block and phase.estimate.kind in _KEPT else ""
        measured.add(block.fingerprint if block else "")
        time, disk = _within(phase.seconds, figures.duration, 2), _within(phase.disk, figures.size, 1e6)
        if not phase.left:
            time, disk = "", figures.size(phase.stored_bytes)
        done = Text("all", "green") if not phase.left else Text(figures.share(1 - phase.left, phase.left < 1))
        table.add_row(text(_label(phase)), done, Text(time), Text(disk), text(_short(until)))
    for left in found.walk.blocks_left():
        if left.fingerprint not in measured:
            table.add_row(text(f"{_kind(left)}: {left.name}"), "", Text("not measured", "dim"), "", "")
    return table


_KEPT = {"rows", "resolve"}
_SHORT = 36


def _short(name: str) -> str:
    return name if len(name) <= _SHORT else f"{name[: _SHORT - 1]}…"


def _label(phase: PhaseLeft) -> str:
    return f"{phase.estimate.kind}: {phase.estimate.name}" if phase.estimate.name else phase.estimate.kind


def _stored_table(found: Outlook) -> Table:
    table = _table("blocks", "block", "in the store", "fingerprint")
    for phase in found.walk.walked:
        label = f"{phase.kind}: {phase.name}" if phase.name else phase.kind
        state = "all" if phase.complete else "none" if not phase.done else "some"
        done = Text(f"{state} ({phase.done} of {phase.units})", "green" if phase.complete else "")
        table.add_row(text(label), done, Text(phase.block.fingerprint[:12] if phase.block else ""))
    for block in found.walk.blocks_left():
        table.add_row(text(f"{_kind(block)}: {block.name}"), Text("after that", "dim"), Text(block.fingerprint[:12]))
    return table


def _kind(block: Block) -> str:
    if isinstance(block, RowsBlock | ExportBlock):
        return "rows" if isinstance(block, RowsBlock) else "export"
    return "corpus" if isinstance(block, CorpusBlock) else "fit" if isinstance(block, FitBlock) else "tokens"


def _rule_table(found: Outlook) -> Table:
    assert found.estimate is not None
    table = _table("rules, in the pilot", "stage, rule", "documents", "of all", "would drop", "MB/s")
    for stage in found.estimate.stages:
        speed = "" if stage.mb_per_s is None else figures.speed(stage.mb_per_s)
        table.add_row(text(stage.address), figures.count(stage.documents), figures.share(stage.seen, 1), "", speed)
        for rule, share in _shown(stage):
            table.add_row(text(f"  {rule}"), "", "", figures.share(share, 1), "")
    return table


def _shown(stage: StageEstimate) -> Iterator[tuple[str, float]]:
    for rule, share in stage.dropped.items():
        if share >= SHOWN_SHARE:
            yield rule, share


def _corpus_stages(found: Outlook) -> Iterator[Text]:
    """What each corpus stage says of its settings."""
    for block in found.plan.blocks:
        lines = _forecast(block)
        if lines:
            yield text(block.name, "bold")
            yield from (text(f"  {line}") for line in lines)


def _forecast(block: Block) -> list[str]:
    return list(block.spec.stage.forecast(block.spec.config)) if isinstance(block, CorpusBlock) else []


def _exports(found: Outlook) -> Iterator[Text]:
    for block in found.plan.blocks:
        if isinstance(block, ExportBlock):
            packed = "" if block.spec.compression == "none" else f", {block.spec.compression}"
            after = found.plan.recipe.exports[block.name].after
            what = f"documents after {after}" if after else "the finished documents"
            where = block.path or f"exports/{block.name} in the run's folder"
            yield text(f"export {block.name}: {what} as {block.spec.format}{packed} to {where}")


def _asked(found: Outlook) -> Iterator[Text]:
    """What stages will ask others, at what price."""
    asked = found.estimate.asked if found.estimate else {}
    for address, amounts in asked.items():
        parts = [f"{_counts(amount)} {name.replace('_', ' ')}" for name, amount in amounts.items() if name != "cost"]
        if "cost" in amounts:
            parts.append(f"at a cost of {_ranged(amounts['cost'], _money, 0.01)}")
        yield text(f"{address} will ask about {', '.join(parts)}" if parts else f"{address} has nothing left to ask")
    if asked:
        yield text("  the pilot asked nobody and made up the answers that are not known yet: what rules and fits make")
        yield text("  of them is a guess, and the wait for answers is not in the time")


def _money(value: float) -> str:
    return f"{value:,.2f}"


def _sums(found: Outlook) -> Iterator[Text]:
    if found.walk.complete:
        there = figures.size(found.stored_bytes)
        yield text(f"everything is in the store ({there}); a run only writes its report", "green")
        return
    if found.estimate is not None:
        yield from _measured_sums(found)
    stored = found.stored_bytes
    end = figures.size(stored + found.new_bytes.value)
    free = "" if found.free_bytes is None else f"; {figures.size(found.free_bytes)} are free"
    limits = f"{figures.size(found.new_bytes.low)} to {figures.size(found.new_bytes.high)}"
    yield text(
        f"disk: about {end} at the end, {figures.size(stored)} of it there already; "
        f"to be written: {figures.size(found.new_bytes.value)} ({limits}){free}"
    )
    if found.estimate is None:
        yield text("  guessed from sizes of files, as if no stage dropped anything; a pilot measures (no --no-pilot)")
    else:
        at_once = figures.size(found.at_once_bytes)
        yield text(f"  at most {at_once} of it are needed at the same time; a block may go after its last reader")
    yield text("  nothing is freed during a run; afterwards `gristmill gc` frees what no kept run needs")
    if found.estimate is not None:
        yield from _certainty(found)


def _measured_sums(found: Outlook) -> Iterator[Text]:
    estimate = found.estimate
    assert estimate is not None
    execution = found.plan.recipe.execution
    where = execution.executor if execution.address is None else f"{execution.executor} at {execution.address}"
    workers = figures.counted(found.workers, "worker")
    training = "; training comes on top and is not estimated" if found.plan.recipe.train else ""
    yield text(
        f"time: about {_durations(found.seconds)} with {workers} ({where}), "
        f"{figures.duration(estimate.start_seconds)} of it to start{training}"
    )
    if estimate.tokens is not None:
        yield text(f"tokens: about {_counts(estimate.tokens)}, if corpus stages dropped nothing")
    needed = estimate.memory_bytes * found.workers
    line = f"memory: about {figures.size(estimate.memory_bytes)} a worker, {figures.size(needed)} in all"
    if found.memory is not None:
        line += f"; {figures.size(found.memory.available)} of {figures.size(found.memory.limit)} are free here"
    yield text(line)


def _certainty(found: Outlook) -> Iterator[Text]:
    estimate = found.estimate
    assert estimate is not None
    read = sum(source.read_bytes for source in estimate.sources)
    whole = sum(source.text_bytes.value for source in estimate.sources)
    partitions = sum(source.read_partitions for source in estimate.sources)
    of = sum(size.partitions for size in found.sizes)
    yield text(
        f"how sure: a pilot of {figures.size(read)} of text ({figures.share(read, whole)}) from {partitions} of {of} "
        f"partitions, in {figures.duration(estimate.pilot.seconds)}; ranges are two standard errors between partitions"
    )
    if any(isinstance(block, CorpusBlock) for block in found.plan.blocks):
        yield text("  duplicates in the whole corpus are not known beforehand: what follows them may be less")
    if any(source.assumed for source in estimate.sources):
        yield text("  ?: how much text a file holds was guessed by its ending")
    if estimate.pilot.stopped:
        yield text(f"  the pilot ended early: {estimate.pilot.stopped}", "yellow")


def _counts(amount: Amount) -> str:
    return _ranged(amount, figures.short, 100)


def _durations(amount: Amount) -> str:
    return _ranged(amount, figures.duration, 2)


def _within(amount: Amount, shown: Callable[[float], str], least: float) -> str:
    """``1.2 GB ±20 %``, for a table; without a range where :func:`_ranged` has none."""
    if amount.high < least or amount.high - amount.value <= amount.value / 20:
        return shown(amount.value)
    return f"{shown(amount.value)} ±{100 * (amount.high - amount.value) / amount.value:.0f} %"


def _ranged(amount: Amount, shown: Callable[[float], str], least: float) -> str:
    """``1.2 GB``, and ``(1.0 to 1.4)`` behind it where it is not small and the range is wider than a twentieth."""
    if amount.high < least or amount.high - amount.value <= amount.value / 20:
        return shown(amount.value)
    return f"{shown(amount.value)} ({shown(amount.low)} to {shown(amount.high)})"


def plan_json(found: Outlook) -> dict[str, Any]:
    """The same for scripts: bytes, seconds and counts as numbers, ranges as ``[value, low, high]``."""
    estimate = found.estimate
    record: dict[str, Any] = {
        "format": JSON_FORMAT,
        "recipe": found.plan.recipe.name,
        "complete": found.walk.complete,
        "executor": _executor(found.plan.recipe, found.workers),
        "sources": [_source_json(found, index) for index in range(len(found.sizes))],
        "disk": {
            "stored_bytes": found.stored_bytes,
            "new_bytes": _amount(found.new_bytes),
            "free_bytes": found.free_bytes,
        },
        "corpus_stages": {block.name: lines for block in found.plan.blocks if (lines := _forecast(block))},
        "warnings": list(found.warnings),
        "findings": [{"where": f.where, "message": f.message, "remedy": f.remedy} for f in found.findings],
    }
    if estimate is None:
        return record
    record["disk"]["needed_at_once_bytes"] = round(found.at_once_bytes)
    return record | {
        "seconds": _amount(found.seconds),
        "start_seconds": round(estimate.start_seconds, 2),
        "tokens": None if estimate.tokens is None else _amount(estimate.tokens),
        "asked": {
            address: {name: _amount(amount) for name, amount in amounts.items()}
            for address, amounts in estimate.asked.items()
        },
        "memory": {
            "worker_bytes": estimate.memory_bytes,
            "all_bytes": estimate.memory_bytes * found.workers,
            "limit_bytes": found.memory.limit if found.memory else None,
            "available_bytes": found.memory.available if found.memory else None,
        },
        "phases": [_phase_json(found, phase) for phase in found.phases],
        "stages": [
            {"address": s.address, "documents": s.documents, "mb_per_s": s.mb_per_s, "dropped": dict(s.dropped)}
            for s in estimate.stages
        ],
        "pilot": {
            "text_bytes": sum(source.read_bytes for source in estimate.sources),
            "partitions": sum(source.read_partitions for source in estimate.sources),
            "seconds": round(estimate.pilot.seconds, 2),
            "stopped": estimate.pilot.stopped,
        },
    }


def _executor(recipe: Recipe, workers: int) -> dict[str, Any]:
    return {"kind": recipe.execution.executor, "address": recipe.execution.address, "workers": workers}


def _source_json(found: Outlook, index: int) -> dict[str, Any]:
    size = found.sizes[index]
    record: dict[str, Any] = {
        "name": size.name,
        "files": size.files,
        "partitions": size.partitions,
        "streams": size.streams,
        "bytes": size.bytes,
    }
    if found.estimate is None:
        return record | {"guessed_text_bytes": size.text_bytes}
    source = found.estimate.sources[index]
    return record | {
        "text_bytes": _amount(source.text_bytes),
        "documents": _amount(source.documents),
        "mb_per_s": source.mb_per_s,
        "read_bytes": source.read_bytes,
        "read_partitions": source.read_partitions,
        "assumed": source.assumed,
    }


def _phase_json(found: Outlook, phase: PhaseLeft) -> dict[str, Any]:
    block = phase.estimate.block
    return {
        "kind": phase.estimate.kind,
        "name": phase.estimate.name,
        "fingerprint": block.fingerprint if block else None,
        "units": phase.estimate.units,
        "left": phase.left,
        "seconds": _amount(phase.seconds),
        "bytes": _amount(phase.disk),
        "read_until": found.needed_until.get(block.fingerprint) if block else None,
    }


def _amount(amount: Amount) -> list[float]:
    return [round(value, 2) for value in (amount.value, amount.low, amount.high)]

"""The reduction table says what went and why, on any terminal, and its last line what to do next."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from pipeline.reports.model import Balance, Identity, PhaseTimes, Report, Timings
from pipeline.reports.table import next_step, print_report
from tests.pipeline.reports.report_fakes import amount, dropped, full_report, report, stage


def shown(found: Report, width: int = 100, timings: Timings | None = None, **options: Any) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False, **options)
    print_report(found, console, "runs/fake", timings)
    return stream.getvalue()


def line_of(text: str, label: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.strip().startswith(label)]
    return line.split(label)[1].split()


def test_stages_show_what_came_in_and_rules_what_went() -> None:
    """Documents, bytes, tokens, share: of what was read for stages, of what came in for reasons."""
    text = shown(report())
    assert line_of(text, "word_count[zh]") == ["1,000", "100", "kB", "25.0", "k", "100.0", "%"]
    assert line_of(text, "too_short") == ["−40", "−4.00", "kB", "−1,000", "4.0", "%"]
    assert line_of(text, "kept ")[0] == "960"


def test_a_name_with_brackets_is_a_name() -> None:
    """Addresses of branches and hostile reasons are not read as markup, and cannot colour a terminal."""
    found = report(stages=[stage("read", 9, form="read"), stage("a[red]b[/red]", 9, dropped("\x1b[31mx[bold]", 3))])
    text = shown(found)
    assert "a[red]b[/red]" in text
    assert "␛[31mx[bold]" in text
    assert "\x1b" not in text


def test_narrow_terminals_leave_columns_out() -> None:
    """Below 76 columns bytes go, below 56 tokens too; no line is wider than the terminal."""
    wide, middle, narrow = shown(report(), 100), shown(report(), 60), shown(report(), 44)
    assert "bytes" in wide
    assert "bytes" not in middle.split("books balance")[0]
    assert "tokens" in middle
    assert "tokens" not in narrow.split("books balance")[0]
    tables = [line for line in narrow.splitlines() if not line.startswith(("books balance", "next:"))]
    assert max(map(len, tables)) <= 44


def test_no_colours_where_it_is_piped() -> None:
    """A stream that is no terminal gets plain text."""
    assert "\x1b" not in shown(full_report())
    assert "\x1b[" in shown(full_report(), force_terminal=True, color_system="truecolor")


def test_the_books_are_said_to_balance_or_not() -> None:
    """The line about the books is there, and tells the truth."""
    assert "books balance: in = out + dropped + cut − added + quarantined for all 2 lines" in shown(report())
    text = shown(report(balance=Balance(stages=1, lines=1, problems=["a/b/c: 1 documents unaccounted for"])))
    assert "do NOT balance" in text
    assert "a/b/c: 1 documents unaccounted for" in text
    assert "books balance:" not in text


def test_the_last_line_says_what_to_do_next() -> None:
    """A finished run is looked at, an unfinished one is run again."""
    assert shown(report()).splitlines()[-1] == next_step(report(), "runs/fake")
    assert "--rule 'word_count[zh]:too_short'" in next_step(report(), "runs/fake")
    failed = Identity(name="fake", status="failed", recipe="fake", seed=0, recipe_hash="0" * 64)
    assert "run the recipe again" in next_step(report(run=failed), "runs/fake")
    assert "kept so far" in shown(report(run=failed))


def test_everything_else_that_was_made_has_a_line() -> None:
    """Fits, clusters, tokens, mix, training, quarantine, time."""
    timings = Timings(started=0, seconds=61, executor="local", workers=1, phases=[])
    text = shown(full_report(), timings=timings)
    for said in [
        "fit few (percentile): 12.5",
        "exact_dedup: 2 clusters of 5 documents, largest 3",
        "tokens: 24,000 of 960 documents in 1 shard, tokenizer qwen2.5, 4.00 bytes a token",
        "mix: 5,000 tokens of 10.0 k asked for",
        "  web.en: 40.0 % (asked 50.0 %), 5,000 tokens, 2.50 epochs, capped",
        "training: model toy, 1,000 parameters, 10 steps, loss 9.00 → 5.50, validation web.en 6.25",
        "quarantined: 1 record (malformed_json 1)",
        "  a.jsonl at 7: malformed_json torn",
        "time: 1 min 1 s with 1 worker (local)",
    ]:
        assert said in text


def test_many_languages_are_summed_up() -> None:
    """The table shows twelve languages and one line for all others."""
    found = report()
    languages = {f"l{index:02d}": amount(100 - index) for index in range(20)}
    kept = found.kept.model_copy(update={"by_language": languages})
    text = shown(report(kept=kept))
    assert "l11" in text
    assert "l12" not in text
    assert line_of(text, "9 others")[0] == f"{sum(range(81, 89)):,}"


@pytest.mark.parametrize("width", [20, 44, 80, 200])
def test_any_width_is_shown(width: int) -> None:
    """No width makes it fail."""
    times = PhaseTimes(kind="rows", name="x", units=1, computed=1, seconds=1.0, stages={})
    timings = Timings(started=0, seconds=1, executor="ray", workers=2, phases=[times])
    assert "next:" in shown(full_report(), width, timings)

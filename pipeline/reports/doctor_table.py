"""``gristmill doctor`` as lines for people and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console

from pipeline.doctor.check import Check
from pipeline.terminal import text

JSON_FORMAT = 1
_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}
_STATUS_WIDTH, _NAME_WIDTH = 9, 24


def print_checks(checks: Iterable[Check], console: Console) -> list[Check]:
    """Print each check as it is made, then a summary; returns them all."""
    made = []
    for check in checks:
        made.append(check)
        line = text(check.status.ljust(_STATUS_WIDTH), _COLOURS[check.status])
        line.append_text(text(f"{check.name:<{_NAME_WIDTH}} {check.found}"))
        console.print(line, soft_wrap=True)
        if check.remedy:
            console.print(text(f"{'':<{_STATUS_WIDTH}}→ {check.remedy}"), soft_wrap=True)
    console.print(text(_summary(made), "bold"), soft_wrap=True)
    return made


def _summary(checks: Sequence[Check]) -> str:
    counts = {status: sum(check.status == status for check in checks) for status in _COLOURS}
    said = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return f"{said}: not fit for a run" if counts["failed"] else f"{said}: fit for a run"


def has_failed(checks: Iterable[Check]) -> bool:
    """Whether one of the checks failed."""
    return any(check.status == "failed" for check in checks)


def checks_json(checks: Sequence[Check]) -> dict[str, Any]:
    """All checks; ``fit`` is false if one failed. Keys are the same for every check."""
    return {
        "format": JSON_FORMAT,
        "fit": not has_failed(checks),
        "checks": [
            {"name": c.name, "status": c.status, "found": c.found, "remedy": c.remedy, "facts": c.facts} for c in checks
        ],
    }

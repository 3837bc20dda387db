"""What a check is: one line that says what was looked at, how it is, what was found, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Check:
    """One finding. ``facts``: what was measured, for scripts; names carry units. ``remedy`` is None where all is well.

    ``warning``: a run may work, but slower or with less than was meant; ``failed``: it will not, or not rightly.
    """

    name: str
    status: Status
    found: str
    remedy: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def guarded(name: str, look: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """The checks of ``look``; where looking itself fails, that is a failed check and the others go on."""
    try:
        yield from look()
    except Exception as error:  # whatever a broken environment raises is what this command is for
        yield Check(name, "failed", f"{type(error).__name__}: {error}", "mend what the message names")

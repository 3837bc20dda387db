"""Findings about a recipe, collected so that the user sees all of them at once.

Reading, overrides, substitution and validation each add what they find to one :class:`Problems`; at the end it
raises a single :class:`~pipeline.errors.RecipeError`, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from pipeline.errors import RecipeError

_LISTED = 24


@dataclass(frozen=True, order=True)
class Mark:
    """A place in a file; line and column count from 1. Line 0: ``file`` alone says where (``--set seed=3``)."""

    file: str
    line: int = 0
    column: int = 0

    @property
    def where(self) -> str:
        """``recipe.yaml:12``, as terminals and editors make it clickable."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Problem:
    """One finding: where, what was expected and what came, and what to do."""

    mark: Mark
    message: str
    remedy: str | None = None

    def lines(self) -> str:
        """The finding as an item of a list, its remedy indented below."""
        text = f"  {self.mark.where}: {self.message}"
        return f"{text}\n    → {self.remedy}" if self.remedy else text


@dataclass
class Problems:
    """Findings so far, each kept once."""

    found: list[Problem] = field(default_factory=list)

    def add(self, mark: Mark, message: str, remedy: str | None = None) -> None:
        """Note one finding."""
        problem = Problem(mark, message, remedy)
        if problem not in self.found:
            self.found.append(problem)

    def raise_if_any(self, file: str) -> None:
        """Raise one RecipeError for everything found; ``file`` heads the list when there are several."""
        if not self.found:
            return
        first, *more = ordered = sorted(self.found, key=lambda problem: problem.mark)
        if not more:
            raise RecipeError(first.message, where=first.mark.where, remedy=first.remedy)
        listing = "\n".join(problem.lines() for problem in ordered)
        raise RecipeError(f"{len(ordered)} errors in the recipe\n{listing}", where=file)


def suggest(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or the list of known ones, as a sentence."""
    names = sorted(set(known))
    if not names:
        return "there is none to choose from"
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    shown = ", ".join(names[:_LISTED])
    return f"known: {shown}" + (f" … and {len(names) - _LISTED} more" if len(names) > _LISTED else "")

"""Sums over the books of a run, with tokens: by stage, kind and reason, each by source and by language.

Tokens are summed as fractions and rounded once, so a total is the total of what it stands for and not of roundings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from pipeline.books import NO_LANGUAGE, Books, Entry
from pipeline.reports.model import Amount, Flow, FlowKind
from pipeline.reports.token_estimates import TokenEstimate

Key = TypeVar("Key", bound=Hashable)
FLOW_KINDS: tuple[FlowKind, ...] = ("in", "out", "dropped", "cut", "added", "quarantined")
NO_DOCUMENTS = frozenset({"cut", "added"})
"""Kinds that count bytes inside documents: a document with a cut is still one document."""


class Sums:
    """Adds up documents, bytes and tokens by any key."""

    def __init__(self, estimate: TokenEstimate) -> None:
        self._estimate = estimate
        self._sums: dict[Hashable, list[float]] = defaultdict(lambda: [0, 0, 0.0])

    def add(self, key: Hashable, documents: int, n_bytes: int, language: str, source: str) -> None:
        line = self._sums[key]
        line[0] += documents
        line[1] += n_bytes
        line[2] += self._estimate.tokens(n_bytes, language, source)

    def amount(self, key: Hashable) -> Amount:
        """The key's sum; nothing for a key that was never added."""
        documents, n_bytes, tokens = self._sums.get(key, (0, 0, 0.0))
        return Amount(documents=int(documents), bytes=int(n_bytes), tokens=round(tokens))

    def table(self) -> dict[Any, Amount]:
        return {key: self.amount(key) for key in self._sums}


def sums_by(entries: Iterable[Entry], estimate: TokenEstimate, key: Callable[[Entry], Hashable]) -> dict[Any, Amount]:
    """Amounts of lines of the books by a key."""
    sums = Sums(estimate)
    for entry in entries:
        documents = 0 if entry.kind in NO_DOCUMENTS else entry.documents
        sums.add(key(entry), documents, entry.bytes, entry.language, entry.source)
    return sums.table()


def flow(entries: Iterable[Entry], estimate: TokenEstimate) -> Flow:
    """Amounts by kind, in the order of :data:`FLOW_KINDS`; what is nothing is left out, but for in and out."""
    found = sums_by(entries, estimate, lambda entry: entry.kind)
    return {kind: found.get(kind, Amount()) for kind in FLOW_KINDS if kind in found or kind in ("in", "out")}


def flows_by(entries: Iterable[Entry], estimate: TokenEstimate, key: Callable[[Entry], str]) -> dict[str, Flow]:
    """Flows by source or language, sorted by name."""
    groups = grouped(entries, key)
    return {name: flow(groups[name], estimate) for name in sorted(groups)}


def amounts_by(entries: Iterable[Entry], estimate: TokenEstimate, key: Callable[[Entry], str]) -> dict[str, Amount]:
    """Amounts by source or language, sorted by name."""
    found = sums_by(entries, estimate, key)
    return {name: found[name] for name in sorted(found)}


def grouped(entries: Iterable[Entry], key: Callable[[Entry], Key]) -> Mapping[Key, list[Entry]]:
    """Lines of the books by a key."""
    groups: dict[Key, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[key(entry)].append(entry)
    return groups


def source_of(entry: Entry) -> str:
    """The source of a line."""
    return entry.source


def language_of(entry: Entry) -> str:
    """The language of a line."""
    return entry.language


def checked_lines(books: Books) -> int:
    """(stage, source, language) whose identity :meth:`Books.unbalanced` checks."""
    return len({(entry.stage, entry.source, entry.language) for entry in books})


def has_language(entry: Entry) -> bool:
    """Whether a line is about documents, not about records that never became one."""
    return entry.language != NO_LANGUAGE

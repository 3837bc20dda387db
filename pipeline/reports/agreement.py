"""How far a classifier agrees with the labels that it learned from, in words.

The words for kappa are those of Landis and Koch (1977). They are a convention: what is enough depends on what the
labels are for, and on how far two people, or two runs of the annotator, agree with each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.reports import figures
from pipeline.reports.model import FitResult

_WORDS = {0.0: "poor", 0.2: "slight", 0.4: "fair", 0.6: "moderate", 0.8: "substantial", 1.0: "almost perfect"}
"""Kappa up to which each word goes."""


def agreements(fit: FitResult) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(name of the test, agreement) of each test that has one."""
    for test, found in (fit.facts or {}).get("evaluation", {}).items():
        if "agreement" in found:
            yield test, found["agreement"]


def agreement_words(found: Mapping[str, Any], labelled_by: list[str]) -> str:
    """``agrees with annotate on 83.3 % of 60 documents, kappa 0.75 ± 0.06 (substantial), weighted kappa 0.84``."""
    who = " and ".join(labelled_by) or "its labels"
    documents = figures.counted(found["documents"], "document")
    if not found["documents"]:
        return f"agreement with {who} is not known: no document was held out"
    parts = [f"agrees with {who} on {figures.share(found['accuracy'], 1)} of {documents}"]
    if found["kappa"] is not None:
        parts.append(f"kappa {found['kappa']:.2f} ± {found['kappa_error']:.2f} ({_word(found['kappa'])})")
    if found.get("weighted_kappa") is not None:
        parts.append(f"weighted kappa {found['weighted_kappa']:.2f} ({_word(found['weighted_kappa'])})")
    return ", ".join(parts)


def left_out_words(fit: FitResult) -> str | None:
    """Which labels the classifier does not know, if any."""
    left_out = (fit.facts or {}).get("left_out")
    if not left_out:
        return None
    return "labels of too few documents, left out: " + ", ".join(f"{name} {n}" for name, n in left_out.items())


def _word(kappa: float) -> str:
    return next(word for most, word in _WORDS.items() if kappa <= most)

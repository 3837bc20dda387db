"""Slow, obvious twin of ``stages.kernels.utf8_survey``."""

from __future__ import annotations


def survey(data: bytes) -> tuple[int, int]:
    """Well-formed sequences of several bytes, and pieces that a decoder replaces."""
    text = data.decode("utf-8", "replace")
    genuine = data.decode("utf-8", "ignore")
    return sum(character > "\x7f" for character in genuine), len(text) - len(genuine)

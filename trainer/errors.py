"""Errors of the trainer that its user can mend."""

from __future__ import annotations


class TrainerError(Exception):
    """What is wrong, and as ``remedy`` what to do about it."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}\n  → {remedy}")
        self.remedy = remedy

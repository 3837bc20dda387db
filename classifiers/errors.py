"""Errors of models that a user sees."""

from __future__ import annotations


class ModelError(ValueError):
    """A model file that is missing, damaged or not of the expected kind; the message says what to do."""

"""Slow, obvious twin of ``stages.kernels.html_references``: the standard library's ``html.unescape``."""

from __future__ import annotations

import html


def resolved(text: str) -> str:
    """Text with its character references resolved."""
    return html.unescape(text)

"""Figures as people read them: counts, sizes, shares, durations. One place, so that page and terminal agree."""

from __future__ import annotations

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
_COUNTS = ("", " k", " M", " G", " T")


def count(number: int) -> str:
    """``1,234,567``."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """``1 record``, ``2 records``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(n_bytes: float) -> str:
    """Decimal units, three digits: ``1.23 MB``."""
    return _scaled(n_bytes, [f" {unit}" for unit in _SIZES])


def short(number: float) -> str:
    """A count in three digits: ``1.23 M``; below 10,000 in full."""
    return f"{number:,.0f}" if abs(number) < 10_000 else _scaled(number, _COUNTS)


def share(part: float, whole: float) -> str:
    """``12.3 %``; what is not nothing never looks like nothing. Empty where there is no whole."""
    if not whole:
        return ""
    percent = 100 * part / whole
    if 0 < percent < 0.05:
        return "< 0.1 %"
    if 99.95 <= percent < 100:
        return "> 99.9 %"
    return f"{percent:.1f} %"


def duration(seconds: float) -> str:
    """``3.2 s``, ``4 min 10 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rate(n_bytes: float, seconds: float) -> str:
    """Throughput in MB/s; empty where nothing was measured."""
    return f"{speed(n_bytes / 1e6 / seconds)} MB/s" if seconds > 0 and n_bytes else ""


def number(value: float) -> str:
    """A signal or threshold, without needless digits."""
    return f"{value:,.4f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"


def speed(mb_per_s: float) -> str:
    """MB/s; below 1, where some stages in Python are, to the hundredth."""
    return f"{mb_per_s:.{2 if mb_per_s < 0.995 else 1 if mb_per_s < 99.95 else 0}f}"


def _scaled(value: float, units: list[str] | tuple[str, ...]) -> str:
    step = 0
    while abs(value) >= 999.5 and step < len(units) - 1:
        value /= 1000
        step += 1
    if step == 0:
        return f"{value:.0f}{units[0]}"
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f}{units[step]}"

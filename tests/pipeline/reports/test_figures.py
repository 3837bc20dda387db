"""Figures read alike everywhere."""

from __future__ import annotations

import pytest

from pipeline.reports import figures


@pytest.mark.parametrize(
    ("n_bytes", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (1234, "1.23 kB"), (99_960, "100 kB"), (999_600, "1.00 MB"),
     (12_345_678, "12.3 MB"), (10**12, "1.00 TB"), (5 * 10**18, "5000 PB")],
)  # fmt: skip
def test_sizes_have_three_digits(n_bytes: int, shown: str) -> None:
    """Decimal units, and never four digits where a larger unit is there."""
    assert figures.size(n_bytes) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 0, ""), (0, 5, "0.0 %"), (1, 3, "33.3 %"), (1, 10**6, "< 0.1 %"), (10**6 - 1, 10**6, "> 99.9 %"),
     (5, 5, "100.0 %")],
)  # fmt: skip
def test_shares_do_not_round_to_nothing_or_all(part: int, whole: int, shown: str) -> None:
    """What is not nothing never looks like nothing, and what is not all never like all."""
    assert figures.share(part, whole) == shown


def test_counts_durations_and_rates() -> None:
    """The other figures."""
    assert figures.count(1234567) == "1,234,567"
    assert figures.counted(1, "record") == "1 record"
    assert figures.counted(2, "record") == "2 records"
    assert figures.short(9999) == "9,999"
    assert figures.short(12_345) == "12.3 k"
    assert figures.duration(3.21) == "3.2 s"
    assert figures.duration(250) == "4 min 10 s"
    assert figures.duration(7500) == "2 h 5 min"
    assert figures.rate(5_000_000, 2) == "2.5 MB/s"
    assert figures.rate(5, 0) == ""
    assert [figures.speed(value) for value in (0.0634, 0.996, 68.52, 250.4)] == ["0.06", "1.0", "68.5", "250"]
    assert figures.number(0.35) == "0.35"
    assert figures.number(1200.0) == "1,200"

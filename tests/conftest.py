"""What all tests share: the real data, the planted corpus, and settings of hypothesis."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# A deadline would make tests fail on a busy machine: the first call of a kernel compiles it. In CI the examples are
# the same each time, so that a red run is red again.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the real data where there is none, and long input where kernels are plain Python."""
    skips = {}
    if not os.environ.get("GRISTMILL_DATA"):
        skips["data"] = pytest.mark.skip(reason="GRISTMILL_DATA is not set")
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        skips["compiled"] = pytest.mark.skip(reason="the JIT is off")
    for item in items:
        for marker, skip in skips.items():
            if item.get_closest_marker(marker):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data; for tests marked ``data``."""
    return Path(os.environ["GRISTMILL_DATA"])


@pytest.fixture(scope="session")
def planted() -> Path:
    """Folder of the planted corpus."""
    return ROOT / "recipes" / "planted"

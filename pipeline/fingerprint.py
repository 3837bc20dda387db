"""Fingerprints: what decides a block's bytes, as a short hash.

Two runs with the same fingerprint share a block, so everything that can change a byte has to be in it:
settings, blocks before it, models' hashes, stage versions, and versions of libraries that decide bytes.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any


def digest(value: Any) -> str:
    """64 hex digits of a JSON-like value; the same on every machine. Keys may come in any order."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of the named distributions, and of the Unicode tables."""
    return {"unicode": unicodedata.unidata_version, **{name: version(name) for name in sorted(set(names))}}

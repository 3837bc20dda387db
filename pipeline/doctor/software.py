"""Software: Python, packages against what this distribution asks for, extras, compiled kernels, shadowed names."""

from __future__ import annotations

import operator
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, version

import gristmill
from pipeline.doctor.check import Check, Status

DISTRIBUTION = "gristmill"
EXTRAS = {
    "html": "resiliparse and trafilatura as extractors of text from HTML, beside the one built in",
    "pdf": "text from PDF files",
    "remote": "sources and stores on oss://, hf://, https:// and what else fsspec knows",
    "train": "the bundled trainer: torch",
}
"""Extra → what it is for. Those of developers are not named here and not looked at."""

_REQUIREMENT = re.compile(
    r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?$"
)
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_BOUND = re.compile(r"\s*(===|==|>=|<=|!=|~=|>|<)\s*(\w[^\s,]*)\s*")
_COMPARE: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "==": operator.eq, "===": operator.eq, "!=": operator.ne,
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_SLOW_KERNEL_SECONDS = 30.0


@dataclass(frozen=True)
class Requirement:
    """A distribution that is asked for. ``bounds``: (comparison, version); ``extra``: which one brings it, or None."""

    name: str
    bounds: tuple[tuple[str, str], ...]
    extra: str | None = None

    def __str__(self) -> str:
        return self.name + ",".join(sign + wanted for sign, wanted in self.bounds)

    def allows(self, found: str) -> bool:
        """Whether a version is within all bounds."""
        return all(_holds(found, sign, wanted) for sign, wanted in self.bounds)


@dataclass(frozen=True)
class Bad:
    """Versions that are known not to work."""

    name: str
    bounds: tuple[tuple[str, str], ...]
    reason: str
    remedy: str


KNOWN_BAD = (
    Bad("xxhash", ((">=", "4"),), "datatrove's hashing fails with it", "pip install 'xxhash>=3,<4'"),
)  # fmt: skip


def parse_requirement(text: str) -> Requirement:
    """A line of ``Requires-Dist``. Raises ValueError for one that is not understood."""
    found = _REQUIREMENT.match(text)
    if found is None:
        raise ValueError(f"not a requirement: {text!r}")
    extra = _EXTRA.search(found[3] or "")
    bounds = [_BOUND.fullmatch(part) for part in found[2].split(",")] if found[2].strip() else []
    if not all(bounds):
        raise ValueError(f"not a requirement: {text!r}")
    return Requirement(found[1], tuple((bound[1], bound[2]) for bound in bounds if bound), extra[1] if extra else None)


def _numbers(text: str) -> tuple[int, ...]:
    """The release as numbers: ``2.13.0+cpu`` → (2, 13, 0). Pre-releases count as their release."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _holds(found: str, sign: str, wanted: str) -> bool:
    one, other = _numbers(found), _numbers(wanted.removesuffix(".*"))
    if sign == "~=":
        return one >= other and one[: len(other) - 1] == other[:-1]
    if wanted.endswith(".*"):
        one = one[: len(other)]
    size = max(len(one), len(other))
    padded = [numbers + (0,) * (size - len(numbers)) for numbers in (one, other)]
    return _COMPARE[sign](padded[0], padded[1])


def requirements() -> list[Requirement]:
    """What this distribution asks for. Raises PackageNotFoundError where it is not installed."""
    return [parse_requirement(text) for text in metadata(DISTRIBUTION).get_all("Requires-Dist") or []]


def installed(name: str) -> str | None:
    """A distribution's version, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def python() -> Iterator[Check]:
    """The interpreter against ``Requires-Python``."""
    found = platform.python_version()
    facts = {"version": found, "implementation": platform.python_implementation()}
    try:
        asked = metadata(DISTRIBUTION)["Requires-Python"] or ""
    except PackageNotFoundError:
        asked = ""
    fits = Requirement("python", tuple((b[1], b[2]) for part in asked.split(",") if (b := _BOUND.fullmatch(part))))
    if not fits.allows(found):
        yield Check("python", "failed", f"{found}, {asked} is asked for", f"install Python {asked}", facts)
    elif facts["implementation"] != "CPython":
        yield Check("python", "failed", f"{facts['implementation']} {found}", "use CPython: Numba needs it", facts)
    else:
        yield Check("python", "ok", f"{found} on {platform.system()} {platform.machine()}", None, facts)


def packages() -> Iterator[Check]:
    """Required packages: present, and in a version that is asked for and not known to be bad."""
    try:
        asked = [requirement for requirement in requirements() if requirement.extra is None]
    except PackageNotFoundError:
        remedy = "pip install . in its folder, so that pip knows what it needs"
        yield Check("packages", "warning", "Gristmill is not installed as a distribution", remedy)
        return
    found = {requirement.name: installed(requirement.name) for requirement in asked}
    bad = list(_bad_versions())
    wrong = [requirement for requirement in asked if not _fits(requirement, found[requirement.name])]
    named = {check.name for check in bad}
    bad += [check for check in map(_misfit, wrong) if check.name not in named]
    yield from bad
    if not bad:
        gristmill_version = version(DISTRIBUTION)
        yield Check("packages", "ok", f"gristmill {gristmill_version} and {len(asked)} that it needs", None, found)


def _fits(requirement: Requirement, found: str | None) -> bool:
    return found is not None and requirement.allows(found)


def _misfit(requirement: Requirement) -> Check:
    found = installed(requirement.name)
    said = "not installed" if found is None else f"{found}, {requirement} is asked for"
    return Check(f"package {requirement.name}", "failed", said, f"pip install '{requirement}'", {"version": found})


def _bad_versions() -> Iterator[Check]:
    for bad in KNOWN_BAD:
        found = installed(bad.name)
        if found is not None and all(_holds(found, sign, wanted) for sign, wanted in bad.bounds):
            said = f"{found}: {bad.reason}"
            yield Check(f"package {bad.name}", "failed", said, bad.remedy, {"version": found})


def extras(needed: Sequence[str] = ()) -> Iterator[Check]:
    """Optional parts: which are there, and what the others would be for. ``needed``: those that a recipe uses."""
    try:
        offered = metadata(DISTRIBUTION).get_all("Provides-Extra") or []
        asked = requirements()
    except PackageNotFoundError:
        return
    for extra in offered:
        if extra not in EXTRAS:
            continue
        mine = [requirement for requirement in asked if requirement.extra == extra]
        missing = [requirement for requirement in mine if not _fits(requirement, installed(requirement.name))]
        facts = {"missing": [str(requirement) for requirement in missing]}
        if not missing:
            yield Check(f"extra {extra}", "ok", f"there ({EXTRAS[extra]})", None, facts)
            continue
        status: Status = "failed" if extra in needed else "ok"
        what = ", ".join(f"{r.name} {installed(r.name) or 'missing'}" for r in missing)
        remedy = f"pip install '{DISTRIBUTION}[{extra}]'"
        found = f"not there: {what}; it is for {EXTRAS[extra]}"
        yield Check(f"extra {extra}", status, found, remedy if status == "failed" else None, facts)


def shadowed() -> Iterator[Check]:
    """Files that have the names of our packages. They are not used, but confuse tools and readers."""
    places = gristmill.shadowed()
    if places:
        found = f"{', '.join(places)}: the name of one of Gristmill's packages; not used"
        yield Check("shadowed names", "warning", found, "rename it, or start from another folder", {"places": places})
    else:
        yield Check("shadowed names", "ok", "none", None, {"places": []})


def kernels() -> Iterator[Check]:
    """Compiled kernels: that one runs and is right, and that its machine code can be kept for the next process."""
    import pyarrow as pa
    from numba import __version__ as numba_version
    from numba.core import config

    started = time.perf_counter()
    from stages.kernels import hashing

    high, low = hashing.hash128(pa.array(["abc", ""], pa.large_string()))
    seconds = time.perf_counter() - started
    facts = {"seconds": round(seconds, 2), "numba": numba_version}
    if getattr(config, "DISABLE_JIT", 0):
        remedy = "unset NUMBA_DISABLE_JIT"
        yield Check("kernels", "failed", "the JIT is off: a hundred times slower", remedy, facts)
        return
    if high[0] == high[1] or low[0] == low[1]:
        yield Check("kernels", "failed", "a kernel computes nonsense", "reinstall numba and llvmlite", facts)
        return
    yield _kernel_cache(hashing, seconds, facts)


def _kernel_cache(module: object, seconds: float, facts: dict[str, object]) -> Check:
    """Whether Numba can keep what it compiles: the folder is named by the kernels themselves."""
    folders = {
        kernel._cache.cache_path
        for kernel in vars(module).values()
        if hasattr(getattr(kernel, "_cache", None), "cache_path")
    }
    for folder in sorted(folders):
        facts["cache"] = folder
        if not _can_write(folder):
            remedy = "set NUMBA_CACHE_DIR to a folder that this user may write"
            return Check("kernels", "warning", f"{folder} is not writable: each process compiles anew", remedy, facts)
    if seconds > _SLOW_KERNEL_SECONDS:
        return Check(
            "kernels", "warning", f"compiling took {seconds:.0f} s", "keep Numba's cache on a local disk", facts
        )
    return Check("kernels", "ok", f"run, and are kept in {', '.join(sorted(folders))}", None, facts)


def _can_write(folder: str) -> bool:
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False

"""What this machine has: processors, memory and disk, as far as this process may use them.

Containers are given less than the machine has, by a control group; both versions of cgroups are read, from the
process' own group up to the root, and the smallest limit counts. Linux only: elsewhere the limits are not known.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_UNLIMITED = 1 << 60
"""cgroups of version 1 say "no limit" with a number of about this size."""


@dataclass(frozen=True)
class Memory:
    """Bytes. ``limit``: what this process may use at most; ``available``: what of it is free now."""

    limit: int
    available: int


@dataclass(frozen=True)
class Disk:
    """A disk: bytes, and inodes, which are 0 where the file system has no fixed number of them.

    ``path``: the folder that was asked about, or the nearest above it that exists.
    """

    path: str
    total: int
    free: int
    inodes: int
    free_inodes: int


def cpu_count(root: Path = Path("/")) -> int:
    """Processors that this process may use at a time: its affinity, and its control group's quota rounded down."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(root)
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Processors that the control group grants, or None without a limit."""
    found = []
    for folder in _groups("cpu", root):
        both = _words(folder / "cpu.max") or [
            *_words(folder / "cpu.cfs_quota_us"),
            *_words(folder / "cpu.cfs_period_us"),
        ]
        if len(both) == 2 and both[0] not in ("max", "-1"):
            found.append(int(both[0]) / int(both[1]))
    return min(found, default=None)


def memory(root: Path = Path("/")) -> Memory | None:
    """What this process may use; None where it cannot be told."""
    lines = dict(line.split(":", 1) for line in _text(root / "proc/meminfo").splitlines() if ":" in line)
    if "MemTotal" not in lines:
        return None
    limit, available = (int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    for folder in _groups("memory", root):
        most = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
        used = _words(folder / "memory.current") or _words(folder / "memory.usage_in_bytes")
        if most and used and most[0].isdigit() and int(most[0]) < _UNLIMITED:
            limit = min(limit, int(most[0]))
            available = min(available, max(0, int(most[0]) - int(used[0]) + _page_cache(folder)))
    return Memory(limit, available)


def _page_cache(folder: Path) -> int:
    """Bytes of files that a group holds in memory and would give back."""
    lines = dict(line.split() for line in _text(folder / "memory.stat").splitlines())
    return int(lines.get("inactive_file", lines.get("total_inactive_file", 0)))


def disk(path: str) -> Disk:
    """The disk on which a path lies, or will lie."""
    place = os.path.abspath(os.path.expanduser(path))
    while not os.path.exists(place):
        place = os.path.dirname(place)
    usage, status = shutil.disk_usage(place), os.statvfs(place)
    return Disk(place, usage.total, usage.free, status.f_files, status.f_favail)


def reset_peak() -> bool:
    """Have the kernel measure this process' peak memory anew. False where it does not."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_bytes() -> int:
    """The most memory that this process had since it began, or since :func:`reset_peak`.

    The kernel's own ``ru_maxrss`` also counts what the parent had when it started this process.
    """
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident_bytes() -> int:
    """The memory that this process has now; 0 where it cannot be told."""
    return _status("VmRSS")


def _status(name: str) -> int:
    for line in _text(Path("/proc/self/status")).splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Folders of this process' control group and those above it."""
    top = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            base = top
        elif controller in controllers.split(","):
            base = top / controller
        else:
            continue
        below = [part for part in path.split("/") if part and part != ".."]
        for depth in range(len(below), -1, -1):
            yield base.joinpath(*below[:depth])


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _words(path: Path) -> list[str]:
    return _text(path).split()

"""What a machine and its control groups grant."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import machine

ROOT = Path(__file__).resolve().parents[2]
MEMINFO = "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:   8000000 kB\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_the_machine_itself(tmp_path: Path) -> None:
    """Without control groups it is what the kernel says."""
    root = write(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n"})
    assert machine.memory(root) == machine.Memory(16_384_000_000, 8_192_000_000)
    assert machine.cpu_count(root) == len(os.sched_getaffinity(0))
    assert machine.memory(tmp_path / "nothing") is None


def test_a_group_of_version_2(tmp_path: Path) -> None:
    """The smallest limit on the way up to the root counts; files in memory count as free."""
    root = write(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/box/inner\n",
            "sys/fs/cgroup/box/memory.max": "2000000000\n",
            "sys/fs/cgroup/box/memory.current": "1500000000\n",
            "sys/fs/cgroup/box/memory.stat": "anon 1\ninactive_file 300000000\n",
            "sys/fs/cgroup/box/inner/memory.max": "max\n",
            "sys/fs/cgroup/box/inner/memory.current": "5\n",
            "sys/fs/cgroup/box/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/box/inner/cpu.max": "max 100000\n",
        },
    )
    assert machine.memory(root) == machine.Memory(2_000_000_000, 800_000_000)
    assert machine.cpu_quota(root) == 1.5
    assert machine.cpu_count(root) == 1


def test_a_group_of_version_1(tmp_path: Path) -> None:
    """Controllers have folders of their own, and "no limit" is a large number."""
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "4:memory:/box\n1:cpu,cpuacct:/box\n0::/\n",
        "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/box/memory.usage_in_bytes": "100\n",
        "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
    }
    root = write(tmp_path, files)
    assert machine.memory(root) == machine.Memory(16_384_000_000, 8_192_000_000)
    assert machine.cpu_quota(root) is None
    write(tmp_path, {"sys/fs/cgroup/memory/box/memory.limit_in_bytes": "1000000000\n",
                     "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "50000\n"})  # fmt: skip
    found = machine.memory(root)
    assert found is not None
    assert (found.limit, machine.cpu_quota(root), machine.cpu_count(root)) == (1_000_000_000, 0.5, 1)


def test_the_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    """It is that of the nearest folder above."""
    found = machine.disk(str(tmp_path / "a/b/c"))
    assert found.path == str(tmp_path)
    assert 0 < found.free <= found.total


MEASURE = """
from pipeline import machine
content = bytearray(200_000_000)
content[::4096] = b"x" * len(content[::4096])
before = machine.peak_bytes()
del content
print(before, int(machine.reset_peak()), machine.resident_bytes(), machine.peak_bytes())
"""
"""In a process of its own: earlier tests may have needed more."""


def test_peak_memory_can_be_measured_anew() -> None:
    """After a reset the peak is what has been since, not what was before."""
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, cwd=ROOT)
    before, was_reset, resident, after = map(int, done.stdout.split())
    assert before >= 200_000_000
    if not was_reset:
        pytest.skip("the kernel does not reset it here")
    assert resident * 0.9 <= after < before - 100_000_000

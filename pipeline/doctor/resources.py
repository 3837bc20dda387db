"""The machine: processors, memory, shared memory, open files, clock, names in UTF-8, and a GPU for the trainer."""

from __future__ import annotations

import datetime
import json
import locale
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator

from pipeline import machine
from pipeline.doctor.check import Check, Status
from pipeline.doctor.software import installed
from pipeline.reports import figures

WORKER_BYTES = 10**9
"""Memory that a worker needs, about; `gristmill plan` measures it for a recipe."""
RAY_STORE_BYTES = 10**9
FEW_FILES, ENOUGH_FILES = 256, 1024
"""A merge opens 128 runs, Ray some hundred sockets."""
CLOCK_SECONDS = 5.0
EARLIEST = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC).timestamp()
GPU_SECONDS = 120.0


def processors(workers: int | None) -> Iterator[Check]:
    """Processors that this process may use, against the workers that are asked for."""
    usable, quota = machine.cpu_count(), machine.cpu_quota()
    facts = {"usable": usable, "machine": os.cpu_count(), "quota": quota, "workers": workers}
    limits = f" of {os.cpu_count()}" if os.cpu_count() != usable else ""
    granted = "" if quota is None else f", the control group grants {quota:g}"
    if workers is not None and workers > usable:
        found = f"{usable}{limits}{granted}; the recipe asks for {workers} workers"
        yield Check("processors", "warning", found, f"set execution.workers to {usable} or fewer", facts)
    else:
        yield Check("processors", "ok", f"{usable}{limits}{granted}", None, facts)


def memory(workers: int) -> Iterator[Check]:
    """Memory that is free for this process, against what the workers may need."""
    found = machine.memory()
    if found is None:
        yield Check("memory", "warning", "cannot be told here", "see that each worker has about 1 GB")
        return
    facts = {"limit_bytes": found.limit, "available_bytes": found.available, "workers": workers}
    said = f"{figures.size(found.available)} of {figures.size(found.limit)} free, for {workers} workers"
    if found.available < WORKER_BYTES:
        yield Check("memory", "failed", said, "free some: one worker needs about 1 GB", facts)
    elif found.available < workers * WORKER_BYTES:
        fit = found.available // WORKER_BYTES
        yield Check("memory", "warning", said, f"set execution.workers to {fit}, or free some", facts)
    else:
        yield Check("memory", "ok", said, None, facts)


def shared_memory() -> Iterator[Check]:
    """The memory file system in which Ray keeps objects."""
    if not os.path.isdir("/dev/shm"):
        yield Check("shared memory", "warning", "there is no /dev/shm: Ray puts objects on a disk", "mount it as tmpfs")
        return
    free = machine.disk("/dev/shm").free
    facts = {"free_bytes": free}
    if free < RAY_STORE_BYTES:
        remedy = "give the container more, as in docker run --shm-size=4g"
        yield Check("shared memory", "warning", f"{figures.size(free)} free in /dev/shm", remedy, facts)
    else:
        yield Check("shared memory", "ok", f"{figures.size(free)} free in /dev/shm", None, facts)


def open_files() -> Iterator[Check]:
    """How many files a process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    facts = {"soft": soft, "hard": hard}
    if soft != resource.RLIM_INFINITY and soft < ENOUGH_FILES:
        status: Status = "failed" if soft < FEW_FILES else "warning"
        yield Check("open files", status, f"a process may open {soft:,}", "ulimit -n 4096, or more", facts)
    else:
        said = "no limit" if soft == resource.RLIM_INFINITY else f"a process may open {soft:,}"
        yield Check("open files", "ok", said, None, facts)


def clock() -> Iterator[Check]:
    """The clock: time stamps say whether a file has changed, and TLS wants a clock that is about right."""
    now = time.time()
    shown = datetime.datetime.fromtimestamp(now, datetime.UTC).isoformat(" ", "seconds")
    facts = {"unix_seconds": round(now, 3)}
    if now < EARLIEST:
        yield Check("clock", "failed", f"it says {shown}", "set it, by NTP for example", facts)
    else:
        yield Check("clock", "ok", shown, None, facts)


def names() -> Iterator[Check]:
    """That names of files and text on the terminal are UTF-8."""
    filesystem, text = sys.getfilesystemencoding(), locale.getpreferredencoding(False)
    facts = {"filesystem": filesystem, "text": text}
    remedy = "export LC_ALL=C.UTF-8"
    if filesystem.lower().replace("-", "") != "utf8":
        yield Check("names", "failed", f"names of files are {filesystem}, UTF-8 is needed", remedy, facts)
    elif text.lower().replace("-", "") != "utf8":
        yield Check("names", "warning", f"text is {text} by default; Gristmill writes UTF-8", remedy, facts)
    else:
        yield Check("names", "ok", "UTF-8", None, facts)


def keeps_names(folder: str) -> bool:
    """Whether a folder's file system gives back the names that it was given."""
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        name = f"é-磨-{uuid.uuid4().hex[:8]}"
        with open(os.path.join(inside, name), "w"):
            pass
        return os.listdir(inside) == [name]


_TORCH = """
import json, torch
gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
print(json.dumps({"torch": torch.__version__, "gpus": gpus, "threads": torch.get_num_threads()}))
"""


def gpu() -> Iterator[Check]:
    """What the trainer would compute on. torch is asked in a process of its own: it is large, and may crash."""
    if installed("torch") is None:
        return
    done = subprocess.run(
        [sys.executable, "-c", _TORCH], capture_output=True, text=True, check=False, timeout=GPU_SECONDS
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it died"])[-1]
        yield Check("trainer", "failed", f"torch cannot be imported: {last}", "reinstall torch for this machine")
        return
    facts = json.loads(done.stdout.splitlines()[-1])
    on = ", ".join(facts["gpus"]) or f"no GPU: {facts['threads']} threads"
    yield Check("trainer", "ok", f"torch {facts['torch']} on {on}", None, facts)

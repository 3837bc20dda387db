"""What a node says of itself. Runs on every node of a cluster, entered like any unit of work."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import tempfile
import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import gristmill
from pipeline import machine
from pipeline.doctor.software import installed, requirements
from pipeline.storage import Folder
from pipeline.store import BlockStore

DECIDING = ("pyarrow", "numpy", "numba")
"""Distributions whose version decides bytes, fingerprints or compiled kernels, whatever the recipe."""


@dataclass(frozen=True)
class NodeFacts:
    """A node. ``code``: digest of Gristmill's own files; ``token``: what it read in the shared store, or the error."""

    host: str
    gristmill: str
    code: str
    python: str
    libraries: dict[str, str | None]
    unicode: str
    processors: int
    memory_bytes: int
    unix_seconds: float
    token: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class ProbeUnit:
    """Which node is asked, by the name under which it leaves its answer in the store."""

    key: str
    label: str = "probe"


@dataclass(frozen=True)
class ProbeWork:
    """Look around; where ``folder`` is given, read its ``token`` and write an answer beside it."""

    folder: str | None
    name: str = "doctor"

    @property
    def store(self) -> BlockStore:
        """Where messages say that a failure was; nothing is committed."""
        return BlockStore(Folder(self.folder or tempfile.gettempdir()))

    def run(self, unit: ProbeUnit) -> NodeFacts:
        token = error = None
        if self.folder is not None:
            try:
                token = Folder(self.folder).read("token").decode()
                Folder(self.folder).write(f"answer-{unit.key}", token.encode())
            except Exception as failure:  # whatever a storage library raises on a node is what is asked for
                error = f"{type(failure).__name__}: {failure}"
        return node_facts(token, error)


def node_facts(token: str | None = None, error: str | None = None) -> NodeFacts:
    """The facts of this process' machine."""
    memory = machine.memory()
    return NodeFacts(
        host=socket.gethostname(),
        gristmill=gristmill.__version__,
        code=code_digest(),
        python=platform.python_version(),
        libraries={name: installed(name) for name in deciding_libraries()},
        unicode=unicodedata.unidata_version,
        processors=machine.cpu_count(),
        memory_bytes=memory.limit if memory else 0,
        unix_seconds=time.time(),
        token=token,
        error=error,
    )


def deciding_libraries() -> list[str]:
    """Required distributions, whose versions should be the same everywhere; at least :data:`DECIDING`."""
    try:
        asked = {requirement.name for requirement in requirements() if requirement.extra is None}
    except Exception:  # not installed as a distribution: a clone on the path
        asked = set()
    return sorted(asked | set(DECIDING))


def code_digest() -> str:
    """Hash of all Python files of Gristmill's packages: two nodes with the same version may run different code."""
    found = hashlib.sha256()
    for package in gristmill.PACKAGES:
        for path in sorted(Path(gristmill.ROOT, package).rglob("*.py")):
            found.update(os.fsencode(path.relative_to(gristmill.ROOT)) + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]

"""Ray: that it starts and runs a task on every node, that nodes agree, and that all of them see the store.

Nodes with other versions of what decides bytes are a failure and not a warning: their units would have other bytes
under the same fingerprint, and a run would never be the same twice.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.doctor.check import Check
from pipeline.doctor.probe import NodeFacts, ProbeUnit, ProbeWork, node_facts
from pipeline.doctor.resources import CLOCK_SECONDS
from pipeline.doctor.storage import trial_folder
from pipeline.errors import GristmillError
from pipeline.reports import figures
from pipeline.storage import Folder

NODE_SECONDS = 90.0
"""How long a node may take to answer: a worker has to start and to import what it needs."""

Answers = Mapping[str, NodeFacts | BaseException]


def cluster(address: str | None, workers: int | None, store: str) -> Iterator[Check]:
    """Start Ray, or connect to it, and ask every node."""
    from pipeline.executors.ray_executor import RayExecutor

    started = time.perf_counter()
    try:
        executor = RayExecutor(workers, address)
    except Exception as error:  # Ray raises what it likes where it cannot start or connect
        remedy = "ray start --head, and give its address" if address else "look into /tmp/ray/session_latest/logs"
        yield Check("ray", "failed", f"{type(error).__name__}: {error}", remedy)
        return
    seconds = time.perf_counter() - started
    try:
        with trial_folder(Folder(store)) as folder:
            shared = _Shared(folder)
            answers = executor.on_every_node(ProbeWork(shared.uri), ProbeUnit, NODE_SECONDS)
            yield from judged(answers, node_facts(), seconds, executor.workers)
            yield _store_check(answers, shared)
    finally:
        executor.close()


class _Shared:
    """A folder in the store with a token in it. ``uri`` is None, and ``error`` says why, where it cannot be written."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.token = uuid.uuid4().hex
        self.error: str | None = None
        try:
            folder.write("token", self.token.encode())
        except (OSError, GristmillError) as error:
            self.error = str(error)

    @property
    def uri(self) -> str | None:
        return None if self.error else self.folder.uri

    def answers(self) -> set[str]:
        """Ids of the nodes whose answers are seen here."""
        names = [name for name in self.folder.names() if name.startswith("answer-")]
        return {name.removeprefix("answer-") for name in names if self.folder.read(name).decode() == self.token}


def judged(answers: Answers, here: NodeFacts, seconds: float, workers: int) -> Iterator[Check]:
    """Checks of what the nodes answered, compared with the driver."""
    failed = {node: answer for node, answer in answers.items() if isinstance(answer, BaseException)}
    nodes = {node: answer for node, answer in answers.items() if isinstance(answer, NodeFacts)}
    facts: dict[str, Any] = {"nodes": len(answers), "workers": workers, "start_seconds": round(seconds, 2)}
    for node, error in failed.items():
        remedy = "see that the node has Gristmill installed, with the same Python"
        yield Check(f"node {node[:12]}", "failed", f"runs no task: {_last_line(error)}", remedy)
    if not failed:
        said = f"{figures.counted(len(nodes), 'node')}, {workers} workers, up in {seconds:.1f} s; each ran a task"
        yield Check("ray", "ok", said, None, facts)
    differing = [line for node, answer in nodes.items() for line in _differences(node, answer, here)]
    if differing:
        remedy = "install the same versions everywhere: they decide bytes and fingerprints"
        yield Check("nodes agree", "failed", "; ".join(differing), remedy, {"differences": differing})
    elif nodes:
        agreed = f"gristmill {here.gristmill} ({here.code}), Python {here.python}, pyarrow {here.libraries['pyarrow']}"
        yield Check("nodes agree", "ok", agreed, None, {"differences": []})
    off = [node for node, answer in nodes.items() if not _in_time(answer, here, seconds)]
    if off:
        yield Check("clocks", "warning", f"clocks of {', '.join(node[:12] for node in off)} differ", "set them by NTP")


def _last_line(error: BaseException) -> str:
    """What a remote traceback ends with."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


def _in_time(answer: NodeFacts, here: NodeFacts, seconds: float) -> bool:
    """Whether a node's clock can be right: it answered before ``here`` was asked, and not long before."""
    return -NODE_SECONDS - seconds - CLOCK_SECONDS < answer.unix_seconds - here.unix_seconds < CLOCK_SECONDS


def _differences(node: str, answer: NodeFacts, here: NodeFacts) -> Iterator[str]:
    pairs = {
        "gristmill": (answer.gristmill, here.gristmill),
        "gristmill's files": (answer.code, here.code),
        "Python": (answer.python, here.python),
        "Unicode": (answer.unicode, here.unicode),
        **{name: (answer.libraries.get(name), mine) for name, mine in here.libraries.items()},
    }
    for name, (there, mine) in pairs.items():
        if there != mine:
            yield f"{answer.host} ({node[:12]}) has {name} {there or 'not installed'}, here it is {mine}"


def _store_check(answers: Answers, shared: _Shared) -> Check:
    """Whether each node read the token here, and left an answer that is seen here."""
    name = "store, from every node"
    if shared.error:
        return Check(name, "failed", f"cannot be written here: {shared.error}", "mend the store first")
    seen = shared.answers()
    wrong = []
    for node, answer in answers.items():
        if not isinstance(answer, NodeFacts):
            continue
        if answer.token != shared.token:
            wrong.append(f"{answer.host} ({node[:12]}) does not see it: {answer.error or 'another token is there'}")
        elif node not in seen:
            wrong.append(f"what {answer.host} ({node[:12]}) writes is not seen here")
    if wrong:
        remedy = "put the store where every node sees it: a shared file system at the same path, or s3://…"
        return Check(name, "failed", "; ".join(wrong), remedy)
    return Check(name, "ok", "written here, read there, and the other way round")

"""Processors, memory, files, clock, names and the trainer's GPU: each check in a case where it fails."""

from __future__ import annotations

import json
import locale
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline import machine
from pipeline.doctor import resources


def only(checks: Any) -> Any:
    [check] = checks
    return check


def test_more_workers_than_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would wait for each other; the limit of the control group is named."""
    monkeypatch.setattr(machine, "cpu_count", lambda: 2)
    monkeypatch.setattr(machine, "cpu_quota", lambda: 2.5)
    check = only(resources.processors(8))
    assert (check.status, check.remedy) == ("warning", "set execution.workers to 2 or fewer")
    assert "the control group grants 2.5" in check.found
    assert only(resources.processors(2)).status == "ok"
    assert only(resources.processors(None)).status == "ok"


@pytest.mark.parametrize(("available", "status"), [(10**8, "failed"), (3 * 10**9, "warning"), (10**10, "ok")])
def test_memory_for_the_workers(monkeypatch: pytest.MonkeyPatch, available: int, status: str) -> None:
    """A worker needs about 1 GB: not one fits, some fit, all fit."""
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(2 * 10**10, available))
    check = only(resources.memory(8))
    assert check.status == status
    assert (check.remedy is None) == (status == "ok")
    assert check.facts["available_bytes"] == available


def test_memory_that_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is said."""
    monkeypatch.setattr(machine, "memory", lambda: None)
    assert only(resources.memory(1)).status == "warning"


def test_shared_memory_of_a_small_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker gives 64 MB if not asked for more."""
    monkeypatch.setattr(machine, "disk", lambda path: machine.Disk(path, 2**26, 2**26, 0, 0))
    assert "--shm-size" in only(resources.shared_memory()).remedy
    monkeypatch.setattr(os.path, "isdir", lambda path: False)
    assert only(resources.shared_memory()).status == "warning"


@pytest.mark.parametrize(("limit", "status"), [(64, "failed"), (512, "warning"), (4096, "ok"), (-1, "ok")])
def test_open_files(monkeypatch: pytest.MonkeyPatch, limit: int, status: str) -> None:
    """A merge opens 128 runs at once; -1 is no limit."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, 2**20))
    check = only(resources.open_files())
    assert (check.status, check.facts["soft"]) == (status, limit)


def test_a_clock_that_was_never_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that thinks it is 1970 fails."""
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    check = only(resources.clock())
    assert check.status == "failed"
    assert "1970-01-01" in check.found


def test_names_that_are_not_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    """File names have to be; text of other programs should be."""
    assert only(resources.names()).status == "ok"
    monkeypatch.setattr(locale, "getpreferredencoding", lambda setlocale: "ANSI_X3.4-1968")
    assert only(resources.names()).status == "warning"
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    assert only(resources.names()).status == "failed"


def test_a_file_system_keeps_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names come back as they were given; one that writes é in two characters does not do that."""
    assert resources.keeps_names(str(tmp_path))
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(os, "listdir", lambda folder: ["e\u0301"])
    assert not resources.keeps_names(str(tmp_path))


def torch(monkeypatch: pytest.MonkeyPatch, code: int, out: str, errors: str = "") -> Any:
    monkeypatch.setattr(resources, "installed", lambda name: "2.13.0")
    done = subprocess.CompletedProcess([], code, out, errors)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    return only(resources.gpu())


def test_the_trainers_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU is named; without one the trainer uses threads; a torch that cannot be imported fails."""
    facts = {"torch": "2.13.0", "gpus": ["H100"], "threads": 4}
    assert torch(monkeypatch, 0, json.dumps(facts)).found == "torch 2.13.0 on H100"
    assert "no GPU: 4 threads" in torch(monkeypatch, 0, json.dumps({**facts, "gpus": []})).found
    broken = torch(monkeypatch, 1, "", "Traceback\nImportError: libcudart.so.12\n")
    assert (broken.status, "libcudart" in broken.found) == ("failed", True)
    monkeypatch.setattr(resources, "installed", lambda name: None)
    assert not list(resources.gpu())

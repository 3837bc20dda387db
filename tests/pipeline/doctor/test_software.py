"""Versions, extras, kernels and names: each check in a case where it fails."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

import gristmill
from pipeline.doctor import software
from pipeline.doctor.software import Requirement, parse_requirement


def statuses(checks: Any) -> dict[str, str]:
    return {check.name: check.status for check in checks}


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretends that distributions have other versions; None for one that is missing."""
    before = software.installed

    def pretend(**found: str | None) -> None:
        monkeypatch.setattr(software, "installed", lambda name: found[name] if name in found else before(name))

    return pretend


@pytest.mark.parametrize(
    ("text", "found", "fits"),
    [
        ("numba>=0.61", "0.61", True),
        ("numba>=0.61", "0.60.9", False),
        ("numba >=0.61", "0.100", True),
        ("xxhash<4,>=3", "3.5.0", True),
        ("xxhash<4,>=3", "4.0.0", False),
        ("torch==2.13.0; extra == 'train'", "2.13.0+cpu", True),
        ("torch==2.13.0; extra == 'train'", "2.13.1", False),
        ("x~=1.4.2", "1.4.9", True),
        ("x~=1.4.2", "1.5.0", False),
        ("x==1.4.*", "1.4.7", True),
        ("x!=1.5", "1.5.0", False),
        ("moto[server]>=5", "5.0.1rc1", True),
        ("x (>=2.0)", "1.9", False),
        ("x", "0.1", True),
    ],
)
def test_versions_are_compared_as_numbers(text: str, found: str, fits: bool) -> None:
    """As in PEP 440, for releases; suffixes of builds do not count."""
    assert parse_requirement(text).allows(found) is fits


def test_what_is_no_requirement_is_refused() -> None:
    """A line that is not understood is an error, not a wish that is always met."""
    for text in ("numba>=", "numba => 3", ""):
        with pytest.raises(ValueError, match="not a requirement"):
            parse_requirement(text)
    assert parse_requirement('torch==2; extra == "train"') == Requirement("torch", (("==", "2"),), "train")


def test_here_all_is_well() -> None:
    """The tests' own environment is one that is asked for."""
    assert statuses(software.packages()) == {"packages": "ok"}
    assert statuses(software.python()) == {"python": "ok"}


def test_another_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that is too old, or none that Numba runs on, fails."""
    monkeypatch.setattr(platform, "python_version", lambda: "3.9.2")
    [check] = software.python()
    assert (check.status, check.remedy) == ("failed", "install Python >=3.11")
    monkeypatch.undo()
    monkeypatch.setattr(platform, "python_implementation", lambda: "PyPy")
    assert statuses(software.python()) == {"python": "failed"}


def test_packages_that_are_missing_or_too_old(versions: Callable[..., None]) -> None:
    """Each has a line that says what was found, what is asked for, and how to get it."""
    versions(numba="0.50", zstandard=None)
    checks = {check.name: check for check in software.packages()}
    assert statuses(checks.values()) == {"package numba": "failed", "package zstandard": "failed"}
    assert checks["package numba"].found == "0.50, numba>=0.61 is asked for"
    assert checks["package zstandard"].found == "not installed"
    assert checks["package zstandard"].remedy == "pip install 'zstandard>=0.22'"


def test_combinations_that_are_known_to_be_bad(versions: Callable[..., None]) -> None:
    """One line, with the reason."""
    versions(xxhash="4.0.1")
    [check] = software.packages()
    assert (check.name, check.status) == ("package xxhash", "failed")
    assert "datatrove" in check.found


def test_a_clone_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without metadata versions cannot be judged, which is said; nothing falls over."""

    def missing(name: str) -> Any:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(software, "metadata", missing)
    assert statuses(software.packages()) == {"packages": "warning"}
    assert statuses(software.python()) == {"python": "ok"}
    assert not list(software.extras())


def test_extras_fail_only_where_they_are_needed(versions: Callable[..., None]) -> None:
    """An absent extra is told with what it is for; where the recipe trains, torch has to be there."""
    versions(torch=None, safetensors="0.5")
    [absent] = [check for check in software.extras() if check.name == "extra train"]
    assert (absent.status, absent.remedy) == ("ok", None)
    assert "the bundled trainer" in absent.found
    [needed] = [check for check in software.extras(["train"]) if check.name == "extra train"]
    assert (needed.status, needed.remedy) == ("failed", "pip install 'gristmill[train]'")
    assert needed.facts == {"missing": ["torch==2.13.0"]}
    versions(torch="2.12.0", safetensors="0.5")
    assert statuses(software.extras(["train"]))["extra train"] == "failed"


def test_shadowed_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with the name of one of our packages is pointed at."""
    assert statuses(software.shadowed()) == {"shadowed names": "ok"}
    monkeypatch.setattr(gristmill, "shadowed", lambda: ["/decoy/pipeline.py"])
    [check] = software.shadowed()
    assert check.status == "warning"
    assert check.facts == {"places": ["/decoy/pipeline.py"]}


@pytest.mark.compiled
def test_kernels_run_and_can_be_kept() -> None:
    """The folder of the cache is named."""
    [check] = software.kernels()
    assert check.status == "ok"
    assert os.path.isdir(str(check.facts["cache"]))


@pytest.mark.compiled
def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then every process compiles anew, for minutes."""
    monkeypatch.setattr(software, "_can_write", lambda folder: False)
    [check] = software.kernels()
    assert check.status == "warning"
    assert "NUMBA_CACHE_DIR" in str(check.remedy)


def test_a_folder_can_be_written_or_not(tmp_path: Path) -> None:
    """A folder that can be made counts; a file in its place does not."""
    assert software._can_write(str(tmp_path / "new"))
    (tmp_path / "file").write_text("")
    assert not software._can_write(str(tmp_path / "file"))


def test_without_the_jit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels as plain Python are for debugging only."""
    from numba.core import config

    monkeypatch.setattr(config, "DISABLE_JIT", 1)
    [check] = software.kernels()
    assert (check.status, check.remedy) == ("failed", "unset NUMBA_DISABLE_JIT")

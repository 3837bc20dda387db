"""Our packages are ours wherever Python is started: a user's ``pipeline.py`` does not shadow them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import gristmill

DECOYS = {
    "pipeline/__init__.py": "raise RuntimeError('the decoy was imported')",
    "stages.py": "raise RuntimeError('the decoy was imported')",
    "classifiers/__init__.py": "raise RuntimeError('the decoy was imported')",
}
IMPORTS = (
    "import gristmill, pipeline.errors, stages.contract, classifiers; "
    "print(classifiers.__file__); print(pipeline.__file__); print(stages.__file__); "
    "print(*gristmill.shadowed(), sep='\\n')"
)
OURS = [os.path.join(gristmill.ROOT, name, "__init__.py") for name in ("classifiers", "pipeline", "stages")]


@pytest.fixture
def decoys(tmp_path: Path) -> Path:
    """A folder with a package and modules called like ours."""
    for name, content in DECOYS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in that folder; ours is on the path as an installed package would be: behind the folder."""
    environment = {**os.environ, "PYTHONPATH": gristmill.ROOT}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_decoys_in_the_working_directory(decoys: Path) -> None:
    """From a folder with a decoy ``pipeline/`` and ``stages.py`` ours are imported, and the decoys named."""
    found = python("-c", IMPORTS, cwd=decoys)
    assert found.returncode == 0, found.stderr
    lines = found.stdout.split()
    assert lines[:3] == OURS
    assert [os.path.relpath(line, decoys) for line in lines[3:]] == [
        "classifiers/__init__.py",
        "pipeline/__init__.py",
        "stages.py",
    ]


def test_decoys_beside_a_script(decoys: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A script's folder comes first on the path, and still ours are imported."""
    (decoys / "script.py").write_text(IMPORTS)
    found = python(str(decoys / "script.py"), cwd=tmp_path_factory.mktemp("elsewhere"))
    assert found.returncode == 0, found.stderr
    assert found.stdout.split()[:3] == OURS
    assert len(found.stdout.split()) == 6


def test_the_command_starts_beside_decoys(decoys: Path) -> None:
    """``python -m gristmill`` comes as far as our own command line."""
    found = python("-m", "gristmill", "--help", cwd=decoys)
    assert found.returncode == 0, found.stderr
    assert "run" in found.stdout and "decoy" not in found.stderr


def test_a_decoy_that_was_imported_first(tmp_path: Path) -> None:
    """If a user's module got in first, the import fails, says which file it is and what to do."""
    (tmp_path / "stages.py").write_text("x = 1")
    found = python("-c", "import stages, gristmill", cwd=tmp_path)
    assert found.returncode == 1
    last = found.stderr.splitlines()
    assert last[-2] == (
        f"ImportError: {tmp_path}/stages.py was imported as 'stages' before Gristmill's own package of that name."
    )
    assert last[-1] == "  → import gristmill first, or rename that file"


def test_a_decoy_folder_that_was_imported_first(tmp_path: Path) -> None:
    """A folder without ``__init__.py`` is a package too, and is named the same way."""
    (tmp_path / "trainer").mkdir()
    code = (
        "import importlib.machinery as m, importlib.util as u, os, sys; "
        "spec = m.PathFinder.find_spec('trainer', [os.getcwd()]); "
        "sys.modules['trainer'] = u.module_from_spec(spec); import gristmill"
    )
    found = python("-c", code, cwd=tmp_path)
    assert found.returncode == 1
    assert f"{tmp_path}/trainer was imported as 'trainer'" in found.stderr


def test_nothing_shadows_in_an_empty_folder(tmp_path: Path) -> None:
    """Where there are no decoys, nothing is reported."""
    found = python("-c", IMPORTS, cwd=tmp_path)
    assert found.stdout.split() == OURS, found.stderr


def test_data_folders_shadow_nothing(tmp_path: Path) -> None:
    """A user's folder of recipes or data is no Python package and is not reported."""
    for name in ("recipes", "stages"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text("name: a")
    found = python("-c", IMPORTS, cwd=tmp_path)
    assert found.stdout.split() == OURS, found.stderr


def test_importing_is_quick_and_quiet(tmp_path: Path) -> None:
    """``import gristmill`` loads nothing heavy and prints nothing."""
    heavy = "ray torch numba pyarrow pydantic typer numpy"
    code = f"import gristmill, sys; print([name for name in {heavy.split()!r} if name in sys.modules])"
    found = python("-c", code, cwd=tmp_path)
    assert (found.stdout, found.stderr) == ("[]\n", "")


def test_pinning_twice_is_pinning_once(tmp_path: Path) -> None:
    """A worker that imports the module again, under whatever name, adds no second finder."""
    code = (
        "import gristmill, sys, runpy; runpy.run_path(gristmill.__file__, run_name='again'); "
        "print(sum(getattr(finder, '__name__', '') == '_Pinned' for finder in sys.meta_path))"
    )
    found = python("-c", code, cwd=tmp_path)
    assert found.stdout == "1\n", found.stderr

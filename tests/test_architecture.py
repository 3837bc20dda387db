"""The shape of the code: who may import whom, what happens at import, what things are called."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from stages.catalogue import FITS, STAGES

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("classifiers", "stages", "pipeline", "trainer")

MAY_IMPORT = {
    "stages.kernels": ("stages.kernels",),
    "classifiers": ("classifiers", "stages.kernels"),
    "stages": ("stages", "classifiers"),
    "pipeline": ("pipeline", "stages", "classifiers", "gristmill"),
    "trainer": ("trainer", "pipeline.tokens.shards", "pipeline.tokens.mix"),
    "gristmill": ("pipeline",),
}
"""Part of the code → what of ours it may import; the first entry that a module's name begins with counts."""

ONLY_IN = {
    "ray": ("pipeline.executors.ray_executor",),
    "torch": ("trainer",),
    "safetensors": ("trainer",),
    "resiliparse": ("stages.html_libraries",),
    "trafilatura": ("stages.html_libraries",),
    "pypdfium2": ("pipeline.sources",),
    "transformers": (),
}
"""Library → the only modules or packages that import it."""

COMES_WITH = {"awkward": "gigatoken", "llvmlite": "numba", "annotated-types": "pydantic", "pydantic-core": "pydantic"}
"""Distribution → the declared one that it belongs to and that pins it."""

EXTRA_OF = {"trainer": "train", "classifiers": "lm", "stages": "html", "pipeline": "pdf"}
"""Package → the extra whose libraries it may import, where they are asked for."""

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "constants", "misc", "shared"}

AT_IMPORT = {"os.environ", "os.environb", "os.getenv", "logging.basicConfig", "print", "open"}
"""What a module may not touch while it is imported."""


@dataclass(frozen=True)
class Module:
    """A module of ours. ``imports``: dotted names of all modules that it imports, wherever in the file."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def imports(self) -> set[str]:
        return {name for node in ast.walk(self.tree) for name in _imported(node, self)}

    def within(self, parts: tuple[str, ...]) -> bool:
        return any(_is_below(self.name, part) for part in parts)


@cache
def modules() -> tuple[Module, ...]:
    """All modules of the distribution."""
    paths = [ROOT / "gristmill.py", *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))]
    return tuple(Module(_dotted(path), path, ast.parse(path.read_text("utf-8"))) for path in sorted(paths))


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _is_below(name: str, part: str) -> bool:
    return name == part or name.startswith(part + ".")


def _imported(node: ast.AST, module: Module) -> Iterator[str]:
    """Names of modules that a statement imports; ``from x import y`` counts as x.y where that is a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{module.name} imports relatively, line {node.lineno}"
        for alias in node.names:
            below = ROOT / (node.module or "").replace(".", "/") / alias.name
            is_module = below.is_dir() or below.with_suffix(".py").exists()
            yield f"{node.module}.{alias.name}" if is_module else str(node.module)


def _ours(name: str) -> bool:
    return name.partition(".")[0] in (*PACKAGES, "gristmill", "benchmarks", "tests", "recipes")


def _ids(module: Module) -> str:
    return module.name


@pytest.mark.parametrize("module", modules(), ids=_ids)
def test_imports_run_one_way(module: Module) -> None:
    """classifiers ← stages ← pipeline; the trainer sees token shards and mix only; nothing imports tests."""
    allowed = next(allowed for part, allowed in MAY_IMPORT.items() if _is_below(module.name, part))
    wrong = {name for name in module.imports if _ours(name) and not any(_is_below(name, part) for part in allowed)}
    assert not wrong, f"{module.name} may import {', '.join(allowed)} of ours"


@pytest.mark.parametrize("library", ONLY_IN)
def test_heavy_libraries_have_one_home(library: str) -> None:
    """One file knows Ray, one package knows torch, and what an extra brings is asked for in one place."""
    users = {
        module.name
        for module in modules()
        if any(_is_below(name, library) for name in module.imports) and not module.within(ONLY_IN[library])
    }
    assert not users


@pytest.mark.parametrize("module", [module for module in modules() if module.within(("stages.kernels",))], ids=_ids)
def test_kernels_are_a_leaf(module: Module) -> None:
    """Kernels import numpy, pyarrow, numba (with its llvmlite) and the standard library."""
    known = {*sys.stdlib_module_names, "numpy", "pyarrow", "numba", "llvmlite"}
    assert {name.partition(".")[0] for name in module.imports if not _ours(name)} <= known


def test_what_the_trainer_sees_is_light() -> None:
    """Token-shard reader and mix, with all that they import of ours, need numpy and pyarrow only."""
    by_name = {module.name: module for module in modules()}
    todo, seen, outside = ["pipeline.tokens.shards", "pipeline.tokens.mix"], set[str](), set[str]()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for imported in by_name[name].imports:
            if _ours(imported):
                todo.append(imported)
            else:
                outside.add(imported.partition(".")[0])
    assert outside - set(sys.stdlib_module_names) <= {"numpy", "pyarrow"}


@pytest.mark.parametrize("package", ["stages", "stages.kernels", "stages.dedup", "stages.quality"])
def test_stage_packages_import_nothing(package: str) -> None:
    """Importing a kernel runs no other module of ours."""
    (module,) = [module for module in modules() if module.name == package]
    assert not module.imports


@pytest.mark.parametrize("module", [module for module in modules() if module.path.name == "__init__.py"], ids=_ids)
def test_package_files_only_name_things(module: Module) -> None:
    """An ``__init__.py`` holds a docstring, imports and ``__all__``."""
    for node in module.tree.body:
        names = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert is_docstring or isinstance(node, ast.Import | ast.ImportFrom) or names == ["__all__"], ast.unparse(node)


def _run_at_import(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
    """Every node that is executed while a module is imported: bodies of functions are not."""
    todo: list[ast.AST] = list(nodes)
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += [*node.decorator_list, *node.args.defaults, *(value for value in node.args.kw_defaults if value)]
        elif not isinstance(node, ast.Lambda) and not _is_main_guard(node):
            todo += ast.iter_child_nodes(node)


def _is_main_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


@pytest.mark.parametrize("module", modules(), ids=_ids)
def test_nothing_happens_at_import(module: Module) -> None:
    """No module reads the environment, opens files, prints or sets up logging while it is imported."""
    touched = {
        ast.unparse(node)
        for node in _run_at_import(module.tree.body)
        if isinstance(node, ast.Attribute | ast.Name)
        and isinstance(node.ctx, ast.Load)
        and ast.unparse(node) in AT_IMPORT
    }
    assert not touched


def test_the_command_line_starts_light() -> None:
    """Ray, torch and Numba are loaded when they are used, not by ``gristmill --help``."""
    code = "import gristmill, pipeline.cli, sys; print(sorted({'ray', 'torch', 'numba'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_say_what_is_inside() -> None:
    """No module is called utils, helpers, common or the like."""
    tests = (path for path in (ROOT / "tests").rglob("*.py"))
    names = [*(module.name for module in modules()), *(path.stem for path in tests)]
    assert not [name for name in names if name.rpartition(".")[2] in VAGUE_NAMES]


@pytest.mark.parametrize("kind", [*STAGES, *FITS])
def test_every_stage_is_tested_and_documented(kind: str) -> None:
    """A stage has a test module in its place in the mirror, and an entry in the recipe reference."""
    package, _, name = {**STAGES, **FITS}[kind].rpartition(".")
    assert (ROOT / "tests" / package.replace(".", "/") / f"test_{name}.py").exists()
    reference = (ROOT / "docs" / "recipe-reference.md").read_text("utf-8")
    assert re.search(rf"^#+ .*\b{re.escape(kind)}\b", reference, re.MULTILINE)


def test_every_test_states_its_rule() -> None:
    """Each test has a docstring, and each folder of tests is a package, so that equal names do not collide."""
    silent = []
    for path in (ROOT / "tests").rglob("*.py"):
        assert (path.parent / "__init__.py").exists()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node):
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not silent


def _distribution(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


@pytest.mark.parametrize("package", [*PACKAGES, "gristmill"])
def test_imported_libraries_are_declared(package: str) -> None:
    """What a package imports is a dependency in pyproject.toml, or in the extra that the package may need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extra = project["optional-dependencies"].get(EXTRA_OF.get(package), [])
    declared = {_distribution(name) for name in [*project["dependencies"], *extra]}
    providers = packages_distributions()
    missing = set()
    for module in modules():
        for name in module.imports if module.within((package,)) else ():
            top = name.partition(".")[0]
            if _ours(name) or top in sys.stdlib_module_names:
                continue
            found = {_distribution(distribution) for distribution in providers.get(top, [top])}
            if not {COMES_WITH.get(distribution, distribution) for distribution in found} & declared:
                missing.add(top)
    assert not missing


def test_data_files_are_in_the_wheel() -> None:
    """Whatever a package holds beside its modules has an ending that pyproject.toml ships."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    shipped = {glob.removeprefix("*") for glob in setuptools["package-data"]["*"]}
    files = (path for package in (*PACKAGES, "recipes") for path in (ROOT / package).rglob("*") if path.is_file())
    assert {path.suffix for path in files if "__pycache__" not in path.parts} - shipped <= {".py"}


def test_constraints_pin_exact_versions() -> None:
    """Every line of constraints.txt is name==version: no paths, no addresses; torch without a build's suffix."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert not [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)]
    assert "torch==2.13.0" in pins

"""Models that stages and fits use: found, hashed, and loaded once per process."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow.fs as pafs

from pipeline.blocks.steps import StageStep, Step, stage_steps
from pipeline.errors import SourceError
from pipeline.storage import Folder, filesystem
from stages import catalogue
from stages.contract import FitConfig

_Stamp = tuple[int | None, int | None]
"""Size and time of a file's last change: another file under the same path is another model."""

_loaded: dict[tuple[str, tuple[tuple[str, str, _Stamp], ...], str], Any] = {}


def models_of(steps: Sequence[Step]) -> dict[str, Any]:
    """Address → model for every step that has one. Loaded once per process, kept for the next partition."""
    return {step.address: _model(step) for step in stage_steps(steps) if step.resources}


def _model(step: StageStep) -> Any:
    settings = step.config.model_dump_json(exclude={"name", "when"})
    return _once(step.kind, step.resources, settings, lambda files: step.stage.load(step.config, files))


def model_of_fit(kind: str, config: FitConfig, resources: Mapping[str, str]) -> Any:
    """What a fit's functions are given; None for a fit without files. ``resources``: name → path or URI."""
    if not resources:
        return None
    settings = config.model_dump_json(by_alias=True)
    return _once(f"fit {kind}", resources, settings, lambda files: catalogue.fit(kind).load(config, files))


def _once(kind: str, resources: Mapping[str, str], settings: str, load: Callable[[Mapping[str, str]], Any]) -> Any:
    files = tuple((name, uri, _stamp(uri)) for name, uri in sorted(resources.items()))
    key = (kind, files, settings)
    if key not in _loaded:
        _loaded[key] = load({name: local_copy(uri) for name, uri in resources.items()})
    return _loaded[key]


def local_copy(uri: str) -> str:
    """A local path with the file's content; remote files are fetched once per process."""
    return _fetched(uri, _stamp(uri)) if "://" in uri else filesystem(uri)[1]


def _stamp(uri: str) -> _Stamp:
    fs, path = filesystem(uri)
    found = fs.get_file_info(path)
    if found.type != pafs.FileType.File:
        raise SourceError("no model file", where=uri, remedy="give the path of a model file")
    return found.size, found.mtime_ns


@lru_cache(maxsize=256)
def _fetched(uri: str, stamp: _Stamp) -> str:
    fs, path = filesystem(uri)
    handle, name = tempfile.mkstemp(suffix=os.path.basename(path))
    with os.fdopen(handle, "wb") as out, fs.open_input_stream(path, compression=None) as stream:
        out.write(stream.read())
    return name


def file_hashes(uris: Mapping[str, str], where: str) -> dict[str, str]:
    """Name → sha256 of each file. Raises SourceError for one that is not there."""
    return {name: _hash(uri, where) for name, uri in sorted(uris.items())}


def _hash(uri: str, where: str) -> str:
    folder, name = uri.rsplit("/", 1) if "/" in uri else (".", uri)
    try:
        return hashlib.sha256(Folder(folder or "/").read(name)).hexdigest()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SourceError(f"no model file {uri}", where=where, remedy="give the path of a model file") from error


def forget(kinds: Iterable[str] = ()) -> None:
    """Drop loaded models (all, or of those kinds); tests use it."""
    wanted = set(kinds)
    for key in [key for key in _loaded if not wanted or key[0] in wanted]:
        del _loaded[key]

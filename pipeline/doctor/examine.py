"""All checks, in the order in which one needs the other; what a recipe says decides which of them matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline import machine
from pipeline.doctor import resources, software, storage
from pipeline.doctor.check import Check, guarded
from pipeline.recipe.model import Recipe
from pipeline.remote import IN_EXTRA

STORE = "./store"


@dataclass(frozen=True)
class Subject:
    """What is looked at. ``workers``: None for as many as there are processors; ``extras``: those that are needed."""

    store: str = STORE
    runs: str | None = None
    executor: str = "ray"
    workers: int | None = None
    address: str | None = None
    extras: tuple[str, ...] = ()


def subject(recipe: Recipe | None, store: str | None = None, address: str | None = None) -> Subject:
    """What to look at for a recipe; ``store`` and ``address`` go before what it says."""
    if recipe is None:
        return Subject(store=store or STORE, address=address)
    execution = recipe.execution
    return Subject(
        store=store or recipe.store,
        runs=None if store else recipe.runs,
        executor="ray" if address else execution.executor,
        workers=execution.workers,
        address=address or execution.address,
        extras=needed_extras(recipe),
    )


def needed_extras(recipe: Recipe) -> tuple[str, ...]:
    """Extras of this distribution that the recipe cannot do without."""
    kinds = {use.kind for use in recipe.sources.values()}
    places = [recipe.store, recipe.runs]
    for use in recipe.sources.values():
        places += [use.config.path] if isinstance(use.config.path, str) else use.config.path
    extractors = {getattr(use.config, "extractor", "gristmill") for use in recipe.uses()}
    needed = {
        "html": bool(extractors - {"gristmill"}),
        "pdf": "pdf" in kinds,
        "remote": any(place.partition("://")[0] in IN_EXTRA for place in places if "://" in place),
        "train": recipe.train is not None,
    }
    return tuple(extra for extra, is_needed in needed.items() if is_needed)


def examine(what: Subject) -> Iterator[Check]:
    """Every check, as it is made."""
    workers = what.workers or (machine.cpu_count() if what.executor == "ray" else 1)
    here = what.workers if what.address is None else None
    yield from guarded("python", software.python)
    yield from guarded("packages", software.packages)
    yield from guarded("extras", lambda: software.extras(what.extras))
    yield from guarded("shadowed names", software.shadowed)
    yield from guarded("kernels", software.kernels)
    yield from guarded("processors", lambda: resources.processors(here))
    yield from guarded("memory", lambda: resources.memory(workers if what.address is None else 1))
    yield from guarded("open files", resources.open_files)
    yield from guarded("clock", resources.clock)
    yield from guarded("names", resources.names)
    yield from guarded("temporary folder", storage.temporary)
    yield from guarded("store", lambda: storage.storage(what.store))
    if what.runs is not None and _elsewhere(what.runs, what.store):
        yield from guarded("runs", lambda: storage.storage(what.runs or "", "runs"))
    if what.executor == "ray":
        yield from guarded("shared memory", resources.shared_memory)
        yield from guarded("ray", lambda: _cluster(what))
    yield from guarded("trainer", resources.gpu)


def _elsewhere(runs: str, store: str) -> bool:
    """Whether runs are not kept beside the store."""
    return runs.rstrip("/").rpartition("/")[0] != store.rstrip("/").rpartition("/")[0]


def _cluster(what: Subject) -> Iterator[Check]:
    from pipeline.doctor.cluster import cluster

    yield from cluster(what.address, what.workers, what.store)

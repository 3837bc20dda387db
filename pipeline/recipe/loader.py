"""Loads a recipe: file → tree → overrides → variables → checked :class:`~pipeline.recipe.model.Recipe`.

Everything that is wrong is collected and raised as one error, each finding with its file and line. Modules of
stages, fits and sources are imported for the kinds that the recipe uses, and for no others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipeline.recipe.files import FileReader, read_text
from pipeline.recipe.model import (
    DEFAULT_SEQUENCE_LENGTH,
    FitUse,
    MixConfig,
    Places,
    Recipe,
    RouteUse,
    Settings,
    SourceUse,
    StageUse,
    TrainConfig,
)
from pipeline.recipe.overrides import TOP_LEVEL_KEYS, apply_overrides, stage_entries
from pipeline.recipe.problems import Mark, Problems, suggest
from pipeline.recipe.stage_list import StageReader
from pipeline.recipe.validation import check_name, find_mark, shown, validate
from pipeline.recipe.variables import VAR_NAME, substitute
from pipeline.recipe.yaml_reader import MapNode, Node, ScalarNode
from pipeline.sources import catalogue as source_catalogue
from stages import catalogue
from stages.contract import FitInput, FitRef, RowStage

SECTIONS_WITH_DEFAULTS = ("vars", "tokenize", "mix", "train", "exports", "execution")
Use = TypeVar("Use", SourceUse, FitUse)


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a file, with ``address=value`` overrides put in. Raises RecipeError with all findings."""
    where = os.fspath(path)
    text = read_text(Path(path), where)
    return load_recipe_text(text, where, overrides, os.path.dirname(where) or ".")


def load_recipe_text(
    text: str, where: str = "recipe", overrides: Sequence[str] = (), folder: str | None = None
) -> Recipe:
    """The recipe in a text. ``where`` names it in errors; ``folder``: of includes and ``${recipe:dir}``."""
    problems = Problems()
    files = FileReader(problems)
    files.open.append(os.path.abspath(where))
    root = files.tree(text, where, folder or ".")
    if root is None:
        problems.raise_if_any(where)
        raise AssertionError("a tree that cannot be read leaves a problem")
    root = apply_overrides(root, overrides, problems)
    root = substitute(root, {**files.folders, "": files.folders[where]}, problems)
    recipe = _Checker(root, where, problems).recipe()
    problems.raise_if_any(where)
    assert recipe is not None
    return recipe


@dataclass
class _Checker:
    """Checks the parts of a tree, and what they say about each other."""

    root: MapNode
    file: str
    problems: Problems

    def recipe(self) -> Recipe | None:
        self._check_keys()
        settings = self._settings()
        sources = self._uses("sources", self._source)
        fits = self._uses("fits", self._fit)
        if not sources:
            remedy = "as in sources: {web: {kind: jsonl, path: data/*.jsonl.gz}}"
            self.problems.add(self._mark("sources"), "the recipe has no sources", remedy)
        for name, use in fits.items():
            if use is not None:
                self._check_fit_sources(use, sources, self._fit_node(name))
        stages = self._with_brought(sources, StageReader(sources, fits, self.problems).read(self.root))
        for use in filter(None, fits.values()):
            self._check_signal(use, stages)
            self._check_fit_files(use, fits)
        if settings is None:
            return None
        self._check_tokenizer(settings, fits)
        self._check_exports(settings, stages)
        lengths = self._sequence_lengths(settings)
        if self.problems.found:
            return None
        return Recipe.model_validate(
            {
                **dict(settings),
                "runs": settings.runs or beside(settings.store, "runs"),
                **lengths,
                "sources": {name: use for name, use in sources.items() if use},
                "fits": {name: use for name, use in fits.items() if use},
                "stages": stages,
                "places": Places(self.file, dict(_places(self.root))),
            }
        )

    def _check_keys(self) -> None:
        for key in self.root.items:
            if key not in TOP_LEVEL_KEYS:
                self.problems.add(self.root.keys[key], f"unknown key {key!r}", suggest(key, TOP_LEVEL_KEYS))

    def _settings(self) -> Settings | None:
        items = {key: node for key, node in self.root.items.items() if key in Settings.model_fields}
        for key, node in items.items():
            if isinstance(node, ScalarNode) and node.text == "" and key in SECTIONS_WITH_DEFAULTS:
                items[key] = MapNode({}, {}, self.root.keys[key])
        name = items.get("name")
        if isinstance(name, ScalarNode) and isinstance(name.value, str):
            check_name(name.value, self.root.keys["name"], "a recipe", self.problems)
        settings = validate(Settings, MapNode(items, self.root.keys, self.root.mark), self.problems)
        if settings is None:
            return None
        for variable in settings.vars:
            if not VAR_NAME.fullmatch(variable):
                remedy = "letters, digits, '_' and '-', a letter first"
                self.problems.add(
                    self._mark("vars", variable), f"{variable!r} cannot be the name of a variable", remedy
                )
        if settings.mix and not settings.tokenize:
            self.problems.add(self.root.keys["mix"], "a mix needs token shards", "add 'tokenize:'")
        if settings.train and not settings.mix:
            self.problems.add(self.root.keys["train"], "training needs a mix", "add 'mix: {tokens: …, weights: {…}}'")
        return settings

    def _mark(self, *path: str | int) -> Mark:
        return find_mark(self.root, path)

    def _uses(self, section: str, read: Callable[[str, str, MapNode, Mark], Use | None]) -> dict[str, Use | None]:
        """Entries of a section: name → use, or None where it is wrong."""
        node = self.root.items.get(section)
        if node is None or (isinstance(node, ScalarNode) and node.value is None):
            return {}
        if not isinstance(node, MapNode):
            problem = f"{section}: expected a mapping of names, got {shown(node)}"
            self.problems.add(self.root.keys[section], problem, f"as in {section}: {{first: {{kind: …}}}}")
            return {}
        return {name: self._use(section, name, item, node.keys[name], read) for name, item in node.items.items()}

    def _use(
        self, section: str, name: str, node: Node, mark: Mark, read: Callable[[str, str, MapNode, Mark], Use | None]
    ) -> Use | None:
        check_name(name, mark, f"an entry of {section}", self.problems)
        if not isinstance(node, MapNode):
            problem = f"{section}.{name}: expected a mapping, got {shown(node)}"
            self.problems.add(mark, problem, "as in {kind: …}, with the settings of that kind")
            return None
        kind = node.items.get("kind")
        known = source_catalogue.source_names() if section == "sources" else catalogue.fit_names()
        if not (isinstance(kind, ScalarNode) and isinstance(kind.value, str)):
            place = node.keys.get("kind", mark)
            self.problems.add(place, f"{section}.{name}: key 'kind' is missing", f"known: {', '.join(known)}")
            return None
        if kind.value not in known:
            problem = f"{section}.{name}: no kind is called {kind.value!r}"
            self.problems.add(node.keys["kind"], problem, suggest(kind.value, known))
            return None
        settings = MapNode({key: item for key, item in node.items.items() if key != "kind"}, node.keys, mark)
        return self._loaded(lambda: read(name, str(kind.value), settings, mark), kind.value, node.keys["kind"])

    def _loaded(self, read: Callable[[], Use | None], kind: str, mark: Mark) -> Use | None:
        try:
            return read()
        except ImportError as error:
            self.problems.add(mark, f"{kind!r} cannot be loaded: {error}", "install the package that it needs")
            return None

    def _source(self, name: str, kind: str, settings: MapNode, mark: Mark) -> SourceUse | None:
        config = validate(source_catalogue.source(kind).config, settings, self.problems, f"sources.{name}")
        return SourceUse(name, kind, config, mark.where) if config is not None else None

    def _with_brought(
        self, sources: Mapping[str, SourceUse | None], stages: tuple[StageUse | RouteUse, ...]
    ) -> tuple[StageUse | RouteUse, ...]:
        """The stages with those in front that the sources bring, as a route by source."""
        branches = {use.name: brought for use in sources.values() if use is not None and (brought := _brought(use))}
        if not branches:
            return stages
        names = {use.name: source for source, branch in branches.items() for use in branch}
        for entry in stage_entries(self.root):
            if entry.name in names:
                problem = f"source {names[entry.name]!r} brings a stage called {entry.name!r} already"
                self.problems.add(entry.mark, problem, "give this one another `name`")
        return (RouteUse("source", branches, brought=True), *stages)

    def _fit(self, name: str, kind: str, settings: MapNode, mark: Mark) -> FitUse | None:
        config = validate(catalogue.fit(kind).config, settings, self.problems, f"fits.{name}")
        return FitUse(name, kind, config, mark.where) if config is not None else None

    def _fit_node(self, name: str) -> MapNode:
        section = self.root.items["fits"]
        node = section.items[name] if isinstance(section, MapNode) else None
        return node if isinstance(node, MapNode) else MapNode({}, {}, self.root.mark)

    def _check_fit_sources(self, use: FitUse, sources: Collection[str], node: MapNode) -> None:
        """The sources that a fit learns from have to exist."""
        learns = use.config.from_
        names = _listed(learns.source) if isinstance(learns, FitInput) else []
        for name in names:
            if name not in sources:
                mark = find_mark(node, ("from", "source"))
                self.problems.add(mark, f"fits.{use.name}: no source is called {name!r}", suggest(name, sources))

    def _check_signal(self, fit: FitUse, stages: Sequence[StageUse | RouteUse]) -> None:
        """The signal that a fit looks at is measured by a stage of this recipe."""
        signal = catalogue.fit(fit.kind).signal(fit.config)
        if signal is None:
            return
        mark = self._mark("fits", fit.name, "signal")
        name, _, key = signal.rpartition(".")
        entries = [entry.name for entry in stage_entries(self.root)]
        if name not in entries:
            remedy = f"name a signal as stage.signal; {suggest(name, entries)}"
            self.problems.add(mark, f"fits.{fit.name}: no stage measures {signal!r}", remedy)
            return
        uses = [use for entry in stages for use in entry.uses()]
        known = [known for use in uses if use.name == name for known in _signals(use)]
        if key not in known and any(use.name == name for use in uses):
            self.problems.add(mark, f"fits.{fit.name}: stage {name!r} measures no {key!r}", suggest(key, known))

    def _check_fit_files(self, fit: FitUse, fits: Mapping[str, FitUse | None]) -> None:
        """The fits whose artifacts a fit takes are there."""
        for name, resource in catalogue.fit(fit.kind).resources(fit.config).items():
            if isinstance(resource, FitRef):
                self._check_maker(resource.fit, name, self._mark("fits", fit.name, name), fits)

    def _check_tokenizer(self, settings: Settings, fits: Mapping[str, FitUse | None]) -> None:
        tokenizer = settings.tokenize.tokenizer if settings.tokenize else None
        if tokenizer is not None and not isinstance(tokenizer, str):
            self._check_maker(tokenizer.fit, "tokenizer", self._mark("tokenize", "tokenizer"), fits)

    def _check_maker(self, name: str, what: str, mark: Mark, fits: Mapping[str, FitUse | None]) -> None:
        """A fit that is to make a file has to be there, and not to make a number."""
        use = fits.get(name)
        if name not in fits:
            self.problems.add(mark, f"no fit is called {name!r}", suggest(name, fits) + " (under fits)")
        elif use is not None and catalogue.fit(use.kind).value is not None:
            problem = f"fit {use.name!r} is a {use.kind}, which makes a number and no {what}"
            self.problems.add(mark, problem, "use one that makes a file, as bpe_tokenizer makes a tokenizer")

    def _check_exports(self, settings: Settings, stages: Sequence[StageUse | RouteUse]) -> None:
        """Exports follow stages of this recipe, and each has a folder of its own."""
        uses = [use for entry in stages for use in entry.uses()]
        known = [*dict.fromkeys(name for use in uses for name in (use.name, use.address))]
        written: dict[str, str] = {}
        for name, config in settings.exports.items():
            check_name(name, self._mark("exports", name), "an export", self.problems)
            if config.after is not None and config.after not in known:
                problem = f"exports.{name}: no stage is called {config.after!r}"
                self.problems.add(self._mark("exports", name, "after"), problem, suggest(config.after, known))
            path = config.path and config.path.rstrip("/")
            if path in written:
                problem = f"exports.{name}: {written[path]!r} writes to {path} already"
                self.problems.add(self._mark("exports", name, "path"), problem, "give each export a folder of its own")
            if path is not None:
                written[path] = name

    def _sequence_lengths(self, settings: Settings) -> dict[str, MixConfig | TrainConfig | None]:
        """``mix`` and ``train`` with the same sequence length, whichever of the two says it."""
        mix, train = settings.mix, settings.train
        said = [config.sequence_length for config in (mix, train) if config and config.sequence_length]
        if len(set(said)) > 1:
            problem = f"train.sequence_length is {said[1]}, but the mix is planned for {said[0]}"
            self.problems.add(self._mark("train", "sequence_length"), problem, "leave it out in one of the two")
        length = {"sequence_length": said[0] if said else DEFAULT_SEQUENCE_LENGTH}
        return {
            "mix": mix and mix.model_copy(update=length),
            "train": train and train.model_copy(update=length),
        }


def _brought(use: SourceUse) -> tuple[StageUse, ...]:
    """The stages that a source brings for its own rows."""
    found = []
    for kind, config in source_catalogue.source(use.kind).stages(use.config):
        name = config.name or kind
        found.append(StageUse(kind, name, config.model_copy(update={"name": name}), use.name, use.where))
    return tuple(found)


def _signals(use: StageUse) -> list[str]:
    stage = catalogue.stage(use.kind)
    return list(stage.signals(use.config)) if isinstance(stage, RowStage) else []


def _listed(names: list[str] | str | None) -> list[str]:
    return [names] if isinstance(names, str) else names or []


def beside(store: str, name: str) -> str:
    """The folder ``name`` beside the store: ``./store`` → ``./runs``, ``s3://bucket/a/store`` → ``s3://bucket/a/runs``."""
    head, slash, last = store.rstrip("/").rpartition("/")
    if head.endswith(":/"):
        return f"{head}/{last}/{name}"
    return f"{head}{slash}{name}"


def _places(root: MapNode) -> Iterator[tuple[str, str]]:
    """Address → ``file:line`` of everything that an error may want to point at."""
    for key, node in root.items.items():
        if key != "stages":
            yield key, root.keys[key].where
            yield from _below(key, node)
    for entry in stage_entries(root):
        yield entry.address, entry.mark.where
        yield from _below(entry.address, entry.settings)


def _below(prefix: str, node: Node) -> Iterator[tuple[str, str]]:
    if isinstance(node, MapNode):
        for key, item in node.items.items():
            yield f"{prefix}.{key}", node.keys[key].where
            yield from _below(f"{prefix}.{key}", item)

"""The ``stages`` list of a recipe: from the tree to uses of stages and routes.

An entry is a kind alone, a mapping of one kind to its settings (or to nothing), or a route. A route holds lists of
row stages by a column's value; routes inside routes and corpus stages inside routes are refused, because the engine
applies a route to one batch at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from classifiers.errors import ModelError
from pipeline.recipe.config_types import effect, fit_references
from pipeline.recipe.model import FitUse, RouteUse, StageUse
from pipeline.recipe.overrides import TOP_LEVEL_KEYS, StageEntry, stage_entries
from pipeline.recipe.problems import Mark, Problems, suggest
from pipeline.recipe.validation import check_name, find_mark, shown, validate
from pipeline.recipe.yaml_reader import ListNode, MapNode, Node, ScalarNode
from stages import catalogue
from stages.contract import CorpusStage, FitRef, RowStage, StageConfig


@dataclass
class StageReader:
    """Reads the list. ``sources``: known names; ``fits``: name → use, or None where the use is wrong."""

    sources: Collection[str]
    fits: Mapping[str, FitUse | None]
    problems: Problems

    def read(self, root: MapNode) -> tuple[StageUse | RouteUse, ...]:
        """All entries that are right; what is wrong with the others is among the problems."""
        node = root.items.get("stages")
        if node is None or (isinstance(node, ScalarNode) and node.value is None):
            return ()
        if not isinstance(node, ListNode):
            remedy = "one entry for each step, as in '- word_count: {min_words: 50}'"
            self.problems.add(root.keys["stages"], f"stages: expected a list, got {shown(node)}", remedy)
            return ()
        self._check_names(list(stage_entries(root)))
        return tuple(use for item in node.items for use in self._main_entry(item))

    def _main_entry(self, node: Node) -> Iterator[StageUse | RouteUse]:
        if isinstance(node, MapNode) and "route" in node.items:
            yield from self._route(node)
            return
        use = self._use(node, None)
        if use is not None:
            yield use

    def _use(self, node: Node, branch: str | None) -> StageUse | None:
        split = self._kind_and_settings(node)
        if split is None:
            return None
        kind, settings, mark = split
        stage = self._stage(kind, mark)
        if stage is None:
            return None
        if branch is not None and isinstance(stage, CorpusStage):
            remedy = "put it on the main list; its `scope` keeps languages, sources or other columns apart"
            self.problems.add(mark, f"{kind} looks at the whole corpus and cannot stand inside a route", remedy)
        config = validate(stage.config, settings, self.problems, kind)
        if config is None:
            return None
        name = config.name or kind
        self._check_config(stage, config, settings, mark)
        return StageUse(kind, name, config.model_copy(update={"name": name}), branch, mark.where)

    def _kind_and_settings(self, node: Node) -> tuple[str, MapNode, Mark] | None:
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            return node.value, MapNode({}, {}, node.mark), node.mark
        if not isinstance(node, MapNode) or not node.items:
            remedy = "write '- kind' or '- kind: {key: value}'"
            self.problems.add(node.mark, f"expected a stage, got {shown(node)}", remedy)
            return None
        kind, *more = node.items
        if more:
            remedy = f"indent the settings of {kind} further than its name, or start a new entry with '- '"
            self.problems.add(node.keys[more[0]], f"one entry holds one stage, got {kind!r} and {more[0]!r}", remedy)
            return None
        settings = node.items[kind]
        if isinstance(settings, ScalarNode) and settings.value is None:
            settings = MapNode({}, {}, node.keys[kind])
        if not isinstance(settings, MapNode):
            problem = f"{kind}: expected a mapping of settings, got {shown(settings)}"
            self.problems.add(node.keys[kind], problem, f"write '{kind}: {{key: value}}', or nothing after the colon")
            return None
        return kind, settings, node.keys[kind]

    def _stage(self, kind: str, mark: Mark) -> RowStage | CorpusStage | None:
        if kind == "route":
            remedy = "write the inner stages into the branches of the outer route"
            self.problems.add(mark, "a route cannot stand inside a route", remedy)
            return None
        names = catalogue.stage_names()
        if kind not in names:
            self.problems.add(mark, f"no stage is called {kind!r}", suggest(kind, [*names, "route"]))
            return None
        try:
            return catalogue.stage(kind)
        except ImportError as error:
            self.problems.add(mark, f"stage {kind!r} cannot be loaded: {error}", "install the package that it needs")
            return None

    def _route(self, entry: MapNode) -> Iterator[RouteUse]:
        mark, route = entry.keys["route"], entry.items["route"]
        others = [key for key in entry.items if key != "route"]
        if others or not isinstance(route, MapNode):
            remedy = "write 'by' and the branches below 'route:', indented further than it"
            self.problems.add(mark, "route: expected a mapping of 'by' and branches", remedy)
            return
        by = self._route_column(route, mark)
        values = [value for value in route.items if value not in ("by", "default")]
        if not values:
            self.problems.add(
                mark, "route: no branch besides 'default'", f"add one for a value of {by or 'the column'}"
            )
        if by == "source":
            for value in values:
                self._check_source(value, route.keys[value])
        branches = {value: self._branch(value, route) for value in values}
        default = self._branch("default", route) if "default" in route.items else None
        yield RouteUse(by or "", branches, default, where=mark.where)

    def _route_column(self, route: MapNode, mark: Mark) -> str | None:
        by = route.items.get("by")
        if by is None:
            self.problems.add(
                mark, "route: key 'by' is missing", "the column whose values choose the branch: by: language"
            )
            return None
        if not (isinstance(by, ScalarNode) and isinstance(by.value, str) and by.value):
            self.problems.add(route.keys["by"], f"route.by: expected the name of a column, got {shown(by)}")
            return None
        return by.value

    def _branch(self, value: str, route: MapNode) -> tuple[StageUse, ...]:
        node = route.items[value]
        if isinstance(node, ScalarNode) and node.value is None:
            return ()
        if not isinstance(node, ListNode):
            remedy = "begin each stage of the branch with '- '"
            self.problems.add(
                route.keys[value], f"branch {value!r}: expected a list of stages, got {shown(node)}", remedy
            )
            return ()
        uses = (self._use(item, value) for item in node.items)
        return tuple(use for use in uses if use is not None)

    def _check_config(self, stage: RowStage | CorpusStage, config: StageConfig, settings: MapNode, mark: Mark) -> None:
        self._check_when(config, settings)
        seen = set()
        for path, name in fit_references(config):
            seen.add(name)
            self._check_fit(name, effect(type(config), str(path[0])) == "rule", find_mark(settings, path))
        for resource in self._resources(stage, config, mark):
            if isinstance(resource, FitRef) and resource.fit not in seen:
                self._check_fit(resource.fit, False, mark)

    def _resources(self, stage: RowStage | CorpusStage, config: StageConfig, mark: Mark) -> list[str | FitRef]:
        try:
            return list(stage.resources(config).values()) if isinstance(stage, RowStage) else []
        except ModelError as error:
            self.problems.add(mark, str(error))
            return []

    def _check_fit(self, name: str, needs_number: bool, mark: Mark) -> None:
        if name not in self.fits:
            self.problems.add(mark, f"no fit is called {name!r}", suggest(name, self.fits) + " (under fits)")
            return
        use = self.fits[name]
        if needs_number and use is not None and catalogue.fit(use.kind).value is None:
            remedy = "a threshold needs a fit that makes a number, such as percentile"
            self.problems.add(mark, f"fit {name!r} is a {use.kind} and makes no number", remedy)

    def _check_when(self, config: StageConfig, settings: MapNode) -> None:
        for column, values in (config.when or {}).items():
            if not values:
                self.problems.add(
                    find_mark(settings, ("when", column)), f"when.{column}: the list is empty", "name a value"
                )
            for index, value in enumerate(values):
                if column == "source":
                    self._check_source(value, find_mark(settings, ("when", column, index)))
        if config.when == {}:
            self.problems.add(
                find_mark(settings, ("when",)), "when: no column is named", "as in when: {source: [crawl]}"
            )

    def _check_source(self, name: str, mark: Mark) -> None:
        if name not in self.sources:
            self.problems.add(mark, f"no source is called {name!r}", suggest(name, self.sources))

    def _check_names(self, entries: list[StageEntry]) -> None:
        """Names are unique: on the main list, and in one route once for each branch."""
        first: dict[str, StageEntry] = {}
        addresses: set[str] = set()
        for entry in entries:
            self._check_name(entry.name, entry.mark)
            other = first.setdefault(entry.name, entry)
            clash = entry.address in addresses or other.route != entry.route or other.kind != entry.kind
            addresses.add(entry.address)
            if other is not entry and clash:
                remedy = f"give one of them a name of its own: {entry.kind}: {{name: {entry.kind}_2}}"
                problem = f"a stage is already called {entry.name!r}, on line {other.mark.line}"
                self.problems.add(entry.mark, problem, remedy)

    def _check_name(self, name: str, mark: Mark) -> None:
        if name in TOP_LEVEL_KEYS:
            self.problems.add(
                mark, f"a stage cannot be called {name!r}, which is a key of the recipe", "set another name"
            )
        else:
            check_name(name, mark, "a stage", self.problems)

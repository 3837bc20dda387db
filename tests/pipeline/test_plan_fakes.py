"""Plans: what belongs together, what decides a fingerprint, and what is refused before a document is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import plan as planning
from pipeline.blocks.models import forget
from pipeline.blocks.sketch import CorpusSpec
from pipeline.blocks.steps import StageStep, stage_steps
from pipeline.errors import RecipeError, StageBug, StoreError
from pipeline.plan import CorpusBlock, FitBlock, Plan, RowsBlock, make_plan, resolve_steps
from pipeline.recipe.model import FitUse, Places, Recipe, RouteUse, SourceUse, StageUse
from pipeline.sources import catalogue as sources
from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceConfig, SourceKind
from stages import catalogue
from stages.contract import BASE_COLUMNS, FitConfig, FitInput, FitRef
from stages.dedup.exact_dedup import ExactDedup
from stages.quality.percentile import Percentile
from tests import fake_stages


class FolderConfig(SourceConfig):
    fields: dict[str, str] = {}
    """Name → ``string`` or ``int64``."""
    twice: bool = False
    """List every file twice."""


def _split(name: str, config: FolderConfig) -> list[Partition]:
    found = []
    for entry in sorted(os.scandir(str(config.path)), key=lambda entry: entry.name):
        stat = entry.stat()
        piece = Piece(entry.path, entry.name, 0, stat.st_size, stat.st_size, str(stat.st_mtime_ns))
        found += [Partition(name, (piece,))] * (2 if config.twice else 1)
    return found


def _read(partition: Partition, config: FolderConfig) -> Iterator[SourceBatch]:
    raise AssertionError("a plan reads no document")


FOLDER = SourceKind(
    "folder",
    1,
    FolderConfig,
    _split,
    _read,
    fields=lambda config: {name: pa.type_for_alias(kind) for name, kind in config.fields.items()},
)


@pytest.fixture(autouse=True)
def fakes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_stages.install(tmp_path_factory.mktemp("installed"), monkeypatch)
    monkeypatch.setattr(sources, "source", lambda kind: FOLDER)
    forget()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with two files."""
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / name).write_text(name)
        os.utime(tmp_path / "in" / name, ns=(1, 1))
    return tmp_path / "in"


def use(kind: str, name: str, branch: str | None = None, **settings: Any) -> StageUse:
    config = fake_stages.STAGES[kind].config(name=name, **settings)
    return StageUse(kind, name, config, branch, f"recipe.yaml:{name}")


DEDUP = StageUse("exact_dedup", "dedup", ExactDedup(name="dedup"))


def source(path: Path, name: str = "news", **settings: Any) -> SourceUse:
    """A source that says language and domain row by row, so that any value may come."""
    rows = {"language": "string", "domain": "string", **settings.pop("fields", {})}
    return SourceUse(name, "folder", FolderConfig(path=str(path), fields=rows, **settings))


def recipe(
    sources: Sequence[SourceUse], *stages: StageUse | RouteUse, fits: Mapping[str, FitConfig] | None = None, **more: Any
) -> Recipe:
    return Recipe(
        name="t",
        store="/store",
        runs="/runs",
        sources={each.name: each for each in sources},
        fits={name: FitUse(name, "percentile", config) for name, config in (fits or {}).items()},
        stages=stages,
        places=Places("recipe.yaml", {}),
        **more,
    )


def shape(plan: Plan) -> list[str]:
    """Kind and name of every block."""
    letters: dict[type, str] = {RowsBlock: "rows", CorpusBlock: "corpus", FitBlock: "fit"}
    return [f"{letters[type(block)]}: {block.name}" for block in plan.blocks]


def setting(step: StageStep, name: str) -> Any:
    return getattr(step.config, name)


def prints(plan: Plan) -> list[str]:
    return [block.fingerprint for block in plan.blocks]


SIZES = [use("fake_size", "one"), use("fake_size", "two", min_bytes=3)]
LOW = {"low": Percentile.model_validate({"signal": "two.bytes", "quantile": 0.1})}


def test_adjacent_row_stages_are_one_block(data: Path) -> None:
    """Row stages and routes that follow each other are one block over the sources."""
    route = RouteUse("language", {"zh": (use("fake_size", "three", "zh"),)}, (use("fake_cut", "cut", "default"),))
    plan = make_plan(recipe([source(data)], *SIZES, route))
    assert shape(plan) == ["rows: one, two, three, cut"]
    assert plan.documents.upstream is None
    assert [step.address for step in stage_steps(plan.documents.steps)] == ["one", "two", "three[zh]", "cut[default]"]


def test_a_corpus_stage_ends_a_block(data: Path) -> None:
    """A corpus stage stands between two row blocks; the second applies its patches, with stages or without."""
    for after, name in ((SIZES[1:], "two"), ([], "documents")):
        plan = make_plan(recipe([source(data)], SIZES[0], DEDUP, *after))
        assert shape(plan) == ["rows: one", "corpus: dedup", f"rows: {name}"]
        first, corpus, last = plan.blocks
        assert isinstance(last, RowsBlock) and isinstance(corpus, CorpusBlock)
        assert (last.upstream, last.corpus, corpus.upstream) == (first, corpus, first)
        assert "cluster_size" in last.schema.names


def test_a_recipe_without_stages_has_documents(data: Path) -> None:
    """Sources alone give one block with the base columns."""
    plan = make_plan(recipe([source(data)]))
    assert shape(plan) == ["rows: documents"]
    assert plan.documents.schema == pa.schema(list(BASE_COLUMNS.items()))


def test_a_corpus_stage_may_come_first(data: Path) -> None:
    """The documents as they are read are a block where a corpus stage comes first."""
    assert shape(make_plan(recipe([source(data)], DEDUP))) == ["rows: documents", "corpus: dedup", "rows: documents"]


def test_a_fit_on_the_run_splits(data: Path) -> None:
    """What a fit learns from is finished before the stage that uses it begins; a fit is made once."""
    stages = [SIZES[0], use("fake_size", "two", min_bytes=FitRef(fit="low")), use("fake_size", "three")]
    plan = make_plan(recipe([source(data)], *stages, fits=LOW))
    assert shape(plan) == ["rows: one", "fit: low", "rows: two, three"]
    fit = plan.blocks[1]
    assert isinstance(fit, FitBlock) and fit.upstream is plan.blocks[0]
    [measure] = stage_steps(fit.spec.measure)
    assert (measure.address, setting(measure, "min_bytes")) == ("two", None)


def test_a_fit_right_after_a_corpus_stage_reads_around_it(data: Path) -> None:
    """A fit between a corpus stage and the next block learns from what the corpus stage leaves."""
    stages = [SIZES[0], DEDUP, use("fake_size", "two", min_bytes=FitRef(fit="low"))]
    plan = make_plan(recipe([source(data)], *stages, fits=LOW))
    assert shape(plan) == ["rows: one", "corpus: dedup", "fit: low", "rows: two"]
    fit = plan.blocks[2]
    assert isinstance(fit, FitBlock) and (fit.upstream, fit.corpus) == (plan.blocks[0], plan.blocks[1])


def test_a_fit_on_sources_splits_nothing(data: Path) -> None:
    """A fit from sources reads them as they are, before any stage."""
    config = Percentile(signal="two.bytes", quantile=0.1, **{"from": FitInput(source="news", sample=0.5)})
    stages = [SIZES[0], use("fake_size", "two", min_bytes=FitRef(fit="low"))]
    plan = make_plan(recipe([source(data)], *stages, fits={"low": config}))
    assert shape(plan) == ["fit: low", "rows: one, two"]
    fit = plan.blocks[0]
    assert isinstance(fit, FitBlock) and (fit.sources, fit.sample, fit.upstream) == (("news",), 0.5, None)


# what decides fingerprints


def test_the_same_recipe_has_the_same_fingerprints(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planning again, from another folder, changes nothing."""
    first = make_plan(recipe([source(data)], SIZES[0], DEDUP, SIZES[1]))
    monkeypatch.chdir(data)
    again = make_plan(recipe([source(data)], SIZES[0], DEDUP, SIZES[1]))
    assert prints(again) == prints(first)
    assert [unit.key for unit in again.units] == [unit.key for unit in first.units]


def test_a_setting_changes_its_block_and_those_after(data: Path) -> None:
    """A last-block threshold leaves the blocks before as they are; the first stage changes all."""
    before = prints(make_plan(recipe([source(data)], SIZES[0], DEDUP, SIZES[1])))
    last = prints(make_plan(recipe([source(data)], SIZES[0], DEDUP, use("fake_size", "two", min_bytes=4))))
    assert last[:2] == before[:2] and last[2] != before[2]
    scope = replace(DEDUP, config=ExactDedup(name="dedup", scope=["source"]))
    middle = prints(make_plan(recipe([source(data)], SIZES[0], scope, SIZES[1])))
    assert middle[0] == before[0] and not set(middle[1:]) & set(before)
    first = prints(make_plan(recipe([source(data)], use("fake_size", "one", min_bytes=1), DEDUP, SIZES[1])))
    assert not set(first) & set(before)


@pytest.mark.parametrize(
    "changed",
    [
        use("fake_size", "one", max_bytes=9),
        use("fake_size", "one", when={"source": ["news"]}),
        use("fake_size", "renamed"),
        use("fake_crash", "one"),
        RouteUse("language", {"zh": (use("fake_size", "one", "zh"),)}),
        RouteUse("language", {}, (use("fake_size", "one", "default"),)),
        RouteUse("domain", {"zh": (use("fake_size", "one", "zh"),)}),
    ],
    ids=str,
)
def test_whatever_changes_a_byte_changes_the_fingerprint(data: Path, changed: StageUse | RouteUse) -> None:
    """Settings, ``when``, names, kinds and routes count."""
    [before] = prints(make_plan(recipe([source(data)], use("fake_size", "one"))))
    [after] = prints(make_plan(recipe([source(data)], changed)))
    assert after != before


def test_a_new_version_of_a_stage_changes_the_fingerprint(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A raised version recomputes the block; so does a new version of a library that the stage declares."""
    asked = recipe([source(data)], SIZES[0])
    found = [prints(make_plan(asked))]
    for changed in (replace(fake_stages.SIZE, version=2), replace(fake_stages.SIZE, libraries=("numpy",))):
        monkeypatch.setattr(catalogue, "stage", lambda kind, changed=changed: changed)
        found.append(prints(make_plan(asked)))
    monkeypatch.setattr(planning, "library_versions", lambda names: {"numpy": "99"})
    found.append(prints(make_plan(asked)))
    assert len({block for [block] in found}) == 4


def test_a_model_is_known_by_its_content(data: Path, tmp_path: Path) -> None:
    """Another file under the same path is another block; the same bytes written again are not."""
    model = tmp_path / "m.bin"
    asked = recipe([source(data)], SIZES[0], DEDUP, use("fake_model", "model", model=str(model)))
    found = []
    for content in ("5", "5", "6"):
        model.write_text(content)
        found.append(prints(make_plan(asked)))
    assert found[0] == found[1]
    assert found[2][:2] == found[0][:2] and found[2][2] != found[0][2]


def test_files_are_in_the_units_and_not_in_the_blocks(data: Path) -> None:
    """A new file is a new unit and leaves all others, and the blocks of rows, as they are."""
    asked = recipe([source(data)], SIZES[0], DEDUP, SIZES[1])
    before = make_plan(asked)
    (data / "aa").write_text("new")
    after = make_plan(asked)
    assert prints(after) == prints(before)
    assert {unit.key for unit in before.units} < {unit.key for unit in after.units}
    assert {unit.number for unit in before.units} < {unit.number for unit in after.units}


def test_a_changed_file_keeps_its_number(data: Path) -> None:
    """A file that was written again is another unit at the same addresses."""
    before = make_plan(recipe([source(data)])).units
    os.utime(data / "a", ns=(2, 2))
    after = make_plan(recipe([source(data)])).units
    assert [unit.number for unit in after] == [unit.number for unit in before]
    assert [one.key == other.key for one, other in zip(before, after, strict=True)] == [False, True]


@pytest.mark.parametrize("settings", [{"domain": "books"}, {"columns": {"language": "en"}}, {"max_document_bytes": 9}])
def test_settings_of_a_source_change_its_units(data: Path, settings: dict[str, Any]) -> None:
    """Whatever changes the rows of a source changes the keys of its units, of no other source's."""
    others = [source(data, "other")]
    before = make_plan(recipe([source(data), *others])).units
    after = make_plan(recipe([source(data, **settings), *others])).units
    assert [one.key == other.key for one, other in zip(before, after, strict=True)] == [False, False, True, True]


def test_another_column_changes_the_documents(data: Path) -> None:
    """Documents have the columns of all sources, so a source with a column of its own makes other blocks."""
    before = prints(make_plan(recipe([source(data)], SIZES[0], DEDUP)))
    after = prints(make_plan(recipe([source(data), source(data, "other", fields={"score": "int64"})], SIZES[0], DEDUP)))
    assert not set(before) & set(after)


def test_a_threshold_from_the_data_knows_the_data(data: Path) -> None:
    """A new file changes the identity of a fit, and of the blocks that use it; the fit's own folder stays."""
    asked = recipe([source(data)], SIZES[0], use("fake_size", "two", min_bytes=FitRef(fit="low")), fits=LOW)
    before = make_plan(asked)
    (data / "new").write_text("new")
    after = make_plan(asked)
    assert prints(after)[:2] == prints(before)[:2]
    assert prints(after)[2] != prints(before)[2]
    fits = [plan.blocks[1] for plan in (before, after)]
    assert isinstance(fits[0], FitBlock) and isinstance(fits[1], FitBlock)
    assert fits[0].identity != fits[1].identity


def test_a_sample_is_in_the_units(data: Path) -> None:
    """A sampled run has other units; the seed counts only where something is sampled."""

    def keys(sample: float | None, seed: int) -> list[str]:
        return [unit.key for unit in make_plan(recipe([source(data)], seed=seed), sample).units]

    assert keys(None, 1) == keys(None, 2)
    assert len({keys(None, 1)[0], keys(0.1, 1)[0], keys(0.1, 2)[0], keys(0.2, 1)[0]}) == 4


# what is refused


def refused(asked: Recipe) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        make_plan(asked)
    return caught.value


def test_an_unknown_column_is_named(data: Path) -> None:
    """A column that does not exist at its place is an error with the line and the nearest name."""
    route = RouteUse("langauge", {"zh": ()}, where="recipe.yaml:7")
    error = refused(recipe([source(data)], route))
    assert (error.where, error.remedy) == ("recipe.yaml:7", "did you mean 'language'?")
    assert "'langauge'" in error.message
    scope = replace(DEDUP, config=ExactDedup(name="dedup", scope=["snapshot"]), where="recipe.yaml:8")
    assert refused(recipe([source(data)], scope)).where == "recipe.yaml:8"
    make_plan(recipe([source(data, columns={"snapshot": "2024-18"})], scope))


@pytest.mark.parametrize("branch", [None, "zh"])
def test_the_column_of_when_has_to_exist(data: Path, branch: str | None) -> None:
    """A misspelt column under ``when`` is found by the plan, on the main list and inside a route."""
    wrong = use("fake_size", "one", branch, when={"domian": ["web"]})
    entry = wrong if branch is None else RouteUse("language", {"zh": (wrong,)})
    error = refused(recipe([source(data)], entry))
    assert (error.where, error.remedy) == ("recipe.yaml:one", "did you mean 'domain'?")


def test_a_stage_reads_what_those_before_it_wrote(data: Path) -> None:
    """A column is there after the stage that writes it: on the list, in the same branch, after a route; not before."""
    mark, reader = use("fake_mark", "mark"), use("fake_reader", "reader")
    inside = [replace(mark, branch="zh"), replace(reader, branch="zh")]
    make_plan(recipe([source(data)], mark, reader))
    make_plan(recipe([source(data)], mark, DEDUP, reader))
    make_plan(recipe([source(data)], RouteUse("language", {"zh": tuple(inside)})))
    make_plan(recipe([source(data)], RouteUse("language", {"zh": (inside[0],)}), reader))
    for stages in (
        [reader, mark],
        [RouteUse("language", {"zh": tuple(inside[::-1])})],
        [RouteUse("language", {"zh": (inside[0],), "en": (replace(reader, branch="en"),)})],
        [RouteUse("language", {"zh": (inside[0],)}, (replace(reader, branch="default"),))],
    ):
        assert "no column 'mark'" in refused(recipe([source(data)], *stages)).message


def test_a_corpus_stage_has_no_when(data: Path) -> None:
    """A corpus stage sees everything; ``when`` is refused with what to use instead."""
    wrong = replace(DEDUP, config=ExactDedup(name="dedup", when={"source": ["news"]}), where="recipe.yaml:5")
    error = refused(recipe([source(data)], wrong))
    assert error.where == "recipe.yaml:5" and "scope" in str(error.remedy)


def test_models_are_looked_at(data: Path, tmp_path: Path) -> None:
    """A model that is not there, or that the stage finds wrong, stops the plan."""
    model = tmp_path / "m.bin"
    asked = recipe([source(data)], use("fake_model", "model", model=str(model)))
    error = refused(asked)
    assert error.where == "recipe.yaml:model" and str(model) in error.message
    model.write_text("-1")
    error = refused(asked)
    assert (error.where, error.message) == ("recipe.yaml:model", "the model says -1, expected more than 0")


def test_sources_have_to_agree_on_a_column(data: Path) -> None:
    """All sources have the columns of all; one column cannot have two types."""
    one = source(data, "one", fields={"score": "int64"})
    other = source(data, "other", columns={"snapshot": "x"})
    plan = make_plan(recipe([one, other]))
    assert plan.documents.schema.field("score").type == pa.int64()
    assert plan.documents.schema.field("snapshot").type == pa.string()
    assert plan.readers["one"].columns == plan.readers["other"].columns
    wrong = source(data, "wrong", fields={"score": "string"})
    assert "column 'score' is string in source wrong and int64" in refused(recipe([one, wrong])).message


def test_a_file_that_is_read_twice_is_refused(data: Path) -> None:
    """One source that lists a file twice would count its documents twice; two sources may share a file."""
    with pytest.raises(StoreError, match="source news reads .*/in/a twice"):
        make_plan(recipe([source(data, twice=True)]))
    plan = make_plan(recipe([source(data, "one"), source(data, "other")]))
    assert len({unit.number for unit in plan.units}) == len({unit.key for unit in plan.units}) == 4


def test_addresses_that_would_collide_are_moved(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two partitions whose 40-bit numbers are equal by chance get different ones."""
    before = vars(Partition)["number"].fget
    monkeypatch.setattr(Partition, "number", property(lambda self: before(self) if self.salt else 7))
    numbers = [unit.number for unit in make_plan(recipe([source(data)])).units]
    assert numbers[0] == 7 and len(set(numbers)) == 2


# steps that wait for fits


def test_resolved_steps(data: Path) -> None:
    """Thresholds and models that fits have made take the place of references, everywhere in the steps."""
    route = RouteUse("language", {"zh": (use("fake_size", "two", "zh", min_bytes=FitRef(fit="low")),)})
    plan = make_plan(
        recipe([source(data)], use("fake_model", "model", model=FitRef(fit="m")), route, fits={**LOW, "m": LOW["low"]})
    )
    steps = [step for block in plan.blocks if isinstance(block, RowsBlock) for step in block.steps]
    waiting = list(stage_steps(steps))
    assert [step.resources for step in waiting] == [{"model": "fit:m"}, {}]
    assert setting(waiting[1], "min_bytes") == FitRef(fit="low")
    model, size = stage_steps(resolve_steps(steps, {"low": 3.0}, {"m": "/store/m.bin"}))
    assert model.resources == {"model": "/store/m.bin"}
    assert setting(size, "min_bytes") == 3.0


def test_steps_and_specs_know_their_kind() -> None:
    """A corpus stage is no step of a row block, and the other way round."""
    with pytest.raises(StageBug, match="not a row stage"):
        _ = StageStep("dedup", "dedup", "exact_dedup", ExactDedup()).stage
    with pytest.raises(StageBug, match="not a corpus stage"):
        _ = CorpusSpec("one", "fake_size", fake_stages.SizeConfig()).stage

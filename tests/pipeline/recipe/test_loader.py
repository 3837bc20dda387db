"""Loading a recipe: what it becomes, what it may leave out, what is wrong with it and where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.errors import RecipeError
from pipeline.recipe.loader import beside, load_recipe, load_recipe_text
from pipeline.recipe.model import MixConfig, Recipe, RouteUse, StageUse, TokenizerFit, TrainConfig
from stages.contract import FitRef
from tests.pipeline.recipe.recipe_fakes import use_fakes

SMALLEST = """\
name: smallest
sources:
  one: {kind: lines, path: x.txt}
"""

WHOLE = """\
name: whole-1.0
seed: 17
store: s3://bucket/a/store
vars:
  data: /data
  count: 20_000
sources:
  one: {kind: lines, path: "${data}/*.txt", count: "${count}", columns: {snapshot: "2024-18"}}
  two: {kind: lines, path: [x, y], domain: books}
fits:
  low: {kind: percentile, signal: words.words, from: {source: one, sample: 0.5}}
  lm: {kind: lm}
stages:
  - words: {min_words: {fit: low}, when: {source: [one]}}
  - dedup
  - route:
      by: language
      no:
        - words: {name: few, min_words: 3}
      zh:
        - words: {name: few}
        - model: {model: {fit: lm}}
      de:
      default:
        - words: {name: rest, max_words: 1e5}
tokenize:
mix: {tokens: 1e6, weights: {web.en: 1, books: 0}}
train: {steps: 3, sequence_length: 512}
execution: {executor: local}
"""


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)


def load(text: str) -> Recipe:
    return load_recipe_text(text, "r.yaml")


def errors(text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load(text)
    return str(caught.value)


def error(text: str) -> RecipeError:
    """The only error of a recipe, whose lines begin behind those of the smallest one."""
    with pytest.raises(RecipeError) as caught:
        load(SMALLEST + text)
    assert "errors in the recipe" not in caught.value.message, caught.value.message
    return caught.value


def test_the_smallest_recipe_has_every_default() -> None:
    """A name and a source are enough; the rest has defaults."""
    recipe = load(SMALLEST)
    assert (recipe.seed, recipe.store, recipe.runs, recipe.max_errors) == (0, "./store", "./runs", 0.001)
    assert (recipe.fits, recipe.stages, recipe.tokenize, recipe.mix, recipe.train) == ({}, (), None, None, None)
    assert (recipe.execution.executor, recipe.execution.workers, recipe.execution.address) == ("ray", None, None)


def test_sources_fits_and_stages_become_uses_with_their_lines() -> None:
    """Each use has kind, name, config of its own type, and the place where it stands."""
    recipe = load(WHOLE)
    assert [(use.name, use.kind, use.where) for use in recipe.sources.values()] == [
        ("one", "lines", "r.yaml:8"),
        ("two", "lines", "r.yaml:9"),
    ]
    assert recipe.sources["one"].config.path == "/data/*.txt"
    assert recipe.fits["low"].where == "r.yaml:11"
    words, dedup, route = recipe.stages
    assert isinstance(words, StageUse) and isinstance(dedup, StageUse) and isinstance(route, RouteUse)
    assert (words.kind, words.name, words.branch, words.where) == ("words", "words", None, "r.yaml:14")
    assert dedup.where == "r.yaml:15"
    assert list(route.branches) == ["no", "zh", "de"] and route.branches["de"] == ()
    assert [use.address for use in recipe.uses()] == [
        "words",
        "dedup",
        "few[no]",
        "few[zh]",
        "model[zh]",
        "rest[default]",
    ]
    assert route.where == "r.yaml:16"


def test_config_names_are_filled_in_and_fits_stay_references() -> None:
    """``config.name`` is the use's name, and ``{fit: …}`` waits for the fit to be made."""
    uses = {use.address: use for use in load(WHOLE).uses()}
    assert uses["words"].config.name == "words" and uses["few[zh]"].config.name == "few"
    assert uses["words"].config.model_dump()["min_words"] == {"fit": "low"}
    assert getattr(uses["model[zh]"].config, "model") == FitRef(fit="lm")  # noqa: B009 - the type is a fake's


def test_whole_numbers_may_be_written_as_floats_and_with_underscores() -> None:
    """1e6 and 20_000 are whole numbers where one is asked for."""
    recipe = load(WHOLE)
    assert recipe.mix is not None and recipe.mix.tokens == 1_000_000 and type(recipe.mix.tokens) is int
    assert recipe.sources["one"].config.model_dump()["count"] == 20_000


def test_defaults_have_the_type_of_their_field() -> None:
    """A setting that is left out equals the same one written down, to the byte of its JSON."""
    written = load(SMALLEST + "stages: [words: {min_words: 50}]\n").stages[0]
    left_out = load(SMALLEST + "stages: [words]\n").stages[0]
    assert isinstance(written, StageUse) and isinstance(left_out, StageUse)
    assert written.config.model_dump_json() == left_out.config.model_dump_json()


def test_a_section_with_nothing_has_its_defaults_and_null_switches_it_off() -> None:
    """``tokenize:`` alone tokenizes with the defaults; ``tokenize: null`` does not tokenize."""
    on, off = load(SMALLEST + "tokenize:\n"), load(SMALLEST + "tokenize: null\n")
    assert on.tokenize is not None and on.tokenize.tokenizer == "qwen2.5" and on.tokenize.append_eos
    assert off.tokenize is None


def test_mix_and_train_share_one_sequence_length() -> None:
    """Whichever of mix and train says it, both have it; 1024 where neither does; a contradiction is an error."""
    tail = "tokenize:\nmix: {tokens: 9, weights: {a: 1}%s}\ntrain: {steps: 1%s}\n"
    lengths = []
    for said in [("", ""), (", sequence_length: 64", ""), ("", ", sequence_length: 32")]:
        recipe = load(SMALLEST + tail % said)
        assert isinstance(recipe.mix, MixConfig) and isinstance(recipe.train, TrainConfig)
        lengths.append((recipe.mix.sequence_length, recipe.train.sequence_length))
    assert lengths == [(1024, 1024), (64, 64), (32, 32)]
    wrong = error(tail % (", sequence_length: 64", ", sequence_length: 32"))
    assert wrong.where == "r.yaml:6" and "32" in wrong.message and "64" in wrong.message


def test_a_tokenizer_may_be_a_fit() -> None:
    """``{fit: name}`` names a fit that exists and makes a tokenizer, not a number."""
    fits = "fits: {lm: {kind: lm}, low: {kind: percentile, signal: words.words}}\nstages: [words]\n"
    recipe = load(SMALLEST + fits + "tokenize: {tokenizer: {fit: lm}}\n")
    assert recipe.tokenize is not None and recipe.tokenize.tokenizer == TokenizerFit(fit="lm")
    assert "makes a number" in error(fits + "tokenize: {tokenizer: {fit: low}}\n").message
    assert "no fit is called 'vocab'" in error(fits + "tokenize: {tokenizer: {fit: vocab}}\n").message


@pytest.mark.parametrize(
    ("store", "runs"),
    [
        ("./store", "./runs"),
        ("store", "runs"),
        ("/a/store/", "/a/runs"),
        ("s3://bucket/a/store", "s3://bucket/a/runs"),
        ("s3://bucket", "s3://bucket/runs"),
    ],
)
def test_runs_stand_beside_the_store(store: str, runs: str) -> None:
    """The default of ``runs`` is a folder beside the store, on disks and object stores."""
    assert beside(store, "runs") == runs


def test_where_finds_the_line_of_an_address() -> None:
    """Settings are found by address, those that are not written by the entry above them."""
    recipe = load(WHOLE)
    assert recipe.where("few[no].min_words") == "r.yaml:19"
    assert recipe.where("few[zh].min_words") == "r.yaml:21"
    assert recipe.where("mix.weights.web.en") == "r.yaml:27"
    assert recipe.where("sources.two.count") == "r.yaml:9"
    assert recipe.where("nothing.like.it") == "r.yaml"


def test_a_recipe_is_frozen() -> None:
    """Nothing changes a recipe once it is loaded."""
    recipe = load(SMALLEST)
    with pytest.raises(ValidationError):
        recipe.seed = 3
    with pytest.raises(ValidationError):
        recipe.execution.workers = 3


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("seeds: 3\n", 4, "unknown key 'seeds' did you mean 'seed'?"),
        ("zzz: 3\n", 4, "known: compression, execution"),
        ("seed: x\n", 4, "seed: expected a whole number, got 'x'"),
        ("seed: 1.5\n", 4, "seed: expected a whole number, got 1.5"),
        ("seed: -1\n", 4, "seed: expected a value greater than or equal to 0, got -1"),
        ("max_errors: 2\n", 4, "less than or equal to 1, got 2"),
        ("store: 2024\n", 4, 'store: expected text, got 2024 put it in quotes: "2024"'),
        ("execution: {executor: rai}\n", 4, "expected 'ray' or 'local', got 'rai' did you mean 'ray'?"),
        ("execution: 3\n", 4, "execution: expected a mapping, got 3"),
        ("tokenize:\n  append_eos: no\n", 5, "true or false, got 'no' YAML 1.2 knows true and false only"),
        ("tokenize: {tokenizer: [a]}\n", 4, "expected text or a mapping, got a list of 1"),
        ("mix: {tokens: 1, weights: {a: 1}}\n", 4, "a mix needs token shards"),
        ("tokenize:\nmix:\n  token: 1\n  weights: {a: 1}\n", 6, "unknown key 'token' did you mean 'tokens'?"),
        ("tokenize:\nmix: {weights: {a: 1}}\n", 5, "mix: key 'tokens' is missing Tokens of the whole training run"),
        ("tokenize:\nmix: {tokens: 1, weights: {}}\n", 5, "at least 1 item"),
        ("tokenize:\nmix:\n  tokens: 1\n  weights:\n    a: x\n", 8, "mix.weights.a: expected a number, got 'x'"),
        ("train: {steps: 3}\n", 4, "training needs a mix"),
        ("vars: {a b: 1}\n", 4, "'a b' cannot be the name of a variable"),
        ("vars: [a]\n", 4, "vars: expected a mapping, got a list of 1"),
        ("fits: {low: {kind: percentle}}\n", 4, "no kind is called 'percentle' did you mean 'percentile'?"),
        ("fits: {low: {signal: x}}\n", 4, "fits.low: key 'kind' is missing known: lm, percentile"),
        ("fits: [low]\n", 4, "fits: expected a mapping of names, got a list of 1"),
        ("fits: {low: 3}\n", 4, "fits.low: expected a mapping, got 3"),
        ("fits: {Low: {kind: lm}}\n", 4, "'Low' cannot be the name of an entry of fits"),
        ("fits:\n  lm:\n    kind: lm\n    from: {source: ons}\n", 7, "no source is called 'ons' did you mean 'one'?"),
        ("fits:\n  lm:\n    kind: lm\n    from: {source: [one, two]}\n", 7, "no source is called 'two'"),
        ("fits: {lm: {kind: lm, from: rum}}\n", 4, "expected a mapping or 'run', got 'rum' did you mean 'run'?"),
        ("fits: {lm: {kind: lm, from: {sample: 2}}}\n", 4, "fits.lm.from.sample: expected a value less than"),
        (
            "stages: [words]\nfits:\n  low:\n    kind: percentile\n    signal: words.wrds\n",
            8,
            "fits.low: stage 'words' measures no 'wrds' did you mean 'words'?",
        ),
        (
            "stages: [words]\nfits:\n  low:\n    kind: percentile\n    signal: word.words\n",
            8,
            "no stage measures 'word.words' name a signal as stage.signal; did you mean 'words'?",
        ),
    ],
)
def test_each_mistake_is_one_error_with_its_line_and_remedy(text: str, line: int, says: str) -> None:
    """What was expected, what came, and the nearest known name; the line of the key that is wrong."""
    found = error(text)
    assert found.where == f"r.yaml:{line}"
    assert says in f"{found.message} {found.remedy}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: a\n", "r.yaml:1: the recipe has no sources"),
        ("name: a\nsources: {}\n", "r.yaml:2: the recipe has no sources"),
        ("sources: {a: {kind: lines, path: x}}\n", "r.yaml:1: key 'name' is missing"),
        ("name: A b\nsources: {a: {kind: lines, path: x}}\n", "r.yaml:1: 'A b' cannot be the name of a recipe"),
        ("name: 3\nsources: {a: {kind: lines, path: x}}\n", "r.yaml:1: name: expected text, got 3"),
        ("name: a\nsources: {a: {kind: lines, paths: x}}\n", "r.yaml:2: sources.a: unknown key 'paths'"),
        ("name: a\nsources: {a: {kind: lines}}\n", "r.yaml:2: sources.a: key 'path' is missing"),
        ("name: a\nsources: {a: {kind: line, path: x}}\n", "did you mean 'lines'?"),
        ("- a\n", "r.yaml:1: expected a mapping of keys, got a list of 1"),
    ],
)
def test_what_every_recipe_needs(text: str, says: str) -> None:
    """A recipe is a mapping with a name and at least one source of a known kind."""
    assert says in errors(text)


def test_all_mistakes_are_shown_together_in_the_order_of_the_file() -> None:
    """One run of the command shows every mistake, those of the YAML among them."""
    text = "name: a\nname: b\nseed: x\nsources:\n  one: {kind: lines, path: 3, cuont: 1}\nstages: [wrods]\nmux: 1\n"
    message = errors(text)
    assert message.startswith("r.yaml: 6 errors in the recipe\n")
    lines = [line.split(":")[1] for line in message.splitlines() if line.startswith("  r.yaml:")]
    assert lines == ["2", "3", "5", "5", "6", "7"]


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage whose library is not installed is an error of the recipe's line, not a traceback."""

    def missing(kind: str) -> None:
        raise ModuleNotFoundError("No module named 'kenlm'", name="kenlm")

    monkeypatch.setattr("stages.catalogue.stage", missing)
    found = error("stages:\n  - words\n")
    assert found.where == "r.yaml:5" and "kenlm" in found.message and found.remedy and "install" in found.remedy


def test_files_are_read_with_their_path_in_errors(tmp_path: Path) -> None:
    """Errors name the file as the user did."""
    path = tmp_path / "r.yaml"
    path.write_text(SMALLEST + "seeds: 1\n", encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert caught.value.where == f"{path}:4"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file lists its neighbours, a folder says so, bytes that are not UTF-8 have their line."""
    (tmp_path / "near.yaml").write_text(SMALLEST, encoding="utf-8")
    (tmp_path / "latin.yaml").write_bytes(b"name: a\n# caf\xe9\n")
    with pytest.raises(RecipeError, match=r"no such file[\s\S]*near\.yaml"):
        load_recipe(tmp_path / "far.yaml")
    with pytest.raises(RecipeError, match=r"cannot be read: Is a directory"):
        load_recipe(tmp_path)
    with pytest.raises(RecipeError, match=r"latin\.yaml:2: byte 13 is not UTF-8"):
        load_recipe(tmp_path / "latin.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    """Files saved with a byte order mark load like others."""
    path = tmp_path / "r.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALLEST.encode())
    assert load_recipe(path).name == "smallest"


def test_models_import_quickly_and_without_arrow() -> None:
    """Importing the models loads neither pyarrow nor numpy nor a stage, so that a command line starts quickly."""
    loaded = "{m.partition('.')[0] for m in sys.modules} & {'pyarrow', 'numpy', 'stages'}"
    code = f"import sys, pipeline.recipe.model; print(sorted({loaded}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""datatrove's filters and formatters as a stage: their verdicts, their reasons as rules, and what is refused."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datatrove.data import Document
from datatrove.pipeline import filters, formatters
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.blocks.rules import first_broken, stored_signal
from pipeline.plan import make_plan
from pipeline.recipe.loader import load_recipe
from pipeline.runs import run_books
from stages import datatrove_classes as classes
from stages.contract import Applied
from stages.datatrove import STAGE, DatatroveConfig, apply, check, rules
from tests.batches import documents
from tests.pipeline.corpora import run
from tests.stages.hostile import ROWS, TEXT, chunked, values

FAKES = "tests.stages.datatrove_fakes"
MAIL = "Write to jane@sea.example.net and to joe@sea.example.net."
WORDY = pytest.mark.skipif(find_spec("spacy") is None, reason="datatrove splits English into words with spaCy")


def config(**given: Any) -> DatatroveConfig:
    return DatatroveConfig.model_validate(given)


def own(name: str, **given: Any) -> DatatroveConfig:
    return config(filter=f"{FAKES}:{name}", **given)


def judged(texts: list[str], asked: DatatroveConfig) -> list[str | None]:
    """The rule that each text breaks, as the engine finds it."""
    rows = documents(texts)
    applied, kinds = apply(rows, asked, None), STAGE.signals(asked)
    stored = {name: stored_signal(array, kinds[name], name) for name, array in applied.signals.items()}
    found = first_broken(rules(asked), stored, {}, len(texts))
    return [None if index < 0 else rules(asked)[index].name for index in found]


def problem(**given: Any) -> str:
    """What is said of settings that are refused."""
    with pytest.raises(ValidationError) as error:
        config(**given)
    return str(error.value)


def texts_of(applied: Applied) -> list[str]:
    found: list[str] = applied.columns["text"].to_pylist()
    return found


def signal(applied: Applied, name: str) -> list[Any]:
    found = applied.signals[name]
    assert isinstance(found, pa.Array)
    listed: list[Any] = found.to_pylist()
    return listed


# reasons as rules


@pytest.mark.parametrize("name", [name for name in classes._REASONS if name != "RegexFilter"])
def test_the_listed_reasons_are_those_in_the_source(name: str) -> None:
    """Each of datatrove's filters returns the reasons that its rules are made of, and no others."""
    tree = ast.parse(inspect.getsource(getattr(filters, name)))
    answers = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    found: list[str] = []
    for answer in answers:
        if isinstance(answer, ast.Tuple):
            reason = ast.unparse(answer.elts[1]).removeprefix("f").strip("'\"").replace("{self.min_paragraphs}", "3")
            lengths = (2, 3, 4) if reason.startswith("top") else range(5, 11)
            found += [reason.format(n=n) for n in lengths] if "{n}" in reason else [reason]
    known = classes.find("filter", name)
    assert sorted(classes.reasons(known, classes.checked(known, {}))) == sorted(found)


def test_every_class_of_datatrove_is_known() -> None:
    """Each filter and formatter that datatrove exports is either runnable with listed reasons or refused by name."""
    exported = {name for name, value in vars(filters).items() if inspect.isclass(value)}
    assert exported == {*classes._REASONS, *(classes.REFUSED.keys() & exported)}
    formats = {name for name, value in vars(formatters).items() if inspect.isclass(value)}
    assert formats == {"FTFYFormatter", "PIIFormatter", "SymbolLinesFormatter"}


def test_a_reason_is_the_rule_by_which_a_document_goes() -> None:
    """A filter's reason names the rule; without one it is ``rejected``, with one not listed ``other_reason``."""
    texts = ["keep it", "dull text", "drop it", "odd text", "fail here"]
    assert judged(texts, own("FirstWord", reasons=["dull"])) == [None, "dull", "rejected", "other_reason", "failed"]
    assert judged(["a cat", "a dog"], config(filter="RegexFilter", options={"regex_exp": "c.t"})) == ["rejected", None]
    long = "\n".join(["x" * 200] * 3)
    assert judged([long, long[:-1], ""], config(filter="C4ParagraphFilter")) == [None, *["< 3 paragraphs"] * 2]


def test_reasons_follow_the_options() -> None:
    """The n-grams that are asked for name the rules."""
    asked = config(filter="GopherRepetitionFilter", options={"top_n_grams": [[7, 0.1]], "dup_n_grams": []})
    names = [rule.name for rule in rules(asked)]
    assert names[-2:] == ["top_7_gram", "other_reason"] and not [
        name for name in names if name.startswith("duplicated")
    ]


def test_the_stored_reason_is_what_the_filter_said() -> None:
    """``reason`` is null for documents that stay, the filter's own words otherwise; ``failure`` names the error."""
    applied = apply(documents(["keep", "odd", "fail"]), own("FirstWord"), None)
    assert signal(applied, "reason") == [None, "odd", None]
    assert signal(applied, "failure") == [None, None, "ZeroDivisionError"]


def test_errors_of_files_end_the_run() -> None:
    """A file that is missing is not the document's fault."""
    with pytest.raises(FileNotFoundError):
        apply(documents(["keep", "gone"]), own("FirstWord"), None)


@WORDY
@pytest.mark.parametrize("name", ["GopherQualityFilter", "GopherRepetitionFilter", "FineWebQualityFilter"])
def test_verdicts_are_those_of_the_filter(name: str) -> None:
    """What goes and why is what the filter itself says; where it raises, ``failed``."""
    prose = (
        "The ferry left the pier at noon, and nobody could say to them when it would be back with all that they have."
    )
    texts = [prose, prose * 8, "- a\n- b\n" * 9, "# # # a b c", "…\n" * 60, "the the " * 80, *ROWS]
    step, expected = getattr(filters, name)(), []
    for text in texts:
        try:
            answer = step.filter(Document(text=text, id=""))
            expected.append(answer[1] if isinstance(answer, tuple) else None)
        except ZeroDivisionError:
            expected.append("failed")
    assert judged(texts, config(filter=name)) == expected
    assert len(set(expected)) > 2


# text


def test_a_formatter_changes_text_and_drops_nothing() -> None:
    """Bytes that go are booked as cut; what comes beyond the old length is added by the engine."""
    asked = config(formatter="SymbolLinesFormatter")
    applied = apply(documents(["a\n***\nb", "plain"]), asked, None)
    assert texts_of(applied) == ["a\nb", "plain"] and applied.cut["edited"].tolist() == [4, 0]
    longer = apply(documents(["ab", ""]), config(formatter=f"{FAKES}:Doubles"), None)
    assert texts_of(longer) == ["abab", "?"] and longer.cut["edited"].tolist() == [0, 0]
    assert [rule.name for rule in rules(asked)] == ["failed"]


def test_a_filter_may_change_the_text_that_stays() -> None:
    """C4's filter takes lines away; a document that it drops keeps its text."""
    lines = "Here is a whole sentence.\nno end\nAnd here is another one."
    asked = config(filter="C4QualityFilter", options={"min_num_sentences": -1})
    applied = apply(documents([lines, f"{lines}\nA {{ is here."]), asked, None)
    assert texts_of(applied) == ["Here is a whole sentence.\nAnd here is another one.", f"{lines}\nA {{ is here."]
    assert signal(applied, "reason") == [None, "curly_bracket"]
    assert applied.cut["edited"].tolist() == [7, 0]


def test_only_filters_that_edit_write_text() -> None:
    """A filter that only judges leaves the column alone, so that what is known of the text stays valid."""
    assert "text" not in STAGE.writes(config(filter="FineWebQualityFilter"))
    for asked in (config(filter="C4QualityFilter"), config(formatter="PIIFormatter"), own("FirstWord")):
        assert STAGE.writes(asked)["text"] == pa.large_string()


def test_replacements_begin_anew_in_each_document() -> None:
    """datatrove takes the next address of its list wherever a document begins; here the output knows no order."""
    asked = config(formatter="PIIFormatter")
    one, other = texts_of(apply(documents([MAIL, MAIL]), asked, None))
    assert one == other == "Write to email@example.com and to firstname.lastname@example.org."
    odd = MAIL.partition(" and")[0]
    assert texts_of(apply(documents([odd, MAIL]), asked, None))[1] == one


SETTINGS = [
    config(filter="C4ParagraphFilter"),
    config(filter="C4QualityFilter", options={"min_num_sentences": -1}),
    config(filter="RegexFilter", options={"regex_exp": r"[^\W\d]{3}"}),
    config(formatter="PIIFormatter"),
    config(formatter="SymbolLinesFormatter", options={"replace_char": "\n"}),
    own("FirstWord", reasons=["a"], columns={"seen": "text"}),
]


@settings(max_examples=20)
@given(st.lists(TEXT, min_size=1, max_size=8), st.lists(st.integers(1, 5), min_size=1, max_size=3))
@pytest.mark.parametrize("asked", SETTINGS, ids=lambda asked: asked.filter or asked.formatter)
def test_output_does_not_depend_on_batches(asked: DatatroveConfig, texts: list[str], sizes: list[int]) -> None:
    """Hostile text gives the same verdicts, texts and cuts however the rows are cut."""
    rows = documents([*texts, *ROWS, MAIL, *texts])
    whole = apply(rows, asked, None)
    assert values(chunked(rows, sizes, lambda part: apply(part, asked, None))) == values(whole)


def test_a_very_long_line() -> None:
    """5 MB on one line go through."""
    text = "harbour " * 600_000
    assert texts_of(apply(documents([text]), config(formatter="SymbolLinesFormatter"), None)) == [text]


# metadata


def test_documents_carry_what_is_known_of_them() -> None:
    """Columns become metadata, null ones and unknown languages left out."""
    asked = own("Reads", signals={"seen": "text"})
    rows = documents(["a"], language="de", url=pa.array(["https://sea.example.net"]))
    assert signal(apply(rows, asked, None), "seen") == [
        "domain=web,file=f1.jsonl,language=de,source=news,url=https://sea.example.net"
    ]
    bare = signal(apply(documents(["a"]), asked, None), "seen")
    assert bare == ["domain=web,file=f1.jsonl,source=news"]


def test_metadata_becomes_signals_and_columns() -> None:
    """What the settings ask for is stored; null where it is not set or no number; columns of ours keep their value."""
    asked = own(
        "Reads", options={"number": 3}, signals={"number": "number"}, columns={"seen": "text", "domain": "text"}
    )
    applied = apply(documents(["a", "nan", "nothing"]), asked, None)
    assert signal(applied, "number") == [3.0, None, None]
    assert applied.columns["domain"].to_pylist() == ["code", "code", "web"]
    assert STAGE.writes(asked) == {"text": pa.large_string(), "seen": pa.string(), "domain": pa.string()}


@pytest.mark.skipif(find_spec("tldextract") is None, reason="URLFilter needs tldextract and pyahocorasick")
def test_addresses_are_judged_without_the_network() -> None:
    """URLFilter takes the list of suffixes that its package carries; a document without an address is not judged."""
    asked = config(filter="URLFilter", options={"extra_domains": ["sea.co.uk"], "use_integrated_lists": False})
    rows = documents(["a", "b", "c"], url=pa.array(["https://www.sea.co.uk/x", None, "https://lake.example"]))
    assert signal(apply(rows, asked, None), "reason") == ["domain", None, None]


# what is refused


@pytest.mark.parametrize(
    ("given_settings", "said"),
    [
        ({}, "expected either `filter` or `formatter`"),
        ({"filter": "RegexFilter", "formatter": "PIIFormatter"}, "expected either"),
        ({"filter": "GopherQualtyFilter"}, "has no filter GopherQualtyFilter; did you mean GopherQualityFilter?"),
        ({"formatter": "GopherQualityFilter"}, "datatrove has no formatter GopherQualityFilter"),
        ({"filter": "SamplerFilter"}, "SamplerFilter draws by the order of documents"),
        ({"filter": "datatrove.pipeline.filters:SamplerFilter"}, "SamplerFilter draws by the order of documents"),
        ({"filter": "LanguageFilter"}, "the stage `language` takes any fastText model"),
        ({"filter": "C4BadWordsFilter"}, "downloads its word lists"),
        ({"filter": "MinhashDedupFilter"}, "put a deduplication stage into the recipe"),
        ({"filter": "LambdaFilter"}, "takes a function"),
        ({"filter": f"{FAKES}:NoStep"}, "does not derive from BaseFilter"),
        ({"formatter": f"{FAKES}:Counts"}, "does not derive from BaseFormatter"),
        ({"filter": f"{FAKES}:Runs"}, "has a `run` of its own"),
        ({"filter": f"{FAKES}:Missing"}, "cannot be imported"),
        ({"filter": "no_such_module:Filter"}, "has to be installed or on PYTHONPATH"),
        ({"filter": "RegexFilter"}, "RegexFilter needs the option regex_exp"),
        ({"filter": "GopherQualityFilter", "options": {"min_dock_words": 3}}, "did you mean min_doc_words?"),
        ({"filter": "GopherQualityFilter", "options": {"min_doc_words": "3"}}, "float or int or null, got '3'"),
        ({"filter": "C4QualityFilter", "options": {"filter_policy": 1}}, "filter_policy: expected bool, got 1"),
        ({"filter": "C4QualityFilter", "options": {"exclusion_writer": None}}, "in the books and samples"),
        ({"filter": "C4QualityFilter", "reasons": ["curly_bracket"]}, "reasons: curly_bracket is known already"),
        ({"filter": f"{FAKES}:FirstWord", "reasons": ["failed"]}, "reasons: failed is known already"),
        ({"formatter": "PIIFormatter", "reasons": ["a"]}, "a formatter drops nothing"),
        ({"filter": f"{FAKES}:Reads", "signals": {"reason": "text"}}, "signals: reason is the stage's own"),
        ({"filter": f"{FAKES}:Reads", "columns": {"text": "text"}}, "columns: text cannot be written"),
        ({"filter": f"{FAKES}:Reads", "columns": {"url": "number"}}, "columns: url cannot be written as number"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused(given_settings: dict[str, Any], said: str) -> None:
    """Unknown classes and options, wrong types, and classes that cannot be row stages, each with a way out."""
    assert said in problem(**given_settings)


def test_lists_become_tuples_where_the_class_wants_them() -> None:
    """YAML has lists only; ``str.endswith`` takes tuples."""
    asked = config(
        filter="FineWebQualityFilter", options={"stop_chars": ["!"], "new_line_ratio": 1e9, "line_punct_thr": 1}
    )
    assert judged(["This line ends.\n", "So what?"], asked) == ["line_punct_ratio"] * 2


def test_a_filter_may_take_any_option() -> None:
    """What a class takes as ``**others`` is not checked for it; its named options are."""
    assert own("Reads", options={"number": 2}).options == {"number": 2}
    assert "expected float" in problem(filter=f"{FAKES}:Reads", options={"number": "many"})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Counts", "keeps state between documents"),
        ("Needs", "cannot run here: Please install `no_such_package`"),
        ("AlwaysFails", "fails on ordinary text: KeyError"),
    ],
)
def test_classes_are_tried_before_the_run(name: str, said: str) -> None:
    """A class that cannot be made, fails on everything, or judges by the order of documents is found by ``plan``."""
    (found,) = check(own(name), None)
    assert said in found


@pytest.mark.parametrize("asked", SETTINGS, ids=lambda asked: asked.filter or asked.formatter)
def test_what_runs_is_not_refused(asked: DatatroveConfig) -> None:
    """Nothing is said of classes that run."""
    assert list(check(asked, None)) == []


def test_a_number_that_is_none_is_no_state() -> None:
    """NaN in the metadata is not equal to itself, and the class is still not taken to judge by order."""
    assert list(check(own("Reads", options={"number": float("nan")}), None)) == []


# in a run

RECIPE = """\
name: small
store: {root}/store
sources:
  news: {{kind: jsonl, path: "{root}/in/*.jsonl"}}
stages:
  - datatrove: {{filter: "house_rules:House", reasons: [dull]}}
  - datatrove: {{name: mask, formatter: PIIFormatter}}
execution: {{executor: local, workers: 1}}
"""
HOUSE = """\
from datatrove.pipeline.filters.base_filter import BaseFilter


class House(BaseFilter):
    def filter(self, doc):
        return "{word}" not in doc.text or (False, "dull")
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe with a filter of the user's own, in a module on the path."""
    monkeypatch.syspath_prepend(tmp_path / "own")
    monkeypatch.delitem(sys.modules, "house_rules", raising=False)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/house_rules.py").write_text(HOUSE.format(word="grey"))
    (tmp_path / "in").mkdir()
    lines = [json.dumps({"text": f"{text} {number}"}) for number, text in enumerate(["grey", MAIL, "bright"] * 20)]
    (tmp_path / "in/a.jsonl").write_text("\n".join(lines))
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(root=tmp_path))
    return tmp_path / "recipe.yaml"


def test_reasons_and_speed_are_in_the_report(recipe: Path) -> None:
    """The books have the filter's reason, and the timings how fast each use of the stage was."""
    done = run(str(recipe))
    books = run_books(done)
    assert books.total("dropped", "datatrove", reason="dull")[0] == 20 and not books.unbalanced()
    assert books.total("cut", "mask", reason="edited")[0] == 0
    timings = json.loads((Path(done.folder) / "timings.json").read_text())
    speeds = {name: stage["mb_per_s"] for phase in timings["phases"] for name, stage in phase["stages"].items()}
    assert speeds["datatrove"] > 0 and speeds["mask"] > 0


def test_another_file_is_another_stage(recipe: Path) -> None:
    """A changed module of the user's gives the block another fingerprint, and is read anew in the same process."""
    before = make_plan(load_recipe(recipe)).blocks[0].fingerprint
    assert judged(["grey", "bright"], config(filter="house_rules:House", reasons=["dull"])) == ["dull", None]
    (recipe.parent / "own/house_rules.py").write_text(HOUSE.format(word="bright"))
    assert make_plan(load_recipe(recipe)).blocks[0].fingerprint != before
    assert judged(["grey", "bright"], config(filter="house_rules:House", reasons=["dull"])) == [None, "dull"]

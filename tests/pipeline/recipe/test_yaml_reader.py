"""The YAML reader and writer: what plain words mean, what is refused, where things stand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recipe.problems import Problems
from pipeline.recipe.yaml_reader import MAX_DEPTH, ListNode, MapNode, ScalarNode, read_yaml, resolve_plain, to_data
from pipeline.recipe.yaml_writer import write_yaml


def read(text: str) -> Any:
    problems = Problems()
    node = read_yaml(text, "f.yaml", problems)
    assert node is not None and not problems.found, problems.found
    return to_data(node)


def refused(text: str) -> list[tuple[str, str]]:
    problems = Problems()
    read_yaml(text, "f.yaml", problems)
    return [(problem.mark.where, f"{problem.message} {problem.remedy}") for problem in problems.found]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("20_000", 20_000),
        ("40_000_000", 40_000_000),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("1e6", 1e6),
        ("1_000.5", 1000.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5E-3", -0.0015),
        ("1__000", "1__000"),
        ("_1", "_1"),
        ("1_", "1_"),
        ("2024-18", "2024-18"),
        ("2024-01-01", "2024-01-01"),
        ("12:30:00", "12:30:00"),
        ("1.2.3", "1.2.3"),
        ("0b101", "0b101"),
        ("e5", "e5"),
        ("٣", "٣"),
    ],
)
def test_plain_words_follow_the_core_schema_with_underscores(text: str, value: object) -> None:
    """Unquoted words are read by YAML 1.2's core schema, and Python's underscores between digits are allowed."""
    found = resolve_plain(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text", ["010", "-007", "00", "0_1", ".inf", "-.INF", ".nan", "1e999", "9" * 5000])
def test_numbers_that_readers_disagree_on_are_refused(text: str) -> None:
    """Leading zeros, numbers that are not finite and numbers without end get an error with their line."""
    [(where, message)] = refused(f"a: 1\nb: {text}\n")
    assert where == "f.yaml:2"
    assert text[:10] in message or "digits" in message


def test_keys_are_text() -> None:
    """Keys are taken as they are written: Norwegian, years and numbers."""
    assert read("no: 1\n2024: 2\n1_0: 3\nnull: 4\n'a b': 5\n") == {"no": 1, "2024": 2, "1_0": 3, "null": 4, "a b": 5}


def test_every_node_knows_its_line_and_column() -> None:
    """Marks count from 1 and point at the value; keys have marks of their own."""
    problems = Problems()
    root = read_yaml("a:\n  - x\n  - {b: 3}\n", "f.yaml", problems)
    assert isinstance(root, MapNode)
    listing = root.items["a"]
    assert isinstance(listing, ListNode)
    second = listing.items[1]
    assert isinstance(second, MapNode)
    assert (root.keys["a"].line, root.keys["a"].column) == (1, 1)
    assert (second.keys["b"].line, second.keys["b"].column) == (3, 6)
    assert (second.items["b"].mark.line, second.items["b"].mark.column) == (3, 9)


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3", "twice, first on line 1"),
        ("x:\n  a: 1\n  a: 2\n", "f.yaml:3", "'a' is given twice"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "f.yaml:3", "merge key"),
        ("a: !!python/name:os.system x\n", "f.yaml:1", "tags"),
        ("a: !custom {b: 1}\n", "f.yaml:1", "tags"),
        ("a: *nowhere\n", "f.yaml:1", "no anchor &nowhere"),
        ("a: &a [*a]\n", "f.yaml:1", "no anchor &a"),
        ("? [a, b]\n: 1\n", "f.yaml:1", "key has to be text"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2", "second document"),
        ("%YAML 1.1\n---\na: no\n", "f.yaml:1", "YAML 1.2"),
        ("", "f.yaml:1", "empty"),
        ("# nothing\n", "f.yaml:1", "empty"),
        ("a: 1\n\tb: 2\n", "f.yaml:2", "spaces, not with tabs"),
        ("a: b: c\n", "f.yaml:1", "quotes"),
        ("a: [1\nb: 2\n", "f.yaml:2", "not valid YAML"),
        ("a: {p: ${x}/y}\n", "f.yaml:1", "write ${…} in quotes"),
        ("a: 1\nb: '\x01'\n", "f.yaml:2", "not valid YAML"),
        ('a: "\\ud83d"\n', "f.yaml:1", "surrogate"),
        ('a: "\\UFFFFFFFF"\n', "f.yaml", "not valid YAML"),
        ("a: 1\n: 2\n", "f.yaml:2", "key is missing"),
        ("[" * (MAX_DEPTH + 5) + "]" * (MAX_DEPTH + 5), "f.yaml:1", "nested deeper"),
    ],
)
def test_what_is_refused_names_its_line(text: str, where: str, says: str) -> None:
    """Each thing that strict YAML refuses is one error with file, line and reason."""
    found = refused(text)
    assert len(found) == 1, found
    assert found[0][0] == where
    assert says in found[0][1]


def test_aliases_repeat_a_node() -> None:
    """An alias stands for the whole node of its anchor."""
    assert read("a: &x [1, {b: no}]\nc: *x\n") == {"a": [1, {"b": "no"}], "c": [1, {"b": "no"}]}


def test_aliases_cannot_blow_up_memory() -> None:
    """Aliases of aliases are counted as what they expand to, and refused beyond a limit."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    [(where, message)] = refused("\n".join(lines))
    assert "expanded" in message and where == "f.yaml:5"


def test_quotes_make_text() -> None:
    """Quoted and block scalars are text whatever they look like."""
    assert read("a: '1'\nb: \"null\"\nc: |\n  5\n") == {"a": "1", "b": "null", "c": "5\n"}


def test_plain_and_quoted_are_told_apart() -> None:
    """Nodes remember whether a scalar was quoted."""
    problems = Problems()
    root = read_yaml("[x, 'x']", "f.yaml", problems)
    assert isinstance(root, ListNode)
    assert [item.plain for item in root.items if isinstance(item, ScalarNode)] == [True, False]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)
SCALARS = st.one_of(
    TEXT,
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.sampled_from(["no", "1_000", "010", "null", "~", "1e6", "- a", "a: b", "#x", "${x}", " x ", "...", "---", ".5"]),
)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, DATA, min_size=1, max_size=4))
def test_what_is_written_is_read_back(data: dict[str, Any]) -> None:
    """The writer is the reader's inverse for every text, number and nesting."""
    assert read(write_yaml(data)) == data

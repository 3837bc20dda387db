"""What is done to the text of Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.markdown_text import FRONT_MATTER_BYTES, FrontMatter, front_matter, plain_text, without_comments

YAML = """---
title: "A: b"
date: 2024-01-02
draft: no
tags: [x, {y: z}]
author:
  name: hidden
nothing:
tilde: ~
quoted: "null"
lone: "a\\ud800"
anchor: &a held
alias: *a
...
"""


def test_yaml() -> None:
    """Scalars at the top are taken as they are written; lists, mappings, nulls and aliases are not."""
    values = {
        "title": "A: b",
        "date": "2024-01-02",
        "draft": "no",
        "quoted": "null",
        "lone": "a\ufffd",
        "anchor": "held",
    }
    assert front_matter(YAML + "\n\nbody\n") == FrontMatter(values, "body\n")


def test_toml() -> None:
    """Between lines of +++ it is TOML."""
    text = '+++\r\ntitle = "x"\r\ndate = 2024-01-02\r\nn = 3\r\n[more]\r\nkey = "hidden"\r\n+++\r\nbody'
    assert front_matter(text) == FrontMatter({"title": "x", "date": "2024-01-02", "n": "3"}, "body")


@pytest.mark.parametrize(
    ("text", "body"),
    [("---\n---\nbody", "body"), ("--- \ntitle: x\n---  \nbody", "body"), ("---\ntitle: x\n---", "")],
)
def test_forms_of_front_matter(text: str, body: str) -> None:
    """Empty front matter, spaces behind the lines, and nothing behind it."""
    assert front_matter(text).body == body
    assert not front_matter(text).broken


@pytest.mark.parametrize(
    "text",
    ["", "---", "---\n", "---\na: b\n", "----\na: b\n---\n", "--- x\na: b\n---\n", " ---\na: b\n---\n", "text\n---\n"]
    + ["---\nA sentence.\n---\nMore.", "---\n- a\n- b\n---\n", "---\na: " + "x" * FRONT_MATTER_BYTES + "\n---\n"],
)
def test_what_is_no_front_matter(text: str) -> None:
    """A rule, or lines between two rules that are no mapping, is text."""
    assert front_matter(text) == FrontMatter({}, text)


@pytest.mark.parametrize(
    "inside",
    ["a: [", "a: b: c", "a: 'x", "\ta: b", "a: &b [*b", "a: " + "[" * 40 + "]" * 40, "%YAML 9", "a: b\n- c", "a: @b"],
)
def test_broken_front_matter(inside: str) -> None:
    """What cannot be parsed stays in the text, and is said to be broken."""
    text = f"---\n{inside}\n---\nbody"
    assert front_matter(text) == FrontMatter({}, text, True)
    text = "+++\na = \n+++\nbody"
    assert front_matter(text) == FrontMatter({}, text, True)


@pytest.mark.parametrize("piece", ["[", "{", "- ", "? ", "a: &a ", "*a ", "!!x ", "'", '"', "a:\n ", "a: b\n", "[a],"])
def test_hostile_front_matter(piece: str) -> None:
    """Whatever repeats in it, front matter is read to its end."""
    for lead in ("", "k: "):
        front_matter(f"---\n{lead}{piece * (30_000 // len(piece))}\n---\nbody")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a <!-- b --> c", "a  c"),
        ("a\n<!-- b\n\nc -->\nd", "a\nd"),
        ("a\n  <!-- b -->  \nd", "a\nd"),
        ("<!-- a -->\n<!-- b -->\nc", "c"),
        ("<!-->a", "a"),
        ("a <!-- no end", "a <!-- no end"),
        ("`<!-- code -->` <!-- x -->", "`<!-- code -->` "),
        ("``a ` <!-- b -->`` c", "``a ` <!-- b -->`` c"),
        ("a ` b <!-- c -->", "a ` b "),
        ("a ` b\n\n<!-- c --> `", "a ` b\n\n `"),
        ("```html\n<!-- code -->\n```\n<!-- x -->", "```html\n<!-- code -->\n```\n"),
        ("~~~~\n<!-- a -->\n~~~\n~~~~\nb <!-- c -->", "~~~~\n<!-- a -->\n~~~\n~~~~\nb "),
        ("```\n<!-- never closed -->", "```\n<!-- never closed -->"),
        ("``` a ` b <!-- c -->", "``` a ` b "),
        ("    <!-- indented code -->", "    <!-- indented code -->"),
        ("<!-- ```\n--> a\n<!-- b -->", " a\n"),
    ],
)
def test_comments(text: str, expected: str) -> None:
    """Comments go, with their line if nothing else is in it; code is left alone."""
    assert without_comments(text, mdx=False) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import {A} from 'a'\nexport const b = 1\n\n# T", "# T"),
        ("# T\n\nimport A, {B} from 'a'\n\ntext", "# T\n\ntext"),
        ("import {\n  A,\n} from 'a'\n\ntext", "text"),
        ("import 'x.css'", ""),
        ("export default ({children}) => <b>{children}</b>\n\ntext", "text"),
        ("import duties are high", "import duties are high"),
        ("export rose by 5 %", "export rose by 5 %"),
        ("text\nimport A from 'a'", "text\nimport A from 'a'"),
        ("```js\n\nimport A from 'a'\n```", "```js\n\nimport A from 'a'\n```"),
    ],
)
def test_mdx(text: str, expected: str) -> None:
    """Imports and exports go up to the next blank line, in MDX only; prose and code stay."""
    assert without_comments(text, mdx=True) == expected
    assert without_comments(text, mdx=False) == text


@given(st.lists(st.sampled_from(["a", " ", "\n", "\n\n", "`", "```", "~~~", "<!--", "-->", "import 'a'"])).map("".join))
def test_without_comments_only_takes_away(text: str) -> None:
    """What is left is a subsequence of the text, and text without comments is left alone."""
    rest = iter(text)
    assert all(character in rest for character in without_comments(text, mdx=True))
    if "<!--" not in text:
        assert without_comments(text, mdx=False) == text


MARKDOWN = """# T *it* `c`

Para **one**
two [link](http://x) ![im *a*](u) <b>bold</b> a<br>b &amp; c

- a
- b
  - c
    more

    ```py
    x = 1
    ```
- d

3. x
4. y

> quote
> > deeper

| a | *b* |
|---|-----|
| 1 | 2   |

    code
     more

<div>
html <i>x</i>
</div>

***
end
"""

PLAIN = """T it c

Para one
two link im a bold a
b & c

- a
- b
  - c
    more

    x = 1

- d

3. x
4. y

quote

deeper

a | b
1 | 2

code
 more

html x

end
"""


def test_plain_text() -> None:
    """Every kind of block and of inline markup becomes what a reader sees."""
    assert plain_text(MARKDOWN) == PLAIN
    assert plain_text("") == ""


@pytest.mark.parametrize("piece", ["> ", "- ", "1. "])
def test_deep_nesting(piece: str) -> None:
    """Text in deep blocks is kept; where the parser would lose it, there is no plain text."""
    assert str(plain_text(piece * 90 + "deep")).strip().endswith("deep")
    for depth in (190, 199, 250, 5000):
        found = plain_text(piece * depth + "deep")
        assert found is None or "deep" in found
    assert plain_text(piece * 5000 + "deep") is None


HOSTILE = [
    "[",
    "![",
    "*a ",
    "a**b ",
    "_a ",
    "<",
    "`a",
    "> ",
    "<!-- ",
    "](",
    "[a](",
    "&amp",
    "\\",
    "|a",
    "<a b='",
    "***a",
]


@pytest.mark.parametrize("piece", [*HOSTILE, "[a]: u\n", "<?", "[[]()", "```\n", "~~~ ", "\n    ", "import 'a'\n"])
def test_hostile_text(piece: str) -> None:
    """Whatever repeats, comments are found in linear time, and the markup is stripped without an error."""
    without_comments(piece * 200_000, mdx=True)
    assert plain_text(piece * 2000) is None or piece


def test_backticks_take_linear_time() -> None:
    """Runs of every length, none of which has a partner."""
    text = " ".join("`" * length for length in range(1, 2000))
    assert without_comments(text, mdx=False) == text

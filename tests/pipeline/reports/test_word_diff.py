"""How two nearly equal texts differ is shown word by word, masked, short and safe."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reports.text_diff import WINDOW
from pipeline.reports.word_diff import LINES, WIDTH, word_diff

TEXT = (
    "the quick brown fox jumps over the lazy dog and then runs home to sleep in the barn until the morning comes\n"
    "a second line\n\na third paragraph that stays as it is"
)


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        (TEXT, []),
        (TEXT.replace(" ", "  ").replace("\n", " \r\n"), []),
        (TEXT.replace("brown", "red"), ["the quick [-brown-]{+red+} fox jumps over the lazy …"]),
        (
            TEXT.replace("brown ", "").replace("morning", "evening"),
            ["the quick [-brown-] fox jumps over the lazy …", "… in the barn until the [-morning-]{+evening+} comes"],
        ),
        (f"Home | About\n{TEXT}", ["{+Home | About+}"]),
        (TEXT.replace("a second line\n", ""), ["[-a second line-]"]),
        (TEXT.replace("lazy dog", "lazy, dog"), ["… fox jumps over the lazy {+,+} dog and then runs home …"]),
    ],
)
def test_what_is_shown(other: str, shown: list[str]) -> None:
    """Words that were replaced, left out or added, with five words around them; white space is nothing."""
    assert word_diff(TEXT, other) == shown


def test_scripts_without_spaces() -> None:
    """Differs by characters where there are no spaces."""
    assert word_diff("渡船中午离开了码头，没有人知道", "渡船晚上离开了码头，没有人知道") == [
        "渡船 [-中午-]{+晚上+} 离开了码头 …"
    ]
    assert word_diff("ไปไหนมา", "ไปนหนมา")[0].count("[-") == 1


@given(st.lists(st.sampled_from("abcde"), max_size=30), st.lists(st.sampled_from("abcde"), max_size=30))
def test_both_texts_can_be_read_from_it(one: list[str], two: list[str]) -> None:
    """Where everything fits into a line, the first text is what is not added, the second what is not gone."""
    shown = word_diff(" ".join(one), " ".join(two))
    if len(shown) != 1 or "…" in shown[0]:
        assert (not shown) == (one == two)
        return
    gone = re.sub(r"\{\+.*?\+\}", " ", shown[0])
    assert re.sub(r"\[-|-\]", " ", gone).split() == one
    added = re.sub(r"\[-.*?-\]", " ", shown[0])
    assert re.sub(r"\{\+|\+\}", " ", added).split() == two


def test_personal_data_is_masked() -> None:
    """No address is shown, near a difference or as one; if all that differs is masked, that is said."""
    shown = "\n".join(word_diff("write to jane.doe@example.org at noon", "write to jane.doe@example.org at night"))
    assert "jane" not in shown and "[-noon-]{+night+}" in shown
    assert word_diff("mail a@b.org now", "mail c@d.org now") == ["(the difference is in what is masked)"]


def test_terminal_escapes_are_made_visible() -> None:
    """A document cannot write to the terminal."""
    assert "\x1b" not in "".join(word_diff("x \x1b]0;owned\x07 y", "x z"))


def test_few_and_short_lines_whatever_the_text() -> None:
    """Many differences are counted, long ones have their middle left out, 50 MB are compared where they differ."""
    rng = random.Random(1)
    words = [f"w{rng.randrange(3000)}" for _ in range(4000)]
    many = ["new" if place % 40 == 20 else word for place, word in enumerate(words)]
    shown = word_diff(" ".join(words[:2500]), " ".join(many[:2500]))
    assert len(shown) == LINES + 1 and shown[-1].startswith("… and ")
    assert max(map(len, word_diff(" ".join(words[:2000]), " ".join(words[2000:])))) <= WIDTH
    assert max(map(len, word_diff("x" * 10_000, "y" * 10_000))) <= WIDTH
    assert word_diff("x " * 25_000_000, "x " * 24_999_999 + "y") == ["… x x x x x [-x-]{+y+}"]


def test_the_end_of_what_is_looked_at_is_no_difference() -> None:
    """An added word moves the end of the window; what falls out there is the same in both texts."""
    words = [f"w{place}" for place in range(20_000)]
    other = [*words[:50], "new", *words[50:]]
    assert word_diff(" ".join(words), " ".join(other)) == ["… w45 w46 w47 w48 w49 {+new+} w50 w51 w52 w53 w54 …"]
    later = [*words[:50], "", *words[51:-1], "new"]
    assert WINDOW < 60_000 and len(word_diff(" ".join(words), " ".join(later))) == 1

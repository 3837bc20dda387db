"""Articles out of hand-written sentences.

A phrase file has three kinds of lines: ``@slot value | value`` (drawn once per article, so that a town keeps its
name; people once per paragraph), ``## topic`` followed by ``= a title``, and sentences. Inside a sentence ``{slot}``
is filled in, ``{n:20-80:10}`` draws a number (first, last, step) and ``[one|another]`` one of the alternatives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.planted.dice import Dice

PHRASES = Path(__file__).parent / "phrases"
UNSPACED = ("zh", "ja")
"""Languages whose sentences follow each other without a space."""

PEOPLE = ("p", "q")
"""Slots that are drawn anew for each paragraph."""

_SLOT = re.compile(r"\{([a-z]+)(?::(\d+)-(\d+)(?::(\d+))?)?\}")
_ALTERNATIVES = re.compile(r"\[([^\[\]]*)\]")


@dataclass
class Topic:
    """What can be said about one thing: titles, and sentences in the order in which they make sense."""

    titles: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Phrases:
    """A phrase file."""

    slots: Mapping[str, Sequence[str]]
    topics: Sequence[Topic]


def read_phrases(language: str) -> Phrases:
    """Parse ``phrases/<language>.txt``."""
    slots: dict[str, list[str]] = {}
    topics: list[Topic] = []
    for line in (PHRASES / f"{language}.txt").read_text("utf-8").splitlines():
        if line.startswith("@"):
            name, _, values = line[1:].partition(" ")
            slots[name] = [value.strip() for value in values.split("|")]
        elif line.startswith("## "):
            topics.append(Topic())
        elif line.startswith("= "):
            topics[-1].titles.append(line[2:])
        elif line and not line.startswith("#"):
            topics[-1].sentences.append(line)
    return Phrases(slots, topics)


def article(phrases: Phrases, language: str, dice: Dice) -> str:
    """A title and one to four paragraphs, each on one topic and its own people; about 80 to 400 words."""
    places = {name: dice.choice(values) for name, values in phrases.slots.items()}
    topics = dice.shuffled(phrases.topics)[: dice.choice((1, 2, 2, 3, 3, 3, 4))]
    shortest, spread = ((6, 3), (5, 3), (4, 3), (4, 1))[len(topics) - 1]
    space = "" if language in UNSPACED else " "
    paragraphs: list[str] = []
    for topic in topics:
        bound = places | {name: dice.choice(phrases.slots[name]) for name in PEOPLE}
        if not paragraphs:
            paragraphs.append(_expand(dice.choice(topic.titles), bound, dice))
        opening, *others = topic.sentences
        sentences = [opening, *dice.sample(others, shortest - 1 + dice.below(spread))]
        paragraphs.append(space.join(_expand(sentence, bound, dice) for sentence in sentences))
    return "\n\n".join(paragraphs)


def _expand(sentence: str, bound: Mapping[str, str], dice: Dice) -> str:
    chosen = _ALTERNATIVES.sub(lambda match: dice.choice(match[1].split("|")), sentence)

    def fill(match: re.Match[str]) -> str:
        name, first, last, step = match.groups()
        if first is None:
            return bound[name]
        return str(dice.choice(range(int(first), int(last) + 1, int(step or 1))))

    return _SLOT.sub(fill, chosen)

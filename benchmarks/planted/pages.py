"""Reads the pages and benchmark questions that are planted word for word."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from benchmarks.planted.grammar import PHRASES

_PERSONAL = re.compile(r"<<(\w+)\|([^>]+)>>")


@dataclass(eq=False)
class Page:
    """A document of the corpus with its label. ``id`` and ``file`` are set when files are laid out.

    ``personal_data``: (type, value) in the order of the text. ``original``: the page that this one was made from.
    """

    kind: str
    language: str
    text: str
    note: str = ""
    expected: str | None = None
    original: Page | None = None
    similarity: float | None = None
    personal_data: list[tuple[str, str]] = field(default_factory=list)
    id: str = ""
    file: str = ""


@dataclass(frozen=True)
class Question:
    """An item of the invented benchmark."""

    item: str
    language: str
    question: str
    answer: str


def read_pages() -> list[Page]:
    """The pages of ``phrases/pages.txt``; leaks have their question and answer filled in."""
    questions = {question.item: question for question in read_questions()}
    pages = []
    for header, body in _sections("pages.txt"):
        kind, language, *settings = header.split()
        page = Page(kind, language, _PERSONAL.sub(lambda match: match[2], body))
        page.personal_data = [(match[1], match[2]) for match in _PERSONAL.finditer(body)]
        for name, _, value in (setting.partition("=") for setting in settings):
            if name == "expected":
                page.expected = value
                continue
            leaked = questions[value]
            page.text = page.text.format(question=leaked.question, answer=leaked.answer)
            page.note = f"holds item {leaked.item} of benchmark.jsonl, question and answer"
        pages.append(page)
    return pages


def read_questions() -> list[Question]:
    """The items of ``phrases/benchmark.txt``."""
    questions = []
    for header, body in _sections("benchmark.txt"):
        item, language = header.split()
        question, _, answer = body.partition("\n= ")
        questions.append(Question(item, language, question, answer))
    return questions


def _sections(name: str) -> list[tuple[str, str]]:
    _, *sections = re.split(r"(?m)^### ", (PHRASES / name).read_text("utf-8"))
    parts = (section.partition("\n") for section in sections)
    return [(header, body.strip("\n")) for header, _, body in parts]

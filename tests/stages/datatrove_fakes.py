"""Filters and formatters in datatrove's style, for tests of the stage that runs them."""

from __future__ import annotations

from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.formatters.base import BaseFormatter


class FirstWord(BaseFilter):
    """The first word says what becomes of the document: ``keep``, ``drop``, ``fail``, else it is the reason."""

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        word = doc.text.partition(" ")[0]
        if word == "fail":
            raise ZeroDivisionError
        if word == "gone":
            raise FileNotFoundError("a list of words")
        return word in ("keep", "drop") and word == "keep" or (False, word) if word != "drop" else False


class Reads(BaseFilter):
    """Notes what it was given, and a number."""

    def __init__(self, number: float = 1.5, **others: Any) -> None:
        super().__init__()
        self.number = number

    def filter(self, doc: Document) -> bool:
        doc.metadata["seen"] = ",".join(f"{name}={value}" for name, value in sorted(doc.metadata.items()))
        if doc.text != "nothing":
            doc.metadata |= {"number": float("nan") if doc.text == "nan" else self.number, "domain": "code"}
        return True


class Counts(BaseFilter):
    """Keeps every second document, which depends on their order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def filter(self, doc: Document) -> bool:
        self.seen += 1
        return self.seen % 2 == 0


class Needs(BaseFilter):
    """Cannot be made here."""

    def __init__(self) -> None:
        raise ImportError("Please install `no_such_package` to use Needs.")

    def filter(self, doc: Document) -> bool:
        return True


class AlwaysFails(BaseFilter):
    """Has a bug."""

    def filter(self, doc: Document) -> bool:
        raise KeyError("metadata")


class Runs(BaseFilter):
    """Sees the whole stream."""

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        return data

    def filter(self, doc: Document) -> bool:
        return True


class Doubles(BaseFormatter):
    """Writes the text twice; a lone surrogate where it was empty."""

    def format(self, text: str) -> str:
        return text * 2 or "\ud800"


class NoStep:
    """Nothing of datatrove's."""

"""The flat tree of a page against its twin, a tree of objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from stages.kernels import html_tree as kernel
from stages.kernels.html_names import TAGS
from stages.kernels.html_tables import tables
from tests.reference import html_tree as twin
from tests.stages.hostile_html import pages, real_pages


def from_kernel(page: bytes) -> dict[str, Any]:
    """Everything that the kernel finds, as Python values."""
    data = np.frombuffer(page, np.uint8)
    tree = kernel.tree_for(len(data))
    nodes, events, runs = kernel.parse(data, tree, tables())
    rows = tree.nodes[:nodes].copy()
    rows[:, kernel.TAG] = np.minimum(rows[:, kernel.TAG], len(TAGS))
    meta = tree.state[kernel.META_AT :].reshape(-1, 2)
    return {
        "nodes": rows.tolist(),
        "words": tree.words[:nodes].tolist(),
        "events": tree.events[:events].tolist(),
        "runs": tree.runs[:runs].tolist(),
        "meta": {row: tuple(span) for row, span in enumerate(meta.tolist()) if span[1]},
    }


def from_twin(page: bytes) -> dict[str, Any]:
    """The same, written out from the twin's tree."""
    parsed = twin.parse(page)
    written = _Writer()
    written.element(parsed.root)
    nodes = []
    for element in written.nodes:
        tag = TAGS.index(element.tag) if element.tag in TAGS[1:] else len(TAGS) if element.tag else 0
        below = [written.number[part] for part in element.descendants()]
        number = written.number[element]
        parent = written.number[element.parent] if element.parent else -1
        row = [parent, tag, max(below, default=number), element.flags, *element.value]
        nodes.append([*row, written.opened[element], written.closed[element], written.number[element.holder]])
    return {
        "nodes": nodes,
        "words": [element.words for element in written.nodes],
        "events": written.events,
        "runs": written.runs,
        "meta": {row: span for row, span in parsed.meta.items() if span[1]},
    }


class _Writer:
    """Numbers the elements, events and runs of a tree in the order of the page."""

    def __init__(self) -> None:
        self.nodes: list[twin.Element] = []
        self.number: dict[twin.Element, int] = {}
        self.opened: dict[twin.Element, int] = {}
        self.closed: dict[twin.Element, int] = {}
        self.events: list[int] = []
        self.runs: list[list[int]] = []

    def element(self, element: twin.Element) -> None:
        number = self.number[element] = len(self.nodes)
        self.nodes.append(element)
        self.opened[element] = len(self.events)
        self.events.append(number << 2 | kernel.OPEN)
        for child in element.children:
            if isinstance(child, twin.Element):
                self.element(child)
            elif isinstance(child, twin.Mark):
                self.events.append(child.code)
            else:
                self.events.append(len(self.runs) << 2 | (kernel.LINKED_TEXT if child.linked else kernel.TEXT))
                self.runs.append([child.start, child.end, self.number[element.holder]])
        self.closed[element] = len(self.events)
        self.events.append(number << 2 | kernel.CLOSE)


def agree(page: bytes) -> None:
    """Kernel and twin find the same; parts are compared one by one, so that a failure names the part."""
    found, expected = from_kernel(page), from_twin(page)
    for part in ("runs", "events", "nodes", "words", "meta"):
        assert found[part] == expected[part], part


@settings(max_examples=300)
@given(page=pages())
def test_the_tree_is_that_of_the_twin(page: bytes) -> None:
    """Elements, their order, flags, words and values, text, links and the page's own fields equal the twin's."""
    agree(page)


@pytest.mark.data
@pytest.mark.compiled
def test_trees_of_real_pages_are_those_of_the_twin(real_data: Path) -> None:
    """The same for real pages."""
    by_size = sorted(real_pages(real_data).values(), key=len)
    for page in by_size[: len(by_size) // 2 : 100]:
        agree(page)

"""What belongs together is kept together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stages.kernels.html_blocks import B_SCORE, BLOCK_FIELDS, find_blocks
from stages.kernels.html_choice import LAYOUT_FIELDS, Wanted, choose, lay_out
from stages.kernels.html_scores import FEATURES, NO_FOREST, NODE_MEASURES, UNIT, score_blocks
from stages.kernels.html_tables import tables
from stages.kernels.html_tree import parse, tree_for

PROSE = "<p>Words of an article, which are many, so that the page has prose beside its list.</p>" * 6


def kept(page: str, scores: Callable[[str], float], **asked: bool) -> list[str]:
    """Texts of the blocks that stay. ``scores``: text of a block → its score in logits."""
    data = np.frombuffer(page.encode(), np.uint8)
    tree = tree_for(len(data))
    nodes, events, _ = parse(data, tree, tables())
    blocks = np.zeros((len(tree.runs), BLOCK_FIELDS), np.int32)
    count = find_blocks(data, tree, events, tables(), blocks, np.zeros(16, np.uint8))
    measures, words = np.zeros((nodes, NODE_MEASURES), np.int32), np.zeros((nodes, 2), np.int64)
    features = np.zeros((1, FEATURES), np.int32)
    score_blocks(tree, nodes, tables().kinds, blocks, count, measures, words, features, NO_FOREST)
    texts = []
    for row in blocks[:count]:
        runs = [code >> 2 for code in tree.events[row[0] : row[1]].tolist() if code >= 0 and code & 3 > 1]
        texts.append("".join(bytes(data[tree.runs[run, 0] : tree.runs[run, 1]]).decode() for run in runs))
        row[B_SCORE] = round(scores(texts[-1]) * UNIT)
    layout = np.zeros((nodes, LAYOUT_FIELDS), np.int32)
    lay_out(tree, nodes, True, layout)
    settings = {"text": True, "whole": False, "bound": 0, "lists": True, "tables": True, "code": True, **asked}
    choose(tree, nodes, blocks, count, layout, measures, words, Wanted(**settings))  # type: ignore[arg-type]
    return [text for row, text in zip(blocks, texts, strict=False) if row[B_SCORE] > 0]


def test_a_list_shares_its_score() -> None:
    """Items are kept or left out together, by the mean score that their weight gives."""
    page = f"{PROSE}<ul><li>longer item</li><li>b</li></ul><ol><li>longer one</li><li>c</li></ol>"
    scores = {"longer item": 1.0, "b": -3.0, "longer one": -1.0, "c": 3.0}
    assert kept(page, lambda text: scores.get(text, -1.0)) == ["longer item", "b"]


def test_a_table_of_data_shares_its_score() -> None:
    """Cells are kept together; a table that lays out the page is no unit."""
    page = f"{PROSE}<table><tr><th>long head</th><th>b</th></tr><tr><td>c</td><td>d</td></tr></table>"
    assert kept(page, lambda text: 1.0 if text == "long head" else -1.0)[-4:] == ["long head", "b", "c", "d"]
    layout = "<table><tr><td><p>left out</p></td></tr></table>" + "<table><tr><td><p>stays</p></td></tr></table>"
    assert kept(layout, lambda text: 1.0 if text == "stays" else -1.0) == ["stays"]


def test_a_table_or_list_between_kept_blocks_is_kept() -> None:
    """With kept blocks on both sides a table of data stays, and a list that is not of links; at an end neither does."""
    table = "<table><tr><th>{0}1<th>{0}2<tr><td>{0}3<td>{0}4</table>"
    page = f"{table.format('a')}<p>kept</p>{table.format('b')}<p>kept</p>{table.format('c')}<p>left out</p>"
    assert kept(page, lambda text: 1.0 if text == "kept" else -1.0) == ["kept", "b1", "b2", "b3", "b4", "kept"]
    for item, stays in (("<a href=x>link</a>text", True), ("<a href=x>link</a>tex", False)):
        page = f"<p>kept</p><ul><li>{item}</li></ul><p>kept</p><ul><li>end</li></ul>"
        assert len(kept(page, lambda text: 1.0 if text == "kept" else -1.0)) == 2 + stays


def test_a_list_that_is_the_page_is_no_unit() -> None:
    """Where a list holds more than half of the prose, its items are judged one by one."""
    prose = "Words of an article, which are many, so that an item is prose."
    page = f"<ul><li>{prose}</li><li>Share</li></ul>"
    assert kept(page, lambda text: 1.0 if text == prose else -1.0) == [prose]


def test_code_and_formulas_go_with_their_neighbours() -> None:
    """Code is kept where the text before or behind it is, not where neither is."""
    page = "<p>kept</p><pre>code</pre><p>left out</p><p>left out too</p><pre>lost</pre>"
    assert kept(page, lambda text: 1.0 if text == "kept" else -1.0) == ["kept", "code"]


def test_a_heading_goes_with_what_follows() -> None:
    """A heading near the bound follows the next block; headings in a row agree; one that is sure stays as it is."""
    page = "<h2>a</h2><h3>b</h3><p>kept</p><h2>c</h2><p>left out</p><h2>sure</h2><p>left out</p><h2>last</h2>"
    scores = {"a": -0.4, "b": -0.4, "kept": 1.0, "c": 0.4, "sure": 0.6, "last": 0.1}
    assert kept(page, lambda text: scores.get(text, -1.0)) == ["a", "b", "kept", "sure", "last"]
    assert kept("<h2>never</h2><p>kept</p>", lambda text: 1.0 if text == "kept" else -0.6) == ["kept"]


def test_all_is_all_but_what_is_not_wanted() -> None:
    """``whole`` keeps blocks of any score; tables and code go where they are not wanted."""
    page = "<p>a</p><pre>b</pre><table><tr><th>c<th>d<tr><td>e<td>f</table>"
    assert kept(page, lambda text: -9.0, whole=True) == ["a", "b", "c", "d", "e", "f"]
    assert kept(page, lambda text: -9.0, whole=True, code=False) == ["a", "c", "d", "e", "f"]
    assert kept(page, lambda text: 9.0, tables=False) == ["a", "b"]

"""Pages made to break the kernels: time, memory and bounds.

As plain Python each index beyond an array is an error; compiled, it is with ``NUMBA_BOUNDSCHECK=1``.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.html_metadata import FIELD_BYTES, FIELDS, write_field
from stages.kernels.html_tables import tables
from stages.kernels.html_tree import MAX_NODES, parse, tree_for
from tests.stages.hostile_html import damaged, pages, real_pages
from tests.stages.kernels.html_rendering import visible

SHAPES = """
<div> </div> </p> <p> <b> <a <a$href=x> < & &# &#x &notanentit &CounterClockwiseContourIntegra <!-- <!-- --> <! </
<? <![CDATA[ <p$a=' <p$a="x" <p$a= <p$/ <p$a$b$c <table> <table><tr><td>x <tr><td>x <td>x <tr>x<td>y <ul><li>x
<li>x <dl><dd>x <ol$start=9><li>x <br> <br>x <hr> <pre> <pre>x <svg> <svg/> <select><option>x <button>x
<template><p> <title> <title></title> <textarea> <script> <script></script> <style> <noscript> <iframe></iframe>x
<math> <math/> <math><mroot><mi>α</mi> <mroot>⟺<mi>α</mi><mi>x</mi></mroot> <mover>x<mo>^</mo> <mfenced$open=[>x
<mtable><mtr><mtd>x <msup>x <annotation$encoding=tex>x <img$class=math$alt=x> <mi>⟺</mi> <span$class=linenos>1
<td$class=blob-code>x <p$class=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-nav-bar> <p$style=display:;;;;;;;;;; x \0 \u00ad
中 <meta$name=author$content=x> <time$datetime=1>x <h1>x <h1>x</h2> <table><caption>x <span>x</span> <x> <y></z>
<form><input> <a$href=x><div>x <ruby>x<rt>y <mtext><p>x <script$type=math/tex>x</script>
<script$type=text/template> <p$role=a/b/c/d/e/f/g/h>
"""


def shapes() -> list[str]:
    """What the tests repeat, in an opening that lets it bite (a table, a formula) and in none."""
    return [shape.replace("$", " ").replace("\\0", "\0") for shape in SHAPES.split()]


OPENINGS = ("", "<math>", "<table><tr><th>a<th>b<tr><td>c<td>d<tr>", "<pre>", "<div class=code>", "<ol><li>a<ol>")


@pytest.mark.parametrize("opening", OPENINGS)
def test_repeated_markup_is_read_within_bounds(opening: str) -> None:
    """Any piece of markup repeated 60 times gives UTF-8 in the room that is asked for, whatever it stands in."""
    for shape in shapes():
        visible(opening + shape * 60).encode("utf-8")


@pytest.mark.compiled
@pytest.mark.parametrize("opening", OPENINGS[:3])
def test_time_is_linear(opening: str) -> None:
    """Eight times the markup takes about eight times as long (of this thread); were it quadratic, it would take 64."""
    for shape in shapes():
        few = 50_000 // len(shape)
        short, long = (min(_seconds(opening + shape * count) for _ in range(2)) for count in (few, 8 * few))
        assert long < 25 * short + 0.05, (shape, short, long)


def _seconds(page: str) -> float:
    data = page.encode()
    started = time.thread_time()
    visible(data)
    return time.thread_time() - started


@pytest.mark.compiled
@pytest.mark.parametrize(
    "shape", ["<div>", "<math/>", "<p>x", "<br>", "<hr>", "<select>", "<iframe></iframe>", "<!>x", "<svg/>", "</p>"]
)
def test_more_markup_than_there_is_room_for(shape: str) -> None:
    """Where elements, runs or breaks are more than there is room for, the text before and what can be kept is there."""
    assert visible("start" + shape * (8 * MAX_NODES) + "</select>end").startswith("start")


@pytest.mark.compiled
def test_text_behind_the_last_element_is_read() -> None:
    """Behind the last element that there is room for, tags mean nothing and text goes on."""
    page = "<p>first" + "<b></b>" * MAX_NODES + "</p><div>x</div></p><svg>lost</svg><select>lost</select> last"
    assert visible(page) == "firstx last"


@pytest.mark.compiled
def test_a_million_elements_in_one_another() -> None:
    """Nothing recurses: the text in the innermost of a million elements is found."""
    assert visible("<div>" * 1_000_000 + "x" + "</div>" * 1_000_000 + "y") == "xy"


@pytest.mark.compiled
def test_a_long_line() -> None:
    """One line of 50 MB comes through as it is."""
    line = "0123456789" * 5_000_000
    assert visible(f"<p>{line}</p>") == line


@given(page=pages(), seed=st.integers(0, 2**32))
def test_fields_stay_in_their_room(page: bytes, seed: int) -> None:
    """Each field takes at most its bytes and is UTF-8, whatever the page says of itself."""
    page = page.decode("utf-8", "replace").encode()
    tree = tree_for(len(page))
    data = np.frombuffer(page, np.uint8)
    parse(data, tree, tables())
    out = np.full(FIELD_BYTES, seed % 256, np.uint8)
    for field in range(FIELDS):
        end = write_field(data, tree, field, tables(), out, 0)
        out[:end].tobytes().decode()


@pytest.mark.data
@pytest.mark.compiled
def test_damaged_pages(real_data: Path) -> None:
    """Real pages that are cut anywhere or have bits turned over give UTF-8."""
    draw = random.Random(3)
    for page in list(real_pages(real_data).values())[::25]:
        for broken in damaged(page, draw):
            visible(broken).encode("utf-8")

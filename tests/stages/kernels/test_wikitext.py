"""Wikitext as plain text against its twin."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels import wikitext as kernel
from stages.kernels.arrow_text import text_array, text_view
from stages.kernels.wikitext_names import DEFAULT_SECTIONS, names
from tests.reference.wikitext import plain_text
from tests.stages.hostile import TEXT, arrays, long_bytes

_WORDS = [
    "{{ }} {{{ }}} [[ ]] [ ] | || {| |} |- |+ ! !! -{ }- ; : :: * # ** = == === ---- ' '' ''' '''' ''''''",
    "__TOC__ __ <ref> <ref/> </ref> <nowiki> </nowiki> <math> </math> <pre> </pre> <br> <p> <b> </b>",
    "<gallery> </gallery> <!-- --> < > / ( ) （ ） & &amp; &nbsp; &#65; &#xD800; &bad; http:// [http://a",
    "[//b lang| lang|fr| lang-de| convert|1|km nowrap| nowrap|1= {{!}} {{snd}} {{- File: Category: fr:",
    "zh-hans: H| A| References == =References= a b 1 , . x中",
]
PIECES = [*" ".join(_WORDS).split(), "\n", "\n", "\n", " ", "  ", "\t"]
WIKITEXT = st.lists(st.sampled_from(PIECES) | TEXT, max_size=40).map("".join)


def made(array: pa.Array, tables: bool) -> list[tuple[str, list[int]]]:
    """Text and counts of each row."""
    found = kernel.plain_text(text_view(array), tables, names(DEFAULT_SECTIONS, ()))
    return list(zip(text_array(*found.view).to_pylist(), found.counts.tolist(), strict=True))


@given(array=arrays(WIKITEXT), tables=st.booleans())
def test_text_and_counts_are_those_of_the_twin(array: pa.Array, tables: bool) -> None:
    """Text, bytes cut by reason, links and references equal the twin's, on slices and hostile text."""
    assert made(array, tables) == [plain_text(text, tables, DEFAULT_SECTIONS) for text in array.to_pylist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{Infobox\n| name = [[A]]\n| x = {{y|{{z}}}}\n}}\n'''A''' is ''b''.", "A is b."),
        ("A ({{IPA|x}}), b ({{lang-de|Wort}}; {{IPA|y}}) c ({{IPA|z}}; d)", "A, b (Wort) c (d)"),
        ("a<ref name=x>{{cite|b=[[c]]}}</ref> b <ref name=x />.", "a b."),
        ("[[Target]] [[target|label]]s [[:Category:X|cat]] [[:fr:Y]] [[a|b|c]] [[a|]]", "Target labels cat fr:Y b|c a"),
        ("[[File:x.jpg|thumb|a [[b]] {{c}}]]d [[Category:x]] [[de:E]] [[ Datei : y ]]", "d"),
        ("[http://a.org some ''label''] [https://b.org] //c http://d.org", "some label //c http://d.org"),
        ("== A ==\n=== B ===\ntext\n== C == <!-- c -->\nmore", "A\n\nB\ntext\n\nC\nmore"),
        ("text\n== Gallery ==\n<gallery>\nx\n</gallery>\n== D ==\n=== E ===\n", "text"),
        ("a\n== References ==\nb\n=== c ===\nd\n== E ==\nf\n== see also ==\ng", "a\n\nE\nf"),
        ("* a\n** b\n# c\n# d\n#* e\n# f\n\n# g\n* {{x}}\n: h", "- a\n  - b\n1. c\n2. d\n  - e\n3. f\n\n1. g\nh"),
        ("a\n{| class=x\n|+ cap\n! h !! i\n|-\n| style=y | b || {{c}}\n|}\nd", "a\nd"),
        ("<math display=inline> x^2 < {y} </math> <nowiki>[[a]]</nowiki>", "$x^2 < {y}$ [[a]]"),
        ("<syntaxhighlight lang=c>\nif (a) {{\n\n  b[[1]];\n}}\n</syntaxhighlight>", "if (a) {{\n\n  b[[1]];\n}}"),
        ("a&nbsp;b &ndash; &amp;lt; &#x41; &#0; &bogus; {{snd}}", "a b – &lt; A \ufffd &bogus;  –"),
        ("{{convert|12|km|mi}} {{lang|fr|mot}} {{nowrap|1=a=b}} {{frac|1|2}} {{circa|1900}}", "12 km mot a=b 1/2 1900"),
        ("-{zh-hans:简体;zh-hant:繁體}-和-{A|字}--{H|zh:a}-", "简体和字"),
        ("__NOTOC__a__b __TOC____NOEDITSECTION__", "a__b"),
        ("a {{unclosed [[b]] ]] }} }} c <foo> <b>d</b> 1<2", "a }} c <foo> d 1<2"),
        ("a {{unclosed [[b|c]] ]]\nd", "a {{unclosed c ]]\nd"),
        ("{|\n| {{a\n|}} b\n|}\nc", "c"),
        ("| stray\n|}\nc", "c"),
        ("a<!-- b -->c<br/>d<p>e</p><!-- f", "ac\nd\ne"),
        ("----\na\n\n\n\nb\n", "a\n\nb"),
        ("L'''a''''s ''b'''''c'''''''", "La's bc''"),
    ],
)
def test_by_example(text: str, expected: str) -> None:
    """What becomes of each kind of markup."""
    assert made(pa.array([text]), False)[0][0] == expected
    assert plain_text(text, False, DEFAULT_SECTIONS)[0] == expected


def test_tables_as_text() -> None:
    """A row is a line, the caption is one too; attributes go, nested tables stay in their cell's line."""
    head = "a\n{| class=x\n|+ cap\n! h !! scope=col | [[i|j]]\n|- style=z\n"
    body = "| style=y | b || {{c}}\n| d\ne\n|-\n| {|\n| f\n|}\n|}\ng"
    assert made(pa.array([head + body]), True)[0][0] == "a\n\ncap\nh | j\nb | | d e\nf\n\ng"


def test_cut_sections_and_prefixes_are_settings() -> None:
    """Other headings and prefixes of links than the built-in ones; none at all."""
    view = text_view(pa.array(["a [[Portal:B|b]]\n== References ==\nc\n==  WEG_damit  ==\nd"]))
    kept = kernel.plain_text(view, False, names((), ()))
    other = kernel.plain_text(view, False, names(("Weg damit",), ("portal",)))
    assert text_array(*kept.view).to_pylist() == ["a b\n\nReferences\nc\n\nWEG_damit\nd"]
    assert text_array(*other.view).to_pylist() == ["a\n\nReferences\nc"]


@pytest.mark.compiled
@pytest.mark.parametrize(
    "unit", ["{", "{{", "[[a|", "<ref>", "<b ", "<!--", "-{-{a|", "\n{|\n|a||b", "\n=", "(", "&#1"]
)
def test_long_rows_of_openers(unit: str) -> None:
    """Millions of things that open and never close take time in proportion to their bytes, and neighbours are well."""
    rows = ["'''a'''", unit * (4_000_000 // len(unit)), "[[b]]"]
    found = made(pa.array(rows, pa.large_string()), True)
    assert (found[0][0], found[2][0]) == ("a", "b")


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("opening", "closing"), [("{{", "}}"), ("[[a|", "]]"), ("{{nowrap|", "}}"), ("\n{|\n|a", "\n|}")]
)
def test_deep_nesting(opening: str, closing: str) -> None:
    """A hundred thousand levels are as easy as one."""
    row = opening * 100_000 + "x" + closing * 100_000
    found = made(pa.array([row]), False)[0][0]
    assert found == ("x" if opening[-1] == "|" else "")


def test_a_long_row() -> None:
    """A row of 50 MB comes out as many times its piece."""
    count = long_bytes() // 20
    assert (
        made(pa.array(["'''abcd''' [[e|fg]] "[:20] * count], pa.large_string()), False)[0][0]
        == ("abcd fg " * count).rstrip()
    )

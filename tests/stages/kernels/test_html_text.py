"""The text of pages against its twin, a recursion over objects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from stages.kernels.html_names import NEVER
from tests.reference import html_text as twin
from tests.reference.html_tree import kind_of
from tests.stages.hostile_html import pages, real_pages
from tests.stages.kernels.html_rendering import visible


@settings(max_examples=300)
@given(page=pages())
def test_the_text_is_that_of_the_twin(page: bytes) -> None:
    """Blocks, their order, marks, white space, references and formulas equal the twin's."""
    assert visible(page) == twin.visible(page)


CODE = {
    "pre": "<pre>\ndef f(x):\n\n    return x  \n</pre>",
    "pre and code": "<pre><code class=language-py>def f(x):\n\n    return x\n</code></pre>",
    "line breaks": "<pre>def f(x):<br><br/>    return x</pre>",
    "carriage returns": "<pre>def f(x):\r\n\r\n    return x\r\n</pre>",
    "highlight.js": (
        '<pre><code class="hljs python"><span class="hljs-function"><span class="hljs-keyword">def</span> <span '
        'class="hljs-title">f</span>(<span class="hljs-params">x</span>):</span>\n\n    <span '
        'class="hljs-keyword">return</span> x\n</code></pre>'
    ),
    "Prism": (
        '<pre class="line-numbers language-python"><code class="language-python"><span class="token keyword">def</span>'
        ' f<span class="token punctuation">(</span>x<span class="token punctuation">)</span>:\n\n    <span '
        'class="token keyword">return</span> x<span aria-hidden="true" class="line-numbers-rows"><span></span></span>'
        "</code></pre>"
    ),
    "Pygments": (
        '<div class="highlight"><table class="highlighttable"><tr><td class="linenos"><div class="linenodiv"><pre>1\n2'
        '\n3</pre></div></td><td class="code"><div class="highlight"><pre><span></span><span class="k">def</span> f(x):'
        '\n\n<span class="w">    </span><span class="k">return</span> x\n</pre></div></td></tr></table></div>'
    ),
    "numbers in the lines": (
        '<pre class="chroma"><span class="lineno"> 1 </span>def f(x):\n<span class="lineno"> 2 </span>\n<span '
        'class="lineno"> 3 </span>    return x</pre>'
    ),
    "Rouge": (
        '<div class="language-python highlighter-rouge"><pre class="highlight"><code><table class="rouge-table"><tbody>'
        '<tr><td class="gutter gl"><pre class="lineno">1\n2\n3\n</pre></td><td class="code"><pre>def f(x):\n\n    '
        "return x\n</pre></td></tr></tbody></table></code></pre></div>"
    ),
    "GitHub": (
        '<table class="highlight tab-size js-file-line-container"><tr><td id="L1" class="blob-num js-line-number" '
        'data-line-number="1"></td><td class="blob-code blob-code-inner"><span class="pl-k">def</span> f(x):</td></tr>'
        '<tr><td class="blob-num">2</td><td class="blob-code">\n</td></tr>\n<tr><td class="blob-num">3</td><td '
        'class="blob-code blob-code-inner">    <span class="pl-k">return</span> x</td></tr></table>'
    ),
    "an element for each line": (
        '<pre><div class="line">def f(x):</div><div class="line"><span>    </span>return x</div></pre>'
    ),
    "items": "<pre><ol class=linenums><li class=L0>def f(x):</li><li class=L1>    return x</li></ol></pre>",
    "style": '<div style="white-space: pre;">def f(x):\n\n    return x</div>',
}


@pytest.mark.parametrize("name", CODE)
def test_code_keeps_its_lines(name: str) -> None:
    """Line breaks and indentation of code stay and numbers of lines go, whatever highlights it.

    An empty line that is an element of its own without text is lost.
    """
    lines = visible(f"<p>Code:</p>{CODE[name]}<p>That is it.</p>").split("\n")
    assert [line for line in lines if line] == ["Code:", "def f(x):", "    return x", "That is it."]
    assert ("\n\n    return" in "\n".join(lines)) == (name not in ("GitHub", "an element for each line", "items"))


def test_numbers_that_are_no_numbers_of_lines_stay() -> None:
    """A column named for lines that has more than digits, or has nothing to do with code, is text."""
    assert visible("<table><tr><td class=line-number>12</td><td>Town Hall</td></tr></table>") == "12\n\nTown Hall"
    assert visible("<pre><span class=lineno>12a</span> x</pre>") == "12a x"
    assert visible("<pre class=line-numbers>12</pre>") == "12"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<ul><li>a<li><p>b</p><p>c</p></ul>", "- a\n- b\n  c"),
        ("<ul><li>a<ul><li>b<ul><li>c</ul></ul>d</ul>", "- a\n  - b\n    - c\n  d"),
        ("<ol start=9><li>a<li>b<ul><li>c</ul><li>d</ol>", "9. a\n10. b\n  - c\n11. d"),
        ("<ol start=x><li>a</ol><ol start=-3><li>b</ol><ol start=0><li>c</ol>", "1. a\n\n1. b\n\n0. c"),
        ("<ol><li><!-- empty --></li><li>&shy;</li><li>a</li></ol>", "3. a"),
        ("<ul><li><i>&shy;</i><p>a</p></ul>", "- a"),
        ("<dl><dt>Term<dd>One<dd>Two</dl>", "Term\nOne\nTwo"),
        ("<ul><li>a<dl><dt>b<dd>c</dl></ul>", "- a\n  b\n  c"),
        ("<ul><li>a</ul><p>b</p><ul><li>c</ul>", "- a\n\nb\n\n- c"),
        ("<ul><li><pre>x\n y</pre></ul>", "x\n y"),
    ],
)
def test_lists(html: str, text: str) -> None:
    """Items have marks, numbers go on from ``start``, and lists in lists stand two spaces deeper."""
    assert visible(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<table><tr><th>a<th>b<tr><td>1<td>2</table>", "a | b\n1 | 2"),
        ("<table><caption>Title</caption><tr><td>a<td>b<tr><td>1<td>2</table>", "Title\na | b\n1 | 2"),
        ("<table><tr><th><th>b<th>c<tr><td>1<td><td>3</table>", "| b | c\n1 |  | 3"),
        ("<table><tr><th>a<br>b<th><p>c</p><p>d</p><tr><td>1<td>2</table>", "a b | c d\n1 | 2"),
        ("<table><thead><tr><th>a<th>b<tbody><tr><td>1<td>2<tfoot><tr><td>3<td>4</table>", "a | b\n1 | 2\n3 | 4"),
        ("<table><tr><td>a<td>b</table>", "a\n\nb"),
        ("<table><tr><td><table><tr><th>a<th>b<tr><td>1<td>2</table><td>x<tr><td>y</table>", "a | b\n1 | 2\n\nx\n\ny"),
        ("<table><tr><td>a<tr><td>b<tr><td>c<tr><td>d</table>", "a\n\nb\n\nc\n\nd"),
        ("<table><tr><th>a<th>b<tr>x<td>1<td>2</table>", "a | b\nx | 1 | 2"),
        ("<table><tr><th>a<th>b<tr><td><ul><li>1<li>2</ul><td>3</table>", "a | b\n1 2 | 3"),
        ("<td>no<td>table", "no\n\ntable"),
    ],
)
def test_tables(html: str, text: str) -> None:
    """Rows of data are lines, cells are parted by bars; a table that lays out a page is paragraphs."""
    assert visible(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<h1>A</h1><h2>B</h2>c<h3>D</h3>", "A\n\nB\n\nc\n\nD"),
        ("a<br>b<br/>c</br>d", "a\nb\nc\nd"),
        ("a<br><br>b<br>&nbsp;<br>c", "a\n\nb\n\nc"),
        ("<blockquote>a<p>b</blockquote>c", "a\n\nb\n\nc"),
        ("a<hr>b", "a\n\nb"),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp>字<rt>ji</ruby>。", "漢字。"),
        ("co&shy;op\u00aderate&nbsp;\u00a0now\ufeff &#xfeff;&zwnj;x", "cooperate now \u200cx"),
        ("a\u0001b\u007f\u0085c&#1;d&#x85;", "abcd…"),
        ("a\r\nb\t c\f\vd", "a b c d"),
        ("<b>a</b><i>b</i> <span> c</span>", "ab c"),
        ("<p>a<p>b</p></p>c", "a\n\nb\n\nc"),
        ("x<wbr>y<img src=a alt=picture>z", "xyz"),
        ("a < b && c <3 &lt;p&gt; &amp;amp; &unknown; &copy2", "a < b && c <3 <p> &amp; &unknown; ©2"),
        ("<title>T</title><style>p{}</style><script>x<p>y</script>text", "text"),
        ("<p>中文<b>混排</b>text</p>", "中文混排text"),
        ("<p>שלום</p><p>مرحبا</p>", "שלום\n\nمرحبا"),
    ],
)
def test_running_text(html: str, text: str) -> None:
    """Blocks part text and inline elements do not; white space is folded, references resolved, invisible signs gone."""
    assert visible(html) == text


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>x</p>",
        "<span hidden>x</span>",
        "<div style='Display : none'><p>x</p></div>",
        "<span style='color:red;visibility:hidden'>x</span>",
        "<div aria-hidden=true>x</div>",
        "<i aria-hidden='true'>x</i>",
        "<div role=dialog>x</div>",
        "<template><p>x</p></template>",
        "<noscript><p>x</p></noscript>",
        "<select><option>x<option>x</select>",
        "<button><div>x</div></button>",
        "<button>x<p>x</button>",
        "<svg><text>x</text><a>x</a><foreignObject><p>x</p></foreignObject></svg>",
        "<iframe><p>x</p></iframe>",
        "<textarea><p>x</p></textarea>",
        "<object><p>x</p></object>",
        "<video>x<p>x</p></video>",
        "<!-- x --><!x><?x?></ x>",
    ],
)
def test_what_is_hidden_is_left_out(hidden: str) -> None:
    """Text that the markup hides, or that is no text of the page, is not there, and what is around it is."""
    assert visible(f"<p>a</p>{hidden}<p>b</p>") == "a\n\nb"
    assert "x" not in visible(f"<div><p>a <a href=/>{hidden}</a> b</div>")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<div><button>x</div><p>a", "a"),
        ("<div><select><option>x</div><p>a", "a"),
        ("<div><svg><path d=x><p>a", "a"),
        ("<table><tr><td><select><option>x<td>a</table>", "a"),
        ("<textarea>a<p>b", "a\n\nb"),
        ("<title>a<p>b", "a\n\nb"),
        ("<p>a<math><mi>x<p>b", "a$x$\n\nb"),
        ("<p title='a>b'>c", "c"),
        ("a<!-- b", "a"),
        ('a<p title="b>c', "a"),
        ("a<script>b", "a"),
    ],
)
def test_what_is_left_open(html: str, text: str) -> None:
    """What is never text ends with the block around it; raw text without an end is text, and scripts never are."""
    assert visible(html) == text


@pytest.mark.data
@pytest.mark.compiled
def test_real_pages_are_written_as_by_the_twin(real_data: Path) -> None:
    """The text of real pages, large and small, equals the twin's."""
    by_size = sorted(real_pages(real_data).values(), key=len)
    for page in by_size[: len(by_size) // 2 : 100]:
        assert visible(page) == twin.visible(page)


@pytest.mark.data
@pytest.mark.compiled
def test_real_pages_have_the_text_that_another_parser_finds(real_data: Path) -> None:
    """But for white space, marks and digits, text is that of resiliparse's tree, a parser that follows the standard.

    Of html_gold's 1,005 pages in UTF-8, 999 agree. The others: formulas (1), ``<noscript>``, which a parser without
    scripts reads as markup (4), text in a ``<script>`` of Blogger (1).
    """
    html = pytest.importorskip("resiliparse.parse.html")
    for name, page in list(real_pages(real_data).items())[::30]:
        tree = html.HTMLTree.parse(page.decode())
        assert letters(visible(page)) == letters("".join(_texts(tree.document))), name


def letters(text: str) -> str:
    """Text without white space, invisible characters, marks of items and cells, and digits."""
    return re.sub("[\\s\0-\x1f\x7f-\x9f\xa0\xad\ufeff\\-|.\\d]+", "", text)


def _texts(document: Any) -> Iterator[str]:
    """The texts of a tree of resiliparse that are visible, in order."""
    todo = [document]
    while todo:
        node = todo.pop()
        kind = type(node).__name__
        if kind == "TextNode":
            yield node.text
        elif kind == "DocumentNode" or (kind == "ElementNode" and not _is_hidden(node)):
            todo.extend(reversed(node.child_nodes))


def _is_hidden(node: Any) -> bool:
    never = bool(kind_of(node.tag) & NEVER) and node.tag != "head"
    style = re.search(r"(^|;)\s*(display[\s:]*none|visibility[\s:]*hidden)", (node.getattr("style") or "").lower())
    marked = "hidden" in node.attrs or (node.getattr("aria-hidden") or "").lower().startswith("true")
    return never or style is not None or marked or node.getattr("role") in ("dialog", "alertdialog", "alert", "tooltip")

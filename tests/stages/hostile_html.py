"""HTML that breaks things: strategies for pages well-formed and broken, and the real pages."""

from __future__ import annotations

import random
import tarfile
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

import zstandard
from hypothesis import strategies as st

from tests.stages.hostile import CHARACTERS

BLOCKS = """div p section article h1 h2 h6 blockquote pre ul ol li dl dt dd figure form details address center html body
head"""
TABLES = "table caption thead tbody tfoot tr td th colgroup"
INLINE = (
    "a b i span font code em sup time ruby rt mjx-container mjx-math mjx-assistive-mml x-y long-unknown-element-name"
)
NEVER = "svg select option button template object video canvas map foreignobject"
RAW = "script style title textarea iframe noscript"
VOID = "br hr img meta input wbr link"
MATH = """math semantics annotation annotation-xml mrow mi mo mn mtext mfrac msqrt mroot msup msubsup munder mover
mtable mtr mtd mfenced"""
NAMES = " ".join((BLOCKS, BLOCKS, TABLES, TABLES, INLINE, INLINE, NEVER, RAW, VOID, MATH)).split()

ATTRIBUTES = """
class="nav-bar mainContent" class='blob-num' class=blob-code class="hljs-ln-line x" class=linenos
class="highlight code" class="katex-html" class="MathJax" class="katex-display" id=postBody id="sideBar2" class
class= CLASS="Entry_Content" hidden style="color:red; display : NONE" style='white-space:pre'
style="white-space: pre-wrap;visibility:hidden" style= aria-hidden=true aria-hidden="false" role="main
navigation" role=dialog itemprop="articleBody" itemprop=datePublished href="/a?b=1&amp;c" href=#x
href='javascript:void(0)' href alt="x^2" alt alt='{\\displaystyle a}' src="/latex.php?a" src=x type="math/tex"
type='math/tex; mode=display' type=text/template type=application/ld+json encoding="application/x-tex"
encoding=text/plain encoding=LaTeX display=block display="true" mode=display alttext="\\alpha" data-tex="y"
data-latex='' name=author name="DC.title" property='og:title' content="Some" content='' lang=de xml:lang=zh
datetime="2024-01-01" http-equiv=content-language start=3 start="x" open="[" close=] data-x='>' data-y="<p>" /
=x a=b/ "quoted" '
"""
TEXTS = (
    "a", " ", "\n", "x y", "12", " 7\n", "1 < 2", "&amp;", "&lt", "&#8364;", "&#x41;", "&nbsp;", "&shy;", "中文", "😀",
    "é\u0301", "$x_1$",
)  # fmt: skip
OTHER = (
    "<!-- c -->", "<!-->", "<!--->", "<!---->", "<!--a--!>b", "<!--x", "<!doctype html>", "<![CDATA[x<y]]>", "<?x ?>",
    "</>", "</ p>", "<", "</", "<!", "< p>", "<3", "<a", "</p", "<p a='", '<p a="x', "\0", "<b\0>", "<p/>", "<svg/>",
    "<mi/>", "</br>",
)  # fmt: skip


def start_tags(names: list[str]) -> st.SearchStrategy[str]:
    """Start tags with up to three attributes, in either case, some closing themselves."""
    tag = st.sampled_from(names) | st.sampled_from(names).map(str.upper)
    attributes = st.lists(st.sampled_from(_attributes()), max_size=3)
    end = st.sampled_from((">", ">", ">", ">", "/>", " >", " / >"))
    return st.builds(lambda name, values, behind: " ".join([f"<{name}", *values]) + behind, tag, attributes, end)


def _attributes() -> list[str]:
    """The attributes above; what stands in quotes may hold spaces."""
    found, rest = [], ATTRIBUTES.split()
    while rest:
        word = rest.pop(0)
        quote = next((q for q in "\"'" if q in word), None)
        while quote and len(word) > 1 and word.count(quote) % 2 and rest:
            word += " " + rest.pop(0)
        found.append(word)
    return found


def fragments(names: list[str]) -> st.SearchStrategy[str]:
    """A start tag, an end tag, text, or something odd."""
    return st.one_of(
        start_tags(names),
        st.sampled_from(names).map(lambda name: f"</{name}>"),
        st.sampled_from(TEXTS),
        st.text(st.sampled_from(CHARACTERS), max_size=6),
        st.sampled_from(OTHER),
    )


def elements(names: list[str]) -> st.SearchStrategy[str]:
    """Well-formed HTML, nested."""
    hostile = st.text(st.sampled_from(CHARACTERS), max_size=6)
    leaf = st.sampled_from(TEXTS) | hostile.map(lambda text: text.replace("<", "&lt;"))
    return st.recursive(
        leaf,
        lambda inner: st.builds(
            lambda tag, parts: f"{tag}{''.join(parts)}</{tag[1:].split()[0].rstrip('/>').lower()}>",
            start_tags(names),
            st.lists(inner, max_size=4),
        ),
        max_leaves=12,
    )


def pages(names: list[str] = NAMES) -> st.SearchStrategy[bytes]:
    """Pages as bytes: whole, and cut at any byte."""
    whole = st.lists(fragments(names) | elements(names), max_size=14).map(lambda parts: "".join(parts).encode())
    return whole | st.builds(lambda page, end: page[: len(page) * end // 100], whole, st.integers(0, 99))


@cache
def real_pages(data: Path) -> dict[str, bytes]:
    """File names and contents of the pages of html_gold that are UTF-8."""
    packed = (data / "html_gold" / "trafilatura_eval.tar.zst").read_bytes()
    content = zstandard.ZstdDecompressor().stream_reader(packed).read()
    pages = {}
    with tarfile.open(fileobj=BytesIO(content)) as archive:
        for member in archive:
            if member.name.endswith((".html", ".htm")):
                opened = archive.extractfile(member)
                page = opened.read() if opened else b""
                try:
                    page.decode()
                except UnicodeDecodeError:
                    continue
                pages[member.name] = page
    return dict(sorted(pages.items()))


def damaged(page: bytes, draw: random.Random) -> Iterator[bytes]:
    """A page cut at a random place, and with random bits turned over; what is then no UTF-8 is replaced."""
    yield page[: draw.randrange(len(page) + 1)].decode("utf-8", "replace").encode()
    bits = bytearray(page)
    for _ in range(draw.randrange(1, 200)):
        bits[draw.randrange(len(bits))] ^= 1 << draw.randrange(7)
    yield bytes(bits).decode("utf-8", "replace").encode()

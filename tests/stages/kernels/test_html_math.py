"""Formulas as LaTeX: MathML against its twin, and the ways in which pages carry TeX."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.kernels.html_math import write_formula
from stages.kernels.html_tables import tables
from stages.kernels.html_text import GROWTH, ROOM
from stages.kernels.html_tree import parse, tree_for
from tests.reference import html_math as twin
from tests.stages.hostile import CHARACTERS
from tests.stages.kernels.html_rendering import visible

ROWS = """mrow mstyle mpadded mphantom menclose semantics annotation mfrac msqrt mroot msup msub msubsup munder mover
munderover mtable mtr mtd mfenced mspace mmultiscripts none"""
SYMBOLS = "αβΓ∑∫±×≤→⟺⟨ℝ𝔼ℎ−{}%#&$_~^\\'′…\u2061\u200b\u00a0"
ACCENTS = "¯‾^ˆ~→˙.¨_⏟⏞\u0304x"


def _elements() -> st.SearchStrategy[ElementTree.Element]:
    texts = st.sampled_from(["x", "12", "sin", "ab", " lim ", "+", "(", "", " ", "x y", "\n"]) | st.text(
        st.sampled_from(SYMBOLS + ACCENTS) | st.sampled_from([c for c in CHARACTERS if c not in "\r\0"]), max_size=4
    )
    tokens = st.builds(_element, st.sampled_from(twin.TOKENS), texts, st.none(), st.none())
    accents = st.builds(_element, st.just("mo"), st.sampled_from(ACCENTS), st.none(), st.none())
    delimiters = st.none() | st.sampled_from(["[", "|", "", "⟨", "{"])
    return st.recursive(
        tokens | accents,
        lambda inner: st.builds(
            _element,
            st.sampled_from(ROWS.split()),
            st.sampled_from(["", "", " ", "\n", "t"]),
            delimiters,
            delimiters,
            st.lists(inner, max_size=4),
        ),
        max_leaves=16,
    )


def _element(
    tag: str, text: str, opener: str | None, closer: str | None, children: list[ElementTree.Element] | None = None
) -> ElementTree.Element:
    attributes = {"open": opener, "close": closer} if tag == "mfenced" else {}
    element = ElementTree.Element(tag, {name: value for name, value in attributes.items() if value is not None})
    element.text = text
    element.extend(children or [])
    return element


def _math(*children: ElementTree.Element) -> ElementTree.Element:
    return _element("math", "", None, None, [child for child in children if child.tag != "math"])


def written(page: str) -> str:
    """The formula that the first element of a page is, in exactly the room that the kernel asks for."""
    data = np.frombuffer(page.encode(), np.uint8)
    tree = tree_for(len(data))
    parse(data, tree, tables())
    out = np.full(GROWTH * len(data) + ROOM, 32, np.uint8)
    end = write_formula(data, tree, 1, tables(), out, 0, np.zeros((64, 2), np.int64))
    return out[:end].tobytes().decode()


@settings(max_examples=300)
@given(math=st.lists(_elements(), max_size=3))
def test_mathml_is_translated_as_by_the_twin(math: list[ElementTree.Element]) -> None:
    """The LaTeX of any tree of elements equals the twin's, also of those that lack children or have too many."""
    element = _math(*math)
    page = ElementTree.tostring(element, encoding="unicode", short_empty_elements=False)
    assert written(page) == twin.formula(twin.latex(element), display=False)


@pytest.mark.parametrize(
    ("mathml", "tex"),
    [
        ("<mfrac><mn>1</mn><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow></mfrac>", r"\frac{1}{a+b}"),
        ("<msqrt><mi>x</mi><mo>+</mo><mn>1</mn></msqrt>", r"\sqrt{x+1}"),
        ("<mroot><mi>x</mi><mn>3</mn></mroot>", r"\sqrt[3]{x}"),
        ("<mroot><mroot><mi>x</mi><mi>n</mi></mroot><mi>m</mi></mroot>", r"\sqrt[m]{\sqrt[n]{x}}"),
        ("<msup><mi>x</mi><mn>2</mn></msup><mo>+</mo><msub><mi>y</mi><mi>i</mi></msub>", "x^{2}+y_{i}"),
        ("<msup><mrow><mo>(</mo><mi>x</mi><mo>)</mo></mrow><mn>2</mn></msup>", "{(x)}^{2}"),
        ("<msubsup><mo>∫</mo><mn>0</mn><mi>∞</mi></msubsup><mi>f</mi>", r"\int_{0}^{\infty}f"),
        ("<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover>", r"\sum_{i=1}^{n}"),
        ("<munder><mi>lim</mi><mrow><mi>x</mi><mo>→</mo><mn>0</mn></mrow></munder>", r"\lim_{x\rightarrow 0}"),
        ("<mover><mi>x</mi><mo>¯</mo></mover><mover><mi>v</mi><mo>→</mo></mover>", r"\overline{x}\vec{v}"),
        ("<munder><mi>x</mi><mo>_</mo></munder>", r"\underline{x}"),
        ("<mi>sin</mi><mo>&#x2061;</mo><mi>θ</mi><mo>≤</mo><mn>1</mn>", r"\sin \theta \leq 1"),
        ("<mi>rank</mi><mi>A</mi>", r"\mathrm{rank}A"),
        ("<mi>x</mi><mtext> if&nbsp;50% {of} </mtext><mi>ℝ</mi>", r"x\text{ if 50\% \{of\} }\mathbb{R}"),
        ("<mfenced><mi>a</mi><mi>b</mi></mfenced>", "(a,b)"),
        ('<mfenced open="[" close="&rang;"><mi>α</mi></mfenced>', r"[\alpha \rangle"),
        ("<mfenced open=\"\" close='|'><mi>x</mi></mfenced>", "x|"),
        (
            "<mo>(</mo><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mi>α</mi></mtd></mtr>\n<mtr><mtd/><mtd><mn>4</mn></mtd>"
            "</mtr></mtable><mo>)</mo>",
            r"(\begin{matrix}1 & \alpha \\ & 4\end{matrix})",
        ),
        ("<mn>1</mn><mphantom><mn>2</mn></mphantom><mspace width=1em /><mn>3</mn>", "1 3"),
        ("<mrow><mi>x</mi><annotation encoding=text/plain>not tex</annotation></mrow>", "x"),
        ("<mo>&lt;</mo><mo>&InvisibleTimes;</mo><mi>&alpha;</mi><mo>&#8722;</mo><mi>β</mi>", r"<\alpha -\beta"),
        ("", ""),
    ],
)
def test_presentation_mathml(mathml: str, tex: str) -> None:
    """Fractions, roots, scripts, limits, accents, functions, text, fences, tables and characters become LaTeX."""
    assert written(f"<math>{mathml}</math>") == (f"${tex}$" if tex else "")


KATEX = (
    '<span class="katex"><span class="katex-mathml"><math><semantics><mrow><mi>x</mi></mrow><annotation '
    'encoding="application/x-tex">x^2 &lt; y</annotation></semantics></math></span><span class="katex-html" '
    'aria-hidden="true"><span class="base"><span class="mord mathnormal">x</span><span>2</span></span></span></span>'
)
WIKIPEDIA = (
    '<span class="mwe-math-element"><span class="mwe-math-mathml-inline mwe-math-mathml-a11y" style="display: none;">'
    '<math alttext="{\\displaystyle E=mc^{2}}"><semantics><mrow><mi>E</mi></mrow><annotation '
    'encoding="application/x-tex">{\\displaystyle E=mc^{2}}</annotation></semantics></math></span><img '
    'src="https://w/svg/1" class="mwe-math-fallback-image-inline" aria-hidden="true" '
    'alt="{\\displaystyle E=mc^{2}}"></span>'
)
MATHJAX_2 = (
    '<span class="MathJax_Preview">x</span><span class="MathJax" id="MathJax-Element-1-Frame"><nobr>glyphs</nobr><span '
    'class="MJX_Assistive_MathML"><math><mi>x</mi></math></span></span><script type="math/tex" id="e">x<y & z</script>'
)
MATHJAX_3 = (
    '<mjx-container class="MathJax CtxtMenu_Attached_0" jax="CHTML" display="true"><mjx-math class="MJX-TEX" '
    'aria-hidden="true"><mjx-mi>glyph</mjx-mi></mjx-math><mjx-assistive-mml unselectable="on" display="block"><math '
    'display="block"><msup><mi>x</mi><mn>2</mn></msup></math></mjx-assistive-mml></mjx-container>'
)
LATEXML = (
    '<math alttext="\\alpha" class="ltx_Math" display="inline"><semantics><mi>α</mi><annotation-xml '
    'encoding="MathML-Content"><ci>𝛼</ci></annotation-xml><annotation '
    'encoding="application/x-tex">\\alpha</annotation></semantics></math>'
)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (KATEX, "$x^2 < y$"),
        (f'<span class="katex-display">{KATEX}</span>', "$$x^2 < y$$"),
        (WIKIPEDIA, "$E=mc^{2}$"),
        (MATHJAX_2, "$x<y & z$"),
        (MATHJAX_3, "$$x^{2}$$"),
        (LATEXML, r"$\alpha$"),
        ('<script type="math/tex; mode=display">% <![CDATA[\n\\frac{1}{2} %]]></script>', r"$$\frac{1}{2}$$"),
        ('<math display="block" alttext="a &amp; b"><mi>a</mi></math>', "$$a & b$$"),
        ("<math><mi>y</mi></math>", "$y$"),
        ('<img class="latex" alt="\\sum_{i}" src=x>', r"$\sum_{i}$"),
        ('<img src="/latex.php?latex=x" alt="x^2">', "$x^2$"),
        ('<img class="photo" src="/p.jpg" alt="A dog">', ""),
        ('<span class="ztext-math" data-eeimg="1" data-tex="\\pi r^2"><span>rendered</span></span>', r"$\pi r^2$"),
        ('<img alt="$$x$$" class="tex">', "$$x$$"),
        ('<img alt="\\(x\\)" class="tex">', "$x$"),
        ("<annotation encoding='TeX'>x_1</annotation>", "$x_1$"),
        ("so $x_1 &lt; 2$ and \\(a+b\\), \\[c\n = d\\] hold", "so $x_1 < 2$ and \\(a+b\\), \\[c = d\\] hold"),
    ],
)
def test_sources_of_tex(html: str, text: str) -> None:
    """Each way to carry TeX gives the formula once, between the words of the page; other pictures give none."""
    assert visible(f"<p>a {html} b</p>") == (f"a {text} b" if text else "a b")

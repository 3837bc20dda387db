r"""Slow, obvious twin of ``stages.kernels.html_math``: MathML to LaTeX by recursion over ``xml.etree`` elements.

Every function takes what has been written so far and returns it with its part behind it, because what comes next may
take back one space: ``\alpha `` is followed by ``^`` as ``\alpha^``.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from stages.kernels import html_math as kernel

SCRIPTS = ("msup", "msub", "msubsup", "munder", "mover", "munderover")
TOKENS = ("mi", "mn", "mo", "mtext")
SKIPPED = ("annotation", "annotation-xml", "mphantom")
RUN_END = "\x1e"
"""Stands in text where other markup (a comment, a stray end tag) cut it in two."""
LEFT_OUT = {chr(code) for code in (0x2061, 0x2062, 0x2063, 0x2064, 0x200B, 0xA0)}


def _pairs(words: str) -> dict[str, str]:
    parts = words.split()
    return dict(zip(parts[::2], parts[1::2], strict=True))


COMMANDS = {c: f"\\{name} " for c, name in _pairs(kernel._COMMANDS).items()} | _pairs(kernel._SPELLINGS)
OVER, UNDER = _pairs(kernel._OVER), _pairs(kernel._UNDER)
FUNCTIONS = kernel._FUNCTIONS.split()


def latex(math: Element) -> str:
    """LaTeX of a ``<math>`` without source, without its dollars."""
    return _inside(math, "").strip(" ")


def formula(source: str, display: bool) -> str:
    """TeX source with dollars around it, empty if nothing is left of it."""
    for _ in range(4):
        source = source.strip(" ")
        if source.startswith("% <![CDATA["):
            source = source.removeprefix("% <![CDATA[").removesuffix("%]]>")
        elif source.startswith("{\\displaystyle ") and _is_group(source):
            source = source[len("{\\displaystyle ") : -1]
        elif re.fullmatch(r"\$\$.*\$\$", source, re.DOTALL):
            source, display = source[2:-2], True
        elif re.fullmatch(r"\$.*\$", source, re.DOTALL):
            source = source[1:-1]
        elif re.fullmatch(r"\\\(.*\\\)|\\\[.*\\\]", source, re.DOTALL):
            display = display or source.startswith("\\[")
            source = source[2:-2]
        else:
            break
    dollars = "$$" if display else "$"
    return dollars + source + dollars if source else ""


def _is_group(source: str) -> bool:
    """Whether the brace at the beginning is closed by the last character."""
    depth = 0
    for place, character in enumerate(source):
        if place == 0 or source[place - 1] != "\\":
            depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return place == len(source) - 1
    return False


def folded(text: str) -> str:
    """Text with white space and controls as single spaces."""
    return re.sub("[\0-\x20]+", " ", text)


def _tight(out: str) -> str:
    return out.removesuffix(" ")


def _inside(element: Element, out: str) -> str:
    """The content of an element. Text between children belongs to the element, too."""
    out = _token(element.text or "", element.tag, out)
    accented = _accent(element) is not None and element.tag != "math"
    for number, child in enumerate(element):
        if child.tag not in SKIPPED and not (accented and number > 0):
            out = _child(child, number, element.tag, out)
        out = _token(child.tail or "", element.tag, out)
    return out


def _child(element: Element, number: int, above: str, out: str) -> str:
    """An element with what its place in the element above asks for."""
    if above == "mroot" and number == 1:
        out = out.rstrip(" ")
    before, closing = _frame(element, number, above)
    if before:
        out = (out if before == "{" and above != "mfrac" else _tight(out)) + before
    if element.tag == "mroot":
        out = out.rstrip(" ")
    out = _own(element, out)
    return _tight(out) + closing if closing else out


def _frame(element: Element, number: int, above: str) -> tuple[str, str]:
    """What stands before and behind a child."""
    if above == "mfrac":
        return "{", "}"
    if above in SCRIPTS:
        if number > 0:
            return "^{" if above in ("msup", "mover") or number == 2 else "_{", "}"
        return ("", "") if element.tag in TOKENS else ("{", "}")
    if above == "mfenced" and number > 0:
        return ",", ""
    if element.tag in ("mtr", "mtd") and number > 0:
        return " \\\\ " if element.tag == "mtr" else " & ", ""
    return "", ""


def _own(element: Element, out: str) -> str:
    """An element by itself."""
    accent = _accent(element)
    if accent is not None:
        return _tight(_inside(element, out + accent)) + "}"
    if element.tag == "mfrac":
        return _inside(element, out + "\\frac")
    if element.tag == "msqrt":
        return _tight(_inside(element, out + "\\sqrt{")) + "}"
    if element.tag == "mroot":
        return _root(element, out)
    if element.tag == "mtable":
        return _tight(_inside(element, out + "\\begin{matrix}")) + "\\end{matrix}"
    if element.tag == "mfenced":
        out = _delimiter(element.get("open"), "(", out)
        return _delimiter(element.get("close"), ")", _inside(element, out))
    if element.tag == "mspace":
        return _inside(element, out + " ")
    return _inside(element, out)


def _root(element: Element, out: str) -> str:
    """Base and index, which LaTeX wants the other way round. What follows the second child counts as index."""
    whole = _inside(element, out)
    if len(element) < 2 or element[1].tag in SKIPPED:
        return whole
    first = Element(element.tag)
    first.text = element.text
    first.append(element[0])
    base = _inside(first, out).rstrip(" ")
    return f"{out}\\sqrt[{whole[len(base) :]}]{{{_tight(base[len(out) :])}}}"


def _delimiter(written: str | None, usual: str, out: str) -> str:
    return _tight(out) + usual if written is None else _token(written, "mo", out)


def _accent(element: Element) -> str | None:
    """The beginning of the command that ``<mover>`` or ``<munder>`` stands for, if it puts an accent on something."""
    known = {"mover": OVER, "munder": UNDER}.get(element.tag, {})
    if not known or len(element) < 2 or element[1].tag != "mo":
        return None
    name = known.get(re.sub("^ | $", "", folded((element[1].text or "").split(RUN_END)[0])))
    return f"\\{name}{{" if name else None


def _token(text: str, tag: str, out: str) -> str:
    """The text of an element, run by run."""
    for run in text.split(RUN_END):
        out = _run(run, tag, out) if run else out
    return out


def _run(text: str, tag: str, out: str) -> str:
    text = folded(text)
    if tag == "mtext":
        escaped = (COMMANDS.get(c, c) if c < "\x80" else " " if c == "\xa0" else c for c in text)
        return _tight(out) + "\\text{" + "".join(escaped) + "}"
    text = text.strip(" ")
    if tag in ("mi", "mo") and re.fullmatch("[a-zA-Z]{2,}", text):
        return out + (f"\\{text} " if text in FUNCTIONS else f"\\mathrm{{{text}}}")
    return out + "".join(COMMANDS.get(c, c) for c in text if c not in LEFT_OUT or c in COMMANDS)

"""HTML from Python values: text is escaped by default, markup is a type of its own.

A string that reaches :func:`element` as a child or attribute is text, whatever it holds; only :class:`Markup` is not
escaped, and only this module makes it. So a page cannot forget to escape a document.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.reports.inert import escaped

VOID = frozenset({"meta", "br", "hr", "img", "input", "col", "link"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | None | Iterable["Child"]


def element(tag: str, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """``<tag attributes>children</tag>``.

    Attributes: ``class_`` is ``class``, other underscores are hyphens; None and False are left out.
    """
    shown = "".join(_attribute(name, value) for name, value in attributes.items() if value is not None)
    if tag in VOID:
        return Markup(f"<{tag}{shown}>")
    return Markup(f"<{tag}{shown}>{join(children)}</{tag}>")


def join(children: Child) -> Markup:
    """Children one after the other, text escaped."""
    if children is None:
        return Markup("")
    if isinstance(children, Markup):
        return children
    if isinstance(children, str | int):
        return Markup(escaped(str(children)))
    return Markup("".join(join(child) for child in children))


def trusted(text: str) -> Markup:
    """Our own style sheets and the like, as they are. Never for anything that a document or recipe says."""
    return Markup(text)


def _attribute(name: str, value: str | int | bool | None) -> str:
    plain = name.rstrip("_").replace("_", "-")
    if isinstance(value, bool):
        return f" {plain}" if value else ""
    return f' {plain}="{escaped(str(value))}"'

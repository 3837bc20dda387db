r"""Formulas of a page as LaTeX: ``$…$`` in running text, ``$$…$$`` where they stand alone.

Where a page carries the source, that is taken: ``<annotation encoding="application/x-tex">`` (KaTeX, LaTeXML,
Wikipedia), ``alttext`` of ``<math>``, ``<script type="math/tex">`` (MathJax), ``data-tex`` and the ``alt`` of images
whose class or address says LaTeX. Other MathML is translated: fractions, roots, scripts, accents, tables, names of
functions and the characters that have a command. What has no counterpart (``mmultiscripts``, ``menclose``, separators
of ``<mfenced>`` other than commas) is written as the row of its parts. TeX in running text (``\(x\)``, ``$x$``) is
text and stays as it is.

The translation walks the events of the formula with a stack of its own, O(bytes of the formula); ``<mroot>`` in which
others are nested more than 64 deep loses the order of its two parts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stages.kernels.compiled import kernel
from stages.kernels.html_keywords import W_DISPLAY
from stages.kernels.html_names import (
    ANNOTATION,
    ANNOTATION_XML,
    MATH,
    MFENCED,
    MFRAC,
    MI,
    MO,
    MOVER,
    MROOT,
    MSPACE,
    MSQRT,
    MSUP,
    MTABLE,
    MTD,
    MTEXT,
    MTR,
    MUNDER,
    MUNDEROVER,
    SCRIPT,
    TAGS,
)  # fmt: skip
from stages.kernels.html_references import MAX_REFERENCE_BYTES, write_reference
from stages.kernels.html_tables import Tables
from stages.kernels.html_tree import (
    CLOSE,
    CLOSED,
    F_DISPLAY,
    F_TEX,
    FLAGS,
    LAST,
    OPEN,
    OPENED,
    PARENT,
    TAG,
    VALUE,
    VALUE_END,
    Tree,
)

Bytes = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

_COMMANDS = """
α alpha β beta γ gamma δ delta ε varepsilon ϵ epsilon ζ zeta η eta θ theta ϑ vartheta ι iota κ kappa λ lambda μ mu µ mu
ν nu ξ xi π pi ϖ varpi ρ rho ϱ varrho σ sigma ς varsigma τ tau υ upsilon φ varphi ϕ phi χ chi ψ psi ω omega
Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Υ Upsilon Φ Phi Ψ Psi Ω Omega ∆ Delta
∑ sum ∏ prod ∐ coprod ∫ int ∬ iint ∭ iiint ∮ oint ⋃ bigcup ⋂ bigcap ⨁ bigoplus ⨂ bigotimes ⋁ bigvee ⋀ bigwedge
± pm ∓ mp × times ÷ div ⋅ cdot · cdot ∙ cdot ∗ ast ⋆ star ∘ circ • bullet ⊕ oplus ⊖ ominus ⊗ otimes ⊘ oslash ⊙ odot
∩ cap ∪ cup ⊎ uplus ⊓ sqcap ⊔ sqcup ∨ vee ∧ wedge ∖ setminus ≀ wr † dagger ‡ ddagger
≤ leq ≥ geq ≪ ll ≫ gg ⩽ leqslant ⩾ geqslant ≠ neq ≡ equiv ~ sim ∼ sim ≃ simeq ≈ approx ≅ cong ≍ asymp ∝ propto
≺ prec ≻ succ ⪯ preceq ⪰ succeq ⊂ subset ⊃ supset ⊆ subseteq ⊇ supseteq ⊊ subsetneq ∈ in ∋ ni ∉ notin
⊢ vdash ⊣ dashv ⊨ models ⊥ perp ∥ parallel ∣ mid ≜ triangleq ≔ coloneqq
← leftarrow → rightarrow ↔ leftrightarrow ⇐ Leftarrow ⇒ Rightarrow ⇔ Leftrightarrow ⟶ longrightarrow ⟵ longleftarrow
⟹ Longrightarrow ⟸ Longleftarrow ⟺ Longleftrightarrow ↦ mapsto ⟼ longmapsto ↑ uparrow ↓ downarrow ↗ nearrow ↘ searrow
⇌ rightleftharpoons ↪ hookrightarrow
∞ infty ∂ partial ∇ nabla ∀ forall ∃ exists ∄ nexists ∅ emptyset ¬ neg ⊤ top ∠ angle △ triangle □ square ◇ diamond
ℏ hbar ℓ ell ℜ Re ℑ Im ℘ wp ℵ aleph ′ prime √ surd … ldots ⋯ cdots ⋮ vdots ⋱ ddots
⟨ langle ⟩ rangle 〈 langle 〉 rangle ⌈ lceil ⌉ rceil ⌊ lfloor ⌋ rfloor ‖ | ∴ therefore ∵ because
⊳ triangleright ⊲ triangleleft
"""
"""Characters and the commands for them."""

_SPELLINGS = """
ℝ \\mathbb{R} ℂ \\mathbb{C} ℕ \\mathbb{N} ℤ \\mathbb{Z} ℚ \\mathbb{Q} ℙ \\mathbb{P} ℍ \\mathbb{H} 𝔼 \\mathbb{E}
ℒ \\mathcal{L} ℋ \\mathcal{H} ℱ \\mathcal{F} ℬ \\mathcal{B} ℳ \\mathcal{M} ℰ \\mathcal{E} ℛ \\mathcal{R}
ℎ h − - ∕ / ∶ : ⁄ / 𝟙 \\mathbb{1} { \\{ } \\} % \\% # \\# & \\& $ \\$ _ \\_
"""
"""Characters and what else is written for them."""

_OVER = """
¯ overline ‾ overline \u0304 bar _ overline ^ hat ˆ hat \u0302 hat ~ tilde ˜ tilde \u0303 tilde → vec \u20d7 vec ⟶ vec
˙ dot . dot \u0307 dot ¨ ddot \u0308 ddot ˇ check ˘ breve ⏞ overbrace ↔ overleftrightarrow ← overleftarrow
"""
_UNDER = "_ underline ¯ underline ‾ underline \u0332 underline ⏟ underbrace"
"""Accents: what ``<mover>`` and ``<munder>`` put over and under something."""

_FUNCTIONS = """
sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth log ln lg exp lim max min sup inf det dim ker deg gcd
arg hom Pr liminf limsup
"""

_WIDTH = 24


def _words(words: list[str]) -> Bytes:
    """One word to a row, 0 behind it."""
    rows = np.zeros((len(words), _WIDTH), np.uint8)
    for row, word in zip(rows, words, strict=True):
        row[: len(word)] = np.frombuffer(word.encode(), np.uint8)
    return rows


def _table(pairs: list[tuple[str, str]]) -> tuple[Int32s, Bytes]:
    """Code points in ascending order, and what is written for each, 0 behind it."""
    spellings = {ord(character): spelling for character, spelling in pairs}
    codes = sorted(spellings)
    return np.array(codes, np.int32), _words([spellings[code] for code in codes])


def _pairs(words: str) -> list[tuple[str, str]]:
    return list(zip(words.split()[::2], words.split()[1::2], strict=True))


_CODES, _WRITTEN = _table([(c, f"\\{name} ") for c, name in _pairs(_COMMANDS)] + _pairs(_SPELLINGS))
_OVER_CODES, _OVER_WRITTEN = _table([(c, f"\\{name}{{") for c, name in _pairs(_OVER)])
_UNDER_CODES, _UNDER_WRITTEN = _table([(c, f"\\{name}{{") for c, name in _pairs(_UNDER)])
_ACCENT_WRITTEN = np.concatenate([_OVER_WRITTEN, _UNDER_WRITTEN])


_KNOWN = _words(_FUNCTIONS.split())
_PIECES = _words(
    [
        "\\frac", "\\sqrt{", "\\sqrt[", "]{", "\\begin{matrix}", "\\end{matrix}", " \\\\ ", " & ", "\\text{",
        "\\mathrm{", "^{", "_{", "{", "}", "(", ")", ",", "\\",
    ]
)  # fmt: skip
(
    FRAC, SQRT, ROOT, ROOT_OF, BEGIN, END, NEXT_ROW, NEXT_CELL, TEXT_OF, NAME_OF, UPPER, LOWER, BRACE, UNBRACE, PAREN,
    UNPAREN, COMMA, COMMAND,
) = (np.int64(number) for number in range(18))  # fmt: skip
_PHANTOM = TAGS.index("mphantom")
_MAX_ROOTS = 64
_ROOM = 256
_WIKIPEDIA = np.frombuffer(b"{\\displaystyle ", np.uint8)
_CDATA = np.frombuffer(b"% <![CDATA[", np.uint8)
_CDATA_END = np.frombuffer(b"%]]>", np.uint8)


@kernel
def _put(rows: Bytes, row: int, out: Bytes, to: int) -> int:
    for column in range(_WIDTH):
        if rows[row, column] == 0:
            break
        out[to] = rows[row, column]
        to += 1
    return to


@kernel
def _piece(piece: int, out: Bytes, to: int) -> int:
    """Write a piece of LaTeX; the space behind a command is not needed before it."""
    if out[to - 1] == 32 and piece != COMMAND and piece != FRAC and piece != SQRT and piece != NAME_OF:
        to -= 1
    return _put(_PIECES, piece, out, to)


@kernel
def _find(codes: Int32s, code: int) -> int:
    low, high = 0, len(codes)
    while low < high:
        middle = (low + high) // 2
        if codes[middle] < code:
            low = middle + 1
        else:
            high = middle
    return low if low < len(codes) and codes[low] == code else -1


@kernel
def _code_point(data: Bytes, at: int, end: int) -> tuple[np.int64, int]:
    """Code point at ``at`` of valid UTF-8, and the place behind it."""
    lead = np.int64(data[at])
    if lead < 0x80 or at + 1 >= end:
        return lead, at + 1
    if lead < 0xE0 or at + 2 >= end:
        return (lead & 31) << 6 | data[at + 1] & 63, at + 2
    if lead < 0xF0 or at + 3 >= end:
        return (lead & 15) << 12 | np.int64(data[at + 1] & 63) << 6 | data[at + 2] & 63, at + 3
    code = (lead & 7) << 18 | np.int64(data[at + 1] & 63) << 12 | np.int64(data[at + 2] & 63) << 6 | data[at + 3] & 63
    return code, at + 4


@kernel
def _decode(data: Bytes, start: int, end: int, tables: Tables, out: Bytes, to: int) -> int:
    """Write text with its references resolved and white space folded."""
    at = start
    while at < end:
        byte = data[at]
        if byte == 38:
            behind, to_behind = write_reference(data, at, end, tables, out, to)
            if behind > at:
                at, to = behind, to_behind
                continue
        if byte <= 32:
            if out[to - 1] != 32:
                out[to] = 32
                to += 1
        else:
            out[to] = byte
            to += 1
        at += 1
    return to


@kernel
def _characters(start: int, end: int, out: Bytes, to: int) -> int:
    """Write the characters ``out[start:end]`` at ``to``, those with a command as that."""
    at = start
    while at < end:
        code, behind = _code_point(out, at, end)
        row = _find(_CODES, code)
        if row >= 0:
            to = _put(_WRITTEN, row, out, to)
        elif not 0x2061 <= code <= 0x2064 and code != 0x200B and code != 0xA0:
            to = _copy(out, at, behind, to)
        at = behind
    return to


@kernel
def _words_of_text(start: int, end: int, out: Bytes, to: int) -> int:
    r"""Write the characters ``out[start:end]`` for ``\text``: those that mean something in TeX as commands."""
    at = start
    while at < end:
        row = _find(_CODES, np.int64(out[at])) if out[at] < 0x80 else -1
        if row >= 0:
            to = _put(_WRITTEN, row, out, to)
        elif out[at] == 0xC2 and out[at + 1] == 0xA0:
            out[to] = 32
            to, at = to + 1, at + 1
        else:
            out[to] = out[at]
            to += 1
        at += 1
    return to


@kernel
def _copy(out: Bytes, start: int, end: int, to: int) -> int:
    for place in range(start, end):
        out[to] = out[place]
        to += 1
    return to


@kernel
def _function(start: int, end: int, out: Bytes, to: int) -> int:
    """Write a name of several letters: a command if TeX has one, else upright."""
    for row in range(len(_KNOWN)):
        place = 0
        while place < end - start and _KNOWN[row, place] == out[start + place]:
            place += 1
        if place == end - start and _KNOWN[row, place] == 0:
            to = _put(_KNOWN, row, out, _piece(COMMAND, out, to))
            out[to] = 32
            return to + 1
    return _piece(UNBRACE, out, _copy(out, start, end, _piece(NAME_OF, out, to)))


@kernel
def _token(data: Bytes, start: int, end: int, tag: int, tables: Tables, out: Bytes, to: int) -> int:
    """Write the text of a token element. Works in ``out`` behind what it could write."""
    first = to + 8 * (end - start) + _ROOM
    out[first - 1] = 0
    last = _decode(data, start, end, tables, out, first)
    if tag == MTEXT:
        return _put(_PIECES, UNBRACE, out, _words_of_text(first, last, out, _piece(TEXT_OF, out, to)))
    while first < last and out[first] == 32:
        first += 1
    while last > first and out[last - 1] == 32:
        last -= 1
    is_name = last - first >= 2 and (tag == MI or tag == MO)
    for place in range(first, last):
        is_name = is_name and 97 <= (out[place] | 32) <= 122
    return _function(first, last, out, to) if is_name else _characters(first, last, out, to)


@kernel
def _child_number(tree: Tree, node: int) -> int:
    """0, 1 or 2 for the first three children, 3 for all others."""
    sibling = tree.nodes[node, PARENT] + 1
    for number in range(3):
        if sibling >= node:
            return number if sibling == node else 3
        sibling = tree.nodes[sibling, LAST] + 1
    return 3


@kernel
def _accent(data: Bytes, tree: Tree, node: int, tables: Tables, out: Bytes, to: int) -> int:
    """Row of the accent that the second child of ``<mover>`` or ``<munder>`` is; -1 for all other elements."""
    tag = tree.nodes[node, TAG]
    if (tag != MOVER and tag != MUNDER) or tree.nodes[node, LAST] == node:
        return -1
    second = tree.nodes[node + 1, LAST] + 1
    if second > tree.nodes[node, LAST] or tree.nodes[second, TAG] != MO:
        return -1
    event = tree.events[tree.nodes[second, OPENED] + 1]
    if event < 0 or event & 3 <= CLOSE:
        return -1
    start, end = np.int64(tree.runs[event >> 2, 0]), np.int64(tree.runs[event >> 2, 1])
    if end - start > MAX_REFERENCE_BYTES:
        return -1
    out[to + _ROOM - 1] = 0
    first = to + _ROOM
    last = _decode(data, start, end, tables, out, first)
    first += 1 if first < last and out[first] == 32 else 0
    last -= 1 if first < last and out[last - 1] == 32 else 0
    point, behind = _code_point(out, first, last)
    if behind != last:
        return -1
    if tag == MOVER:
        return _find(_OVER_CODES, point)
    row = _find(_UNDER_CODES, point)
    return row + len(_OVER_CODES) if row >= 0 else -1


@kernel
def _open(tree: Tree, node: int, accent: int, out: Bytes, to: int) -> int:
    """Write what comes before an element: what its place in the parent asks for, then its own beginning.

    ``accent``: its own. A parent with an accent has nothing between its accent and its base.
    """
    tag, above = tree.nodes[node, TAG], tree.nodes[tree.nodes[node, PARENT], TAG]
    number = _child_number(tree, node)
    if above == MFRAC:
        to = _piece(BRACE, out, to)
    elif _is_scripted(above):
        upper = above == MSUP or above == MOVER or number == 2
        if number > 0:
            to = _piece(UPPER if upper else LOWER, out, to)
        elif not _is_token(tag):
            to = _put(_PIECES, BRACE, out, to)
    elif above == MFENCED and number > 0:
        to = _piece(COMMA, out, to)
    elif tag == MTR and number > 0:
        to = _piece(NEXT_ROW, out, to)
    elif tag == MTD and number > 0:
        to = _piece(NEXT_CELL, out, to)
    if accent >= 0:
        return _put(_ACCENT_WRITTEN, accent, out, to)
    if tag == MFRAC or tag == MSQRT or tag == MTABLE:
        return _put(_PIECES, FRAC if tag == MFRAC else SQRT if tag == MSQRT else BEGIN, out, to)
    if tag == MSPACE:
        out[to] = 32
        return to + 1
    return to


@kernel
def _shut(tree: Tree, node: int, accent: int, out: Bytes, to: int) -> int:
    """Write what comes behind an element."""
    tag, above = tree.nodes[node, TAG], tree.nodes[tree.nodes[node, PARENT], TAG]
    if tag == MSQRT or accent >= 0:
        to = _piece(UNBRACE, out, to)
    elif tag == MTABLE:
        to = _piece(END, out, to)
    if above == MFRAC or (_is_scripted(above) and (_child_number(tree, node) > 0 or not _is_token(tag))):
        to = _piece(UNBRACE, out, to)
    return to


@kernel
def _is_scripted(tag: int) -> bool:
    return MSUP <= tag <= MUNDEROVER


@kernel
def _is_token(tag: int) -> bool:
    return MI <= tag <= MTEXT


@kernel
def _reverse(out: Bytes, start: int, end: int) -> None:
    end -= 1
    while start < end:
        out[start], out[end] = out[end], out[start]
        start, end = start + 1, end - 1


@kernel
def _turn_root(out: Bytes, start: int, middle: int, to: int) -> int:
    r"""Make ``\sqrt[index]{base}`` of base and index, in place. O(to - start)."""
    behind_index = start + to - middle
    _reverse(out, start, middle)
    _reverse(out, middle, to)
    _reverse(out, start, to)
    before, between = len("\\sqrt["), len("]{")
    for place in range(to - 1, behind_index - 1, -1):
        out[place + before + between] = out[place]
    for place in range(behind_index - 1, start - 1, -1):
        out[place + before] = out[place]
    _put(_PIECES, ROOT, out, start)
    _put(_PIECES, ROOT_OF, out, behind_index + before)
    return _piece(UNBRACE, out, to + before + between)


@kernel
def _delimiter(data: Bytes, start: int, usual: int, tables: Tables, out: Bytes, to: int) -> int:
    """Write the delimiter of ``<mfenced>`` that the attribute value from ``start`` on asks for, the usual one for 0."""
    if start == 0:
        return _piece(usual, out, to)
    end = start
    while end < min(len(data), start + MAX_REFERENCE_BYTES) and data[end] > 32 and data[end] != 34 and data[end] != 39:
        if data[end] == 62:
            break
        end += 1
    return _token(data, start, end, np.int64(MO), tables, out, to)


@kernel
def _trim(out: Bytes, to: int) -> int:
    """Place behind the last byte that is no space: what comes begins with a backslash, or is turned round."""
    while out[to - 1] == 32:
        to -= 1
    return to


@kernel
def _translate(data: Bytes, tree: Tree, math: int, tables: Tables, out: Bytes, to: int, roots: Int64s) -> int:
    """Write MathML as LaTeX. ``roots``: int64[64, 2], where open roots begin and where their index does."""
    at, end = tree.nodes[math, OPENED] + 1, tree.nodes[math, CLOSED]
    depth, current = 0, np.int64(math)
    while at < end:
        code = tree.events[at]
        item = np.int64(code >> 2)
        if code >= 0 and code & 3 == OPEN:
            tag, parent = tree.nodes[item, TAG], np.int64(tree.nodes[item, PARENT])
            is_accent = parent != math and item != parent + 1 and _accent(data, tree, parent, tables, out, to) >= 0
            if tag == ANNOTATION or tag == ANNOTATION_XML or tag == _PHANTOM or is_accent:
                at = tree.nodes[item, CLOSED] + 1
                continue
            if tree.nodes[parent, TAG] == MROOT and depth <= _MAX_ROOTS and _child_number(tree, item) == 1:
                to = _trim(out, to)
                roots[depth - 1, 1] = to
            to = _open(tree, item, _accent(data, tree, item, tables, out, to), out, to)
            if tag == MFENCED:
                to = _delimiter(data, np.int64(tree.nodes[item, VALUE]), PAREN, tables, out, to)
            elif tag == MROOT:
                to = _trim(out, to)
                if depth < _MAX_ROOTS:
                    roots[depth, 0], roots[depth, 1] = to, -1
                depth += 1
            current = item
        elif code >= 0 and code & 3 == CLOSE:
            if tree.nodes[item, TAG] == MROOT:
                depth -= 1
                if depth < _MAX_ROOTS and roots[depth, 1] >= 0:
                    to = _turn_root(out, roots[depth, 0], roots[depth, 1], to)
            elif tree.nodes[item, TAG] == MFENCED:
                to = _delimiter(data, np.int64(tree.nodes[item, VALUE_END]), UNPAREN, tables, out, to)
            to = _shut(tree, item, _accent(data, tree, item, tables, out, to), out, to)
            current = np.int64(tree.nodes[item, PARENT])
        elif code >= 0:
            first, last = np.int64(tree.runs[item, 0]), np.int64(tree.runs[item, 1])
            to = _token(data, first, last, np.int64(tree.nodes[current, TAG]), tables, out, to)
        at += 1
    return to


@kernel
def _matches(out: Bytes, start: int, end: int, word: Bytes) -> bool:
    if start < 0 or end - start < len(word):
        return False
    for place in range(len(word)):
        if out[start + place] != word[place]:
            return False
    return True


@kernel
def _is_group(out: Bytes, start: int, end: int) -> bool:
    """Whether the brace at ``start`` ends with the last byte. O(end - start)."""
    depth = 0
    for at in range(start, end):
        is_escaped = out[at - 1] == 92
        depth += 1 if out[at] == 123 and not is_escaped else -1 if out[at] == 125 and not is_escaped else 0
        if depth == 0:
            return at == end - 1
    return False


@kernel
def _strip(out: Bytes, start: int, end: int) -> tuple[int, int, bool]:
    """Take off what stands around TeX source. Returns its range, and whether delimiters say that it stands alone."""
    display = False
    for _ in range(4):
        while start < end and out[start] == 32:
            start += 1
        while end > start and out[end - 1] == 32:
            end -= 1
        first = out[start] if start < end else 0
        if _matches(out, start, end, _CDATA):
            start += len(_CDATA)
            end -= len(_CDATA_END) if _matches(out, end - len(_CDATA_END), end, _CDATA_END) else 0
        elif _matches(out, start, end, _WIKIPEDIA) and _is_group(out, start, end):
            start, end = start + len(_WIKIPEDIA), end - 1
        elif end - start >= 2 and first == 36 and out[end - 1] == 36:
            twice = end - start >= 4 and out[start + 1] == 36 and out[end - 2] == 36
            display = display or twice
            start, end = start + (2 if twice else 1), end - (2 if twice else 1)
        elif (
            end - start >= 4
            and first == 92
            and out[end - 2] == 92
            and ((out[start + 1] == 40 and out[end - 1] == 41) or (out[start + 1] == 91 and out[end - 1] == 93))
        ):
            display = display or out[start + 1] == 91
            start, end = start + 2, end - 2
        else:
            break
    return start, end, display


@kernel
def _source(data: Bytes, tree: Tree, node: int, tables: Tables, out: Bytes, to: int, roots: Int64s) -> int:
    """Write the TeX of a formula, without delimiters of ours."""
    row = tree.nodes[node]
    if row[TAG] == MATH or row[TAG] == ANNOTATION:
        for part in range(node, row[LAST] + 1):
            if tree.nodes[part, TAG] == ANNOTATION and tree.nodes[part, FLAGS] & F_TEX:
                for at in range(tree.nodes[part, OPENED] + 1, tree.nodes[part, CLOSED]):
                    code = tree.events[at]
                    if code >= 0 and code & 3 > CLOSE:
                        run = tree.runs[code >> 2]
                        to = _decode(data, np.int64(run[0]), np.int64(run[1]), tables, out, to)
                return to
        if row[VALUE_END] == row[VALUE]:
            return _translate(data, tree, node, tables, out, to, roots)
    if row[TAG] == SCRIPT:
        for at in range(row[VALUE], row[VALUE_END]):
            out[to] = max(data[at], np.uint8(32))
            to += 1
        return to
    return _decode(data, np.int64(row[VALUE]), np.int64(row[VALUE_END]), tables, out, to)


@kernel
def write_formula(data: Bytes, tree: Tree, node: int, tables: Tables, out: Bytes, to: int, roots: Int64s) -> int:
    """Write a formula with its delimiters; returns the place behind it, ``to`` if it is empty.

    ``out`` needs room for ten times the bytes of the formula and ``_ROOM`` twice. ``roots``: int64[64, 2] to work in.
    """
    start = to + 4
    out[to + 3] = 0
    end = _source(data, tree, node, tables, out, start, roots)
    start, end, display = _strip(out, start, end)
    if start == end:
        return to
    ancestor = node
    for _ in range(4):
        if tree.nodes[ancestor, FLAGS] & F_DISPLAY or (ancestor != node and tree.words[ancestor] & W_DISPLAY):
            display = True
        ancestor = max(tree.nodes[ancestor, PARENT], 0)
    for _ in range(2 if display else 1):
        out[to] = 36
        to += 1
    to = _copy(out, start, end, to)
    for _ in range(2 if display else 1):
        out[to] = 36
        to += 1
    return to

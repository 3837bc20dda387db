"""Which of several languages that share an extension a file is in, by marks in its content.

A mark is something that the one language has at the beginning of lines and the others do not; the order says which goes
before. All patterns take time linear in a line. What no mark tells is the extension's most frequent language.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

_OBJECTIVE_C = r"^[ \t]*(?:@(?:interface|implementation|protocol|class|property|import|end)\b|#[ \t]*import\s+[\"<])"
_CPP = (
    r"^[ \t]*(?:template[ \t]*<|(?:using[ \t]+)?namespace\b|class[ \t]+\w+[ \t]*(?:final[ \t]*)?[:{]"
    r"|(?:public|private|protected):"
    r"|#[ \t]*include[ \t]+<(?:cstd\w+|string|vector|map|set|memory|utility|iostream|functional|algorithm|array|list"
    r"|tuple|optional)>)|\bstd::|\bconstexpr\b|\bextern \"C\+\+\""
)
_PROLOG = r"^[ \t]*:-[ \t]*\w|^[a-z]\w*(?:\([^)\n]*\))?[ \t]*:-"
_PERL = r"^[ \t]*(?:use[ \t]+(?:strict|warnings|utf8|[A-Z]\w*::|v?5)|package[ \t]+[\w:]+;|sub[ \t]+\w+|my[ \t]*[($@%])"
_RAKU = (
    r"^[ \t]*(?:use[ \t]+v6|unit[ \t]+(?:module|class|role)\b|(?:my[ \t]+)?(?:class|role|grammar)[ \t]+[\w:-]+"
    r"|multi[ \t]+(?:sub|method)\b)"
)
_COQ = (
    r"\b(?:Proof|Qed|Defined|Admitted)\.|^[ \t]*(?:Require[ \t]+(?:Import|Export)|From[ \t]+[\w.]+[ \t]+Require"
    r"|(?:Theorem|Lemma|Definition|Fixpoint|Inductive)[ \t]+\w+)"
)
_VERILOG = (
    r"^[ \t]*(?:module[ \t]+\\?\w+[ \t]*[#(;]|endmodule\b|`(?:timescale|include|define|default_nettype|ifdef)|always\b"
    r"|primitive[ \t]+\w+)"
)
_VBA = (
    r"^[ \t]*(?:Attribute[ \t]+VB_|VERSION[ \t]+1\.0[ \t]+CLASS|Option[ \t]+Explicit"
    r"|(?:Public|Private)[ \t]+(?:Sub|Function|Property))"
)
_FORTH = r"^(?:: |also |new-device|previous )"
_XML = r"\A(?:\xef\xbb\xbf)?\s*<(?:\?xml|!DOCTYPE|[A-Za-z][\w:-]*[\s>])"
_COMMON_LISP = r"^[ \t]*\((?i:in-package|defpackage|defun|defmacro|defclass|defvar|defparameter|setq|declaim)\b"
_SHADER = r"^[ \t]*(?:#version\b|(?:precision|uniform|varying|attribute)[ \t]|layout[ \t]*\(|(?:in|out)[ \t]+vec\d)"
_QMAKE = r"^[ \t]*(?:HEADERS|SOURCES|QT|TEMPLATE|TARGET|CONFIG)[ \t]*[+*-]?="
_DTRACE = r"^#pragma[ \t]+D[ \t]|^\w*:\w*:\w*:\w*[ \t]*$"

CHOICES: Mapping[str, tuple[tuple[str, str | None], ...]] = {
    "bb": (("BlitzBasic", r"(?i)^[ \t]*(?:;|end[ \t]+function\b)"), ("BitBake", None)),
    "cgi": (("Python", r"^[ \t]*(?:import|from|def)[ \t]"), ("Perl", None)),
    "cl": (("Common Lisp", _COMMON_LISP), ("OpenCL", None)),
    "cls": (
        ("TeX", r"\\(?:NeedsTeXFormat|ProvidesClass|documentclass)|^%"),
        ("VBA", _VBA),
        ("OpenEdge ABL", r"(?i)^using[ \t]+progress\."),
        ("Apex", None),
    ),
    "d": (("DTrace", _DTRACE), ("D", None)),
    "es": (("Erlang", r"^[ \t]*(?:%%|main[ \t]*\([^)\n]*\)[ \t]*->)"), ("JavaScript", None)),
    "f": (("Forth", _FORTH), ("Fortran", None)),
    "for": (("Forth", _FORTH), ("Fortran", None)),
    "frm": (("VBA", _VBA), ("Visual Basic 6.0", None)),
    "fs": (("Forth", _FORTH), ("GLSL", _SHADER), ("F#", None)),
    "h": (("Objective-C", _OBJECTIVE_C), ("C++", _CPP), ("C", None)),
    "hh": (("Hack", r"<\?hh\b"), ("C++", None)),
    "inc": (
        ("PHP", r"<\?(?:php|=)"),
        ("Pascal", r"(?i)\b(?:procedure\b|end;)|^[ \t]*\{\$"),
        ("C++", r"^[ \t]*#[ \t]*(?:include|define|if|ifdef|ifndef|undef)\b|\w::\w|;[ \t]*$"),
        ("Assembly", None),
    ),
    "l": (("Common Lisp", _COMMON_LISP), ("Lex", None)),
    "m": (
        ("Objective-C", _OBJECTIVE_C),
        ("XML", _XML),
        ("Mercury", r"^:-[ \t]*module\b"),
        ("Mathematica", r"\(\*|^[ \t]*\w+\[[^\]\n]*\][ \t]*:="),
        ("MATLAB", None),
    ),
    "ml": (("Standard ML", r"=>|^[ \t]*(?:structure|signature|functor)\b"), ("OCaml", None)),
    "mod": (("XML", _XML), ("Modula-2", None)),
    "nb": (("Mathematica", r"\(\*|Notebook\["), ("Text", None)),
    "p": (("Gnuplot", r"^[ \t]*(?:set|plot|splot)[ \t]"), ("OpenEdge ABL", None)),
    "php": (("Hack", r"\A\s*<\?hh\b"), ("PHP", None)),
    "pl": (("Prolog", _PROLOG), ("Raku", _RAKU), ("Perl", None)),
    "plt": (("Prolog", _PROLOG), ("Gnuplot", None)),
    "pm": (("Raku", _RAKU), ("Perl", None)),
    "pp": (("Pascal", r"(?i)^[ \t]*(?:program|unit|uses|interface)\b|\bend[.;]"), ("Puppet", None)),
    "pro": (("Prolog", _PROLOG), ("QMake", _QMAKE), ("IDL", None)),
    "properties": (("INI", r"^[ \t]*\[[^\]\n]+\][ \t]*$"), ("Java Properties", None)),
    "r": (("Rebol", r"(?i)\A\s*\[?rebol\b"), ("R", None)),
    "sc": (("SuperCollider", r"\^(?:this|super)\.|^[ \t]*~\w+[ \t]*=\.|\bSynthDef\b"), ("Scala", None)),
    "t": (("Raku", _RAKU), ("Perl", _PERL), ("Terra", r"^[ \t]*(?:terra|local)\b"), ("Perl", None)),
    "ts": (("XML", _XML), ("TypeScript", None)),
    "v": (
        ("Coq", _COQ),
        ("Verilog", _VERILOG),
        ("V", r"^[ \t]*(?:pub[ \t]+)?fn[ \t]+|^module[ \t]+\w+$"),
        ("Verilog", None),
    ),
    "vh": (("SystemVerilog", None),),
    "vsh": (("GLSL", _SHADER), ("V", None)),
}
"""Extension → (language, a mark in its content), tried in order; None: whatever the content."""


def choice(extension: str, languages: Collection[str], head: bytes) -> str | None:
    """The first of the languages whose mark is in the file's first bytes; None if nothing is known of the extension."""
    for language, mark in CHOICES.get(extension, ()):
        if language in languages and (mark is None or _pattern(mark).search(head)):
            return language
    return None


@lru_cache(maxsize=128)
def _pattern(mark: str) -> re.Pattern[bytes]:
    return re.compile(mark.encode("latin-1"), re.MULTILINE)

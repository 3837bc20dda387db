"""Which language a file is in."""

from __future__ import annotations

import pytest

from pipeline.sources.code_choices import CHOICES
from pipeline.sources.code_languages import HEAD_BYTES, KINDS, candidates, language_names, language_of

CASES = [
    ("a.py", "", "Python"),
    ("a.PY", "", "Python"),
    ("a.rs", "", "Rust"),
    ("a.tar.rs", "", "Rust"),
    ("Makefile", "", "Makefile"),
    ("Dockerfile.dev", "", "Dockerfile"),
    ("CMakeLists.txt", "", "CMake"),
    ("notes.txt", "", "Text"),
    ("README", "", "Text"),
    ("go.mod", "", "Go Module"),
    ("view.blade.php", "", "Blade"),
    ("a.html.erb", "", "HTML+ERB"),
    ("run", "#!/bin/bash\n", "Shell"),
    ("run", "#!/usr/bin/env -S python3.11 -u\n", "Python"),
    ("run", "#! /usr/bin/env FOO=1 node\n", "JavaScript"),
    ("run", "#!/usr/local/bin/perl5.30 -w\n", "Perl"),
    ("run", "echo\n#!/bin/bash\n", None),
    ("a.unknown", "text", None),
    ("a.xyz", "#!/usr/bin/ruby\n", "Ruby"),
    ("a.h", "#include <stdio.h>\nint f(void);\n", "C"),
    ("a.h", "#pragma once\n#include <vector>\n", "C++"),
    ("a.h", "namespace a {\n}\n", "C++"),
    ("a.h", "  std::string s;\n", "C++"),
    ("a.h", "#import <Foundation/Foundation.h>\n@interface A : NSObject\n@end\n", "Objective-C"),
    ("a.m", '#import "a.h"\n@implementation A\n@end\n', "Objective-C"),
    ("a.m", "function y = f(x)\n% help\ny = x;\nend\n", "MATLAB"),
    ("a.m", "(* ::Package:: *)\nf[x_] := x\n", "Mathematica"),
    ("a.m", ":- module hello.\n", "Mercury"),
    ("a.pl", "use strict;\nmy $x = 1;\n", "Perl"),
    ("a.pl", "parent(X, Y) :- father(X, Y).\n", "Prolog"),
    ("a.pl", ":- use_module(library(lists)).\n", "Prolog"),
    ("a.pl", "use v6;\nsay 1;\n", "Raku"),
    ("a.pl", "#!/usr/bin/swipl\nmain.\n", "Prolog"),
    ("a.v", "module a(input b);\nendmodule\n", "Verilog"),
    ("a.v", "Theorem t : True.\nProof. trivial. Qed.\n", "Coq"),
    ("a.v", "module main\n\nfn main() {\n}\n", "V"),
    ("a.ts", "export const a: number = 1;\n", "TypeScript"),
    ("a.ts", '<?xml version="1.0"?>\n<!DOCTYPE TS>\n<TS></TS>\n', "XML"),
    ("a.r", "x <- c(1, 2)\n", "R"),
    ("a.R", "REBOL [title: 1]\n", "R"),
    ("a.cls", "\\NeedsTeXFormat{LaTeX2e}\n", "TeX"),
    ("a.cls", "VERSION 1.0 CLASS\nBEGIN\n", "VBA"),
    ("a.cls", "public class A {\n}\n", "Apex"),
    ("a.fs", "module A\nlet x = 1\n", "F#"),
    ("a.fs", "#version 330\nvoid main() {}\n", "GLSL"),
    ("a.inc", "<?php echo 1;\n", "PHP"),
    ("a.inc", "#define A 1\n", "C++"),
    ("a.inc", "mov ax, 1\n", "Assembly"),
    ("a.d", "import std.stdio;\n", "D"),
    ("a.d", "#pragma D option quiet\nBEGIN {}\n", "DTrace"),
    ("a.ml", "let f x = x\n", "OCaml"),
    ("a.ml", "structure A = struct end\n", "Standard ML"),
    ("a.cl", "(defun f (x) x)\n", "Common Lisp"),
    ("a.cl", "__kernel void f() {}\n", "OpenCL"),
    ("a.pp", "program a;\nbegin\nend.\n", "Pascal"),
    ("a.pp", "class a {\n}\n", "Puppet"),
    ("a.pro", "TEMPLATE = app\nSOURCES += a.cpp\n", "QMake"),
    ("a.properties", "a=b\n", "Java Properties"),
    ("a.php", "<?php\n", "PHP"),
    ("a.hh", "<?hh // strict\n", "Hack"),
    ("a.t", "use Test::More;\nmy $x;\n", "Perl"),
    ("a.s", "", "Assembly"),
    (".hidden", "", None),
    ("", "", None),
]


@pytest.mark.parametrize(("name", "head", "expected"), CASES)
def test_languages(name: str, head: str, expected: str | None) -> None:
    """By name, extension, first line and content, in that order of trust."""
    found = language_of(name, head.encode())
    assert (found.name if found else None) == expected


def test_the_table() -> None:
    """It holds the languages that matter and every kind; every choice is one that an extension leaves."""
    names = language_names()
    assert len(names) > 200
    assert {
        "C",
        "C++",
        "C#",
        "Go",
        "Java",
        "JavaScript",
        "Kotlin",
        "PHP",
        "Python",
        "Ruby",
        "Rust",
        "SQL",
        "Zig",
    } <= set(names)
    kinds = {
        language.kind for extension in ("py", "html", "md", "yaml", "json") for language in candidates(f"a.{extension}")
    }
    assert kinds == set(KINDS)
    for extension, choices in CHOICES.items():
        possible = {language.name for language in candidates(f"a.{extension}")}
        assert len(possible) > 1
        assert {language for language, _ in choices} <= possible
        assert choices[-1][1] is None or len(choices) < len(possible)


@pytest.mark.parametrize("extension", list(CHOICES))
def test_hostile_content(extension: str) -> None:
    """Whatever repeats, the choice ends."""
    for piece in (b" ", b"(", b"a(", b"[a", b":", b"a:", b"#include <", b"class a ", b"\n\t", b"<", b"end", b"a(a"):
        language_of(f"a.{extension}", piece * (HEAD_BYTES // len(piece)))

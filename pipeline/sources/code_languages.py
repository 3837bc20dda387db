"""Which language a file is in: by its name, its extension, its first line, and its content where these leave a choice.

Names are those of GitHub Linguist, which The Stack and StarCoder use as well; the table holds the languages that source
trees are made of. ``kind`` says what role a language has: a ``configuration`` file is written by people, ``data``
mostly is not (Linguist calls both data).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from pipeline.sources.code_choices import choice

Kind = Literal["programming", "markup", "prose", "configuration", "data"]
KINDS: tuple[Kind, ...] = get_args(Kind)

HEAD_BYTES = 64 * 2**10
"""How much of a file is looked at to tell two languages apart."""

# Language; kind; extensions; file names; interpreters (of "#!"). Where several languages have an extension, the content
# tells (code_choices.py).
_TABLE = """
ABAP; programming; abap
ActionScript; programming; as
Ada; programming; adb ada ads
Agda; programming; agda
ANTLR; programming; g4
Apex; programming; cls apex trigger
APL; programming; apl dyalog; ; apl dyalog
AppleScript; programming; applescript scpt; ; osascript
Arduino; programming; ino
AsciiDoc; prose; asciidoc adoc asc
ASP.NET; markup; aspx asax ascx ashx asmx axd
Assembly; programming; asm a51 nasm s S inc
Astro; markup; astro
AutoHotkey; programming; ahk ahkl
AutoIt; programming; au3
Awk; programming; awk gawk mawk nawk; ; awk gawk mawk nawk
Ballerina; programming; bal
Batchfile; programming; bat cmd
BibTeX; markup; bib bibtex
Bicep; programming; bicep
BitBake; programming; bb bbclass
Blade; markup; blade.php
BlitzBasic; programming; bb decls
Bluespec; programming; bsv
Boo; programming; boo
Brainfuck; programming; bf
C; programming; c h cats idc; ; tcc
C#; programming; cs csx cake linq
C++; programming; cpp cc cxx c++ hpp hh hxx h++ h ipp ixx cppm inl tcc tpp txx inc
CMake; programming; cmake cmake.in; CMakeLists.txt
COBOL; programming; cob cbl cobol ccp cpy
CSS; markup; css
CSV; data; csv
Cairo; programming; cairo
Cap'n Proto; configuration; capnp
Chapel; programming; chpl
Clojure; programming; clj cljc cljs cljx boot edn hl; riemann.config; bb
CoffeeScript; programming; coffee cjsx iced; Cakefile; coffee
ColdFusion; programming; cfm cfml cfc
Common Lisp; programming; lisp lsp cl asd ny l; ; sbcl lisp ccl clisp ecl
Common Workflow Language; programming; cwl; ; cwl-runner
Coq; programming; v coq
Crystal; programming; cr; ; crystal
Csound; programming; orc csd
Cuda; programming; cu cuh
CUE; programming; cue
Cython; programming; pyx pxd pxi
D; programming; d di
Dart; programming; dart; ; dart
Dhall; programming; dhall
Diff; data; diff patch
Dockerfile; configuration; dockerfile containerfile; Dockerfile Containerfile
Dotenv; configuration; env; .env .env.example
DTrace; programming; d; ; dtrace
EJS; markup; ejs
Eiffel; programming; e
Elixir; programming; ex exs; mix.lock; elixir
Elm; programming; elm
Emacs Lisp; programming; el emacs; .emacs
Erlang; programming; erl app.src es escript hrl xrl yrl; Emakefile rebar.config; escript
F#; programming; fs fsi fsx
F*; programming; fst fsti
Factor; programming; factor
Fennel; programming; fnl; ; fennel
Fish; programming; fish; ; fish
Forth; programming; fth 4th fs f for forth frt
Fortran; programming; f f77 for fpp
Fortran Free Form; programming; f90 f03 f08 f95
FreeMarker; programming; ftl
GAP; programming; g gap gi
GDScript; programming; gd
GLSL; programming; glsl vert frag geom comp tesc tese fs vs shader vsh fsh glslf glslv
GN; configuration; gn gni
Game Maker Language; programming; gml
Gherkin; programming; feature
Gleam; programming; gleam
Gnuplot; programming; gp gnu gnuplot plot plt p; ; gnuplot
Go; programming; go
Go Module; configuration; ; go.mod go.work
Gradle; configuration; gradle
GraphQL; configuration; graphql gql graphqls
Graphviz (DOT); configuration; dot gv
Groovy; programming; groovy gvy grt gtpl gsh; Jenkinsfile; groovy
Hack; programming; hack hhi hh php; ; hhvm
Haml; markup; haml
Handlebars; markup; handlebars hbs
Haskell; programming; hs hsc hs-boot; ; runghc runhaskell
Haxe; programming; hx hxsl
HCL; configuration; hcl tf tfvars workflow nomad
HLSL; programming; hlsl cginc fx fxh hlsli
HTML; markup; html htm xhtml xht html.hl
Jinja; markup; jinja jinja2 j2 mustache njk
HTML+ERB; markup; erb rhtml html.erb
HTML+Razor; markup; cshtml razor
HTTP; data; http
Hy; programming; hy; ; hy
IDL; programming; pro
Idris; programming; idr lidr
Ignore List; configuration; ; .gitignore .dockerignore .npmignore .eslintignore .prettierignore
Inform 7; programming; ni i7x
INI; configuration; ini cfg prefs properties lektorproject; .editorconfig .gitconfig .flake8 .pylintrc
Io; programming; io; ; io
Isabelle; programming; thy
J; programming; ijs; ; jconsole
Jai; programming; jai
Janet; programming; janet; ; janet
Java; programming; java jav jsh
Java Properties; configuration; properties
JavaScript; programming; js mjs cjs es es6 jsm jsx jsb jscad jsfl ssjs xsjs; Jakefile; node nodejs deno bun js
JSON; data; json jsonl ndjson geojson topojson webmanifest har avsc gltf mcmeta; .watchmanconfig composer.lock
JSON with Comments; configuration; jsonc code-workspace sublime-settings
JSON with Comments; configuration; ; .babelrc .eslintrc .jshintrc tsconfig.json jsconfig.json
JSON5; configuration; json5
Jsonnet; programming; jsonnet libsonnet
Julia; programming; jl; ; julia
Jupyter Notebook; data; ipynb
Just; programming; just; justfile Justfile .justfile
Kotlin; programming; kt ktm kts; ; kotlin
LLVM; programming; ll
Lean; programming; lean
Less; markup; less
Lex; programming; l lex
LilyPond; programming; ly ily
Linker Script; configuration; ld lds x
Liquid; markup; liquid
Literate Haskell; programming; lhs
LiveScript; programming; ls
Lua; programming; lua nse p8 pd_lua rbxs rockspec wlua; ; lua luajit
M4; programming; m4 ac; configure.ac
MATLAB; programming; m matlab
MLIR; programming; mlir
Makefile; programming; mk mak make makefile
Makefile; programming; ; Makefile makefile GNUmakefile BSDmakefile Kbuild Makefile.am Makefile.in
Makefile; programming; ; ; make
Markdown; prose; md markdown mdown mdwn mkd mkdn mkdown ronn; contents.lr
Mathematica; programming; nb wl wls wlt mathematica m
MDX; prose; mdx
Mercury; programming; m moo
Meson; configuration; ; meson.build meson_options.txt
Metal; programming; metal
Mermaid; configuration; mmd mermaid
Modelica; programming; mo
Modula-2; programming; mod
Mojo; programming; mojo
Move; programming; move
NASL; programming; nasl
Nginx; configuration; nginx nginxconf; nginx.conf
Nim; programming; nim nimble nims nimrod; nim.cfg
Ninja; configuration; ninja
Nix; programming; nix
Nushell; programming; nu; ; nu
OCaml; programming; ml mli mll mly eliom eliomi ml4; ; ocaml ocamlrun
Objective-C; programming; m h
Objective-C++; programming; mm
Odin; programming; odin
OpenCL; programming; cl opencl
OpenEdge ABL; programming; p w cls
OpenSCAD; programming; scad
Org; prose; org
Pascal; programming; pas dpr lpr pp dfm inc; ; instantfpc
Perl; programming; pl pm t al cgi fcgi perl ph plx psgi; cpanfile Makefile.PL; perl cperl
PHP; programming; php php3 php4 php5 phps phpt phtml ctp inc aw; ; php
PlantUML; configuration; puml iuml plantuml
PLpgSQL; programming; pgsql
PLSQL; programming; pls plb pck pkb pks plsql
Pony; programming; pony
PostScript; programming; ps eps epsi
PowerShell; programming; ps1 psd1 psm1; ; pwsh
Processing; programming; pde
Prolog; programming; pl pro prolog yap plt; ; swipl yap
Protocol Buffer; configuration; proto
Pug; markup; pug jade
Puppet; programming; pp; Modulefile
PureScript; programming; purs
Python; programming; py pyi pyw py3 cgi gyp gypi pyt rpy wsgi xpy
Python; programming; ; SConscript SConstruct wscript
Python; programming; ; ; python python2 python3 pypy uv
QML; programming; qml qbs; ; qmlscene
QMake; configuration; pro pri
R; programming; r R rd rsx; .Rprofile; Rscript
RMarkdown; prose; rmd qmd
Racket; programming; rkt rktd rktl scrbl; ; racket
Raku; programming; raku rakumod rakutest p6 pl6 pm6 6pl nqp pl pm t; ; raku perl6 rakudo
ReScript; programming; res resi
Reason; programming; re rei
Rebol; programming; reb r2 r3 rebol r
Pip Requirements; configuration; ; requirements.txt constraints.txt requirements-dev.txt
Rez; programming; rez
Ring; programming; ring
Roff; markup; 1 2 3 4 5 6 7 8 man mdoc ms roff tmac
reStructuredText; prose; rst rest
Ruby; programming; rb builder gemspec god jbuilder mspec pluginspec podspec rabl rake rbi rbuild rbw rbx ru
Ruby; programming; ruby thor watchr
Ruby; programming; ; Gemfile Rakefile Vagrantfile Brewfile Podfile Fastfile Guardfile Capfile Thorfile
Ruby; programming; ; config.ru
Ruby; programming; ; ; ruby jruby rake macruby rbx
Rust; programming; rs rs.in; ; rust-script
SAS; programming; sas
SCSS; markup; scss
SMT; programming; smt2 smt z3; ; z3
SPARQL; configuration; sparql rq
SQL; configuration; sql cql ddl mysql prc tab udf viw
SVG; data; svg
SWIG; programming; i swg
Sass; markup; sass
Scala; programming; scala sbt sc kojo; ; scala
Scheme; programming; scm ss sld sls sps sch; ; guile scheme csi chicken bigloo gosh
Scilab; programming; sci sce tst
Shell; programming; sh bash bats command ksh zsh tmux tool sh.in
Shell; programming; ; .bashrc .bash_profile .profile .zshrc PKGBUILD gradlew configure APKBUILD
Shell; programming; ; ; bash sh dash ksh zsh ash mksh pdksh rc
Slim; markup; slim
Smali; programming; smali
Smalltalk; programming; st
Smarty; markup; tpl
Solidity; programming; sol
SourcePawn; programming; sp sma
Squirrel; programming; nut
Stan; programming; stan
Standard ML; programming; sml fun sig ml
Starlark; programming; bzl star bazel; BUILD WORKSPACE BUCK BUILD.bazel WORKSPACE.bazel Tiltfile
Stata; programming; do ado doh mata sthlp
Stylus; markup; styl
SubRip Text; data; srt
SuperCollider; programming; sc scd; ; sclang
Svelte; markup; svelte
Swift; programming; swift; ; swift
SystemVerilog; programming; sv svh vh
TLA; programming; tla
TOML; configuration; toml; Pipfile
TSV; data; tsv
TSX; programming; tsx
Tcl; programming; tcl adp tm; owh; tclsh wish
TeX; prose; tex latex ltx sty cls dtx ins bbx cbx toc mkii mkiv
Terra; programming; t
Text; prose; txt text fr nb
Text; prose; ; README README.1ST INSTALL NEWS HACKING AUTHORS CHANGES CHANGELOG TODO NOTICE THANKS
Text; prose; ; LICENSE LICENCE COPYING COPYRIGHT
Textile; prose; textile
Thrift; configuration; thrift
Twig; markup; twig
TypeScript; programming; ts mts cts; ; ts-node tsx
Typst; programming; typ
V; programming; v vv vsh
VBA; programming; bas cls frm vba
VBScript; programming; vbs
VHDL; programming; vhd vhdl vho vhs vht
Vala; programming; vala vapi
Verilog; programming; v veo vh
Vim Script; programming; vim vmb vimrc; .vimrc _vimrc .gvimrc
Visual Basic .NET; programming; vb vbhtml
Visual Basic 6.0; programming; ctl Dsr frm
Vue; markup; vue
Vyper; programming; vy
WebAssembly; programming; wast wat
WebIDL; configuration; webidl
WGSL; programming; wgsl
Wikitext; prose; mediawiki wiki wikitext
Wren; programming; wren
XML; data; xml xsd wsdl rss atom csproj vbproj fsproj vcxproj props targets resx xaml plist
XML; data; storyboard xib nuspec config ui dae kml gpx rdf xul tmx ts m mod
XML; data; ; pom.xml
XQuery; programming; xq xql xqm xquery xqy
XSLT; programming; xslt xsl
Xonsh; programming; xsh; ; xonsh
YAML; configuration; yml yaml mir reek rviz sublime-syntax; .clang-format .clang-tidy .gemrc
Yacc; programming; y yacc yy
Zephir; programming; zep
Zig; programming; zig zig.zon
"""


class Language(NamedTuple):
    """A language's name and role."""

    name: str
    kind: Kind


class _Tables(NamedTuple):
    languages: Mapping[str, Language]
    by_extension: Mapping[str, tuple[Language, ...]]
    by_name: Mapping[str, Language]
    by_interpreter: Mapping[str, Language]


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    languages: dict[str, Language] = {}
    extensions: dict[str, list[Language]] = defaultdict(list)
    names: dict[str, Language] = {}
    interpreters: dict[str, Language] = {}
    for line in _TABLE.strip().split("\n"):
        name, kind, *lists = (part.strip() for part in line.split(";"))
        language = languages.setdefault(name, Language(name, next(known for known in KINDS if known == kind)))
        own, file_names, programs = (part.split() for part in [*lists, "", "", ""][:3])
        for extension in own:
            extensions[extension].append(language)
        names.update(dict.fromkeys(file_names, language))
        for program in programs:
            interpreters.setdefault(program, language)
    return _Tables(languages, {key: tuple(value) for key, value in extensions.items()}, names, interpreters)


def language_names() -> list[str]:
    """Names of all languages that are told, sorted."""
    return sorted(_tables().languages)


def candidates(name: str) -> tuple[Language, ...]:
    """Languages that a file of that name (without folders) may be in."""
    tables = _tables()
    if name in tables.by_name:
        return (tables.by_name[name],)
    parts = name.split(".")[1:][-2:]  # .blade.php goes before .php
    for start in range(len(parts)):
        extension = ".".join(parts[start:])
        for spelled in (extension, extension.lower()):
            if spelled in tables.by_extension:
                return tables.by_extension[spelled]
    stem, _, rest = name.partition(".")
    if stem in ("Dockerfile", "Makefile", "Jenkinsfile", "Containerfile") and rest:
        return (tables.by_name[stem],)
    return ()


def language_of(name: str, head: bytes) -> Language | None:
    """The language of a file by its name (without folders) and its first bytes; None if it is none of ours."""
    tables, found = _tables(), candidates(name)
    if len(found) == 1:
        return found[0]
    program = _interpreter(head)
    if program is not None and (not found or program in found):
        return program
    if not found:
        return None
    chosen = choice(name.rpartition(".")[2].lower(), {language.name for language in found}, head[:HEAD_BYTES])
    return tables.languages[chosen] if chosen else found[0]


_SHEBANG = re.compile(
    rb"#![ \t]*(?:\S*/)?env(?:[ \t]+(?:-\S+|\w+=\S*))*[ \t]+(?:\S*/)?([\w.+-]+)|#![ \t]*(?:\S*/)?([\w.+-]+)"
)


def _interpreter(head: bytes) -> Language | None:
    """The language of a script's first line, as in ``#!/usr/bin/env -S python3 -u``."""
    match = _SHEBANG.match(head[:256].partition(b"\n")[0])
    if match is None:
        return None
    program = (match.group(1) or match.group(2)).decode("ascii", "replace")
    known = _tables().by_interpreter
    return known.get(program) or known.get(re.sub(r"[\d.]+$", "", program))

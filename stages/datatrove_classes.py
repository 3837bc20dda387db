"""datatrove's filters and formatters by name: which there are, which are refused and why, and what they say.

A filter says in words why it drops a document; a rule needs its name before the run. So the reasons of datatrove's own
filters are listed here (a test compares the lists with the installed sources), and those of other classes come from the
recipe.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType, NoneType
from typing import Any, Literal, get_args

Kind = Literal["filter", "formatter"]

REJECTED = "rejected"
"""The reason of a filter that gives none."""

_CHANCE = (
    "draws by the order of documents, so that its choice depends on how the input is cut; choose by content instead"
)
_CORPUS = "compares documents with each other, which a row stage cannot; put a deduplication stage into the recipe"
_MODEL = "keeps a copy of its model outside of the run, where a changed file goes unseen"
REFUSED: Mapping[str, str] = {
    "SamplerFilter": f"{_CHANCE}: `gristmill run --sample`",
    "C4BadWordsFilter": "downloads its word lists and keeps a random share; RegexFilter takes the words themselves",
    "LanguageFilter": f"downloads its model and {_MODEL}; the stage `language` takes any fastText model",
    "FastTextClassifierFilter": f"{_MODEL}, and its package fails with NumPy 2; use a stage for fastText models",
    "UnigramLogProbFilter": "downloads its word frequencies; write a filter that reads a file, as module:Class",
    "LambdaFilter": "takes a function, which a recipe cannot hold; write a filter and name it as module:Class",
    "MinhashDedupFilter": _CORPUS,
    "SentenceDedupFilter": _CORPUS,
    "UrlDedupFilter": _CORPUS,
    "ESRangeRemover": _CORPUS,
    "NGramsDecontFilter": "needs an index that other blocks of datatrove write",
}
"""Class → why it cannot run inside a recipe, and what to do instead."""

_NOT_OURS: Mapping[str, str] = {
    "exclusion_writer": "what is dropped is in the books and samples of the run",
    "batch_size": "documents are given one by one, so that the output does not depend on how they are batched",
}
"""Options that make no sense in a recipe."""

Options = Mapping[str, Any]


def _repetition_reasons(options: Options) -> Sequence[str]:
    found = ["empty", "dup_para_frac", "dup_para_char_frac", "dup_line_frac", "dup_line_char_frac"]
    found += [f"top_{n}_gram" for n, _ in options["top_n_grams"]]
    return [*found, *(f"duplicated_{n}_n_grams" for n, _ in options["dup_n_grams"])]


_REASONS: Mapping[str, Sequence[str] | Callable[[Options], Sequence[str]]] = {
    "GopherQualityFilter": (
        "gopher_short_doc", "gopher_long_doc", "gopher_below_avg_threshold", "gopher_above_avg_threshold",
        "gopher_too_many_hashes", "gopher_too_many_ellipsis", "gopher_too_many_bullets",
        "gopher_too_many_end_ellipsis", "gopher_below_alpha_threshold", "gopher_enough_stop_words",
    ),
    "GopherRepetitionFilter": _repetition_reasons,
    "C4QualityFilter": ("lorem_ipsum", "curly_bracket", "too_few_sentences"),
    "C4ParagraphFilter": ("< 3 paragraphs",),
    "FineWebQualityFilter": ("empty", "line_punct_ratio", "short_line_ratio", "char_dup_ratio", "list_ratio"),
    "URLFilter": ("domain", "subdomain", "url", "hard_blacklisted", "soft_blacklisted", "blacklisted_subword"),
    "RegexFilter": (REJECTED,),
}  # fmt: skip
"""datatrove's own filter → its reasons, in the order in which it asks; where options decide, a function of them."""

_EDITS = frozenset({"C4QualityFilter"})
"""Of datatrove's own filters, those that change the text."""

_SPLITTERS = (
    "spacy", "jieba", "pyvi", "SudachiPy", "stanza", "pythainlp", "indic-nlp-library", "kiwipiepy", "khmer-nltk",
    "laonlp", "botok", "nltk",
)  # fmt: skip
"""Distributions that split text of some language for the filters: those that are installed decide what words are."""

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "C4ParagraphFilter": (),
    "RegexFilter": (),
    "URLFilter": ("tldextract",),
    "FTFYFormatter": ("ftfy",),
    "PIIFormatter": (),
    "SymbolLinesFormatter": (),
}
"""Class → distributions besides datatrove that decide what it does; of others, those that split text may."""

_SIMPLE = {int, float, str, bool, NoneType}


@dataclass(frozen=True)
class Found:
    """A class and what it is called; ``own``: not datatrove's."""

    name: str
    type: type[Any]
    own: bool

    @property
    def edits(self) -> bool:
        """Whether it may change the text."""
        return self.own or self.name in _EDITS or self.name not in _REASONS


def find(kind: Kind, name: str) -> Found:
    """The class that a recipe names: one of datatrove's, or ``module:Class``. Raises ValueError as a sentence."""
    found = _named(name) if ":" in name else _theirs(kind, name)
    base = importlib.import_module(f"datatrove.pipeline.{kind}s.base{'_filter' if kind == 'filter' else ''}")
    parent = getattr(base, "BaseFilter" if kind == "filter" else "BaseFormatter")
    is_one = isinstance(found, type) and issubclass(found, parent)
    if not is_one:
        raise ValueError(f"{name} is no {kind} of datatrove's kind: it does not derive from {parent.__name__}")
    if found.run is not parent.run:
        raise ValueError(f"{name} has a `run` of its own, which sees the whole stream; a row stage gives one document")
    own = not found.__module__.startswith("datatrove.")
    if not own:
        _refuse(found.__name__)
    return Found(found.__name__, found, own)


def _refuse(name: str) -> None:
    if name in REFUSED:
        raise ValueError(f"{name} {REFUSED[name]}")


def _theirs(kind: Kind, name: str) -> Any:
    _refuse(name)
    package = importlib.import_module(f"datatrove.pipeline.{kind}s")
    known = [key for key, value in vars(package).items() if inspect.isclass(value) and key not in REFUSED]
    if name in known:
        return getattr(package, name)
    hint = f"{_nearest(name, known)}known: {', '.join(sorted(known))}, or yours as module:Class"
    raise ValueError(f"datatrove has no {kind} {name}; {hint}")


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1, 0.5)
    return f"did you mean {close[0]}? " if close else ""


def _named(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return getattr(_module(module, _stamp(source_file(name))), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{name} cannot be imported: {error}; the module has to be installed or on PYTHONPATH"
        ) from error


def source_file(name: str) -> str | None:
    """The file that the class of ``module:Class`` is read from; None for a bare name."""
    spec = find_spec(name.partition(":")[0]) if ":" in name else None
    return spec.origin if spec else None


def _stamp(path: str | None) -> tuple[int, int] | None:
    found = os.stat(path) if path and os.path.isfile(path) else None
    return (found.st_mtime_ns, found.st_size) if found else None


@lru_cache
def _module(name: str, stamp: tuple[int, int] | None) -> ModuleType:
    """The module as its file is now: a process that has imported it may outlive a change."""
    stale = name in sys.modules and name.partition(".")[0] != "datatrove"
    module = importlib.import_module(name)
    return importlib.reload(module) if stale else module


def checked(found: Found, options: Options) -> dict[str, Any]:
    """All options with defaults filled in, lists made tuples where the class wants those. Raises ValueError."""
    parameters = {
        name: each
        for name, each in _signature(found.type).parameters.items()
        if name not in _NOT_OURS and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    }
    for name, value in options.items():
        if name in _NOT_OURS:
            raise ValueError(f"{found.name}.{name}: {_NOT_OURS[name]}")
        if name not in parameters:
            hint = _nearest(name, parameters)
            raise ValueError(f"{found.name} has no option {name}; {hint}known: {', '.join(parameters) or 'none'}")
        _check_type(f"{found.name}.{name}", value, parameters[name])
    missing = [name for name, each in parameters.items() if each.default is each.empty and name not in options]
    if missing:
        raise ValueError(f"{found.name} needs the option {', '.join(missing)}")
    given = {name: _tuples(value) if "tuple" in str(parameters[name]) else value for name, value in options.items()}
    return {**{name: each.default for name, each in parameters.items()}, **given}


def _signature(found: type[Any]) -> inspect.Signature:
    try:
        return inspect.signature(found, eval_str=True)
    except NameError:  # types that are imported for type checkers only
        return inspect.signature(found)


def _check_type(where: str, value: Any, parameter: inspect.Parameter) -> None:
    """Refuse a value that a simple annotation rules out. Integers and fractions pass for each other."""
    kinds = set(get_args(parameter.annotation) or (parameter.annotation,))
    if not kinds <= _SIMPLE:
        return
    kinds |= {int, float} if kinds & {int, float} else set()
    if type(value) not in kinds:
        wanted = " or ".join(sorted("null" if kind is NoneType else kind.__name__ for kind in kinds))
        raise ValueError(f"{where}: expected {wanted}, got {value!r}")


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def reasons(found: Found, options: Options) -> Sequence[str]:
    """What the filter may say, as far as that is known. ``options``: all of them, as :func:`checked` gives them."""
    known = (REJECTED,) if found.own else _REASONS.get(found.name, (REJECTED,))
    return known(options) if callable(known) else known


def libraries(found: Found) -> tuple[str, ...]:
    """Installed distributions besides datatrove that may decide what the class does."""
    return tuple(name for name in _NEEDS.get(found.name, _SPLITTERS) if _is_installed(name))


@lru_cache
def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True

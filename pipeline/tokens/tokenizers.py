"""Text → token ids: Qwen's vocabulary, a ``.tiktoken`` rank file, or a ``tokenizer.json``.

Ids are exactly tiktoken's ``encode_ordinary`` (for a ``tokenizer.json``, exactly those of Hugging Face's
``tokenizers`` without added tokens): ``<|endoftext|>`` inside a page stays text and never becomes the control
token. No Unicode form is applied: Hugging Face's Qwen2 tokenizer brings text to NFC first, so run the stage
``normalize: {form: NFC}`` before, as the starter recipes do.

gigatoken gives the same ids (compared in the tests for every pattern that names a gigatoken scheme, and at load
for each ``tokenizer.json``); where it does not, tiktoken or ``tokenizers`` encodes, and ``Tokenizer.engine`` says so.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import RecipeError
from pipeline.tokens.engines import (
    Encoded,
    EncodingEngine,
    Gigatoken,
    HuggingFace,
    Tiktoken,
    agree,
)
from pipeline.tokens.patterns import (
    ENCODINGS,
    END_OF_DOCUMENT_NAMES,
    PATTERNS,
    Encoding,
)

QWEN = "qwen2.5"


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary ready to encode.

    ``vocab_size``: ids are below it (control tokens counted; a model's embedding may be padded further).
    ``eos_id``: ends a document. ``fingerprint``: 64 hex digits of vocabulary, pattern and ``eos_id``.
    ``engine``: which library encodes; it does not change the ids.
    """

    name: str
    vocab_size: int
    eos_id: int
    fingerprint: str
    engine: Literal["gigatoken", "tiktoken", "tokenizers"]
    _encoding: EncodingEngine = field(repr=False, compare=False)

    def encode_batch(self, text: pa.Array) -> Encoded:
        """Ids of every row of a (large_)string array without nulls: uint32[tokens] and int64[rows + 1], first 0."""
        return self._encoding.encode(text)

    def decode(self, ids: npt.ArrayLike) -> bytes:
        """The bytes that the ids stand for; the end of a document is left out."""
        return self._encoding.decode([number for number in np.asarray(ids).tolist() if number != self.eos_id])

    @property
    def description(self) -> dict[str, Any]:
        """What token shards say of their tokenizer."""
        return {
            "name": self.name,
            "vocab_size": self.vocab_size,
            "eos_id": self.eos_id,
            "fingerprint": self.fingerprint,
        }


def tokenizer_fingerprint(spec: str, *, pattern: str | None = None) -> str:
    """64 hex digits of all that decides the ids; reads the file and loads no engine. Raises RecipeError."""
    return _fingerprint(*_locate(spec, pattern))


def load_tokenizer(spec: str, *, pattern: str | None = None) -> Tokenizer:
    """The tokenizer that a recipe names; loaded once per process and file content.

    ``spec``: ``qwen2.5``, or the local path of a ``.tiktoken`` or ``.json`` file. ``pattern``: how a rank file
    whose name is not a published encoding cuts text (a name of ``PATTERNS``). Raises RecipeError for an
    unknown name, a missing file or package, a file that is no vocabulary.
    """
    path, encoding = _locate(spec, pattern)
    stamp = os.stat(path)
    return _load(spec, str(path), encoding, stamp.st_size, stamp.st_mtime_ns)


@lru_cache(maxsize=8)
def _load(spec: str, path: str, encoding: Encoding | None, size: int, modified: int) -> Tokenizer:
    fingerprint = _fingerprint(Path(path), encoding)
    name = spec if spec == QWEN else Path(path).name
    try:
        if encoding is None:
            return _from_json(name, Path(path).read_bytes(), fingerprint)
        return _from_ranks(name, Path(path), encoding, fingerprint)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecipeError(f"not a vocabulary: {error}", where=path, remedy=_FORMATS) from error


_FORMATS = "use qwen2.5, a .tiktoken file (lines of base64 token and rank) or a Hugging Face tokenizer.json"


def _locate(spec: str, pattern: str | None) -> tuple[Path, Encoding | None]:
    """The vocabulary's file, and for a rank file what it leaves out."""
    if spec == QWEN:
        return _qwen_file(), ENCODINGS["qwen"]
    path = Path(spec).expanduser()
    if path.suffix not in (".tiktoken", ".json"):
        raise RecipeError(f"unknown tokenizer {spec!r}", remedy=_FORMATS)
    if not path.is_file():
        raise RecipeError(f"no such tokenizer file: {path}", remedy=_FORMATS)
    return path, (_encoding(path, pattern) if path.suffix == ".tiktoken" else None)


def _qwen_file() -> Path:
    """The rank file in the dashscope package, found without importing the package (its import takes seconds)."""
    found = find_spec("dashscope")
    folders = (found.submodule_search_locations if found else None) or []
    for folder in folders:
        path = Path(folder) / "resources" / "qwen.tiktoken"
        if path.is_file():
            return path
    raise RecipeError("the package dashscope, which carries Qwen's vocabulary, is not installed", remedy=_INSTALL)


_INSTALL = "install Gristmill with its dependencies again"


def _encoding(path: Path, pattern: str | None) -> Encoding:
    known = ENCODINGS.get(path.stem)
    if pattern is None:
        if known is None:
            remedy = f"name the pattern that cuts text before merging, one of {', '.join(sorted(PATTERNS))}"
            raise RecipeError(f"{path.name} is not a published encoding", where=str(path), remedy=remedy)
        return known
    if pattern not in PATTERNS:
        raise RecipeError(f"unknown pattern {pattern!r}", remedy=f"one of {', '.join(sorted(PATTERNS))}")
    if known is not None:
        return known._replace(pattern=pattern)
    first_free = max(_read_ranks(path).values()) + 1
    return Encoding(pattern, first_free, first_free + 1)


def _fingerprint(path: Path, encoding: Encoding | None) -> str:
    head = ["tokenizer.json"]
    if encoding is not None:
        head = ["ranks", PATTERNS[encoding.pattern].regex, str(encoding.eos_id), str(encoding.vocab_size)]
    return hashlib.sha256(json.dumps(head).encode() + b"\0" + path.read_bytes()).hexdigest()


def _read_ranks(path: Path) -> dict[bytes, int]:
    """Token → rank. Raises RecipeError naming the line."""
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except ValueError as error:
            raise RecipeError(
                f"expected base64 and a rank, got {line[:40]!r}", where=f"{path}:{number}", remedy=_FORMATS
            ) from error
    if not ranks:
        raise RecipeError("the rank file is empty", where=str(path), remedy=_FORMATS)
    return ranks


def _from_ranks(name: str, path: Path, encoding: Encoding, fingerprint: str) -> Tokenizer:
    regex, scheme = PATTERNS[encoding.pattern]
    ranks = _read_ranks(path)
    identity = (name, encoding.vocab_size, encoding.eos_id, fingerprint)
    fast = None if scheme is None else _gigatoken(lambda: _gigatoken_ranks(str(path), scheme))
    if fast is not None:
        return Tokenizer(*identity, "gigatoken", fast)
    if find_spec("tiktoken") is None:
        raise RecipeError("neither gigatoken nor tiktoken is installed", remedy=_INSTALL)
    return Tokenizer(*identity, "tiktoken", Tiktoken(regex, ranks))


def _gigatoken(load: Callable[[], Any]) -> Gigatoken | None:
    """gigatoken, or None where it is not installed or refuses the vocabulary (ranks with a gap, another model)."""
    if find_spec("gigatoken") is None:
        return None
    try:
        return Gigatoken(load)
    except Exception:  # its loader raises ValueError or RuntimeError for what it does not support
        return None
    except BaseException as error:  # and a Rust panic, which is no Exception, for some rank files
        if type(error).__name__ != "PanicException":
            raise
        return None


def _gigatoken_ranks(path: str, scheme: str) -> Any:
    from gigatoken.gigatoken_rs import BPETokenizer

    return BPETokenizer.from_tiktoken(path, scheme)


def _gigatoken_json(document: str) -> Any:
    from gigatoken.gigatoken_rs import load_hf_json

    return load_hf_json(document)


def _from_json(name: str, content: bytes, fingerprint: str) -> Tokenizer:
    document = json.loads(content)
    added = {token["content"]: int(token["id"]) for token in document.get("added_tokens") or ()}
    ids = [*document["model"]["vocab"].values(), *added.values()]
    eos_id = next((added[token] for token in END_OF_DOCUMENT_NAMES if token in added), None)
    if eos_id is None:
        raise ValueError(f"no token that ends a document among its added tokens ({', '.join(END_OF_DOCUMENT_NAMES)})")
    if find_spec("tokenizers") is None:
        raise RecipeError("the package tokenizers, which reads tokenizer.json, is not installed", remedy=_INSTALL)
    plain = _ordinary(document)
    reference = HuggingFace(plain)
    identity = (name, max(ids) + 1, eos_id, fingerprint)
    fast = _gigatoken(lambda: _gigatoken_json(plain))
    if fast is not None and agree(fast, reference):
        return Tokenizer(*identity, "gigatoken", fast)
    return Tokenizer(*identity, "tokenizers", reference)


def _ordinary(document: dict[str, Any]) -> str:
    """A ``tokenizer.json`` without what turns text into control tokens or adds any; added ordinary tokens stay."""
    ordinary = [token for token in document.get("added_tokens") or () if not token.get("special")]
    return json.dumps(
        {**document, "added_tokens": ordinary, "post_processor": None, "truncation": None, "padding": None}
    )

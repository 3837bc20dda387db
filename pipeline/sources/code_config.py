"""Source trees: folders, globs, and archives of repositories. A file is a document, or a whole repository is.

These are the settings; the source is in ``code_trees``.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from pipeline.sources.code_languages import Kind, language_names
from pipeline.sources.contract import SourceConfig

LeftOut = Literal["vendored", "generated", "minified", "license_text"]


def _known_languages(names: list[str] | None) -> list[str] | None:
    known = language_names()
    for name in names or ():
        if name not in known:
            near = [one for one in known if one.lower() == name.lower()] or known
            raise ValueError(f"no language {name!r}; there are {', '.join(near)}")
    return names


class CodeConfig(SourceConfig):
    """Source trees: folders, globs, or archives of repositories (zip, tar, compressed tar)."""

    documents: Literal["file", "repository"] = "file"
    """One document a file, or one a repository: its files, README first and then by path, each under a line with its
    path. A repository of more than ``max_document_bytes`` becomes several, cut between files."""
    repository: Literal["child", "git", "root"] = "child"
    """What a repository is: each folder in the one that ``path`` names; each folder with ``.git``; or all of it. An
    archive is always one."""
    repository_header: str = "Repository: {repository}\n"
    """What a repository's document begins with."""
    file_header: str = "\nFile: {path}\n"
    """What stands before each file of a repository's document."""
    languages: Annotated[list[str] | None, AfterValidator(_known_languages)] = None
    """Keep these programming languages only, by the names of GitHub Linguist; others are ``other_language``."""
    kinds: list[Kind] = ["programming", "markup", "prose", "configuration"]
    """Roles of languages that are kept; ``data`` (JSON, XML, CSV, notebooks …) is left out, under the role's name."""
    leave_out: list[LeftOut] = list(get_args(LeftOut))
    """Kinds of files that are no documents: copies of libraries, output of generators (lock files too), minified
    scripts, texts of licences."""
    licenses: list[str] | None = None
    """SPDX identifiers; a file that is under none of them is left out as ``other_license``, one of which no licence is
    known as ``unknown_license``."""
    max_file_bytes: int | None = Field(default=2**20, gt=0)
    """A longer file is left out as ``too_long``; 1 MB in The Stack. Never more than ``max_document_bytes``."""
    max_mean_line: float | None = 100
    """Characters of a line on average; a file with more is ``minified``. The Stack; not for prose."""
    max_line: int | None = 1000
    """Characters of the longest line; a file with more is ``minified``. The Stack; not for prose."""
    min_alphanumeric: float | None = 0.25
    """Share of letters and digits; a file with less is ``few_letters``. The Stack."""
    ingest_above_bytes: int = Field(default=64 * 2**20, ge=0)
    """An archive larger than this is read once into partitions of its own before anything else."""
    max_archive_bytes: int = Field(default=16 * 2**30, gt=0)
    """How much of an archive is read, decompressed; what is behind is quarantined as ``too_large``."""

    @property
    def file_limit(self) -> int:
        """Bytes of the longest file that is kept."""
        return min(self.max_document_bytes, self.max_file_bytes or self.max_document_bytes)

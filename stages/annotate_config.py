"""Settings of the stage ``annotate``: whom to ask, about which documents, what, and how much it may cost."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import field_validator, model_validator

from stages.annotate_asking import Budget, Patience
from stages.annotate_prompt import AnswerFormat, Task
from stages.contract import BASE_COLUMNS, StageConfig, Threshold, effort, measure, rule

RUBRICS: Mapping[str, tuple[str, ...] | None] = {
    "quality": None,
    "math": None,
    "code": None,
    "domain": (
        "code", "math", "science", "encyclopedia", "news", "books", "law", "forum", "shop", "adult", "spam", "other",
    ),
}  # fmt: skip
"""Our own rubrics, and the labels of those that do not ask for a score."""

_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_OWN_PARTS = {"model", "messages", "response_format", "stream", "n"}
_WRITABLE = {"domain"}


class AnnotateConfig(StageConfig):
    """Whom to ask, about which documents, what, and how much it may cost."""

    base_url: str = effort()
    """Where the endpoint is, without ``/chat/completions``, as ``http://127.0.0.1:8000/v1``; ``${env:…}`` may stand in
    it."""
    model: str = measure(min_length=1)
    """The model's name at the endpoint."""
    api_key_env: str | None = effort(None)
    """Name of the environment variable that holds the API key; the key itself is in no recipe, log or file. Workers on
    other machines need the variable too."""
    rubric: str = measure("quality", min_length=1)
    """``quality``, ``math``, ``code`` (scores from 0 to 5) or ``domain`` (labels), or a rubric's text."""
    labels: list[str] | None = measure(None, min_length=2)
    """Names to choose from, for a rubric of your own that does not ask for a score."""
    highest: int = measure(5, ge=1, le=100)
    """Highest score; the lowest is 0. 5 as in FineWeb-Edu."""
    share: float = measure(ge=0, le=1)
    """Share of the documents to ask about, chosen by the hash of their content; 0: nobody is asked. Text without a
    letter, digit or sign is not asked about. ``gristmill plan`` asks nobody; it says what the run will ask, and what
    that may cost."""
    seed: int = measure(0, ge=0, lt=2**32)
    """Chooses another sample."""
    max_characters: int = measure(4_000, ge=1)
    """Characters of a document that the model gets to see, from its beginning; 4,000 are about a thousand tokens of
    English, and more of most other languages."""
    tell_language: bool = measure(False)
    """Tell the model what language the text is in, as column ``language`` says."""
    cache: str = measure()
    """Folder of the answers, as an absolute path that all workers reach, beside the store (``gristmill gc`` does not
    look there). Answers in it are never asked for again, by no run: keep it."""
    max_documents: int | None = effort(ge=1)
    """Most documents to ask about, in all runs with this cache, model and rubric. Reaching it stops the run; answers
    are kept. ``null``: no limit."""
    max_tokens: int | None = effort(None, ge=1)
    """Most tokens, of requests and answers together, in the same way."""
    max_cost: float | None = effort(None, gt=0)
    """Most that it may cost, in the same way, in the currency of the prices."""
    prompt_price: float | None = effort(None, ge=0)
    """Price of a million tokens of requests."""
    completion_price: float | None = effort(None, ge=0)
    """Price of a million tokens of answers."""
    answer_format: AnswerFormat = measure("json_schema")
    """How the endpoint is asked for JSON: by a schema, by ``json_object``, or in words only (``text``) if it knows
    neither. The answer is checked in the same way."""
    temperature: float | None = measure(0.0, ge=0)
    """Of the sampling; ``null`` leaves it out of the request, for models that refuse it."""
    max_answer_tokens: int | None = measure(512, ge=1)
    """Longest answer, ``max_tokens`` of the request; ``null`` leaves it out."""
    request: dict[str, Any] = measure({})
    """Further parts of each request, as ``{seed: 1, chat_template_kwargs: {enable_thinking: false}}``."""
    concurrency: int = effort(8, ge=1, le=1024)
    """Requests at a time, of each worker process."""
    timeout_seconds: float = effort(120.0, gt=0)
    """Longest time for one request."""
    retries: int = effort(5, ge=0, le=100)
    """How often a request is tried again that failed or brought no usable answer."""
    backoff_seconds: float = effort(1.0, ge=0)
    """Wait before the first of these, doubled with each; the server's ``Retry-After`` goes before."""
    max_backoff_seconds: float = effort(60.0, ge=0)
    """Longest wait that is not the server's wish."""
    on_failure: Literal["stop", "skip"] = measure("stop")
    """What becomes of a document that gets no usable answer: the run stops, and goes on from there when it is started
    again; or its score is null and signal ``failure`` says why. A failure of the endpoint always stops the run. What
    was finished with ``skip`` keeps its nulls; ``stop`` asks about them again."""
    column: str | None = measure(None)
    """New column to write the score to, as text (``"3"``), or the label; a label may also replace ``domain``. Documents
    without either keep what is there, or get a null. A fit ``classifier`` and routes go by it."""
    reason_column: str | None = measure(None)
    """New column for the model's reason, to read and to export."""
    min_score: Threshold = rule(None)
    """Lowest score of the documents that stay, among those that were asked about. FineWeb-Edu keeps 3 and more."""
    max_score: Threshold = rule(None)
    """Highest score of those that stay."""
    keep: list[str] | None = rule(None, min_length=1)
    """Labels of those that stay."""

    @property
    def own_rubric(self) -> bool:
        return self.rubric not in RUBRICS

    @property
    def answers(self) -> list[str]:
        """What may be written to ``column``."""
        return list(self.choices or map(str, range(self.highest + 1)))

    @property
    def choices(self) -> Sequence[str] | None:
        return self.labels if self.own_rubric else RUBRICS[self.rubric]

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("expected an address such as https://host/v1, without ? and #")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a password does not belong into a recipe: name a variable in api_key_env")
        return value

    @field_validator("api_key_env")
    @classmethod
    def _is_a_variable(cls, value: str | None) -> str | None:
        if value is not None and not _VARIABLE.fullmatch(value):
            raise ValueError("expected the name of an environment variable, not the key itself")
        return value

    @field_validator("cache")
    @classmethod
    def _is_absolute(cls, value: str) -> str:
        if "://" in value or not os.path.isabs(value):
            raise ValueError("expected an absolute path on a disk that all workers share, as ${recipe:dir}/answers")
        return value

    @model_validator(mode="after")
    def _rubric_is_known(self) -> Self:
        if self.own_rubric and len(self.rubric.split()) < 3:
            raise ValueError(f"rubric {self.rubric!r} is neither a text nor one of {', '.join(RUBRICS)}")
        if self.labels is not None and not self.own_rubric:
            raise ValueError(f"labels go with a rubric of your own; {self.rubric} has its own answers")
        if self.highest != 5 and not self.own_rubric:
            raise ValueError(f"highest goes with a rubric of your own; {self.rubric} has its own answers")
        if len(set(self.choices or ())) < len(self.choices or ()) or not all(self.choices or ("some",)):
            raise ValueError("labels: each has to be a name of its own")
        return self

    @model_validator(mode="after")
    def _answers_are_of_one_kind(self) -> Self:
        scored = self.choices is None
        if scored and self.keep is not None:
            raise ValueError("keep needs a rubric with labels; this one asks for a score")
        if not scored and (self.min_score is not None or self.max_score is not None):
            raise ValueError("min_score and max_score need a rubric with a score; this one asks for a label")
        unknown = [label for label in self.keep or () if label not in (self.choices or ())]
        if unknown:
            raise ValueError(f"keep: no label is called {unknown[0]!r}; there are {', '.join(self.choices or ())}")
        return self

    @model_validator(mode="after")
    def _columns_are_free(self) -> Self:
        taken = BASE_COLUMNS.keys() - (set() if self.choices is None else _WRITABLE)
        if self.column in taken or self.reason_column in BASE_COLUMNS:
            raise ValueError("column and reason_column are new ones; only a label may go to domain")
        if self.reason_column is not None and self.reason_column == self.column:
            raise ValueError("column and reason_column are the same")
        return self

    @model_validator(mode="after")
    def _requests_are_sound(self) -> Self:
        if self.max_cost is not None and (self.prompt_price is None or self.completion_price is None):
            raise ValueError("max_cost needs prompt_price and completion_price")
        if own := sorted(_OWN_PARTS & self.request.keys()):
            raise ValueError(f"request: {own[0]} is not yours to set")
        return self

    def task(self, rubric: str) -> Task:
        """What is asked, with the rubric's text."""
        sampling = {"temperature": self.temperature, "max_tokens": self.max_answer_tokens}
        request = {**{name: value for name, value in sampling.items() if value is not None}, **self.request}
        return Task(self.model, rubric, self.choices, self.highest, self.answer_format, request)

    def budget(self) -> Budget:
        """What it may cost."""
        prices = self.prompt_price or 0.0, self.completion_price or 0.0
        return Budget(self.max_documents, self.max_tokens, self.max_cost, *prices)

    def patience(self) -> Patience:
        """How often and how long to try."""
        waits = self.backoff_seconds, self.max_backoff_seconds
        return Patience(self.concurrency, self.retries, *waits, self.on_failure)

"""Asks many questions at a time, tries again what may go better, counts what it costs, and stores every answer.

**Trying again.** What a server calls temporary, broken connections and replies that hold no answer are tried again up
to ``retries`` times, after ``backoff_seconds`` doubled each time, of which a random part of one half is left out so
that many clients do not come back at once ("equal jitter"), or after the time that the server asks for. While one
request waits for a server that is busy, all of the process wait. An answer that breaks the schema goes back to the
model at once, with what is wrong. One that was cut off is asked for once more only: it is paid for, and comes back.

**Failures.** A document's failure (its requests time out or break, its answers never fit, it is refused) stops the
run or becomes a null with a reason, as ``on_failure`` says. A failure of the endpoint (not reachable, busy to the
end, wrong key) always stops it, and so does a document's while the endpoint has not answered anything for this task,
or :data:`IN_A_ROW` of them without an answer between: then it is not the documents. What was answered is kept in any
case.

**Budgets** are for a task (model, rubric, form of the request) and count what all processes and runs have spent in
the same cache. The one that is reached stops the run before the next question, so that which documents have an answer
never depends on their order; requests that are under way then (``concurrency`` for each process) are still paid for.
"""

from __future__ import annotations

import operator
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any, Literal

from classifiers.errors import ModelError
from stages.annotate_cache import AnswerCache, Outcome, Record, Spent
from stages.annotate_client import Endpoint, Refused, TryAgain, Unusable, Usage, Written
from stages.annotate_prompt import NotAnAnswer, Task, digest

IN_A_ROW = 20
"""Documents of one process that may fail one after the other before the run stops."""
_OTHERS_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 600.0


class AnnotationStopped(ModelError):
    """The endpoint or the budget does not allow to go on; what was answered is kept."""


class _Ended(Exception):
    """Another question has stopped the run."""


class _BudgetReached(Exception):
    """By the setting that is named."""


@dataclass(frozen=True)
class Question:
    """What the task asks about one text. ``key``: of the answer. The request, being longer, is made when it is sent."""

    key: str
    text: str
    language: str | None

    @staticmethod
    def of(task: Task, text: str, language: str | None) -> Question:
        return Question(digest(task.payload(text, language)), text, language)


@dataclass(frozen=True)
class Budget:
    """Most that a task may cost; None: no limit. Prices are for a million tokens, in the currency of ``cost``."""

    documents: int | None = None
    tokens: int | None = None
    cost: float | None = None
    prompt_price: float = 0.0
    completion_price: float = 0.0

    @property
    def needs_tokens(self) -> bool:
        return self.tokens is not None or self.cost is not None

    def cost_of(self, spent: Spent) -> float:
        return (spent.prompt_tokens * self.prompt_price + spent.completion_tokens * self.completion_price) / 1e6

    def reached(self, spent: Spent, under_way: int) -> str | None:
        """Which setting is used up, if one is. ``under_way``: documents that are being asked by this process."""
        return self._first(spent.documents + under_way, spent, operator.ge)

    def exceeded(self, spent: Spent) -> str | None:
        """Which setting so much would be too much for, if one is."""
        return self._first(spent.documents, spent, operator.gt)

    def _first(self, documents: int, spent: Spent, is_over: Callable[[float, float], bool]) -> str | None:
        if self.documents is not None and is_over(documents, self.documents):
            return f"max_documents ({self.documents})"
        if self.tokens is not None and is_over(spent.tokens, self.tokens):
            return f"max_tokens ({self.tokens})"
        if self.cost is not None and is_over(self.cost_of(spent), self.cost):
            return f"max_cost ({self.cost:g})"
        return None


@dataclass(frozen=True)
class Patience:
    """How often and how long. ``concurrency``: requests of a process at a time."""

    concurrency: int = 8
    retries: int = 5
    backoff_seconds: float = 1.0
    max_backoff_seconds: float = 60.0
    on_failure: Literal["stop", "skip"] = "stop"

    def wait_seconds(self, attempt: int, asked_for: float | None) -> float:
        """Before the attempt after this one; ``attempt`` counts from 0."""
        if asked_for is not None:
            return min(asked_for, _LONGEST_WAIT_SECONDS)
        most = min(self.backoff_seconds * 2.0**attempt, self.max_backoff_seconds)
        return random.uniform(most / 2, most)


@dataclass
class Annotator:
    """Gets answers for questions of a task, from the cache or the endpoint."""

    task: Task
    endpoint: Endpoint
    cache: AnswerCache
    budget: Budget
    patience: Patience
    _identity: str = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _under_way: set[str] = field(default_factory=set)
    _failed_in_a_row: int = 0
    _busy_until: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._identity = self.task.identity

    def answers(self, questions: Sequence[Question]) -> list[Outcome]:
        """The outcome of each question. Raises AnnotationStopped, and then all that was answered is in the cache."""
        self.cache.refresh()
        found = {question.key: self.known(question.key) for question in questions}
        todo = list({question.key: question for question in questions if found[question.key] is None}.values())
        if todo:
            found |= self._obtain_all(todo)
        outcomes = [found[question.key] for question in questions]
        return [outcome for outcome in outcomes if outcome is not None]

    def spent(self) -> Spent:
        """What the task has cost, by all processes and runs."""
        self.cache.refresh()
        return self.cache.spent(self._identity)

    def known(self, key: str) -> Outcome | None:
        """What the cache has; a failure counts only where failures become nulls."""
        outcome = self.cache.find(key)
        counts = outcome is not None and (outcome.record.failure is None or self.patience.on_failure == "skip")
        return outcome if counts else None

    def _obtain_all(self, questions: Sequence[Question]) -> dict[str, Outcome]:
        self._stop.clear()
        found: dict[str, Outcome] = {}
        errors: list[BaseException] = []
        with ThreadPoolExecutor(min(self.patience.concurrency, len(questions)), "annotate") as pool:
            try:
                waiting = {pool.submit(self._obtain, question): question.key for question in questions}
                for future in as_completed(waiting):
                    error = future.exception()
                    if error is None:
                        found[waiting[future]] = future.result()
                    elif not isinstance(error, _Ended):
                        errors.append(error)
            finally:
                self._stop.set()  # an interrupt: what is under way ends and is stored, and nothing new begins
        if errors and isinstance(errors[0], _BudgetReached):  # told now that what was under way has been counted
            raise AnnotationStopped(self._budget_message(str(errors[0])))
        if errors:
            raise errors[0]
        return found

    def _obtain(self, question: Question) -> Outcome:
        """The answer, by this process or by another that is asking the same. Raises AnnotationStopped, _Ended."""
        try:
            while True:
                self._check_stopped()
                with self.cache.claim(question.key) as mine:
                    if mine:
                        self.cache.refresh()
                        return self.known(question.key) or self._asked(question)
                self._stop.wait(_OTHERS_SECONDS)
        except BaseException:
            self._stop.set()
            raise

    def _asked(self, question: Question) -> Outcome:
        with self._lock:
            limit = self.budget.reached(*self.cache.spent_and_open(self._identity, self._under_way))
            if limit is None:
                self._under_way.add(question.key)
        if limit is not None:
            raise _BudgetReached(limit)
        try:
            self._ask(question)
        finally:
            with self._lock:
                self._under_way.discard(question.key)
        outcome = self.cache.find(question.key)
        assert outcome is not None
        return outcome

    def _ask(self, question: Question) -> None:
        """Ask until there is a final record, and store it. Raises AnnotationStopped, _Ended."""
        asked = payload = self.task.payload(question.text, question.language)
        why, busy, same = "", False, 0
        for attempt in range(self.patience.retries + 1):
            self._wait_for_server()
            reply = self.endpoint.ask(payload)
            if isinstance(reply, Unusable):
                raise AnnotationStopped(f"{self.endpoint.url} answers nothing: {reply.why}")
            if isinstance(reply, Written):
                try:
                    return self._store_answer(question, reply)
                except NotAnAnswer as error:
                    why, busy = f"the answer does not fit: {error}", False
                    payload = _corrected(asked, reply.content, str(error))
            elif isinstance(reply, Refused):
                return self._store_failure(question, reply.why, reply.usage)
            else:
                why, busy, same = reply.why, reply.busy, same + reply.same
            self._store_waste(question, reply.usage)
            if same > 1:  # paid for twice, and no other answer is to be expected
                break
            if isinstance(reply, TryAgain) and attempt < self.patience.retries:
                self._pause(attempt, reply)
        if busy:
            raise AnnotationStopped(f"{self.endpoint.url} is not to be had after {attempt + 1} tries: {why}")
        return self._store_failure(question, f"{why} (the last of {attempt + 1} tries)", None)

    def _store_answer(self, question: Question, reply: Written) -> None:
        answer = self.task.read(reply.content)
        self.cache.add(self._record(question, reply.usage, answer=(answer.value, answer.reason)))
        with self._lock:
            self._failed_in_a_row = 0
        self._check_counted(reply.usage)

    def _store_waste(self, question: Question, usage: Usage | None) -> None:
        if usage is not None and usage != Usage():
            self.cache.add(self._record(question, usage))

    def _store_failure(self, question: Question, why: str, usage: Usage | None) -> None:
        with self._lock:
            self._failed_in_a_row += 1
            in_a_row = self._failed_in_a_row
        if self.patience.on_failure == "stop":
            self._store_waste(question, usage)
            raise AnnotationStopped(f"a document gets no answer: {why}; on_failure: skip lets such documents pass")
        if in_a_row >= IN_A_ROW or not self.cache.spent(self._identity).answers:
            self._store_waste(question, usage)
            raise AnnotationStopped(f"{in_a_row} documents in a row get no answer from {self.endpoint.url}: {why}")
        self.cache.add(self._record(question, usage or Usage(), failure=why))

    def _record(self, question: Question, usage: Usage, **more: Any) -> Record:
        return Record(question.key, self._identity, **more, **usage.__dict__)

    def _check_counted(self, usage: Usage) -> None:
        if self.budget.needs_tokens and None in (usage.prompt_tokens, usage.completion_tokens):
            message = "replies have no usage, so max_tokens and max_cost cannot be kept: set max_documents only"
            raise AnnotationStopped(f"{self.endpoint.url}: {message}")

    def _pause(self, attempt: int, reply: TryAgain) -> None:
        seconds = self.patience.wait_seconds(attempt, reply.after)
        if reply.busy:
            with self._lock:
                self._busy_until = max(self._busy_until, time.monotonic() + seconds)
        self._stop.wait(seconds)

    def _wait_for_server(self) -> None:
        """Return once no request of this process has been told to wait. Raises _Ended."""
        while True:
            self._check_stopped()
            left = self._busy_until - time.monotonic()
            if left <= 0:
                return
            self._stop.wait(left)

    def _check_stopped(self) -> None:
        if self._stop.is_set():
            raise _Ended

    def _budget_message(self, limit: str) -> str:
        spent = self.cache.spent(self._identity)
        cost = f", {self.budget.cost_of(spent):.2f} in money" if self.budget.cost is not None else ""
        return (
            f"the budget of annotations is used up: {limit}; spent so far: {spent.documents} documents, "
            f"{spent.prompt_tokens} and {spent.completion_tokens} tokens{cost}. Answers are kept: raise the limit and "
            f"run again, or lower share"
        )


def _corrected(payload: Mapping[str, Any], content: str, problem: str) -> dict[str, Any]:
    """The request with the model's answer and what is wrong with it."""
    more = [
        {"role": "assistant", "content": content},
        {"role": "user", "content": f"That is not an answer of the form that was asked for: {problem}. Answer again."},
    ]
    return {**payload, "messages": [*payload["messages"], *more]}

"""What a pilot has instead of answers: those that are known already, and made-up ones for the others.

Nobody is asked. A made-up answer is drawn by the question's hash, all scores or labels alike often, so that what
follows (a fit, a classifier, routes) can be run and its time and memory be measured. What it finds is a guess.

Tokens are counted from what the same task has cost so far, failures and second tries included, once
:data:`ENOUGH` documents were asked about; before, they are guessed from bytes: 4 of ASCII a token, 3 of other
characters, and :data:`ANSWER_TOKENS` for an answer. Tokenizers differ by a third and more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stages.annotate_asking import Annotator, Question
from stages.annotate_cache import Outcome, Record

ENOUGH = 20
ANSWER_TOKENS = 80
"""Of a reason of one or two sentences and the braces around it; assumed."""
MADE_UP = "made up by a pilot"

_ASCII_BYTES, _OTHER_BYTES = 4, 3


def rehearsed(
    annotator: Annotator, questions: Sequence[Question], answers: Sequence[int | str]
) -> tuple[list[Outcome], npt.NDArray[np.bool_]]:
    """(the outcome of each question, whether it is made up). ``answers``: those that the model may give."""
    annotator.cache.refresh()
    known = [annotator.known(question.key) for question in questions]
    outcomes = [
        _made_up(annotator, question, answers) if outcome is None else outcome
        for question, outcome in zip(questions, known, strict=True)
    ]
    return outcomes, np.array([outcome is None for outcome in known], np.bool_)


def _made_up(annotator: Annotator, question: Question, answers: Sequence[int | str]) -> Outcome:
    answer = answers[int(question.key, 16) % len(answers)], MADE_UP
    tokens = _tokens(annotator, question)
    return Outcome(Record(question.key, annotator.task.identity, answer), *tokens)


def _tokens(annotator: Annotator, question: Question) -> tuple[int, int]:
    """Tokens of request and answer."""
    spent = annotator.cache.spent(annotator.task.identity)
    if spent.documents >= ENOUGH and spent.prompt_tokens:
        return round(spent.prompt_tokens / spent.documents), round(spent.completion_tokens / spent.documents)
    request = annotator.task.payload(question.text, question.language)
    content = request["messages"][0]["content"].encode()
    ascii_bytes = int(np.count_nonzero(np.frombuffer(content, np.uint8) < 0x80))
    guessed = ascii_bytes / _ASCII_BYTES + (len(content) - ascii_bytes) / _OTHER_BYTES
    return round(guessed), min(ANSWER_TOKENS, request.get("max_tokens", ANSWER_TOKENS))

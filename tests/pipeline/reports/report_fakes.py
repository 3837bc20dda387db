"""Reports made by hand, for tests of how they are shown."""

from __future__ import annotations

from typing import Any

from pipeline.reports.model import (
    Amount,
    Balance,
    Clusters,
    Estimate,
    FitResult,
    Identity,
    Kept,
    Quarantine,
    QuarantinedRecord,
    Reason,
    Report,
    RuleText,
    SourceTotals,
    StageTotals,
    TokenCount,
    Tokens,
)


def amount(documents: int) -> Amount:
    """An amount of documents of 100 bytes and 25 tokens each."""
    return Amount(documents=documents, bytes=100 * documents, tokens=25 * documents)


def dropped(name: str, documents: int, rule: RuleText | None = None) -> Reason:
    gone = amount(documents)
    return Reason(kind="dropped", name=name, total=gone, by_source={"web": gone}, by_language={"en": gone}, rule=rule)


def stage(address: str, came: int, *reasons: Reason, form: Any = "rows") -> StageTotals:
    gone = sum(reason.total.documents for reason in reasons)
    flow: Any = {"in": amount(came), "out": amount(came - gone)}
    by_language: Any = {"en": {**flow, "dropped": amount(gone)}}
    return StageTotals(
        address=address, kind=address, form=form, flow=flow, by_language=by_language, reasons=list(reasons)
    )


def report(**changes: Any) -> Report:
    """1,000 documents read, 40 too short by ``word_count[zh]``, 960 kept."""
    short = dropped("too_short", 40, RuleText(signal="words", min=50))
    fields: dict[str, Any] = {
        "run": Identity(name="fake", status="finished", recipe="fake", seed=0, recipe_hash="0" * 64),
        "versions": {"gristmill": "0", "pyarrow": "0"},
        "sources": {
            "web": SourceTotals(kind="jsonl", domain="web", read=amount(1000), quarantined=amount(0), kept=amount(960))
        },
        "stages": [stage("read", 1000, form="read"), stage("word_count[zh]", 1000, short)],
        "kept": Kept(
            total=amount(960),
            by_source={"web": amount(960)},
            by_language={"en": amount(900), "zh": amount(60)},
            by_domain={"web": amount(960)},
        ),
        "balance": Balance(stages=2, lines=2),
        "estimate": Estimate(bytes_per_token={"en": 4.0}),
        "quarantine": Quarantine(documents=0, bytes=0),
        "blocks": [],
        "books": [],
    }
    return Report(**{**fields, **changes})


def full_report() -> Report:
    """A report with every part."""
    record = QuarantinedRecord(source="web", file="a.jsonl", offset=7, bytes=9, reason="malformed_json", detail="torn")
    stream = {"key": "web.en", "weight": 0.5, "realised": 0.4, "tokens": 5000, "sequences": 5, "documents": 3,
              "available_tokens": 2000, "epochs": 2.5, "capped": True}  # fmt: skip
    return report(
        fits=[FitResult(name="few", kind="percentile", sha256="a" * 64, value=12.5)],
        clusters=[Clusters(stage="exact_dedup", clusters=2, members=5, dropped=3, largest=3, sizes={"2": 1, "3-4": 1})],
        tokens=Tokens(
            tokenizer={"name": "qwen2.5", "vocab_size": 151665, "eos_id": 151643, "fingerprint": "f" * 64},
            documents=960,
            tokens=24_000,
            text_bytes=96_000,
            shards=1,
            by=[TokenCount(domain="web", language="en", documents=960, text_bytes=96_000, tokens=24_000)],
        ),
        mix={"tokens": 5000, "asked_tokens": 10_000, "streams": [stream], "warnings": ["web.en is used up"]},
        training={"model": "toy", "parameters": 1000, "steps": 10, "first_loss": 9.0, "last_loss": 5.5,
                  "validation": {"web.en": {"loss": 6.25}}},
        quarantine=Quarantine(
            documents=1, bytes=9, by_reason={"malformed_json": 1}, by_source={"web": 1}, first=[record]
        ),
    )  # fmt: skip

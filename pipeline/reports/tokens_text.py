"""``gristmill tokens inspect``: what the token shards of a run hold."""

from __future__ import annotations

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import RunNotFound
from pipeline.reports import figures
from pipeline.reports.stored_run import StoredRun
from pipeline.terminal import text


def print_tokens(run: StoredRun, console: Console) -> None:
    """Documents and tokens by domain and language, and the shards. Raises RunNotFound if the run has none."""
    from pipeline.tokens.shards import TokenShards

    folder = run.folder.child("tokens")
    if not folder.exists("index.arrow"):
        raise RunNotFound(f"run {run.run.name} has no tokens", remedy="add `tokenize` to its recipe and run it")
    shards = TokenShards.open(folder.uri)
    table = Table(title=f"tokens of {run.run.name}", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD,
                  pad_edge=False)  # fmt: skip
    table.add_column("domain, language")
    for name in ("documents", "tokens", "mean", "longest"):
        table.add_column(name, justify="right")
    for code, (domain, language) in enumerate(shards.keys):
        lengths = np.asarray(shards.length)[np.asarray(shards.key) == code].astype(np.int64)
        mean = lengths.sum() / max(len(lengths), 1)
        cells = [figures.count(len(lengths)), figures.count(int(lengths.sum())), f"{mean:,.0f}",
                 figures.count(int(lengths.max(initial=0)))]  # fmt: skip
        table.add_row(text(f"{domain}, {language}"), *map(Text, cells))
    console.print(table)
    for shard in shards.shards:
        amounts = f"{figures.count(shard['documents'])} documents, {figures.count(shard['tokens'])} tokens"
        console.print(text(f"{shard['file']}: {amounts}, {figures.size(shard['bytes'])}"))
    tokenizer = shards.tokenizer
    said = (
        f"tokenizer {tokenizer['name']}: vocabulary {figures.count(tokenizer['vocab_size'])}, end {tokenizer['eos_id']}"
    )
    console.print(text(f"{said}, fingerprint {tokenizer['fingerprint'][:16]}…"))

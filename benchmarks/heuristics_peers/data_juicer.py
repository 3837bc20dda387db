"""Data-Juicer's eight heuristics on text that need no model and no download, on texts in memory.

Only their statistics are computed, in batches of 1,000 as its executor does by default; reading and writing is left
out.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

FILTERS = {
    "alphanumeric_filter": "AlphanumericFilter",
    "average_line_length_filter": "AverageLineLengthFilter",
    "character_repetition_filter": "CharacterRepetitionFilter",
    "maximum_line_length_filter": "MaximumLineLengthFilter",
    "special_characters_filter": "SpecialCharactersFilter",
    "text_length_filter": "TextLengthFilter",
    "word_repetition_filter": "WordRepetitionFilter",
    "words_num_filter": "WordsNumFilter",
}
BATCH = 1_000


def main() -> None:
    """Time the filters on the texts of a JSON file."""
    texts = json.loads(Path(sys.argv[1]).read_text())
    stats = importlib.import_module("data_juicer.utils.constant").Fields.stats
    modules = {name: importlib.import_module(f"data_juicer.ops.filter.{name}") for name in FILTERS}
    filters = [getattr(modules[name], kind)() for name, kind in FILTERS.items()]

    def turn(chosen: list[str]) -> float:
        started = time.process_time()
        for start in range(0, len(chosen), BATCH):
            part = chosen[start : start + BATCH]
            samples = {"text": part, stats: [{} for _ in part]}
            for each in filters:
                samples = each.compute_stats_batched(samples)
        return time.process_time() - started

    turn(texts[:5])
    seconds = min(turn(texts) for _ in range(2))
    print(json.dumps({"version": version("py-data-juicer"), "what": "8 filters", "seconds": seconds}))


if __name__ == "__main__":
    main()

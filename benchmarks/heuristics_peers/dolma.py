"""dolma's taggers of Gopher's and C4's signals, on texts in memory."""

from __future__ import annotations

import importlib
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

TAGGERS = ("gopher_v2", "c4_v2")


def main() -> None:
    """Time the taggers on the texts of a JSON file."""
    texts = json.loads(Path(sys.argv[1]).read_text())
    importlib.import_module("dolma.taggers")
    registry = importlib.import_module("dolma.core.registry").TaggerRegistry
    document = importlib.import_module("dolma.core.data_types").Document
    taggers = [registry.get(name)() for name in TAGGERS]

    def turn(chosen: list[str]) -> float:
        documents = [document(source="", id=str(number), text=text) for number, text in enumerate(chosen)]
        started = time.process_time()
        for each in documents:
            for tagger in taggers:
                tagger.predict(each)
        return time.process_time() - started

    turn(texts[:5])
    seconds = min(turn(texts) for _ in range(2))
    print(json.dumps({"version": version("dolma"), "what": " + ".join(TAGGERS), "seconds": seconds}))


if __name__ == "__main__":
    main()

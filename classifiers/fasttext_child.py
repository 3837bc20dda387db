"""The process that trains a fastText model: settings as JSON on its input, the model into a file.

A process of its own, because the library reads memory that it has not written, and gives other models, or none, with
what happened to be there. glibc can be told, when a process starts, to fill what it hands out: with zeros, where
``perturb`` is 255 and the thread cache, which does not fill, is off. With one thread the sums run in one order too, and
the same file gives the same bytes. (Fresh pages for every block, by ``MALLOC_MMAP_THRESHOLD_=1``, give the same bytes
in 3 to 7 times the time.) It knows nothing of ours, so it starts quickly and may be run by its path.

Limits: what glibc is told, other C libraries do not hear.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Train and save; errors end the process with a traceback."""
    import fasttext

    asked = json.load(sys.stdin)
    model = fasttext.train_supervised(**asked["settings"])
    if asked["quantize"]:
        model.quantize(**asked["quantize"])
    model.save_model(asked["output"])


if __name__ == "__main__":
    main()

"""``python -m trainer``: train a model on a mix of token shards."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from threading import Event


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer", description=__doc__)
    parser.add_argument("--tokens", required=True, help="folder of index.arrow")
    parser.add_argument("--mix", required=True, help="folder of plan.json")
    parser.add_argument("--out", required=True, type=Path, help="folder of log.jsonl, result.json and checkpoint/")
    parser.add_argument("--model", default="toy", help="toy, proxy-10m, or a published size such as 0.5B")
    parser.add_argument("--steps", required=True, type=_positive, help="optimizer steps")
    parser.add_argument("--sequence-length", required=True, type=_positive, help="tokens of a sequence, as in the mix")
    parser.add_argument("--batch-size", default=8, type=_positive, help="sequences of a step (8)")
    parser.add_argument("--learning-rate", default=1e-3, type=float, help="peak (0.001)")
    parser.add_argument("--schedule", default="cosine", choices=("cosine", "wsd"))
    parser.add_argument("--warmup", type=int, help="steps of linear warm-up (a twentieth of all)")
    parser.add_argument("--seed", default=0, type=int, help="of the first weights (0)")
    parser.add_argument("--validation-sequences", default=64, type=_positive, help="at most, for each key (64)")
    parser.add_argument("--threads", type=_positive, help="CPU threads (all)")
    parser.add_argument("--save-every", default=100, type=_positive, help="steps between checkpoints (100)")
    parser.add_argument("--resume", action="store_true", help="go on from a checkpoint, never begin anew")
    return parser


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return int(text)


def _stop_on_signals() -> Event:
    """Set by the first Ctrl-C or SIGTERM, so that no step is torn; the second one ends the process as usual."""
    stop = Event()

    def handle(number: int, frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    return stop


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, 1 for what the user can mend, 130 after an interrupt, which saves a checkpoint."""
    given = vars(_parser().parse_args(arguments))
    # Threads that wait in a loop starve each other on busy cores: 230 tokens/s at a load of 9, 2,800 at 6 with this.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from trainer.loop import Options, train

    if given["threads"]:
        torch.set_num_threads(given["threads"])
    stop = _stop_on_signals()
    options = Options(**{field.name: given[field.name] for field in fields(Options)})
    try:
        rest = {name: given[name] for name in ("tokens", "mix", "out", "save_every", "resume")}
        train(options, **rest, stop=stop)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # The trainer's own errors and those of shards and mix say what to do; all others are bugs and keep their trace.
        if not hasattr(error, "remedy"):
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Kill a run again and again and show that it ends with the same bytes and totals as an undisturbed one.

    python benchmarks/kill_and_resume.py RECIPE --kills 20 --executor ray --workers 2

The recipe runs once undisturbed. Then it is started in a second store, and every start but the last is killed
with SIGKILL, the driver with all of its children (Ray's workers, raylet and control store), at a random moment
after its executor is up. Checksums of all data files, and the books, have to be equal. ``--root`` may be a
folder or an object store's URI.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import time

import psutil

import gristmill
from pipeline.runs import data_checksums, load_run, run_books

COMMAND = [
    sys.executable,
    "-c",
    f"import sys; sys.path.insert(0, {gristmill.ROOT!r}); import gristmill; gristmill.main()",
]


def start(options: argparse.Namespace, root: str) -> subprocess.Popen[str]:
    """Start ``gristmill run`` with its store and runs below ``root``."""
    places = ["--set", f"store={root}/store", "--set", f"runs={root}/runs"]
    more = [word for text in options.set for word in ("--set", text)]
    chosen = ["--executor", options.executor, "--workers", str(options.workers)]
    arguments = [*COMMAND, "run", options.recipe, *places, *more, *chosen]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def wait_until_working(process: subprocess.Popen[str]) -> str:
    """Return once the executor is up (or the process has ended), with what it said until then."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if "workers ready" in line:
            break
    return said


def kill_all(process: subprocess.Popen[str]) -> int:
    """SIGKILL the process and everything below it. Returns how many processes that were."""
    try:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        return 0
    for member in family:
        try:
            member.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=20)
    process.wait()
    return len(family)


def finish(process: subprocess.Popen[str], said: str = "") -> None:
    """Wait for the end; raises if the run failed. ``said``: what was taken from it already."""
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"the run ended with {process.returncode}:\n{said}{errors}")


def killed_run(options: argparse.Namespace, root: str, seconds: float, rng: random.Random) -> int:
    """Run below ``root`` with the asked kills. Returns how many starts were killed at work."""
    killed = 0
    for _ in range(options.kills):
        process = start(options, root)
        wait_until_working(process)
        time.sleep(rng.uniform(0, 2 * seconds / options.kills))
        alive = process.poll() is None
        count = kill_all(process)
        killed += alive
        print(f"killed {count} processes" if alive else "had finished before the kill", flush=True)
    finish(start(options, root))
    return killed


def state(root: str, name: str) -> tuple[dict[str, str], list[list[object]]]:
    """Checksums and books of the run below ``root``."""
    run = load_run(f"{root}/runs/{name}")
    return data_checksums(run), run_books(run).rows()


def main() -> None:
    """Compare a killed run with an undisturbed one; exits with 1 if they differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--name", required=True, help="the recipe's name")
    parser.add_argument("--root", required=True, help="folder or URI for both stores")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--executor", default="ray")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    process = start(options, f"{options.root}/undisturbed")
    said = wait_until_working(process)
    started = time.monotonic()
    finish(process, said)
    seconds = time.monotonic() - started
    print(f"undisturbed: {seconds:.1f} s of work; seed {options.seed}", flush=True)
    killed = killed_run(options, f"{options.root}/killed", seconds, random.Random(options.seed))
    expected, found = (state(f"{options.root}/{name}", options.name) for name in ("undisturbed", "killed"))
    same = expected == found
    files = f"{len(expected[0])} data files and {len(expected[1])} lines of the books"
    print(f"{killed} of {options.kills} starts killed at work; {files}: {'equal' if same else 'DIFFERENT'}")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()

"""How long `archgraph check` takes, as a person waits for it: a whole process, the median of many.

python tools/bench_cli.py [--runs 15] [-- ARGUMENTS]    default arguments: check bifpn

Wanted: 0.35 s; promised: 0.6 s. Fails only at twice the promise, since other work may share the
machine.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

WANTED, PROMISED = 0.35, 0.6


def seconds(arguments: list[str]) -> float:
    """The wall-clock time of one process."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "archgraph", *arguments]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description="Time `archgraph check`.")
    parser.add_argument("--runs", type=int, default=15, help="processes to time (default: 15)")
    parser.add_argument("arguments", nargs="*", help="a command line (default: check bifpn)")
    given = parser.parse_args()
    arguments: list[str] = given.arguments or ["check", "bifpn"]
    seconds(arguments)  # writes the bytecode, fills the caches
    times = sorted(seconds(arguments) for _ in range(given.runs))
    median = statistics.median(times)
    print(f"archgraph {' '.join(arguments)}: median of {given.runs} runs {median:.3f} s")
    print(f"  fastest {times[0]:.3f} s, slowest {times[-1]:.3f} s")
    print(f"  wanted {WANTED} s, promised {PROMISED} s")
    return 1 if median > 2 * PROMISED else 0


if __name__ == "__main__":
    sys.exit(main())

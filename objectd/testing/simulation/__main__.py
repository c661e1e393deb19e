"""Run seeds: each one named, with its trace, or a range of them with what they came to."""

from __future__ import annotations

import sys
from collections import Counter

from twisted.logger import globalLogBeginner

from objectd.testing.simulation import Violated, simulate


def main(arguments: list[str]) -> int:
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False)
    match arguments:
        case [seed]:
            return _trace(int(seed))
        case [first, stop]:
            return _survey(range(int(first), int(stop)))
    sys.stderr.write("python -m objectd.testing.simulation SEED | FIRST STOP\n")
    return 2


def _trace(seed: int) -> int:
    try:
        simulate(seed, lambda line: sys.stdout.write(line + "\n"))
    except Violated as violated:
        sys.stdout.write(f"seed {seed}: {violated}\n")
        return 1
    return 0


def _survey(seeds: range) -> int:
    counts: Counter[str] = Counter()
    violated = 0
    for seed in seeds:
        try:
            counts.update(simulate(seed))
        except Violated as error:
            violated += 1
            sys.stdout.write(f"seed {seed}: {error}\n")
    for what, count in sorted(counts.items()):
        sys.stdout.write(f"{count:8} {what}\n")
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

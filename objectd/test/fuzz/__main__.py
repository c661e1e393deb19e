"""Conversations from a seed until the time is over or one shows a fault."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from twisted.logger import globalLogBeginner

from objectd.test.fuzz.judging import Fault, Tally
from objectd.test.fuzz.memory import MemoryFuzz, smallest


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m objectd.test.fuzz")
    parser.add_argument("seed")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--first", type=int, default=0, help="the number of the first conversation")
    parser.add_argument("--process", action="store_true", help="over sockets to a real server")
    options = parser.parse_args(arguments)
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False)
    try:
        if options.process:
            tally = _with_process(options.seed, options.seconds)
        else:
            tally = _in_memory(options.seed, options.first, options.seconds)
    except Fault as fault:
        sys.stdout.write(f"{fault}\n")
        return 1
    sys.stdout.write(f"{tally.report()}\n")
    return 0


def _in_memory(seed: str, first: int, seconds: float) -> Tally:
    until = time.monotonic() + seconds
    with MemoryFuzz(seed) as fuzz:
        number = first
        while time.monotonic() < until:
            try:
                fuzz.run(number)
            except Fault as fault:
                sys.stdout.write(f"seed {seed}, conversation {number}\n")
                if fault.conversation is not None and (least := smallest(seed, fault.conversation)):
                    raise Fault(fault.args[0], least) from fault
                raise
            number += 1
        fuzz.check()
    return fuzz.tally


def _with_process(seed: str, seconds: float) -> Tally:
    from objectd.test.fuzz.process import fuzz_process

    with tempfile.TemporaryDirectory() as directory:
        return fuzz_process(Path(directory) / "server", seed, seconds=seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

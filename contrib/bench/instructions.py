"""What requests cost above the stores and below HTTP, in instructions: as `operations.py`, but
also on a machine that is not quiet, and fine enough to compare a commit with another.

    python contrib/bench/instructions.py [--wire] [--requests N] [TREE ...]

With `--wire` it is what they cost on their whole way through a worker (`wire.py`), but for its
kernel, its reactor and the owner of the metadata: a store in memory takes its place.

For each tree (by default this one; the others are compared with the first) a process imports
`objectd` from there, and Callgrind, of Debian's package valgrind, counts its instructions: some
45 s. Whenever the process calls `getppid`, which nothing else does, Callgrind writes down what it
has counted since. Between two of these marks lie N requests of one kind, each for another key.
Python's hashes are fixed, and its collector of garbage, whose work depends on what else is alive,
stops meanwhile; times and ids that are drawn change a figure by less than 0.2 %.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from operations import BODY, UNSIGNED, Bench, Requests, by_header, by_url, finished
from wire import Wire

PAGE = "/bucket/?encoding-type=url&list-type=2&max-keys={}&prefix=o%2F"
PAGES = 20
FIRST = 40
"""Requests of each kind before those that count: Python has specialised its code by then."""

HERE = Path(__file__).resolve()


def reads(method: str, prefix: str, count: int) -> Requests:
    return [(by_header(method, f"/bucket/{prefix}/{i:06d}"), b"") for i in range(count)]


def puts(prefix: str, count: int) -> Requests:
    return [
        (by_header("PUT", f"/bucket/{prefix}/{i:06d}", BODY, UNSIGNED), BODY) for i in range(count)
    ]


def by_urls(method: str, prefix: str, count: int, body: bytes = b"") -> Requests:
    return [(by_url(method, f"/bucket/{prefix}/{i:06d}", body), body) for i in range(count)]


def page(size: int, count: int) -> Requests:
    return [(by_header("GET", PAGE.format(size)), b"")] * count


def kinds(count: int) -> dict[str, Requests]:
    """What is asked for, in this order, by a process that has just loaded `o/`."""
    return {
        "GET, not kept": reads("GET", "o", count),
        "GET": reads("GET", "o", count),
        "HEAD": reads("HEAD", "o", count),
        "PUT, new": puts("p", count),
        "PUT, over": puts("p", count),
        "DELETE": reads("DELETE", "p", count),
        "page of 2": page(2, count),
        "page of 1,000": page(1000, PAGES),
    }


def kinds_on_wire(count: int) -> dict[str, Requests]:
    return {
        "GET, not kept": reads("GET", "o", count),
        "GET": reads("GET", "o", count),
        "GET, URL": by_urls("GET", "o", count),
        "HEAD": reads("HEAD", "o", count),
        "PUT, new": puts("p", count),
        "PUT, over": puts("p", count),
        "PUT, URL": by_urls("PUT", "p", count, BODY),
        "DELETE": reads("DELETE", "p", count),
    }


def load(bench: Bench) -> None:
    for i in range(1000):
        finished(bench.store.objects.put("bucket", f"o/{i:06d}", BODY))


def ask(bench: Bench, first: dict[str, Requests], then: dict[str, Requests]) -> None:
    """Carry out all requests, with marks around those of each kind that count."""
    load(bench)
    for requests in first.values():
        bench.ready(requests)()
    load(bench)
    asked = [bench.ready(requests) for requests in then.values()]
    gc.disable()
    for carry_out in asked:
        os.getppid()
        carry_out()
    os.getppid()


def counted(tree: Path, arguments: list[str], asked: dict[str, Requests]) -> dict[str, float]:
    """Instructions of one request of each kind."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory, "out")
        callgrind = ["--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={out}"]
        # At the same addresses each time, by which Python hashes what says nothing else.
        command = ["setarch", "-R", "valgrind", "-q", *callgrind, sys.executable]
        subprocess.run(
            [*command, HERE, "--ask", *arguments],
            env={**os.environ, "PYTHONPATH": str(tree), "PYTHONHASHSEED": "0"},
            check=True,
        )
        costs = {}
        for number, (kind, requests) in enumerate(asked.items(), start=2):
            found = re.search(r"^summary: (\d+)", Path(f"{out}.{number}").read_text(), re.MULTILINE)
            assert found is not None
            costs[kind] = int(found[1]) / len(requests)
        return costs


def compare(trees: list[Path], arguments: list[str], asked: dict[str, Requests]) -> None:
    """The first with the others."""
    first, *others = (counted(tree.resolve(), arguments, asked) for tree in trees)
    print("thousands of instructions a request:", *trees)
    for kind, cost in first.items():
        compared = (f"{c[kind] / 1000:10.1f} ({c[kind] / cost - 1:+.1%})" for c in others)
        print(f"{kind:<14}{cost / 1000:10.1f}", *compared)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("trees", nargs="*", type=Path, default=[HERE.parents[2]])
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--wire", action="store_true", help="with HTTP and a worker's row cache")
    parser.add_argument("--ask", action="store_true", help="be the process that is counted")
    options = parser.parse_args()
    kinds_of = kinds_on_wire if options.wire else kinds
    asked = kinds_of(options.requests)
    if options.ask:
        ask(Wire() if options.wire else Bench("hot", 1), kinds_of(FIRST), asked)
    else:
        arguments = ["--requests", str(options.requests), *["--wire"] * options.wire]
        compare(options.trees, arguments, asked)


if __name__ == "__main__":
    main()

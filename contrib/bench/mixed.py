"""What small requests wait for while four large uploads run.

    python contrib/bench/mixed.py --server NAME=URL,KEY,SECRET,REGION,PID

For each small workload: alone first, then beside four PUTs of 256 MiB that never pause. Pages
of a listing are asked for by few connections as well: with many, each waits above all for the
pages of the others.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import s3bench

WORKLOADS = ("get4k", "put4k", "list1000")
FEW_CONNECTIONS = 4
UPLOADS = 4


@contextmanager
def uploads_without_pause(server: Any, size_mib: int) -> Iterator[list[int]]:
    """Yields the statuses of the uploads that have ended."""
    statuses: list[int] = []
    ended = Event()

    def upload(path: str, number: int) -> None:
        target = server.url + server.sign("put_object", Key=f"beside{number}")
        while not ended.is_set():
            command = ["curl", "-s", "-f", "-o", "/dev/null", "-T", path, target]
            statuses.append(subprocess.run(command, check=False).returncode)

    with tempfile.NamedTemporaryFile(dir="/dev/shm") as body:
        for _ in range(size_mib):
            body.write(s3bench.os.urandom(1 << 20))
        body.flush()
        threads = [Thread(target=upload, args=(body.name, n)) for n in range(UPLOADS)]
        for thread in threads:
            thread.start()
        try:
            yield statuses
        finally:
            ended.set()
            for thread in threads:
                thread.join()


def measured(server: Any, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The medians of the rounds, by workload."""
    found = {workload: measure(server, workload, options) for workload in WORKLOADS}
    few = argparse.Namespace(**{**vars(options), "connections": FEW_CONNECTIONS})
    found[f"list1000 by {FEW_CONNECTIONS}"] = measure(server, "list1000", few)
    return found


def measure(server: Any, workload: str, options: argparse.Namespace) -> dict[str, float]:
    rounds = []
    for _ in range(options.rounds):
        script = s3bench.lua(*s3bench.requests_for(server, workload, options.state))
        rounds.append(s3bench.run_small(server, script, options))
        Path(script).unlink()
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--large-mib", type=int, default=256)
    parser.add_argument("--json")
    options = parser.parse_args(namespace=argparse.Namespace(state={}))
    server = s3bench.Server(options.server)
    alone = measured(server, options)
    with uploads_without_pause(server, options.large_mib) as statuses:
        beside = measured(server, options)
    for workload in alone:
        for name, run in (("alone", alone[workload]), ("beside", beside[workload])):
            print(
                f"{workload:13s} {name:7s} {run['rate']:10.1f} req/s  p50 {run['p50']:8.2f}  "
                f"p99 {run['p99']:8.2f} ms  errors {run['errors']:.0f}",
                flush=True,
            )
    print(f"{len(statuses)} uploads, {sum(map(bool, statuses))} failed")
    if options.json:
        Path(options.json).write_text(json.dumps({"alone": alone, "beside": beside}, indent=1))


if __name__ == "__main__":
    main()

"""What idle keep-alive connections cost: memory, and time of the active ones.

    python contrib/bench/idle.py --server NAME=URL,KEY,SECRET,REGION,PID --idle 10000

The server must allow that many connections (`limits.connections`), and this process as many
open files. Every connection has one request behind it before it is idle.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import s3bench
from mixed import measure


def tree_rss_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants; what they share counts once for each."""
    parents: dict[int, int] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(entry)] = int(fields[1])
    tree = {pid}
    while more := {child for child, parent in parents.items() if parent in tree} - tree:
        tree |= more
    page_bytes = resource.getpagesize()
    return sum(
        int(Path(f"/proc/{each}/statm").read_text().split()[1]) * page_bytes for each in tree
    )


@contextmanager
def idle_connections(server: Any, count: int) -> Iterator[None]:
    address = urlsplit(server.url)
    head = f"HEAD {server.sign('head_object', Key='f4096/000000')} HTTP/1.1\r\n"
    request = f"{head}Host: {address.netloc}\r\n\r\n".encode()
    with ExitStack() as opened:
        for _ in range(count):
            connection = socket.create_connection((address.hostname, address.port))
            opened.enter_context(connection)
            connection.sendall(request)
            answer = connection.recv(4096)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"a connection that should idle got {answer!r}")
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", required=True)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--json")
    options = parser.parse_args(namespace=argparse.Namespace(state={}))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    server = s3bench.Server(options.server)
    alone = measure(server, "get4k", options)
    before_bytes = tree_rss_bytes(server.pid)
    with idle_connections(server, options.idle):
        after_bytes = tree_rss_bytes(server.pid)
        beside = measure(server, "get4k", options)
    cost_mib = (after_bytes - before_bytes) / (1 << 20)
    print(f"{options.idle} idle connections: {cost_mib:.0f} MiB")
    for name, run in (("alone", alone), ("beside", beside)):
        print(
            f"get4k {name:7s} {run['rate']:10.1f} req/s  p99 {run['p99']:8.2f} ms  "
            f"cpu {run['cpu']:.3f} ms/req"
        )
    print(f"rate beside / alone: {beside['rate'] / alone['rate']:.3f}")
    if options.json:
        Path(options.json).write_text(
            json.dumps({"idle": options.idle, "mib": cost_mib, "alone": alone, "beside": beside})
        )


if __name__ == "__main__":
    main()

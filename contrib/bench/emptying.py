"""Measure how fast `objectd rm --recursive` empties a bucket.

    python contrib/bench/emptying.py
    python contrib/bench/emptying.py --objects 10000 --directory /srv/disk

Starts a server of its own on an empty directory, fills a bucket with small objects, and
empties it with the command: objects per second, with server and client on this machine, and
the processor time that each of them took.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from servers import Server, running_objectd
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from objectd.client import Client, Connections, KeyPair, parse_endpoint
from objectd.client.concurrency import for_each

BUCKET = "emptied"
PUTS_AT_ONCE = 32
CONTENT = b"x" * 100


async def fill(client: Client, objects: int) -> None:
    await client.call("CreateBucket", Bucket=BUCKET)

    async def put(number: int) -> None:
        key = f"{number % 100:02}/{number:08}"
        await client.call("PutObject", Bucket=BUCKET, Key=key, Body=CONTENT)

    await for_each(range(objects), put, at_once=PUTS_AT_ONCE)


def empty(server: Server) -> None:
    command = [sys.executable, "-c", "from objectd.cli import main; main()"]
    environment = {
        **os.environ,
        "OBJECTD_ENDPOINT": server.url,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
    }
    subprocess.run(
        [*command, "rm", "--recursive", "--quiet", f"s3://{BUCKET}"], check=True, env=environment
    )


def processor_seconds(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def measure(server: Server, objects: int) -> None:
    used, began = processor_seconds(server.pid), time.monotonic()
    empty(server)
    seconds = time.monotonic() - began
    client = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"emptied {objects} objects in {seconds:.1f} s: {objects / seconds:.0f} objects/s, "
        f"server {processor_seconds(server.pid) - used:.1f} s, "
        f"client {client.ru_utime + client.ru_stime:.1f} s of processor time"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--directory", type=Path, help="where the data is put for the time being")
    options = parser.parse_args()

    async def fill_and_measure(reactor: object) -> None:
        with (
            tempfile.TemporaryDirectory(prefix="objectd-bench-", dir=options.directory) as made,
            running_objectd(Path(made)) as server,
        ):
            connections = Connections(reactor)
            client = connections.client(
                parse_endpoint(server.url), KeyPair(server.access_key, server.secret_key)
            )
            began = time.monotonic()
            await fill(client, options.objects)
            print(f"filled in {time.monotonic() - began:.1f} s")
            await connections.close()
            measure(server, options.objects)

    react(lambda reactor: Deferred.fromCoroutine(fill_and_measure(reactor)))


if __name__ == "__main__":
    main()

"""Measure what carrying out a lifecycle costs, and what it does to requests meanwhile.

    python contrib/bench/lifecycle.py
    python contrib/bench/lifecycle.py --objects 1000000 --directory /srv/disk

Fills two stores with small objects of which one in a hundred is due by the rule, spread over
all keys. One is gone through by the library alone: the processor time of a pass. The other is
served, and GETs are measured before the rule is there and while it is carried out, in rounds
that take turns. `--rows-per-second` is the setting of that name.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from pathlib import Path

import boto3
from loading import key
from scale import asked, show
from servers import running_objectd
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.logger import globalLogBeginner, textFileLogObserver

from objectd.model.lifecycle import LifecycleFilter, LifecycleRule
from objectd.objects import open_directory
from objectd.objects.loading import SmallObject

BUCKET = "loaded"
DUE_EVERY = 100
KEPT_BYTES, DUE_BYTES = 16, 32
ROUNDS = 3
TARGETS = 10_000
RULE = LifecycleRule(
    "due", True, LifecycleFilter(size_above=KEPT_BYTES), expire_date_us=86_400_000_000
)


def small_object(number: int) -> SmallObject:
    size_bytes = DUE_BYTES if number % DUE_EVERY == 0 else KEPT_BYTES
    return SmallObject(key(number), b"x" * size_bytes)


async def fill(reactor: object, directory: Path, objects: int) -> None:
    store = await open_directory(reactor, directory)
    try:
        await store.buckets.create(BUCKET)
        await store.loads.put_all(BUCKET, map(small_object, range(objects)))
    finally:
        await store.close()


async def go_through(reactor: object, directory: Path) -> None:
    """One pass without a limit, and its processor time; another that finds nothing."""
    store = await open_directory(reactor, directory)
    try:
        for what in ("pass", "pass with nothing due"):
            await store.lifecycles.put(BUCKET, [RULE])
            began, used = time.monotonic(), time.process_time()
            report = await store.lifecycle_passes.run()
            print(
                f"{what}: {report.rows:,} rows, {report.deeds:,} deeds: "
                f"{time.process_time() - used:.2f} s of processor time, "
                f"{time.monotonic() - began:.2f} s",
                flush=True,
            )
    finally:
        await store.close()


def serve(directory: Path, options: argparse.Namespace) -> None:
    config = directory / "objectd.toml"
    config.write_text(
        f"lifecycle.interval_seconds = 0.5\nlifecycle.rows_per_second = {options.rows_per_second}\n"
    )
    with running_objectd(directory, "--config", str(config)) as server:
        s3 = boto3.client(
            "s3",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id=server.access_key,
            aws_secret_access_key=server.secret_key,
        )
        numbers = [n for n in range(options.objects) if n % DUE_EVERY]
        step = max(1, len(numbers) // TARGETS)
        targets = [f"/{BUCKET}/{key(n)}" for n in numbers[::step]]
        rule = {
            "ID": "due",
            "Status": "Enabled",
            "Filter": {"ObjectSizeGreaterThan": KEPT_BYTES},
            "Expiration": {"Date": "1970-01-02T00:00:00Z"},
        }

        def measure(what: str) -> None:
            show(what, [asked(server, targets, options)])

        measure("warming up")
        for _ in range(ROUNDS):
            s3.delete_bucket_lifecycle(Bucket=BUCKET)
            measure("the same, first")
            measure("GET, no rules")
            s3.put_bucket_lifecycle_configuration(
                Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]}
            )
            # Whether an object expires is worked out anew, once, when the rules have changed.
            measure("the same, first")
            measure("GET, during a pass")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--directory", type=Path, help="where the data is put for the time being")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rows-per-second", type=int, default=5_000)
    options = parser.parse_args()
    # Each deed is logged, as by a server: formatting the lines is part of what it costs.
    globalLogBeginner.beginLoggingTo([textFileLogObserver(io.StringIO())], redirectStandardIO=False)

    async def work(reactor: object, made: Path) -> None:
        for name in ("alone", "served"):
            (made / name).mkdir()
            await fill(reactor, made / name / "data", options.objects)
        await go_through(reactor, made / "alone" / "data")

    with tempfile.TemporaryDirectory(prefix="objectd-bench-", dir=options.directory) as name:
        made = Path(name)
        with contextlib.suppress(SystemExit):  # with which react ends
            react(lambda reactor: Deferred.fromCoroutine(work(reactor, made)))
        serve(made / "served", options)


if __name__ == "__main__":
    main()

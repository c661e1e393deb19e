"""Fill a store with many small objects, for measuring at scale.

    python contrib/bench/loading.py /srv/data --objects 10000000
    python contrib/bench/loading.py /srv/data --objects 1000000 --bytes 4096 --shuffled

Writes through the library, as the only process that has the data directory open: stop a
server first. Object n has the key `even/NNNNN/n` or `odd/NNNNN/n` (`key` below), so that each
half is a prefix, with a thousand objects (--below) below each of its own. Run again it goes on,
with --first, or fills another bucket. Prints objects per second and processor time; `objectd
check` finds nothing wrong with what it leaves.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from objectd.errors import BucketAlreadyOwnedByYou
from objectd.objects import open_directory
from objectd.objects.loading import SmallObject

OBJECTS_A_LINE = 250_000
OBJECTS_BELOW = 1000
_PRIME = 2_147_483_647


def key(number: int, below: int = OBJECTS_BELOW) -> str:
    half = "even" if number % 2 == 0 else "odd"
    return f"{half}/{number // (2 * below):05}/{number:010}"


def small_object(number: int, size_bytes: int, below: int) -> SmallObject:
    """Its bytes are its own, so that its ETag is."""
    content = b"%016d" % number * (size_bytes // 16 + 1)
    return SmallObject(key(number, below), content[:size_bytes])


def numbers(first: int, objects: int, *, shuffled: bool) -> Iterator[int]:
    """`first` to `first + objects` - 1, in order or in one that jumps about."""
    return (first + (n * _PRIME % objects if shuffled else n) for n in range(objects))


async def load(reactor: object, options: argparse.Namespace) -> None:
    store = await open_directory(reactor, options.directory)
    try:
        try:
            await store.buckets.create(options.bucket)
        except BucketAlreadyOwnedByYou:
            print("going on in the bucket that is there")
        chosen = numbers(options.first, options.objects, shuffled=options.shuffled)
        done = 0
        while done < options.objects:
            began, used = time.monotonic(), time.process_time()
            count = min(OBJECTS_A_LINE, options.objects - done)
            some = (small_object(next(chosen), options.bytes, options.below) for _ in range(count))
            await store.loads.put_all(options.bucket, some)
            done += count
            seconds, used = time.monotonic() - began, time.process_time() - used
            print(
                f"{done:>12,} objects: {count / seconds:,.0f} a second, "
                f"{used / count * 1e6:.1f} µs of processor time each",
                flush=True,
            )
    finally:
        await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first object")
    parser.add_argument("--bytes", type=int, default=16, help="of each object (default: 16)")
    parser.add_argument(
        "--below", type=int, default=OBJECTS_BELOW, help="objects a prefix (default: 1000)"
    )
    parser.add_argument("--bucket", default="loaded")
    parser.add_argument("--shuffled", action="store_true", help="not in the order of their keys")
    options = parser.parse_args()
    react(lambda reactor: Deferred.fromCoroutine(load(reactor, options)))


if __name__ == "__main__":
    main()

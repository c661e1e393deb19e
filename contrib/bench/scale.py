"""What a bucket of very many objects costs, over HTTP.

    python contrib/bench/scale.py /srv/bench --objects 10000000

Fills `/srv/bench/data` as `loading.py` does, unless it is there, and compacts its metadata, then
serves it: how soon it answers, also after `kill -9`; GETs of random keys, more than the workers
keep; pages of a listing of half of all, and of one with a delimiter, each beside the same page of
a bucket of which half is 10,000; memory of the processes, and the metadata's size on the disk. CPU
is that of all processes of the server.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import attrs
import s3bench
from idle import tree_rss_bytes
from loading import key
from servers import Server, running_objectd

from objectd.auth.signing import KeyPair, presigned
from objectd.metadata._rocksdict import Database
from objectd.objects.store import wall_clock_us
from objectd.protocol.messages import HttpRequest

HERE = Path(__file__).parent
KEYS = 100_000
OBJECTS_MIN = 2_010_000
PAGES = 200
PAGE_ENTRIES = 1000
EXPIRES_SECONDS = 86_400


@attrs.frozen
class Filled:
    """A bucket, as `loading.py` fills it."""

    bucket: str
    objects: int
    below: int

    def load(self, data: Path, object_bytes: int) -> None:
        loading = [sys.executable, HERE / "loading.py", data, "--shuffled"]
        loading += [f"--{name}={value}" for name, value in attrs.asdict(self).items()]
        subprocess.run([*loading, f"--bytes={object_bytes}"], check=True)

    def gets(self) -> list[str]:
        chosen = (random.randrange(self.objects) for _ in range(KEYS))
        return [f"/{self.bucket}/{key(number, self.below)}" for number in chosen]

    def pages(self) -> list[str]:
        """Of keys, from anywhere in the half of all that lies below `even/`."""
        starts = self.objects // 2 - PAGE_ENTRIES
        chosen = (2 * random.randrange(starts) for _ in range(PAGES))
        return [f"{self._page()}&start-after={key(number, self.below)}" for number in chosen]

    def prefix_pages(self) -> list[str]:
        """Of the common prefixes there."""
        starts = self.objects // (2 * self.below) - PAGE_ENTRIES + 1
        chosen = (2 * self.below * random.randrange(starts) for _ in range(PAGES))
        first = (key(number, self.below).rpartition("/")[0] for number in chosen)
        return [f"{self._page()}&delimiter=/&start-after={prefix}" for prefix in first]

    def _page(self) -> str:
        return f"/{self.bucket}?list-type=2&max-keys={PAGE_ENTRIES}&prefix=even/"


SMALL = Filled("small", 20_000, below=10)
"""Of which half is 10,000 keys below a thousand prefixes."""


def compact(directory: Path) -> None:
    """What a server does by itself, in time: one that starts has no use for what the loaders
    noted of their commits, and compactions leave it out."""
    with running_objectd(directory):
        pass
    database = Database(
        directory / "data" / "metadata",
        block_cache_mib=32,
        write_buffer_mib=32,
        free_mib_min=64,
        seconds=time.monotonic,
    )
    for family in (database._records, database._payloads):
        family.compact_range(None, None)
    database.close()


def signed_target(server: Server, target: str) -> str:
    headers = ((b"host", urlsplit(server.url).netloc.encode()),)
    request = presigned(
        HttpRequest("GET", target.encode(), headers, ""),
        KeyPair(server.access_key, server.secret_key),
        region="us-east-1",
        now_us=wall_clock_us(),
        expires_seconds=EXPIRES_SECONDS,
    )
    return request.target.decode()


SCRIPT = """
local t = {}
for line in io.lines("%s") do t[#t + 1] = line end
local i = 0
request = function() i = i %% #t + 1; return wrk.format("GET", t[i]) end
done = function(s, l, r)
  print(string.format("RESULT %%d %%d %%d %%d %%d %%d", s.requests, s.duration,
    l:percentile(50), l:percentile(99), s.errors.status,
    s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout))
end
"""
"""Reads its targets from a file: a script itself can hold far fewer."""


Found = Mapping[str, float]
"""What the ruler tells of requests."""


def asked(server: Server, targets: Sequence[str], options: Any) -> Found:
    with tempfile.TemporaryDirectory() as directory:
        listed, script = Path(directory, "targets"), Path(directory, "script.lua")
        listed.write_text("".join(signed_target(server, target) + "\n" for target in targets))
        script.write_text(SCRIPT % listed)
        found: Found = s3bench.run_small(server, str(script), options)
        return found


def show(what: str, rounds: Sequence[Found]) -> None:
    """The medians of each figure."""
    found = {name: median(each[name] for each in rounds) for name in rounds[0]}
    print(
        f"{what:32s} {found['rate']:9.1f} req/s  p50 {found['p50']:7.2f}  "
        f"p99 {found['p99']:7.2f} ms  errors {found['errors']:.0f}  cpu {found['cpu']:.3f} ms/req",
        flush=True,
    )


def measure_beside(
    server: Server, what: str, small: Sequence[str], big: Sequence[str], options: Any
) -> None:
    """The same pages of two buckets, in turn: the machine's speed changes by itself."""
    few, many = [], []
    for _ in range(options.rounds):
        few.append(asked(server, small, options))
        many.append(asked(server, big, options))
    show(f"{what}, of 10,000", few)
    show(f"{what}, of half of all", many)
    times = median(
        of_many["cpu"] / of_few["cpu"] for of_few, of_many in zip(few, many, strict=True)
    )
    print(f"{what} of many keys costs {times:.2f} times what it does of few", flush=True)


def serve(big: Filled, options: Any) -> None:
    """Measure a server, and end it without a word."""
    began = time.perf_counter()
    with running_objectd(options.directory) as server:
        urlopen(f"{server.url}/-/health/ready").close()
        print(f"answers after {time.perf_counter() - began:.2f} s", flush=True)
        random.seed(1)
        show("get", [asked(server, big.gets(), options)])
        measure_beside(server, "page", SMALL.pages(), big.pages(), options)
        prefixes = SMALL.prefix_pages(), big.prefix_pages()
        measure_beside(server, "page of prefixes", *prefixes, options)
        print(f"processes take {tree_rss_bytes(server.pid) >> 20} MiB, counting shared pages anew")
        os.kill(server.pid, signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument(
        "--objects", type=int, default=OBJECTS_MIN, help=f"at least {OBJECTS_MIN:,}"
    )
    parser.add_argument("--bytes", type=int, default=16, help="of each object (default: 16)")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="of each page (default: 3)")
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    if options.objects < OBJECTS_MIN:
        parser.error(f"of fewer than {OBJECTS_MIN:,} objects there are no pages to choose from")
    data, big = options.directory / "data", Filled("loaded", options.objects, below=1000)
    if not data.exists():
        big.load(data, options.bytes)
        SMALL.load(data, options.bytes)
        compact(options.directory)
    size_bytes = sum(file.stat().st_size for file in (data / "metadata").rglob("*"))
    print(f"{size_bytes / options.objects:.0f} bytes of metadata an object")
    for _ in range(2):  # the second time after kill -9
        serve(big, options)


if __name__ == "__main__":
    main()

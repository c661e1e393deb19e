"""What a bucket of very many objects costs, over HTTP.

    python contrib/bench/scale.py /srv/bench --objects 10000000

Fills `/srv/bench/data` as `loading.py` does, unless it is there, then serves it: how soon it
answers, also after `kill -9`; GETs of random keys, more than the workers keep; pages of a listing
and of one with a delimiter; memory of the processes, and the metadata's size on the disk. CPU is
that of all processes of the server.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import s3bench
from idle import tree_rss_bytes
from loading import key
from servers import Server, running_objectd

from objectd.auth.signing import KeyPair, presigned
from objectd.objects.store import wall_clock_us
from objectd.protocol.messages import HttpRequest

HERE = Path(__file__).parent
BUCKET = "loaded"
KEYS = 100_000
PAGES = 200
EXPIRES_SECONDS = 86_400


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


def measure(server: Server, what: str, targets: Sequence[str], options: Any) -> None:
    with tempfile.TemporaryDirectory() as directory:
        listed, script = Path(directory, "targets"), Path(directory, "script.lua")
        listed.write_text("".join(signed_target(server, target) + "\n" for target in targets))
        script.write_text(SCRIPT % listed)
        found = s3bench.run_small(server, str(script), options)
    print(
        f"{what:22s} {found['rate']:9.1f} req/s  p50 {found['p50']:7.2f}  "
        f"p99 {found['p99']:7.2f} ms  errors {found['errors']:.0f}  cpu {found['cpu']:.3f} ms/req",
        flush=True,
    )


def workloads(objects: int) -> dict[str, list[str]]:
    """The targets of each; small ones are the same over 10,000 objects and over half of all."""
    random.seed(1)
    some = [key(random.randrange(objects)) for _ in range(KEYS)]
    starts = [key(2 * random.randrange(objects // 2 - 2000)) for _ in range(PAGES)]
    page = f"/{BUCKET}?list-type=2&max-keys=1000"
    return {
        "get": [f"/{BUCKET}/{name}" for name in some],
        "page": [f"{page}&start-after={start}" for start in starts],
        "page of prefixes": [f"{page}&prefix=even/&delimiter=/"],
    }


def serve(options: Any) -> None:
    """Measure a server, and end it without a word."""
    began = time.perf_counter()
    with running_objectd(options.directory) as server:
        urlopen(f"{server.url}/-/health/ready").close()
        print(f"answers after {time.perf_counter() - began:.2f} s", flush=True)
        for what, targets in workloads(options.objects).items():
            measure(server, what, targets, options)
        print(f"processes take {tree_rss_bytes(server.pid) >> 20} MiB, counting shared pages anew")
        os.kill(server.pid, signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--bytes", type=int, default=16, help="of each object (default: 16)")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    data = options.directory / "data"
    if not data.exists():
        loading = [sys.executable, HERE / "loading.py", data, f"--objects={options.objects}"]
        subprocess.run([*loading, f"--bytes={options.bytes}", "--shuffled"], check=True)
    size_bytes = sum(file.stat().st_size for file in (data / "metadata").rglob("*"))
    print(f"{size_bytes / options.objects:.0f} bytes of metadata an object")
    for _ in range(2):  # the second time after kill -9
        serve(options)


if __name__ == "__main__":
    main()

"""Measure this objectd with the ruler beside it, `s3bench.py`.

    make bench
    python contrib/bench/run.py --quick
    python contrib/bench/run.py --workloads get4k,put4k --rounds 1 --seconds 10

Starts `objectd serve` on an empty directory and a free port, runs the ruler's workloads
against it and stops it. Per workload: requests/s or MB/s, latency, errors, and the server's
CPU per request or MB. Whatever is not an option here is handed to the ruler, whose
--workloads, --rounds, --seconds, --connections and --large-mib say what is measured.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

RULER = Path(__file__).with_name("s3bench.py")
PROGRAMS = ("wrk", "curl")
QUICK = (
    *("--workloads", "get4k,put4k,list1000,putlarge"),
    *("--rounds", "1", "--seconds", "1", "--large-mib", "16"),
)
STOP_SECONDS = 30


@attrs.frozen
class Server:
    """A server that runs, in the form in which the ruler is told of it."""

    url: str
    access_key: str
    secret_key: str = attrs.field(repr=False)
    pid: int

    @property
    def spec(self) -> str:
        return f"objectd={self.url},{self.access_key},{self.secret_key},us-east-1,{self.pid}"


@contextmanager
def running_server(directory: Path) -> Iterator[Server]:
    """A server with its data and its log in `directory`. It is stopped at the end, whatever
    happens; one that does not start ends the program with its log."""
    access_key, secret_key = f"BENCH{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)
    log_file = directory / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", "from objectd.cli import main; main()"),
                *("serve", str(directory / "data"), "--listen", "127.0.0.1:0"),
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={
                **os.environ,
                "OBJECTD_ROOT_ACCESS_KEY": access_key,
                "OBJECTD_ROOT_SECRET_KEY": secret_key,
            },
        )
        try:
            url = _announced_url(process)
            if url is None:
                raise SystemExit(f"objectd did not start:\n{log_file.read_text()}")
            yield Server(url, access_key, secret_key, process.pid)
        finally:
            _stop(process)


def _announced_url(process: subprocess.Popen[str]) -> str | None:
    """Where the server listens; None if it ended instead."""
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.search(r"http://\S+", line):
            return match.group()
    return None


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="only show that everything works")
    parser.add_argument(
        "--directory",
        type=Path,
        help="where the data is put for the time being: this decides which disk is measured",
    )
    options, for_ruler = parser.parse_known_args()
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        parser.error(f"{' and '.join(missing)} is needed: apt-get install {' '.join(missing)}")
    # As an exception a SIGTERM ends the server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    quick = QUICK if options.quick else ()
    with (
        tempfile.TemporaryDirectory(prefix="objectd-bench-", dir=options.directory) as directory,
        running_server(Path(directory)) as server,
    ):
        command = [sys.executable, str(RULER), "--server", server.spec, *quick, *for_ruler]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

"""Measure this objectd with the ruler beside it, `s3bench.py`.

    make bench
    python contrib/bench/run.py --quick
    python contrib/bench/run.py --workloads get4k,put4k --rounds 1 --seconds 10
    python contrib/bench/run.py --page docs/performance.md

Starts `objectd serve` on an empty directory and a free port, runs the ruler's workloads
against it and stops it. Per workload: requests/s or MB/s, latency, errors, and the server's
CPU per request or MB. Whatever is not an option here is handed to the ruler, whose
--workloads, --rounds, --seconds, --connections and --large-mib say what is measured.

With --page, which is what `make bench` does, Ceph's radosgw is measured in turn with it if
Debian's packages are there (ceph-mon, ceph-mgr, ceph-osd, ceph-common, radosgw), then small
requests beside large ones (`mixed.py`) and idle connections (`idle.py`), and all is written
down with the machine and the versions.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from page import Figures, page
from servers import Server, has_ceph, running_objectd, running_radosgw

HERE = Path(__file__).parent
PROGRAMS = ("wrk", "curl")
QUICK = (
    *("--workloads", "get4k,put4k,list1000,putlarge"),
    *("--rounds", "1", "--seconds", "1", "--large-mib", "16"),
)
IDLE_CONNECTIONS = 10_000
OSD_BYTES = 40 << 30


def measured(program: str, servers: Sequence[Server], directory: Path, *options: str) -> object:
    """What one of the programs here found out."""
    result = directory / f"{program}.json"
    given = (option for server in servers for option in ("--server", server.spec))
    command = [sys.executable, str(HERE / program), *given, "--json", str(result), *options]
    subprocess.run(command, check=True)
    return json.loads(result.read_text())


def whole_page(directory: Path, serve_options: Sequence[str], ruler_options: list[str]) -> str:
    """All measurements, as a page."""
    configuration = directory / "objectd.toml"
    configuration.write_text(f"limits.connections = {IDLE_CONNECTIONS + 1000}\n")
    with ExitStack() as running:
        objectd = running.enter_context(running_objectd(directory, *serve_options))
        servers = [objectd]
        if has_ceph():
            ceph = running_radosgw(directory / "ceph", _free_port(), osd_bytes=OSD_BYTES)
            servers.append(running.enter_context(ceph))
        ruler = measured("s3bench.py", servers, directory, *ruler_options)
        mixed = measured("mixed.py", [objectd], directory)
    many = directory / "many"
    many.mkdir()
    with running_objectd(many, "--config", str(configuration), *serve_options) as objectd:
        idle = measured("idle.py", [objectd], directory, "--idle", str(IDLE_CONNECTIONS))
    return page(Figures.of(ruler, mixed, idle), sys.argv[1:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="only show that everything works")
    parser.add_argument("--page", type=Path, help="measure everything, and write this page")
    parser.add_argument("--workers", help="as of `objectd serve`")
    parser.add_argument(
        "--directory",
        type=Path,
        help="where the data is put for the time being: this decides which disk is measured",
    )
    options, for_ruler = parser.parse_known_args()
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        parser.error(f"{' and '.join(missing)} is needed: apt-get install {' '.join(missing)}")
    # As an exception a SIGTERM ends the servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    serve_options = ("--workers", options.workers) if options.workers else ()
    with tempfile.TemporaryDirectory(prefix="objectd-bench-", dir=options.directory) as name:
        directory = Path(name)
        if options.page:
            options.page.write_text(whole_page(directory, serve_options, for_ruler))
            return 0
        with running_objectd(directory, *serve_options) as server:
            quick = QUICK if options.quick else ()
            ruler = [sys.executable, str(HERE / "s3bench.py"), "--server", server.spec]
            return subprocess.run([*ruler, *quick, *for_ruler], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

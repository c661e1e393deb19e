"""The page of figures: what was measured, on what machine, with which commands."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs

LARGE = ("putlarge", "getlarge", "putlarge4", "getlarge4", "multipart")
PACKAGES = ("twisted", "klein", "httptools", "rocksdict", "msgspec")
SYNCS = 200
Table = Sequence[Sequence[str]]


@attrs.frozen
class Figures:
    """`ruler` by workload and server, `mixed` by alone or beside and workload."""

    ruler: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    mixed: Mapping[str, Mapping[str, Mapping[str, float]]]
    idle: Mapping[str, Any]

    @classmethod
    def of(cls, ruler: Any, mixed: Any, idle: Any) -> Figures:
        """As the programs write them."""
        return cls(ruler, mixed, idle)


def page(figures: Figures, options: Sequence[str]) -> str:
    """The whole page, in Markdown."""
    return "\n".join(
        (
            "# Performance",
            "",
            (
                "Written by `make bench`: this page is made, not edited. Absolute figures are "
                "those of one machine on one day, with the load generators on the same cores; "
                "ratios and CPU time per request hold better."
            ),
            "",
            *_surroundings(options),
            "",
            "## The same requests to each server",
            "",
            (
                "Medians of the rounds, 32 connections, HTTP, fsync on, defaults. CPU is that of "
                "the server's whole process tree, per request or per MB. `put4ksigned` signs its "
                "payload, `put4ktrailer` sends it in chunks with a checksum behind it."
            ),
            "",
            *_markdown(_ruler_rows(figures)),
            "",
            "## Small requests beside large ones",
            "",
            "32 connections, or 4 where it says so, alone and while four PUTs of 256 MiB run.",
            "",
            *_markdown(_mixed_rows(figures)),
            "",
            "## Idle connections",
            "",
            *_idle_lines(figures),
            "",
        )
    )


def _surroundings(options: Sequence[str]) -> Iterable[str]:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    yield f"- Date: {datetime.now(UTC):%Y-%m-%d}"
    yield f"- Machine: {_processor()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB"
    yield f"- Disk: 4 KiB written and synced in {_sync_milliseconds():.2f} ms (median)"
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    yield f"- objectd {version('objectd')}, Python {platform.python_version()}, {packages}"
    if shutil.which("radosgw"):
        found = subprocess.run(["radosgw", "--version"], capture_output=True, text=True, check=True)
        release = found.stdout.partition(" (")[0]
        yield f"- radosgw: {release}; one monitor, three OSDs on BlueStore, two copies"
    yield f"- Command: `python contrib/bench/run.py {' '.join(options)}`"


def _processor() -> str:
    found = re.search(r"(?m)^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text())
    return found.group(1).strip() if found else platform.machine()


def _sync_milliseconds() -> float:
    block, taken = bytes(4096), []
    with tempfile.TemporaryFile() as file:
        for _ in range(SYNCS):
            began = time.perf_counter()
            os.pwrite(file.fileno(), block, 0)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return sorted(taken)[SYNCS // 2] * 1000


def _ruler_rows(figures: Figures) -> Table:
    rows = [["workload", "server", "rate", "p50 ms", "p99 ms", "errors", "CPU", "objectd/this"]]
    for workload, servers in figures.ruler.items():
        ours = servers["objectd"]["rate"] or 0.0
        unit = ("MB/s", "ms/MB") if workload in LARGE else ("/s", "ms")
        for name, run in servers.items():
            rate = run["rate"] or 0.0
            rows.append(
                [
                    workload,
                    name,
                    f"{rate:,.0f} {unit[0]}",
                    f"{run['p50']:.1f}",
                    f"{run['p99']:.1f}",
                    f"{run['errors']:.0f}",
                    f"{run['cpu']:.3f} {unit[1]}",
                    f"{ours / rate:.2f}" if rate else "",
                ]
            )
    return rows


def _mixed_rows(figures: Figures) -> Table:
    rows = [["workload", "", "rate", "p50 ms", "p99 ms", "errors"]]
    for workload in figures.mixed["alone"]:
        for state in ("alone", "beside"):
            run = figures.mixed[state][workload]
            latencies = [f"{run['p50']:.1f}", f"{run['p99']:.1f}"]
            rate, errors = f"{run['rate']:,.0f} /s", f"{run['errors']:.0f}"
            rows.append([workload, state, rate, *latencies, errors])
    return rows


def _idle_lines(figures: Figures) -> Iterable[str]:
    idle = figures.idle
    alone, beside = idle["alone"], idle["beside"]
    yield (
        f"{idle['idle']:,} idle keep-alive connections take {idle['mib']:.0f} MiB of memory. "
        f"GET of 4 KiB over 32 others: {alone['rate']:,.0f}/s without them and "
        f"{beside['rate']:,.0f}/s beside them."
    )


def _markdown(rows: Table) -> Iterable[str]:
    head, *body = rows
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in body:
        yield f"| {' | '.join(row)} |"

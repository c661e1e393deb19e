"""The clock of the machine that nobody sets: how long it has been up."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Uptime(NamedTuple):
    """`us` microseconds have passed since the boot that is called `boot_id`, those in which the
    machine was suspended among them. All processes of a machine see the same."""

    boot_id: str
    us: int


def machine_uptime() -> Uptime:
    return Uptime(_boot_id(), time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000)


@cache
def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()

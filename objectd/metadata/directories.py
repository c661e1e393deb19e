"""Where stores on disk live."""

from __future__ import annotations

import os
from pathlib import Path


def make_durable_directory(path: Path) -> None:
    """Make a directory and its parents, each entry synced: it survives a loss of power."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    for directory in reversed(missing):
        directory.mkdir(exist_ok=True)
        sync_directory(directory.parent)


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

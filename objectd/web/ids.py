"""Request ids."""

from __future__ import annotations

from collections.abc import Callable

ID_BYTES = 8
BATCH = 512


class RequestIds:
    """Draws random ids in batches: a system call for each took 1 µs a request."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._drawn: list[str] = []

    def __call__(self) -> str:
        if not self._drawn:
            self._drawn = self._random_bytes(ID_BYTES * BATCH).hex(" ", ID_BYTES).split()
        return self._drawn.pop()

"""What the tests of transitions share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from objectd.interfaces import IBlobWriter
from objectd.model.lifecycle import (
    LifecycleFilter,
    LifecycleRule,
    NoncurrentTransition,
    Transition,
)
from objectd.objects.classes import ClassSettings
from objectd.test.objects.cases import LARGE
from objectd.test.objects.lifecycle.cases import LifecycleCase, rule

ANY_SIZE = LifecycleFilter(size_below=1 << 40)
PARTS = (LARGE, LARGE + b"2")


def to(storage_class: str, days: int = 1, wanted: LifecycleFilter = ANY_SIZE) -> LifecycleRule:
    return rule(f"to {storage_class}", wanted, transitions=(Transition(storage_class, days),))


def noncurrent_to(storage_class: str, kept: int | None = None) -> LifecycleRule:
    """One day after a version was replaced."""
    transition = NoncurrentTransition(storage_class, 1, kept)
    return rule(f"old to {storage_class}", ANY_SIZE, noncurrent_transitions=(transition,))


class TransitionCase(LifecycleCase):
    """No class is an archive, so that all can be read."""

    classes: Mapping[str, ClassSettings] = {
        "STANDARD_IA": ClassSettings(zstd_level=3),
        "GLACIER_IR": ClassSettings(zstd_level=3),
        "GLACIER": ClassSettings(zstd_level=1),
        "DEEP_ARCHIVE": ClassSettings(),
    }

    def class_of(self, key: str, number: int = 0) -> str:
        """That of the newest version, or of an older one."""
        return self.heads(key)[number].storage_class

    def classes_of(self, key: str) -> list[str]:
        return [head.storage_class for head in self.heads(key)]

    def put_all(self) -> dict[str, bytes]:
        """Of every form."""
        self.put("empty", b"")
        self.put("small", b"x")
        self.put("large", LARGE)
        self.complete("parts", self.upload("parts", *PARTS))
        return {"empty": b"", "small": b"x", "large": LARGE, "parts": b"".join(PARTS)}

    @contextmanager
    def failing(self, error: Exception) -> Iterator[None]:
        """No blob can be begun."""

        async def fail(_uid: bytes, *, size_bytes: int | None) -> IBlobWriter:
            raise error

        patched = self.patch(self.blobs, "create", fail)
        yield
        patched.restore()

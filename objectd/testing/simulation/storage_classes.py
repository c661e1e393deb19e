"""The storage classes of a simulated store, and what clients believe of the class of a version."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import attrs
from msgspec import structs

from objectd.model.records import ObjectHead, ObjectTail
from objectd.objects.classes import STANDARD, ClassSettings
from objectd.testing.simulation.history import Register, Violated
from objectd.testing.simulation.schedule import EPOCH_US, STEP_BACK_US

COLD = "cold"
"""The name of the further blob store."""

CLASSES: Mapping[str, ClassSettings] = {
    "STANDARD_IA": ClassSettings(COLD, zstd_level=1),
    "ONEZONE_IA": ClassSettings(COLD),
    "GLACIER_IR": ClassSettings(zstd_level=1),
    "GLACIER": ClassSettings(zstd_level=1, archive=True),
    "DEEP_ARCHIVE": ClassSettings(COLD, archive=True, restore_seconds=50e-6),
}
"""Each store has bodies as they come and bodies in frames. An archive keeps bytes as another
class does, so that some versions are archived by what is said of them alone."""

ARCHIVES = frozenset(name for name, kept in CLASSES.items() if kept.archive)

_WARM = (STANDARD, "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR")
_ALL = (*_WARM, *sorted(ARCHIVES))


def any_class(random: Random) -> str:
    """For what is put: mostly what most clients say."""
    return random.choices(_ALL, (70, 4, 8, 6, 6, 3, 3))[0]


def any_target(random: Random) -> str:
    """For what is moved."""
    return random.choices(_ALL, (4, 2, 4, 4, 4, 1, 1))[0]


@attrs.frozen
class _Known:
    first: ObjectHead
    register: Register[str]


class ClassBeliefs:
    """Whoever moves a version looks first, so who first sees one sees the class that it was put
    with. From then on it has that, or one that somebody has moved it to; and nothing else that
    its head says is ever another."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}

    def register(self, head: ObjectHead) -> Register[str]:
        return self._seen(head).register

    def first(self, head: ObjectHead) -> str:
        """The class that a version was put with."""
        return self._seen(head).first.storage_class

    def observe(self, head: ObjectHead, start: int, now: int) -> None:
        """A version was shown between these two moments."""
        seen = head.storage_class
        self.register(head).observe(lambda name: name == seen, start, now, f"is in {seen}")

    def observe_refusal(self, version: bytes, start: int, now: int) -> None:
        """A version was not to be read, as it is archived."""
        known = self._known.get(version)
        if known is not None:
            known.register.observe(lambda name: name in ARCHIVES, start, now, "is archived")

    def observe_reading(self, head: ObjectHead, tail: ObjectTail, start: int, now: int) -> None:
        """A version could be read, so by some clock it is restored if it is archived."""
        self.observe(head, start, now)
        if head.storage_class not in ARCHIVES:
            return
        restore, latest_us = tail.restore, EPOCH_US + now
        earliest_us = EPOCH_US + start - STEP_BACK_US
        if restore is None or restore.ready_us > latest_us or restore.expires_us <= earliest_us:
            raise Violated(f"{head} was read from its archive, with {restore}, at {latest_us}")

    def _seen(self, head: ObjectHead) -> _Known:
        known = self._known.get(head.version)
        if known is None:
            name = f"class of {head.version.hex()}"
            known = _Known(head, Register(name, head.storage_class))
            self._known[head.version] = known
        elif structs.replace(head, storage_class=known.first.storage_class) != known.first:
            raise Violated(f"{known.first} has become {head}")
        return known

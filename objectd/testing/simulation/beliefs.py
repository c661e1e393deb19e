"""What the clients of a simulated store were told, taken together."""

from __future__ import annotations

import attrs

from objectd.model.records import ObjectHead, ObjectTail
from objectd.objects.checksums import multipart_etag
from objectd.objects.classes import STANDARD
from objectd.objects.encryption import CustomerKey
from objectd.objects.ids import VersionId
from objectd.testing.simulation.history import Register, Violated, Write
from objectd.testing.simulation.schedule import Schedule
from objectd.testing.simulation.storage_classes import ClassBeliefs

BUCKETS = ("photos", "logs")
KEYS = ("a", "a/b", "b")
PartList = tuple[tuple[int, str], ...]
"""Numbers and ETags, as a Complete lists them."""


@attrs.frozen
class Value:
    """What one write stores: `operation` goes with it as metadata, and is None where that of
    the object that was there stays with it; so does its `storage_class`. `other_etag` is that
    of a copy if its bytes were stored anew."""

    operation: int | None
    etag: str
    data: bytes
    storage_class: str | None = None
    other_etag: str = ""

    def has_etag(self, etag: str) -> bool:
        return etag in (self.etag, self.other_etag)


@attrs.define(eq=False)
class PartValue:
    etag: str
    data: bytes


@attrs.define(eq=False)
class Completion:
    """All attempts at completing one upload with one list: together they write once."""

    write: Write[Value | None]
    _attempts: int = 0
    _open: int = 0
    _refused: int = 0

    def begin(self) -> Attempt:
        self._attempts += 1
        self._open += 1
        self.write.begin_again()
        return Attempt(self)

    def close(self, now: int, *, refused: int) -> None:
        self._open -= 1
        self._refused += refused
        if not self._open:
            self.write.give_up(now)
        self.write.is_refused = self._refused == self._attempts


@attrs.define(eq=False)
class Attempt:
    """One attempt; what it is told holds for the write that it shares with others."""

    _completion: Completion
    _is_closed: bool = False

    def acknowledge(self, now: int) -> None:
        self._completion.write.acknowledge(now)

    def give_up(self, now: int) -> None:
        self._close(now, refused=0)

    def refuse(self, now: int) -> None:
        self._close(now, refused=1)

    def _close(self, now: int, *, refused: int) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._completion.close(now, refused=refused)


@attrs.define(eq=False)
class KnownUpload:
    """A multipart upload that clients of all processes work on."""

    bucket: str
    key: str
    id: str
    operation: int
    parts: dict[int, Register[PartValue | None]]
    data: dict[str, bytes] = attrs.field(factory=dict)
    completions: dict[PartList, Completion] = attrs.field(factory=dict)
    completed: PartList | None = None
    is_aborted: bool = False
    started: int = 0
    may_be_over: bool = False
    storage_class: str = STANDARD

    def completion(
        self, listed: PartList, register: Register[Value | None], now: int
    ) -> Completion:
        """What completing with this list would write."""
        if listed not in self.completions:
            etag = multipart_etag([etag for _, etag in listed])
            data = b"".join(self.data[etag] for _, etag in listed)
            value = Value(self.operation, etag, data, self.storage_class)
            self.completions[listed] = Completion(register.begin(value, now))
        return self.completions[listed]

    def complete_with(self, listed: PartList) -> None:
        if self.is_aborted or self.completed not in (None, listed):
            raise Violated(f"upload {self.id} was aborted or completed with another list")
        self.completed = listed

    def abort(self) -> None:
        if self.completed is not None:
            raise Violated(f"upload {self.id} was completed, and then aborted")
        self.is_aborted = True


@attrs.frozen
class KnownVersion:
    """A version that was put, or a delete marker (`data` is None), and whether it is there. To
    read it takes the key of a customer who has one."""

    key: str
    id: str
    data: bytes | None
    register: Register[bool]
    customer_key: CustomerKey | None = None
    tags: Register[str] = attrs.field(factory=lambda: Register("tags", ""))

    @property
    def uid(self) -> bytes:
        parsed = VersionId.parse(self.id)
        return parsed.uid if parsed is not None else b""


class Beliefs:
    """What clients were told, taken together."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.buckets = {name: Register[bool](f"bucket {name}", False) for name in BUCKETS}
        self.objects = {
            (bucket, key): Register[Value | None](f"{bucket}/{key}", None)
            for bucket in BUCKETS
            for key in KEYS
        }
        self.uploads: list[KnownUpload] = []
        self.uploads_end = False
        """Whether some end by themselves: as abandoned."""
        self.versions: dict[tuple[str, str], KnownVersion] = {}
        self.classes = ClassBeliefs()
        self.counts: dict[str, int] = {}
        self._operations = 0

    def is_shown(self, value: Value | None, head: ObjectHead, tail: ObjectTail) -> bool:
        """Whether what a read shows is what this write has stored."""
        if value is None or not value.has_etag(head.etag):
            return False
        if value.operation is not None and tail.metadata != {"op": str(value.operation)}:
            return False
        return value.storage_class in (None, self.classes.first(head))

    def next_operation(self) -> int:
        self._operations += 1
        return self._operations

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

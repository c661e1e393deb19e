"""Versions against a plain list of them: in any order, and with others changing the same key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from objectd.errors import (
    DeleteMarkerFound,
    InvalidOperation,
    ObjectNotFound,
    VersionIsDeleteMarker,
    VersionNotFound,
)
from objectd.model import keys
from objectd.model.codec import decode, decode_object, decode_object_head
from objectd.model.records import InRow, NullVersion, ObjectHead, Versioning
from objectd.objects import ObjectStore
from objectd.objects.ids import NULL, version_id
from objectd.test.objects.cases import LARGE, Act
from objectd.test.objects.copy_case import photo
from objectd.test.objects.versions_case import ABSENT, OF_KEYS, VersionsCase


class Point(NamedTuple):
    """When a row with this prefix has been read, or those from there on, so many times."""

    prefix: bytes
    is_scan: bool = False
    times: int = 1


POINTS = tuple(
    Point(prefix, is_scan, times)
    for times in (1, 2, 3)
    for prefix, is_scan in (
        (keys.VERSIONS, True),
        (keys.OBJECTS, False),
        (keys.VERSIONS, False),
        (keys.BUCKETS, False),
        (keys.NULL_VERSIONS, False),
        (keys.VERSION_PAYLOADS, False),
    )
)
"""What is read before a commit."""


class Change(NamedTuple):
    """`number` chooses the version that it is about, or the bytes."""

    verb: str
    number: int


class Listed(NamedTuple):
    """`data` is None for a delete marker."""

    version: str
    data: bytes | None


class State(NamedTuple):
    """What a key has, newest first."""

    mode: Versioning = Versioning.NEVER
    versions: tuple[Listed, ...] = ()

    def named(self, number: int) -> str:
        ids = [listed.version for listed in self.versions] or [ABSENT]
        return [*ids, NULL][number % (len(ids) + 1)]

    def data(self, version: str) -> bytes | None:
        return dict(self.versions).get(version)

    def without(self, version: str) -> State:
        return self._replace(versions=tuple(v for v in self.versions if v.version != version))

    def over(self, version: str, data: bytes | None) -> State:
        """A version or marker is put."""
        state = self if self.mode is Versioning.ENABLED else self.without(NULL)
        return state._replace(versions=(Listed(version or NULL, data), *state.versions))


def changes(*verbs: str) -> st.SearchStrategy[Change]:
    return st.builds(Change, st.sampled_from(verbs), st.integers(0, 4))


REFUSALS = ("VersionNotFound", "InvalidOperation")
VERBS = ("put", "put", "put", "delete", "delete", "delete version", "delete version", "restore")
CHANGES = changes(*VERBS, "enable", "suspend")


HISTORIES = st.lists(changes("put", "put", "delete", "suspend"), max_size=4)


class Step(NamedTuple):
    """One change, and others that somebody makes in the middle of it."""

    change: Change
    others: list[Change]
    point: Point


STEPS = st.builds(Step, CHANGES, st.lists(CHANGES, max_size=2), st.sampled_from(POINTS))


def body(number: int) -> bytes:
    return (b"", b"small", b"also small", LARGE, LARGE * 2)[number % 5]


class LawTests(VersionsCase):
    @given(HISTORIES, st.lists(STEPS, min_size=1, max_size=6), st.booleans())
    def test_any_order(self, history: list[Change], steps: list[Step], enabled: bool) -> None:
        """Whatever is done, by one or by two at once, the versions that remain are those of a
        plain list to which it is done one after the other, and so is what counts them."""
        self.setUp()
        self.follow(enabled, [*(Step(change, [], POINTS[0]) for change in history), *steps])

    def test_every_moment(self) -> None:
        """Of two that put and delete versions, at whatever moment the other one comes."""
        put, delete = Change("put", 1), Change("delete", 0)
        both = (put, delete, *(Change("delete version", number) for number in range(3)))
        for before in (
            (put, delete),
            (put, delete, put),
            (put, delete, delete),
            (put, put, delete),
        ):
            history = [Step(change, [], POINTS[0]) for change in before]
            for point in (p for p in POINTS if p.prefix in (keys.VERSIONS, keys.OBJECTS)):
                for change in both:
                    for other in both:
                        self.follow(True, [*history, Step(change, [other], point)])

    def follow(self, enabled: bool, steps: Sequence[Step]) -> None:
        """Do all this in a new bucket, look after each step, and delete what is left."""
        self.ok(self.store.buckets.delete("photos"))
        self.ok(self.store.buckets.create("photos"))
        self.bucket_id = self.ok(self.store.buckets.id_of("photos"))
        if enabled:
            self.set_versioning()
        state = State(Versioning.ENABLED if enabled else Versioning.NEVER)
        for step in steps:
            self.now_us += step.change.number - 2
            state = self.carried_out(state, step)
            self.assert_rows_hold(state)
            self.assert_usage(*(len(v.data) for v in state.versions if v.data is not None))
        for listed in state.versions:
            self.delete(listed.version)
        self.assert_nothing_left()

    def interpose(self, point: Point, act: Act) -> None:
        arm = self.metadata.after_scan if point.is_scan else self.metadata.after

        async def again() -> None:
            self.interpose(point._replace(times=point.times - 1), act)

        arm(point.prefix, again if point.times > 1 else act)

    def carried_out(self, state: State, step: Step) -> State:
        """Do it, and perhaps others in the middle of it; return what is there."""
        beside, told = self.beside(), list[tuple[Change, str]]()

        async def interfere() -> None:
            for other in step.others:
                told.append((other, await self.do(beside, state, other)))

        self.interpose(step.point, interfere)
        outcome = self.ok(self.do(self.store, state, step.change))
        self.metadata.calm()
        possible = []
        for place in range(len(told) + 1):
            after = state
            for change, answer in (*told[:place], (step.change, outcome), *told[place:]):
                after = self.applied(state, after, change, answer)
            possible.append(after)
        right = [after for after in possible if self.is_seen(after)]
        self.assertTrue(right, f"{step} on {state}: none of {possible}")
        return right[0]

    async def do(self, store: ObjectStore, state: State, change: Change) -> str:
        """Returns the version id that the answer tells, or which error it was."""
        try:
            match change.verb:
                case "put":
                    return (await store.objects.put("photos", "a", body(change.number))).version_id
                case "delete":
                    return (await store.objects.delete("photos", "a")).version_id
                case "delete version":
                    named = state.named(change.number)
                    return (await store.objects.delete("photos", "a", version_id=named)).version_id
                case "restore":
                    named = state.named(change.number)
                    copy = store.copies.copy(photo("a"), photo("a"), source_version=named)
                    return (await copy).version_id
                case verb:
                    await store.buckets.set_versioning("photos", enabled=verb == "enable")
                    return ""
        except (VersionNotFound, InvalidOperation) as error:
            return type(error).__name__

    def applied(self, seen: State, state: State, change: Change, outcome: str) -> State:
        """What is there when this was done to `state`, by one who chose by what was `seen`."""
        named = seen.named(change.number)
        match change.verb:
            case "put":
                return state.over(outcome, body(change.number))
            case "delete" if state.mode is Versioning.NEVER:
                return state.without(NULL)
            case "delete":
                return state.over(outcome, None)
            case "delete version":
                return state.without(named)
            case "restore":
                data, is_refused = state.data(named), outcome in REFUSALS
                if (data is None) is not is_refused:
                    return state.over(ABSENT, b"what nobody will see")
                return state if data is None else state.over(outcome, data)
            case verb:
                mode = Versioning.ENABLED if verb == "enable" else Versioning.SUSPENDED
                return state._replace(mode=mode)

    def is_seen(self, state: State) -> bool:
        """Whether this is there: the order of the versions, each of them, the newest, and the
        bucket's mode."""
        if self.ok(self.store.buckets.get("photos")).versioning is not state.mode:
            return False
        if [version_id(head) for head in self.heads()] != [v.version for v in state.versions]:
            return False
        if [self.shown(listed.version) for listed in state.versions] != [
            listed.data for listed in state.versions
        ]:
            return False
        newest = state.versions[0] if state.versions else None
        return self.shown("") == (newest.data if newest is not None else "")

    def shown(self, version: str) -> bytes | str | None:
        """The bytes of a version, None for a delete marker, '' for nothing."""

        async def read() -> bytes | str | None:
            try:
                opened = await self.store.objects.get("photos", "a", version_id=version)
                return await opened.read()
            except (DeleteMarkerFound, VersionIsDeleteMarker):
                return None
            except (ObjectNotFound, VersionNotFound):
                return ""

        return self.ok(read())

    def heads(self) -> list[ObjectHead]:
        """As they lie in the rows: the current one, and those beneath it."""
        rows = (*self.rows(keys.OBJECTS), *self.rows(keys.VERSIONS))
        return [decode_object_head(row.value or b"") for row in rows]

    def assert_rows_hold(self, state: State) -> None:
        """What `docs/format.md` says of the rows of a key."""
        current, payloads, beneath, kept, null = (self.rows(family) for family in OF_KEYS)
        heads = self.heads()
        times = [head.modified_us for head in heads]
        self.assertEqual(times, sorted(set(times), reverse=True))
        if current:
            self.assertFalse(heads[0].is_delete_marker)
        elif beneath:
            self.assertTrue(heads[0].is_delete_marker)
        expected = [
            keys.version_fields(row.key)[1:]
            for row in beneath
            if decode_object_head(row.value or b"").version_is_null
        ]
        found = [decode(NullVersion, row.value or b"") for row in null]
        self.assertEqual([(f.modified_us, f.version) for f in found], expected)
        for payload, rows in ((payloads, current), (kept, beneath)):
            sources = [decode_object(row.value or b"")[1].source for row in rows]
            self.assertEqual(len(payload), sum(isinstance(s, InRow) for s in sources))
        lives = [keys.live(self.bucket_id, state.mode)]
        self.assertEqual([row.key for row in self.rows(keys.LIVES)], lives)

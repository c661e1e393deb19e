"""Versions that have annotations: what becomes of these when they are replaced, moved or copied."""

from __future__ import annotations

from objectd.errors import (
    AnnotationNotFound,
    DeleteMarkerFound,
    InvalidOperation,
    ObjectNotFound,
    OperationAborted,
    OutcomeUnknown,
    StoreFailed,
    VersionIsDeleteMarker,
    VersionNotFound,
)
from objectd.interfaces import Commit
from objectd.model import keys
from objectd.objects import ObjectStore
from objectd.objects.collecting.annotated import UNFINISHED_US_MAX
from objectd.objects.copy_source import ObjectName
from objectd.objects.overrides import COPY_ALL, Overrides
from objectd.objects.settings import (
    ANNOTATION_BYTES_MAX,
    ANNOTATIONS_MAX,
)
from objectd.test.objects.annotation_case import AnnotationCase
from objectd.test.objects.cases import LARGE, begin


class GoneTests(AnnotationCase):
    """What replaces or deletes an object for good takes its annotations."""

    def setUp(self) -> None:
        super().setUp()
        for name in ("b", "c"):
            self.annotate(name)

    def assert_gone(self) -> None:
        self.assertEqual(self.all_rows(), [])

    def test_put(self) -> None:
        self.ok(self.store.objects.put("photos", "a", b"new"))
        self.assertEqual(self.names(), [])
        self.assert_gone()

    def test_delete(self) -> None:
        self.ok(self.store.objects.delete("photos", "a"))
        self.assert_gone()

    def test_delete_many(self) -> None:
        self.ok(self.store.objects.delete_many("photos", ["a", "b"]))
        self.assert_gone()

    def test_complete(self) -> None:
        self.complete("a", self.upload("a", LARGE))
        self.assertEqual(self.names(), [])
        self.assert_gone()

    def test_rename(self) -> None:
        """It takes them along: it stays the same version."""
        self.ok(self.store.renames.rename("photos", "a", "z"))
        self.assertEqual(self.names("z"), ["b", "c"])
        self.ok(self.store.objects.put("photos", "y", b"x"))
        self.annotate("d", key="y")
        self.ok(self.store.renames.rename("photos", "z", "y"))
        self.assertEqual(self.names("y"), ["b", "c"])
        self.assertEqual(len(self.all_rows()), 4)

    def test_append(self) -> None:
        """An append would make another version of it, and is refused."""
        size = len(LARGE)
        self.refused(
            InvalidOperation, self.store.appends.append("photos", "a", b"x", offset_bytes=size)
        )
        for name in ("b", "c"):
            self.take_away(name)
        self.ok(self.store.appends.append("photos", "a", b"x", offset_bytes=size))

    def test_tagged(self) -> None:
        """Tags in place leave annotations alone."""
        self.ok(self.store.tags.put("photos", "a", {"x": "y"}))
        self.assertEqual(self.names(), ["b", "c"])

    def test_collector_dies(self) -> None:
        """Whenever it does, its successor goes on, and what is not gone keeps all it has."""
        for number in range(150):
            self.annotate(str(number))
        self.ok(self.store.objects.put("photos", "z", b"x"))
        self.annotate("of z", key="z")
        self.ok(self.store.objects.delete("photos", "a"))
        deaths = 0
        while self.rows(keys.ANNOTATION_CANDIDATES):
            self.metadata.changes_left = deaths
            begin(self.store.collector.run_to_rest()).addErrback(
                lambda failure: failure.trap(OutcomeUnknown, StoreFailed)
            )
            self.metadata.changes_left = None
            deaths += 1
        self.assertGreater(deaths, 2)
        self.assertEqual(len(self.all_rows()), 2)
        self.assertEqual(self.text("of z", "z"), b"x")

    def test_no_read_more(self) -> None:
        """The commit that takes them away is made without a look at them."""
        looked: list[bytes] = []

        async def look() -> None:
            looked.append(b"A")

        self.metadata.before(b"A", look)
        self.ok(self.store.objects.put("photos", "a", b"new"))
        self.assertEqual(looked, [])


class VersionTests(AnnotationCase):
    """Annotations belong to versions, wherever these lie."""

    def setUp(self) -> None:
        super().setUp()
        self.annotate("null one")
        self.ok(self.store.buckets.set_versioning("photos", enabled=True))

    def test_noncurrent_and_back(self) -> None:
        """A version keeps its annotations when it becomes noncurrent, and current again."""
        first = self.ok(self.store.objects.put("photos", "a", b"1")).version_id
        self.assertEqual(self.annotate("of 1"), first)
        second = self.ok(self.store.objects.put("photos", "a", b"2")).version_id
        self.assertEqual(self.names(), [])
        self.assertEqual(self.names(version=first), ["of 1"])
        self.assertEqual(self.names(version="null"), ["null one"])
        self.annotate("more of 1", version=first)
        self.annotate("of 2")
        marker = self.ok(self.store.objects.delete("photos", "a"))
        self.refused(DeleteMarkerFound, self.store.annotations.list("photos", "a"))
        self.refused(
            VersionIsDeleteMarker,
            self.store.annotations.put("photos", "a", "note", b"x", version_id=marker.version_id),
        )
        self.ok(self.store.objects.delete("photos", "a", version_id=marker.version_id))
        self.assertEqual(self.names(), ["of 2"])
        self.ok(self.store.objects.delete("photos", "a", version_id=second))
        self.assertEqual(self.names(), ["more of 1", "of 1"])
        self.ok(self.store.objects.delete("photos", "a", version_id="null"))
        self.refused(VersionNotFound, self.store.annotations.list("photos", "a", version_id="null"))
        self.ok(self.store.objects.delete("photos", "a", version_id=first))
        self.assertEqual(self.all_rows(), [])

    def test_suspended(self) -> None:
        """The null version that is replaced takes its annotations with it, wherever it lay."""
        self.ok(self.store.objects.put("photos", "a", b"1"))
        self.ok(self.store.buckets.set_versioning("photos", enabled=False))
        self.assertEqual(self.names(version="null"), ["null one"])
        self.ok(self.store.objects.put("photos", "a", b"null again"))
        self.assertEqual(self.names(version="null"), [])
        self.assertEqual(self.all_rows(), [])
        self.assertEqual(self.annotate("of null"), "null")
        self.ok(self.store.objects.delete("photos", "a"))
        self.assertEqual(self.all_rows(), [])

    def test_moved_meanwhile(self) -> None:
        """A version that becomes noncurrent while its annotation is put or read has it."""
        first = self.ok(self.store.objects.put("photos", "a", b"1")).version_id
        beside: ObjectStore = self.beside()
        self.metadata.after(b"A", lambda: beside.objects.put("photos", "a", b"2"))
        self.annotate("note", version=first)
        self.assertEqual(self.names(version=first), ["note"])
        self.assertEqual(self.names(), [])
        self.annotate("note", b"newest")
        second = self.ok(self.store.objects.head("photos", "a")).version_id
        self.metadata.before(b"A", lambda: beside.objects.put("photos", "a", b"3"))
        self.assertEqual(self.text("note", version=second), b"newest")
        self.refused(AnnotationNotFound, self.store.annotations.get("photos", "a", "note"))


class CopyTests(AnnotationCase):
    """Copies have their source's annotations, or none."""

    def copy(self, to: str, own: Overrides = COPY_ALL, version: str = "") -> None:
        source, target = ObjectName("photos", "a"), ObjectName("photos", to)
        self.ok(self.store.copies.copy(source, target, source_version=version, own=own))

    def collect(self) -> None:
        self.ok(self.store.collector.run_to_rest())

    def test_copied(self) -> None:
        """Each is there with its text, as new as the copy, and a life of its own."""
        self.annotate("b", b"1")
        self.annotate("c", b"2" * ANNOTATION_BYTES_MAX)
        self.now_us += 5
        self.annotate("gone", key="a")
        self.ok(self.store.objects.put("photos", "z", b"old"))
        self.annotate("of z", key="z")
        self.copy("z")
        self.assertEqual(self.names("z"), ["b", "c", "gone"])
        found = self.ok(self.store.annotations.get("photos", "z", "b"))
        self.assertEqual((found.payload, found.record.modified_us), (b"1", self.now_us))
        self.take_away("gone", key="z")
        self.ok(self.store.objects.delete("photos", "a"))
        self.assertEqual(self.names("z"), ["b", "c"])
        self.assertEqual(self.text("c", "z"), b"2" * ANNOTATION_BYTES_MAX)
        self.ok(self.store.objects.delete("photos", "z"))
        self.assertEqual(self.all_rows(), [])

    def test_excluded(self) -> None:
        """Nothing is copied if that is asked for; for a copy onto itself that alone is no
        reason."""
        self.annotate("b")
        self.copy("z", Overrides(annotations=False))
        self.assertEqual(self.names("z"), [])
        self.refused(
            InvalidOperation,
            self.store.copies.copy(
                ObjectName("photos", "a"),
                ObjectName("photos", "a"),
                own=Overrides(annotations=False),
            ),
        )
        self.copy("a", Overrides(annotations=False, metadata={"x": "y"}))
        self.assertEqual(self.all_rows(), [])

    def test_onto_itself(self) -> None:
        """A copy onto itself is a new version with the annotations of the old one."""
        self.annotate("b", b"1")
        self.copy("a", Overrides(metadata={"x": "y"}))
        self.assertEqual(self.text("b"), b"1")
        self.assertEqual(len(self.all_rows()), 2)

    def test_of_versions(self) -> None:
        """What is copied is what the version has that is copied."""
        self.ok(self.store.buckets.set_versioning("photos", enabled=True))
        first = self.ok(self.store.objects.put("photos", "a", b"1")).version_id
        self.annotate("of 1")
        self.ok(self.store.objects.put("photos", "a", b"2"))
        self.annotate("of 2")
        self.copy("z")
        self.assertEqual(self.names("z"), ["of 2"])
        self.copy("z", version=first)
        self.assertEqual(self.names("z"), ["of 1"])
        self.copy("a", version=first)
        self.assertEqual(self.names(), ["of 1"])

    def test_changed_meanwhile(self) -> None:
        """An annotation that comes, changes or goes meanwhile is copied as it is then."""
        self.annotate("b", b"1")
        beside = self.beside()

        async def change() -> None:
            await beside.annotations.put("photos", "a", "b", b"2")
            await beside.annotations.put("photos", "a", "c", b"3")

        self.metadata.after(b"n", change)
        self.copy("z")
        self.assertEqual((self.text("b", "z"), self.text("c", "z")), (b"2", b"3"))

        async def replace() -> None:
            await beside.objects.put("photos", "a", b"new")
            await beside.annotations.put("photos", "a", "d", b"4")

        self.metadata.after_second(b"o", replace)
        self.copy("z")
        self.assertEqual(self.names("z"), ["d"])
        self.assertEqual(self.read("z"), b"new")

    def test_many_bytes(self) -> None:
        """More than fits into a commit is copied in several, and nothing is left over."""
        texts = {f"n{number}": b"%d" % number * ANNOTATION_BYTES_MAX for number in range(9)}
        for name, text in texts.items():
            self.annotate(name, text[:ANNOTATION_BYTES_MAX])
        self.copy("z")
        for name, text in texts.items():
            self.assertEqual(self.text(name, "z"), text[:ANNOTATION_BYTES_MAX])
        self.assertEqual(len(self.all_rows()), 2 * 3 * 9)
        self.assertEqual(self.all_rows(keys.ANNOTATION_CANDIDATES), [])

    def test_many_rows(self) -> None:
        """A thousand are copied."""
        for number in range(ANNOTATIONS_MAX):
            self.annotate(f"{number:0500}", b"%d" % number * 900)
        self.copy("z")
        self.assertEqual(self.names("z"), self.names())
        self.assertEqual(self.text(f"{7:0500}", "z"), b"7" * 900)

    def test_given_up(self) -> None:
        """What a copy has left that could not be finished goes after a while, and no sooner."""
        for number in range(9):
            self.annotate(str(number), b"x" * ANNOTATION_BYTES_MAX)
        self.metadata.changes_left = 2
        self.refused(
            OutcomeUnknown,
            self.store.copies.copy(ObjectName("photos", "a"), ObjectName("photos", "z")),
        )
        self.metadata.changes_left = None
        self.assertEqual(len(self.all_rows(keys.ANNOTATION_CANDIDATES)), 1)
        rows = len(self.all_rows())
        self.assertGreater(rows, 27)
        self.collect()
        self.assertEqual(len(self.all_rows()), rows)
        self.now_us += UNFINISHED_US_MAX + 1
        self.collect()
        self.assertEqual(len(self.all_rows()), 27)
        self.assertEqual(self.all_rows(keys.CANDIDATES), [])
        self.assertEqual(len(self.names()), 9)

    def test_collected_meanwhile(self) -> None:
        """A copy that was taken for a dead one puts no version without its annotations."""
        for number in range(9):
            self.annotate(str(number), b"x" * ANNOTATION_BYTES_MAX)
        commits = 0
        commit = self.metadata.commit

        async def late(asked: Commit) -> int:
            nonlocal commits
            commits += 1
            if commits == 2:
                self.now_us += UNFINISHED_US_MAX + 1
                self.collect()
            return await commit(asked)

        self.patch(self.metadata, "commit", late)
        self.refused(
            OperationAborted,
            self.store.copies.copy(ObjectName("photos", "a"), ObjectName("photos", "z")),
        )
        self.refused(ObjectNotFound, self.store.objects.head("photos", "z"))
        self.now_us += UNFINISHED_US_MAX + 1
        self.collect()
        self.assertEqual(len(self.all_rows()), 27)

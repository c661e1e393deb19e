"""Passes over versions: which go, which stay, and what may happen meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from objectd.errors import VersionNotFound
from objectd.interfaces import Scan, ScanPage
from objectd.model import keys
from objectd.objects.lifecycle import candidates
from objectd.objects.lifecycle.rules import Deed
from objectd.test.objects.cases import LARGE, Act
from objectd.test.objects.lifecycle.cases import LifecycleCase, rule


class VersionTests(LifecycleCase):
    def setUp(self) -> None:
        super().setUp()
        self.set_versioning()

    def test_expires(self) -> None:
        """A current version becomes noncurrent beneath a delete marker."""
        self.set_rules(rule(expire_days=1))
        version = self.put("a", LARGE)
        self.pass_days(2)
        self.assertEqual(self.run_pass().done, {Deed.EXPIRE: 1})
        self.assertEqual(self.shape("a"), "mv")
        opened = self.ok(self.store.objects.get("photos", "a", version_id=version))
        self.assertEqual(self.ok(opened.read()), LARGE)
        self.pass_days(5)
        self.assertEqual(self.run_pass().deeds, 0)

    def test_suspended(self) -> None:
        """Where versioning is suspended a null marker takes the place of the null version, and
        versions with ids stay."""
        kept = self.put("a")
        self.set_versioning(enabled=False)
        self.put("a", b"null")
        self.set_rules(rule(expire_days=1))
        self.pass_days(2)
        self.assertEqual(self.run_pass().deeds, 1)
        heads = self.heads("a")
        self.assertEqual(self.shape("a"), "mv")
        self.assertTrue(heads[0].version_is_null)
        self.ok(self.store.objects.head("photos", "a", version_id=kept))

    def test_noncurrent(self) -> None:
        """A noncurrent version goes days after its successor was put, whatever its own age."""
        self.set_rules(rule(noncurrent_days=3))
        first = self.put("a", LARGE)
        self.pass_days(10)
        self.put("a", b"second")
        self.pass_days(3)
        self.assertEqual(self.run_pass().deeds, 0)
        self.pass_days(1)
        self.assertEqual(self.run_pass().done, {Deed.DELETE_NONCURRENT: 1})
        self.refused(VersionNotFound, self.store.objects.head("photos", "a", version_id=first))
        self.assertEqual(self.read("a"), b"second")

    def test_marker_before_many_deleted_rows(self) -> None:
        """A page may end behind a marker without telling whether it is all there is."""
        version = self.put("a")
        self.ok(self.store.objects.delete("photos", "a"))
        self.ok(self.store.objects.delete("photos", "a", version_id=version))
        self.set_rules(rule(expire_markers=True))
        self.pass_days(2)
        scan = self.metadata.scan

        async def ends_early(wanted: Scan) -> ScanPage:
            page = await scan(wanted)
            return ScanPage(page.entries, page.more or wanted.limit == 2)

        self.patch(self.metadata, "scan", ends_early)
        self.assertEqual(self.run_pass().deeds, 0)
        self.patch(self.metadata, "scan", scan)
        self.pass_days(1)
        self.assertEqual(self.run_pass().deeds, 1)

    def test_kept(self) -> None:
        """The newest noncurrent versions stay, markers among them counted."""
        self.patch(candidates, "ROWS_A_PAGE", 2)
        self.set_rules(rule(noncurrent_days=1, noncurrent_kept=2))
        for n in range(5):
            self.put("a", str(n).encode())
        self.delete("a")
        self.put("a", b"last")
        self.put("b")
        self.assertEqual(self.shape("a"), "vmvvvvv")
        self.pass_days(3)
        self.assertEqual(self.run_pass().deeds, 4)
        self.assertEqual(self.shape("a"), "vmv")
        self.assertEqual(self.shape("b"), "v")

    def test_kept_beneath_marker(self) -> None:
        """A delete marker that is current is none of the noncurrent versions that are kept."""
        self.set_rules(rule(noncurrent_days=1, noncurrent_kept=2))
        for n in range(5):
            self.put("a", str(n).encode())
        self.delete("a")
        self.delete("b")
        self.delete("b")
        self.pass_days(3)
        self.assertEqual(self.run_pass().deeds, 3)
        self.assertEqual((self.shape("a"), self.shape("b")), ("mvv", "mm"))

    def test_all_noncurrent(self) -> None:
        """All noncurrent versions of a key go in one pass, over pages and commits."""
        self.patch(candidates, "ROWS_A_PAGE", 7)
        self.set_rules(rule(noncurrent_days=1))
        for n in range(50):
            self.put("a", str(n).encode())
        self.pass_days(3)
        self.assertEqual(self.run_pass().deeds, 49)
        self.assertEqual(self.read("a"), b"49")

    def test_null_noncurrent(self) -> None:
        """The null version goes as a noncurrent one, and the present null version does not."""
        self.set_versioning(enabled=False)
        self.put("a", b"null")
        self.set_versioning()
        self.put("a", b"new")
        self.set_rules(rule(noncurrent_days=1))
        self.pass_days(3)
        beside = self.beside()

        async def replace_null() -> None:
            await beside.buckets.set_versioning("photos", enabled=False)
            await beside.objects.put("photos", "a", b"newer null")

        self.metadata.after(keys.NULL_VERSIONS, replace_null)
        self.run_pass()
        self.assertEqual(self.read("a"), b"newer null")
        self.pass_days(3)
        self.run_pass()
        self.assertEqual(self.shape("a"), "v")

    def delete_meanwhile(
        self, version_id: str, arm: Callable[[bytes, Act], None], family: bytes
    ) -> None:
        """Days later somebody deletes a version of `a` while a pass gets rows of that family,
        upon which it does nothing."""
        self.pass_days(3)
        beside = self.beside()
        arm(family, lambda: beside.objects.delete("photos", "a", version_id=version_id))
        self.assertEqual(self.run_pass().deeds, 0)

    def test_promoted_meanwhile(self) -> None:
        """A noncurrent version that becomes current again stays."""
        self.set_rules(rule(noncurrent_days=1))
        self.put("a", b"first")
        second = self.put("a", b"second")
        self.delete_meanwhile(second, self.metadata.after, b"v")
        self.assertEqual(self.read("a"), b"first")

    def delete_second_meanwhile(self, family: bytes) -> None:
        """The middle one of three versions goes just when the oldest one is due, which is the
        one noncurrent version that is kept by then."""
        self.set_rules(rule(noncurrent_days=1, noncurrent_kept=1))
        self.put("a", b"first")
        second = self.put("a", b"second")
        self.put("a", b"third")
        self.delete_meanwhile(second, self.metadata.after, family)
        self.assertEqual(self.shape("a"), "vv")

    def test_fewer_meanwhile(self) -> None:
        """A version that is among the newest to be kept, now that another one is gone, stays."""
        self.delete_second_meanwhile(b"v")

    def test_fewer_in_commit(self) -> None:
        """So it is if that one goes after the deletion was decided."""
        self.delete_second_meanwhile(b"q")

    def test_marker_current_meanwhile(self) -> None:
        """A noncurrent marker that is current now is none of those that are kept any more."""
        self.set_rules(rule(noncurrent_days=1, noncurrent_kept=1))
        self.put("a", b"first")
        self.delete("a")
        third = self.put("a", b"third")
        self.delete_meanwhile(third, self.metadata.before, b"v")
        self.assertEqual(self.shape("a"), "mv")

    def test_current_in_between(self) -> None:
        """A version that was current again, and then was replaced, is noncurrent since then."""
        self.set_rules(rule(noncurrent_days=1))
        self.put("a", b"first")
        second = self.put("a", b"second")
        self.pass_days(3)
        beside = self.beside()

        async def undelete_and_replace() -> None:
            await beside.objects.delete("photos", "a", version_id=second)
            await beside.objects.put("photos", "a", b"third")

        self.metadata.before(b"v", undelete_and_replace)
        self.assertEqual(self.run_pass().deeds, 0)
        self.assertEqual(self.shape("a"), "vv")
        self.pass_days(3)
        self.assertEqual(self.run_pass().deeds, 1)

    def test_lone_marker(self) -> None:
        """A delete marker goes when nothing is left beneath it, and not before."""
        self.set_rules(rule(expire_markers=True))
        version = self.put("a")
        self.delete("a")
        self.delete("gone")
        self.assertEqual(self.run_pass().done, {Deed.DELETE_MARKER: 1})
        self.assertEqual((self.shape("a"), self.shape("gone")), ("mv", ""))
        self.delete("a", version)
        self.pass_days(1)
        self.assertEqual(self.run_pass().done, {Deed.DELETE_MARKER: 1})
        self.assertEqual(self.shape("a"), "")

    def test_lone_marker_covered(self) -> None:
        """A delete marker that is replaced meanwhile stays, as a noncurrent version."""
        self.set_rules(rule(expire_markers=True))
        self.delete("a")
        beside = self.beside()
        self.metadata.after(b"v", lambda: beside.objects.put("photos", "a", b"new"))
        self.assertEqual(self.run_pass().deeds, 0)
        self.assertEqual(self.shape("a"), "vm")

    def test_markers_at_page_end(self) -> None:
        """Markers go wherever the pages end."""
        self.set_rules(rule(expire_markers=True))
        for size in (1, 2, 3, 4):
            self.patch(candidates, "ROWS_A_PAGE", size)
            for key in "abcd":
                self.delete(key)
            self.put("bb")
            self.delete("bb")
            self.pass_days(1)
            self.assertEqual(self.run_pass().deeds, 4, size)
        self.assertEqual(self.shape("bb"), "mv" * 4)

    def test_whole_life(self) -> None:
        """A version expires, goes, and then the marker goes: as in AWS's example."""
        self.set_rules(
            rule("60", expire_days=60),
            rule("30", noncurrent_days=30),
            rule("markers", expire_markers=True),
        )
        self.put("a", LARGE)
        life = []
        for _ in range(95):
            self.pass_days(1)
            self.run_pass()
            life.append(self.shape("a"))
        self.assertEqual(life, ["v"] * 60 + ["mv"] * 31 + ["m"] + [""] * 3)
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.files(), [])
        self.assertEqual(self.rows(keys.VERSIONS), [])
        self.assertEqual(self.rows(keys.NULL_VERSIONS), [])

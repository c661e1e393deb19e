"""What a locked version carries is kept as its bytes are."""

from __future__ import annotations

from objectd.errors import ObjectLocked
from objectd.test.objects.lock_case import COMPLIANCE, GOVERNANCE, YEAR_US, LockCase

NAME = ("safe", "a", "note")


class LockedAnnotationTests(LockCase):
    def setUp(self) -> None:
        super().setUp()
        self.put()
        self.ok(self.store.annotations.put(*NAME, b"old"))

    def text(self) -> bytes:
        return self.ok(self.store.annotations.get(*NAME)).payload

    def assert_kept(self, *, bypass: bool = False) -> None:
        annotations = self.store.annotations
        self.refused(ObjectLocked, annotations.delete(*NAME, bypass_governance=bypass))
        self.refused(ObjectLocked, annotations.put(*NAME, b"new", bypass_governance=bypass))
        self.assertEqual(self.text(), b"old")

    def test_compliance(self) -> None:
        """Nothing goes past COMPLIANCE until it is over."""
        self.retain(mode=COMPLIANCE)
        self.assert_kept()
        self.assert_kept(bypass=True)

    def test_governance(self) -> None:
        """GOVERNANCE gives way to who bypasses it."""
        self.retain(mode=GOVERNANCE)
        self.assert_kept()
        self.ok(self.store.annotations.put(*NAME, b"new", bypass_governance=True))
        self.assertEqual(self.text(), b"new")
        self.ok(self.store.annotations.delete(*NAME, bypass_governance=True))

    def test_legal_hold(self) -> None:
        self.hold()
        self.assert_kept(bypass=True)
        self.hold(on=False)
        self.ok(self.store.annotations.delete(*NAME))

    def test_over(self) -> None:
        """A retention that is over binds nobody."""
        self.retain(mode=COMPLIANCE)
        self.pass_us(2 * YEAR_US)
        self.ok(self.store.annotations.put(*NAME, b"new"))
        self.ok(self.store.annotations.delete(*NAME))

    def test_others(self) -> None:
        """A locked version may get more of them; to delete what is not there changes nothing."""
        self.retain(mode=COMPLIANCE)
        self.ok(self.store.annotations.put("safe", "a", "another", b"new"))
        self.ok(self.store.annotations.delete("safe", "a", "none"))

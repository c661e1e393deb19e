"""The simulation must be able to fail: each rule about storage classes that is broken must be
noticed."""

from __future__ import annotations

from objectd.interfaces import At, Expectation, Present
from objectd.model import keys
from objectd.objects import moving, restaging
from objectd.objects.appending import Appends
from objectd.objects.classes import Classes, StorageClass
from objectd.objects.copying import Copies
from objectd.test.simulation.broken_rule_case import BrokenRuleCase


class BrokenMovesTests(BrokenRuleCase):
    def test_version_row(self) -> None:
        """A move that does not expect the version as it read it is noticed."""
        families = (keys.objects(0)[:1], keys.VERSIONS)

        def there(key: bytes, revision: int) -> Expectation:
            return Present(key) if key.startswith(families) else At(key, revision)

        self.patch(moving, "At", there)
        self.assert_noticed()

    def test_old_place(self) -> None:
        """A move that does not let the old bytes go is noticed."""
        self.patch(moving, "_let_old_place_go", lambda *_: None)
        self.assert_noticed()

    def test_key_of_packets(self) -> None:
        """Encrypted bytes that are moved without the id that they were encrypted for are
        noticed."""
        self.patch(restaging, "SALT_BYTES", -1)
        self.assert_noticed()


class BrokenClassesTests(BrokenRuleCase):
    def test_archive(self) -> None:
        """Archived bytes that are read without being restored are noticed."""
        self.patch(Classes, "require_readable", lambda *_: None)
        self.assert_noticed()

    def test_copy(self) -> None:
        """A copy that shares bytes that its class keeps in another way is noticed."""
        self.patch(Copies, "_may_share", lambda *_: True)
        self.assert_noticed()

    def test_append(self) -> None:
        """Bytes that are appended as if all objects were in STANDARD are noticed."""
        self.patch(Appends, "_kept", lambda *_: StorageClass())
        self.assert_noticed()

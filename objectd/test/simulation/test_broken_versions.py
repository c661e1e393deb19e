"""The simulation must be able to fail: each rule about versions that is broken must be noticed."""

from __future__ import annotations

from collections.abc import Sequence

from objectd.interfaces import At, EmptyRange, Scan, ScanPage
from objectd.model import keys
from objectd.test.simulation.broken_rule_case import BrokenRuleCase
from objectd.testing.simulation.metadata import Connection


class BrokenVersionsTests(BrokenRuleCase):
    def test_version_row(self) -> None:
        """A commit that does not expect a noncurrent version as it read it is noticed."""
        self.ignore(lambda e: isinstance(e, At) and e.key.startswith(keys.VERSIONS))
        self.assert_noticed()

    def test_newest(self) -> None:
        """A commit that does not expect the newest version to be the newest is noticed."""
        self.ignore(lambda e: isinstance(e, EmptyRange) and e.start.startswith(keys.VERSIONS))
        self.assert_noticed()

    def test_null_version(self) -> None:
        """A null version that is set aside without a row that leads to it is noticed."""
        self.lose(keys.NULL_VERSIONS)
        self.assert_noticed()

    def test_noncurrent_payload(self) -> None:
        """A small version that is set aside without its bytes is noticed."""
        self.lose(keys.VERSION_PAYLOADS)
        self.assert_noticed()

    def test_listing_at_two_moments(self) -> None:
        """A listing that looks at current objects and at the others at two moments is noticed."""

        async def one_by_one(connection: Connection, scans: Sequence[Scan]) -> list[ScanPage]:
            return [await connection.scan(scan) for scan in scans]

        self.patch(Connection, "scans", one_by_one)
        self.assert_noticed()

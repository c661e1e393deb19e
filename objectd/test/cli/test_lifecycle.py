"""`objectd lifecycle explain`: what it says."""

from __future__ import annotations

import attrs
from msgspec import structs

from objectd.cli.lifecycle import explain_key
from objectd.errors import BucketNotFound
from objectd.model.lifecycle import LifecycleFilter, NoncurrentTransition, Transition
from objectd.objects.store import assemble
from objectd.test.objects.lifecycle.cases import LifecycleCase, at, rule


class ExplainTests(LifecycleCase):
    def setUp(self) -> None:
        super().setUp()
        self.now_us = at("2014-01-15 10:30")
        self.ok(self.store.trusted_time.confirm())

    def explained(self, key: str, status: int = 0) -> list[str]:
        said: list[str] = []
        found = self.ok(explain_key(self.store, "photos", key, said.append))
        self.assertEqual(found, status)
        return said

    def test_object(self) -> None:
        """The rule that acts first is told with its time, and of each other one why it does
        not."""
        self.set_rules(
            rule("year", expire_days=365),
            rule("week", LifecycleFilter(prefix="logs/"), expire_days=7),
            rule("large", LifecycleFilter(size_above=1000), expire_days=1),
            rule("tmp", LifecycleFilter(prefix="tmp/"), expire_days=1),
            rule("tag", LifecycleFilter(tags={"a": "1"}), expire_days=1),
            rule("noncurrent", noncurrent_days=1),
            structs.replace(rule("off", expire_days=1), enabled=False),
        )
        self.put("logs/a", b"log")
        expires = "the current version expires"
        self.assertEqual(
            self.explained("logs/a"),
            [
                "current version null, 3 bytes, of 2014-01-15T10:30:00Z",
                f"  {expires} from 2014-01-23T00:00:00Z on, by rule 'week'",
                f"  rule 'year' is not the first: {expires} from 2015-01-16T00:00:00Z on",
                "  rule 'large' does nothing: it is about what has more than 1000 bytes",
                "  rule 'tmp' does nothing: it is about keys that begin with 'tmp/'",
                "  rule 'tag' does nothing: it is about what has the tag a=1",
                "  rule 'noncurrent' does nothing: it says nothing of current versions",
                "  rule 'off' does nothing: it is disabled",
            ],
        )
        self.pass_days(8)
        self.assertIn(
            "  the current version expires from 2014-01-23T00:00:00Z on, which is past: at the "
            "next pass, by rule 'week'",
            self.explained("logs/a"),
        )

    def test_versions(self) -> None:
        """All that a key has is told of: versions, delete markers and uploads."""
        self.set_versioning()
        self.set_rules(rule("r", noncurrent_days=3, noncurrent_kept=1, abort_days=2))
        ids = [self.put("a", b"1"), self.put("a", b"2"), self.put("a", b"3")]
        ids.append(self.delete("a"))
        self.upload("a", b"part")
        said = self.explained("a")
        due = "from 2014-01-19T00:00:00Z on, by rule 'r'"
        self.assertEqual(
            [line for line in said if not line.startswith(" ")],
            [
                f"delete marker {ids[3]}, 0 bytes, of 2014-01-15T10:30:00Z",
                f"noncurrent version {ids[2]}, 1 bytes, of 2014-01-15T10:30:00Z",
                f"noncurrent version {ids[1]}, 1 bytes, of 2014-01-15T10:30:00Z",
                f"noncurrent version {ids[0]}, 1 bytes, of 2014-01-15T10:30:00Z",
                f"upload {said[-2].split()[1][:-1]}, of 2014-01-15T10:30:00Z",
            ],
        )
        self.assertEqual(
            said[1:3],
            [
                "  nothing happens to it as it is now",
                "  rule 'r' does nothing: there are versions beneath the delete marker",
            ],
        )
        self.assertEqual(
            said[5], "  rule 'r' does nothing: it keeps the newest 1 noncurrent versions"
        )
        self.assertEqual(said[7], f"  the noncurrent version is deleted for good {due}")
        self.assertEqual(
            said[-1], "  the upload is aborted from 2014-01-18T00:00:00Z on, by rule 'r'"
        )

    def test_transitions(self) -> None:
        """Where it moves is told before its end, with what keeps it from other classes."""
        steps = (Transition("STANDARD_IA", 10), Transition("GLACIER", 50))
        above = LifecycleFilter(size_above=1)
        self.set_rules(
            rule("down", above, transitions=steps, expire_days=100),
            rule("later", above, transitions=(Transition("GLACIER", 60),)),
            rule("late", above, transitions=(Transition("DEEP_ARCHIVE", 500),)),
            rule("large", transitions=(Transition("GLACIER", 1),)),
            rule("tag", LifecycleFilter(tags={"a": "1"}), transitions=steps, expire_days=100),
        )
        self.put("a", b"some")
        gets = "the version gets the storage class"
        self.assertEqual(
            self.explained("a"),
            [
                "current version null, 4 bytes, of 2014-01-15T10:30:00Z",
                f"  {gets} STANDARD_IA from 2014-01-26T00:00:00Z on, by rule 'down'",
                f"  {gets} GLACIER from 2014-03-07T00:00:00Z on, by rule 'down'",
                "  the current version expires from 2014-04-26T00:00:00Z on, by rule 'down'",
                f"  rule 'later' is not the first: {gets} GLACIER from 2014-03-17T00:00:00Z on",
                f"  rule 'late' is not the first: {gets} DEEP_ARCHIVE from 2015-05-31T00:00:00Z on",
                "  rule 'large' does nothing: nothing below 131072 bytes is moved to GLACIER",
                "  rule 'tag' does nothing: it is about what has the tag a=1",
            ],
        )
        self.pass_days(60)
        self.ok(self.store.lifecycle_passes.run(self.time))
        said = self.explained("a")
        self.assertEqual(said[0], "current version null, 4 bytes, GLACIER, of 2014-01-15T10:30:00Z")
        self.assertIn("  rule 'down' does nothing: nothing is moved from GLACIER to GLACIER", said)

    def test_moves_of_noncurrent(self) -> None:
        """So it is of noncurrent versions."""
        self.set_versioning()
        transition = NoncurrentTransition("GLACIER", 1, 1)
        self.set_rules(
            rule(
                "r",
                LifecycleFilter(size_above=0),
                noncurrent_transitions=(transition,),
                noncurrent_days=5,
                noncurrent_kept=2,
            )
        )
        for data in (b"1", b"2", b"3"):
            self.put("a", data)
        said = self.explained("a")
        self.assertIn(
            "  rule 'r' does nothing: it keeps the class of the newest 1 noncurrent versions", said
        )
        self.assertIn("  rule 'r' does nothing: it keeps the newest 2 noncurrent versions", said)
        gets = "the version gets the storage class GLACIER from 2014-01-17T00:00:00Z on"
        self.assertIn(f"  {gets}, by rule 'r'", said)

    def test_lone_marker(self) -> None:
        """A delete marker with nothing beneath it says so."""
        self.set_versioning()
        self.set_rules(rule("r", expire_markers=True))
        self.delete("a")
        self.assertIn("beneath which nothing is left, is deleted", self.explained("a")[1])

    def test_nothing(self) -> None:
        """A bucket without rules, a key without versions, and no bucket at all."""
        self.put("a")
        self.assertIn("has no lifecycle", self.explained("a")[0])
        self.assertIn("there is nothing at 'b'", self.explained("b", status=1)[-1])
        self.refused(BucketNotFound, explain_key(self.store, "albums", "a", str))

    def test_short_day(self) -> None:
        """It tells if days are not as long as elsewhere."""
        settings = attrs.evolve(self.settings, lifecycle_day_seconds=10.0)
        self.store = assemble(attrs.evolve(self.store.core, settings=settings), self.store.format)
        self.set_rules(rule(expire_days=1))
        self.put("a")
        self.assertEqual(
            self.explained("a")[0], "a day takes 10 seconds here (lifecycle_day_seconds)"
        )

    def test_clock_jumped(self) -> None:
        """It tells that nothing happens by a clock that has jumped."""
        self.set_rules(rule(expire_days=1))
        self.put("a")
        self.now_us += 100 * 86_400_000_000
        self.assertIn("the wall clock has jumped", self.explained("a")[0])

    def test_as_it_happens(self) -> None:
        """What is told is what a pass then does, and nothing happens before."""
        self.set_versioning()
        self.set_rules(rule("r", expire_days=2, noncurrent_days=2))
        self.put("a")
        self.pass_until(at("2014-01-18 00:00") - 1)
        self.assertEqual(self.run_pass().deeds, 0)
        self.assertIn("from 2014-01-18T00:00:00Z on", self.explained("a")[1])
        self.pass_until(self.now_us + 1)
        self.assertEqual(self.run_pass().deeds, 1)
        self.assertEqual(self.shape("a"), "mv")
        self.assertIn("from 2014-01-21T00:00:00Z on", self.explained("a")[4])
        self.pass_until(at("2014-01-21 00:00"))
        self.assertEqual(self.run_pass().deeds, 1)

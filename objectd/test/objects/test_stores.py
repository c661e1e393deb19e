"""What lies in a further blob store lives and ends as everything does."""

from __future__ import annotations

from objectd.errors import BadDigest, PreconditionFailed
from objectd.model import keys
from objectd.model.blobs import Blob
from objectd.model.codec import decode
from objectd.objects.checking import Problem
from objectd.objects.checksums import Declared
from objectd.objects.conditions import Conditions
from objectd.objects.ids import IdSource
from objectd.streams import BytesStream
from objectd.test.objects.cases import LARGE
from objectd.test.objects.stores_case import WARM, StoresCase

DEAD = 0xFFFF


class Meanwhile(BytesStream):
    """A body at whose end somebody else has put an object at the key `b`."""

    def __init__(self, case: StoresCase) -> None:
        super().__init__(LARGE)
        self._case = case

    async def read(self) -> bytes:
        if not (data := await super().read()):
            await self._case.store.objects.put("photos", "b", b"first")
        return data


class StoresTests(StoresCase):
    """Objects whose bytes lie in `cold`, beside one in the first store."""

    def setUp(self) -> None:
        super().setUp()
        warm = self.store.objects.put("photos", "warm", LARGE + b"warm", storage_class=WARM)
        self.ok(warm)

    def drives(self) -> list[int]:
        return [decode(Blob, row.value or b"").drive for row in self.rows(keys.BLOBS)]

    def test_where(self) -> None:
        """A blob says by its drive in which store it lies; small bodies lie in none."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        self.ok(self.store.objects.put("photos", "small", b"x"))
        self.assertEqual(self.drives(), [0, 256])
        self.assertEqual([file.drive for file in self.files_of("cold")], [0])
        self.assertEqual(len(self.files()), 1)
        self.assertEqual(self.read("a"), LARGE)
        self.assertEqual(self.findings(deep=True), [])

    def test_ends(self) -> None:
        """What is deleted goes from its store, and only from there; the survey tells of it."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        self.complete("b", self.upload("b", LARGE + b"1", LARGE + b"2"))
        self.assertEqual(self.read("b"), LARGE + b"1" + LARGE + b"2")
        self.assertEqual(len(self.files_of("cold")), 3)
        for key in ("a", "b"):
            self.ok(self.store.objects.delete("photos", key))
        self.assertEqual(self.ok(self.store.collector.survey()).blobs_to_collect, 1)
        report = self.ok(self.store.collector.run_to_rest())
        self.assertEqual(report.files_unlinked, 3)
        self.assertEqual((self.files_of("cold"), len(self.files())), ([], 1))
        self.assertEqual(self.findings(deep=True), [])

    def test_refused_body(self) -> None:
        """Of a body that is refused nothing is left, whether it was sealed by then or not."""
        declared = Declared(md5=bytes(16))
        self.refused(BadDigest, self.store.objects.put("photos", "a", LARGE, declared=declared))
        self.assertEqual(self.files_of("cold"), [])
        absent = Conditions(if_none_match="*")
        conditional = self.store.objects.put("photos", "b", Meanwhile(self), conditions=absent)
        self.refused(PreconditionFailed, conditional)
        self.assertEqual((self.files_of("cold"), len(self.files())), ([], 1))

    def test_sealed_and_dropped(self) -> None:
        """A sealed blob that no commit refers to is unlinked where it lies."""
        ingested = self.ok(
            self.store.core.intake.take(
                BytesStream(LARGE),
                Declared(),
                size_bytes=None,
                size_bytes_max=1 << 20,
                inline_bytes_max=0,
                kept=self.store.core.classes.named("STANDARD"),
            )
        )
        assert ingested.staged is not None
        self.ok(ingested.staged.seal({}))
        self.assertEqual(len(self.files_of("cold")), 1)
        self.ok(ingested.drop())
        self.assertEqual((self.files_of("cold"), len(self.files())), ([], 1))

    def test_sweep(self) -> None:
        """Files that dead processes left go from every store, and those of the living stay."""
        for incarnation in (DEAD, self.store.core.writer.incarnation):
            ids = IdSource(incarnation)
            for place in (0, 1):
                writer = self.ok(self.store.core.blobs.at(place).create(ids.uid(), size_bytes=None))
                self.ok(writer.seal({}))
        stray = [
            finding for finding in self.findings(deep=True) if finding.problem is Problem.FILE_STRAY
        ]
        self.assertEqual(
            [find.detail for find in stray], [f"on drive {n}, sealed" for n in (0, 256)]
        )
        self.assertEqual(self.ok(self.store.sweep.survey()).files_stray, 2)
        report = self.ok(self.store.sweep.run())
        self.assertEqual((report.files_seen, report.files_unlinked), (5, 2))
        self.assertEqual((len(self.files_of("cold")), len(self.files())), (1, 2))

    def test_damage(self) -> None:
        """A file that is lost in a further store is found, with what it costs."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        [file] = self.files_of("cold")
        self.ok(self.further["cold"].unlink([file]))
        found = {finding.problem for finding in self.findings()}
        self.assertEqual(found, {Problem.BLOB_DAMAGED, Problem.BYTES_LOST})

    def test_renamed(self) -> None:
        """An object that gets another key keeps its bytes where they are."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        self.ok(self.store.renames.rename("photos", "a", "b"))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.read("b"), LARGE)
        self.assertEqual(len(self.files_of("cold")), 1)
        self.assertEqual(self.findings(deep=True), [])

"""The simulation must be able to fail: each rule that is broken here must be noticed."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, succeed

from objectd.errors import DamagedBlob
from objectd.interfaces import (
    At,
    BlobLocation,
    Commit,
    EmptyRange,
    IMetadataStore,
    Outcome,
    OutcomeKind,
    Present,
    Row,
    Token,
)
from objectd.metadata.announcing import AnnouncedMetadata
from objectd.metadata.caching import CachedMetadata
from objectd.metadata.slots import Slots
from objectd.model import keys
from objectd.model.blobs import Blob
from objectd.model.codec import decode
from objectd.model.records import Source
from objectd.objects import growing, located, publishing, reading, references
from objectd.objects.collecting import sweep
from objectd.objects.conditions import Conditions
from objectd.objects.current import Current
from objectd.objects.reads import Reads
from objectd.objects.writer import Batch, Writer
from objectd.test.simulation.broken_rule_case import BrokenRuleCase
from objectd.testing.simulation.drives import Drives, File
from objectd.testing.simulation.metadata import MetadataOwner


class BrokenRuleTests(BrokenRuleCase):
    # Expectations

    def test_object_row(self) -> None:
        """A writer that does not expect the object as it read it is noticed."""
        self.ignore_key(keys.objects(0)[:1])
        self.assert_noticed()

    def test_shared_blob(self) -> None:
        """A writer that shares a blob without expecting it to be there is noticed."""
        self.ignore_key(keys.blob(b""))
        self.assert_noticed()

    def test_live_bucket(self) -> None:
        """A writer that does not expect its bucket to be alive is noticed."""
        self.ignore(lambda e: isinstance(e, Present) and e.key.startswith(keys.live(0)[:1]))
        self.assert_noticed(167)

    def test_bucket_name(self) -> None:
        """A CreateBucket that does not expect the name to be free is noticed."""
        self.ignore_key(keys.BUCKET_NAMES)
        self.assert_noticed(380)

    def test_empty_bucket(self) -> None:
        """A DeleteBucket that does not expect the bucket to be empty is noticed."""
        self.ignore(lambda e: isinstance(e, EmptyRange) and e.start[:1] == keys.objects(0)[:1])
        self.assert_noticed()

    def test_upload_row(self) -> None:
        """A part or a Complete that does not expect the upload as it read it is noticed."""
        self.ignore_key(keys.uploads(0)[:1])
        self.assert_noticed()

    def test_part_row(self) -> None:
        """A part that does not expect the part that it replaces is noticed."""
        self.ignore_key(keys.parts(b""))
        self.assert_noticed()

    def test_no_references(self) -> None:
        """A collector that does not expect a blob to be without references is noticed."""
        self.ignore(lambda e: isinstance(e, EmptyRange) and e.start.startswith(keys.refs(b"")))
        self.assert_noticed()

    def test_same_candidate(self) -> None:
        """A collector that forgets a newer candidate than it has seen is noticed."""
        self.ignore(lambda e: isinstance(e, At) and e.key.startswith(keys.BLOB_CANDIDATES))
        self.assert_noticed()

    def test_shared_manifest(self) -> None:
        """A copy that shares a manifest without expecting it to be there is noticed."""
        share_source = references.share_source

        async def share_slowly(
            metadata: IMetadataStore, batch: Batch, source: Source, version: bytes
        ) -> bool:
            """So that a deletion and a collection often come in between."""
            shared = await share_source(metadata, batch, source, version)
            for _ in range(40):
                await metadata.get([keys.FORMAT])
            return shared

        self.patch(references, "share_source", share_slowly)
        self.ignore_key(keys.manifest(b""))
        self.assert_noticed(909)

    # Rows

    def test_reference_of_a_copy(self) -> None:
        """A copy that does not refer to the manifest that it shares is noticed."""
        self.lose(keys.manifest_refs(b""))
        self.assert_noticed()

    def test_candidate(self) -> None:
        """A reference that is released without a candidate is noticed."""
        self.lose(keys.BLOB_CANDIDATES)
        self.assert_noticed()

    def test_candidate_of_a_manifest(self) -> None:
        """A manifest that is released, perhaps by a copy, without a candidate is noticed."""
        self.lose(keys.MANIFEST_CANDIDATES)
        self.assert_noticed()

    def test_part_that_is_not_listed(self) -> None:
        """An append whose part the manifest does not list is noticed."""
        self.patch(growing, "_listing", lambda listed, number: listed or b"\x01")
        self.assert_noticed()

    # Conditions

    def test_conditions(self) -> None:
        """A conditional write that does not judge what it replaces is noticed."""

        def wave_through(found: Current, conditions: Conditions, bucket: str) -> None:
            return None

        self.patch(Current, "check", wave_through)
        self.assert_noticed()

    # Files

    def test_sweep_of_living_incarnations(self) -> None:
        """A sweep that takes files of processes that live is noticed."""
        self.patch(sweep, "incarnation_of", lambda uid: 0)
        self.assert_noticed()

    def test_unlink_under_readers(self) -> None:
        """A collector that does not wait for reads is noticed."""

        async def at_once(reads: Reads) -> None:
            return None

        self.patch(Reads, "drained", at_once)
        self.assert_noticed(5195, seeds_max=12_000)  # one seed in 2,000 does

    def test_reads_of_other_processes(self) -> None:
        """A collector that waits for the reads of its own process only is noticed."""
        locate = located.locate

        async def locate_slowly(metadata: IMetadataStore, uid: bytes) -> located.Located:
            """So that a collection often comes in between."""
            location = await locate(metadata, uid)
            for _ in range(40):
                await metadata.get([keys.FORMAT])
            return location

        self.patch(reading, "locate", locate_slowly)
        self.patch(Reads, "drained", Reads.drained_here)
        self.assert_noticed()

    def test_reading_from_the_trash(self) -> None:
        """A reader that does not find a blob that was collected meanwhile is noticed."""

        async def locate(metadata: IMetadataStore, uid: bytes) -> located.Located:
            [row] = await metadata.get([keys.blob(uid)])
            if row is None:
                raise DamagedBlob(uid.hex(), "its row is missing")
            blob = decode(Blob, row.value)
            location = BlobLocation(blob.drive, uid, blob.digest, blob.size_bytes)
            return located.Located(location)

        self.patch(reading, "locate", locate)
        self.assert_noticed()

    def test_dropping_what_may_be_referred_to(self) -> None:
        """A writer that drops its file though its commit may have been applied is noticed."""

        class Never(Exception):
            pass

        self.patch(publishing, "OutcomeUnknown", Never)
        self.assert_noticed()

    # Durability

    def test_unsynced_data(self) -> None:
        """A blob that is sealed without a sync of its data is noticed."""

        def keep_unsynced(file: File, digest: bytes) -> None:
            file.digest = digest

        self.patch(File, "seal", keep_unsynced)
        self.assert_noticed()

    def test_unsynced_names(self) -> None:
        """A blob that is sealed without a sync of its directory is noticed."""
        self.patch(Drives, "sync_names", lambda drives, files: None)
        self.assert_noticed()

    def test_answers_before_the_sync(self) -> None:
        """A metadata store that answers before what it says is durable is noticed."""

        def answer_at_once(owner: MetadataOwner) -> Deferred[None]:
            durable(owner)
            return succeed(None)

        durable = MetadataOwner.durable
        self.patch(MetadataOwner, "durable", answer_at_once)
        self.assert_noticed()

    # Rows that are kept

    def test_changes_without_a_mark(self) -> None:
        """Slots that are raised when a commit is over, but not odd before, are noticed."""

        def raise_at_once(slots: Slots, index: int, commits: int) -> None:
            slots.words[index] += 2 * commits

        self.patch(Slots, "mark", lambda slots, index: None)
        self.patch(Slots, "clear", raise_at_once)
        self.assert_noticed()

    def test_at_rest_before_it_is_durable(self) -> None:
        """A slot that is even again before its commit can be read is noticed."""

        async def commit_hastily(announced: AnnouncedMetadata, commit: Commit) -> int:
            words = announced._words(commit.changes)
            announced._begin(words)
            announced._end(words, changed=True)
            return await announced._store.commit(commit)

        self.patch(AnnouncedMetadata, "commit", commit_hastily)
        self.assert_noticed()

    def test_keeping_what_may_have_changed(self) -> None:
        """A row that is kept under the number that its slot has when it comes is noticed."""

        async def fetch_carelessly(
            cached: CachedMetadata, asked: Sequence[bytes]
        ) -> list[Row | None]:
            rows = await cached._store.get(asked)
            if cached._words[0] != cached._generation:
                cached._begin(cached._words[0])
            for key, row in zip(asked, rows, strict=True):
                named = keys.group(key)
                if named is not None:
                    index = cached._slots.slot(named)
                    cached._keep(named, index, cached._words[index], key, row)
            return rows

        self.patch(CachedMetadata, "_fetch", fetch_carelessly)
        self.assert_noticed()

    def test_keeping_what_was_put_by_several(self) -> None:
        """Two commits that raise a slot like one, so that both take what they have put for
        current, are noticed."""
        clear = Slots.clear
        self.patch(Slots, "clear", lambda slots, index, commits: clear(slots, index, 1))
        self.assert_noticed()

    def test_owner_without_a_generation(self) -> None:
        """An owner that starts the numbers of slots anew, and nothing else, is noticed."""

        def forget(slots: Slots) -> None:
            for index in range(1, len(slots.words)):
                slots.words[index] = 0

        self.patch(Slots, "renew", forget)
        self.assert_noticed()

    # Lost answers

    def test_not_asking_for_the_outcome(self) -> None:
        """A writer that takes a lost answer for a refusal is noticed."""

        async def guess(writer: Writer, token: Token) -> Outcome:
            return Outcome(OutcomeKind.NOT_APPLIED)

        self.patch(Writer, "_outcome", guess)
        self.assert_noticed()

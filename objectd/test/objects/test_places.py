"""Which further blob store has which number, from start to start."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from objectd.blobs.memory import MemoryBlobs
from objectd.errors import FormatUnsupported, StoreFailed
from objectd.model import keys
from objectd.model.codec import encode
from objectd.model.records import Format, Incompatible
from objectd.objects import ObjectStore
from objectd.objects.classes import DEFAULTS, ClassMistake, ClassSettings
from objectd.objects.opening import run_at_once
from objectd.objects.reads import Reads
from objectd.objects.store import join_store
from objectd.test.objects.cases import LARGE, InterposedMetadata, StoreCase
from objectd.test.objects.stores_case import StoresCase


class NoneYet(StoreCase):
    """A store without further ones."""

    def test_no_trace(self) -> None:
        """There is no row, and the format needs nothing: older programs go on with it."""
        self.assertEqual(self.rows(keys.PLACES), [])
        self.assertEqual(self.features(), 0)

    def test_provider_itself(self) -> None:
        """Blobs are created in the very store that was given."""
        self.assertIs(self.store.core.blobs.at(0), self.blobs)


class PlacesTests(StoresCase):
    def test_recorded(self) -> None:
        """The first start with a store numbers it, and older programs open the data no more;
        the next one changes neither row."""
        self.assertEqual(self.places(), ("cold",))
        self.assertEqual(self.features(), Incompatible.STORAGE_CLASSES)
        self.assertEqual(self.store.core.classes.named("STANDARD").place, 1)
        rows = self.rows(keys.PLACES), self.rows(keys.FORMAT)
        self.store = self.opened()
        self.assertEqual((self.rows(keys.PLACES), self.rows(keys.FORMAT)), rows)

    def test_one_commit(self) -> None:
        """The row and the format's bit are in one commit."""
        [place], [format_] = self.rows(keys.PLACES), self.rows(keys.FORMAT)
        self.assertEqual(place.revision, format_.revision)

    def test_missing(self) -> None:
        """Without a store that was ever there nothing is opened, and nothing is touched: whatever
        lies in it would be taken for lost."""
        cold = self.further.pop("cold")
        self.further["cool"] = MemoryBlobs()
        self.classes = {}
        before = self.metadata._state._rows.copy()
        error = self.refused(StoreFailed, self.opening())
        self.assertIn("[stores.cold], which is not configured: put the section back", str(error))
        self.assertEqual(self.metadata._state._rows, before)
        self.further["cold"] = cold
        self.opened()
        self.assertEqual(self.places(), ("cold", "cool"))

    def test_damaged(self) -> None:
        """Where the row cannot be read nobody can tell the stores apart."""
        self.write_row(keys.PLACES, encode(Format(0, 0, 0, b"", b"", 0, ""))[:-1])
        error = self.refused(StoreFailed, self.opening())
        self.assertIn("restore the metadata", str(error))

    @settings(max_examples=40)
    @given(st.lists(st.lists(st.sampled_from("abcd"), unique=True), max_size=6))
    def test_order(self, starts: list[list[str]]) -> None:
        """However the sections are ordered, and whichever come when: a number stays, and what was
        put is read. Who leaves one out is refused."""
        self.metadata, self.blobs, self.further = InterposedMetadata(), MemoryBlobs(), {}
        every = {name: MemoryBlobs() for name in "abcd"}
        known: tuple[str, ...] = ()
        put: list[bytes] = []
        self.classes = {}
        self.store = self.opened()
        self.ok(self.store.buckets.create("photos"))
        for configured in starts:
            self.further = {name: every[name] for name in configured}
            self.classes = {}
            if not set(known) <= set(configured):
                self.refused(StoreFailed, self.opening())
                continue
            if configured:
                self.classes = {"STANDARD": ClassSettings(configured[-1])}
            self.store = self.opened()
            known += tuple(name for name in configured if name not in known)
            self.assertEqual(self.places() or (), known)
            places = self.store.core.blobs.places
            self.assertEqual(places, {name: n for n, name in enumerate(("", *known))})
            if known:
                put.append(LARGE + bytes(len(put)))  # content that no other has
                self.ok(self.store.objects.put("photos", f"{len(put)}", put[-1]))
                self.assertTrue(self.files_of(configured[-1]))
            for number, data in enumerate(put, 1):
                self.assertEqual(self.read(f"{number}"), data)

    def test_swapped(self) -> None:
        """Stores that are given each other's drives are refused, whatever their order."""
        self.further["deep"] = MemoryBlobs()
        self.opened()
        self.further = {"cold": self.further["deep"], "deep": self.further["cold"]}
        error = self.refused(FormatUnsupported, self.opening())
        self.assertIn("is a drive of [stores.deep], but is listed in [stores.cold]", str(error))

    def test_unknown_store(self) -> None:
        """A class in a store that is not there is a mistake of the caller."""
        self.classes = {"GLACIER_IR": ClassSettings("cool")}
        mistake = self.refused(ClassMistake, self.opening())
        self.assertIn("did you mean cold?", str(mistake))

    def test_older_backup(self) -> None:
        """Drives of a further store tell as well that the metadata is an older backup: the sweep
        is held."""
        highest = self.store.core.writer.incarnation + 3
        format_ = self.store.format
        self.ok(self.store.core.blobs.at(1).begin(format_.store_uuid, format_.digest_key, highest))
        self.store = self.opened()
        self.assertTrue(self.rows(keys.SWEEP_HOLD))
        self.assertGreater(self.store.core.writer.incarnation, highest)


class CrashTests(StoresCase):
    names = ()
    classes = DEFAULTS

    def test_between_any_two_steps(self) -> None:
        """The start that first has a store may end after any step: the next one goes on, with the
        store or, as long as it was not recorded, without."""
        for changes in range(20):
            self.metadata, self.blobs = self.make_metadata(), MemoryBlobs()
            self.further = {}
            self.opened()
            self.further = {"cold": MemoryBlobs()}
            self.metadata.changes_left = changes
            failed = Deferred.fromCoroutine(self.opening())
            failed.addErrback(lambda failure: None)
            is_over = self.successResultOf(failed) is not None
            self.metadata.changes_left = None
            cold, self.further = self.further, {}
            if self.places() is None:
                self.opened()
            else:
                self.refused(StoreFailed, self.opening())
            self.further = cold
            self.store = self.opened()
            self.assertEqual(self.places(), ("cold",))
            self.assertEqual(self.ok(self.store.buckets.list()).buckets, [])
            if is_over:
                self.assertGreater(changes, 2)
                return
        self.fail("the start never ends")


class JoiningTests(StoresCase):
    names = ("cold", "deep")

    def joining(self, *names: str) -> Coroutine[Deferred[Any], Any, ObjectStore]:
        return join_store(
            self.metadata,
            self.blobs,
            incarnation=self.ok(self.metadata.begin_incarnation()),
            clock=self.clock,
            run_in_thread=run_at_once,
            settings=self.settings,
            stores={name: self.further.get(name) or MemoryBlobs() for name in names},
            reads=Reads(),
        )

    def test_same_numbers(self) -> None:
        """Who joins has the numbers of the row, whatever its own order, and changes nothing."""
        rows = self.rows(keys.PLACES)
        joined = self.ok(self.joining("deep", "cold"))
        self.assertEqual(joined.core.blobs.places, {"": 0, "cold": 1, "deep": 2})
        self.assertEqual(self.rows(keys.PLACES), rows)
        self.ok(self.store.objects.put("photos", "a", LARGE))
        self.assertEqual(self.ok(self.ok(joined.objects.get("photos", "a")).read()), LARGE)

    def test_refused(self) -> None:
        """One that lacks a store, or has one that the owner does not know, does not join."""
        self.assertIn("[stores.deep]", str(self.refused(StoreFailed, self.joining("cold"))))
        error = self.refused(StoreFailed, self.joining("cold", "deep", "new"))
        self.assertIn("[stores.new] came while the server ran: restart it", str(error))

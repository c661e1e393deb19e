"""Stored rows of format version 1 are written and read as they always were."""

from __future__ import annotations

import inspect

from twisted.trial.unittest import SynchronousTestCase

from objectd.model import blobs, records
from objectd.model.codec import decode, decode_counter, decode_object, decode_payload
from objectd.test.model import golden_rows


class GoldenTests(SynchronousTestCase):
    def test_values_written(self) -> None:
        """Every kind of value is encoded to the very bytes of its golden row."""
        self.assertEqual(golden_rows.VALUES, golden_rows.read("values-2.txt"))

    def test_keys_written(self) -> None:
        """Every family's keys are the very bytes of its golden row."""
        self.assertEqual(golden_rows.KEYS, golden_rows.read("keys-1.txt"))
        self.assertEqual(golden_rows.KEYS_2, golden_rows.read("keys-2.txt"))

    def test_records_read(self) -> None:
        """A golden record decodes to what was encoded, that of an earlier version with the
        defaults of what it lacks."""
        now = golden_rows.RECORDS | golden_rows.RECORDS_2
        for file, rows in (("values-1.txt", golden_rows.RECORDS), ("values-2.txt", now)):
            golden = golden_rows.read(file)
            for name, record in rows.items():
                self.assertEqual(decode(type(record), golden[name]), record)

    def test_objects_read(self) -> None:
        """A golden object decodes to its head and tail, wherever its bytes are."""
        old = {name: (golden_rows.HEAD, tail) for name, tail in golden_rows.TAILS.items()}
        for file, rows in (
            ("values-1.txt", old),
            ("values-2.txt", old | golden_rows.OBJECTS_2),
        ):
            golden = golden_rows.read(file)
            for name, both in rows.items():
                self.assertEqual(decode_object(golden[f"object-{name}"]), both)

    def test_plain_values_read(self) -> None:
        """A golden payload and a golden counter decode."""
        for file in ("values-1.txt", "values-2.txt"):
            golden = golden_rows.read(file)
            self.assertEqual(decode_payload(golden["payload"]), b"hello")
            self.assertEqual(decode_counter(golden["counter"]), -42)

    def test_none_is_forgotten(self) -> None:
        """Every record type has a golden row."""
        framed = {
            kind
            for module in (blobs, records)
            for _, kind in inspect.getmembers(module, inspect.isclass)
            if issubclass(kind, records.Record) and kind is not records.Record
        }
        rows = golden_rows.RECORDS | golden_rows.RECORDS_2
        golden = {type(record) for record in rows.values()}
        self.assertEqual(framed - golden, {records.ObjectHead, records.ObjectTail})

    def test_families_do_not_meet(self) -> None:
        """No family's keys begin with another family's tag."""
        for rows, tags in (
            (golden_rows.KEYS, "fhiDnblaovpkutmMBcrdxj"),
            (golden_rows.KEYS_2, "wzlsyqAd"),
        ):
            self.assertEqual({key[:1].decode() for key in rows.values()}, set(tags))

"""Stored rows of format version 1 are written and read as they always were."""

from __future__ import annotations

import inspect

from twisted.trial.unittest import SynchronousTestCase

from objectd.model import records
from objectd.model.codec import decode, decode_counter, decode_object, decode_payload
from objectd.test.model import golden_rows


class GoldenTests(SynchronousTestCase):
    def test_values_written(self) -> None:
        """Every kind of value is encoded to the very bytes of its golden row."""
        self.assertEqual(golden_rows.VALUES, golden_rows.read("values-1.txt"))

    def test_keys_written(self) -> None:
        """Every family's keys are the very bytes of its golden row."""
        self.assertEqual(golden_rows.KEYS, golden_rows.read("keys-1.txt"))

    def test_records_read(self) -> None:
        """A golden record decodes to what was encoded."""
        golden = golden_rows.read("values-1.txt")
        for name, record in golden_rows.RECORDS.items():
            self.assertEqual(decode(type(record), golden[name]), record)

    def test_objects_read(self) -> None:
        """A golden object decodes to its head and tail, wherever its bytes are."""
        golden = golden_rows.read("values-1.txt")
        for name, tail in golden_rows.TAILS.items():
            self.assertEqual(decode_object(golden[f"object-{name}"]), (golden_rows.HEAD, tail))

    def test_plain_values_read(self) -> None:
        """A golden payload and a golden counter decode."""
        golden = golden_rows.read("values-1.txt")
        self.assertEqual(decode_payload(golden["payload"]), b"hello")
        self.assertEqual(decode_counter(golden["counter"]), -42)

    def test_none_is_forgotten(self) -> None:
        """Every record type has a golden row."""
        framed = {
            kind
            for _, kind in inspect.getmembers(records, inspect.isclass)
            if issubclass(kind, records.Record) and kind is not records.Record
        }
        golden = {type(record) for record in golden_rows.RECORDS.values()}
        self.assertEqual(framed - golden, {records.ObjectHead, records.ObjectTail})

    def test_families_do_not_meet(self) -> None:
        """No family's keys begin with another family's tag."""
        tags = {name: key[:1] for name, key in golden_rows.KEYS.items()}
        self.assertEqual(len(set(tags.values())), len("fhiDnblsaovApkutmMBcrdxj"))

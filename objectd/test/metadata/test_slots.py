"""The table of slots in memory that processes share."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from objectd.metadata.slots import GENERATION, TABLE_BYTES, Slots
from objectd.model import keys
from objectd.test.metadata.announced import (
    OBJECT,
    OTHER,
    PAYLOAD,
    table,
)


class SlotsTests(SynchronousTestCase):
    def test_shared(self) -> None:
        """What is written through one mapping is read through another."""
        descriptor = os.memfd_create("slots")
        os.truncate(descriptor, TABLE_BYTES)
        one, other = Slots.mapped(descriptor), Slots.mapped(descriptor)
        os.close(descriptor)
        index = one.slot(b"group")
        one.mark(index)
        self.assertEqual(other.words[other.slot(b"group")], 1)
        one.clear(index)
        self.assertEqual(other.words[index], 2)

    def test_too_small(self) -> None:
        """A file that is too small is refused, not read beyond its end."""
        descriptor = os.memfd_create("slots")
        self.addCleanup(os.close, descriptor)
        os.truncate(descriptor, TABLE_BYTES - 8)
        self.assertRaises(ValueError, Slots.mapped, descriptor)

    def test_generations(self) -> None:
        """A new generation is even, greater than any before, and has all slots at rest, also
        if the one before it was cut short."""
        slots = table(5)
        slots.words[3] = 7
        for before, after in ((0, 2), (2, 4), (5, 6)):
            slots.words[GENERATION] = before
            slots.renew()
            self.assertEqual(slots.words.tolist(), [after, 0, 0, 0, 0, 0])
            slots.words[3] = 7

    def test_groups(self) -> None:
        """An object and its payload, and a bucket and its being alive, are one group each."""
        self.assertEqual(keys.group(OBJECT), keys.group(PAYLOAD))
        self.assertEqual(keys.group(keys.bucket(1)), keys.group(keys.live(1)))
        self.assertIsNotNone(keys.group(keys.bucket_name("b")))
        self.assertNotEqual(keys.group(OBJECT), keys.group(OTHER))
        for key in (keys.FORMAT, keys.blob(bytes(12)), keys.versions(1), keys.incarnation(1), b""):
            self.assertIsNone(keys.group(key))

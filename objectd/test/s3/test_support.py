"""The registry of operations is complete and true to the model, and the docs tell it."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import objectd
from objectd.protocol.model import load_s3_model
from objectd.s3.operations import OPERATIONS
from objectd.s3.support import COMMAND, REMARKS, families, support_table

PAGE = Path(objectd.__file__).parent.parent / "docs" / "s3-support.md"


class SupportPageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.model = load_s3_model()

    def test_page(self) -> None:
        """The page in the docs is what the registry says today."""
        if not PAGE.parent.exists():
            self.skipTest("runs in a source tree only")
        page = PAGE.read_text() if PAGE.exists() else ""
        up_to_date = page == support_table(self.model, OPERATIONS)
        self.assertTrue(up_to_date, f"{PAGE.name} is not up to date; run: {COMMAND}")

    def test_families(self) -> None:
        """Every operation of the model stands in one family, and no family is empty."""
        shown = [operation.name for family in families(self.model).values() for operation in family]
        self.assertEqual(sorted(shown), sorted(self.model.operations))
        self.assertTrue(all(families(self.model).values()))

    def test_remarks(self) -> None:
        """Only members that some operation supports are remarked on."""
        supported = frozenset[str]().union(*(row.supported for row in OPERATIONS.values()))
        self.assertLessEqual(REMARKS.keys(), supported)


class RegistryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.model = load_s3_model()

    def test_names(self) -> None:
        """Every row is a current operation of the model under its own name."""
        for name, row in OPERATIONS.items():
            self.assertEqual(row.name, name)
            self.assertIn(name, self.model.operations)
            self.assertIsNone(self.model.operations[name].alias_of)

    def test_members(self) -> None:
        """What a row supports and what it ignores are different members of the model's."""
        for name, row in OPERATIONS.items():
            shape = self.model.operations[name].input
            members = shape.members.keys() if shape else set()
            self.assertLessEqual(row.supported | row.ignored, members, name)
            self.assertLessEqual(row.arguments, row.supported, name)
            self.assertEqual(row.supported & row.ignored, frozenset(), name)

    def test_required(self) -> None:
        """A supported operation supports whatever it requires, so it can be carried out."""
        for name, row in OPERATIONS.items():
            shape = self.model.operations[name].input
            required = shape.required if shape else frozenset()
            self.assertLessEqual(required, row.supported, name)

    def test_actions(self) -> None:
        """Every row names the permission that it takes."""
        for name, row in OPERATIONS.items():
            self.assertRegex(row.action, r"^s3:[A-Z][A-Za-z]+$", name)

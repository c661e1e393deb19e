"""restic."""

from __future__ import annotations

import json

from objectd.test.functional.clients.programs import MIB, ClientTests, content


class PlainTests(ClientTests):
    def setUp(self) -> None:
        super().setUp()
        self.environment |= {
            "RESTIC_REPOSITORY": f"s3:{self.url}/{self.bucket}/repository",
            "RESTIC_PASSWORD": "password",
        }

    def restic(self, *arguments: str) -> str:
        return self.run_program("restic", "--cacert", self.certificate, *arguments)

    def test_backups(self) -> None:
        """What is backed up is found to be whole and restored exactly; what is forgotten is
        pruned, and leaves the rest whole."""
        self.write_tree("tree")
        self.write("tree/large", content(20 * MIB))
        self.restic("init")
        self.restic("backup", "tree")
        self.write("tree/large", content(20 * MIB + 1))
        self.restic("backup", "tree")
        self.assertEqual(len(json.loads(self.restic("snapshots", "--json"))), 2)
        self.restic("check", "--read-data")
        self.restic("restore", "latest", "--target", "back")
        self.assertEqual(self.read_tree("back/tree"), self.read_tree("tree"))

        before = self.stored_bytes()
        self.restic("forget", "--keep-last=1", "--prune")
        self.assertLess(self.stored_bytes(), before - 19 * MIB)
        self.restic("check", "--read-data")
        self.assertEqual(len(json.loads(self.restic("snapshots", "--json"))), 1)
        self.assertEqual(self.keys("repository/locks/"), [])

    def stored_bytes(self) -> int:
        listed = self.s3.list_objects_v2(Bucket=self.bucket)["Contents"]
        return sum(found["Size"] for found in listed)


class SecureTests(PlainTests):
    """The same over HTTPS."""

    secure = True

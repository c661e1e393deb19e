"""restic."""

from __future__ import annotations

import json

from botocore.exceptions import ClientError

from objectd.test.functional.clients.programs import MIB, ClientTests, content


class ResticTests(ClientTests):
    def setUp(self) -> None:
        super().setUp()
        self.environment |= {
            "RESTIC_REPOSITORY": f"s3:{self.url}/{self.bucket}/repository",
            "RESTIC_PASSWORD": "password",
        }

    def restic(self, *arguments: str) -> str:
        return self.run_program("restic", "--cacert", self.certificate, *arguments)


class PlainTests(ResticTests):
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


class LockTests(ResticTests):
    """A repository in a bucket whose default is COMPLIANCE: restic knows nothing of it."""

    def setUp(self) -> None:
        super().setUp()
        self.bucket += "-locked"
        self.s3.create_bucket(Bucket=self.bucket, ObjectLockEnabledForBucket=True)
        default = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
        self.s3.put_object_lock_configuration(
            Bucket=self.bucket,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": default},
        )
        self.environment["RESTIC_REPOSITORY"] = f"s3:{self.url}/{self.bucket}/repository"

    def versions(self) -> dict[str, str]:
        """The newest version of each key that is not deleted."""
        return {
            key: self.s3.head_object(Bucket=self.bucket, Key=key)["VersionId"]
            for key in self.keys("repository/")
        }

    def undelete(self, key: str) -> None:
        """Delete the delete marker of a key: a GET tells which one it is."""
        with self.assertRaises(ClientError) as raised:
            self.s3.get_object(Bucket=self.bucket, Key=key)
        headers = raised.exception.response["ResponseMetadata"]["HTTPHeaders"]
        self.assertEqual(headers["x-amz-delete-marker"], "true")
        marker = headers["x-amz-version-id"]
        self.s3.delete_object(Bucket=self.bucket, Key=key, VersionId=marker)

    def test_prune(self) -> None:
        """What is pruned has delete markers above it, and can be had back whole; nothing that
        restic has stored can be deleted for good."""
        self.write_tree("tree")
        self.write("tree/large", content(2 * MIB))
        self.restic("init")
        self.restic("backup", "tree")
        before = self.read_tree("tree")
        first = self.versions()
        self.write("tree/large", content(2 * MIB + 1))
        self.restic("backup", "tree")
        self.restic("forget", "--keep-last=1", "--prune")
        self.restic("check", "--read-data")
        self.assertEqual(len(json.loads(self.restic("snapshots", "--json"))), 1)

        lines = [{"Key": key, "VersionId": version} for key, version in first.items()]
        done = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": lines})
        self.assertEqual({error["Code"] for error in done["Errors"]}, {"AccessDenied"})
        self.assertEqual(len(done["Errors"]), len(first))

        gone = first.keys() - self.versions().keys()
        self.assertTrue(any("/snapshots/" in key for key in gone), gone)
        self.assertTrue(any("/data/" in key for key in gone), gone)
        for key in gone:
            self.undelete(key)
        self.restic("check", "--read-data")
        snapshots = json.loads(self.restic("snapshots", "--json"))
        oldest = min(snapshots, key=lambda snapshot: snapshot["time"])
        self.restic("restore", oldest["id"], "--target", "back")
        self.assertEqual(self.read_tree("back/tree"), before)

"""Settings that a bucket does not have are answered as by AWS, and not made by accident."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.s3.wire import refusal
from objectd.testing.s3 import MemoryServer

SHOWN: Mapping[str, Mapping[str, object]] = {
    "get_bucket_accelerate_configuration": {},
    "get_bucket_logging": {},
    "get_bucket_notification_configuration": {},
    "get_bucket_ownership_controls": {
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    },
    "get_bucket_request_payment": {"Payer": "BucketOwner"},
    "list_bucket_analytics_configurations": {"IsTruncated": False},
    "list_bucket_intelligent_tiering_configurations": {"IsTruncated": False},
    "list_bucket_inventory_configurations": {"IsTruncated": False},
    "list_bucket_metrics_configurations": {"IsTruncated": False},
}
ABSENT: Mapping[str, str] = {
    "get_bucket_cors": "NoSuchCORSConfiguration",
    "get_bucket_encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "get_bucket_lifecycle_configuration": "NoSuchLifecycleConfiguration",
    "get_bucket_policy": "NoSuchBucketPolicy",
    "get_bucket_policy_status": "NoSuchBucketPolicy",
    "get_bucket_replication": "ReplicationConfigurationNotFoundError",
    "get_bucket_tagging": "NoSuchTagSet",
    "get_bucket_website": "NoSuchWebsiteConfiguration",
    "get_object_lock_configuration": "ObjectLockConfigurationNotFoundError",
    "get_public_access_block": "NoSuchPublicAccessBlockConfiguration",
}
ABSENT_BY_ID = (
    "get_bucket_analytics_configuration",
    "get_bucket_intelligent_tiering_configuration",
    "get_bucket_inventory_configuration",
    "get_bucket_metrics_configuration",
)


class BucketSettingsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.s3 = MemoryServer().client()
        self.s3.create_bucket(Bucket="photos")

    def refused(self, status: int, code: str, operation: str, **arguments: object) -> None:
        refusal(self, status, code, getattr(self.s3, operation), **arguments)

    def test_shown(self) -> None:
        """What every bucket has is shown as AWS shows it for one that nobody has touched."""
        for operation, wanted in SHOWN.items():
            result = getattr(self.s3, operation)(Bucket="photos")
            del result["ResponseMetadata"]
            self.assertEqual(result, wanted, operation)

    def test_absent(self) -> None:
        """What a bucket has only if somebody gives it one is 404 under AWS's name for it."""
        for operation, code in ABSENT.items():
            self.refused(404, code, operation, Bucket="photos")
        for operation in ABSENT_BY_ID:
            self.refused(404, "NoSuchConfiguration", operation, Bucket="photos", Id="1")

    def test_no_bucket(self) -> None:
        """A bucket that is not there has no settings at all."""
        for operation in [*SHOWN, *ABSENT, "get_bucket_acl"]:
            self.refused(404, "NoSuchBucket", operation, Bucket="absent")
        for operation in ABSENT_BY_ID:
            self.refused(404, "NoSuchBucket", operation, Bucket="absent", Id="1")

    def test_acl(self) -> None:
        """Buckets and objects are their owner's, and nobody else has a grant."""
        owner = self.s3.list_buckets()["Owner"]["ID"]
        self.s3.put_object(Bucket="photos", Key="cat", Body=b"meow")
        for acl in [
            self.s3.get_bucket_acl(Bucket="photos"),
            self.s3.get_object_acl(Bucket="photos", Key="cat"),
        ]:
            self.assertEqual(acl["Owner"], {"ID": owner})
            [grant] = acl["Grants"]
            self.assertEqual(grant["Permission"], "FULL_CONTROL")
            self.assertEqual(grant["Grantee"], {"ID": owner, "Type": "CanonicalUser"})

    def test_no_object(self) -> None:
        """An object that is not there has no ACL."""
        self.refused(404, "NoSuchKey", "get_object_acl", Bucket="photos", Key="dog")
        self.refused(404, "NoSuchBucket", "get_object_acl", Bucket="absent", Key="dog")

    def test_not_set(self) -> None:
        """To set one is refused, and leaves everything as it was."""
        self.refused(501, "NotImplemented", "put_bucket_policy", Bucket="photos", Policy="{}")
        self.refused(501, "NotImplemented", "delete_bucket_policy", Bucket="photos")
        self.refused(404, "NoSuchBucketPolicy", "get_bucket_policy", Bucket="photos")

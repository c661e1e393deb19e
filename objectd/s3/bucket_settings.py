"""What a bucket says of the settings that it does not have.

Programs ask for these before they do anything else, and take a 501 for a broken server. So
each is answered as AWS answers for a bucket that nobody has configured; to set one is still
refused by name. Encryption and public access alone differ from AWS, whose buckets have had a
setting of each since 2023: here there is none.
"""

from __future__ import annotations

from collections.abc import Mapping

from objectd.protocol.errors import S3Error
from objectd.s3.call import Answer, Call


async def get_bucket_accelerate_configuration(call: Call, *, Bucket: str) -> Answer:
    return await _shown(call, Bucket, {})


async def get_bucket_acl(call: Call, *, Bucket: str) -> Answer:
    return await _shown(call, Bucket, _owners_alone(call))


async def get_object_acl(call: Call, *, Bucket: str, Key: str, VersionId: str = "") -> Answer:
    await call.store.objects.head(Bucket, Key, version_id=VersionId)
    return Answer(_owners_alone(call))


async def get_bucket_analytics_configuration(call: Call, *, Bucket: str, Id: str) -> Answer:
    return await _absent(call, Bucket, "NoSuchConfiguration")


async def get_bucket_cors(call: Call, *, Bucket: str) -> Answer:
    return await _absent(call, Bucket, "NoSuchCORSConfiguration")


async def get_bucket_intelligent_tiering_configuration(
    call: Call, *, Bucket: str, Id: str
) -> Answer:
    return await _absent(call, Bucket, "NoSuchConfiguration")


async def get_bucket_inventory_configuration(call: Call, *, Bucket: str, Id: str) -> Answer:
    return await _absent(call, Bucket, "NoSuchConfiguration")


async def get_bucket_logging(call: Call, *, Bucket: str) -> Answer:
    return await _shown(call, Bucket, {})


async def get_bucket_metrics_configuration(call: Call, *, Bucket: str, Id: str) -> Answer:
    return await _absent(call, Bucket, "NoSuchConfiguration")


async def get_bucket_notification_configuration(call: Call, *, Bucket: str) -> Answer:
    return await _shown(call, Bucket, {})


async def get_bucket_ownership_controls(call: Call, *, Bucket: str) -> Answer:
    rules = [{"ObjectOwnership": "BucketOwnerEnforced"}]
    return await _shown(call, Bucket, {"OwnershipControls": {"Rules": rules}})


async def get_bucket_policy(call: Call, *, Bucket: str) -> Answer:
    return await _absent(call, Bucket, "NoSuchBucketPolicy")


async def get_bucket_policy_status(call: Call, *, Bucket: str) -> Answer:
    return await _absent(call, Bucket, "NoSuchBucketPolicy")


async def get_bucket_replication(call: Call, *, Bucket: str) -> Answer:
    return await _absent(call, Bucket, "ReplicationConfigurationNotFoundError")


async def get_bucket_request_payment(call: Call, *, Bucket: str) -> Answer:
    return await _shown(call, Bucket, {"Payer": "BucketOwner"})


async def get_bucket_website(call: Call, *, Bucket: str) -> Answer:
    return await _absent(call, Bucket, "NoSuchWebsiteConfiguration")


async def get_public_access_block(call: Call, *, Bucket: str) -> Answer:
    return await _absent(call, Bucket, "NoSuchPublicAccessBlockConfiguration")


async def list_bucket_analytics_configurations(call: Call, *, Bucket: str) -> Answer:
    return await _shown(call, Bucket, {"IsTruncated": False})


async def list_bucket_intelligent_tiering_configurations(call: Call, *, Bucket: str) -> Answer:
    return await _shown(call, Bucket, {"IsTruncated": False})


async def list_bucket_inventory_configurations(call: Call, *, Bucket: str) -> Answer:
    return await _shown(call, Bucket, {"IsTruncated": False})


async def list_bucket_metrics_configurations(call: Call, *, Bucket: str) -> Answer:
    return await _shown(call, Bucket, {"IsTruncated": False})


async def _shown(call: Call, bucket: str, result: Mapping[str, object]) -> Answer:
    await call.store.buckets.get(bucket)
    return Answer(result)


async def _absent(call: Call, bucket: str, code: str) -> Answer:
    await call.store.buckets.get(bucket)
    raise S3Error(code, extra={"BucketName": bucket})


def _owners_alone(call: Call) -> Mapping[str, object]:
    """The one ACL that there is where ACLs are switched off: everything to the owner."""
    owner = {"Type": "CanonicalUser", "ID": call.owner_id}
    return {
        "Owner": {"ID": call.owner_id},
        "Grants": [{"Grantee": owner, "Permission": "FULL_CONTROL"}],
    }

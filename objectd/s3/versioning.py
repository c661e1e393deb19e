"""GetBucketVersioning and PutBucketVersioning.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
"""

from __future__ import annotations

from collections.abc import Mapping

from objectd.model.records import Versioning
from objectd.protocol.errors import S3Error
from objectd.s3.call import Answer, Call

_ENABLED = "Enabled"
_STATUS = {
    Versioning.NEVER: None,
    Versioning.ENABLED: _ENABLED,
    Versioning.SUSPENDED: "Suspended",
}


async def get_bucket_versioning(call: Call, *, Bucket: str) -> Answer:
    """Of a bucket that never had versioning, nothing is told."""
    bucket = await call.store.buckets.get(Bucket)
    return Answer({"Status": _STATUS[bucket.versioning]})


async def put_bucket_versioning(
    call: Call, *, Bucket: str, VersioningConfiguration: Mapping[str, object]
) -> Answer:
    """Counts for every request that begins after the answer: there is nothing to wait for."""
    if VersioningConfiguration.get("MFADelete") == _ENABLED:
        raise S3Error("NotImplemented", "MfaDelete is not implemented.")
    status = VersioningConfiguration.get("Status")
    if status is None:
        raise S3Error(
            "IllegalVersioningConfigurationException", "The Versioning element must be specified"
        )
    await call.store.buckets.set_versioning(Bucket, enabled=status == _ENABLED)
    return Answer()

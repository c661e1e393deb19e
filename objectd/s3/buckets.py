"""CreateBucket, HeadBucket, DeleteBucket, ListBuckets, GetBucketLocation."""

from __future__ import annotations

from collections.abc import Mapping

from objectd.objects.settings import LIST_BUCKETS_MAX
from objectd.protocol.errors import S3Error
from objectd.s3.call import Answer, Call
from objectd.s3.listings import continuation_token, position_of
from objectd.s3.tagging import tags_in_document

_PRIVATE_ACLS = ("private", "bucket-owner-full-control")
"""What a bucket without ACLs, which is how AWS makes them since 2023, amounts to."""


async def create_bucket(
    call: Call,
    *,
    Bucket: str,
    ACL: str = "private",
    CreateBucketConfiguration: Mapping[str, object] | None = None,
    ObjectLockEnabledForBucket: bool = False,
    ObjectOwnership: str = "BucketOwnerEnforced",
) -> Answer:
    require_private(ACL)
    if ObjectOwnership != "BucketOwnerEnforced":
        raise S3Error("NotImplemented", f"Object ownership {ObjectOwnership} is not implemented.")
    configuration = dict(CreateBucketConfiguration or {})
    region = configuration.pop("LocationConstraint", None)
    tags = tags_in_document(configuration.pop("Tags", ()))
    if configuration:
        names = ", ".join(sorted(configuration))
        raise S3Error("NotImplemented", f"CreateBucketConfiguration: {names} is not implemented.")
    await call.store.buckets.create(
        Bucket,
        account=call.principal.account,
        region=str(region or call.region),
        tags=tags,
        object_lock=ObjectLockEnabledForBucket,
    )
    return Answer({"Location": f"/{Bucket}"})


async def head_bucket(call: Call, *, Bucket: str) -> Answer:
    bucket = await call.store.buckets.get(Bucket)
    return Answer({"BucketRegion": bucket.region})


async def delete_bucket(call: Call, *, Bucket: str) -> Answer:
    await call.store.buckets.delete(Bucket)
    return Answer()


async def list_buckets(
    call: Call,
    *,
    BucketRegion: str | None = None,
    ContinuationToken: str | None = None,
    MaxBuckets: int | None = None,
    Prefix: str | None = None,
) -> Answer:
    """A request with any parameter is also told of the buckets' regions, as on AWS."""
    parameters = (BucketRegion, ContinuationToken, MaxBuckets, Prefix)
    with_region = any(parameter is not None for parameter in parameters)
    after = b"" if ContinuationToken is None else position_of(ContinuationToken)
    page = await call.store.buckets.list(
        account=call.principal.account,
        prefix=Prefix or "",
        region=BucketRegion or "",
        after_name=after.decode(errors="replace"),  # a token of objects may be any bytes
        buckets_max=MaxBuckets or LIST_BUCKETS_MAX,
    )
    following = continuation_token(page.buckets[-1].name.encode()) if page.more else None
    return Answer(
        {
            "Owner": {"ID": call.owner_id},
            "Buckets": [
                {
                    "Name": bucket.name,
                    "CreationDate": bucket.created_us,
                    "BucketRegion": bucket.region if with_region else None,
                }
                for bucket in page.buckets
            ],
            "ContinuationToken": following,
            "Prefix": Prefix,
        }
    )


async def get_bucket_location(call: Call, *, Bucket: str) -> Answer:
    bucket = await call.store.buckets.get(Bucket)
    return Answer({"LocationConstraint": bucket.region})


def require_private(acl: str) -> None:
    """Canned ACLs that grant nothing beyond the owner are accepted, others refused.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
    """
    if acl not in _PRIVATE_ACLS:
        raise S3Error("AccessControlListNotSupported")

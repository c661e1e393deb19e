"""The operations that are built: one row each.

A row drives routing, authorisation, metrics and the support table in the docs. What a row
does not name, a request may not ask for: it is refused with 501 and the member's name, never
ignored.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from objectd.digests import ALGORITHMS
from objectd.s3 import (
    annotating,
    bucket_settings,
    buckets,
    copying,
    encryption,
    lifecycle,
    listings,
    multipart,
    object_attributes,
    object_lock,
    objects,
    reading,
    renaming,
    restoring,
    tagging,
    versioning,
)
from objectd.s3.attributes import KEPT_HEADERS
from objectd.s3.call import Answer

Handler = Callable[..., Awaitable[Answer]]

_PAYER = "RequestPayer"
"""Nobody is billed, so whoever agrees to pay has agreed to nothing."""

EXPECTED_OWNER = "ExpectedBucketOwner"
"""Who must own the bucket: checked for every operation that has it, before its handler."""

_WITHOUT_EXPECTED_OWNER = ("CreateBucket", "ListBuckets", "RenameObject")

_CHECKSUMS = tuple(f"Checksum{name}" for name in ALGORITHMS)

_STREAM = ("Body", "ContentLength", "ContentMD5", "ChecksumAlgorithm", *_CHECKSUMS)
"""The body and what is said of it; `objectd.s3.body` reads that, where trailers count too."""

_DOCUMENT = ("ContentMD5", "ChecksumAlgorithm")
"""What is said of a body that is a document, and compared with it."""

_OVERRIDES = (
    "ResponseCacheControl",
    "ResponseContentDisposition",
    "ResponseContentEncoding",
    "ResponseContentLanguage",
    "ResponseContentType",
    "ResponseExpires",
)

_READ = (*_OVERRIDES, *encryption.CUSTOMER_KEY)


@attrs.frozen
class Operation:
    """`action` is what IAM policies call the permission that the operation needs.

    Of the model's input members, `arguments` are those that the handler takes, `supported`
    these and what is served around it, and `ignored` those that change nothing here. One
    that `may_take_long` answers a patient client with a late document (`objectd.s3.late`).
    """

    name: str
    action: str
    handler: Handler
    arguments: frozenset[str]
    supported: frozenset[str]
    ignored: frozenset[str]
    may_take_long: bool

    async def carry_out(self, call: Any, arguments: dict[str, object]) -> Answer:
        given = {k: v for k, v in arguments.items() if k in self.arguments}
        return await self.handler(call, **given)


def _row(
    action: str,
    handler: Handler,
    *,
    also: tuple[str, ...] = (),
    of_body: tuple[str, ...] = (),
    ignored: tuple[str, ...] = (),
    may_take_long: bool = False,
) -> Operation:
    """`also` names what a handler takes by **keywords, `of_body` what it gets by the body."""
    name = "".join(word.capitalize() for word in handler.__name__.split("_"))
    parameters = inspect.signature(handler).parameters.values()
    named = {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    arguments = frozenset(named | {*also})
    around = () if name in _WITHOUT_EXPECTED_OWNER else (EXPECTED_OWNER,)
    supported = arguments.union(of_body, around)
    return Operation(name, action, handler, arguments, supported, frozenset(ignored), may_take_long)


OPERATIONS: dict[str, Operation] = {
    row.name: row
    for row in (
        _row("s3:CreateBucket", buckets.create_bucket),
        _row("s3:ListBucket", buckets.head_bucket),
        _row("s3:DeleteBucket", buckets.delete_bucket),
        _row("s3:ListAllMyBuckets", buckets.list_buckets),
        _row("s3:GetBucketLocation", buckets.get_bucket_location),
        _row("s3:ListBucket", listings.list_objects, ignored=(_PAYER,)),
        _row("s3:ListBucket", listings.list_objects_v2, ignored=(_PAYER,)),
        _row("s3:ListBucketVersions", listings.list_object_versions, ignored=(_PAYER,)),
        _row(
            "s3:PutObject",
            objects.put_object,
            also=(*KEPT_HEADERS, *object_lock.GIVEN, *encryption.WANTED),
            of_body=_STREAM,
            ignored=(_PAYER,),
        ),
        _row("s3:GetObject", reading.get_object, ignored=(_PAYER,), also=_READ),
        _row("s3:GetObject", reading.head_object, ignored=(_PAYER,), also=_READ),
        _row(
            "s3:GetObjectAttributes",
            object_attributes.get_object_attributes,
            also=encryption.CUSTOMER_KEY,
            ignored=(_PAYER,),
        ),
        _row("s3:PutObject", renaming.rename_object),
        _row(
            "s3:RestoreObject",
            restoring.restore_object,
            of_body=("ChecksumAlgorithm",),
            ignored=(_PAYER,),
        ),
        _row("s3:DeleteObject", objects.delete_object, ignored=(_PAYER,)),
        _row(
            "s3:PutObject",
            copying.copy_object,
            also=(
                *KEPT_HEADERS,
                *object_lock.GIVEN,
                *encryption.WANTED,
                *encryption.SOURCE_CUSTOMER_KEY,
            ),
            ignored=(_PAYER,),
            may_take_long=True,
        ),
        _row(
            "s3:PutObjectTagging",
            tagging.put_object_tagging,
            of_body=_DOCUMENT,
            ignored=(_PAYER,),
        ),
        _row("s3:GetObjectTagging", tagging.get_object_tagging, ignored=(_PAYER,)),
        _row("s3:DeleteObjectTagging", tagging.delete_object_tagging),
        _row(
            "s3:PutObjectAnnotation",
            annotating.put_object_annotation,
            of_body=("AnnotationPayload", *_DOCUMENT, *_CHECKSUMS),
            ignored=(_PAYER,),
        ),
        _row("s3:GetObjectAnnotation", annotating.get_object_annotation, ignored=(_PAYER,)),
        _row("s3:ListObjectAnnotations", annotating.list_object_annotations, ignored=(_PAYER,)),
        _row("s3:DeleteObjectAnnotation", annotating.delete_object_annotation, ignored=(_PAYER,)),
        _row(
            "s3:DeleteObject",
            objects.delete_objects,
            of_body=("ChecksumAlgorithm",),
            ignored=(_PAYER,),
        ),
        _row(
            "s3:PutObject",
            multipart.create_multipart_upload,
            also=(*KEPT_HEADERS, *object_lock.GIVEN, *encryption.WANTED),
            ignored=(_PAYER,),
        ),
        _row(
            "s3:PutObject",
            multipart.upload_part,
            also=encryption.CUSTOMER_KEY,
            of_body=_STREAM,
            ignored=(_PAYER,),
        ),
        _row(
            "s3:PutObject",
            multipart.complete_multipart_upload,
            also=(*_CHECKSUMS, *encryption.CUSTOMER_KEY),
            ignored=(_PAYER,),
            may_take_long=True,
        ),
        _row(
            "s3:PutObject",
            copying.upload_part_copy,
            also=(*encryption.CUSTOMER_KEY, *encryption.SOURCE_CUSTOMER_KEY),
            ignored=(_PAYER,),
            may_take_long=True,
        ),
        _row("s3:AbortMultipartUpload", multipart.abort_multipart_upload, ignored=(_PAYER,)),
        _row(
            "s3:ListMultipartUploadParts",
            multipart.list_parts,
            also=encryption.CUSTOMER_KEY,
            ignored=(_PAYER,),
        ),
        _row("s3:ListBucketMultipartUploads", multipart.list_multipart_uploads, ignored=(_PAYER,)),
        _row(
            "s3:GetAccelerateConfiguration",
            bucket_settings.get_bucket_accelerate_configuration,
            ignored=(_PAYER,),
        ),
        _row("s3:GetBucketAcl", bucket_settings.get_bucket_acl),
        _row("s3:GetObjectAcl", bucket_settings.get_object_acl, ignored=(_PAYER,)),
        _row("s3:GetAnalyticsConfiguration", bucket_settings.get_bucket_analytics_configuration),
        _row("s3:GetBucketCORS", bucket_settings.get_bucket_cors),
        _row(
            "s3:PutEncryptionConfiguration",
            encryption.put_bucket_encryption,
            of_body=_DOCUMENT,
        ),
        _row("s3:GetEncryptionConfiguration", encryption.get_bucket_encryption),
        _row("s3:PutEncryptionConfiguration", encryption.delete_bucket_encryption),
        _row(
            "s3:UpdateObjectEncryption",
            encryption.update_object_encryption,
            of_body=_DOCUMENT,
            ignored=(_PAYER,),
        ),
        _row(
            "s3:GetIntelligentTieringConfiguration",
            bucket_settings.get_bucket_intelligent_tiering_configuration,
        ),
        _row("s3:GetInventoryConfiguration", bucket_settings.get_bucket_inventory_configuration),
        _row("s3:GetLifecycleConfiguration", lifecycle.get_bucket_lifecycle_configuration),
        _row(
            "s3:PutLifecycleConfiguration",
            lifecycle.put_bucket_lifecycle_configuration,
            of_body=("ChecksumAlgorithm",),
        ),
        _row("s3:PutLifecycleConfiguration", lifecycle.delete_bucket_lifecycle),
        _row("s3:GetBucketLogging", bucket_settings.get_bucket_logging),
        _row("s3:GetMetricsConfiguration", bucket_settings.get_bucket_metrics_configuration),
        _row("s3:GetBucketNotification", bucket_settings.get_bucket_notification_configuration),
        _row("s3:GetBucketOwnershipControls", bucket_settings.get_bucket_ownership_controls),
        _row("s3:GetBucketPolicy", bucket_settings.get_bucket_policy),
        _row("s3:GetBucketPolicyStatus", bucket_settings.get_bucket_policy_status),
        _row("s3:GetReplicationConfiguration", bucket_settings.get_bucket_replication),
        _row("s3:GetBucketRequestPayment", bucket_settings.get_bucket_request_payment),
        _row("s3:GetBucketTagging", tagging.get_bucket_tagging),
        _row(
            "s3:PutBucketTagging",
            tagging.put_bucket_tagging,
            of_body=_DOCUMENT,
        ),
        _row("s3:PutBucketTagging", tagging.delete_bucket_tagging),
        _row("s3:GetBucketVersioning", versioning.get_bucket_versioning),
        _row(
            "s3:PutBucketVersioning",
            versioning.put_bucket_versioning,
            of_body=_DOCUMENT,
        ),
        _row("s3:GetBucketWebsite", bucket_settings.get_bucket_website),
        _row("s3:GetBucketObjectLockConfiguration", object_lock.get_object_lock_configuration),
        _row(
            "s3:PutBucketObjectLockConfiguration",
            object_lock.put_object_lock_configuration,
            of_body=_DOCUMENT,
            ignored=(_PAYER, "Token"),
        ),
        # With BypassGovernanceRetention these, and deletes of versions, need
        # s3:BypassGovernanceRetention as well.
        _row(
            "s3:PutObjectRetention",
            object_lock.put_object_retention,
            of_body=_DOCUMENT,
            ignored=(_PAYER,),
        ),
        _row("s3:GetObjectRetention", object_lock.get_object_retention, ignored=(_PAYER,)),
        _row(
            "s3:PutObjectLegalHold",
            object_lock.put_object_legal_hold,
            of_body=_DOCUMENT,
            ignored=(_PAYER,),
        ),
        _row("s3:GetObjectLegalHold", object_lock.get_object_legal_hold, ignored=(_PAYER,)),
        _row("s3:GetBucketPublicAccessBlock", bucket_settings.get_public_access_block),
        _row("s3:GetAnalyticsConfiguration", bucket_settings.list_bucket_analytics_configurations),
        _row(
            "s3:GetIntelligentTieringConfiguration",
            bucket_settings.list_bucket_intelligent_tiering_configurations,
        ),
        _row("s3:GetInventoryConfiguration", bucket_settings.list_bucket_inventory_configurations),
        _row("s3:GetMetricsConfiguration", bucket_settings.list_bucket_metrics_configurations),
    )
}

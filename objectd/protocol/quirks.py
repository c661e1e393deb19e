"""What S3 does and its model does not tell: named exceptions, each with the reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote_plus

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.~/*-]+")

ROUTING_QUERY: Mapping[str, frozenset[str]] = {
    # Shares method and path with ListBuckets; AWS tells them apart by the host.
    "ListDirectoryBuckets": frozenset({"max-directory-buckets"}),
}
"""Optional query parameters that select an operation as if they were required."""

ROOTS: Mapping[str, str] = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CreateSession": "CreateSessionResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotification": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationResult",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}
"""Root elements of response bodies; botocore's model lost them (its parser never looks)."""

BARE_BODIES: Mapping[str, str] = {"GetBucketLocation": "LocationConstraint"}
"""Operations whose one member is the root element itself."""

DEFAULT_REGION = "us-east-1"
"""GetBucketLocation shows this region as an empty element, for historical reasons."""

MALFORMED_CODES: Mapping[str, str] = {
    "PutBucketAcl": "MalformedACLError",
    "PutObjectAcl": "MalformedACLError",
}
"""Operations that call a malformed document something other than MalformedXML."""

OPEN_ENUMS = frozenset({"BucketLocationConstraint"})
"""Enumerations of AWS's own things: another store has regions of other names."""

TEXT_TIMESTAMPS = frozenset({"ResponseExpires"})
"""Timestamps that S3 hands through as any text (`response-expires` becomes `Expires`)."""

LENIENT_TIMESTAMPS = frozenset({"IfModifiedSince", "IfUnmodifiedSince"})
"""A condition whose date is not valid is ignored (RFC 9110, 13.1.3 and 13.1.4)."""

NEVER_EMPTY = frozenset({"uploadId", "versionId"})
"""Query parameters whose empty value AWS refuses, and which must not come to mean 'none'."""

URL_ENCODED = frozenset(
    {
        "Delimiter",
        "KeyMarker",
        "Marker",
        "NextKeyMarker",
        "NextMarker",
        "ObjectKey",
        "Prefix",
        "StartAfter",
    }
)
"""The shapes that encoding-type=url applies to in listings; tokens never are."""

BODY_BYTES_MAX = 1 << 20
BODY_BYTES_MAX_OF: Mapping[str, int] = {
    # 10,000 parts with a checksum each; 1,000 keys of 1,024 bytes, all of them escaped.
    "CompleteMultipartUpload": 4 << 20,
    "DeleteObjects": 4 << 20,
    "PutBucketPolicy": 20 << 10,
}
"""The most bytes of a body that is read whole."""


def url_encoded(text: str) -> str:
    """A key as encoding-type=url shows it: as in a form, but `/` stays."""
    return _NOT_PLAIN.sub(_quoted, text)


def _quoted(match: re.Match[str]) -> str:
    return _quote(match.group())


# The keys of a listing are alike: what is to be encoded in one is so in most of them.
@lru_cache(maxsize=1024)
def _quote(text: str) -> str:
    return quote_plus(text, safe="/*")

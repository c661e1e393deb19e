"""PutObjectAnnotation, GetObjectAnnotation, ListObjectAnnotations and DeleteObjectAnnotation."""

from __future__ import annotations

from objectd.objects.annotations import FoundAnnotation, ListedAnnotation
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.settings import ANNOTATIONS_MAX
from objectd.s3.attributes import shown_checksums
from objectd.s3.body import declared
from objectd.s3.call import Answer, Call
from objectd.s3.encryption import shown_encryption
from objectd.s3.listings import continuation_token, position_of
from objectd.s3.object_lock import bypasses_governance


async def put_object_annotation(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    AnnotationName: str,
    ObjectIfMatch: str = "",
    VersionId: str = "",
) -> Answer:
    put = await call.store.annotations.put(
        Bucket,
        Key,
        AnnotationName,
        call.body,
        version_id=VersionId,
        declared=declared(call.request, call.body),
        size_bytes=call.body.size_bytes,
        conditions=_conditions(ObjectIfMatch),
        bypass_governance=await _bypasses_governance(call, Bucket),
    )
    return Answer(
        {
            "Key": Key,
            "AnnotationName": AnnotationName,
            "ObjectVersionId": put.version_id or None,
            "ETag": f'"{put.record.etag}"',
            **shown_checksums(put.record.checksums),
            **_shown_encryption(put),
        }
    )


async def get_object_annotation(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    AnnotationName: str,
    ChecksumMode: str = "",
    VersionId: str = "",
) -> Answer:
    found = await call.store.annotations.get(Bucket, Key, AnnotationName, version_id=VersionId)
    record = found.record
    return Answer(
        {
            "ObjectVersionId": found.version_id or None,
            "LastModified": record.modified_us,
            "ContentLength": record.size_bytes,
            "ETag": f'"{record.etag}"',
            **(shown_checksums(record.checksums) if ChecksumMode else {}),
            **_shown_encryption(found),
        },
        found.payload,
    )


async def list_object_annotations(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    AnnotationPrefix: str = "",
    ContinuationToken: str | None = None,
    MaxAnnotationResults: int = ANNOTATIONS_MAX,
    VersionId: str = "",
) -> Answer:
    page = await call.store.annotations.list(
        Bucket,
        Key,
        version_id=VersionId,
        prefix=AnnotationPrefix,
        position=b"" if ContinuationToken is None else position_of(ContinuationToken),
        annotations_max=MaxAnnotationResults,
    )
    following = page.next_position
    return Answer(
        {
            "Bucket": Bucket,
            "Key": Key,
            "ObjectVersionId": page.version_id or None,
            "AnnotationPrefix": AnnotationPrefix or None,
            "MaxAnnotationResults": MaxAnnotationResults,
            "AnnotationCount": len(page.annotations),
            "Annotations": [_entry(listed) for listed in page.annotations],
            "ContinuationToken": ContinuationToken,
            "NextContinuationToken": None if following is None else continuation_token(following),
        }
    )


async def delete_object_annotation(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    AnnotationName: str,
    ObjectIfMatch: str = "",
    VersionId: str = "",
) -> Answer:
    version_id = await call.store.annotations.delete(
        Bucket,
        Key,
        AnnotationName,
        version_id=VersionId,
        conditions=_conditions(ObjectIfMatch),
        bypass_governance=await _bypasses_governance(call, Bucket),
    )
    return Answer({"ObjectVersionId": version_id or None})


def _shown_encryption(found: FoundAnnotation) -> dict[str, object]:
    """As of the version that carries it, without the key."""
    shown = shown_encryption(found.encryption)
    return {name: value for name, value in shown.items() if name == "ServerSideEncryption"}


async def _bypasses_governance(call: Call, bucket: str) -> bool:
    """By the header that AWS's page asks for, and its model does not have.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectAnnotation.html"""
    given = call.request.fields.get(b"x-amz-bypass-governance-retention")
    return await bypasses_governance(call, bucket, None if given is None else given == b"true")


def _conditions(object_if_match: str) -> Conditions:
    return Conditions(if_match=object_if_match) if object_if_match else NO_CONDITIONS


def _entry(listed: ListedAnnotation) -> dict[str, object]:
    record = listed.record
    return {
        "AnnotationName": listed.name,
        "LastModified": record.modified_us,
        "ETag": f'"{record.etag}"',
        "ChecksumAlgorithm": [checksum.algorithm for checksum in record.checksums],
        "Size": record.size_bytes,
    }

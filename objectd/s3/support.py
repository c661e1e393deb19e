"""The table of what is supported, for the docs.

    python -m objectd.s3.support > docs/s3-support.md

It is made of AWS's model and of `OPERATIONS`, so it says what the server does; only the
families and the remarks on single members are written here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping

from objectd.protocol.model import OperationModel, ServiceModel, load_s3_model
from objectd.s3.operations import OPERATIONS, Operation

__all__ = ["COMMAND", "REMARKS", "families", "support_table"]

COMMAND = "python -m objectd.s3.support > docs/s3-support.md"

_FAMILIES = (
    ("Buckets", r"(Create|Head|Delete)Bucket|List\w*Buckets|GetBucketLocation|CreateSession"),
    ("Listings", r"ListObjects(V2)?|ListObjectVersions"),
    ("Multipart uploads", r".*MultipartUploads?|UploadPart(Copy)?|ListParts"),
    ("Tags, ACLs, locks, annotations", r".+Object(Tagging|Acl|Retention|LegalHold|Annotations?)"),
    ("Objects", r".*Object(s|Attributes|Torrent|Content|Response|Encryption)?"),
    ("Reports and tiering", r".+(Analytics|Inventory|Metrics|IntelligentTiering)Configurations?"),
    ("Metadata tables", r".+BucketMetadata.+"),
    ("Settings of buckets", r".+"),
)
"""A title, and the names of its operations; the first that fits counts."""

REMARKS: Mapping[str, str] = {
    "ACL": "`private` and `bucket-owner-full-control`, which grant nothing",
    "CopySource": "objects of buckets; no access points",
    "CreateBucketConfiguration": "`LocationConstraint` and `Tags` only",
    "ExpectedBucketOwner": "the number of an account with 12 digits; that of root is 1",
    "ObjectOwnership": "`BucketOwnerEnforced` only",
    "Range": "one range; several are answered with the whole object, as on AWS",
    "StorageClass": "those that are configured: `docs/storage-classes.md`",
    "RestoreRequest": "`Days`, and `GlacierJobParameters`, of which the tier decides nothing",
    "RenameSource": "a key, or `/` bucket `/` key",
    "VersioningConfiguration": "`MfaDelete` may be `Disabled`, which it is",
    "WriteOffsetBytes": "in every bucket; the ETag is chained: MD5 of the old one's and of the "
    "new bytes' MD5, and `-N`",
}
"""Members of which not every value is supported."""


def support_table(model: ServiceModel, operations: Mapping[str, Operation]) -> str:
    """The whole page, in Markdown."""
    return "\n".join(_page(model, operations))


def families(model: ServiceModel) -> dict[str, list[OperationModel]]:
    """Every operation of the model under the title of its family, by name."""
    found: dict[str, list[OperationModel]] = {title: [] for title, _ in _FAMILIES}
    for name in sorted(model.operations):
        title = next(title for title, names in _FAMILIES if re.fullmatch(names, name))
        found[title].append(model.operations[name])
    return found


def _page(model: ServiceModel, operations: Mapping[str, Operation]) -> Iterator[str]:
    yield "# What of S3 is supported"
    yield ""
    yield f"<!-- Generated: {COMMAND} -->"
    yield ""
    yield (
        f"Of the {len(model.operations)} operations of AWS's model of S3, {len(operations)} are "
        "supported. Every other one is answered with 501 `NotImplemented` and its name, and so "
        "is a supported one that is asked for a member which it does not support: neither "
        "changes anything. The members have the names that boto3 gives them."
    )
    yield ""
    yield (
        "A header that an operation does not have is ignored, as on AWS, unless it would make "
        "another request of it: every `If-*` and `x-amz-*-if-*`, expected owners, the source "
        "and the range of a copy, the source of a rename, the offset of an append, encryption "
        "and object locks are 501 wherever they are not taken."
    )
    yield ""
    yield (
        "Form uploads (PostObject) and CORS preflight requests (OPTIONS), which are not in the "
        "model, are 501 as well. Content-MD5 and the checksums are verified wherever a body "
        "may come with them, in headers and in trailers."
    )
    for title, family in families(model).items():
        yield ""
        yield f"## {title}"
        yield ""
        yield "| Operation | Answer | IAM action |"
        yield "| --- | --- | --- |"
        for operation in family:
            yield _line(operation, operations.get(operation.name))
        for operation in family:
            if operation.name in operations:
                yield from _members(operation, operations[operation.name])
    yield ""


def _line(operation: OperationModel, row: Operation | None) -> str:
    if row is not None:
        return f"| {operation.name} | supported | `{row.action}` |"
    answer = "501 `NotImplemented`"
    if operation.alias_of is not None:
        answer = f"as {operation.alias_of}, which replaced it"
    return f"| {operation.name} | {answer} | |"


def _members(operation: OperationModel, row: Operation) -> Iterator[str]:
    known = operation.input.members if operation.input else {}
    yield ""
    yield f"### {operation.name}"
    yield ""
    yield f"- Supported: {_listed(row.supported)}"
    if row.ignored:
        yield f"- Accepted, without effect: {_listed(row.ignored)}"
    if refused := known.keys() - row.supported - row.ignored:
        yield f"- Refused: {_listed(refused)}"


def _listed(members: Iterable[str]) -> str:
    return ", ".join(_shown(name) for name in sorted(members)) or "none"


def _shown(member: str) -> str:
    return f"`{member}` ({REMARKS[member]})" if member in REMARKS else f"`{member}`"


if __name__ == "__main__":
    sys.stdout.write(support_table(load_s3_model(), OPERATIONS))

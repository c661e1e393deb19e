"""PutBucketLifecycleConfiguration and its relatives, and the headers that tell of a lifecycle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import quote

from objectd.errors import UnknownStorageClass
from objectd.model.lifecycle import (
    LifecycleFilter,
    LifecycleRule,
    NoncurrentTransition,
    Transition,
    TransitionMinimum,
)
from objectd.objects import Object, ObjectStore
from objectd.objects.lifecycle.rules import Fate
from objectd.protocol.errors import S3Error
from objectd.protocol.scalars import http_date
from objectd.s3.call import Answer, Call

TRANSITION_MINIMA: Mapping[str, TransitionMinimum] = {
    "all_storage_classes_128K": TransitionMinimum.ALL_CLASSES_128K,
    "varies_by_storage_class": TransitionMinimum.VARIES,
}
_MINIMUM_NAMES = {minimum: name for name, minimum in TRANSITION_MINIMA.items()}

Element = Mapping[str, object]


async def put_bucket_lifecycle_configuration(
    call: Call,
    *,
    Bucket: str,
    LifecycleConfiguration: Element,
    TransitionDefaultMinimumObjectSize: str = "all_storage_classes_128K",
) -> Answer:
    minimum = TRANSITION_MINIMA.get(TransitionDefaultMinimumObjectSize)
    if minimum is None:
        raise S3Error("InvalidArgument", "Invalid TransitionDefaultMinimumObjectSize found")
    rules = [_rule(element) for element in _elements(LifecycleConfiguration, "Rules")]
    try:
        lifecycle = await call.store.lifecycles.put(Bucket, rules, minimum)
    except UnknownStorageClass as error:  # the rules name several, so it is said which
        raise S3Error("InvalidStorageClass", str(error)) from error
    return Answer({"TransitionDefaultMinimumObjectSize": _MINIMUM_NAMES[lifecycle.minimum]})


async def get_bucket_lifecycle_configuration(call: Call, *, Bucket: str) -> Answer:
    lifecycle = await call.store.lifecycles.get(Bucket)
    if lifecycle is None:
        raise S3Error("NoSuchLifecycleConfiguration", extra={"BucketName": Bucket})
    return Answer(
        {
            "Rules": [shown_rule(rule) for rule in lifecycle.rules],
            "TransitionDefaultMinimumObjectSize": _MINIMUM_NAMES[lifecycle.minimum],
        }
    )


async def delete_bucket_lifecycle(call: Call, *, Bucket: str) -> Answer:
    await call.store.lifecycles.delete(Bucket)
    return Answer()


async def shown_expiration(store: ObjectStore, object_: Object) -> dict[str, object]:
    """What a response tells of when an object expires."""
    if not object_.lifecycle:
        return {}
    return {"Expiration": expiration_text(await store.lifecycles.expiration(object_))}


async def shown_abortion(
    store: ObjectStore, bucket: str, key: str, started_us: int
) -> dict[str, object]:
    """What a response tells of when an upload is aborted; the rule's id is encoded as in
    `expiration_text`, since it may be no text for a header."""
    fate = await store.lifecycles.abortion(bucket, key, started_us)
    if fate is None:
        return {}
    return {"AbortDate": fate.due_us, "AbortRuleId": quote(fate.rule.id, safe="")}


def expiration_text(fate: Fate | None) -> str | None:
    """The header `x-amz-expiration`; the rule's id is encoded as in an URL.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    """
    if fate is None:
        return None
    return f'expiry-date="{http_date(fate.due_us)}", rule-id="{quote(fate.rule.id, safe="")}"'


def _rule(element: Element) -> LifecycleRule:
    """Raises `S3Error` for what our record of a rule cannot say."""
    if ("Prefix" in element) == ("Filter" in element):
        raise S3Error("MalformedXML")
    is_v1 = "Prefix" in element
    expiration = _element(element, "Expiration")
    noncurrent = _element(element, "NoncurrentVersionExpiration")
    abort = _element(element, "AbortIncompleteMultipartUpload")
    if {} in (expiration, noncurrent, abort):
        raise S3Error("MalformedXML")
    if noncurrent is not None and "NoncurrentDays" not in noncurrent:
        raise S3Error("MalformedXML")
    return LifecycleRule(
        id=str(element.get("ID", "")),
        enabled=element["Status"] == "Enabled",
        filter=LifecycleFilter(prefix=str(element["Prefix"]))
        if is_v1
        else _filter(cast("Element", element["Filter"])),
        expire_days=_number(expiration, "Days"),
        expire_date_us=_number(expiration, "Date"),
        expire_markers=cast("bool | None", (expiration or {}).get("ExpiredObjectDeleteMarker")),
        noncurrent_days=_number(noncurrent, "NoncurrentDays"),
        noncurrent_kept=_number(noncurrent, "NewerNoncurrentVersions"),
        abort_days=_number(abort, "DaysAfterInitiation"),
        is_v1=is_v1,
        transitions=tuple(map(_transition, _elements(element, "Transitions"))),
        noncurrent_transitions=tuple(
            map(_noncurrent_transition, _elements(element, "NoncurrentVersionTransitions"))
        ),
    )


def _transition(element: Element) -> Transition:
    return Transition(
        _storage_class(element), days=_number(element, "Days"), date_us=_number(element, "Date")
    )


def _noncurrent_transition(element: Element) -> NoncurrentTransition:
    days = _number(element, "NoncurrentDays")
    if days is None:
        raise S3Error("MalformedXML")
    kept = _number(element, "NewerNoncurrentVersions")
    return NoncurrentTransition(_storage_class(element), days, kept)


def _storage_class(element: Element) -> str:
    if "StorageClass" not in element:
        raise S3Error("MalformedXML")
    return str(element["StorageClass"])


def _filter(element: Element) -> LifecycleFilter:
    """A filter has one condition at most, and `And` two at least."""
    if len(element) > 1:
        raise S3Error("MalformedXML")
    together = _element(element, "And")
    if together is None:
        tag = _element(element, "Tag")
        return _conditions(element, [] if tag is None else [tag])
    tags = _elements(together, "Tags")
    if len(together.keys() - {"Tags"}) + len(tags) < 2:
        raise S3Error("MalformedXML")
    return _conditions(together, tags)


def _conditions(element: Element, tags: Sequence[Element]) -> LifecycleFilter:
    wanted = {str(tag["Key"]): str(tag["Value"]) for tag in tags}
    if len(wanted) < len(tags):
        raise S3Error("InvalidRequest", "Duplicate Tag Keys are not allowed.")
    return LifecycleFilter(
        prefix=cast("str | None", element.get("Prefix")),
        tags=wanted,
        size_above=_number(element, "ObjectSizeGreaterThan"),
        size_below=_number(element, "ObjectSizeLessThan"),
    )


def _element(element: Element, member: str) -> Element | None:
    return cast("Element | None", element.get(member))


def _elements(element: Element, member: str) -> Sequence[Element]:
    return cast("Sequence[Element]", element.get(member, ()))


def _number(element: Element | None, member: str) -> int | None:
    return cast("int | None", (element or {}).get(member))


def shown_rule(rule: LifecycleRule) -> dict[str, object]:
    """A rule as it was put."""
    expiration = {
        "Date": rule.expire_date_us,
        "Days": rule.expire_days,
        "ExpiredObjectDeleteMarker": rule.expire_markers,
    }
    noncurrent = {
        "NoncurrentDays": rule.noncurrent_days,
        "NewerNoncurrentVersions": rule.noncurrent_kept,
    }
    return {
        "ID": rule.id,
        **(
            {"Prefix": rule.filter.prefix} if rule.is_v1 else {"Filter": _shown_filter(rule.filter)}
        ),
        "Status": "Enabled" if rule.enabled else "Disabled",
        "Expiration": _given(expiration),
        "Transitions": [
            _given({"Date": each.date_us, "Days": each.days, "StorageClass": each.storage_class})
            for each in rule.transitions
        ],
        "NoncurrentVersionTransitions": [
            _given(
                {
                    "NoncurrentDays": each.days,
                    "NewerNoncurrentVersions": each.kept,
                    "StorageClass": each.storage_class,
                }
            )
            for each in rule.noncurrent_transitions
        ],
        "NoncurrentVersionExpiration": _given(noncurrent),
        "AbortIncompleteMultipartUpload": _given({"DaysAfterInitiation": rule.abort_days}),
    }


def _shown_filter(wanted: LifecycleFilter) -> dict[str, object]:
    tags = [{"Key": key, "Value": value} for key, value in wanted.tags.items()]
    others = _given(
        {
            "Prefix": wanted.prefix,
            "ObjectSizeGreaterThan": wanted.size_above,
            "ObjectSizeLessThan": wanted.size_below,
        }
    )
    if len(tags) + len(others or {}) > 1:
        return {"And": {**(others or {}), **({"Tags": tags} if tags else {})}}
    return {"Tag": tags[0]} if tags else others or {}


def _given(members: Mapping[str, object]) -> dict[str, object] | None:
    """What is not None of these; None if all are."""
    return {name: value for name, value in members.items() if value is not None} or None

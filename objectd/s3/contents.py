"""The lines of a listing of objects, written without a mapping for each.

A page has a thousand lines. `objectd.protocol.xml_out`, which writes every document from its
shape, takes 3.4 µs for a line and the mapping that holds it; this takes 0.4. It must write what
the other writes, byte for byte: `objectd.test.s3.test_contents` holds it to that, for any
object. `contrib/bench/listing.py` measures both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from string import ascii_letters, digits

from objectd.model.records import ObjectHead
from objectd.objects import ListedVersion
from objectd.protocol.quirks import url_encoded
from objectd.protocol.scalars import MINUTE_US, SECOND_US, SECONDS_OF_MINUTE, iso_8601_minute
from objectd.protocol.xml_text import Markup, escape

NOTHING_MORE: Mapping[int, str] = {}

_SEPARATOR = "\n"
_PLAIN = (ascii_letters + digits + "_.~/*-" + _SEPARATOR).encode()
"""What no encoding changes; no text with a separator in it is encoded with others."""
_FIRST = "+&%"
"""What encodings produce must be replaced before they do, the last of these first."""
_CHANGED_MAX = 16


def contents(
    keys: Sequence[str],
    heads: Sequence[ObjectHead],
    *,
    encoding: str | None,
    owner_id: Callable[[int], str] | None,
    also: Mapping[int, str] = NOTHING_MORE,
) -> Markup:
    """The elements `Contents`. Without `owner_id`, which gives the canonical id of an account,
    owners are not shown. `also` has further elements of some of them, by their numbers."""
    shown_keys = _encoded(keys, _encoding(encoding))
    etags = _encoded([head.etag for head in heads], escape)
    lines = []
    # What most lines have in common with the one before them is made once.
    kind: tuple[object, ...] = ()
    second, minute, minute_text, time, end = -1, -1, "", "", ""
    for key, etag, head in zip(shown_keys, etags, heads, strict=True):
        its_kind = (head.storage_class, head.checksum_algorithm, head.checksum_kind, head.owner)
        if its_kind != kind:
            kind, end = its_kind, f"</Size>{_end(head, owner_id)}</Contents>"
        its_second = head.modified_us // SECOND_US
        if its_second != second:
            second, its_minute = its_second, its_second // 60
            if its_minute != minute:
                minute, minute_text = its_minute, iso_8601_minute(its_minute)
            of_minute = SECONDS_OF_MINUTE[its_second % 60]
            time = f"</Key><LastModified>{minute_text}{of_minute}</LastModified><ETag>&quot;"
        lines.append(f"<Contents><Key>{key}{time}{etag}&quot;</ETag><Size>{head.size_bytes}{end}")
    _add(lines, also, "</Contents>")
    return Markup("".join(lines))


def versions(
    found: Sequence[ListedVersion],
    *,
    encoding: str | None,
    owner_id: Callable[[int], str],
    also: Mapping[int, str] = NOTHING_MORE,
) -> Markup:
    """The elements `Version` and `DeleteMarker`, as AWS has them: both in one order, by key and
    of each key the newest first. So both are given to the document as its `Versions`."""
    heads = [listed.head for listed in found]
    keys = _encoded([listed.key for listed in found], _encoding(encoding))
    etags = _encoded([head.etag for head in heads], escape)
    lines = []
    kind: tuple[object, ...] = ()
    minute, minute_text, end = -1, "", ""
    for listed, key, etag, head in zip(found, keys, etags, heads, strict=True):
        its_kind = (head.storage_class, head.checksum_algorithm, head.checksum_kind, head.owner)
        if its_kind != kind:
            kind, end = its_kind, _end(head, owner_id)
        its_minute = head.modified_us // MINUTE_US
        if its_minute != minute:
            minute, minute_text = its_minute, iso_8601_minute(its_minute)
        second = head.modified_us % MINUTE_US // SECOND_US
        line = (
            f"<Key>{key}</Key><VersionId>{listed.version_id}</VersionId>"
            f"<IsLatest>{'true' if listed.is_latest else 'false'}</IsLatest>"
            f"<LastModified>{minute_text}{SECONDS_OF_MINUTE[second]}</LastModified>"
        )
        if head.is_delete_marker:
            owner = _owner(head, owner_id)
            lines.append(f"<DeleteMarker>{line}{owner}</DeleteMarker>")
        else:
            lines.append(
                f"<Version>{line}<ETag>&quot;{etag}&quot;</ETag>"
                f"<Size>{head.size_bytes}</Size>{end}</Version>"
            )
    _add(lines, also, "</Version>")
    return Markup("".join(lines))


def _add(lines: list[str], also: Mapping[int, str], end: str) -> None:
    """What few lines of few pages have is added when they are made."""
    for number, text in also.items():
        lines[number] = lines[number].removesuffix(end) + text + end


def common_prefixes(prefixes: Sequence[str], *, encoding: str | None) -> Markup:
    """The elements `CommonPrefixes`."""
    shown = _encoded(prefixes, _encoding(encoding))
    return Markup(
        "".join([f"<CommonPrefixes><Prefix>{p}</Prefix></CommonPrefixes>" for p in shown])
    )


def _encoding(name: str | None) -> Callable[[str], str]:
    return url_encoded if name == "url" else escape


def _encoded(texts: Sequence[str], encode: Callable[[str], str]) -> Sequence[str]:
    """Each of the texts encoded.

    Both encodings go character by character, so all texts are encoded as one: a look at
    which characters there are (0.04 ms), and a replacement of each that is changed (0.03).
    One by one, keys that hold a space and a `=` take 1.5 ms.
    """
    joined = _SEPARATOR.join(texts)
    odd = joined.encode().translate(None, delete=_PLAIN).decode()
    changed = set(odd)
    if joined.count(_SEPARATOR) >= len(texts) or len(changed) > _CHANGED_MAX:
        return [encode(text) for text in texts]
    if not changed:
        return texts
    for character in sorted(changed, key=_FIRST.find, reverse=True):
        joined = joined.replace(character, encode(character))
    return joined.split(_SEPARATOR)


def _end(head: ObjectHead, owner_id: Callable[[int], str] | None) -> str:
    """What comes after the size."""
    end = f"<StorageClass>{escape(head.storage_class)}</StorageClass>"
    if head.checksum_algorithm:
        end += (
            f"<ChecksumAlgorithm>{escape(head.checksum_algorithm)}</ChecksumAlgorithm>"
            f"<ChecksumType>{escape(head.checksum_kind)}</ChecksumType>"
        )
    return end + _owner(head, owner_id) if owner_id is not None else end


def _owner(head: ObjectHead, owner_id: Callable[[int], str]) -> str:
    return f"<Owner><ID>{owner_id(head.owner)}</ID></Owner>"

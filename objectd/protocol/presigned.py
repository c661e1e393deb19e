"""Where the signature lies in a text that is else the same in many requests of one client."""

from __future__ import annotations


def without_signature(raw_query: bytes) -> tuple[bytes, str]:
    """A query with the value of X-Amz-Signature taken out, and that value; '' if it is not
    there so plainly: then it is still in the query."""
    query, name, signature = raw_query.rpartition(b"&X-Amz-Signature=")
    if name and signature.isalnum():
        return query + name, signature.decode()  # the last parameter, where signers put it
    return apart(raw_query, b"X-Amz-Signature=", (b"&",), b"&")


def apart(text: bytes, name: bytes, before: tuple[bytes, ...], end: bytes) -> tuple[bytes, str]:
    """The same for what follows `name`, which one of `before` precedes, as far as `end`."""
    front, found, value = text.rpartition(name)
    if not found or (front and not front.endswith(before)):
        return text, ""
    if value.isalnum():
        return front + name, value.decode()
    value, more, rest = value.partition(end)
    if not value.isalnum():
        return text, ""
    return b"".join((front, name, more, rest)), value.decode()

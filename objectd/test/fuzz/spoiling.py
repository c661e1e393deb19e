"""Heads that are odd, forged, or no HTTP at all."""

from __future__ import annotations

import attrs

from objectd.test.fuzz import oddities
from objectd.test.fuzz.dice import Dice
from objectd.test.fuzz.heads import Field, Head, Keys, Signed, sign_in_header, sign_in_query

_FORGERIES = (
    "secret",
    "flipped",
    "cut",
    "stale",
    "future",
    "service",
    "day",
    "twice",
    "both",
    "v2",
    "v4a",
    "basic",
    "late field",
    "no host",
    "anonymous",
    "unknown key",
    "expired",
    "long expiry",
    "token",
)


def odd_target(dice: Dice, target: bytes) -> bytes:
    """Still without white space and control characters, so that it can be a target; what of it
    is no URI at all is left to those who read it."""
    path, _, query = target.partition(b"?")
    match dice.number(0, 5):
        case 0 | 1:
            bucket = dice.one_of([path.split(b"/")[1] or b"fuzz-a", b"fuzz-a", b"fuzz%2da", b".."])
            path = b"/%b/%b" % (bucket, dice.one_of(oddities.ODD_KEYS))
        case 2 | 3:
            odd = [dice.one_of(oddities.ODD_QUERIES) for _ in range(dice.number(1, 3))]
            query = b"&".join([query, *odd] if query else odd)
        case 4:
            path += dice.one_of([b"/", b"//", b"/.", b"/..", b"%2F", b"%00", b";x"])
        case _:
            special = [b"*", b"/-/health/live", b"/-/x", b"//", b"/", b"x", b"s3:9000", b"http:"]
            return dice.one_of(
                [*special, b"http://fuzz.test:9000" + target, b"http://other/" + path]
            )
    return b"%b?%b" % (path, query) if query else path


def odd_fields(dice: Dice) -> list[Field]:
    return [
        dice.one_of(oddities.ODD_FIELDS)
        for _ in range(dice.weighted({1: 4, 2: 2, 5: 1, 240: 0.05}))
    ]


def forbidden_framing(dice: Dice, content: bytes) -> tuple[list[Field], bytes]:
    """Fields that contradict each other or mean nothing, and some body behind them."""
    length = (b"Content-Length", b"%d" % len(content))
    chunked = (b"Transfer-Encoding", b"chunked")
    ended = b"0\r\n\r\n" + content
    match dice.number(0, 6):
        case 0:
            return [length, chunked], ended
        case 1:
            return [chunked, length], ended
        case 2:
            return [length, (b"Content-Length", b"0")], content
        case 3:
            return [length, length], content
        case 4:
            return [chunked, chunked], ended
        case 5:
            values = [b"%d, %d" % (len(content), len(content)), b"+1", b"-1", b"0x1", b"1_0", b""]
            return [(b"Content-Length", dice.one_of([*values, b"9" * 19, b"9" * 5000]))], content
        case _:
            value = dice.one_of(oddities.FORBIDDEN_ENCODINGS)
            other = [length] if dice.happens(0.5) else []
            return [(b"Transfer-Encoding", value), *other], ended


def broken_line(dice: Dice, head: Head) -> bytes:
    """The head with a request line that is none, or of another version."""
    _, _, rest = head.wire().partition(b"\r\n")
    method, target = head.method.encode("latin-1"), head.target
    line = dice.one_of(
        [
            b"%b %b HTTP/1.0" % (method, target),
            b"%b %b HTTP/2.0" % (method, target),
            b"%b %b http/1.1" % (method, target),
            b"%b %b" % (method, target),
            b"%b  %b  HTTP/1.1" % (method, target),
            b"%b\t%b\tHTTP/1.1" % (method, target),
            b"%b %b x HTTP/1.1" % (method, target),
            b"%b %b HTTP/1.1 " % (method, target),
            b" %b %b HTTP/1.1" % (method, target),
            b"%b %b HTTP/1.1" % (b"M" * 20_000, target),
            b"%b %b HTTP/1.1" % (b"G(T", target),
            b"%b /%b HTTP/1.1" % (method, b"k" * 20_000),
            b"PRI * HTTP/2.0",
            b"",
            b"\x16\x03\x01\x02\x00\x01",
        ]
    )
    return line + dice.one_of([b"\r\n", b"\n", b"\r", b"\r\n\r\n"]) + rest


def forged(dice: Dice, head: Head, payload: str, keys: Keys) -> Signed:
    """Signed in one of the many ways that must not count."""
    way = dice.one_of(_FORGERIES)
    signing_keys = {
        "secret": attrs.evolve(keys, secret_key="another"),
        "stale": attrs.evolve(keys, ahead_seconds=-1200),
        "future": attrs.evolve(keys, ahead_seconds=1200),
        "service": attrs.evolve(keys, service="sts"),
        "unknown key": attrs.evolve(keys, access_key="AKIANOBODY"),
    }.get(way, keys)
    if way in ("expired", "long expiry"):
        expires = 0 if way == "expired" else 604_801
        return sign_in_query(head, payload, signing_keys, hoist=False, expires=expires)
    if way == "token":
        head = head.plus((b"x-amz-security-token", b"t"))
    if way == "both":
        head = sign_in_query(head, payload, keys, hoist=False, expires=100).head
    signed = sign_in_header(head, payload, signing_keys)
    *fields, (name, value) = signed.head.fields
    authorization = {
        "flipped": value[:-1] + (b"0" if value[-1:] != b"0" else b"1"),
        "cut": value[: dice.number(0, len(value))],
        "day": value.replace(b"/us-east-1/", b"9/us-east-1/"),
        "v2": b"AWS AKIA:c2ln",
        "v4a": value.replace(b"HMAC", b"ECDSA-P256"),
        "basic": b"Basic dXNlcjpwYXNz",
        "no host": value.replace(b"host", b"hist"),
    }.get(way, value)
    after = [(name, authorization)]
    if way == "twice":
        after.append((name, value))
    if way == "late field":
        after.append((b"x-amz-meta-late", b"1"))
    if way == "anonymous":
        after = []
    return attrs.evolve(signed, head=attrs.evolve(signed.head, fields=(*fields, *after)))

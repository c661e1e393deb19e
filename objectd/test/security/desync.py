"""Requests that two parsers of HTTP may frame differently, each with another one behind it."""

from __future__ import annotations

from collections.abc import Callable

from objectd.test.fuzz.heads import Head, Keys, sign_in_header

__all__ = ["DESYNC", "hidden_request", "key_of"]

HOST = b"Host: localhost:9000\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST


def key_of(name: str) -> str:
    """The key of the object that the request hidden in the case of this name makes."""
    return "smuggled-" + "".join(letter if letter.isalnum() else "-" for letter in name)


def hidden_request(bucket: str, name: str, access_key: str, secret_key: str) -> bytes:
    """A signed request that makes an object: it is there if somebody takes this for one."""
    target = f"/{bucket}/{key_of(name)}".encode()
    fields = ((b"Host", b"localhost:9000"), (b"Content-Length", b"0"))
    head = Head("PUT", target, fields)
    return sign_in_header(head, "UNSIGNED-PAYLOAD", Keys(access_key, secret_key)).head.wire()


def _both(first: bytes, second: bytes) -> Callable[[bytes], bytes]:
    """Two fields that contradict each other; to those who read chunks, the body is empty."""
    return lambda hidden: POST + first + second + b"\r\n0\r\n\r\n" + hidden


def _cl_te(hidden: bytes) -> bytes:
    body = b"0\r\n\r\n" + hidden
    return POST + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(body) + body


def _te_cl(hidden: bytes) -> bytes:
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)
    size_line = chunk.index(b"\r\n") + 2
    return POST + b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n" % size_line + chunk


def _te_te(field: bytes) -> Callable[[bytes], bytes]:
    """An encoding that one parser takes for chunked and another for none: to the latter, the
    four bytes of a Content-Length are the body, and the rest the next request."""

    def make(hidden: bytes) -> bytes:
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)
        size_line = chunk.index(b"\r\n") + 2
        return POST + b"Content-Length: %d\r\n%b\r\n\r\n%b" % (size_line, field, chunk)

    return make


def _te_only(field: bytes) -> Callable[[bytes], bytes]:
    """The same without a length: no body to one parser, an empty one in chunks to another."""
    return lambda hidden: POST + field + b"\r\n\r\n0\r\n\r\n" + hidden


def _chunk(size: bytes) -> Callable[[bytes], bytes]:
    """A chunk of which two parsers may see another end."""
    return lambda hidden: (
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\n0\r\n\r\n" + hidden
    )


def _length(value: bytes) -> Callable[[bytes], bytes]:
    return lambda hidden: POST + b"Content-Length: " + value + b"\r\n\r\n" + hidden


LENGTH = b"Content-Length: 5\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

DESYNC: dict[str, Callable[[bytes], bytes]] = {
    "CL.TE": _cl_te,
    "TE.CL": _te_cl,
    "CL then TE": _both(LENGTH, CHUNKED),
    "TE then CL": _both(CHUNKED, LENGTH),
    "two lengths": _both(LENGTH, b"Content-Length: 0\r\n"),
    "TE.TE identity": _te_te(b"Transfer-Encoding: identity"),
    "TE.TE xchunked": _te_te(b"Transfer-Encoding: xchunked"),
    "TE.TE space before the colon": _te_te(b"Transfer-Encoding : chunked"),
    "TE.TE tab": _te_te(b"Transfer-Encoding:\tchunked"),
    "TE.TE vertical tab": _te_te(b"Transfer-Encoding: \x0bchunked"),
    "TE.TE twice": _te_te(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow"),
    "TE.TE list": _te_te(b"Transfer-Encoding: cow, chunked"),
    "TE.TE list reversed": _te_te(b"Transfer-Encoding: chunked, cow"),
    "TE.TE folded": _te_te(b"Transfer-Encoding:\r\n chunked"),
    "TE.TE fold in another field": _te_te(b"X: y\r\n Transfer-Encoding: chunked"),
    "TE.TE bare LF": _te_te(b"X: y\nTransfer-Encoding: chunked"),
    "TE.TE bare CR": _te_te(b"X: y\rTransfer-Encoding: chunked"),
    "TE.TE NUL": _te_te(b"Transfer-Encoding: chunked\x00"),
    "TE.TE quoted": _te_te(b'Transfer-Encoding: "chunked"'),
    "TE.TE upper": _te_te(b"TRANSFER-ENCODING: CHUNKED"),
    "identity alone": _te_only(b"Transfer-Encoding: identity"),
    "gzip, chunked": _te_only(b"Transfer-Encoding: gzip, chunked"),
    "chunked twice": _te_only(b"Transfer-Encoding: chunked, chunked"),
    "chunk size with 0x": _chunk(b"0x0"),
    "chunk size with sign": _chunk(b"+0"),
    "chunk size with minus": _chunk(b"-1"),
    "chunk size with space": _chunk(b"0 "),
    "chunk size with underscore": _chunk(b"0_0"),
    "chunk extension with LF": _chunk(b"0;\n"),
    "chunk size overflow": _chunk(b"10000000000000000"),
    "length with plus": _length(b"+0"),
    "length with minus": _length(b"-0"),
    "length list": _length(b"0, 0"),
    "length empty": _length(b""),
    "length hexadecimal": _length(b"0x0"),
    "length with space": _length(b"0 0"),
    "length overflow": _length(b"18446744073709551616"),
}

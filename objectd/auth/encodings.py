"""Content codings, as far as they belong to a signature and not to the object."""

from __future__ import annotations


def without_aws_chunked(content_encoding: str) -> str:
    """The codings that are stored with an object: the framing of its upload is none of them.
    '' when nothing is left, and then GET answers no Content-Encoding at all."""
    codings = [coding.strip() for coding in content_encoding.split(",")]
    return ", ".join([c for c in codings if c and c.lower() != "aws-chunked"])

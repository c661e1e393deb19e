"""What the arguments of client verbs name: s3://bucket/key, a path, or - for a pipe."""

from __future__ import annotations

from pathlib import Path

import attrs
import click

__all__ = [
    "PIPE",
    "Local",
    "ObjectPlace",
    "Pipe",
    "Place",
    "parse_object",
    "parse_place",
    "parse_s3",
]

_SCHEME = "s3://"


@attrs.frozen
class ObjectPlace:
    """A bucket, and a key or prefix in it ("" for the bucket as a whole)."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{_SCHEME}{self.bucket}/{self.key}"

    @property
    def is_directory(self) -> bool:
        """It names where something goes to, not what it is called there."""
        return not self.key or self.key.endswith("/")

    def as_directory(self) -> ObjectPlace:
        """The prefix that everything below it has."""
        return self if self.is_directory else ObjectPlace(self.bucket, self.key + "/")

    def below(self, name: str) -> ObjectPlace:
        return ObjectPlace(self.bucket, self.key + name)


@attrs.frozen
class Local:
    path: Path
    is_directory: bool

    def __str__(self) -> str:
        return str(self.path)


@attrs.frozen
class Pipe:
    """The standard input or output."""

    def __str__(self) -> str:
        return "-"


PIPE = Pipe()
Place = ObjectPlace | Local | Pipe


def parse_place(text: str) -> Place:
    """Raises `click.UsageError` for an s3:// without a bucket."""
    if text == "-":
        return PIPE
    if text.startswith(_SCHEME):
        return parse_s3(text)
    path = Path(text)
    return Local(path, text.endswith("/") or path.is_dir())


def parse_s3(text: str) -> ObjectPlace:
    """Also without s3:// in front of it."""
    bucket, _, key = text.removeprefix(_SCHEME).partition("/")
    if not bucket:
        raise click.UsageError(f"{text!r} names no bucket: write s3://BUCKET[/KEY]")
    return ObjectPlace(bucket, key)


def parse_object(text: str) -> ObjectPlace:
    """What must be one object."""
    place = parse_s3(text)
    if not place.key:
        raise click.UsageError(f"{text} names no object: write s3://BUCKET/KEY")
    return place

"""Where things lie on a drive, as section 4 of `docs/format.md` fixes it."""

from __future__ import annotations

import re

import msgspec

from objectd.errors import FormatUnsupported
from objectd.interfaces import BlobFile

MARKER = "objectd-drive"
NEW_MARKER = "objectd-drive.new"
LOCK = "objectd-lock"
INCOMING = "incoming"
IGNORED = frozenset({LOCK, NEW_MARKER, "lost+found"})
"""What a drive may hold that was never marked: `lost+found` is in every new ext4."""

_VERSION = 1
_UID_BYTES = 12
_DIGEST_BYTES = 32
_OUTER_DIRECTORY = re.compile(r"[0-9a-f]{2}")
_INCARNATION = re.compile(r"[0-9a-f]{8}")
_UID = re.compile(r"[0-9a-f]{24}")
_SEALED = re.compile(r"([0-9a-f]{64})\.([0-9a-f]{24})")


def directory_of(file: BlobFile) -> str:
    """The directory of a file, relative to its drive."""
    if file.digest is None:
        return f"{INCOMING}/{file.blob_id[:4].hex()}"
    return f"{file.digest[:1].hex()}/{file.digest[1:2].hex()}"


def path_of(file: BlobFile) -> str:
    """The path of a file, relative to its drive. `ValueError` if that is no id or digest, so
    that no path ever leads anywhere else."""
    digest_bytes = _DIGEST_BYTES if file.digest is None else len(file.digest)
    if (len(file.blob_id), digest_bytes) != (_UID_BYTES, _DIGEST_BYTES):
        raise ValueError(f"{file} names no blob")
    uid = file.blob_id.hex()
    name = uid if file.digest is None else f"{file.digest.hex()}.{uid}"
    return f"{directory_of(file)}/{name}"


def is_outer_directory(name: str) -> bool:
    """Whether it is the first level of the sealed files, or the second."""
    return _OUTER_DIRECTORY.fullmatch(name) is not None


def is_incarnation(name: str) -> bool:
    return _INCARNATION.fullmatch(name) is not None


def incoming_file(drive: int, name: str) -> BlobFile | None:
    """The blob file of a name below `incoming/<incarnation>`; None if it is none of ours."""
    if _UID.fullmatch(name):
        return BlobFile(drive, bytes.fromhex(name), None)
    return None


def sealed_file(drive: int, name: str) -> BlobFile | None:
    """The blob file of a name below `aa/bb`; None if it is none of ours."""
    if match := _SEALED.fullmatch(name):
        return BlobFile(drive, bytes.fromhex(match[2]), bytes.fromhex(match[1]))
    return None


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What the file `objectd-drive` tells: whose drive it is, and the highest incarnation
    that has used it."""

    version: int = _VERSION
    store: str
    drive: int
    incarnation: int


def encode_marker(marker: Marker) -> bytes:
    """One line of JSON, so that an operator can look at it."""
    return msgspec.json.encode(marker) + b"\n"


def decode_marker(data: bytes, path: str) -> Marker:
    """Raises `FormatUnsupported` with the path of the drive."""
    try:
        marker = msgspec.json.decode(data, type=Marker)
    except msgspec.DecodeError as error:
        raise FormatUnsupported(f"{path}/{MARKER} is damaged: {error}") from error
    if marker.version != _VERSION:
        raise FormatUnsupported(
            f"{path} was written by a newer objectd (version {marker.version} of the layout)"
        )
    return marker

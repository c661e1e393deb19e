"""Envelope keys that serve more than one version, so that not every request asks the key manager.

They seal the data keys of SSE-S3, and of SSE-KMS with a bucket key, whose point this is. A key
that was disabled goes on serving these for up to `KEPT_SECONDS`.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TypeVar

import attrs

from objectd.interfaces import EnvelopeKey
from objectd.model.records import Layer

_K = TypeVar("_K")
_T = TypeVar("_T")

KEPT_SECONDS = 300
ENTRIES_MAX = 1000
SHARED_BY_MAX = 100_000


@attrs.define
class _Shared:
    envelope: EnvelopeKey
    until_us: int
    left: int = SHARED_BY_MAX


@attrs.frozen
class Envelopes:
    """In this process's memory only."""

    _now_us: Callable[[], int]
    _shared: dict[str, _Shared] = attrs.field(factory=dict, repr=False)
    _opened: dict[tuple[bytes, str], tuple[bytes, int]] = attrs.field(factory=dict, repr=False)

    def current(self, name: str, context: Mapping[str, str]) -> EnvelopeKey | None:
        """One that may seal another data key."""
        shared = self._shared.get(_purpose(name, context))
        if shared is None or not shared.left or not self._is_young(shared.until_us):
            return None
        shared.left -= 1
        return shared.envelope

    def share(self, name: str, context: Mapping[str, str], envelope: EnvelopeKey) -> None:
        _make_room(self._shared)
        until_us = self._now_us() + KEPT_SECONDS * 1_000_000
        self._shared[_purpose(name, context)] = _Shared(envelope, until_us)

    def opened(self, layer: Layer, context: Mapping[str, str]) -> bytes | None:
        """The plain form of an envelope key that was unwrapped a short time ago."""
        plain, until_us = self._opened.get(_wrapped(layer, context), (None, 0))
        return plain if plain is not None and self._is_young(until_us) else None

    def keep(self, layer: Layer, context: Mapping[str, str], plain: bytes) -> None:
        _make_room(self._opened)
        until_us = self._now_us() + KEPT_SECONDS * 1_000_000
        self._opened[_wrapped(layer, context)] = plain, until_us

    def _is_young(self, until_us: int) -> bool:
        """Whatever the wall clock does: where it was set back, nothing is kept for longer."""
        return 0 <= until_us - self._now_us() <= KEPT_SECONDS * 1_000_000


def _make_room(entries: dict[_K, _T]) -> None:
    while len(entries) >= ENTRIES_MAX:
        del entries[next(iter(entries))]


def _purpose(name: str, context: Mapping[str, str]) -> str:
    return json.dumps([name, sorted(context.items())])


def _wrapped(layer: Layer, context: Mapping[str, str]) -> tuple[bytes, str]:
    return layer.wrapped, _purpose(layer.key_id, context)

"""Key managers: the keys that everything encrypted depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
from zope.interface import Interface

ENVELOPE_KEY_BYTES = 32

KEY_NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
"""What every key manager must take as the name of a key."""


@attrs.frozen
class EnvelopeKey:
    """A key that was drawn for us, and the form in which we keep it."""

    plain: bytes = attrs.field(repr=False)
    wrapped: bytes


@attrs.frozen
class KeyDescription:
    """A key as operators see it: `version` wraps what is drawn now, older ones still unwrap."""

    name: str
    version: int
    enabled: bool
    created_us: int


class IKeyManager(Interface):
    """Keeps keys that never leave it, and wraps others with them.

    Called once or twice for each request that stores or reads something encrypted, by several
    processes at once, so a provider holds its answers back for no other. What it has wrapped
    lies with the objects, for as long as they do: a key that is lost takes all with it that was
    ever wrapped with it. Nothing is remembered for those who call: a cancelled call, or one whose
    answer is lost, leaves nothing behind but, for `create` and `rotate`, that they may be done.

    All methods raise `KeyServiceFailed` if no answer can be had now; the call may be repeated.
    `context` says what a key is drawn for, and is authenticated: what was wrapped with one
    is unwrapped with the same one only. It is not secret.
    """

    async def generate(name: str, context: Mapping[str, str]) -> EnvelopeKey:
        """Draw a key of 32 random bytes, wrapped with the newest version of the key `name`.
        Never the same twice. Raises `KeyNotFound`, `KeyDisabled`."""

    async def unwrap(name: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """The plain form of what `generate` returned, under whichever version it was wrapped.
        Raises `KeyNotFound`, `KeyDisabled`, and `WrappedKeyDamaged` if it is not what was wrapped
        with this key and this context."""

    async def describe(name: str) -> KeyDescription:
        """Raises `KeyNotFound`."""

    async def names() -> Sequence[str]:
        """The names of all keys, ascending."""

    async def create(name: str) -> KeyDescription:
        """Make a key, durable on return; that there is one is no error. Raises
        `InvalidArgument` for a name that cannot be one."""

    async def rotate(name: str) -> KeyDescription:
        """Add a version, durable on return, with which everything is wrapped from now on: within
        a second also in other processes. Raises `KeyNotFound`."""

    async def close() -> None:
        """Release everything. Idempotent."""


class IKeySwitch(Interface):
    """What a key manager provides besides whose keys can be disabled by ours."""

    async def switch(name: str, *, enabled: bool) -> KeyDescription:
        """Enable or disable a key, durable on return. While it is disabled nothing is wrapped or
        unwrapped with it. Raises `KeyNotFound`, `KeyServiceFailed`."""


class IKeyFile(Interface):
    """What a key manager provides besides that keeps its keys in one file of this host."""

    def missing() -> Path | None:
        """Where the file belongs, if it is not there: then no key was ever made, or all are
        lost. Called at the start."""

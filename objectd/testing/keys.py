"""What every `IKeyManager` must do, as tests.

class VaultTests(make_key_manager_tests(open_vault)): ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from objectd.errors import InvalidArgument, KeyNotFound, WrappedKeyDamaged
from objectd.interfaces import ENVELOPE_KEY_BYTES, IKeyManager

__all__ = ["make_key_manager_tests"]

CONTEXT = {"aws:s3:arn": "arn:aws:s3:::photos/cat.jpg", "ü": '"'}


def make_key_manager_tests(
    open_empty: Callable[[TestCase], Awaitable[IKeyManager]],
) -> type[TestCase]:
    """`open_empty` opens a key manager without keys; it may use the test's `mktemp` and
    `addCleanup`."""

    class KeyManagerTests(TestCase):
        async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
            self.keys = await open_empty(self)
            self.addCleanup(lambda: Deferred.fromCoroutine(_run(self.keys.close())))

        async def refused(self, error: type[Exception], work: Awaitable[Any]) -> None:
            with self.assertRaises(error):
                await work

        def test_interface(self) -> None:
            """It provides the interface."""
            verifyObject(IKeyManager, self.keys)

        async def test_created(self) -> None:
            """A key is there once it was made; to make it again changes nothing."""
            self.assertEqual(list(await self.keys.names()), [])
            made = await self.keys.create("b")
            await self.keys.create("a")
            self.assertEqual((made.name, made.version, made.enabled), ("b", 1, True))
            self.assertEqual(await self.keys.create("b"), made)
            self.assertEqual(await self.keys.describe("b"), made)
            self.assertEqual(list(await self.keys.names()), ["a", "b"])

        async def test_wrapped(self) -> None:
            """What was drawn is unwrapped again; nothing is drawn twice or shows."""
            await self.keys.create("a")
            seen = set()
            for context in (CONTEXT, {}):
                for _ in range(3):
                    drawn = await self.keys.generate("a", context)
                    self.assertEqual(len(drawn.plain), ENVELOPE_KEY_BYTES)
                    self.assertNotIn(drawn.plain, drawn.wrapped)
                    plain = await self.keys.unwrap("a", drawn.wrapped, context)
                    self.assertEqual(plain, drawn.plain)
                    seen |= {drawn.plain, drawn.wrapped}
            self.assertEqual(len(seen), 12)

        async def test_rotated(self) -> None:
            """What was wrapped with an older version is unwrapped as before."""
            await self.keys.create("a")
            older = await self.keys.generate("a", CONTEXT)
            self.assertEqual((await self.keys.rotate("a")).version, 2)
            newer = await self.keys.generate("a", CONTEXT)
            for drawn in (older, newer):
                plain = await self.keys.unwrap("a", drawn.wrapped, CONTEXT)
                self.assertEqual(plain, drawn.plain)

        async def test_bound(self) -> None:
            """With another context or another key, or when it was changed, nothing is unwrapped."""
            await self.keys.create("a")
            await self.keys.create("b")
            drawn = await self.keys.generate("a", CONTEXT)
            wrapped = drawn.wrapped
            changed = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
            for name, data, context in (
                ("b", wrapped, CONTEXT),
                ("a", wrapped, {}),
                ("a", wrapped, {**CONTEXT, "more": ""}),
                ("a", changed, CONTEXT),
                ("a", wrapped[:20], CONTEXT),
                ("a", b"", CONTEXT),
            ):
                await self.refused(WrappedKeyDamaged, self.keys.unwrap(name, data, context))

        async def test_absent(self) -> None:
            """A key that is not there is said not to be; nothing makes it but `create`."""
            for work in (
                self.keys.generate("none", {}),
                self.keys.unwrap("none", b"wrapped", {}),
                self.keys.describe("none"),
                self.keys.rotate("none"),
            ):
                await self.refused(KeyNotFound, work)
            self.assertEqual(list(await self.keys.names()), [])

        async def test_names(self) -> None:
            """What cannot be the name of a key is refused."""
            for name in ("", "a/b", ".a", "a b", "ä", "a" * 129):
                await self.refused(InvalidArgument, self.keys.create(name))
            await self.keys.create("a" * 128)
            await self.keys.create("0A._-")

        async def test_closed_twice(self) -> None:
            """To close it again does nothing."""
            await self.keys.close()
            await self.keys.close()

    return KeyManagerTests


async def _run(work: Awaitable[None]) -> None:
    await work

"""A metadata store that passes every call on to another: what wraps one overrides what it does
differently."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import implementer

from objectd.interfaces import Commit, IMetadataStore, Outcome, Row, Scan, ScanPage, Token


@implementer(IMetadataStore)
class ForwardingMetadata:
    def __init__(self, store: IMetadataStore) -> None:
        self._store = store

    async def begin_incarnation(self, above: int = 0) -> int:
        return await self._store.begin_incarnation(above)

    async def fence(self, incarnations: Sequence[int]) -> None:
        await self._store.fence(incarnations)

    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        return await self._store.get(keys)

    def known(self, keys: Sequence[bytes]) -> list[Row | None] | None:
        return self._store.known(keys)

    async def scan(self, scan: Scan) -> ScanPage:
        return await self._store.scan(scan)

    async def scans(self, scans: Sequence[Scan]) -> list[ScanPage]:
        return await self._store.scans(scans)

    async def commit(self, commit: Commit) -> int:
        return await self._store.commit(commit)

    async def outcome(self, token: Token) -> Outcome:
        return await self._store.outcome(token)

    async def close(self) -> None:
        await self._store.close()

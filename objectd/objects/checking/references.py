"""References, from the side of what is referred to: each is held by something."""

from __future__ import annotations

from collections.abc import AsyncIterator

from objectd.model import keys
from objectd.model.blobs import Candidate
from objectd.model.codec import encode
from objectd.objects.checking.findings import Finding, Problem, putting
from objectd.objects.checking.objects import references_of_objects
from objectd.objects.checking.subject import Subject, blob_name, upload_name
from objectd.objects.checking.uploads import references_of_parts


async def refs(subject: Subject) -> AsyncIterator[Finding]:
    """Every reference is to a blob. No two referrers share one, so if there are as many as
    were found from the side of the referrers each is held; only otherwise are they compared.
    """
    count = 0
    async for entries in subject.family(keys.REFS, head_bytes=1):
        count += len(entries)
        blobs = await subject.rows(keys.blob(keys.referred_uid(entry.key)) for entry in entries)
        for entry in entries:
            uid = keys.referred_uid(entry.key)
            if keys.blob(uid) not in blobs:
                yield Finding(Problem.REF_WITHOUT_BLOB, blob_name(uid), _referrer(entry.key))
    if count != subject.refs_found:
        async for key in subject.unclaimed(_keys(subject, keys.REFS), lambda: _held(subject)):
            yield Finding(Problem.REF_UNUSED, blob_name(keys.referred_uid(key)), _referrer(key))


async def unused_blobs(subject: Subject) -> AsyncIterator[Finding]:
    """Every blob is referred to, or the collector has been told that it may not be. To be run
    when references that are missing have been put."""
    async for entries in subject.family(keys.BLOBS, head_bytes=1):
        uids = [entry.key[1:] for entry in entries]
        async for uid in subject.unheld(uids, keys.blob_candidate, keys.refs):
            told = putting(keys.blob_candidate(uid), encode(Candidate(0)))
            yield Finding(Problem.BLOB_UNUSED, blob_name(uid), "", told)


async def manifest_refs(subject: Subject) -> AsyncIterator[Finding]:
    """The same of the references to manifests."""
    count = 0
    async for entries in subject.family(keys.MANIFEST_REFS, head_bytes=1):
        count += len(entries)
    if count != subject.manifest_refs_found:
        claims = _keys(subject, keys.MANIFEST_REFS)
        async for key in subject.unclaimed(claims, lambda: references_of_objects(subject)):
            uid, version = key[1 : 1 + keys.UID_BYTES], key[1 + keys.UID_BYTES :]
            yield Finding(Problem.MANIFEST_REF_UNUSED, upload_name(uid), f"version {version.hex()}")


def _referrer(key: bytes) -> str:
    kind, uid = key[13:14], key[14:]
    return f"{'version' if kind == b'v' else 'attempt at a part'} {uid.hex()}"


async def _keys(subject: Subject, family: bytes) -> AsyncIterator[bytes]:
    async for entries in subject.family(family, head_bytes=1):
        for entry in entries:
            yield entry.key


async def _held(subject: Subject) -> AsyncIterator[bytes]:
    async for key in references_of_objects(subject):
        yield key
    async for key in references_of_parts(subject):
        yield key

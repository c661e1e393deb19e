"""The lifecycle configurations of buckets, and what they tell of one object or upload."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from msgspec import structs

from objectd.model.codec import encode
from objectd.model.lifecycle import Lifecycle, LifecycleRule, TransitionMinimum
from objectd.model.records import Bucket, Incompatible
from objectd.objects import features
from objectd.objects.buckets import Buckets
from objectd.objects.configurations import Configurations, configuration_key
from objectd.objects.core import Core
from objectd.objects.lifecycle.rules import Current, Fate, InProgress, Rules
from objectd.objects.lifecycle.validation import check_rules
from objectd.objects.object import Object
from objectd.objects.shield import shield
from objectd.objects.writer import Batch

RULES_KEPT = 64
"""The rules of so many configurations are remembered by each process."""


@attrs.frozen
class Lifecycles:
    """The lifecycles of all buckets."""

    _core: Core
    _buckets: Buckets
    _configurations: Configurations
    _known: dict[bytes, Rules] = attrs.field(factory=dict, init=False)

    async def get(self, bucket: str) -> Lifecycle | None:
        """Raises `BucketNotFound`."""
        return await self._configurations.get(bucket, Lifecycle)

    async def put(
        self,
        bucket: str,
        rules: Sequence[LifecycleRule],
        minimum: TransitionMinimum = TransitionMinimum.ALL_CLASSES_128K,
    ) -> Lifecycle:
        """Give a bucket these rules and no others; one without an id is given one. What an
        earlier configuration would have done from here on it does no more.

        Raises as `check_rules`, `BucketNotFound`, `OperationAborted`.
        """
        ids = self._core.ids
        named = [r if r.id else structs.replace(r, id=ids.uid().hex()) for r in rules]
        check_rules(named, self._core.classes)
        if any(rule.transitions or rule.noncurrent_transitions for rule in named):
            # A program that knows no transitions would leave them out of what it carries out.
            await features.ensure(self._core, Incompatible.STORAGE_CLASSES)
        lifecycle = Lifecycle(ids.uid(), tuple(named), minimum)
        await self._set(bucket, lifecycle)
        return lifecycle

    async def delete(self, bucket: str) -> None:
        """That there is none is no error. Raises `BucketNotFound`, `OperationAborted`."""
        await self._set(bucket, None)

    async def expiration(self, object_: Object) -> Fate | None:
        """When a current version expires, and by which rule; costs nothing in a bucket without
        rules."""
        if not object_.lifecycle or object_.head.is_delete_marker:
            return None
        rules = await self._rules(object_.bucket, object_.lifecycle)
        state = Current(object_.head, object_.tail.tags)
        return rules.fate(object_.key.encode(), state) if rules is not None else None

    async def abortion(self, bucket: str, key: str, started_us: int) -> Fate | None:
        """When an upload is aborted, and by which rule. Raises `BucketNotFound`."""
        name = await self._buckets.named(bucket)
        if not name.lifecycle:
            return None
        rules = await self._rules(bucket, name.lifecycle)
        started = InProgress(started_us)
        return rules.fate(key.encode(), started) if rules is not None else None

    async def _rules(self, bucket: str, uid: bytes) -> Rules | None:
        """The rules of the configuration with this name, as far as it is still the bucket's."""
        known = self._known.get(uid)
        if known is not None:
            return known
        lifecycle = await self.get(bucket)
        if lifecycle is None or lifecycle.uid != uid:
            return None
        if len(self._known) >= RULES_KEPT:
            del self._known[next(iter(self._known))]
        rules = Rules(lifecycle.rules, self._core.settings.lifecycle_day_us)
        self._known[uid] = rules
        return rules

    async def _set(self, bucket: str, lifecycle: Lifecycle | None) -> None:
        uid = lifecycle.uid if lifecycle is not None else b""

        def put(batch: Batch, changed: Bucket) -> None:
            row_key = configuration_key(changed.bucket_id, Lifecycle)
            if lifecycle is None:
                batch.delete(row_key)
            else:
                batch.put(row_key, encode(lifecycle))

        await shield(
            self._buckets.change(bucket, lambda old: structs.replace(old, lifecycle=uid), put)
        )

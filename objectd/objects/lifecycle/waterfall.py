"""From which storage class a lifecycle leads to which: only downwards, as on AWS.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
"""

from __future__ import annotations

from collections.abc import Mapping

from objectd.objects.classes import NAMES, STANDARD

TARGETS = frozenset(NAMES) - {"REDUCED_REDUNDANCY", STANDARD}
"""To which any rule may lead."""

DAYS_BETWEEN: Mapping[str, int] = {
    "STANDARD_IA": 30,
    "ONEZONE_IA": 30,
    "GLACIER_IR": 90,
    "GLACIER": 90,
}
"""For how long, at least, a rule leaves in these what it moves on to another class."""

_DEPTHS = {name: depth for depth, name in enumerate(NAMES)}


def depth(storage_class: str) -> int:
    """The colder the deeper. A class that nobody knows is as deep as can be: nothing moves what
    has it."""
    return _DEPTHS.get(storage_class, len(NAMES))


def leads(source: str, target: str) -> bool:
    """There is a transition from the one to the other. Each class leads to all deeper ones, but
    from one zone there is no way to instant retrieval."""
    if (source, target) == ("ONEZONE_IA", "GLACIER_IR"):
        return False
    return depth(source) < depth(target) < len(NAMES)

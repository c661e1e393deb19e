"""Rules as histories have them: some that go together, and soon come to something."""

from __future__ import annotations

from hypothesis import strategies as st

from objectd.model.lifecycle import (
    LifecycleFilter,
    LifecycleRule,
    NoncurrentTransition,
    Transition,
)
from objectd.test.objects.lifecycle.cases import DAY_US

START_US = 20_000 * DAY_US + DAY_US // 3
"""When histories begin."""

DAYS = st.none() | st.integers(1, 3)
TARGETS = st.sampled_from(["STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER"])


@st.composite
def some_rules(draw: st.DrawFn) -> list[LifecycleRule]:
    found: list[LifecycleRule] = []
    for number in range(draw(st.integers(1, 3))):
        wanted = LifecycleFilter(
            prefix=draw(st.sampled_from([None, "", "a", "a/"])),
            tags=draw(st.sampled_from([{}, {}, {"t": "1"}])),
            size_above=draw(st.sampled_from([None, None, 3])),
            size_below=draw(st.sampled_from([None, None, 9])),
        )
        kind = draw(st.sampled_from(["days", "date", "markers", "none"]))
        ends_after = draw(st.integers(1, 3))
        noncurrent = draw(DAYS)
        found.append(
            LifecycleRule(
                str(number),
                draw(st.integers(0, 4)) > 0,
                wanted,
                expire_days=ends_after if kind == "days" else None,
                expire_date_us=_date_us(3 * ends_after) if kind == "date" else None,
                expire_markers=True if kind == "markers" and not wanted.tags else None,
                noncurrent_days=noncurrent,
                noncurrent_kept=draw(st.none() | st.integers(1, 2)) if noncurrent else None,
                transitions=draw(some_transitions(kind, ends_after)),
                noncurrent_transitions=draw(some_noncurrent_transitions(noncurrent or 4)),
            )
        )
    return [r for r in found if _does_something(r)]


@st.composite
def some_transitions(draw: st.DrawFn, kind: str, ends_after: int) -> tuple[Transition, ...]:
    """One that comes before the end, or none."""
    if draw(st.integers(0, 3)) == 0:
        return ()
    name, days = draw(TARGETS), draw(st.integers(0, ends_after - 1))
    if kind == "date":
        return (Transition(name, date_us=_date_us(3 * days)),)
    return (Transition(name, days=days),)


@st.composite
def some_noncurrent_transitions(
    draw: st.DrawFn, ends_after: int
) -> tuple[NoncurrentTransition, ...]:
    if draw(st.integers(0, 3)) == 0:
        return ()
    days, kept = draw(st.integers(0, ends_after - 1)), draw(st.none() | st.integers(1, 2))
    return (NoncurrentTransition(draw(TARGETS), days, kept),)


def _date_us(days: int) -> int:
    """A midnight so many days after the beginning."""
    return START_US // DAY_US * DAY_US + days * DAY_US


def _does_something(rule_: LifecycleRule) -> bool:
    actions = (rule_.expire_days, rule_.expire_date_us, rule_.expire_markers)
    moves = (*rule_.transitions, *rule_.noncurrent_transitions)
    return bool(moves) or any(a is not None for a in (*actions, rule_.noncurrent_days))

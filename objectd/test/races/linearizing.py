"""Whether a history of one register could have happened one step at a time.

The search of J. M. Wing and C. Gong, "Testing and Verifying Concurrent Objects" (1993): of
what is left, only what began before anything else that is left had ended can have come next.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

__all__ = ["Step", "is_linearizable"]


@attrs.frozen
class Step:
    """What one client did between two moments: it wrote a value, or read one; None is a key
    without an object. `client` and `what` are for whoever reads the history."""

    start: int
    end: int
    value: str | None
    is_write: bool
    client: int = 0
    what: str = ""


def is_linearizable(steps: Sequence[Step], initial: str | None = None) -> bool:
    all_left = (1 << len(steps)) - 1
    waiting: list[tuple[int, str | None]] = [(all_left, initial)]
    seen = set(waiting)
    while waiting:
        left, value = waiting.pop()
        if not left:
            return True
        numbers = [number for number in range(len(steps)) if left >> number & 1]
        first_end = min(steps[number].end for number in numbers)
        for number in numbers:
            step = steps[number]
            if step.start <= first_end and (step.is_write or step.value == value):
                state = (left & ~(1 << number), step.value)
                if state not in seen:
                    seen.add(state)
                    waiting.append(state)
    return False

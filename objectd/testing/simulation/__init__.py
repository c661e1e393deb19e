"""A seeded simulation of the object store: real code, simulated time, stores and disasters.

    python -m objectd.testing.simulation SEED

runs one seed and prints what happened in which order. The same seed always does the same.
"""

from __future__ import annotations

from collections.abc import Callable

from objectd.testing.simulation.history import Violated
from objectd.testing.simulation.world import World

__all__ = ["Violated", "simulate"]


def simulate(seed: int, trace: Callable[[str], object] | None = None) -> dict[str, int]:
    """Run one seed; return how often what happened. Raises `Violated`."""
    world = World(seed, trace)
    world.run()
    return world.beliefs.counts

"""The machine with all its steps, and how its histories are tried."""

from __future__ import annotations

import os
from collections.abc import Callable

from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from objectd.test.machine.change_rules import ChangeRules
from objectd.test.machine.homes import Home
from objectd.test.machine.listing_rules import ListingRules
from objectd.test.machine.object_rules import BucketRules, ObjectRules
from objectd.test.machine.upload_rules import UploadRules
from objectd.test.machine.versions import OpenHome, VersionsMachine

__all__ = ["Machine", "try_histories", "try_version_histories"]

EXAMPLES_VARIABLE = "OBJECTD_MACHINE_EXAMPLES"
"""How many histories are tried, for runs that are longer than CI's."""

STEPS = 50


class Machine(BucketRules, ObjectRules, ListingRules, UploadRules, ChangeRules):
    """All steps, in any order."""


def try_histories(open_home: Callable[[], Home]) -> None:
    """Raises `AssertionError` with the shortest history in which the two disagree."""

    class Histories(Machine):
        def __init__(self) -> None:
            super().__init__(open_home())

    _try(Histories)


def try_version_histories(open_home: OpenHome) -> None:
    """The same of versions."""

    class Histories(VersionsMachine):
        def __init__(self) -> None:
            super().__init__(open_home)

    _try(Histories)


def _try(machine: type[RuleBasedStateMachine]) -> None:
    try:
        run_state_machine_as_test(machine, settings=_budget())
    except Exception as error:
        # trial does not show the notes of an exception, in which hypothesis tells it all.
        told = "\n".join([str(error), *getattr(error, "__notes__", ())])
        raise AssertionError(told) from error


def _budget() -> settings:
    """5,000 steps in CI, some hundred elsewhere."""
    examples = 100 if settings.get_current_profile_name() == "ci" else 10
    return settings(
        max_examples=int(os.environ.get(EXAMPLES_VARIABLE, str(examples))),
        stateful_step_count=STEPS,
        phases=set(Phase) - {Phase.explain},
        report_multiple_bugs=False,
    )

"""Names for test cases that a function makes."""

from __future__ import annotations

from typing import Any


def name_test_case(case: type[Any], name: str) -> None:
    """Let `case` be found under the dotted name that its module gives it: trial runs tests
    in several processes by sending them their names."""
    case.__module__, _, case.__name__ = name.rpartition(".")
    case.__qualname__ = case.__name__

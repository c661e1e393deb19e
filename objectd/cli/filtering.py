"""--exclude and --include, which count in the order in which they are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import click
from typing_extensions import override

__all__ = ["FilteringCommand", "filter_options", "filter_rules"]

_Command = TypeVar("_Command", bound=Callable[..., object])
_RULES = "objectd.filters"


class FilteringCommand(click.Command):
    """A command that keeps the order of two options among each other, as click does not."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rules: list[tuple[bool, str]] = []
        for position, argument in enumerate(args):
            if argument == "--":
                break
            name, equals, pattern = argument.partition("=")
            if name in ("--exclude", "--include"):
                following = args[position + 1] if position + 1 < len(args) else ""
                rules.append((name == "--include", pattern if equals else following))
        ctx.meta[_RULES] = rules
        return super().parse_args(ctx, args)


def filter_options(command: _Command) -> _Command:
    """The two options, for a `FilteringCommand`."""
    for name, what in (("include", "Take"), ("exclude", "Leave out")):
        command = click.option(
            f"--{name}",
            multiple=True,
            expose_value=False,
            metavar="PATTERN",
            help=f"{what} what matches; the last match counts.",
        )(command)
    return command


def filter_rules(context: click.Context) -> Sequence[tuple[bool, str]]:
    """(is it --include, pattern) as they were given."""
    return tuple(cast("list[tuple[bool, str]]", context.meta[_RULES]))

"""`objectd keys`: the keys that objects are encrypted for, as their key manager has them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from objectd.errors import ObjectdError, StoreFailed
from objectd.interfaces import IKeyManager, IKeySwitch, KeyDescription
from objectd.settings import Configuration
from objectd.storage import hosted

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = ["carried_out", "run"]

_FAILED = 2


def run(configuration: Configuration, data_directory: Path, verb: str, name: str) -> NoReturn:
    """Carry the verb out, print the keys that it is about, and exit."""
    react(partial(_run, configuration, data_directory, verb, name))


def _run(
    configuration: Configuration,
    data_directory: Path,
    verb: str,
    name: str,
    reactor: PosixReactorBase,
) -> Deferred[None]:
    return Deferred.fromCoroutine(_work(configuration, data_directory, verb, name, reactor))


async def _work(
    configuration: Configuration,
    data_directory: Path,
    verb: str,
    name: str,
    reactor: PosixReactorBase,
) -> None:
    try:
        if not data_directory.is_dir():  # noqa: ASYNC240 - there is nobody else
            raise StoreFailed(f"there is no directory {data_directory}")
        with hosted(
            reactor,
            data_directory,
            environment=os.environ,
            announce=click.echo,
            on_failure=lambda error: None,
        ) as host:
            manager: IKeyManager = await configuration.keys.open(host)
            try:
                for line in map(_line, await carried_out(manager, verb, name)):
                    click.echo(line)
            finally:
                await manager.close()
    except (ObjectdError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(_FAILED) from error


async def carried_out(manager: IKeyManager, verb: str, name: str) -> Sequence[KeyDescription]:
    """Returns the keys that it was about, as they are now. Raises what the manager raises, and
    `StoreFailed` for what it cannot do."""
    match verb:
        case "list":
            return [await manager.describe(each) for each in await manager.names()]
        case "create":
            return [await manager.create(name)]
        case "rotate":
            return [await manager.rotate(name)]
    if not IKeySwitch.providedBy(manager):
        raise StoreFailed("this key manager's keys are enabled and disabled by its own means")
    return [await manager.switch(name, enabled=verb == "enable")]


def _line(key: KeyDescription) -> str:
    made = datetime.fromtimestamp(key.created_us / 1e6, UTC)
    state = "enabled" if key.enabled else "disabled"
    return f"{key.name:<32} version {key.version:<4} {state:<8} {made:%Y-%m-%d %H:%M:%S}Z"

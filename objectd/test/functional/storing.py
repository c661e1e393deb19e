"""`python -m objectd.test.functional.storing CONFIG DATA_DIR`: a process that puts one object after
the other into the store of GLACIER_IR, and says which, until it is killed."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import click
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from objectd.settings import Configuration, load
from objectd.storage import hosted, opened_store
from objectd.test.functional.server import BUCKET, MIB
from objectd.test.objects.stores_case import taking

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

KEPT_AS = "GLACIER_IR"


def content(number: int) -> bytes:
    """Some need their file at once, others when they are sealed."""
    return Random(number).randbytes((70_000, MIB + 1, 3 * MIB)[number % 3])


async def store_on(configuration: Configuration, data: Path, reactor: PosixReactorBase) -> None:
    with hosted(
        reactor, data, environment=os.environ, announce=click.echo, on_failure=lambda error: None
    ) as host:
        async with opened_store(configuration, host) as store:
            core = store.core
            take = taking(core.intake.take, core.classes.named(KEPT_AS))
            core.intake.take = take  # type: ignore[method-assign]
            for number in itertools.count():
                await store.objects.put(BUCKET, f"cold/{number}", content(number))
                click.echo(number)


def main(config: str, data: str) -> None:
    configuration = load(Path(config))
    react(lambda reactor: Deferred.fromCoroutine(store_on(configuration, Path(data), reactor)))


if __name__ == "__main__":
    main(*sys.argv[1:])

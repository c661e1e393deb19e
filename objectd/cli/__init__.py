"""The `objectd` command. A verb imports what it needs when it is called: `objectd --help`
must not wait for a server to be imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import objectd
from objectd.cli.client_verbs import VERBS

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from objectd.objects import ObjectStore
    from objectd.settings import Configuration

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(objectd.__version__, prog_name="objectd")
def main() -> None:
    """A self-hosted, S3-compatible object store."""


for verb in VERBS:
    main.add_command(verb)


@main.command(short_help="Serve S3 from a directory.")
@click.argument(
    "data_directory",
    metavar="[DATA_DIR]",
    default="data",
    type=click.Path(file_okay=False, path_type=Path),
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with settings (TOML); etc/objectd.toml shows them all.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Address, instead of those of the file; 127.0.0.1:9000 unless given.",
)
@click.option(
    "--workers",
    type=int,
    help="Processes that answer requests; one a core unless given, 0: this one does it all.",
)
def serve(
    data_directory: Path, config: Path | None, listen: str | None, workers: int | None
) -> None:
    """Serve S3 from DATA_DIR (./data unless given), which is made if need be.

    The key pair of the root user is read from OBJECTD_ROOT_ACCESS_KEY and
    OBJECTD_ROOT_SECRET_KEY; without them one is drawn at the first start, printed and kept
    in DATA_DIR. OBJECTD_BUCKETS=a,b names buckets to create.
    """
    from objectd.cli.serve import run_server
    from objectd.errors import ConfigurationInvalid
    from objectd.settings import Source

    source = Source(config.absolute() if config else None, listen, workers)
    try:
        configuration = source.load()
    except ConfigurationInvalid as error:
        raise click.ClickException(str(error)) from error
    raise SystemExit(run_server(configuration, source, data_directory.absolute()))


@main.command(short_help="List the providers that are installed.")
def providers() -> None:
    """List the providers that are installed, as the configuration names them."""
    from objectd.plugins import find_providers

    for each in find_providers():
        click.echo(f"{each.kind:<12} {each.name:<10} {each.help}")


_DATA_DIRECTORY = click.argument(
    "data_directory", metavar="DATA_DIR", type=click.Path(file_okay=False, path_type=Path)
)
_CONFIG = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file with settings that the server runs with.",
)


@main.command(short_help="Remove what is no longer needed, or tell what it is.")
@_DATA_DIRECTORY
@_CONFIG
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option(
    "--lift-hold",
    is_flag=True,
    help="After an older backup was restored: let what it does not know be removed.",
)
def collect(data_directory: Path, config: Path | None, dry_run: bool, lift_hold: bool) -> None:
    """Remove what was deleted, stray files and abandoned uploads from DATA_DIR, whose server
    is stopped. A running server does so by itself.

    Exits with 1 if something had to stay, with 2 if DATA_DIR cannot be opened.
    """
    from objectd.cli import maintenance

    if dry_run and lift_hold:
        raise click.UsageError("--dry-run and --lift-hold do not go together")
    configuration = _configuration(config)
    settings = configuration.collection

    async def work(store: ObjectStore, clock: IReactorTime) -> int:
        if dry_run:
            return await maintenance.dry_run(store, settings, click.echo)
        if lift_hold:
            return await maintenance.lift_hold(store, click.echo)
        return await maintenance.collect(store, settings, clock, click.echo)

    maintenance.run(configuration, data_directory.absolute(), work)


@main.command(short_help="Compare metadata and files of a stopped server.")
@_DATA_DIRECTORY
@_CONFIG
@click.option("--deep", is_flag=True, help="Read all data, and compare it with its digests.")
@click.option(
    "--repair",
    is_flag=True,
    help="Set wrong counters right, put missing references, and have the collector take what "
    "nothing refers to. Nothing else is changed.",
)
def check(data_directory: Path, config: Path | None, deep: bool, repair: bool) -> None:
    """Compare metadata and data in DATA_DIR, whose server is stopped, both ways.

    Exits with 1 if there are problems, with 2 if DATA_DIR cannot be opened.
    """
    from objectd.cli import maintenance

    async def work(store: ObjectStore, clock: IReactorTime) -> int:
        return await maintenance.check(store, click.echo, deep=deep, repairs=repair)

    maintenance.run(_configuration(config), data_directory.absolute(), work)


@main.group(short_help="What lifecycle rules do to objects.")
def lifecycle() -> None:
    """What the lifecycle rules of a bucket do."""


@lifecycle.command("explain", short_help="Tell what becomes of an object, when and why.")
@click.argument("bucket")
@click.argument("key")
@click.option(
    "--data",
    "data_directory",
    metavar="DATA_DIR",
    default="data",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the server keeps its data.",
)
@_CONFIG
def explain_lifecycle(bucket: str, key: str, data_directory: Path, config: Path | None) -> None:
    """Tell for each version of KEY in BUCKET, and each upload to it, what lifecycle rules do to
    it and when, and why the others do nothing. The server of DATA_DIR is stopped.

    Exits with 1 if there is nothing at KEY, with 2 if that cannot be found out.
    """
    from objectd.cli import maintenance
    from objectd.cli.lifecycle import explain_key

    async def work(store: ObjectStore, clock: IReactorTime) -> int:
        return await explain_key(store, bucket, key, click.echo)

    maintenance.run(_configuration(config), data_directory.absolute(), work)


@main.group(short_help="Show or confirm the time by which locks end.")
def clock() -> None:
    """The time by which locks end. A wall clock that is set forward does not move it; see
    docs/object-lock.md."""


@clock.command(name="show", short_help="Show the trusted time.")
@_DATA_DIRECTORY
@_CONFIG
def show_clock(data_directory: Path, config: Path | None) -> None:
    """Show the trusted time of DATA_DIR, whose server is stopped, beside the wall clock.

    Exits with 1 if the wall clock has jumped, with 2 if DATA_DIR cannot be opened.
    """
    _clock(data_directory, config, confirms=False)


@clock.command(name="confirm", short_help="Say that the wall clock is right.")
@_DATA_DIRECTORY
@_CONFIG
def confirm_clock(data_directory: Path, config: Path | None) -> None:
    """Make what the wall clock says the trusted time of DATA_DIR, whose server is stopped. Locks
    that are over by that time are over.

    Exits with 2 if DATA_DIR cannot be opened.
    """
    _clock(data_directory, config, confirms=True)


def _clock(data_directory: Path, config: Path | None, *, confirms: bool) -> None:
    from objectd.cli import maintenance

    async def work(store: ObjectStore, clock: IReactorTime) -> int:
        return await maintenance.clock(store, click.echo, confirms=confirms)

    maintenance.run(_configuration(config), data_directory.absolute(), work)


@main.group(short_help="Show, make and rotate encryption keys.")
def keys() -> None:
    """Show, make and rotate the keys that objects are encrypted for. The server may run: it
    uses what is changed at once, and what it has used a short time ago for five minutes more."""


_KEY = click.argument("name", metavar="NAME")


@keys.command("list", short_help="List all keys.")
@_DATA_DIRECTORY
@_CONFIG
def list_keys(data_directory: Path, config: Path | None) -> None:
    """List the keys of DATA_DIR: name, newest version, state, when made."""
    _with_keys(data_directory, config, "list", "")


def _key_verb(verb: str, summary: str, text: str) -> None:
    """A verb about one key."""

    @keys.command(verb, short_help=summary, help=text)
    @_DATA_DIRECTORY
    @_KEY
    @_CONFIG
    def carry_out(data_directory: Path, name: str, config: Path | None) -> None:
        _with_keys(data_directory, config, verb, name)


_key_verb("create", "Make a key.", "Make the key NAME, unless it is there.")
_key_verb(
    "rotate",
    "Add a version to a key.",
    "Add a version to the key NAME. Older versions stay, for what was encrypted for them.",
)
_key_verb(
    "disable",
    "Have nothing encrypted or read with a key.",
    "Disable the key NAME: what needs it cannot be read until it is enabled again.",
)
_key_verb("enable", "Undo `disable`.", "Enable the key NAME again.")


def _with_keys(data_directory: Path, config: Path | None, verb: str, name: str) -> None:
    from objectd.cli.keys import run

    run(_configuration(config), data_directory.absolute(), verb, name)


def _configuration(config: Path | None) -> Configuration:
    from objectd.errors import ConfigurationInvalid
    from objectd.settings import load

    try:
        return load(config)
    except ConfigurationInvalid as error:
        raise _CannotBegin(str(error)) from error


class _CannotBegin(click.ClickException):
    """For verbs that exit with 1 when they have found something."""

    exit_code = 2

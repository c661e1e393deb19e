"""The `objectd` command. A verb imports what it needs when it is called: `objectd --help`
must not wait for a server to be imported."""

from __future__ import annotations

from pathlib import Path

import click

import objectd

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(objectd.__version__, prog_name="objectd")
def main() -> None:
    """A self-hosted, S3-compatible object store."""


@main.command()
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
@click.option("--workers", type=int, help="Processes that serve HTTP beside this one.")
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
    from objectd.settings import load

    try:
        configuration = load(config, listen=listen, workers=workers)
    except ConfigurationInvalid as error:
        raise click.ClickException(str(error)) from error
    raise SystemExit(run_server(configuration, data_directory.absolute()))


@main.command()
def providers() -> None:
    """List the providers that are installed, as the configuration names them."""
    from objectd.plugins import find_providers

    for each in find_providers():
        click.echo(f"{each.kind:<12} {each.name:<10} {each.help}")

"""The verbs of the `objectd` command that speak to a server, this one or any other of S3.

Only their options are here: what a verb does is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypedDict, TypeVar

import click
from typing_extensions import Unpack

from objectd.cli.filtering import FilteringCommand, filter_options, filter_rules
from objectd.cli.places import parse_object, parse_place, parse_s3
from objectd.cli.statuses import INTERRUPTED

if TYPE_CHECKING:
    from objectd.cli.session import Session, Verb
    from objectd.client.configuration import Given
    from objectd.client.multipart import Transfer
    from objectd.client.syncing import Filters

__all__ = ["VERBS"]

_Command = TypeVar("_Command", bound=Callable[..., object])


class _Connection(TypedDict):
    """The options that all of these verbs have."""

    endpoint: str
    region: str
    profile: str
    access_key: str
    secret_key: str
    ca_bundle: str
    verify: bool
    quiet: bool


class _Writing(TypedDict):
    """Those of the verbs that write objects."""

    part_size: int
    checksum: str
    content_type: str | None
    resume: bool


class _Options(_Connection, _Writing):
    """Both."""


def _connected(command: _Command) -> _Command:
    options = (
        click.option("--endpoint", default="", metavar="URL", help="The server; AWS unless given."),
        click.option("--region", default="", help="us-east-1 unless given."),
        click.option("--profile", default="", help="A profile of ~/.aws."),
        click.option("--access-key", default="", help="Instead of AWS_ACCESS_KEY_ID."),
        click.option(
            "--secret-key", default="",
            help="Instead of AWS_SECRET_ACCESS_KEY; lists of processes show it to others.",
        ),
        click.option("--ca-bundle", default="", metavar="FILE", help="Authorities to trust (PEM)."),
        click.option(
            "--no-verify", "verify", is_flag=True, flag_value=False, default=True,
            help="Take any certificate.",
        ),
        click.option("--quiet", "-q", is_flag=True, help="Tell failures only."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _writing(command: _Command) -> _Command:
    options = (
        click.option(
            "--part-size", default=8, metavar="MIB", type=click.IntRange(5, 5120),
            help="Of multipart uploads; 8 MiB unless given, larger if need be.",
        ),
        click.option(
            "--checksum", default="crc64nvme",
            type=click.Choice(["crc64nvme", "crc32c", "crc32", "none"]),
            help="What uploads carry; none for servers that know none of them.",
        ),
        click.option("--content-type", help="Of what is uploaded; guessed unless given."),
        click.option(
            "--resume", is_flag=True,
            help="Go on with an interrupted transfer, and keep what an interruption leaves. An "
            "upload keeps the --content-type that it was begun with.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


_DRY_RUN = click.option("--dry-run", "--dryrun", is_flag=True, help="Only say what would be done.")
_RECURSIVE = click.option("--recursive", "-r", is_flag=True, help="Everything below.")
_VERSION_ID = click.option("--version-id", default="", metavar="ID", help="Of one version of it.")
_HUMAN = click.option("--human", "--human-readable", is_flag=True, help="Sizes in KiB, MiB…")


def _given(connection: _Connection) -> Given:
    from objectd.client.configuration import Given

    return Given(
        connection["endpoint"],
        connection["region"],
        connection["profile"],
        connection["access_key"],
        connection["secret_key"],
        connection["ca_bundle"],
        connection["verify"],
    )


def _run(connection: _Connection, verb: Verb) -> NoReturn:
    try:
        from objectd.cli.session import run_verb

        run_verb(_given(connection), verb, quiet=connection["quiet"])
    except KeyboardInterrupt:  # before the reactor runs
        raise SystemExit(INTERRUPTED) from None


def _filters() -> Filters:
    from objectd.client.syncing import Filters

    return Filters(filter_rules(click.get_current_context()))


def _transfer(session: Session, options: _Writing) -> Transfer:
    from objectd.client.multipart import Transfer

    content_type = options["content_type"]
    return Transfer(
        session.run_in_thread,
        advance=session.report.advance,
        part_bytes=options["part_size"] << 20,
        checksum="" if options["checksum"] == "none" else options["checksum"].upper(),
        headers={} if content_type is None else {"ContentType": content_type},
        resume=options["resume"],
    )


@click.command(short_help="List buckets, or what is in one.")
@click.argument("place", required=False, metavar="[s3://BUCKET[/PREFIX]]")
@_RECURSIVE
@_HUMAN
@_connected
def ls(place: str | None, recursive: bool, human: bool, **connection: Unpack[_Connection]) -> None:
    """List buckets, or the objects and prefixes at one level of a bucket.

    Exits with 1 if nothing has the prefix.
    """

    async def verb(session: Session) -> None:
        from objectd.cli.listing import list_buckets, list_objects

        if place is None or place == "s3://":
            await list_buckets(session)
        else:
            found = parse_s3(place)
            await list_objects(session, found, recursive=recursive, human_sizes=human)

    _run(connection, verb)


@click.command(short_help="Add up the sizes of objects.")
@click.argument("place", metavar="s3://BUCKET[/PREFIX]")
@_HUMAN
@_connected
def du(place: str, human: bool, **connection: Unpack[_Connection]) -> None:
    """Print the size of all objects that have a prefix, and their number."""
    found = parse_s3(place)

    async def verb(session: Session) -> None:
        from objectd.cli.listing import disk_usage

        await disk_usage(session, found, human_sizes=human)

    _run(connection, verb)


@click.command(short_help="Make a bucket.")
@click.argument("place", metavar="s3://BUCKET")
@_connected
def mb(place: str, **connection: Unpack[_Connection]) -> None:
    """Make a bucket, in the region of --region."""
    bucket = _bucket(place)

    async def verb(session: Session) -> None:
        from objectd.cli.removing import make_bucket

        await make_bucket(session, bucket)

    _run(connection, verb)


@click.command(short_help="Remove a bucket.")
@click.argument("place", metavar="s3://BUCKET")
@click.option("--force", is_flag=True, help="Delete all objects in it first.")
@_connected
def rb(place: str, force: bool, **connection: Unpack[_Connection]) -> None:
    """Remove a bucket, which must be empty."""
    bucket = _bucket(place)

    async def verb(session: Session) -> None:
        from objectd.cli.removing import remove_bucket

        await remove_bucket(session, bucket, force=force)

    _run(connection, verb)


@click.command(cls=FilteringCommand, short_help="Delete objects.")
@click.argument("place", metavar="s3://BUCKET/KEY")
@_RECURSIVE
@_VERSION_ID
@filter_options
@_DRY_RUN
@_connected
def rm(
    place: str, recursive: bool, version_id: str, dry_run: bool, **connection: Unpack[_Connection]
) -> None:
    """Delete an object, or with --recursive all whose keys begin with KEY/. A bucket with
    versioning keeps what is deleted; a version is deleted for good."""
    found, filters = parse_s3(place), _filters()
    if recursive and version_id:
        raise click.UsageError("--version-id is that of one object: without --recursive")

    async def verb(session: Session) -> None:
        from objectd.cli.removing import remove_all, remove_one

        if recursive:
            await remove_all(session, found, filters, dry_run=dry_run)
        else:
            await remove_one(session, found, dry_run=dry_run, version_id=version_id)

    _run(connection, verb)


@click.command(short_help="Write an object to the standard output.")
@click.argument("place", metavar="s3://BUCKET/KEY")
@_VERSION_ID
@_connected
def cat(place: str, version_id: str, **connection: Unpack[_Connection]) -> None:
    """Write an object to the standard output, verified at its end."""
    found = parse_object(place)

    async def verb(session: Session) -> None:
        from objectd.cli.transfer import cat as write_out

        await write_out(session, found, version_id=version_id)

    _run(connection, verb)


@click.command(short_help="Print a URL that works without keys for a while.")
@click.argument("place", metavar="s3://BUCKET/KEY")
@click.option("--expires", default=3600, type=click.IntRange(1, 604800), help="Seconds; 3600.")
@click.option("--method", default="GET", type=click.Choice(["GET", "HEAD", "PUT", "DELETE"]))
@_connected
def presign(place: str, expires: int, method: str, **connection: Unpack[_Connection]) -> None:
    """Print a URL with which anybody can read an object, or with --method PUT write it."""
    found = parse_object(place)
    operation = {"GET": "GetObject", "HEAD": "HeadObject"}.get(method, f"{method.title()}Object")
    from objectd.cli.session import open_session

    url, _ = open_session(_given(connection)).client.presign(
        operation, expires_seconds=expires, Bucket=found.bucket, Key=found.key
    )
    click.echo(url)


@click.command(cls=FilteringCommand, short_help="Copy files and objects.")
@click.argument("source")
@click.argument("target")
@_RECURSIVE
@filter_options
@_DRY_RUN
@_writing
@_connected
def cp(
    source: str, target: str, recursive: bool, dry_run: bool, **options: Unpack[_Options]
) -> None:
    """Copy a file to s3://BUCKET/KEY, an object to a file, or an object within the server; - is
    the standard input or output. With --recursive, everything below a directory or KEY/.

    Objects above the part size go up in parallel parts. A file gets its name when it is whole
    and verified.
    """
    _copy(source, target, options, moved=False, recursive=recursive, dry_run=dry_run)


@click.command(cls=FilteringCommand, short_help="Move files and objects.")
@click.argument("source")
@click.argument("target")
@_RECURSIVE
@filter_options
@_DRY_RUN
@_writing
@_connected
def mv(
    source: str, target: str, recursive: bool, dry_run: bool, **options: Unpack[_Options]
) -> None:
    """Copy, as cp does, and delete each source when its copy is known to be whole."""
    _copy(source, target, options, moved=True, recursive=recursive, dry_run=dry_run)


def _copy(
    source: str, target: str, options: _Options, *, moved: bool, recursive: bool, dry_run: bool
) -> NoReturn:
    here, there, filters = parse_place(source), parse_place(target), _filters()
    if moved and "-" in (source, target):
        raise click.UsageError("a pipe cannot be moved")

    async def verb(session: Session) -> None:
        from objectd.cli.transfer import Copying, copy_all, copy_one

        copying = Copying(session, _transfer(session, options), moved=moved, dry_run=dry_run)
        if recursive:
            await copy_all(copying, here, there, filters)
        else:
            await copy_one(copying, here, there)

    # What is on the standard output is the object, and nothing else.
    options["quiet"] = options["quiet"] or target == "-"
    _run(options, verb)


@click.command(cls=FilteringCommand, short_help="Make a directory or prefix what another is.")
@click.argument("source")
@click.argument("target")
@click.option("--delete", is_flag=True, help="Delete from the target what SOURCE does not have.")
@click.option("--size-only", is_flag=True, help="Copy only what has another size.")
@click.option("--exact-timestamps", is_flag=True, help="Download also what is newer here.")
@filter_options
@_DRY_RUN
@_writing
@_connected
def sync(
    source: str,
    target: str,
    delete: bool,
    size_only: bool,
    exact_timestamps: bool,
    dry_run: bool,
    **options: Unpack[_Options],
) -> None:
    """Copy everything below SOURCE that TARGET does not have, has in another size, or has in
    an older version. One of both is s3://BUCKET[/PREFIX], or both are.

    What has the same size and is newer at TARGET stays as it is.
    """
    here, there, filters = parse_place(source), parse_place(target), _filters()
    if size_only and exact_timestamps:
        raise click.UsageError("--size-only and --exact-timestamps do not go together")

    async def verb(session: Session) -> None:
        from objectd.cli.syncing import comparison, sync_all
        from objectd.cli.transfer import Copying

        copying = Copying(session, _transfer(session, options), dry_run=dry_run)
        differs = comparison(there, size_only=size_only, exact_timestamps=exact_timestamps)
        await sync_all(copying, here, there, filters, differs=differs, delete=delete)

    _run(options, verb)


def _bucket(place: str) -> str:
    found = parse_s3(place)
    if found.key:
        raise click.UsageError(f"{place} names more than a bucket")
    return found.bucket


VERBS: tuple[click.Command, ...] = (cat, cp, du, ls, mb, mv, presign, rb, rm, sync)

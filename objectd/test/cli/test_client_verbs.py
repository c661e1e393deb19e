"""Client verbs up to the point where a reactor would run, and what they do in memory."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.cli import main
from objectd.cli.filtering import FilteringCommand, filter_options, filter_rules
from objectd.cli.places import PIPE, Local, ObjectPlace, parse_place, parse_s3
from objectd.cli.removing import remove_all, remove_bucket
from objectd.cli.report import Report, human, shown
from objectd.cli.session import Session
from objectd.cli.syncing import comparison, sync_all
from objectd.cli.transfer import Copying, copy_all, copy_one
from objectd.client.syncing import Filters, differs_at_all, is_outdated
from objectd.test.client.cases import BUCKET, at_once, client_of, transfer
from objectd.testing.s3 import MemoryServer, result_of


class UsageTests(SynchronousTestCase):
    def test_mistakes(self) -> None:
        """What makes no sense is a usage error, status 2, before any server is asked."""
        for arguments in (
            ("mb", "s3://b/key"),
            ("rb", "s3://"),
            ("presign", "s3://b"),
            ("cat", "s3://b/"),
            ("presign", "s3://b/k", "--expires", "604801"),
            ("mv", "-", "s3://b/k"),
            ("sync", "a", "s3://b", "--size-only", "--exact-timestamps"),
            ("cp", "a", "s3://b", "--part-size", "4"),
            ("cp", "a"),
        ):
            result = CliRunner().invoke(main, arguments)
            self.assertEqual(result.exit_code, 2, arguments)
            self.assertIn("Error: ", result.output)

    def test_help(self) -> None:
        """Every verb tells its options."""
        for verb in ("cat", "cp", "du", "ls", "mb", "mv", "presign", "rb", "rm", "sync"):
            result = CliRunner().invoke(main, [verb, "--help"])
            self.assertEqual(result.exit_code, 0)
            self.assertIn("--endpoint", result.output)

    def test_order_of_filters(self) -> None:
        """--exclude and --include keep their order among each other."""
        found: list[object] = []

        @click.command(cls=FilteringCommand)
        @click.argument("place")
        @filter_options
        @click.pass_context
        def command(context: click.Context, place: str) -> None:
            found.extend(filter_rules(context))

        arguments = ["--exclude", "*", "x", "--include=a", "--exclude", "b", "--include", "c"]
        CliRunner().invoke(command, arguments)
        self.assertEqual(found, [(False, "*"), (True, "a"), (False, "b"), (True, "c")])


class PlaceTests(SynchronousTestCase):
    def test_kinds(self) -> None:
        """s3:// is an object, - a pipe, anything else a path."""
        self.assertEqual(parse_place("s3://b/a/k"), ObjectPlace("b", "a/k"))
        self.assertEqual(parse_place("-"), PIPE)
        self.assertEqual(parse_place("dir/"), Local(Path("dir"), is_directory=True))
        self.assertEqual(parse_place("/"), Local(Path("/"), is_directory=True))
        self.assertEqual(parse_place("no/such"), Local(Path("no/such"), is_directory=False))
        self.assertRaises(click.UsageError, parse_s3, "s3:///k")

    def test_directories(self) -> None:
        """A prefix is a directory when it ends with a slash, and can be made one."""
        self.assertTrue(ObjectPlace("b", "").is_directory)
        self.assertFalse(ObjectPlace("b", "a").is_directory)
        self.assertEqual(ObjectPlace("b", "a").as_directory(), ObjectPlace("b", "a/"))
        self.assertEqual(ObjectPlace("b", "").as_directory(), ObjectPlace("b", ""))


class ReportTests(SynchronousTestCase):
    def test_names(self) -> None:
        """A name cannot command the terminal, nor look like two lines."""
        self.assertEqual(shown("a b\x1b[31m\n\u202eü\udcff"), "a b\\x1b[31m\\n\\u202eü\\udcff")

    def test_sizes(self) -> None:
        """Sizes come in the unit that makes them short."""
        sizes = (0, 1023, 1024, 1536, 1 << 20, 5 << 40, 1 << 60)
        self.assertEqual(
            [human(size) for size in sizes],
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "5.0 TiB", "1024.0 PiB"],
        )


class InMemoryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = MemoryServer()
        self.boto = self.server.client()
        self.boto.create_bucket(Bucket=BUCKET)
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.output, self.errors = StringIO(), StringIO()
        self.report = Report()
        self.session = Session(client_of(self.server), self.report, at_once, at_once)

    def copying(self, **options: Any) -> Copying:
        return Copying(self.session, transfer(), **options)

    def run_verb(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        with redirect_stdout(self.output), redirect_stderr(self.errors):
            result_of(work)

    def put(self, *keys: str) -> None:
        for key in keys:
            self.boto.put_object(Bucket=BUCKET, Key=key, Body=key.encode())

    def keys(self) -> list[str]:
        listing = self.boto.list_objects_v2(Bucket=BUCKET)
        return [each["Key"] for each in listing.get("Contents", ())]

    def test_moved_onto_itself(self) -> None:
        """An object that is moved onto itself is not deleted."""
        self.put("k")
        place = ObjectPlace(BUCKET, "k")
        self.run_verb(copy_one(self.copying(moved=True), place, place))
        self.assertEqual((self.keys(), self.report.failures), (["k"], 1))

    def test_moved(self) -> None:
        """A source goes when its copy is there; where copying failed it stays."""
        self.put("x/a", "x//b")
        source, target = ObjectPlace(BUCKET, "x"), Local(self.directory, is_directory=True)
        self.run_verb(copy_all(self.copying(moved=True), source, target, Filters()))
        self.assertEqual((self.directory / "a").read_bytes(), b"x/a")
        self.assertEqual(self.keys(), ["x//b"])
        self.assertEqual(self.report.failures, 1)
        self.assertIn("s3://photos/x//b", self.errors.getvalue())

    def test_directory_markers(self) -> None:
        """Empty objects that stand for directories do not fail on the way to files."""
        self.boto.put_object(Bucket=BUCKET, Key="x/a/", Body=b"")
        self.put("x/a/b")
        source, target = ObjectPlace(BUCKET, "x"), Local(self.directory, is_directory=True)
        self.run_verb(copy_all(self.copying(), source, target, Filters()))
        self.assertEqual((self.directory / "a/b").read_bytes(), b"x/a/b")
        self.assertEqual(self.report.failures, 0)
        self.run_verb(copy_all(self.copying(), source, ObjectPlace(BUCKET, "y"), Filters()))
        self.assertEqual(self.keys(), ["x/a/", "x/a/b", "y/a/", "y/a/b"])

    def test_link(self) -> None:
        """A link that is named as the target is written through."""
        self.put("k")
        (self.directory / "link").symlink_to("file")
        target = Local(self.directory / "link", is_directory=False)
        self.run_verb(copy_one(self.copying(), ObjectPlace(BUCKET, "k"), target))
        self.assertTrue((self.directory / "link").is_symlink())
        self.assertEqual((self.directory / "file").read_bytes(), b"k")

    def test_exact_timestamps(self) -> None:
        """Exact times count on the way to files only: objects have those of their uploads."""
        chosen = {"size_only": False, "exact_timestamps": True}
        here, there = Local(self.directory, is_directory=True), ObjectPlace(BUCKET, "")
        self.assertIs(comparison(here, **chosen), differs_at_all)
        self.assertIs(comparison(there, **chosen), is_outdated)

    def test_missing_bucket(self) -> None:
        """A bucket that is not there is named, whatever was to be copied to it."""
        source = Local(self.directory / "a.txt", is_directory=False)
        source.path.write_bytes(b"a")
        self.run_verb(copy_one(self.copying(), source, ObjectPlace("nothing", "k")))
        self.assertTrue(self.errors.getvalue().startswith("objectd: s3://nothing: "))

    def test_dry_run(self) -> None:
        """A dry run says what would be done, and does nothing."""
        self.put("x/a")
        source, target = ObjectPlace(BUCKET, "x"), ObjectPlace(BUCKET, "y")
        self.run_verb(copy_all(self.copying(dry_run=True), source, target, Filters()))
        self.run_verb(remove_all(self.session, source, Filters(), dry_run=True))
        self.assertEqual(self.keys(), ["x/a"])
        self.assertEqual(
            self.output.getvalue().splitlines(),
            [
                "(dry run) copy: s3://photos/x/a to s3://photos/y/a",
                "(dry run) delete: s3://photos/x/a",
            ],
        )

    def test_sync_with_errors(self) -> None:
        """sync --delete deletes nothing if something could not be read: it may only seem to be
        gone."""
        (self.directory / "dangling").symlink_to("nowhere")
        self.put("dangling", "extra")
        self.run_verb(
            sync_all(
                self.copying(),
                Local(self.directory, is_directory=True),
                ObjectPlace(BUCKET, ""),
                Filters(),
                differs=is_outdated,
                delete=True,
            )
        )
        self.assertEqual(self.keys(), ["dangling", "extra"])
        self.assertEqual(self.report.failures, 2)

    def test_forced_removal(self) -> None:
        """A bucket is removed with all that is in it only when that is asked for."""
        self.put("a", "b/c")
        self.run_verb(remove_bucket(self.session, BUCKET, force=True))
        self.assertEqual(self.boto.list_buckets()["Buckets"], [])

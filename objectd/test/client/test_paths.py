"""Keys as paths: below the directory, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.client.errors import UnusableKey
from objectd.client.paths import LocalFile, files_below, path_below

ODD = st.sampled_from(["..", ".", "", "/", "\\", "\0", "a", "b/..", "~", " ", "\n", "ü"])


class PathBelowTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()

    def test_plain(self) -> None:
        """Segments become directories; every other character stays what it is."""
        for name in ("a", "a/b/c", "..a", "a..", "...", "-", "a\\b", "~", "a b\n", "C:", "ü"):
            path = path_below(self.directory, name)
            self.assertEqual(path.relative_to(self.directory).as_posix(), name)

    def test_refused(self) -> None:
        """What names no file below the directory is refused."""
        names = (
            *("..", "../a", "a/../b", "a/..", ".", "./a", "a/./b", "/etc/passwd", "//a"),
            *("a//b", "a/", "/", "", "a\0b", "x" * 256, "é" * 128, "a/" + "x" * 300),
        )
        for name in names:
            self.assertRaises(UnusableKey, path_below, self.directory, name)

    @given(st.lists(ODD | st.text()).map("/".join) | st.text())
    def test_never_outside(self, name: str) -> None:
        """No key at all leads out of the directory, and no two to one file."""
        try:
            path = path_below(self.directory, name)
        except UnusableKey:
            return
        self.assertTrue(Path(os.path.normpath(path)).is_relative_to(self.directory))
        self.assertEqual(path.relative_to(self.directory).as_posix(), name)

    def test_links(self) -> None:
        """A link that leads out of the directory is not followed; one within it is."""
        (self.directory / "inside").mkdir()
        (self.directory / "out").symlink_to("/tmp")
        (self.directory / "in").symlink_to("inside")
        self.assertRaises(UnusableKey, path_below, self.directory, "out/a")
        self.assertEqual(path_below(self.directory, "in/a"), self.directory / "in" / "a")

    def test_directory(self) -> None:
        """A file cannot take the place of a directory."""
        (self.directory / "a").mkdir()
        self.assertRaises(UnusableKey, path_below, self.directory, "a")


class FilesBelowTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()

    def write(self, *names: str) -> None:
        for name in names:
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())

    def names(self) -> list[str]:
        return [found.name for found in files_below(self.directory) if isinstance(found, LocalFile)]

    def errors(self) -> list[str]:
        return [str(found) for found in files_below(self.directory) if isinstance(found, Exception)]

    def test_order(self) -> None:
        """Files come in the order in which a bucket lists their keys."""
        names = ["a/b", "a-b", "a0", "a/a/c", "ab/c", "ü", "z", "a.b/c"]
        self.write(*names)
        self.assertEqual(self.names(), sorted(names, key=str.encode))

    def test_file(self) -> None:
        """Each comes with its size and time."""
        self.write("a/b")
        os.utime(self.directory / "a/b", ns=(0, 1_500_000_000_123_456_789))
        [found] = files_below(self.directory)
        expected = LocalFile("a/b", self.directory / "a/b", 3, 1_500_000_000_123_456)
        self.assertEqual(found, expected)

    def test_links(self) -> None:
        """Links are followed, but not in circles."""
        self.write("real/a")
        (self.directory / "link").symlink_to("real")
        (self.directory / "real" / "up").symlink_to("..")
        self.assertEqual(self.names(), ["link/a", "real/a"])
        self.assertEqual(len(self.errors()), 2)

    def test_unusual(self) -> None:
        """What is no file that can be read is an error of its own."""
        self.write("good")
        os.mkfifo(self.directory / "pipe")
        (self.directory / "dangling").symlink_to("nowhere")
        (Path(os.fsdecode(os.fsencode(self.directory) + b"/bad\xff"))).write_bytes(b"")
        self.assertEqual(self.names(), ["good"])
        self.assertEqual(len(self.errors()), 3)

    def test_unfinished(self) -> None:
        """Unfinished downloads are not the user's."""
        self.write(".objectd-0123.part", "a")
        self.assertEqual(self.names(), ["a"])

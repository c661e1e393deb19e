"""The sections of the configuration, and the file that shows them."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

import objectd
from objectd.config import Choice
from objectd.errors import ConfigurationInvalid
from objectd.objects.classes import ARCHIVES, DEFAULTS, ClassSettings
from objectd.settings import Configuration, ServerSettings, load
from objectd.web.limits import Limits

SAMPLE = Path(objectd.__file__).parent.parent / "etc" / "objectd.toml"


class Sample(SynchronousTestCase):
    """`etc/objectd.toml` shows every setting with its default."""

    if not SAMPLE.exists():
        skip = "runs in a source tree only: the sample is not installed"

    def setUp(self) -> None:
        self.text = SAMPLE.read_text()
        self.shown = tomllib.loads(re.sub(r"(?m)^#(?=\w+ = )", "", self.text))
        self.defaults = load()

    def sections(self) -> dict[str, Any]:
        sections: dict[str, Any] = {}
        for name in attrs.fields_dict(Configuration):
            value = getattr(self.defaults, name)
            if isinstance(value, Mapping):
                sections |= {f"{name}.{each}": settings for each, settings in value.items()}
            else:
                sections[name] = value.settings if isinstance(value, Choice) else value
        return {name: value for name, value in sections.items() if value is not None}

    def keys(self, section: str) -> set[str]:
        """What the file shows of a section, which may be [outer.NAME]."""
        outer, _, name = section.partition(".")
        return set(self.shown[outer][name] if name else self.shown[outer])

    def test_nothing_is_missing(self) -> None:
        """Every section, and every setting in it that has a default, is in the file."""
        for section, settings in self.sections().items():
            shown = self.keys(section) - {"provider"}
            defaults = attrs.asdict(settings, filter=lambda _, value: value is not None)
            of_archives = {"archive", "restore_seconds"}
            if section.removeprefix("classes.") in ARCHIVES:
                of_archives = set()
            self.assertEqual(defaults.keys() - of_archives, shown, section)

    def test_nothing_is_stale(self) -> None:
        """The file with every # taken away says what holds without a file."""
        uncommented = Path(self.mktemp())
        uncommented.write_text(re.sub(r"(?m)^#(?=\w+ = )", "", self.text))
        self.assertEqual(self.defaults, load(uncommented))

    def test_as_it_is(self) -> None:
        """The file as it is changes nothing."""
        self.assertEqual(self.defaults, load(SAMPLE))


class Sections(SynchronousTestCase):
    """What is refused at load."""

    def load(self, text: str) -> Configuration:
        path = Path(self.mktemp())
        path.write_text(text)
        return load(path)

    def refused(self, text: str) -> str:
        path = Path(self.mktemp())
        path.write_text(text)
        error = self.assertRaises(ConfigurationInvalid, load, path)
        return str(error).removeprefix(f"{path}: ")

    def test_mistakes(self) -> None:
        """A mistake is named with its section and key."""
        for text, message in (
            ("[servers]\n", "there is no section 'servers'; did you mean server?"),
            (
                "[server]\nlisten = ['nowhere']\n",
                "[server]: 'listen': 'nowhere' is not",
            ),
            ("[server]\nlisten_tls = ['x:65536']\n", "[server]: 'listen_tls': 'x:65536' is not"),
            ("[server]\ndomains = ['S3.example']\n", "[server]: 'domains': 'S3.example' is not"),
            ("[server]\nregion = ''\n", "[server]: 'region' must match"),
            ("[objects]\npart_bytes_min = 0\n", "[objects]: 'part_bytes_min' must be >= 1: 0"),
            ("[limits]\nconnections = 'all'\n", "[limits] connections: expected an integer"),
            ("[stores]\ncold = 1\n", "[stores] cold: there are only sections here: write"),
            ("[stores.Cold]\n", "[stores.Cold]: the name of a store is 1 to 64 small letters"),
            (f"[stores.{'c' * 65}]\n", "the name of a store is 1 to 64 small letters"),
            ("[stores.cold]\ndrive = []\n", "[stores.cold]: there is no key 'drive'; did you"),
            ("[stores.cold]\nprovider = 'tape'\n", "[stores.cold] provider: there is no blobs"),
            (
                "[classes.STANDARD_AI]\n",
                "[classes.STANDARD_AI]: there is no storage class 'STANDARD_AI'; did you mean STA",
            ),
            ("[classes.COLD]\n", "there are: REDUCED_REDUNDANCY, STANDARD, STANDARD_IA"),
            ("[classes.GLACIER]\nstores = ''\n", "[classes.GLACIER]: there is no key 'stores'; "),
            ("[classes.GLACIER]\nzstd_level = 20\n", "[classes.GLACIER]: 'zstd_level' must be <="),
            (
                "[stores.cold]\n[classes.GLACIER]\nstore = 'cool'\n",
                "[classes.GLACIER] store: there is no section [stores.cool]; did you mean cold?",
            ),
            (
                "[classes.GLACIER]\nstore = 'cold'\n",
                "[classes.GLACIER] store: there is no section [stores.cold]; there are: none",
            ),
            (
                "[classes.GLACIER]\nrestore_seconds = inf\n",
                "[classes.GLACIER]: 'restore_seconds' must be <= 31536000.0: inf",
            ),
            (
                "[classes.STANDARD_IA]\narchive = true\n",
                "[classes.STANDARD_IA] archive: clients know only GLACIER and",
            ),
            (
                "[classes.GLACIER]\narchive = false\nrestore_seconds = 1\n",
                "[classes.GLACIER] restore_seconds: only an archive has something to restore",
            ),
        ):
            self.assertIn(message, self.refused(text))

    def test_workers(self) -> None:
        """As many as the processors that the server may use, unless it is told how many."""
        self.assertEqual(len(os.sched_getaffinity(0)), ServerSettings().worker_count)
        self.assertEqual(3, ServerSettings(workers=3).worker_count)
        self.assertIn("'workers' must be >= -1: -2", self.refused("[server]\nworkers = -2\n"))

    def test_blobs_in_memory(self) -> None:
        """Blobs in memory are those of one process, and refused for several."""
        for section in ("[blobs]", "[stores.cold]"):
            blobs = f"{section}\nprovider = 'memory'\n"
            refused = self.refused(f"[server]\nworkers = 1\n{blobs}")
            self.assertIn(f"in {section} every process", refused)
            self.assertIn("set workers = 0", refused)
            self.assertEqual(0, self.load(f"[server]\nworkers = 0\n{blobs}").server.worker_count)

    def test_stores(self) -> None:
        """Further stores are choices of a provider of blobs, in the order of the file; their
        names have up to 64 characters."""
        stores = self.load(f"[stores.b-2]\ndrives = ['/b']\n[stores.{'a' * 64}]\n").stores
        self.assertEqual(["b-2", "a" * 64], list(stores))
        self.assertEqual(("/b",), stores["b-2"].settings.drives)
        self.assertEqual("disk", stores["a" * 64].provider.name)
        self.assertEqual({}, load().stores)

    def test_classes(self) -> None:
        """What a class's section leaves out is as without the section; of the classes that AWS
        has only INTELLIGENT_TIERING is not there without one."""
        self.assertEqual(DEFAULTS, load().classes)
        classes = self.load(
            "[stores.cold]\n[classes.GLACIER]\nstore = 'cold'\n"
            "[classes.INTELLIGENT_TIERING]\n[classes.STANDARD_IA]\nzstd_level = 0\n"
        ).classes
        changed = {
            "GLACIER": ClassSettings("cold", zstd_level=3, archive=True),
            "INTELLIGENT_TIERING": ClassSettings(),
            "STANDARD_IA": ClassSettings(),
        }
        self.assertEqual({**DEFAULTS, **changed}, classes)

    def test_differences(self) -> None:
        """What differs is named by its section, and in [server] by its key."""
        now = load(listen=":9000", workers=1)
        self.assertEqual([], now.differences(load(listen=":9000", workers=1)))
        then = attrs.evolve(load(listen=":9001", workers=2), limits=Limits(uploads=1))
        self.assertEqual(["[server] listen", "[server] workers", "[limits]"], now.differences(then))
        cold, deep = "[stores.cold]\n", "[stores.deep]\n"
        now, then = self.load(cold), self.load(f"{deep}{cold}[classes.GLACIER]\nstore = 'deep'\n")
        self.assertEqual(["[stores]", "[classes]"], now.differences(then))
        self.assertEqual([], self.load(cold + deep).differences(self.load(deep + cold)))

    def test_tls_needs_both(self) -> None:
        """An address for TLS without a certificate is refused: it would not be TLS."""
        self.assertIn("go together", self.refused("[server]\nlisten_tls = ['127.0.0.1:9443']\n"))

    def test_domains(self) -> None:
        """Domain names of one label or several are accepted."""
        self.assertEqual(
            ("localhost", "s3.example.org"),
            ServerSettings(domains=("localhost", "s3.example.org")).domains,
        )

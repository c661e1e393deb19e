"""The sections of the configuration, and the file that shows them."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

import objectd
from objectd.config import Choice
from objectd.errors import ConfigurationInvalid
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
            sections[name] = value.settings if isinstance(value, Choice) else value
        return {name: value for name, value in sections.items() if value is not None}

    def test_nothing_is_missing(self) -> None:
        """Every section, and every setting in it that has a default, is in the file."""
        for section, settings in self.sections().items():
            shown = self.shown[section].keys() - {"provider"}
            defaults = attrs.asdict(settings, filter=lambda _, value: value is not None)
            self.assertEqual(set(defaults), shown, section)

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
        ):
            self.assertIn(message, self.refused(text))

    def test_workers(self) -> None:
        """As many as the processors that the server may use, unless it is told how many."""
        self.assertEqual(len(os.sched_getaffinity(0)), ServerSettings().worker_count)
        self.assertEqual(3, ServerSettings(workers=3).worker_count)
        self.assertIn("'workers' must be >= -1: -2", self.refused("[server]\nworkers = -2\n"))

    def test_blobs_in_memory(self) -> None:
        """Blobs in memory are those of one process, and refused for several."""
        blobs = "[blobs]\nprovider = 'memory'\n"
        self.assertIn("set workers = 0", self.refused(f"[server]\nworkers = 1\n{blobs}"))
        path = Path(self.mktemp())
        path.write_text(f"[server]\nworkers = 0\n{blobs}")
        self.assertEqual(0, load(path).server.worker_count)

    def test_differences(self) -> None:
        """What differs is named by its section, and in [server] by its key."""
        now = load(listen=":9000", workers=1)
        self.assertEqual([], now.differences(load(listen=":9000", workers=1)))
        then = attrs.evolve(load(listen=":9001", workers=2), limits=Limits(uploads=1))
        self.assertEqual(["[server] listen", "[server] workers", "[limits]"], now.differences(then))

    def test_tls_needs_both(self) -> None:
        """An address for TLS without a certificate is refused: it would not be TLS."""
        self.assertIn("go together", self.refused("[server]\nlisten_tls = ['127.0.0.1:9443']\n"))

    def test_domains(self) -> None:
        """Domain names of one label or several are accepted."""
        self.assertEqual(
            ("localhost", "s3.example.org"),
            ServerSettings(domains=("localhost", "s3.example.org")).domains,
        )

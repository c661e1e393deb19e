"""The sections of the configuration, and the file that shows them."""

from __future__ import annotations

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
        """More than one process is refused as not built, not ignored."""
        self.assertIn("not built yet", self.refused("[server]\nworkers = 2\n"))

    def test_tls_needs_both(self) -> None:
        """An address for TLS without a certificate is refused: it would not be TLS."""
        self.assertIn("go together", self.refused("[server]\nlisten_tls = ['127.0.0.1:9443']\n"))

    def test_domains(self) -> None:
        """Domain names of one label or several are accepted."""
        self.assertEqual(
            ("localhost", "s3.example.org"),
            ServerSettings(domains=("localhost", "s3.example.org")).domains,
        )

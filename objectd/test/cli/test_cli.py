"""The `objectd` command up to the point where a server would run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

import objectd
from objectd.cli import main
from objectd.tap import Options


class Command(SynchronousTestCase):
    """What is printed, and with what status the command ends."""

    def run_command(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    def test_version(self) -> None:
        """--version prints name and version."""
        self.assertEqual(
            f"objectd, version {objectd.__version__}\n", self.run_command("--version").output
        )

    def test_providers(self) -> None:
        """`providers` prints a line for each, with kind, name and help."""
        lines = self.run_command("providers").output.splitlines()
        self.assertIn(["metadata", "rocksdb"], [line.split()[:2] for line in lines])

    def test_mistake_in_file(self) -> None:
        """A mistake in the configuration is one line that names it, and status 1."""
        config = Path(self.mktemp())
        config.write_text("[server]\nlisten = 9000\n")
        result = self.run_command("serve", "--config", str(config))
        self.assertEqual(
            f"Error: {config.absolute()}: [server] listen: expected a list in [ ], not 9000\n",
            result.output,
        )
        self.assertEqual(1, result.exit_code)

    def test_mistake_on_the_command_line(self) -> None:
        """So is one on the command line."""
        for arguments, message in (
            (["--listen", "nowhere"], "'nowhere' is not of the form HOST:PORT"),
            (["--workers", "-2"], "'workers' must be >= -1"),
        ):
            result = self.run_command("serve", *arguments)
            self.assertIn(message, result.output)
            self.assertEqual(1, result.exit_code)

    def test_light(self) -> None:
        """The command itself imports no server: help and completion come at once."""
        script = "import sys, objectd.cli; print('twisted' in sys.modules)"
        finished = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
        self.assertEqual(b"False\n", finished.stdout)


class TwistdOptions(SynchronousTestCase):
    """`twistd objectd` takes what `objectd serve` takes."""

    def test_defaults(self) -> None:
        """Without arguments the data lies in ./data and the address is the default one."""
        options = Options()
        options.parseOptions([])
        self.assertEqual(Path.cwd() / "data", options["data_directory"])
        self.assertEqual(("127.0.0.1:9000",), options["configuration"].server.listen)

    def test_given(self) -> None:
        """What is given on the command line goes before the file."""
        config = Path(self.mktemp())
        config.write_text("[server]\nlisten = ['127.0.0.1:1']\nregion = 'eu-west-1'\n")
        options = Options()
        options.parseOptions(["--config", str(config), "--listen", "[::1]:9001", "/srv/objectd"])
        server = options["configuration"].server
        self.assertEqual((("[::1]:9001",), "eu-west-1"), (server.listen, server.region))
        self.assertEqual(Path("/srv/objectd"), options["data_directory"])

    def test_mistakes(self) -> None:
        """A mistake is a usage error, which twistd prints."""
        for arguments in (["--listen", "nowhere"], ["--workers", "-2"], ["--config", "/no/file"]):
            self.assertRaises(UsageError, Options().parseOptions, arguments)

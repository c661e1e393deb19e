"""The wheel: what a stranger installs has the dropins, the data and the command."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import objectd

PROJECT = Path(objectd.__file__).parent.parent


class InstalledWheel(SynchronousTestCase):
    """Built from this tree, and installed beside the dependencies that are here already."""

    if not (PROJECT / "setup.cfg").exists():
        skip = "runs in a source tree only"

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()

    def run_program(self, *command: str | Path, cwd: Path | None = None) -> str:
        # trial gives its workers our tree in PYTHONPATH, which must not be what is found.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        finished = subprocess.run(
            command,
            cwd=cwd or self.directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(0, finished.returncode, finished.stdout + finished.stderr)
        return finished.stdout

    def wheel(self) -> Path:
        """Built by setuptools from a copy: its build directory must not come from elsewhere."""
        source = self.directory / "source"
        copied = ["LICENSE", "README.md", "pyproject.toml", "setup.cfg", "objectd", "twisted"]
        source.mkdir()
        self.run_program("cp", "-R", *(PROJECT / name for name in copied), source)
        self.run_program(
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", self.directory, source),
        )
        [wheel] = self.directory.glob("*.whl")
        return wheel

    def environment(self, wheel: Path) -> Path:
        """An environment with the wheel and, by reference, our dependencies but not our tree:
        an editable install is a .pth file, which a directory on the path does not obey."""
        environment = self.directory / "environment"
        venv.create(environment, symlinks=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = environment / "lib" / version / "site-packages"
        (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
        self.run_program(
            *(sys.executable, "-m", "pip", f"--python={environment / 'bin' / 'python'}"),
            *("install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", wheel),
        )
        return environment / "bin"

    def test_works(self) -> None:
        """The installed wheel has the command, `twistd objectd`, and all providers."""
        wheel = self.wheel()
        names = zipfile.ZipFile(wheel).namelist()
        self.assertIn("objectd/py.typed", names)
        self.assertIn("twisted/plugins/objectd_providers.py", names)
        self.assertNotIn("twisted/__init__.py", names)
        self.assertNotIn("twisted/plugins/__init__.py", names)

        programs = self.environment(wheel)
        python = programs / "python"
        where = self.run_program(python, "-c", "import objectd; print(objectd.__file__)")
        self.assertTrue(where.startswith(str(programs.parent)), where)
        version = self.run_program(programs / "objectd", "--version")
        self.assertEqual(f"objectd, version {objectd.__version__}\n", version)
        self.assertIn("rocksdb", self.run_program(programs / "objectd", "providers"))
        listed = self.run_program(
            python, "-c", "from twisted.scripts.twistd import run; run()", "--help"
        )
        self.assertRegex(listed, r"objectd +A self-hosted, S3-compatible object store")

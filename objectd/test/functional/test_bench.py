"""`make bench`: the ruler measures a server of its own, and every request of it succeeds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import objectd

RUN = Path(objectd.__file__).parent.parent / "contrib" / "bench" / "run.py"
WORKLOADS = ["get4k", "put4k", "list1000", "putlarge"]


class ProgramsTests(SynchronousTestCase):
    if not RUN.exists():
        skip = "runs in a source tree only"

    def test_names(self) -> None:
        """All that the programs for measuring use of objectd and of each other is there."""
        names = sorted(program.stem for program in RUN.parent.glob("*.py"))
        subprocess.run(
            [sys.executable, "-c", f"import {', '.join(names)}"], cwd=RUN.parent, check=True
        )


class BenchTests(SynchronousTestCase):
    if not RUN.exists():
        skip = "runs in a source tree only"
    elif shutil.which("wrk") is None or shutil.which("curl") is None:
        skip = "wrk and curl are not installed"

    def test_quick(self) -> None:
        """A quick run prints a line for each of its workloads, none of them with errors, and
        leaves nothing behind."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        finished = subprocess.run(
            [
                *(sys.executable, RUN, "--quick", "--directory", directory),
                *("--connections", "4", "--large-mib", "4"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(finished.returncode, 0, finished.stderr)
        lines = re.findall(r"(?m)^(\w+) +objectd +([\d.]+) .* errors (\d+) ", finished.stdout)
        self.assertEqual([workload for workload, _, _ in lines], WORKLOADS)
        for workload, rate, errors in lines:
            self.assertEqual(int(errors), 0, workload)
            self.assertGreater(float(rate), 0, workload)
        self.assertEqual(list(directory.iterdir()), [])

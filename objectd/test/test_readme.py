"""The README's examples run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import objectd
from objectd.testing.s3 import result_of

README = Path(objectd.__file__).parent.parent / "README.md"


class ReadmeTests(SynchronousTestCase):
    def test_commands(self) -> None:
        """The first screen shows the two commands that everything begins with."""
        first_screen = "\n".join(README.read_text().splitlines()[:12])
        self.assertIn("make serve", first_screen)
        self.assertIn("make test", first_screen)

    def test_library(self) -> None:
        """The example of the library stores and returns its bytes."""
        [example] = [
            block
            for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
            if "open_in_memory" in block
        ]
        names: dict[str, Any] = {}
        exec(compile(example, str(README), "exec"), names)
        self.assertEqual(result_of(names["example"]()), b"meow")

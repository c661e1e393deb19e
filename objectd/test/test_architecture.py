"""The layers: imports point down, private API of Twisted stays in one place, files stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

import objectd

ROOT = Path(objectd.__file__).parent

# Who may import whom (docs/architecture.md, "Layers"). Everybody may import the foundation,
# and what is in the same layer.
FOUNDATION = {"digests", "errors", "interfaces", "secret_files", "streams", "transports"}
ARROWS: dict[str, set[str]] = {
    "digests": set(),
    "errors": set(),
    "interfaces": set(),
    "secret_files": set(),
    "streams": set(),
    "transports": set(),
    "model": set(),
    "plugins": set(),
    "config": {"plugins"},
    "keys": set(),
    "metadata": {"model"},
    "blobs": {"model"},
    "objects": {"blobs", "keys", "metadata", "model"},
    "background": {"objects"},
    "protocol": set(),
    "auth": {"protocol"},
    "client": {"auth", "protocol"},
    "s3": {"auth", "model", "objects", "protocol", "web"},
    "web": {"objects", "protocol"},
    "process": {"metadata", "model"},
    "threads": set(),
    "settings": {"background", "config", "objects", "web"},
    "storage": {"metadata", "model", "objects", "process", "settings", "threads"},
    "service": {
        "background",
        "config",
        "metadata",
        "objects",
        "process",
        "protocol",
        "s3",
        "settings",
        "storage",
        "web",
    },
    "tap": {"process", "service", "settings"},
    "cli": {
        "background",
        "client",
        "objects",
        "plugins",
        "process",
        "service",
        "settings",
        "storage",
    },
}
PURE = {"auth", "protocol"}
IMPORTS_REACTOR = {"cli/serve.py", "service/child.py", "cli/session.py", "tap.py"}
IMPORTS_KLEIN = {"web/tree.py"}
PRIVATE_TWISTED = {"transports.py", "web/direct.py"}
LINES_MAX = 450


@attrs.frozen
class Import:
    """One module that a file imports; `lazy` inside a function, `typing` for types only."""

    module: str
    lazy: bool
    typing: bool


@attrs.frozen
class Source:
    path: str
    tree: ast.Module
    lines: int

    @property
    def layer(self) -> str:
        return self.path.partition("/")[0].removesuffix(".py")

    def imports(self) -> Iterator[Import]:
        yield from _imports(self.tree, lazy=False, typing=False)


def _imports(node: ast.AST, *, lazy: bool, typing: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(each.name, lazy, typing) for each in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.module and not child.level, "imports are absolute"
            yield from (Import(f"{child.module}.{each.name}", lazy, typing) for each in child.names)
        else:
            yield from _imports(
                child,
                lazy=lazy or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)),
                typing=typing
                or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)),
            )


def _sources() -> list[Source]:
    """Every module of objectd but the tests and what serves testing only."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT).as_posix()
        if relative != "__init__.py" and not relative.startswith(("test/", "testing/")):
            text = path.read_text()
            found.append(Source(relative, ast.parse(text), text.count("\n")))
    return found


class Architecture(SynchronousTestCase):
    """Rules that hold for every file; a message says which file breaks them."""

    sources = _sources()

    def refuse(self, broken: list[str]) -> None:
        self.assertEqual([], broken, "\n" + "\n".join(broken))

    def test_layers_are_known(self) -> None:
        """Every top-level module and package is in the table of layers, and the other way."""
        self.assertEqual(set(ARROWS), {source.layer for source in self.sources})

    def test_table_has_no_circle(self) -> None:
        """The table itself is an order: from no layer is there a way back to it."""
        below = {layer: set(others) for layer, others in ARROWS.items()}
        while leaves := {layer for layer, others in below.items() if not others}:
            below = {
                layer: others - leaves for layer, others in below.items() if layer not in leaves
            }
        self.assertEqual({}, below)

    def test_arrows(self) -> None:
        """A layer imports only itself, the foundation, and the layers that it stands on."""
        broken = []
        for source in self.sources:
            allowed = ARROWS[source.layer] | FOUNDATION | {source.layer}
            for each in source.imports():
                package, _, rest = each.module.partition(".")
                layer = rest.partition(".")[0]
                if package == "objectd" and layer and layer not in allowed and layer in ARROWS:
                    broken.append(f"{source.path} imports {each.module}")
        self.refuse(broken)

    def test_no_circle_at_import(self) -> None:
        """The layers of the foundation import one another for types only."""
        broken = [
            f"{source.path} imports {each.module}"
            for source in self.sources
            if source.layer in FOUNDATION
            for each in source.imports()
            if each.module.startswith("objectd.") and not each.typing
            if not each.module.startswith(f"objectd.{source.layer}.")
        ]
        self.refuse(broken)

    def test_tests_are_not_imported(self) -> None:
        """Nothing that is served imports tests or what they are made with."""
        broken = [
            f"{source.path} imports {each.module}"
            for source in self.sources
            for each in source.imports()
            if each.module.startswith(("objectd.test", "hypothesis", "boto3"))
        ]
        self.refuse(broken)

    def test_pure_layers(self) -> None:
        """The protocol and the signatures know nothing of Twisted."""
        broken = [
            f"{source.path} imports {each.module}"
            for source in self.sources
            if source.layer in PURE
            for each in source.imports()
            if each.module.startswith(("twisted.", "klein", "treq"))
        ]
        self.refuse(broken)

    def test_reactor(self) -> None:
        """The reactor is imported where the process is made, and passed on from there; Klein,
        which imports it, by the tree of resources alone."""
        broken = []
        for source in self.sources:
            for each in source.imports():
                if each.typing:
                    continue
                if each.module == "twisted.internet.reactor" and source.path not in IMPORTS_REACTOR:
                    broken.append(f"{source.path} imports the reactor")
                if each.module.startswith("klein") and source.path not in IMPORTS_KLEIN:
                    broken.append(f"{source.path} imports {each.module}")
        self.refuse(broken)

    def test_private_twisted(self) -> None:
        """Private names of Twisted's transports are used where answers are written only; those
        of its HTTP nowhere."""
        private = {"dataBuffer", "_tempDataBuffer", "_tempDataLen", "writeSomeData", "_cleanup"}
        broken = [
            f"{source.path}:{node.lineno} uses {node.attr}"
            for source in self.sources
            if source.path not in PRIVATE_TWISTED
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Attribute) and node.attr in private
            if not (isinstance(node.value, ast.Name) and node.value.id == "self")
        ]
        broken += [
            f"{source.path} imports {each.module}"
            for source in self.sources
            for each in source.imports()
            if each.module.startswith("twisted.") and "._" in each.module
        ]
        self.refuse(broken)

    def test_file_size(self) -> None:
        """No file holds more than one idea takes."""
        self.refuse(
            [
                f"{source.path} has {source.lines} lines"
                for source in self.sources
                if source.lines > LINES_MAX
            ]
        )

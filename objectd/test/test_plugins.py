"""Discovery of providers in the installed package and in packages made for one test."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.plugin import getCache
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from objectd.errors import ConfigurationInvalid
from objectd.interfaces import Host, IMetadataStore, IProvider
from objectd.objects.opening import run_at_once
from objectd.plugins import find_providers, provider


class InstalledProviders(SynchronousTestCase):
    """What our own dropin offers."""

    def test_every_kind_is_there(self) -> None:
        """Each provider that comes with objectd is found by its kind and name."""
        found = {(each.kind, each.name) for each in find_providers()}
        self.assertLessEqual(
            {
                ("metadata", "memory"),
                ("metadata", "rocksdb"),
                ("metadata", "sqlite"),
                ("blobs", "memory"),
                ("blobs", "disk"),
                ("credentials", "root"),
                ("tls", "pem"),
            },
            found,
        )

    def test_contract(self) -> None:
        """Each of them is an IProvider, says on one line what it is, and has attrs settings."""
        for each in find_providers():
            verifyObject(IProvider, each)
            self.assertEqual(1, len(each.help.splitlines()), each)
            self.assertTrue(attrs.has(each.settings_type()), each)

    def test_open(self) -> None:
        """A provider opens what its kind calls for."""
        found = provider("metadata", "memory")
        host = Host(Path(self.mktemp()), Clock(), run_at_once)
        store = self.successResultOf(
            Deferred.fromCoroutine(found.open(found.settings_type()(), host))
        )
        self.assertTrue(IMetadataStore.providedBy(store))

    def test_unknown_name(self) -> None:
        """An unknown name is refused with the names that there are."""
        error = self.assertRaises(ConfigurationInvalid, provider, "metadata", "rocksbd")
        self.assertEqual(
            "there is no metadata provider 'rocksbd'; installed are: memory, rocksdb, sqlite",
            str(error),
        )

    def test_unknown_kind(self) -> None:
        """A kind that nobody provides is refused too."""
        error = self.assertRaises(ConfigurationInvalid, provider, "carrier", "pigeon")
        self.assertEqual("there is no carrier provider 'pigeon'; installed are: none", str(error))


class DropinPackage:
    """A package of dropins in a new directory, as `twisted.plugins` is one."""

    def __init__(self, test: SynchronousTestCase) -> None:
        directory = Path(test.mktemp()).absolute()
        self.path = directory / f"dropins_{id(directory)}"
        self.path.mkdir(parents=True)
        (self.path / "__init__.py").touch()
        test.patch(sys, "path", [str(directory), *sys.path])
        test.addCleanup(self.forget)

    def write(self, name: str, source: str) -> None:
        (self.path / f"{name}.py").write_text(source)
        invalidate_caches()

    def package(self) -> ModuleType:
        return import_module(self.path.name)

    def forget(self) -> None:
        for module in [each for each in sys.modules if each.startswith(self.path.name)]:
            del sys.modules[module]


DROPIN = """
from objectd.plugins import Provider
{name} = Provider("metadata", "{name}", "For a test", "no.such.module:open_store")
"""


class ForeignDropins(SynchronousTestCase):
    """What packages of other people bring, good and bad."""

    def setUp(self) -> None:
        self.dropins = DropinPackage(self)

    def find(self, name: str) -> IProvider:
        return provider("metadata", name, self.dropins.package())

    def test_found(self) -> None:
        """A dropin of another package is found without importing what it names."""
        self.dropins.write("other", DROPIN.format(name="other"))
        self.assertEqual("For a test", self.find("other").help)

    def test_missing_module(self) -> None:
        """The import error of a chosen provider's module comes out as it is."""
        self.dropins.write("other", DROPIN.format(name="other"))
        error = self.assertRaises(ModuleNotFoundError, self.find("other").settings_type)
        self.assertEqual("no", error.name)

    def test_same_name_twice(self) -> None:
        """Two providers of one kind and name are refused: the choice would be chance."""
        self.dropins.write("one", DROPIN.format(name="other"))
        self.dropins.write("two", DROPIN.format(name="other"))
        error = self.assertRaises(ConfigurationInvalid, self.find, "other")
        self.assertIn("2 installed packages have a metadata provider 'other'", str(error))

    def test_broken_dropin(self) -> None:
        """A provider that is missing because its dropin fails stops with that failure."""
        self.dropins.write("other", "import no_such_library\n" + DROPIN.format(name="other"))
        error = self.assertRaises(ModuleNotFoundError, self.find, "other")
        self.assertEqual("no_such_library", error.name)
        self.assertIn(f"{self.dropins.path.name}.other", error.__notes__[0])
        self.flushLoggedErrors(ModuleNotFoundError)

    def test_unrelated_broken_dropin(self) -> None:
        """A dropin that fails is no hindrance to choosing the provider of another one."""
        self.dropins.write("broken", "import no_such_library\n")
        self.dropins.write("other", DROPIN.format(name="other"))
        self.assertEqual("other", self.find("other").name)
        self.flushLoggedErrors(ModuleNotFoundError)

    def test_stale_cache(self) -> None:
        """A dropin.cache that does not know a provider yet does not hide it."""
        contents = self.dropins.path.with_name(f"{self.dropins.path.name}_contents.py")
        self.dropins.write("other", f"from {contents.stem} import *")
        contents.write_text("")
        getCache(self.dropins.package())
        contents.write_text(DROPIN.format(name="other"))
        self.dropins.forget()
        self.assertEqual([], find_providers(self.dropins.package()))
        self.assertEqual("other", self.find("other").name)

    def test_no_cache(self) -> None:
        """Where dropin.cache cannot be written, providers are found all the same."""
        self.dropins.write("other", DROPIN.format(name="other"))
        (self.dropins.path / "dropin.cache").mkdir()
        self.assertEqual("other", self.find("other").name)


class LightDropins(SynchronousTestCase):
    """`twistd` imports all dropins before it has chosen a reactor."""

    def test_imports(self) -> None:
        """Our dropins import neither a reactor nor any implementation."""
        script = (
            "import sys, twisted.plugins.objectd_plugin, twisted.plugins.objectd_providers\n"
            "print(*sorted({'klein', 'rocksdict', 'botocore', 'twisted.internet.reactor'}"
            " & set(sys.modules)))"
        )
        finished = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
        self.assertEqual(b"\n", finished.stdout)

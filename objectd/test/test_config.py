"""Configuration: what is accepted, and how exactly a mistake is named."""

from __future__ import annotations

import string
from enum import Enum
from pathlib import Path
from typing import Literal

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.config import ConfigurationFile, Place, checked
from objectd.errors import ConfigurationInvalid


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Drive:
    path: Path
    spare: bool = False


@attrs.frozen
class Everything:
    """One key of every type that a setting may have."""

    name: str = "n"
    count: int = attrs.field(default=1, validator=attrs.validators.in_(range(10)))
    seconds: float = attrs.field(default=1.5, validator=attrs.validators.gt(0))
    enabled: bool = True
    words: tuple[str, ...] = ()
    limit: int | None = None
    level: Literal["low", "high"] = "low"
    colour: Colour = Colour.RED
    first: Drive = Drive(Path("/one"))
    others: tuple[Drive, ...] = ()


@attrs.frozen
class Required:
    certificate: Path


PLACE = Place("objectd.toml", "section")


class Checking(SynchronousTestCase):
    """A table against an attrs class."""

    def refused(self, table: dict[str, object], why: str) -> None:
        error = self.assertRaises(ConfigurationInvalid, checked, Everything, table, PLACE)
        self.assertEqual(f"objectd.toml: {why}", str(error))

    def test_defaults(self) -> None:
        """An empty table gives the defaults."""
        self.assertEqual(Everything(), checked(Everything, {}, PLACE))

    def test_every_type(self) -> None:
        """Strings, numbers, booleans, lists, choices and tables become typed values."""
        found = checked(
            Everything,
            {
                "name": "x",
                "count": 2,
                "seconds": 3,
                "enabled": False,
                "words": ["a", "b"],
                "limit": 7,
                "level": "high",
                "colour": "blue",
                "first": {"path": "/two"},
                "others": [{"path": "/three", "spare": True}],
            },
            PLACE,
        )
        self.assertEqual(
            Everything(
                name="x",
                count=2,
                seconds=3.0,
                enabled=False,
                words=("a", "b"),
                limit=7,
                level="high",
                colour=Colour.BLUE,
                first=Drive(Path("/two")),
                others=(Drive(Path("/three"), spare=True),),
            ),
            found,
        )
        self.assertIs(float, type(found.seconds))

    def test_unknown_key(self) -> None:
        """A key that is not known is refused, with the nearest one that is."""
        self.refused({"cuont": 1}, "[section]: there is no key 'cuont'; did you mean count?")

    def test_unknown_key_like_no_other(self) -> None:
        """Where no key is near, all are listed."""
        self.refused(
            {"zzz": 1},
            "[section]: there is no key 'zzz'; there are: "
            "colour, count, enabled, first, level, limit, name, others, seconds, words",
        )

    def test_wrong_types(self) -> None:
        """A value of another type is refused: nothing is converted, but integers to numbers."""
        self.refused({"count": "4"}, "[section] count: expected an integer, not '4'")
        self.refused({"count": True}, "[section] count: expected an integer, not True")
        self.refused({"count": 4.0}, "[section] count: expected an integer, not 4.0")
        self.refused({"seconds": "4"}, "[section] seconds: expected a number, not '4'")
        self.refused({"name": 4}, "[section] name: expected a string in quotes, not 4")
        self.refused({"enabled": 1}, "[section] enabled: expected true or false, not 1")
        self.refused({"words": "a"}, "[section] words: expected a list in [ ], not 'a'")
        self.refused({"limit": "no"}, "[section] limit: expected an integer, not 'no'")
        self.refused({"first": "/one"}, "[section] first: expected a section, not '/one'")

    def test_inside_lists_and_tables(self) -> None:
        """The message names the place inside a list or a table."""
        self.refused({"words": ["a", 1]}, "[section] words[1]: expected a string in quotes, not 1")
        self.refused(
            {"first": {"path": 1}}, "[section.first] path: expected a path in quotes, not 1"
        )
        self.refused(
            {"others": [{"path": "/a"}, {"path": 1}]},
            "[section.others[1]] path: expected a path in quotes, not 1",
        )

    def test_choices(self) -> None:
        """A value outside a list of choices is refused with the list."""
        self.refused({"level": "x"}, "[section] level: expected one of 'low', 'high', not 'x'")
        self.refused({"colour": "x"}, "[section] colour: expected one of 'red', 'blue', not 'x'")

    def test_limits(self) -> None:
        """A value on the wrong side of a limit is refused with the limit."""
        self.refused({"seconds": 0}, "[section]: 'seconds' must be > 0: 0.0")
        self.refused({"count": 10}, "[section]: 'count' must be in range(0, 10) (got 10)")
        self.assertEqual(9, checked(Everything, {"count": 9}, PLACE).count)

    def test_missing_key(self) -> None:
        """A key without a default must be there."""
        error = self.assertRaises(ConfigurationInvalid, checked, Required, {}, PLACE)
        self.assertEqual(
            "objectd.toml: [section] certificate: is missing, and has no default", str(error)
        )

    @given(
        st.dictionaries(
            st.sampled_from([*attrs.fields_dict(Everything), "unknown"]),
            st.recursive(
                st.booleans() | st.integers() | st.floats() | st.text(string.printable, max_size=5),
                lambda values: st.lists(values) | st.dictionaries(st.text(max_size=3), values),
                max_leaves=3,
            ),
        )
    )
    def test_anything(self, table: dict[str, object]) -> None:
        """Whatever stands in a table, the answer is a value or an error with its place."""
        try:
            checked(Everything, table, PLACE)
        except ConfigurationInvalid as error:
            self.assertTrue(str(error).startswith("objectd.toml: [section"), error)


class Files(SynchronousTestCase):
    """Whole files."""

    def read(self, text: str) -> ConfigurationFile:
        self.path = Path(self.mktemp())
        self.path.write_text(text)
        return ConfigurationFile.read(self.path)

    def refused(self, text: str, why: str) -> None:
        file = self.read(text)
        error = self.assertRaises(ConfigurationInvalid, file.choice, "metadata", "rocksdb")
        self.assertEqual(f"{self.path}: {why}", str(error))

    def test_missing_file(self) -> None:
        """A file that is not there is an error, not an empty configuration."""
        error = self.assertRaises(ConfigurationInvalid, ConfigurationFile.read, Path("/no/file"))
        self.assertEqual("/no/file: cannot be read: No such file or directory", str(error))

    def test_not_toml(self) -> None:
        """A syntax error is reported with its line."""
        error = self.assertRaises(ConfigurationInvalid, self.read, "[server]\nlisten = yes\n")
        self.assertIn("is not TOML: Invalid value (at line 2", str(error))

    def test_unknown_section(self) -> None:
        """A section that is not known is refused, with the nearest one that is."""
        file = self.read("[sever]\n")
        error = self.assertRaises(
            ConfigurationInvalid, file.refuse_sections_other_than, ["server", "tls"]
        )
        self.assertEqual(
            f"{self.path}: there is no section 'sever'; did you mean server?", str(error)
        )

    def test_section_that_is_none(self) -> None:
        """A plain value under the name of a section is refused."""
        self.refused("metadata = 'rocksdb'", "metadata is a section: write [metadata]")

    def test_provider(self) -> None:
        """A section chooses a provider and is checked against that provider's settings."""
        choice = self.read("[blobs]\nprovider = 'memory'\ncapacity_bytes = 5\n").choice(
            "blobs", "disk"
        )
        self.assertEqual("memory", choice.provider.name)
        self.assertEqual(5, choice.settings.capacity_bytes)

    def test_default_provider(self) -> None:
        """Where no provider is named, the default one is chosen."""
        self.assertEqual("memory", self.read("").choice("metadata", "memory").provider.name)

    def test_provider_mistakes(self) -> None:
        """An unknown provider, a name of the wrong type and another's keys are refused."""
        self.refused(
            "[metadata]\nprovider = 'oracle'\n",
            "[metadata] provider: there is no metadata provider 'oracle'; "
            "installed are: memory, rocksdb, sqlite",
        )
        self.refused(
            "[metadata]\nprovider = 1\n",
            "[metadata] provider: expected a string in quotes, not 1",
        )
        self.refused(
            "[metadata]\nprovider = 'memory'\nnot_a_key = 1\n",
            "[metadata]: there is no key 'not_a_key'; there are: none",
        )

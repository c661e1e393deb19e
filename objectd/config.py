"""TOML → frozen attrs settings, checked before anything is started.

Whatever an operator gets wrong is a `ConfigurationInvalid` that names file, section and
key. What a section may hold is said by an attrs class: its fields are the keys, their types
and validators the check, their defaults the defaults. A section that chooses a provider is
checked against the settings of that provider.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import attrs

from objectd.errors import ConfigurationInvalid
from objectd.interfaces import Host, IProvider
from objectd.plugins import provider

__all__ = ["Choice", "ConfigurationFile", "Place", "checked", "chosen"]

_Settings = TypeVar("_Settings")

_EXPECTED = {
    bool: "true or false",
    float: "a number",
    int: "an integer",
    Path: "a path in quotes",
    str: "a string in quotes",
}


@attrs.frozen
class Place:
    """Where in which file something is wrong."""

    file: str
    section: str = ""
    key: str = ""

    def error(self, what: str) -> ConfigurationInvalid:
        place = f"{self.file}: [{self.section}]" if self.section else self.file
        return ConfigurationInvalid(
            f"{place} {self.key}: {what}" if self.key else f"{place}: {what}"
        )

    def at(self, key: str) -> Place:
        return attrs.evolve(self, key=key)

    def inside(self) -> Place:
        """The table that stands at this key, as a section."""
        return Place(self.file, f"{self.section}.{self.key}")


@attrs.frozen
class Choice:
    """The provider that was chosen, and what it was told."""

    provider: IProvider
    settings: Any

    async def open(self, host: Host) -> Any:
        return await self.provider.open(self.settings, host)


@attrs.frozen
class ConfigurationFile:
    """The sections of one file, not yet checked. Without a file everything is default."""

    name: str = "configuration"
    tables: Mapping[str, object] = attrs.Factory(dict)

    @classmethod
    def read(cls, path: Path) -> ConfigurationFile:
        try:
            return cls(str(path), tomllib.loads(path.read_text("utf-8")))
        except OSError as error:
            raise Place(str(path)).error(f"cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise Place(str(path)).error(f"is not TOML: {error}") from error

    def __contains__(self, section: str) -> bool:
        return section in self.tables

    def overriding(self, section: str, key: str, value: object) -> ConfigurationFile:
        """The same file with another value, from a command line."""
        table = {**self._table(section), key: value}
        return attrs.evolve(self, tables={**self.tables, section: table})

    def error(self, what: str) -> ConfigurationInvalid:
        return Place(self.name).error(what)

    def refuse_sections_other_than(self, known: Iterable[str]) -> None:
        _refuse_unknown(self.tables, known, Place(self.name), "section")

    def section(self, name: str, settings_type: type[_Settings]) -> _Settings:
        return checked(settings_type, self._table(name), Place(self.name, name))

    def choice(self, kind: str, default: str) -> Choice:
        """The provider that the section [kind] names, with what else stands there."""
        return chosen(kind, default, self._table(kind), Place(self.name, kind))

    def within(self, section: str) -> Iterator[tuple[str, Mapping[str, object], Place]]:
        """The sections [section.NAME]: their names, what stands there, and where that is."""
        for name, table in self._table(section).items():
            if not isinstance(table, dict):
                key = Place(self.name, section, name)
                raise key.error(f"there are only sections here: write [{section}.NAME]")
            yield name, table, Place(self.name, f"{section}.{name}")

    def _table(self, name: str) -> Mapping[str, object]:
        table = self.tables.get(name, {})
        if not isinstance(table, dict):
            raise Place(self.name).error(f"{name} is a section: write [{name}]")
        return table


def chosen(kind: str, default: str, table: Mapping[str, object], place: Place) -> Choice:
    """The provider of this kind that a table names, with what else stands there."""
    given = dict(table)
    name = _value(str, given.pop("provider", default), place.at("provider"))
    try:
        found = provider(kind, name)
    except ConfigurationInvalid as error:
        raise place.at("provider").error(str(error)) from error
    return Choice(found, checked(found.settings_type(), given, place))


def checked(settings_type: type[_Settings], table: Mapping[str, object], place: Place) -> _Settings:
    """An instance of the attrs class `settings_type` from what stands in the table."""
    fields = attrs.fields_dict(cast(type[Any], settings_type))
    _refuse_unknown(table, fields, place, "key")
    for name, field in fields.items():
        if name not in table and field.default is attrs.NOTHING:
            raise place.at(name).error("is missing, and has no default")
    types = get_type_hints(settings_type)
    values = {name: _value(types[name], table[name], place.at(name)) for name in table}
    try:
        return settings_type(**values)
    except (TypeError, ValueError) as error:
        # attrs' own validators put more than the message into the arguments.
        raise place.error(str(error.args[0])) from error


def _value(expected: Any, found: object, place: Place) -> Any:
    origin, arguments = get_origin(expected), get_args(expected)
    if origin in (Union, UnionType):  # X | None: TOML has no null, one leaves the key out
        (present,) = (each for each in arguments if each is not NoneType)
        return _value(present, found, place)
    if origin is tuple:
        if not isinstance(found, list):
            raise place.error(f"expected a list in [ ], not {found!r}")
        return tuple(
            _value(arguments[0], each, place.at(f"{place.key}[{index}]"))
            for index, each in enumerate(found)
        )
    if origin is Literal:
        return _one_of(arguments, found, place)
    if isinstance(expected, type) and issubclass(expected, Enum):
        return expected(_one_of([each.value for each in expected], found, place))
    if attrs.has(expected):
        if not isinstance(found, dict):
            raise place.error(f"expected a section, not {found!r}")
        return checked(expected, found, place.inside())
    return _scalar(expected, found, place)


def _scalar(expected: type[object], found: object, place: Place) -> object:
    if type(found) is expected:  # not isinstance: true is an int in Python, not in TOML
        return found
    if expected is float and type(found) is int:
        return float(found)
    if expected is Path and type(found) is str:
        return Path(found)
    raise place.error(f"expected {_EXPECTED[expected]}, not {found!r}")


def _one_of(choices: Iterable[object], found: object, place: Place) -> object:
    if found not in choices:
        raise place.error(f"expected one of {', '.join(map(repr, choices))}, not {found!r}")
    return found


def _refuse_unknown(table: Iterable[str], known: Iterable[str], place: Place, what: str) -> None:
    names = sorted(known)
    for name in table:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = (
                f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}"
            )
            raise place.error(f"there is no {what} {name!r}; {hint}")

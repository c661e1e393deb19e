"""Providers found as Twisted plugins, by kind and name.

A provider is a light object in a dropin, a module of `twisted.plugins`; ours are listed in
`twisted/plugins/objectd_providers.py`, and any installed package may add a dropin of its
own there. A dropin must not import the implementation: `twistd` imports all dropins of all
projects before it has chosen a reactor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import attrs
import twisted.plugins
from twisted.plugin import IPlugin, getPlugins
from zope.interface import implementer

from objectd.errors import ConfigurationInvalid
from objectd.interfaces import Host, IProvider

__all__ = ["Provider", "find_providers", "provider"]


@implementer(IPlugin, IProvider)
@attrs.frozen
class Provider:
    """A provider whose module is imported when it is chosen.

    `opens` is 'module:function'. The module has the frozen attrs class `Settings`, and the
    function is `async def (settings, host)`.
    """

    kind: str
    name: str
    help: str
    opens: str

    def settings_type(self) -> type[Any]:
        settings: type[Any] = self._module().Settings
        return settings

    async def open(self, settings: Any, host: Host) -> Any:
        _, _, function = self.opens.partition(":")
        return await getattr(self._module(), function)(settings, host)

    def _module(self) -> ModuleType:
        module, _, _ = self.opens.partition(":")
        return import_module(module)


def find_providers(dropins: ModuleType = twisted.plugins) -> list[IProvider]:
    """The providers of all dropins that can be imported, sorted by kind and name."""
    return _sorted(getPlugins(IProvider, dropins))


def provider(kind: str, name: str, dropins: ModuleType = twisted.plugins) -> IProvider:
    """The provider of this kind and name.

    Raises `ConfigurationInvalid` if there is none, or more than one. If there is none and
    some dropin cannot be imported, it is that dropin's own error that is raised: Twisted
    would only log it, and the provider would seem not to be installed.
    """
    found = _named(kind, name, find_providers(dropins))
    if found is None:
        # Twisted trusts a dropin.cache that is newer than the dropin, though what the
        # dropin imports may have changed since: nothing but the import itself can tell.
        imported = _sorted(_imported_providers(dropins))
        found = _named(kind, name, imported)
        if found is None:
            known = ", ".join(each.name for each in imported if each.kind == kind) or "none"
            raise ConfigurationInvalid(
                f"there is no {kind} provider {name!r}; installed are: {known}"
            )
    return found


def _named(kind: str, name: str, providers: Iterable[IProvider]) -> IProvider | None:
    found = [each for each in providers if (each.kind, each.name) == (kind, name)]
    if len(found) > 1:
        raise ConfigurationInvalid(
            f"{len(found)} installed packages have a {kind} provider {name!r}: "
            f"{', '.join(map(repr, found))}"
        )
    return found[0] if found else None


def _imported_providers(dropins: ModuleType) -> Iterator[IProvider]:
    for found in iter_modules(dropins.__path__, f"{dropins.__name__}."):
        try:
            dropin = import_module(found.name)
        except BaseException as error:
            error.add_note(f"raised by the dropin {found.name}")
            raise
        yield from (value for value in vars(dropin).values() if IProvider.providedBy(value))


def _sorted(providers: Iterable[IProvider]) -> list[IProvider]:
    return sorted(providers, key=lambda each: (each.kind, each.name))

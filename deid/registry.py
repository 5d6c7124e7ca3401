"""One way from a name in a policy or on a command line to the object that does the work."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Generic, TypeVar, cast

from deid.errors import UsageError, unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """Names mapped to ``module:attribute`` paths, imported on first use.

    Args:
        kind: What the names stand for, used in errors (``operator``, ``format``).
        paths: Name to ``module:attribute``.
    """

    def __init__(self, kind: str, paths: Mapping[str, str]) -> None:
        self._kind = kind
        self._paths = dict(paths)

    def names(self) -> tuple[str, ...]:
        """Return the registered names, sorted."""
        return tuple(sorted(self._paths))

    def add(self, name: str, path: str) -> None:
        """Register a further object under a name that is not taken yet.

        Args:
            name: The name to use in policies and commands.
            path: ``module:attribute`` of the object.

        Raises:
            UsageError: if the name is taken.
        """
        if name in self._paths:
            raise UsageError(f"{self._kind} {name!r} is registered already, at {self._paths[name]}")
        self._paths[name] = path

    def get(self, name: str) -> T:
        """Import and return the object of that name.

        Raises:
            UsageError: if there is none; the message lists the names and the closest match.
        """
        if name not in self._paths:
            raise UsageError(unknown_name(self._kind, name, self._paths))
        module, _, attribute = self._paths[name].partition(":")
        return cast(T, getattr(import_module(module), attribute))

"""Processes that only de-identify do without the large libraries that others would load for them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# spaCy and Presidio import these wherever they find them: 300 MB and four seconds for every process.
_NEVER_NEEDED = frozenset({"torch", "transformers"})


class _LeftOut(MetaPathFinder, Loader):
    """Finds the libraries and fails to load them, as a broken installation would; others then do without."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Claim the libraries' names."""
        return ModuleSpec(fullname, self) if fullname in _NEVER_NEEDED else None

    def exec_module(self, module: ModuleType) -> None:
        """Refuse."""
        raise ImportError(f"{module.__name__} is left out of this process", name=module.__name__)


def leave_out_training_libraries() -> None:
    """Let torch and transformers look absent in this process, unless they are loaded already.

    Only for processes of our own, the command and its workers: a program around us may need them.
    """
    if not any(isinstance(finder, _LeftOut) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LeftOut())


def admit_training_libraries() -> None:
    """Let torch and transformers be found again, for a model that needs them."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _LeftOut)]

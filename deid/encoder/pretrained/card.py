"""The card that lies beside a model: ``README.md`` with YAML in front, as model hubs have it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

CARD = "README.md"
_FENCE = "---"


@dataclass(frozen=True, slots=True)
class Card:
    """What a model's card says.

    Args:
        path: The card; None if there is none.
        licence: The licence it names; None if it names none.
    """

    path: Path | None
    licence: str | None


def read_card(folder: Path) -> Card:
    """Read the card in a model folder; one that cannot be read names no licence.

    Args:
        folder: The folder.
    """
    path = folder / CARD
    if not path.is_file():
        return Card(None, None)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if lines[:1] != [_FENCE] or _FENCE not in lines[1:]:
        return Card(path, None)
    try:
        values = yaml.safe_load("\n".join(lines[1 : lines.index(_FENCE, 1)]))
    except yaml.YAMLError:
        return Card(path, None)
    licence = values.get("license") if isinstance(values, dict) else None
    return Card(path, str(licence) if licence else None)

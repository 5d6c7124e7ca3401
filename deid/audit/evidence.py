"""What is known of a run's quality: figures on marked notes, and what people found who read a sample."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from deid.audit.log import read_json
from deid.audit.review import Review, read_review
from deid.errors import UsageError

_NEEDED = ("policy", "model", "gold", "notes", "patients", "mentions", "figures", "recall_by_item")
_SHOWN = (*_NEEDED, "recall_by_type", "recall_by_kind")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a run's quality.

    Args:
        evaluation: Figures as ``deid evaluate --json`` prints them, without single notes; or None.
        shipped: The figures come with the package: shipped policy and model on the dataset's test notes.
        review: What reading a sample showed; None if nobody did.
    """

    evaluation: Mapping[str, Any] | None
    shipped: bool
    review: Review | None

    def fits(self, manifest: Mapping[str, Any]) -> bool:
        """Say whether the figures were measured with a run's policy and model.

        Args:
            manifest: The run's.
        """
        if self.evaluation is None:
            return False
        policy, model = self.evaluation["policy"]["digest"], self.evaluation["model"]
        return bool(policy == manifest["policy"]["digest"] and model == manifest["model"]["digest"])


def no_evidence() -> Evidence:
    """Return that nothing is known."""
    return Evidence(None, shipped=False, review=None)


def gather(directory: Path, *, evaluation: Path | None = None, review: Path | None = None) -> Evidence:
    """Gather what is known of a run.

    Args:
        directory: The run directory.
        evaluation: JSON of ``deid evaluate``; the figures that come with the package when None.
        review: A sheet of ``deid sample`` that somebody filled in.

    Raises:
        UsageError: if a file is not what it should be.
        IntegrityError: if the sheet was drawn from another run.
        InputOutputError: if a file cannot be read.
    """
    figures = _checked(read_json(evaluation), str(evaluation)) if evaluation is not None else _shipped()
    return Evidence(
        figures,
        shipped=evaluation is None,
        review=read_review(directory, review) if review is not None else None,
    )


def figures_of(model: str) -> Mapping[str, Any] | None:
    """Return the figures that come with the package, if they were measured with a model.

    Args:
        model: The model's digest.
    """
    figures = _shipped()
    return figures if figures["model"] == model else None


def _shipped() -> Mapping[str, Any]:
    path = files("deid.audit").joinpath("measured.json")
    return _checked(json.loads(path.read_text(encoding="utf-8")), path.name)


def _checked(values: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """Keep what a report shows: counts and rates, no single note."""
    if missing := [name for name in _NEEDED if name not in values]:
        raise UsageError(f"evaluation {place}: has no {missing[0]}; make it with deid evaluate --json")
    return {name: values[name] for name in _SHOWN if name in values}

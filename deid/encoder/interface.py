"""What the recognizer needs of an encoder, whatever kind of checkpoint is behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from deid.encoder.decode import Mention
from deid.encoder.describe import Described
from deid.encoder.windows import FloatArray
from deid.encoder.words import Words

UNCALIBRATED_THRESHOLD = 0.3
"""Least probability for a type where neither the policy nor a calibration says one.

Below the .5 at which these models call something found: a leak costs more than a word too many.
"""


LEAST_THRESHOLD = 1e-4
"""A threshold of 0 would make every word a mention of every type."""


@dataclass(frozen=True, slots=True)
class DescribedTypes:
    """T types as an encoder has taken them in.

    Args:
        names: T type names; they only label the output.
        thresholds: [T] least probability for each type.
        first: [T] whether a word belongs to the type wherever that reaches its threshold, whatever others
            reach: types that the model was not calibrated on, or that it has learned since.
    """

    names: tuple[str, ...]
    thresholds: FloatArray
    first: npt.NDArray[np.bool_]


def uncalibrated(names: Sequence[str], given: Mapping[str, float] | None) -> DescribedTypes:
    """Return types of which no model has calibrated a threshold.

    Args:
        names: T type names.
        given: Thresholds set by hand for some types; the others take `UNCALIBRATED_THRESHOLD`.
    """
    limits = [(given or {}).get(name, UNCALIBRATED_THRESHOLD) for name in names]
    return DescribedTypes(
        tuple(names),
        np.maximum(np.asarray(limits, dtype=np.float32), LEAST_THRESHOLD),
        np.ones(len(names), dtype=bool),
    )


Types = TypeVar("Types", bound=DescribedTypes)


class Encoder(Protocol[Types]):
    """Finds mentions of described types in texts."""

    @property
    def digest(self) -> str:
        """``sha256:...`` over the files that were loaded, for the manifest."""

    @property
    def runtime(self) -> str:
        """Name and precision of what carries out the sums, for the manifest."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Sizes and settings, for ``deid model info``."""

    def describe(
        self, types: Mapping[str, Described], *, thresholds: Mapping[str, float] | None = None
    ) -> Types:
        """Take in the descriptions of types.

        Args:
            types: Descriptions by type name.
            thresholds: Set by hand for some types.
        """

    def find(self, texts: Sequence[str], types: Types) -> list[tuple[Mention, ...]]:
        """Find mentions in each text.

        Args:
            texts: Notes of any length.
            types: From `describe`.
        """


@runtime_checkable
class WordScorer(Protocol):
    """An encoder that says of every word how likely it belongs to each type."""

    def split(self, text: str) -> Words:
        """Cut a text into the words that `scores` speaks of."""

    def scores(self, words: Sequence[Words], types: Any) -> list[tuple[FloatArray, FloatArray]]:
        """Return for each text the inside and begin probabilities, each [W, T].

        Args:
            words: Texts cut by `split`.
            types: From the encoder's ``describe``.
        """

"""What the recognizer needs of an encoder, whatever kind of checkpoint is behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from deid.encoder.decode import Mention
from deid.encoder.describe import Described
from deid.encoder.windows import FloatArray

UNCALIBRATED_THRESHOLD = 0.3
"""Least probability for a type where neither the policy nor a calibration says one.

Below the .5 at which these models call something found: a leak costs more than a word too many.
"""


LEAST_THRESHOLD = 1e-4
"""A threshold of 0 would make every word a mention of every type."""


def uncalibrated(types: Iterable[str], given: Mapping[str, float] | None) -> FloatArray:
    """Return [T] thresholds where no calibration is at hand.

    Args:
        types: T type names.
        given: Set by hand for some types; the others take `UNCALIBRATED_THRESHOLD`.
    """
    limits = [(given or {}).get(name, UNCALIBRATED_THRESHOLD) for name in types]
    return np.maximum(np.asarray(limits, dtype=np.float32), LEAST_THRESHOLD)


@dataclass(frozen=True, slots=True)
class DescribedTypes:
    """T types as an encoder has taken them in.

    Args:
        names: T type names; they only label the output.
        thresholds: [T] least probability for each type.
    """

    names: tuple[str, ...]
    thresholds: FloatArray


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

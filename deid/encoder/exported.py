"""What an exported model consists of: graphs for an inference runtime, and what these do not say."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from deid.errors import IntegrityError

FACTS = "export.json"
TEXT_GRAPH = "text.onnx"
DESCRIPTION_GRAPH = "descriptions.onnx"
TENSORS = "tensors.bin"
GRAPH_FILES = (FACTS, TEXT_GRAPH, DESCRIPTION_GRAPH, TENSORS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Facts about an export, kept beside its graphs.

    Args:
        format: ``onnx``.
        precision: How texts are multiplied, ``f32`` or ``int8``; descriptions always in ``f32``.
        source: Digest of the model folder it was made from.
        parameters: Parameters of the network.
        scale: Factors of the cosines: inside, begin.
        bias: What is added to them: inside, begin.
    """

    format: str
    precision: str
    source: str
    parameters: int
    scale: tuple[float, float]
    bias: tuple[float, float]

    @classmethod
    def read(cls, folder: Path) -> Exported:
        """Read the facts of an export.

        Args:
            folder: A folder for which `is_exported` holds.

        Raises:
            IntegrityError: if keys are missing or unknown.
        """
        values = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        expected = {field.name for field in fields(cls)}
        if set(values) != expected:
            raise IntegrityError(f"{FACTS}: expected the keys {sorted(expected)}, got {sorted(values)}")
        both = {name: (values[name][0], values[name][1]) for name in ("scale", "bias")}
        return cls(**{**values, **both})

    def write(self, folder: Path) -> None:
        """Write the facts.

        Args:
            folder: The exported folder.
        """
        (folder / FACTS).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def is_exported(folder: Path) -> bool:
    """Say whether a model folder holds graphs in place of weights.

    Args:
        folder: A model folder.
    """
    return (folder / FACTS).is_file()

"""Lets Presidio's registry YAML pass our keys on: it drops those it has no config model for, without a word.

A dropped ``policy`` would mean that another policy is applied than the file says. Importing a recognizer's
module registers its model, and makes the class known to Presidio, which finds classes among those imported.
"""

from __future__ import annotations

from presidio_analyzer.input_validation.yaml_recognizer_models import (
    CONFIG_MODEL_MAP,
    PredefinedRecognizerConfig,
)
from pydantic import BaseModel, ConfigDict, model_validator


class RuleRecognizerConfig(PredefinedRecognizerConfig):
    """An entry for a recognizer with a policy.

    Args:
        policy: Name of a shipped policy, or a path; relative ones start at the working directory.
    """

    model_config = ConfigDict(extra="forbid")

    policy: str | None = None

    @model_validator(mode="after")
    def _refuse_what_has_no_effect(self) -> RuleRecognizerConfig:
        if self.supported_entity is not None:
            raise ValueError("write supported_entities with a list, not supported_entity")
        if self.context is not None:
            raise ValueError(
                "context words have no effect here: say what stands around a mention in the policy"
            )
        return self


class DescriptionRecognizerConfig(RuleRecognizerConfig):
    """An entry for the encoder.

    Args:
        model: A model folder.
    """

    model: str | None = None


def register(class_name: str, model: type[BaseModel]) -> None:
    """Let entries for a recognizer class be checked by a model.

    Args:
        class_name: Its name in a registry file.
        model: Declares the keys that the class takes.
    """
    CONFIG_MODEL_MAP[class_name] = model

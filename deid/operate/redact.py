"""Redaction: the type's name in brackets."""

from __future__ import annotations

from typing import ClassVar

from deid.operate.operator import Params, PolicyOperator, marker


class Redact(PolicyOperator):
    """Replace a mention by ``[CLINICIAN_NAME]``.

    Parameter ``text`` is a template in which ``{type}`` stands for the type's name; an empty one removes the
    mention.
    """

    name: ClassVar[str] = "redact"

    def replace(self, text: str, params: Params) -> str:
        """Return the type's name in brackets, or the template filled in.

        Args:
            text: The mention as written; not looked at.
            params: See `PolicyOperator.replace`.
        """
        entity_type: str = params.get("entity_type", "PHI")
        template: str | None = params.get("text")
        return marker(entity_type) if template is None else template.replace("{type}", entity_type)

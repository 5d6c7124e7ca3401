"""Keeping what a policy does not hide."""

from __future__ import annotations

from typing import ClassVar

from deid.operate.operator import Params, PolicyOperator


class Keep(PolicyOperator):
    """Leave a mention as it is: found, counted, not hidden. The only operator that is meant to."""

    name: ClassVar[str] = "keep"

    def replace(self, text: str, params: Params) -> str:
        """Return the mention.

        Args:
            text: The mention as written.
            params: See `PolicyOperator.replace`.
        """
        return text

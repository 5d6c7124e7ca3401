"""How an operator says that it cannot do its job."""

from __future__ import annotations


class OperatorFailure(Exception):
    """An operator cannot replace this value; the caller redacts it instead.

    Args:
        reason: What is missing or not understood, in general words; never the value or a part of it.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

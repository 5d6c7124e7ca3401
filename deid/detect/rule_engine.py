"""Runs rules over a text in linear time: google-re2 on the UTF-8 bytes of the folded text.

Each rule reads the text by itself, from left to right. After a mention it goes on behind the *mention*, not
behind the whole match, so that the context after one may be the context before the next; the same after a
mention that its check refused. Where the marked group takes no part in a match, the whole match is skipped.
Findings of different rules may overlap or be adjacent and are all returned; `deid.resolve` makes spans.

A search costs about 3 microseconds for a rule and 2,000 characters, whatever the pattern. A prefilter by
literals (re2.Filter) let three quarters of the rules through and is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from deid.detect.fold import Folded, fold
from deid.detect.rule_checks import CHECKS
from deid.detect.rule_file import Rule, compile_pattern
from deid.note import Finding

_Check = Callable[[str], bool]


class RuleEngine:
    """Rules, compiled.

    Args:
        rules: What to look for.

    Raises:
        ValueError: if a pattern does not compile.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._compiled: tuple[tuple[Rule, Any, _Check | None], ...] = tuple(
            (
                rule,
                compile_pattern(rule.pattern, ignore_case=rule.ignore_case),
                CHECKS[rule.check] if rule.check else None,
            )
            for rule in self.rules
        )

    def find(self, text: str) -> tuple[Finding, ...]:
        """Find mentions, sorted; they may overlap.

        Args:
            text: The text; offsets of the findings count its code points.
        """
        folded = fold(text)
        return tuple(
            sorted(
                {
                    Finding(
                        *folded.original_bytes(start, end), rule.entity_type, rule.score, "rules", rule.name
                    )
                    for rule, pattern, check in self._compiled
                    for start, end in _mentions(folded, pattern, check)
                }
            )
        )


def _mentions(folded: Folded, pattern: Any, check: _Check | None) -> Iterator[tuple[int, int]]:
    data, group, position = folded.data, pattern.groups, 0
    while (match := pattern.search(data, position)) is not None:
        start, end = match.span(group)
        if start >= end:
            position = max(match.end(), position + 1)
            continue
        if check is None or check(data[start:end].decode()):
            yield start, end
        position = end

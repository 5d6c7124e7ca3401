"""Every shipped rule against its own tables of matching and non-matching texts."""

from __future__ import annotations

from collections import Counter

import pytest

from deid.detect.rule_engine import RuleEngine
from deid.detect.rule_file import Rule, shipped_rules
from deid.formats.markup import read_marked
from deid.policy import load_policy

RULES = shipped_rules()


def cases(kind: str) -> list[object]:
    """One parameter set per line of the tables; ids hold the rule's name and a number, never text."""
    return [
        pytest.param(rule, text, id=f"{rule.name}-{number}")
        for rule in RULES
        for number, text in enumerate(getattr(rule, kind))
    ]


def found(rule: Rule, text: str) -> list[tuple[int, int, str]]:
    return [(found.start, found.end, found.entity_type) for found in RuleEngine([rule]).find(text)]


@pytest.mark.parametrize(("rule", "marked"), cases("match"))
def test_match(rule: Rule, marked: str) -> None:
    text, mentions = read_marked(marked)
    expected = [(mention.start, mention.end, mention.entity_type) for mention in mentions]
    assert expected, "a line of the match table marks what is found"
    assert found(rule, text) == expected, [text[start:end] for start, end, _ in found(rule, text)]


@pytest.mark.parametrize(("rule", "text"), cases("reject"))
def test_reject(rule: Rule, text: str) -> None:
    assert found(rule, text) == [], [text[start:end] for start, end, _ in found(rule, text)]


def test_names_are_unique() -> None:
    assert [name for name, count in Counter(rule.name for rule in RULES).items() if count > 1] == []


def test_tables_are_long_enough() -> None:
    short = [rule.name for rule in RULES if len(set(rule.match)) < 3 or len(set(rule.reject)) < 3]
    assert short == []


def test_types_are_those_of_the_base_policy() -> None:
    assert {rule.entity_type for rule in RULES} <= set(load_policy("base").type_names)

"""Checks of the regular expressions of a policy."""

from __future__ import annotations

import re
from collections.abc import Iterator

import re2

from deid.authoring.lint_rule import GUIDE, Hits, Rule
from deid.policy import Policy

_ORDINARY = (
    "The patient was seen today and denies chest pain or shortness of breath. Lungs clear, abdomen soft.",
    "BP 120/80, HR 72, potassium 4.1, platelets 245, continue aspirin 81 mg daily, return in 2 weeks.",
)
_LARGEST_PROGRAM = 2000  # states; the patterns of the shipped policies stay below 400


def _patterns(policy: Policy) -> Iterator[tuple[tuple[str | int, ...], re.Pattern[str] | None]]:
    options = re2.Options()
    options.log_errors = False
    for kind in policy.types:
        for index, spec in enumerate(kind.patterns):
            options.case_sensitive = not spec.ignore_case
            try:
                pattern = re2.compile(f"(?m){spec.regex}", options)
            except re2.error:
                pattern = None
            yield ("types", kind.name, "patterns", index, "regex"), pattern


def _broken_patterns(policy: Policy) -> Hits:
    for keys, pattern in _patterns(policy):
        if pattern is None:
            yield keys, "re2 cannot compile this (it has no look-around and no back-references)"
        elif len(re.findall(r"\(\?P?<phi>", pattern.pattern)) > 1:
            yield keys, "the group phi stands here twice; only the first would be hidden"


def _loose_patterns(policy: Policy) -> Hits:
    for keys, pattern in _patterns(policy):
        if pattern is not None and pattern.search(""):
            yield keys, "matches the empty text"
        elif pattern is not None and any(pattern.search(text) for text in _ORDINARY):
            yield keys, "matches ordinary clinical text without any identifier"


def _greedy_patterns(policy: Policy) -> Hits:
    for kind in policy.types:
        for index, spec in enumerate(kind.patterns):
            if _takes_all(spec.regex):
                what = "the mention has no end: it takes the rest of the line along"
                yield ("types", kind.name, "patterns", index, "regex"), what


def _takes_all(regex: str) -> bool:
    """Say whether the marked part of a pattern, or all of it, repeats any character without limit."""
    bare = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "_", regex)
    start = re.search(r"\(\?P?<phi>", bare)
    end = len(bare)
    if start is not None:
        depth = 1
        for at in range(start.end(), len(bare)):
            depth += {"(": 1, ")": -1}.get(bare[at], 0)
            if not depth:
                end = at
                break
        bare = bare[start.end() : end]
    return bool(re.search(r"\.(?:[*+]|\{\d*,\})(?!\?)", bare))


def _large_patterns(policy: Policy) -> Hits:
    for keys, pattern in _patterns(policy):
        size = getattr(pattern, "programsize", 0)
        if size > _LARGEST_PROGRAM:
            yield keys, f"repetitions spell out to {size:,} states, and every note is read that slowly"


def _unused_patterns(policy: Policy) -> Hits:
    for kind in policy.types:
        if kind.patterns and "rules" not in kind.detect:
            yield ("types", kind.name, "patterns"), "patterns are never used: detect does not name rules"


_REWRITE = "rewrite it; put context into the pattern and the mention into (?P<phi>...)"
_END = "give the mention an end: a shape, or at most so many characters"
PATTERN_RULES: tuple[Rule[Policy], ...] = (
    Rule("DP014", "error", "google-re2 syntax", _REWRITE, _broken_patterns),
    Rule("DP015", "error", GUIDE, "ask for a label or a fixed shape", _loose_patterns),
    Rule("DP016", "warning", GUIDE, "add rules to detect", _unused_patterns),
    Rule("DP030", "warning", GUIDE, _END, _greedy_patterns),
    Rule("DP031", "warning", GUIDE, "repeat less often; \\d{4,12} instead of \\d{1,1000}", _large_patterns),
)

"""What is wrong or unsafe in a policy: a check for each code, each with its source and a way to mend it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import re2

from deid.policy import EntityType, Policy, ResolvedPolicy, resolve_policy
from deid.policy_file import dotted

Severity = Literal["error", "warning"]

_SAFE_HARBOR, _LIMITED = "hhs-safe-harbor", "limited-data-set"
_LETTERS = "ABCDEFGHIJKLMNOPQR"
# Letters of (b)(2)(i) with a counterpart in (e)(2), and its numeral there; of B only the street address.
_LIMITED_ITEMS = {
    "A": "i", "B": "ii", "D": "iii", "E": "iv", "F": "v", "G": "vi", "H": "vii", "I": "viii", "J": "ix",
    "K": "x", "L": "xi", "M": "xii", "N": "xiii", "O": "xiv", "P": "xv", "Q": "xvi",
}  # fmt: skip
# i2b2 tags without which an item is covered in part only.
_PARTS = {"B": ("STREET", "CITY", "ZIP"), "C": ("DATE", "AGE")}
_TAGS_BY_NAME = {"STREET_ADDRESS": "STREET", "ZIP_CODE": "ZIP", "CITY": "CITY", "DATE": "DATE", "AGE": "AGE"}
_ORDINARY = (
    "The patient was seen today and denies chest pain or shortness of breath. Lungs clear, abdomen soft.",
    "BP 120/80, HR 72, potassium 4.1, platelets 245, continue aspirin 81 mg daily, return in 2 weeks.",
)
_STOP_WORDS = re.compile(
    r"\b(?:an?|and|any|are|as|at|be|by|for|from|has|in|is|its?|not?|of|on|or|such|that|the|this|to|which|who|with)\b"
)
_NEAR_EQUAL = 0.7
_FEWEST_WORDS = 6


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding stands.

    Args:
        file: The policy file.
        key: Key path, such as ``types.DATE.operator``.
        line: Line from 1, where the key stands in the file.
        column: Column from 1.
    """

    file: str
    key: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}:{self.column}"
        return f"{self.file}{line}: {self.key}"


@dataclass(frozen=True, slots=True)
class LintFinding:
    """Something wrong or unsafe.

    Args:
        code: ``DP001`` and so on, listed in docs/policy-lint.md.
        severity: An error makes the command fail.
        place: Where it stands.
        reason: What is wrong.
        source: The paragraph or document behind the check.
        fix: How to mend it.
    """

    code: str
    severity: Severity
    place: Place
    reason: str
    source: str
    fix: str


Hits = Iterator[tuple[tuple[str | int, ...], str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A check.

    Args:
        code: ``DP001`` and so on.
        severity: Of all its findings.
        source: The paragraph or document behind it.
        fix: How to mend what it finds.
        check: Yields key paths and what is wrong there.
    """

    code: str
    severity: Severity
    source: str
    fix: str
    check: Callable[[Policy], Hits]


def lint(name_or_path: str | Path) -> tuple[LintFinding, ...]:
    """Load a policy and check it.

    Args:
        name_or_path: As for `deid.policy.load_policy`.

    Returns:
        The findings, by code and then in the policy's order.

    Raises:
        PolicyError: if the policy cannot be loaded.
    """
    return lint_policy(resolve_policy(name_or_path))


def lint_policy(resolved: ResolvedPolicy) -> tuple[LintFinding, ...]:
    """Check a policy that is loaded already.

    Args:
        resolved: The policy and its files.
    """
    return tuple(
        LintFinding(rule.code, rule.severity, _place(resolved, keys), reason, rule.source, rule.fix)
        for rule in RULES
        for keys, reason in rule.check(resolved.policy)
    )


def lint_resolved(policy: Policy) -> tuple[LintFinding, ...]:
    """Check a policy whose files are not at hand, such as the one a manifest holds.

    Args:
        policy: The policy; its findings name key paths alone.
    """
    return tuple(
        LintFinding(rule.code, rule.severity, Place(policy.name, dotted(keys)), reason, rule.source, rule.fix)
        for rule in RULES
        for keys, reason in rule.check(policy)
    )


def _place(resolved: ResolvedPolicy, keys: tuple[str | int, ...]) -> Place:
    file, found = resolved.origin(*keys)
    if keys[2:] == ("operator",) and found != keys:
        file, found = resolved.origin("default_operator")
    line, column = file.marks.get(found, (None, None)) if found else (None, None)
    return Place(str(file.path), dotted(keys), line, column)


def _tag(entity_type: EntityType) -> str | None:
    return entity_type.i2b2 or _TAGS_BY_NAME.get(entity_type.name)


def _letters(entity_type: EntityType) -> frozenset[str]:
    return frozenset(entity_type.hipaa or "")


def _has_own_check(entity_type: EntityType) -> bool:
    return "C" in _letters(entity_type) or _tag(entity_type) == "ZIP"


def _leaves_part(entity_type: EntityType, kept: Collection[str], targets: Collection[str]) -> bool:
    """Tell whether an operator leaves the mention or a part of it.

    Args:
        entity_type: The type.
        kept: Operators that leave too much.
        targets: What ``generalize`` may go to; empty if it does not matter.
    """
    operator = entity_type.operator
    if operator.name == "mask":
        return bool(operator.params.get("keep_last"))
    if operator.name == "generalize" and targets:
        return operator.params.get("to") not in targets
    return operator.name in kept


def _safe_harbor_check(
    applies: Callable[[EntityType], bool], kept: Collection[str], targets: Collection[str], what: str
) -> Callable[[Policy], Hits]:
    def check(policy: Policy) -> Hits:
        for kind in policy.types if policy.method == _SAFE_HARBOR else ():
            if applies(kind) and _leaves_part(kind, kept, targets):
                yield ("types", kind.name, "operator"), f"{kind.operator.name} leaves {what}"

    return check


def _missing_items(policy: Policy) -> Hits:
    if policy.method not in (_SAFE_HARBOR, _LIMITED):
        return
    looked_for = [kind for kind in policy.types if {"rules", "encoder"} & set(kind.detect)]
    parts = _PARTS if policy.method == _SAFE_HARBOR else {"B": ("STREET",)}
    for letter in _LETTERS if policy.method == _SAFE_HARBOR else _LIMITED_ITEMS:
        item = (
            f"(b)(2)(i)({letter})" if policy.method == _SAFE_HARBOR else f"(e)(2)({_LIMITED_ITEMS[letter]})"
        )
        found = {_tag(kind) for kind in looked_for if letter in _letters(kind)}
        missing = [tag for tag in parts.get(letter, ()) if tag not in found]
        if missing:
            yield (
                ("types",),
                f"no type with hipaa {letter} and i2b2 {', '.join(missing)} is looked for: 164.514{item}",
            )
        elif not found:
            yield ("types",), f"no type with hipaa {letter} is looked for: item 164.514{item}"


_kept_dates = _safe_harbor_check(
    lambda kind: "C" in _letters(kind) and _tag(kind) != "AGE",
    ("keep", "shift_date", "surrogate"),
    ("year",),
    "more of a date than the year",
)
_long_zip_codes = _safe_harbor_check(
    lambda kind: _tag(kind) == "ZIP", ("keep",), ("zip3", "state"), "more than the first three digits"
)
_kept_ages = _safe_harbor_check(
    lambda kind: _tag(kind) == "AGE", ("keep", "shift_date"), ("age_90_plus",), "ages over 89"
)
_kept_items = _safe_harbor_check(
    lambda kind: bool(_letters(kind) & set(_LETTERS)) and not _has_own_check(kind),
    ("keep",),
    (),
    "an item of the list or a part of it",
)


def _derived_codes(policy: Policy) -> Hits:
    for kind in policy.types if policy.method == _SAFE_HARBOR else ():
        name = kind.operator.name
        keyed = name == "pseudonym" and kind.operator.params.get("code") == "keyed"
        if keyed or name in ("hash", "encrypt"):
            yield (
                ("types", kind.name, "operator"),
                f"{name} derives its code from information about the individual",
            )


def _kept_limited_items(policy: Policy) -> Hits:
    for kind in policy.types if policy.method == _LIMITED else ():
        letters = _letters(kind) & set(_LIMITED_ITEMS)
        if _tag(kind) != "STREET":
            letters -= {"B"}
        if letters and _leaves_part(kind, ("keep",), ()):
            items = ", ".join(_LIMITED_ITEMS[letter] for letter in sorted(letters))
            yield (
                ("types", kind.name, "operator"),
                f"{kind.operator.name} leaves item ({items}) or a part of it",
            )


def _kept_direct_identifiers(policy: Policy) -> Hits:
    for kind in () if policy.method in (_SAFE_HARBOR, _LIMITED) else policy.types:
        if _letters(kind) & set("ADEFGHIJKLMNOPQR") and kind.operator.name == "keep":
            yield ("types", kind.name, "operator"), "keep leaves a direct identifier in the text"


def _kept_by_default(policy: Policy) -> Hits:
    if policy.default_operator.name == "keep":
        yield ("default_operator",), "a type that somebody adds without an operator would be kept"


def _undetected(policy: Policy) -> Hits:
    for kind in policy.types:
        if not {"rules", "encoder"} & set(kind.detect):
            yield (
                ("types", kind.name, "detect"),
                "neither rules nor the encoder look for this type in the text",
            )


def _read_by_encoder(policy: Policy) -> tuple[EntityType, ...]:
    return tuple(kind for kind in policy.types if "encoder" in kind.detect)


def _short_descriptions(policy: Policy) -> Hits:
    for kind in _read_by_encoder(policy):
        count = len(kind.description.split())
        if count < _FEWEST_WORDS:
            yield ("types", kind.name, "description"), f"{count} words tell the encoder too little"


def _without_examples(policy: Policy) -> Hits:
    for kind in _read_by_encoder(policy):
        if not kind.examples:
            yield ("types", kind.name), "no examples"


def _near_equal(policy: Policy) -> Hits:
    words = {
        kind.name: frozenset(re.findall(r"\w+", _STOP_WORDS.sub(" ", kind.description.lower())))
        for kind in _read_by_encoder(policy)
    }
    for first, second in combinations(words, 2):
        union = words[first] | words[second]
        if union and len(words[first] & words[second]) / len(union) >= _NEAR_EQUAL:
            yield (
                ("types", second, "description"),
                f"nearly the words of {first}: the encoder cannot tell them apart",
            )


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


def _unused_patterns(policy: Policy) -> Hits:
    for kind in policy.types:
        if kind.patterns and "rules" not in kind.detect:
            yield ("types", kind.name, "patterns"), "patterns are never used: detect does not name rules"


def _unknown_letters(policy: Policy) -> Hits:
    for kind in policy.types:
        if _letters(kind) - set(_LETTERS):
            yield ("types", kind.name, "hipaa"), "not a letter from A to R"


def _fixed_thresholds(policy: Policy) -> Hits:
    for kind in policy.types:
        if kind.threshold != "calibrated":
            yield (
                ("types", kind.name, "threshold"),
                "a threshold set by hand has no measured recall behind it",
            )


def _old_census(policy: Policy) -> Hits:
    if policy.method == _SAFE_HARBOR and policy.zip3_census in ("2000", "2010"):
        yield ("zip3_census",), f"the {policy.zip3_census} list is not the current one"


_REMOVE = "set an operator that removes it, such as redact, or hipaa: null where the item does not apply"
_GROUP = "extend base, or add a type with this letter and tag and let rules or the encoder look for it"
_RANDOM = "use pseudonym: {code: random}, surrogate or redact, or document an expert determination"
_DECIDE = "redact it or give it a surrogate, or write down who decided that it stays"
_SITUATE = "say what it is, where it stands in a note and which words surround it"
_REWRITE = "rewrite it; put context into the pattern and the mention into (?P<phi>...)"
_ITEMS, _GUIDE = "45 CFR 164.514(b)(2)(i)", "docs/policy-guide.md"
RULES: tuple[Rule, ...] = (
    Rule("DP001", "error", "45 CFR 164.514(b)(2)(i), (e)(2)", _GROUP, _missing_items),
    Rule("DP002", "error", f"{_ITEMS}(C)", "use generalize: {to: year} or redact", _kept_dates),
    Rule("DP003", "error", f"{_ITEMS}(B)", "use generalize: {to: zip3} or redact", _long_zip_codes),
    Rule("DP004", "error", f"{_ITEMS}(C)", "use generalize: {to: age_90_plus} or redact", _kept_ages),
    Rule("DP005", "error", "45 CFR 164.514(c)", _RANDOM, _derived_codes),
    Rule("DP006", "error", _ITEMS, _REMOVE, _kept_items),
    Rule("DP007", "error", "45 CFR 164.514(e)(2)", _REMOVE, _kept_limited_items),
    Rule("DP008", "warning", "45 CFR 164.514(b)(1)", _DECIDE, _kept_direct_identifiers),
    Rule("DP009", "error", _GUIDE, "use default_operator: redact", _kept_by_default),
    Rule("DP010", "warning", _GUIDE, "add encoder or rules to detect", _undetected),
    Rule("DP011", "warning", _GUIDE, _SITUATE, _short_descriptions),
    Rule("DP012", "warning", _GUIDE, "add four to eight invented surface forms", _without_examples),
    Rule("DP013", "warning", _GUIDE, "say in both what tells them apart, or merge the types", _near_equal),
    Rule("DP014", "error", "google-re2 syntax", _REWRITE, _broken_patterns),
    Rule("DP015", "error", _GUIDE, "ask for a label or a fixed shape", _loose_patterns),
    Rule("DP016", "warning", _GUIDE, "add rules to detect", _unused_patterns),
    Rule("DP017", "error", _ITEMS, "use letters from A to R, or leave the key out", _unknown_letters),
    Rule("DP018", "warning", _GUIDE, "use threshold: calibrated", _fixed_thresholds),
    Rule("DP019", "warning", f"{_ITEMS}(B)", "use zip3_census: union or 2020", _old_census),
)

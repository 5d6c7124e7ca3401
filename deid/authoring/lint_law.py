"""Checks of a policy against the rule that its method names."""

from __future__ import annotations

from collections.abc import Callable, Collection

from deid.authoring.lint_rule import (
    EXPERT,
    LIMITED,
    SAFE_HARBOR,
    Hits,
    Rule,
    leaves_part,
    letters,
    tag,
    value,
)
from deid.policy import EntityType, Policy

LETTERS = "ABCDEFGHIJKLMNOPQR"
# Letters of (b)(2)(i) with a counterpart in (e)(2), and its numeral there; of B only the street address.
_LIMITED_ITEMS = {
    "A": "i", "B": "ii", "D": "iii", "E": "iv", "F": "v", "G": "vi", "H": "vii", "I": "viii", "J": "ix",
    "K": "x", "L": "xi", "M": "xii", "N": "xiii", "O": "xiv", "P": "xv", "Q": "xvi",
}  # fmt: skip
# i2b2 tags without which an item is covered in part only.
_PARTS = {"B": ("STREET", "CITY", "ZIP"), "C": ("DATE", "AGE")}
_OLD_CENSUSES = ("2000", "2010")


def _has_own_check(entity_type: EntityType) -> bool:
    return "C" in letters(entity_type) or tag(entity_type) == "ZIP"


def _safe_harbor_check(
    applies: Callable[[EntityType], bool], kept: Collection[str], targets: Collection[str], what: str
) -> Callable[[Policy], Hits]:
    def check(policy: Policy) -> Hits:
        for kind in policy.types if policy.method == SAFE_HARBOR else ():
            if applies(kind) and leaves_part(kind, kept, targets):
                yield ("types", kind.name, "operator"), f"{kind.operator.name} leaves {what}"

    return check


def _missing_items(policy: Policy) -> Hits:
    if policy.method not in (SAFE_HARBOR, LIMITED):
        return
    looked_for = [kind for kind in policy.types if {"rules", "encoder"} & set(kind.detect)]
    parts = _PARTS if policy.method == SAFE_HARBOR else {"B": ("STREET",)}
    for letter in LETTERS if policy.method == SAFE_HARBOR else _LIMITED_ITEMS:
        item = f"(b)(2)(i)({letter})" if policy.method == SAFE_HARBOR else f"(e)(2)({_LIMITED_ITEMS[letter]})"
        found = {tag(kind) for kind in looked_for if letter in letters(kind)}
        missing = [part for part in parts.get(letter, ()) if part not in found]
        if missing:
            yield (
                ("types",),
                f"no type with hipaa {letter} and i2b2 {', '.join(missing)} is looked for: 164.514{item}",
            )
        elif not found:
            yield ("types",), f"no type with hipaa {letter} is looked for: item 164.514{item}"
        whole = policy.method == SAFE_HARBOR or letter != "B"
        for kind in policy.dropped if found and whole else ():
            if letter in letters(kind) and tag(kind) not in missing:
                yield ("types", kind.name), f"dropped: its part of item 164.514{item} is not looked for"


_kept_dates = _safe_harbor_check(
    lambda kind: "C" in letters(kind) and tag(kind) != "AGE",
    ("keep", "shift_date", "surrogate"),
    ("year",),
    "more of a date than the year",
)
_long_zip_codes = _safe_harbor_check(
    lambda kind: tag(kind) == "ZIP", ("keep",), ("zip3", "state"), "more than the first three digits"
)
_kept_ages = _safe_harbor_check(
    lambda kind: tag(kind) == "AGE", ("keep", "shift_date"), ("age_90_plus",), "ages over 89"
)
_kept_items = _safe_harbor_check(
    lambda kind: bool(letters(kind) & set(LETTERS)) and not _has_own_check(kind),
    ("keep",),
    (),
    "an item of the list or a part of it",
)


def _derived_codes(policy: Policy) -> Hits:
    for kind in policy.types if policy.method == SAFE_HARBOR else ():
        name = kind.operator.name
        keyed = name == "pseudonym" and kind.operator.params.get("code") == "keyed"
        if keyed or name in ("hash", "encrypt"):
            yield (
                ("types", kind.name, "operator"),
                f"{name} derives its code from information about the individual",
            )


def _kept_limited_items(policy: Policy) -> Hits:
    for kind in policy.types if policy.method == LIMITED else ():
        named = letters(kind) & set(_LIMITED_ITEMS)
        if tag(kind) != "STREET":
            named -= {"B"}
        if named and leaves_part(kind, ("keep",), ()):
            items = ", ".join(_LIMITED_ITEMS[letter] for letter in sorted(named))
            yield (
                ("types", kind.name, "operator"),
                f"{kind.operator.name} leaves item ({items}) or a part of it",
            )


def _kept_direct_identifiers(policy: Policy) -> Hits:
    for kind in () if policy.method in (SAFE_HARBOR, LIMITED) else policy.types:
        if letters(kind) & set("ADEFGHIJKLMNOPQR") and leaves_part(kind, ("keep",), ()):
            what = f"{kind.operator.name} leaves a direct identifier or a part of it in the text"
            yield ("types", kind.name, "operator"), what


def _dropped(policy: Policy) -> Hits:
    for kind in () if policy.method in (SAFE_HARBOR, LIMITED) else policy.dropped:
        if named := letters(kind) & set(LETTERS):
            items = ", ".join(f"({letter})" for letter in sorted(named))
            yield ("types", kind.name), f"dropped, though it belongs to {items}: nothing looks for it"


def _unknown_letters(policy: Policy) -> Hits:
    for kind in policy.types:
        if letters(kind) - set(LETTERS):
            yield ("types", kind.name, "hipaa"), "not a letter from A to R"


def _old_census(policy: Policy) -> Hits:
    if policy.method != SAFE_HARBOR:
        return
    if policy.zip3_census in _OLD_CENSUSES:
        yield ("zip3_census",), f"the {policy.zip3_census} list is not the current one"
    for kind in policy.types:
        census = kind.operator.params.get("zip3_census")
        if kind.operator.params.get("to") == "zip3" and census in _OLD_CENSUSES:
            yield ("types", kind.name, "operator"), f"the {census} list is not the current one"


def _ages_for_an_expert(policy: Policy) -> Hits:
    for kind in policy.types if policy.method == EXPERT else ():
        if value(kind) == "age" and kind.operator.name == "keep":
            yield ("types", kind.name, "operator"), "keep leaves ages over 89, which few people have"


_REMOVE = "set an operator that removes it, such as redact, or hipaa: null where the item does not apply"
_GROUP = (
    "extend base and drop none of its types with a letter, or add a type with this letter and tag and let"
    " rules or the encoder look for it"
)
_LET_STAND = "let the type stand with an operator; with keep its mentions stay too, but are found and counted"
_RANDOM = "use pseudonym: {code: random}, surrogate or redact, or document an expert determination"
_DECIDE = "redact it or give it a surrogate, or write down who decided that it stays"
_ITEMS, _EXPERT = "45 CFR 164.514(b)(2)(i)", "45 CFR 164.514(b)(1)"
LAW_RULES: tuple[Rule[Policy], ...] = (
    Rule("DP001", "error", "45 CFR 164.514(b)(2)(i), (e)(2)", _GROUP, _missing_items),
    Rule("DP002", "error", f"{_ITEMS}(C)", "use generalize: {to: year} or redact", _kept_dates),
    Rule("DP003", "error", f"{_ITEMS}(B)", "use generalize: {to: zip3} or redact", _long_zip_codes),
    Rule("DP004", "error", f"{_ITEMS}(C)", "use generalize: {to: age_90_plus} or redact", _kept_ages),
    Rule("DP005", "error", "45 CFR 164.514(c)", _RANDOM, _derived_codes),
    Rule("DP006", "error", _ITEMS, _REMOVE, _kept_items),
    Rule("DP007", "error", "45 CFR 164.514(e)(2)", _REMOVE, _kept_limited_items),
    Rule("DP008", "warning", _EXPERT, _DECIDE, _kept_direct_identifiers),
    Rule("DP017", "error", _ITEMS, "use letters from A to R, or leave the key out", _unknown_letters),
    Rule("DP019", "warning", f"{_ITEMS}(B)", "use zip3_census: union or 2020", _old_census),
    Rule("DP020", "warning", _EXPERT, "use generalize: {to: age_90_plus}", _ages_for_an_expert),
    Rule("DP038", "warning", _ITEMS, _LET_STAND, _dropped),
)

"""Checks of operators beyond any method: what they give away, and what they lose."""

from __future__ import annotations

from collections.abc import Iterator

from deid.authoring.lint_rule import EXPERT, GUIDE, Hits, Rule, value
from deid.policy import EntityType, Policy
from deid.policy_operators import PARAMETERS

_WEEK = 7
_FEWEST_OFFSETS = 50
# Values that can be the patient's own, so that the patient's code may stand for them.
_OF_PATIENT = ("identifier", "username", "phone", "email", "url", "ip_address")


def _kept_by_default(policy: Policy) -> Hits:
    if policy.default_operator.name == "keep":
        yield ("default_operator",), "a type that somebody adds without an operator would be kept"


def _shifted(policy: Policy) -> Iterator[tuple[EntityType, int, bool]]:
    """Yield the types whose dates are shifted, with their largest offset and whether weekdays stay."""
    defaults = PARAMETERS["shift_date"]
    for kind in policy.types:
        if kind.operator.name == "shift_date":
            given = {name: kind.operator.params.get(name, defaults[name].default) for name in defaults}
            yield kind, int(given["max_days"] or 0), bool(given["weekday"])


def _kept_beside_shifted(policy: Policy) -> Hits:
    shifted = [kind.name for kind, _, _ in _shifted(policy)]
    for kind in policy.types if shifted else ():
        if value(kind) == "date" and kind.operator.name == "keep":
            what = f"a kept date beside its shifted one ({', '.join(shifted)}) tells the patient's offset"
            yield ("types", kind.name, "operator"), what


def _lost_intervals(policy: Policy) -> Hits:
    for kind in policy.types if policy.method == EXPERT else ():
        if value(kind) == "date" and kind.operator.params.get("to") == "year":
            yield ("types", kind.name, "operator"), "a year alone loses the days between events"


def _shifted_apart(policy: Policy) -> Hits:
    shifted = list(_shifted(policy))
    for kind, *way in shifted[1:]:
        if tuple(way) != shifted[0][1:]:
            what = f"moves by another offset than {shifted[0][0].name}: days between the two types are lost"
            yield ("types", kind.name, "operator"), what


def _few_offsets(policy: Policy) -> Hits:
    for kind, most, weekday in _shifted(policy):
        offsets = 2 * (most // (_WEEK if weekday else 1))
        if offsets < _FEWEST_OFFSETS:
            yield ("types", kind.name, "operator"), f"one of only {offsets} offsets can be guessed"


def _told_lengths(policy: Policy) -> Hits:
    for kind in policy.types:
        if kind.operator.name == "mask" and kind.operator.params.get("length") == "same":
            yield ("types", kind.name, "operator"), "a sign for each character tells length and shape"


def _codes_of_others(policy: Policy) -> Hits:
    for kind in policy.types:
        code = kind.operator.params.get("code") if kind.operator.name == "pseudonym" else None
        own = kind.name == "PATIENT_NAME" or value(kind) in (None, *_OF_PATIENT)
        if code in ("random", "keyed") and not own:
            what = "the code is the patient's: all mentions in a patient's notes would get the same one"
            yield ("types", kind.name, "operator"), what


_OFFSET = "shift both, or redact the one that is kept"
_FIXED = "leave length out: eight signs stand for any value"
OPERATOR_RULES: tuple[Rule[Policy], ...] = (
    Rule("DP009", "error", GUIDE, "use default_operator: redact", _kept_by_default),
    Rule("DP021", "warning", GUIDE, _OFFSET, _kept_beside_shifted),
    Rule("DP022", "warning", "45 CFR 164.514(b)(1)", "use shift_date, or say why not", _lost_intervals),
    Rule("DP023", "warning", GUIDE, "give all types the same max_days and weekday", _shifted_apart),
    Rule("DP024", "warning", GUIDE, "raise max_days; 365 is the default", _few_offsets),
    Rule("DP025", "warning", GUIDE, _FIXED, _told_lengths),
    Rule("DP026", "warning", GUIDE, "use pseudonym without a code, or surrogate", _codes_of_others),
)

"""Checks of what the detectors read of a type: description, examples, patterns, threshold."""

from __future__ import annotations

import re
from itertools import combinations

from deid.authoring.lint_rule import GUIDE, Hits, Rule, value
from deid.policy import EntityType, Policy

_STOP_WORDS = re.compile(
    r"\b(?:an?|and|any|are|as|at|be|by|for|from|has|in|is|its?|not?|of|on|or|such|that|the|this|to|which|who|with)\b"
)
_NEAR_EQUAL = 0.7
_FEWEST_WORDS = 6
_WORDS_WITHOUT_CUES = 25  # a longer description tells by its words what surrounds the mention
_WORDS_WITHOUT_CUES = 25  # a longer description tells by its words what surrounds the mention
_CUES = re.compile(
    r"\b(?:after|before|beside|between|behind|near|next to|follow(?:s|ed|ing)?|preced(?:es|ed|ing)|begins?"
    r"|stands?|ends?|heads?|headings?|header|footer|labels?|letterhead|as in|such as|appears?|section"
    r"|at the (?:top|foot|end|start)"
    r"|in (?:the|an?) (?:\w+ ){0,2}(?:line|note|history|field|letter|report|form))\b",
    re.IGNORECASE,
)
# What people write while they have no example yet.
_PLACEHOLDERS = frozenset({
    "", "x", "n/a", "na", "none", "null", "nil", "tbd", "todo", "fixme", "foo", "bar", "baz", "qux", "abc",
    "abcd", "dummy", "sample", "example", "test", "testing", "placeholder", "name", "value", "string", "text",
    "first name", "last name", "full name", "your name", "the name", "john doe", "jane doe", "doe, john",
    "doe, jane", "john q. public", "john smith", "jane smith", "joe bloggs", "max mustermann", "acme",
    "acme inc", "acme inc.", "anytown", "anywhere", "123-45-6789", "078-05-1120", "00/00/0000", "99/99/9999",
    "mm/dd/yyyy", "dd/mm/yyyy", "yyyy-mm-dd", "dd.mm.yyyy", "123 main st", "123 main st.",
    "123 main street", "foo@bar.com", "user@example.com", "name@example.com",
})  # fmt: skip
_TEMPLATE = re.compile(r"<.*>|\[.*\]|\{.*\}|⟦.*⟧|lorem ipsum.*", re.IGNORECASE | re.DOTALL)
_COUNTING = "01234567890123456789"
_TITLE = re.compile(
    r"^(?:dr|mr|mrs|ms|miss|prof)\b\.?\s+|,?\s(?:m\.?d|r\.?n|d\.?o|ph\.?d|n\.?p|pa-c)\.?$", re.IGNORECASE
)
_LABELED = re.compile(
    r"^(?:[a-z][a-z .]*:|(?:no|nr|number|id|ssn|mrn|dob|tel|fax|phone|npi|acct)(?:[.:#]+|\s))\s*(?=\S)",
    re.IGNORECASE,
)
_OLD = re.compile(r"[\s-]*(?:years?[\s-]*old|\by/?o|\byears(?: of age)?)$", re.IGNORECASE)
# How a mention is marked (docs/policy-guide.md): what may not stand in an example of these values.
_OUTSIDE = {
    "person_name": ((_TITLE, "a title or degree"), (re.compile(r"['’]s$"), "a possessive 's")),
    "age": ((_OLD, "what follows the number of years"),),
    **dict.fromkeys(("identifier", "phone", "date", "zip_code"), ((_LABELED, "a label"),)),
}


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


def _without_cues(policy: Policy) -> Hits:
    for kind in _read_by_encoder(policy):
        wordings = (kind.description, *kind.views)
        count = len(kind.description.split())
        if _FEWEST_WORDS <= count < _WORDS_WITHOUT_CUES and not any(map(_CUES.search, wordings)):
            what = "nothing says where in a note it stands and which words surround it"
            yield ("types", kind.name, "description"), what


def _is_placeholder(example: str) -> bool:
    text = example.strip()
    digits = "".join(filter(str.isdigit, text))
    solid = "".join(filter(str.isalnum, text))
    counting = len(digits) >= 4 and digits in _COUNTING and digits == solid
    repeated = len(solid) >= 3 and len(set(solid.lower())) == 1
    return (
        text.lower() in _PLACEHOLDERS or bool(_TEMPLATE.fullmatch(text)) or counting or repeated or not solid
    )


def _placeholders(policy: Policy) -> Hits:
    for kind in policy.types:
        for index, example in enumerate(kind.examples):
            if _is_placeholder(example):
                what = "a placeholder: the encoder takes it for what notes look like"
                yield ("types", kind.name, "examples", index), what


def _marked_otherwise(policy: Policy) -> Hits:
    for kind in policy.types:
        for index, example in enumerate(kind.examples):
            for pattern, what in _OUTSIDE.get(value(kind) or "", ()):
                if pattern.search(example):
                    yield ("types", kind.name, "examples", index), f"{what} is no part of a mention"


def as_marked(kind: EntityType, example: str) -> str:
    """Return an example without what is no part of a mention; what is left may be empty.

    Args:
        kind: Its type.
        example: The example.
    """
    for pattern, _ in _OUTSIDE.get(value(kind) or "", ()):
        example = pattern.sub("", example).strip(" ,.:#")
    return example


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


def _fixed_thresholds(policy: Policy) -> Hits:
    for kind in policy.types:
        if kind.threshold != "calibrated":
            yield (
                ("types", kind.name, "threshold"),
                "a threshold set by hand has no measured recall behind it",
            )


_SITUATE = "say what it is, where it stands in a note and which words surround it"
_INVENT = "invent surface forms as your notes write them, of every shape, or leave it out"
WORDING_RULES: tuple[Rule[Policy], ...] = (
    Rule("DP010", "warning", GUIDE, "add encoder or rules to detect", _undetected),
    Rule("DP011", "warning", GUIDE, _SITUATE, _short_descriptions),
    Rule("DP012", "warning", GUIDE, "add four to eight invented surface forms", _without_examples),
    Rule("DP013", "warning", GUIDE, "say in both what tells them apart, or merge the types", _near_equal),
    Rule("DP018", "warning", GUIDE, "use threshold: calibrated", _fixed_thresholds),
    Rule("DP027", "warning", GUIDE, _SITUATE, _without_cues),
    Rule("DP028", "warning", GUIDE, _INVENT, _placeholders),
    Rule("DP029", "warning", GUIDE, "write it as it will be marked", _marked_otherwise),
)

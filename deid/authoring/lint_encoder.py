"""Checks by the encoder itself: what it makes of a policy's own examples in sentences that name their type.

Types that the model was calibrated on, worded as they were, have measured recall; what is asked here is what
new and reworded types do among them. A policy without any needs no model but its list of thresholds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import re2

from deid.authoring.lint_rule import GUIDE, Hits, Rule
from deid.policy import EntityType, OperatorSpec, Policy

if TYPE_CHECKING:
    from deid.authoring.policy_tests import PolicyTest
    from deid.encoder.interface import DescribedTypes, Encoder
    from deid.encoder.model import TypeVectors

_CARRIERS = ("{label}: {example}", "Reviewed today with the family. {label} {example}, as told before.")
_MOST_EXAMPLES = 4  # of a type that the model was calibrated on, each in one sentence
_FEWEST = 2
_NEARLY_THE_SAME = (
    0.93  # cosine; types of the shipped policies reach .91, two wordings of one type .91 to .99
)
_NOTHING = ""


@dataclass(frozen=True, slots=True)
class Confusion:
    """What the encoder makes of the mentions of a type.

    Args:
        found: Mentions by the type found there; those that are not found under an empty name.
        examples: An example of the policy for each of these types.
    """

    found: Mapping[str, int]
    examples: Mapping[str, str]

    @property
    def mentions(self) -> int:
        """How many mentions were tried."""
        return sum(self.found.values())

    def mostly(self) -> str | None:
        """Return the type that more than half of the mentions are found as; None if there is none."""
        for name, count in self.found.items():
            if self.mentions >= _FEWEST and 2 * count > self.mentions:
                return name
        return None


@dataclass(frozen=True, slots=True)
class Measured:
    """A policy and what an encoder makes of it.

    Args:
        policy: The policy.
        calibrated: Calibrated thresholds of the types that the model knows as they are worded.
        confusions: By type, of those that were tried.
        alike: Pairs of types whose descriptions give nearly the same vector.
    """

    policy: Policy
    calibrated: Mapping[str, float]
    confusions: Mapping[str, Confusion]
    alike: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Mention:
    entity_type: str
    text: str
    start: int
    end: int
    example: str = ""


def measure(policy: Policy, *, model: Path | None = None, tests: Sequence[PolicyTest] = ()) -> Measured:
    """Try the examples of a policy's types on the encoder.

    Args:
        policy: The policy.
        model: A model folder; the shipped one when None.
        tests: Texts with mentions that stand beside the policy.

    Raises:
        DeidError: if the model cannot be loaded.
    """
    from deid.encoder.load import load_encoder
    from deid.encoder.model import TypeVectors

    types = {kind.name: kind for kind in policy.types if "encoder" in kind.detect}
    calibrated = _calibrated(types, model)
    if len(calibrated) == len(types):
        return Measured(policy, calibrated, {}, ())
    encoder = load_encoder(model)
    by_hand = {name: float(kind.threshold) for name, kind in types.items() if kind.threshold != "calibrated"}
    described = encoder.describe(types, thresholds=by_hand)
    mentions = [each for each in _mentions(types, calibrated, tests) if not _is_found_by_pattern(each, types)]
    alike = tuple(_alike(described, calibrated)) if isinstance(described, TypeVectors) else ()
    return Measured(policy, calibrated, _confusions(encoder, described, mentions), alike)


def _calibrated(types: Mapping[str, EntityType], model: Path | None) -> dict[str, float]:
    """Return the thresholds of the types that a model was calibrated on; only our own models are."""
    from deid.encoder.load import Kind, kind_of
    from deid.encoder.model import is_calibrated
    from deid.encoder.weights import ModelFolder, default_folder

    folder = model or default_folder()
    if kind_of(folder) in (Kind.CROSS, Kind.GLINER):
        return {}
    calibration = ModelFolder.open(folder).calibration()
    return {
        name: float(calibration.thresholds[name])
        for name, kind in types.items()
        if is_calibrated(calibration, name, kind)
    }


def _mentions(
    types: Mapping[str, EntityType], calibrated: Mapping[str, float], tests: Sequence[PolicyTest]
) -> Iterator[_Mention]:
    for kind in types.values():
        label = min((*kind.views, kind.name.replace("_", " ").lower()), key=len).rstrip(".")
        few = kind.name in calibrated
        for carrier in _CARRIERS[:1] if few else _CARRIERS:
            before = carrier.partition("{example}")[0].format(label=label[:1].upper() + label[1:])
            after = carrier.partition("{example}")[2]
            for example in kind.examples[: _MOST_EXAMPLES if few else None]:
                end = len(before) + len(example)
                yield _Mention(kind.name, before + example + after, len(before), end, example)
    for test in tests:
        for each in test.mentions:
            if each.entity_type in types:
                yield _Mention(each.entity_type, test.text, each.start, each.end)


def _is_found_by_pattern(mention: _Mention, types: Mapping[str, EntityType]) -> bool:
    """Say whether a pattern of its own type finds a mention, so that nothing hangs on the encoder."""
    kind = types[mention.entity_type]
    options = re2.Options()
    options.log_errors = False
    for spec in kind.patterns if "rules" in kind.detect else ():
        options.case_sensitive = not spec.ignore_case
        try:
            pattern = re2.compile(f"(?m){spec.regex}", options)
        except re2.error:
            continue
        for match in pattern.finditer(mention.text):
            start, end = match.span(pattern.groupindex.get("phi", 0))
            if start < mention.end and mention.start < end:
                return True
    return False


def _confusions(
    encoder: Encoder[Any], described: DescribedTypes, mentions: Sequence[_Mention]
) -> dict[str, Confusion]:
    texts = list(dict.fromkeys(each.text for each in mentions))
    found = dict(zip(texts, encoder.find(texts, described), strict=True))
    counts: dict[str, Counter[str]] = {}
    examples: dict[str, dict[str, str]] = {}
    for each in mentions:
        letters: Counter[str] = Counter()
        for hit in found[each.text]:
            common = min(each.end, hit.end) - max(each.start, hit.start)
            letters[described.names[hit.type_index]] += max(0, common)
        name, covered = max(letters.items(), key=lambda pair: pair[1], default=(_NOTHING, 0))
        taken = name if 2 * covered >= each.end - each.start else _NOTHING
        counts.setdefault(each.entity_type, Counter())[taken] += 1
        if each.example:
            examples.setdefault(each.entity_type, {}).setdefault(taken, each.example)
    return {name: Confusion(dict(found), examples.get(name, {})) for name, found in counts.items()}


def _alike(vectors: TypeVectors, calibrated: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Yield pairs whose inside and begin vectors both nearly agree, two calibrated types left out."""
    for at, first in enumerate(vectors.names):
        for later, second in enumerate(vectors.names[at + 1 :], at + 1):
            closeness = (vectors.vectors[at] * vectors.vectors[later]).sum(-1).min()
            if closeness >= _NEARLY_THE_SAME and not {first, second} <= calibrated.keys():
                yield first, second


def _such_as(confusion: Confusion, name: str) -> str:
    example = confusion.examples.get(name)
    return "" if example is None else f", such as {example!r}"


def _confused(measured: Measured) -> Hits:
    for name, confusion in measured.confusions.items():
        other = confusion.mostly()
        if name not in measured.calibrated and other and other != name:
            count = f"{confusion.found[other]} of {confusion.mentions}"
            what = f"the encoder takes {count} of its mentions for {other}{_such_as(confusion, other)}"
            yield ("types", name, "description"), what


def _taken_over(*, kept: bool) -> Callable[[Measured], Hits]:
    def check(measured: Measured) -> Hits:
        for name, confusion in measured.confusions.items():
            other = confusion.mostly()
            if not other or other == name:
                continue
            own, new = (measured.policy.type(each).operator for each in (name, other))
            if own != new and (new.name == "keep") == kept and (kept or name in measured.calibrated):
                count = f"{confusion.found[other]} of {confusion.mentions}"
                what = f"the encoder takes {count} mentions of {name} for it{_such_as(confusion, other)}"
                place = ("types", other, "description")
                yield place, f"{what}: they would get {_named(new)} in place of {_named(own)}"

    return check


def _named(operator: OperatorSpec) -> str:
    params = ", ".join(f"{key}: {value}" for key, value in operator.params.items())
    return f"{operator.name} ({params})" if params else operator.name


def _same_vector(measured: Measured) -> Hits:
    for first, second in measured.alike:
        later = first if second in measured.calibrated else second
        other = second if later == first else first
        yield ("types", later, "description"), f"to the encoder it says nearly the same as that of {other}"


def _not_found(measured: Measured) -> Hits:
    for name, confusion in measured.confusions.items():
        if name not in measured.calibrated and confusion.mostly() == _NOTHING:
            count = f"{confusion.found[_NOTHING]} of {confusion.mentions}"
            what = f"the encoder does not find {count} of its own mentions{_such_as(confusion, _NOTHING)}"
            yield ("types", name, "description"), what


def _high_thresholds(measured: Measured) -> Hits:
    for kind in measured.policy.types:
        calibrated = measured.calibrated.get(kind.name)
        if calibrated is not None and kind.threshold != "calibrated" and float(kind.threshold) > calibrated:
            what = f"set by hand to {kind.threshold:g}, it finds less than the calibrated {calibrated:.3g}"
            yield ("types", kind.name, "threshold"), what


_APART = (
    "say in both descriptions what tells them apart, name the other type in the contrast, or add a pattern"
)
_NARROW = "name in the contrast what is not meant, or give both the same operator"
_WORDS = "use the words of the notes in description and views, add a pattern, or look at deid policy suggest"
ENCODER_RULES: tuple[Rule[Measured], ...] = (
    Rule("DP032", "warning", GUIDE, "use threshold: calibrated", _high_thresholds),
    Rule("DP033", "warning", GUIDE, _APART, _confused),
    Rule("DP034", "warning", GUIDE, _NARROW, _taken_over(kept=False)),
    Rule("DP035", "warning", GUIDE, _APART, _same_vector),
    Rule("DP036", "warning", GUIDE, _WORDS, _not_found),
    Rule("DP037", "error", GUIDE, _NARROW, _taken_over(kept=True)),
)

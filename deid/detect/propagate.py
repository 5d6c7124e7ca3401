"""What was found once is found everywhere in the same patient's notes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from deid.detect.lists import word_list
from deid.detect.variants import NAME_TYPES, Form, FormSearch, name_forms, number_forms, phrase_forms
from deid.note import Finding
from deid.policy import Policy

# What many people share, or what is ambiguous by itself, says nothing about its other occurrences.
_LOCAL_TYPES = frozenset({"DATE", "AGE", "PROFESSION", "STATE", "COUNTRY", "ZIP_CODE"})
_LEAST_SCORE = 0.6  # a doubtful finding is not repeated
_LEAST_SINGLE = 0.8  # nor a single-word name that only the encoder saw, unless it is rather sure
_DECAY = 0.9
_IN_BRACKETS = re.compile(r" ?[(\[]([A-Z]{2,4})[)\]]")
_PART = re.compile(r"[^\W\d_]+")


def propagate(
    policy: Policy, texts: Sequence[str], findings: Sequence[Sequence[Finding]]
) -> list[tuple[Finding, ...]]:
    """Find names, numbers and places of one patient's notes again in all of them.

    Args:
        policy: Types whose ``detect`` lacks ``propagation`` are left alone.
        texts: The notes of one patient.
        findings: What the detectors found in each.

    Returns:
        For each note the further findings; those that only repeat what is there already are left out.
    """
    types = {kind.name for kind in policy.types if "propagation" in kind.detect}
    forms: dict[tuple[str, str], Form] = {}
    for text, found in zip(texts, findings, strict=True):
        for finding in found:
            if finding.entity_type in types and finding.score >= _LEAST_SCORE:
                surface = text[finding.start : finding.end]
                for form in (*_forms(surface, finding), *_initials_behind(text, surface, finding)):
                    _keep_strongest(forms, form)
    if not forms:
        return [() for _ in texts]
    search = FormSearch(forms.values())
    return [_new(search.find(text), found) for text, found in zip(texts, findings, strict=True)]


def _forms(surface: str, finding: Finding) -> Iterator[Form]:
    kind, like = finding.entity_type, _like(finding)
    if kind in NAME_TYPES:
        single = len(surface.split()) == 1
        if not (single and finding.detector == "encoder" and finding.score < _LEAST_SINGLE):
            yield from name_forms(surface, like, certain=False)
    elif kind not in _LOCAL_TYPES:
        yield from number_forms(surface, like)
        if any(sign.isalpha() for sign in surface):
            yield from phrase_forms(surface, like)


def _initials_behind(text: str, surface: str, finding: Finding) -> Iterator[Form]:
    """Yield a person's initials where they stand in brackets behind the name: `Emyr Bowen-Rees (EBR)`."""
    behind = _IN_BRACKETS.match(text, finding.end) if finding.entity_type in NAME_TYPES else None
    if behind:
        letters = behind[1].casefold()
        own = "".join(part[0] for part in _PART.findall(surface.casefold()))
        if letters == own and letters not in word_list("clinical_abbreviations"):
            yield Form(letters, compact=False, capital=True, finding=_like(finding))


def _like(finding: Finding) -> Finding:
    score = round(finding.score * _DECAY, 3)
    return Finding(0, 1, finding.entity_type, score, "propagation", finding.detector)


def _keep_strongest(forms: dict[tuple[str, str], Form], form: Form) -> None:
    key = (form.text, form.finding.entity_type)
    if key not in forms or forms[key].finding.score < form.finding.score:
        forms[key] = form


def _new(found: Sequence[Finding], known: Sequence[Finding]) -> tuple[Finding, ...]:
    """Leave out occurrences that lie inside what was found before."""
    outer: Mapping[str, list[Finding]] = {kind: [] for kind in {finding.entity_type for finding in found}}
    for finding in known:
        if finding.entity_type in outer:
            outer[finding.entity_type].append(finding)
    return tuple(
        finding
        for finding in found
        if not any(
            other.start <= finding.start and finding.end <= other.end for other in outer[finding.entity_type]
        )
    )

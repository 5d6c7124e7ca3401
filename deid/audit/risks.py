"""What a policy does to dates, ages and ZIP codes, and what risk a run leaves, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deid.audit.evidence import Evidence
from deid.audit.safe_harbor import ITEMS, operator_words
from deid.policy import EntityType, Policy

_TREATED = {"DATE": "DATE", "AGE": "AGE", "ZIP_CODE": "ZIP"}
_EFFECTS: Mapping[str, str] = {
    "keep": "left as it is",
    "redact": "removed; a marker says that something stood there",
    "mask": "hidden sign by sign; its length stays",
    "surrogate": "replaced by an invented one",
    "hash": "replaced by a keyed digest; the same value gives the same digest",
    "encrypt": "encrypted; who holds the key can read it",
    "pseudonym": "replaced by a code",
    "shift_date": "moved by a number of days that is one patient's own; intervals stay",
}
_GENERALIZED: Mapping[str, str] = {
    "year": "only the year stays, and not where it tells an age over 89",
    "age_90_plus": "ages over 89 become one category, 90+; younger ones stay",
    "zip3": "three digits stay where the area holds more than 20,000 people, else 000",
    "state": "only the state stays",
}


def treatments(policy: Policy) -> tuple[tuple[str, str, str], ...]:
    """Return type, operator and effect for dates, ages and ZIP codes.

    Args:
        policy: The policy in force.
    """
    return tuple(
        (kind.name, operator_words(kind.operator), _effect(kind))
        for kind in policy.types
        if (kind.i2b2 or kind.name) in _TREATED.values() or kind.name in _TREATED
    )


def _effect(kind: EntityType) -> str:
    if kind.operator.name == "generalize":
        target = str(kind.operator.params.get("to"))
        return _GENERALIZED[target]
    return _EFFECTS[kind.operator.name]


def risks(manifest: Mapping[str, Any], policy: Policy, evidence: Evidence) -> tuple[str, ...]:
    """Return what remains after a run.

    Args:
        manifest: The run's.
        policy: The policy in force.
        evidence: What is known of the run's quality.
    """
    return (
        *_of_detection(manifest, evidence),
        *_of_review(evidence),
        *_of_policy(policy),
        *_of_run(manifest),
        "What notes tell without naming it can point to somebody: a rare disease, an unusual job, an"
        " event in the"
        " news. Under 45 CFR 164.514(b)(2)(ii) nobody may know that what remains could identify a person.",
        "Only text is worked on. Photographs, scans and attachments are not looked at.",
    )


def _of_detection(manifest: Mapping[str, Any], evidence: Evidence) -> Iterator[str]:
    if evidence.evaluation is None:
        yield "No figures were given: how many mentions the detectors miss is not known from this report."
        return
    figures = {name: each["value"] for name, each in evidence.evaluation["figures"].items()}
    notes = evidence.evaluation["notes"]
    yield (
        f"Detectors miss some mentions. On {notes:,} marked notes they found"
        f" {100 * figures['recall']:.1f} % of the"
        f" mentions; {100 * (1 - figures['notes_without_leak']):.1f} % of the notes had at least one that"
        f" was missed,"
        " in whole or in part. Notes of other kinds and places can be harder."
    )
    if not evidence.fits(manifest):
        yield (
            "These figures were measured with another policy or model than this run's"
            f" (policy {evidence.evaluation['policy']['name']}"
            f" {evidence.evaluation['policy']['version']}): run"
            " deid evaluate with the policy in force on marked notes of your own."
        )


def _of_review(evidence: Evidence) -> Iterator[str]:
    review = evidence.review
    if review is None:
        yield (
            "No reading of a sample is recorded. Have one read before release: deid sample draws it, and"
            " deid report --review bounds the leak rate of this very run."
        )
        return
    yield (
        f"Of {review.notes.read:,} notes read, {review.notes.leaking:,} had a leak: with a confidence of"
        f" 95 %, at most"
        f" {review.leaking_in_run:,} of the {review.in_run:,} de-identified notes have one that a reader"
        f" would find."
    )
    if review.unread:
        yield (
            f"{review.unread:,} notes of the sample were not read. If they were left out because they are"
            f" hard to"
            " read, the bound is too low."
        )


def _of_policy(policy: Policy) -> Iterator[str]:
    kept = [kind.name for kind in policy.types if kind.operator.name == "keep"]
    if kept:
        yield f"Found and left in the text, as the policy says: {', '.join(kept)}."
    if policy.dropped:
        names = ", ".join(kind.name for kind in policy.dropped)
        yield f"Not looked for and left in the text wherever they stand, as the policy drops them: {names}."
    covered = {letter for kind in (*policy.types, *policy.dropped) for letter in kind.hipaa or ""}
    if bare := [f"({letter})" for letter in ITEMS if letter not in covered]:
        yield f"No type of the policy belongs to these items of 45 CFR 164.514(b)(2)(i): {', '.join(bare)}."
    shifted = [kind.name for kind in policy.types if kind.operator.name == "shift_date"]
    if shifted:
        yield "Shifted dates keep their intervals: a rare sequence of events can still be recognized."
    keyed = [kind.name for kind in policy.types if kind.operator.name in ("hash", "encrypt", "pseudonym")]
    if keyed:
        yield (
            f"Codes stand in the place of {', '.join(keyed)}: who holds the key or the crosswalk can go"
            f" back to the"
            " person. Keep them apart from the notes."
        )
    if any(kind.operator.name == "surrogate" for kind in policy.types):
        yield (
            "Surrogates look like the real thing: a reader cannot tell a missed name from an invented"
            " one. That"
            " protects, and it means that a leak is not seen by reading the output alone."
        )


def _of_run(manifest: Mapping[str, Any]) -> Iterator[str]:
    if columns := manifest["passed_through"]:
        yield f"Columns that look identifying were carried through untouched: {', '.join(columns)}."
    if left := sum(manifest["counts"]["quarantined"].values()):
        yield f"{left:,} notes were left out of the output; they are still at the source, with all they hold."
    if manifest["key"]["id"] is None:
        yield (
            "The audit log is not keyed: it shows accidents, not changes by somebody who can write the"
            " whole folder"
            " anew. Run with --key-file to bind it to a secret."
        )

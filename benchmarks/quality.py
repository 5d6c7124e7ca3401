"""What the pipeline finds in the dataset's notes, with each set of detectors.

    python benchmarks/quality.py [--split dev] [--policy safe-harbor] [--model DIR] [--stress]
                                 [--known]

Without ``--detect`` it prints a row for rules alone, the encoder alone, both, and all (with propagation).
``--known`` adds one for all with the known values of a patient table; patient_table.py says how it is made.
The test split is for measuring only: nobody tunes on it or reads its errors. Results go to
results/quality-SPLIT.json; those of the shipped policy and model on the test split also to
deid/audit/measured.json, from where audit reports take them.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from patient_table import patient_table
from throughput import machine

from deid.audit.evaluate import Evaluation, evaluate
from deid.audit.stress import as_json, stress
from deid.formats.gold import read_gold
from deid.note import KnownValue
from deid.policy import Policy, load_policy
from deid.run.pipeline import Deidentifier

HERE = Path(__file__).resolve().parent
MEASURED = HERE.parent / "deid" / "audit" / "measured.json"
ALL = "all"
KNOWN = "all, with known values"
SETS = ("rules", "encoder", "rules,encoder", ALL)
SHOWN = (
    "recall",
    "notes_without_leak",
    "precision",
    "over_redaction",
    "typed_strict_f1",
    "typed_relaxed_f1",
)


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", default="dev", help="dev or test, or a path to gold of one's own")
    parser.add_argument("--policy", default="safe-harbor")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--detect", action="append", help="detectors with commas; repeatable")
    parser.add_argument("--stress", action="store_true", help="also on perturbed copies, with all detectors")
    parser.add_argument("--known", action="store_true", help="also with the known values of a patient table")
    arguments = parser.parse_args()
    path = HERE / "dataset" / f"{arguments.split}.jsonl"
    gold = list(read_gold(path if path.is_file() else arguments.split))
    results: dict[str, Any] = {"split": arguments.split, "policy": arguments.policy, "detectors": {}}
    print(f"{'detectors':<28}" + "".join(f"{name.replace('_', ' '):>20}" for name in SHOWN))
    known = patient_table(gold) if arguments.known else None
    if known is not None:
        results["patient_table"] = sizes(known)
    for detectors in (*(arguments.detect or SETS), *([] if known is None else [KNOWN])):
        policy = load_policy(arguments.policy)
        if detectors not in (ALL, KNOWN):
            policy = restricted(policy, detectors.split(","))
        deidentifier = Deidentifier.for_detection(policy, model=arguments.model)
        evaluation = evaluate(gold, deidentifier, known=known if detectors == KNOWN else None)
        read = arguments.split != "test" and detectors in (ALL, KNOWN)
        results["detectors"][detectors] = summary(evaluation, causes=read)
        results["model"] = evaluation.model or results.get("model", "")
        results["gold"] = evaluation.gold
        print(f"{detectors:<28}" + "".join(f"{evaluation.figures[name]:>20.4f}" for name in SHOWN))
        if arguments.split == "test" and arguments.model is None and detectors == ALL:
            write(MEASURED, summary(evaluation))
    if arguments.stress:
        deidentifier = Deidentifier.for_detection(load_policy(arguments.policy), model=arguments.model)
        results["stress"] = as_json(stress(gold, deidentifier))
    if path.is_file():
        target = HERE / "results" / f"quality-{arguments.split}.json"
        write(target, results | {"machine": machine()})


def write(path: Path, values: dict[str, Any]) -> None:
    """Write JSON."""
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def sizes(table: Mapping[str, Iterable[KnownValue]]) -> dict[str, int]:
    """Return how many patients a table has, and how many values of each kind.

    Args:
        table: Known values by patient.
    """
    kinds = Counter(value.kind for values in table.values() for value in values)
    return {"patients": len(table), **dict(sorted(kinds.items()))}


def summary(evaluation: Evaluation, *, causes: bool = False) -> dict[str, Any]:
    """Return an evaluation's figures, without its list of problems.

    Args:
        evaluation: What was measured.
        causes: Also the causes of errors; not on the test split, whose errors nobody reads.
    """
    left_out = {"problems", "quarantined"} | (set() if causes else {"causes"})
    return {key: value for key, value in evaluation.as_json().items() if key not in left_out}


def restricted(policy: Policy, detectors: list[str]) -> Policy:
    """Return a policy whose types use only some detectors."""
    types = tuple(
        kind.model_copy(update={"detect": tuple(each for each in kind.detect if each in detectors)})
        for kind in policy.types
    )
    return policy.model_copy(update={"types": types})


if __name__ == "__main__":
    main()

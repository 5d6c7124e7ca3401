"""What the whole pipeline finds in notes that it was not trained on, and what clinical text it takes along.

    python benchmarks/quality.py [--policy safe-harbor] [--detect rules,encoder,propagation] [--by-type]

The notes are the held-out ones of benchmarks/training/notes. They are by the same authors as the training
notes, so real notes will come out worse. Recall counts a mention as found if every letter and digit of it is
covered, under whatever type; precision and over-redaction count letters and digits.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from training.build import read_notes

from deid.note import Note, Span
from deid.policy import Policy, load_policy
from deid.run.pipeline import Deidentifier
from deid.run.work import Group


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--policy", default="safe-harbor")
    parser.add_argument("--detect", default="rules,encoder,known,propagation", help="detectors to use")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--by-type", action="store_true")
    parser.add_argument("--train", action="store_true", help="measure on the training notes instead")
    arguments = parser.parse_args()
    policy = restricted(load_policy(arguments.policy), arguments.detect.split(","))
    deidentifier = Deidentifier.from_policy(policy, model=arguments.model)
    notes = read_notes()[0 if arguments.train else 1]
    groups = [Group((Note(name, text),)) for name, text, _ in notes]
    found = [spans for (spans,) in deidentifier.find(groups) if isinstance(spans, tuple)]
    gold = [[(m.start, m.end, m.entity_type) for m in mentions] for _, _, mentions in notes]
    figures, by_type = measure([text for _, text, _ in notes], gold, found)
    print(json.dumps(figures, indent=2))
    if arguments.by_type:
        print(json.dumps(by_type, indent=2))


def restricted(policy: Policy, detectors: Sequence[str]) -> Policy:
    """Return a policy whose types use only some detectors; operators that need a key are left out."""
    redact = policy.default_operator.model_copy(update={"name": "redact", "params": {}})
    types = tuple(
        kind.model_copy(
            update={"detect": tuple(d for d in kind.detect if d in detectors), "operator": redact}
        )
        for kind in policy.types
    )
    return policy.model_copy(update={"types": types})


def measure(
    texts: Sequence[str], gold: Sequence[Sequence[tuple[int, int, str]]], found: Sequence[Sequence[Span]]
) -> tuple[dict[str, float], dict[str, str]]:
    """Compare spans with gold; return the figures, and recall by type in words."""
    total: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    letters = inside = outside = exact = clean = predicted = 0
    for text, mentions, spans in zip(texts, gold, found, strict=True):
        covered = {i for span in spans for i in range(span.start, span.end) if text[i].isalnum()}
        marked = {i for start, end, _ in mentions for i in range(start, end) if text[i].isalnum()}
        letters += len(covered)
        inside += len(covered & marked)
        outside += sum(sign.isalnum() for sign in text) - len(marked)
        predicted += len(spans)
        exact += len({(span.start, span.end, span.entity_type) for span in spans} & set(mentions))
        leaks = 0
        for start, end, kind in mentions:
            complete = all(i in covered for i in range(start, end) if text[i].isalnum())
            total[kind] += 1
            hit[kind] += complete
            leaks += not complete
        clean += leaks == 0
    count = total.total()
    figures = {
        "notes": len(texts),
        "mentions": count,
        "recall": round(hit.total() / count, 4),
        "notes_without_leak": round(clean / len(texts), 4),
        "precision": round(inside / max(letters, 1), 4),
        "over_redaction": round((letters - inside) / outside, 4),
        "typed_strict_f1": round(2 * exact / (predicted + count), 4),
    }
    return figures, {kind: f"{hit[kind]} of {total[kind]}" for kind in sorted(total)}


if __name__ == "__main__":
    main()

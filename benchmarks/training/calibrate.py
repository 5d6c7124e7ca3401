"""Calibrate a model folder on held-out notes and print what the encoder alone finds in them.

    python benchmarks/training/calibrate.py [MODEL] [--recall 0.98] [--direct 0.994] [--jobs 0.9] [--dry-run]

The dev split of the dataset sets the thresholds (and the notes by other hands, if they were built); types
that the model does not know take the one with the best F1 on the passages of the held-out dev families,
beside the shipped types. The figures printed are of the encoder alone on the notes that set the thresholds;
benchmarks/quality.py and benchmarks/zero_shot.py measure on others. Direct identifiers, which say who
somebody is, aim at a higher recall than places and organizations, and so do dates, whose last mentions cost
little; jobs, which Safe Harbor does not name and which look like so much else, at a lower one (decision 014).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from deid.encoder.calibrate import calibrate
from deid.encoder.corpus import TrainingText
from deid.encoder.model import DescriptionEncoder
from deid.encoder.weights import default_folder
from deid.formats.gold import read_gold
from deid.policy import load_policy

BENCHMARKS = Path(__file__).resolve().parents[1]
DATASET = BENCHMARKS / "dataset"
DIRECT = frozenset(
    {
        "PATIENT_NAME",
        "RELATIVE_NAME",
        "CLINICIAN_NAME",
        "SSN",
        "MRN",
        "PHONE",
        "FAX",
        "EMAIL",
        "ACCOUNT_NUMBER",
    }
    | {"HEALTH_PLAN_ID", "LICENSE_NUMBER", "STREET_ADDRESS", "DATE"}
)
JOBS = frozenset({"PROFESSION"})
sys.path.insert(0, str(BENCHMARKS))
from describe import store  # noqa: E402 - lies beside this script
from zero_shot import Measured, best  # noqa: E402 - lies in a folder of scripts


def main() -> None:
    """Calibrate, then measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", type=Path, default=default_folder())
    parser.add_argument("--recall", type=float, default=0.98)
    parser.add_argument("--direct", type=float, default=0.994, help="recall of direct identifiers and dates")
    parser.add_argument("--jobs", type=float, default=0.9, help="recall of professions")
    parser.add_argument("--dry-run", action="store_true", help="leave the model's calibration as it is")
    arguments = parser.parse_args()
    texts = [
        TrainingText(note.text, tuple((m.start, m.end, m.entity_type) for m in mentions))
        for path in (DATASET / "dev.jsonl", DATASET / "build" / "standoff.jsonl")
        if path.is_file()
        for note, mentions in read_gold(path)
    ]
    types = {kind.name: kind for kind in load_policy("base").types}
    encoder = DescriptionEncoder(arguments.model)
    if not arguments.dry_run:
        limits = calibrate(encoder, types, texts, recall=arguments.recall)
        thresholds = dict(limits.thresholds)
        for names, recall in ((DIRECT, arguments.direct), (JOBS, arguments.jobs)):
            others = calibrate(encoder, types, texts, recall=recall).thresholds
            thresholds |= {name: limit for name, limit in others.items() if name in names}
        limits = replace(limits, thresholds=thresholds)
        encoder.folder.calibrated(limits)
        encoder = DescriptionEncoder(arguments.model)
        measured = Measured.of(encoder, test=False)
        unseen = best(measured.dev, measured.setting("rich", beside=True))
        encoder.folder.calibrated(replace(limits, pooled=unseen))
        encoder = DescriptionEncoder(arguments.model)
        store(encoder)
    measure(encoder, texts)


def measure(encoder: DescriptionEncoder, texts: list[TrainingText]) -> None:
    """Print recall by type (found under any type), precision over letters and digits, typed strict F1."""
    types = {kind.name: kind for kind in load_policy("base").types}
    vectors = encoder.describe(types)
    total: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    letters = inside = exact = found = 0
    for text, mentions in zip(texts, encoder.find([text.text for text in texts], vectors), strict=True):
        gold = {i for start, end, _ in text.spans for i in range(start, end) if text.text[i].isalnum()}
        covered = {i for m in mentions for i in range(m.start, m.end) if text.text[i].isalnum()}
        letters += len(covered)
        inside += len(covered & gold)
        found += len(mentions)
        exact += len({(m.start, m.end, vectors.names[m.type_index]) for m in mentions} & set(text.spans))
        for start, end, kind in text.spans:
            total[kind] += 1
            hit[kind] += all(i in covered for i in range(start, end) if text.text[i].isalnum())
    for kind in sorted(total):
        print(f"{kind:<18} {hit[kind]:>4} of {total[kind]:>4}")
    everything = total.total()
    print(f"notes {len(texts)}, mentions {everything}")
    print(f"recall (any type) {hit.total() / everything:.4f}")
    print(f"precision {inside / max(letters, 1):.4f}")
    print(f"typed strict F1 {2 * exact / (found + everything):.4f}")


if __name__ == "__main__":
    main()

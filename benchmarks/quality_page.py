"""Write docs/quality.md from the results that the other benchmarks left.

    python benchmarks/quality_page.py

The words stand in quality_page.md beside this file, the numbers in results/.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
TARGET = HERE.parent / "docs" / "quality.md"
MEASURES = ("recall", "notes_without_leak", "precision", "over_redaction", "typed_strict_f1")
SETS = {
    "rules": "rules alone",
    "encoder": "encoder alone",
    "rules,encoder": "both",
    "all": "all, with propagation",
    "all, with known values": "all, and known values",
}


def main() -> None:
    """Read the results and write the page."""
    test, dev, zero = map(result, ("quality-test", "quality-dev", "zero-shot"))
    found = dev["detectors"]["all"]["causes"]
    page = Template((HERE / "quality_page.md").read_text(encoding="utf-8")).substitute(
        ablation_test=ablation(test),
        ablation_dev=ablation(dev),
        types=by_type(test["detectors"]["all"]["recall_by_type"]),
        leaks=causes(found, "leak"),
        over=causes(found, "over-redaction"),
        stress=stressed(dev["stress"]),
        words=words(result("over-redaction")),
        compare=(RESULTS / "compare-test.md").read_text(encoding="utf-8"),
        passages=zero["passages"]["test"],
        zero_shot=zero_shot(zero["test"]),
    )
    TARGET.write_text(page, encoding="utf-8")


def result(name: str) -> dict[str, Any]:
    """Return a file of results.

    Args:
        name: Its name without ending.
    """
    values: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return values


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table.

    Args:
        head: Titles of the columns.
        rows: Cells.
    """
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def ablation(results: Mapping[str, Any]) -> str:
    """Return a row for each set of detectors that was measured."""
    rows = []
    for name, title in SETS.items():
        if name not in results["detectors"]:
            continue
        figures = results["detectors"][name]["figures"]
        low, high = figures["recall"]["bounds_95"]
        cells = [f"{figures[measure]['value']:.3f}" for measure in MEASURES]
        rows.append([title, f"{cells[0]} ({low:.3f} to {high:.3f})", *cells[1:]])
    return table(["detectors", *(name.replace("_", " ") for name in MEASURES)], rows)


def by_type(recall: Mapping[str, Mapping[str, int]]) -> str:
    """Return a row for each type, the worst first."""
    rows = sorted(recall.items(), key=lambda item: (item[1]["found"] / item[1]["mentions"], item[0]))
    return table(
        ["type", "mentions", "leaks", "recall"],
        (
            [
                name,
                str(each["mentions"]),
                str(each["mentions"] - each["found"]),
                f"{each['found'] / each['mentions']:.3f}",
            ]
            for name, each in rows
        ),
    )


def causes(found: Sequence[Mapping[str, Any]], kind: str, *, most: int = 20) -> str:
    """Return a row for each of the most frequent causes."""
    rows = [each for each in found if each["kind"] == kind][:most]
    who = "should have been found by" if kind == "leak" else "found by"
    return table(
        ["count", "type", "extent", "place", who, "shapes"],
        (
            [
                str(each["count"]),
                each["entity_type"],
                each["part"],
                each["place"],
                ", ".join(each["detectors"]),
                " ".join(f"`{shape}`" for shape in each["shapes"] if "`" not in shape and "|" not in shape),
            ]
            for each in rows
        ),
    )


def stressed(results: Mapping[str, Any]) -> str:
    """Return a row for each perturbation, and one for the name origins together."""
    rows, origins = [], []
    for each in results["perturbations"]:
        if each["perturbation"].startswith("names: "):
            origins.append(each["recall"])
            continue
        rows.append(
            [each["perturbation"], *(f"{each[name]:.3f}" for name in ("recall", "lost", "lost_formatted"))]
        )
    rows.append(
        [f"names of {len(origins) // 2} origins", f"{min(origins):.3f} to {max(origins):.3f}", "", ""]
    )
    return table(["perturbation", "recall", "lost", "lost, identifiers with a format"], rows)


def words(results: Mapping[str, Any]) -> str:
    """Return a row for each type: how often it took clinical words along, and which."""
    texts = [name for name in ("dev notes", "public clinical text") if name in results]
    kinds = {kind: None for name in texts for kind in results[name]["by type"]}
    rows = [
        [
            kind,
            *(str(results[name]["total by type"].get(kind, 0)) for name in texts),
            ", ".join(word for name in texts for word in list(results[name]["by type"].get(kind, ()))[:4]),
        ]
        for kind in kinds
    ]
    shares = [
        f"{results[name]['words taken along']} of {results[name]['words']:,}"
        f" ({results[name]['words taken along'] / results[name]['words']:.2%})"
        for name in texts
    ]
    return table(["type", *texts, "words"], [["all", *shares, ""], *rows])


def zero_shot(results: Mapping[str, Mapping[str, float]]) -> str:
    """Return a row for each wording and company."""
    names = ("precision", "recall", "f1", "overlap_f1", "false_finds")
    return table(
        ["wording, company", *(name.replace("_", " ") for name in names)],
        ([setting, *(f"{values[name]:.2f}" for name in names)] for setting, values in results.items()),
    )


if __name__ == "__main__":
    main()

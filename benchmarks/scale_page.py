"""Writes docs/scale.md from scale_page.md and what `scale.py` measured.

python benchmarks/scale_page.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "scale.json"
PAGE = ROOT / "docs" / "scale.md"
TEMPLATE = Path(__file__).with_suffix(".md")

MORE = ("notes", "notes_per_second")
MEMORY = ("peak_memory_mb", "bytes_written", "bytes_in_run_directory")
HEADS = {
    "notes": "notes",
    "notes_per_second": "notes/s",
    "tokens_per_second": "tokens/s",
    "mean_characters": "characters",
    "peak_memory_mb": "peak memory, MB: main, largest worker",
    "bytes_written": "written, bytes a note",
    "bytes_in_run_directory": "left in the run directory, bytes a note",
    "types": "types",
    "workers": "workers",
    "loading_seconds": "loading, s",
}


def main() -> None:
    """Write the page from the results that are there."""
    write_page(json.loads(RESULTS.read_text(encoding="utf-8")))


def write_page(results: Mapping[str, Any]) -> None:
    """Write the page.

    Args:
        results: As in results/scale.json.
    """
    line, machine, profile = results["line"], results["machine"], results["profile"]
    counts, standin = results["encoder_counts"], results["standin_counts"]
    enough = 1000
    network = profile["network"]
    text = TEMPLATE.read_text(encoding="utf-8").format(
        **{key: results[key] for key in ("minutes", "characters")},
        **{key: machine[key] for key in ("cores", "processor", "python")},
        commit=machine["commit"][:10],
        core_hours=line["core_hours"],
        gigabytes=line["run_directory_gb"],
        counts=", ".join(f"{each['notes']:,}" for each in counts) + " notes",
        slope=line["core_seconds_per_note"],
        residual=line["largest_residual"],
        enough=f"{enough:,}",
        hours=line["core_hours"] / enough,
        workers=counts[0]["workers"],
        encoder_counts=table(counts, (*MORE, "tokens_per_second", *MEMORY)),
        standin_counts=table(standin, (*MORE, *MEMORY)),
        growth=round(standin[-1]["peak_memory_mb"]["main"] / standin[0]["peak_memory_mb"]["main"], 2),
        more=round(standin[-1]["notes"] / standin[0]["notes"]),
        lengths=table(results["lengths"], ("mean_characters", *MORE, "tokens_per_second", "peak_memory_mb")),
        types=table(results["types"], ("types", *MORE, "tokens_per_second", "loading_seconds")),
        workers_table=table(results["workers"], ("workers", *MORE, "tokens_per_second", "peak_memory_mb")),
        most=results["scaling"]["workers"],
        ratio=results["scaling"]["ratio"],
        profiled=profile["notes"],
        shares=rows(("part", "share"), ((name, f"{each:.1%}") for name, each in profile["shares"].items())),
        runtime=network["runtime"],
        operations=", ".join(f"{name} {each:.0%}" for name, each in network["operations"].items()),
        products=network["products"],
        products_of_all=profile["products_of_all"],
    )
    PAGE.write_text(text, encoding="utf-8")


def table(measured: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return measurements as a Markdown table."""
    return rows(
        [HEADS[name] for name in columns], ([cell(each, name) for name in columns] for each in measured)
    )


def cell(measured: Mapping[str, Any], name: str) -> str:
    """Return a figure as it is shown."""
    value = measured[name]
    if name == "peak_memory_mb":
        return f"{value['main']:,}, {value['largest_worker']:,}"
    if name.startswith("bytes"):
        return f"{round(value / measured['notes']):,}"
    return f"{value:,}"


def rows(heads: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *cells]
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)


if __name__ == "__main__":
    main()

"""``deid report``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deid.cli.options import column_options, columns_of

if TYPE_CHECKING:
    from deid.audit.report import RunReport, Sample
    from deid.formats.source import Source

_MOST_SAMPLES = 3


@click.command("report")
@click.argument("run_dir", type=click.Path(path_type=Path, file_okay=False))
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Also write one HTML page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--with-samples", is_flag=True, help="Show notes before and after; the report then holds PHI.")
@click.option(
    "--samples", type=click.IntRange(1), default=_MOST_SAMPLES, show_default=True, help="How many notes."
)
@click.option("--source", metavar="INPUT", help="The run's input, for the samples; - cannot be read again.")
@column_options
def command(run_dir: Path, html: Path | None, *, as_json: bool, **options: Any) -> None:
    """Say what a run did: counts by type, detector and kind of note, quarantine, digests.

    Without --with-samples no note text is in it.

    \b
    Examples:
      deid report clean/
      deid report clean/ --html report.html
      deid report clean/ --with-samples --source notes.jsonl
    """
    from deid.audit.report import as_html, read_report
    from deid.audit.report import as_json as report_as_json
    from deid.formats.atomic import atomic_file

    source = _source(options)
    report = read_report(run_dir, source=source, samples=options["samples"] if source else 0)
    if html is not None:
        with atomic_file(html) as stream:
            stream.write(as_html(report).encode())
        click.echo(f"wrote {html}", err=True)
    if as_json:
        click.echo(json.dumps(report_as_json(report), indent=2))
    else:
        _show(report)


def _source(options: dict[str, Any]) -> Source | None:
    from deid.errors import UsageError
    from deid.formats.source import open_source

    if not options["with_samples"]:
        return None
    if not options["source"]:
        raise UsageError("--with-samples needs the run's input: name it with --source")
    return open_source(
        options["source"],
        columns=columns_of(options),
        format=options["format"],
        schema=options["schema"],
        delimiter=options["delimiter"],
    )


def _show(report: RunReport) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for sample in report.samples:
        _show_sample(console, sample)
    manifest, counts = report.manifest, report.manifest["counts"]
    policy = manifest["policy"]
    console.print(f"[b]policy[/b]       {policy['name']} {policy['version']} ({policy['method']})")
    console.print(f"[b]notes[/b]        {counts['notes']:,} read, {counts['deidentified']:,} de-identified")
    quarantined = ", ".join(f"{number:,} {reason}" for reason, number in counts["quarantined"].items())
    console.print(f"[b]quarantined[/b]  {quarantined or 'none'}")
    for title, values in (
        ("detectors", counts["spans"]["by_detector"]),
        ("note kinds", counts["note_kinds"]),
    ):
        if values:
            listed = ", ".join(f"{name} {number:,}" for name, number in sorted(values.items()))
            console.print(f"[b]{title:<12}[/b] {listed}")
    if manifest["passed_through"]:
        console.print(f"[b]untouched[/b]    {', '.join(manifest['passed_through'])} (identifying columns)")
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("entity type", "item", "operator"):
        table.add_column(name)
    table.add_column("mentions", justify="right")
    for row in report.types:
        table.add_row(row.name, row.hipaa, row.operator, f"{row.count:,}", style=None if row.count else "dim")
    console.print()
    console.print(table)


def _show_sample(console: Any, sample: Sample) -> None:
    """Print a note before and after, side by side; PHI red before, its replacement green after."""
    from rich.columns import Columns as SideBySide
    from rich.panel import Panel
    from rich.text import Text

    panels = []
    for title, pieces, style in (
        ("before", sample.before, "bold red"),
        ("after", sample.after, "bold green"),
    ):
        text = Text()
        for piece in pieces:
            text.append(piece.text, style=style if piece.entity_type else "")
        width = max((console.width - 2) // 2, 40)
        panels.append(Panel(text, title=Text(f"{sample.note_id} {title}"), width=width))
    console.print(SideBySide(panels, padding=0))

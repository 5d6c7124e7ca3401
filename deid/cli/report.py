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
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Also write Markdown.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--evaluation",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Figures from deid evaluate --json; default: those that come with deid.",
)
@click.option(
    "--review",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A sheet of deid sample that somebody filled in, or its export from doccano or Label Studio.",
)
@click.option("--with-samples", is_flag=True, help="Show notes before and after; the report then holds PHI.")
@click.option(
    "--samples", type=click.IntRange(1), default=_MOST_SAMPLES, show_default=True, help="How many notes."
)
@click.option("--source", metavar="INPUT", help="The run's input, for the samples; - cannot be read again.")
@column_options
def command(
    run_dir: Path, html: Path | None, markdown: Path | None, *, as_json: bool, **options: Any
) -> None:
    """Say what a run did, how well that is known to work, and what remains.

    The audit report holds counts, the policy's findings, the eighteen Safe Harbor items with their measured
    recall, quarantine, digests, what a reading of a sample showed, and the residual risks. Without
    --with-samples no note text and no id of a note is in it.

    \b
    Examples:
      deid report clean/
      deid report clean/ --html report.html --markdown report.md
      deid report clean/ --review review/sheet.csv --html report.html
      deid report clean/ --with-samples --source notes.jsonl
    """
    from deid.audit.evidence import gather
    from deid.audit.report import as_html, as_markdown, read_report
    from deid.audit.report import as_json as report_as_json
    from deid.formats.atomic import atomic_file

    source = _source(options)
    evidence = gather(run_dir, evaluation=options["evaluation"], review=options["review"])
    samples = options["samples"] if source else 0
    report = read_report(run_dir, evidence=evidence, source=source, samples=samples)
    for path, render in ((html, as_html), (markdown, as_markdown)):
        if path is not None:
            with atomic_file(path) as stream:
                stream.write(render(report).encode())
            click.echo(f"wrote {path}", err=True)
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
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for sample in report.samples:
        _show_sample(console, sample)
    manifest, counts = report.manifest, report.manifest["counts"]
    policy = manifest["policy"]
    console.print(f"[b]policy[/b]       {policy['name']} {policy['version']} ({policy['method']})")
    console.print(f"[b]notes[/b]        {counts['notes']:,} read, {counts['deidentified']:,} de-identified")
    quarantined = ", ".join(f"{number:,} {reason}" for reason, number in counts["quarantined"].items())
    console.print(f"[b]quarantined[/b]  {quarantined or 'none'}")
    if (review := report.evidence.review) is not None:
        console.print(
            f"[b]reading[/b]      {review.notes.leaking:,} of {review.notes.read:,} notes read have a"
            f" leak; at most"
            f" {review.leaking_in_run:,} of {review.in_run:,} in this run (95 %)"
        )
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
        table.add_row(
            row.name, row.hipaa, row.operators, f"{row.count:,}", style=None if row.count else "dim"
        )
    console.print()
    console.print(table)
    console.print("\n[b]what remains[/b]")
    for risk in report.risks:
        console.print(Padding(Text(f"- {risk}"), (0, 0, 0, 2)))


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

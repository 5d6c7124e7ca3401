"""``deid run``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deid.cli.options import column_options, columns_of, model_option

if TYPE_CHECKING:
    from deid.keys import Keys
    from deid.run.directory import RunSummary
    from deid.run.execute import Progress, RunRequest
    from deid.run.workers import Engine

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("run")
@click.argument("input_path", metavar="INPUT")
@click.option("--policy", required=True, help="Name of a shipped policy, or a path ending in .yaml.")
@click.option("--out", required=True, help="Run directory, new or empty; - writes JSONL to standard output.")
@click.option(
    "--to", metavar="TABLE", help="A new table too, where INPUT is one: postgresql://...?table=NAME."
)
@click.option("--workers", default=1, show_default=True, help="Processes.")
@click.option(
    "--engine",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="Who works: processes of this machine, or tasks on Apache Spark (docs/spark.md).",
)
@click.option("--master", metavar="URL", help="Where Spark is, such as spark://host:7077.")
@click.option("--spark-conf", multiple=True, metavar="KEY=VALUE", help="Setting of Spark; repeatable.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
@click.option(
    "--since-manifest",
    "since",
    type=click.Path(path_type=Path),
    metavar="RUN_DIR",
    help="Run directory of an earlier run: notes that have not changed since are carried over.",
)
@click.option("--drop", multiple=True, metavar="COLUMN", help="Leave a column out of the output; repeatable.")
@click.option(
    "--known-column",
    multiple=True,
    metavar="COLUMN=KIND",
    help="Column that names something of the "
    "patient (KIND: family_name, mrn, phone ...), to be hidden in the notes; repeatable.",
)
@click.option("--patients", type=_FILE, help="CSV, JSONL or Parquet file of known values by patient_id.")
@click.option("--crosswalk", type=_FILE, help="CSV file of random codes by patient; made if absent.")
@click.option("--key-file", type=_FILE, help="The secret, see deid key new; default: the variable DEID_KEY.")
@click.option("--max-characters", default=1_000_000, show_default=True, help="Longest note worked on.")
@click.option("--shard-notes", default=50_000, show_default=True, help="Notes in an output file of a table.")
@model_option
@column_options
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on standard output.")
def command(**options: Any) -> None:
    """De-identify INPUT: a file or folder of notes in any format of docs/formats.md; - is JSONL on stdin.

    The run directory gets notes/ (INPUT without PHI), audit.jsonl, quarantine/, manifest.json, timing.json.
    A note that cannot be de-identified is left out and listed in quarantine/; the exit code is then 3.
    With --since-manifest only patients with new, changed or deleted notes are worked on, and the output is
    that of a run over all of INPUT (docs/incremental.md).

    \b
    Examples:
      deid run notes.jsonl --policy safe-harbor --out clean/
      deid run export.parquet --schema omop-note --policy safe-harbor --out clean/ --workers 8
      deid run export.parquet --policy safe-harbor --out clean/ --engine spark --master spark://host:7077
      deid run 'postgresql:///ehr?table=omop.note' --schema omop-note --policy safe-harbor --out clean/
      deid run notes.csv --policy research-surrogates --key-file ~/deid.key --out clean/ --resume
      deid run tuesday.parquet --policy safe-harbor --out tuesday/ --since-manifest monday/
      cat notes.jsonl | deid run - --policy safe-harbor --out - > clean.jsonl
    """
    from deid.errors import UsageError
    from deid.run.execute import execute, stream

    request = _request(options)
    engine = _engine(options)
    if options["out"] == "-":
        if options["to"]:
            raise UsageError("--to makes a table of a finished run: give --out a folder")
        if options["as_json"] or request.resume:
            raise UsageError("--out - takes standard output and keeps no run: leave out --json and --resume")
        if options["engine"] != "local":
            raise UsageError(
                "--engine spark needs a run directory that all executors see: give --out a folder"
            )
        summary = stream(request, sys.stdout.buffer)
    else:
        with _progress() as report:
            summary = execute(request, progress=report, engine=engine)
    _warn(summary)
    _list_quarantined(summary, kept=options["out"] != "-")
    if options["as_json"]:
        click.echo(json.dumps(_as_json(summary), indent=2))
    elif options["out"] != "-":
        _show(summary)
    click.get_current_context().exit(summary.exit_code)


def _request(options: dict[str, Any]) -> RunRequest:
    from deid.run.execute import RunRequest

    same = (
        *("policy", "workers", "resume", "format", "schema", "drop", "patients", "crosswalk", "delimiter"),
        *("group_by", "order_by", "since", "to"),
    )
    return RunRequest(
        input=options["input_path"],
        out=Path(options["out"]),
        keys=read_keys(options["key_file"]),
        columns=columns_of(options),
        known_columns=dict(_known_column(each) for each in options["known_column"]),
        max_characters=options["max_characters"],
        shard_notes=options["shard_notes"],
        options={"model": options["model"]} if options["model"] is not None else {},
        **{name: options[name] for name in same},
    )


def _engine(options: dict[str, Any]) -> Engine:
    from deid.errors import UsageError
    from deid.run.workers import open_workers

    if options["engine"] != "spark":
        if options["master"] is not None or options["spark_conf"]:
            raise UsageError("--master and --spark-conf are of Spark: add --engine spark")
        return open_workers
    settings = dict(each.partition("=")[::2] for each in options["spark_conf"])
    if not all(settings) or any("=" not in each for each in options["spark_conf"]):
        raise UsageError("--spark-conf: write KEY=VALUE, such as spark.executor.memory=4g")
    from deid.run.spark import Cluster

    return Cluster(master=options["master"], settings=settings).engine


def read_keys(key_file: Path | None) -> Keys | None:
    """Read the secret from a file, or else from the variable DEID_KEY; None if there is neither.

    Args:
        key_file: The file, if one was named.

    Raises:
        KeyMaterialError: if the secret cannot be used.
        InputOutputError: if the file cannot be read.
    """
    from deid.keys import Keys

    return Keys.from_file(key_file) if key_file is not None else Keys.from_environment()


def _known_column(value: str) -> tuple[str, str]:
    from deid.errors import UsageError

    column, sign, kind = value.rpartition("=")
    if not sign or not column:
        raise UsageError(f"--known-column {value!r}: write COLUMN=KIND, such as LAST_NAME=family_name")
    return column, kind


@contextmanager
def _progress() -> Iterator[Callable[[Progress], object] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("start")

        def report(progress: Progress) -> None:
            seconds = bar.tasks[task].elapsed or 0.0
            speed = f"{progress.notes / seconds:,.0f} notes/s" if seconds else ""
            done = f"{progress.stage}: {progress.notes:,} notes, {progress.quarantined:,} quarantined"
            bar.update(task, description=f"{done}  {speed}")

        yield report


def _warn(summary: RunSummary) -> None:
    if summary.passed_through:
        names = ", ".join(summary.passed_through)
        click.echo(
            f"warning: columns that look identifying are carried through untouched: {names}"
            " (leave them out with --drop)",
            err=True,
        )
    if summary.skipped_files:
        click.echo(
            f"warning: {summary.skipped_files} files of the folder are no notes and were not read", err=True
        )
    if summary.files_as_text:
        click.echo(
            f"{summary.files_as_text} documents (.rtf, .docx, .pdf): their text is read, and written as .txt",
            err=True,
        )
    if summary.unused_columns:
        names = ", ".join(summary.unused_columns)
        click.echo(f"warning: columns of --patients that are of no known kind: {names}", err=True)

    if summary.since is not None:
        _tell_since(summary.since)


def _tell_since(since: Mapping[str, Any]) -> None:
    if since["differing"]:
        names = ", ".join(since["differing"])
        click.echo(
            f"the earlier run had another {names}: nothing is carried over, all notes were worked on again",
            err=True,
        )
    click.echo(
        f"{since['carried_over']} notes carried over, {since['new']} new or changed, {since['again']} worked"
        f" on again; {since['gone']} of the earlier run are gone or changed",
        err=True,
    )


def _list_quarantined(summary: RunSummary, *, kept: bool) -> None:
    count = sum(summary.counts["quarantined"].values())
    if not count:
        return
    where = f"listed in {summary.quarantine_path}" if kept else "left out of the output"
    click.echo(f"{count} of {summary.counts['notes']} notes were quarantined, {where}:", err=True)
    for note_id, reason in summary.quarantined:
        click.echo(f"  {note_id!r}: {reason}", err=True)
    if count > len(summary.quarantined):
        click.echo(f"  and {count - len(summary.quarantined)} more", err=True)


def _as_json(summary: RunSummary) -> dict[str, Any]:
    return {
        "directory": str(summary.directory),
        "exit_code": summary.exit_code,
        **summary.counts,
        "quarantine_list": str(summary.quarantine_path),
        "passed_through": list(summary.passed_through),
        **({"since": dict(summary.since)} if summary.since is not None else {}),
        "seconds": round(summary.seconds, 3),
    }


def _show(summary: RunSummary) -> None:
    counts = summary.counts
    if not sys.stdout.isatty():
        click.echo(f"{counts['deidentified']} notes de-identified in {summary.directory}")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{counts['deidentified']:,} notes de-identified in {summary.directory}")
    table.add_column("entity type")
    table.add_column("mentions", justify="right")
    for name, number in sorted(counts["spans"]["by_type"].items(), key=lambda pair: (-pair[1], pair[0])):
        table.add_row(name, f"{number:,}")
    Console().print(table)

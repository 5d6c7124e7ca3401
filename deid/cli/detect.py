"""``deid detect``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from deid.cli.options import column_options, columns_of, model_option

_QUARANTINED = 3


@click.command("detect")
@click.argument("input_path", metavar="INPUT")
@click.option("--policy", required=True, help="Name of a shipped policy, or a path ending in .yaml.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File; default: standard output."
)
@click.option("--workers", default=1, show_default=True, help="Processes.")
@model_option
@column_options
def command(input_path: str, policy: str, out: Path | None, **options: Any) -> None:
    """Write the spans of PHI in INPUT as JSONL, one object a note, in input order; - is JSONL on stdin.

    A note that cannot be worked on has a reason in the place of spans; the exit code is then 3.

    \b
    Examples:
      deid detect sample_notes/notes.jsonl --policy safe-harbor
      cat notes.jsonl | deid detect - --policy my-policy.yaml --out spans.jsonl
    """
    from deid.formats.atomic import atomic_file
    from deid.run.execute import RunRequest
    from deid.run.spans import find_spans

    request = RunRequest(
        input=input_path,
        policy=policy,
        out=Path(),
        workers=options["workers"],
        columns=columns_of(options),
        format=options["format"],
        schema=options["schema"],
        delimiter=options["delimiter"],
        group_by=options["group_by"],
        order_by=options["order_by"],
        options={"model": options["model"]} if options["model"] is not None else {},
    )
    failed = 0
    records = find_spans(request)
    if out is None:
        for record in records:
            failed += "reason" in record
            click.echo(json.dumps(record))
    else:
        with atomic_file(out) as stream:
            for record in records:
                failed += "reason" in record
                stream.write(json.dumps(record).encode() + b"\n")
    if failed:
        click.echo(f"{failed} notes could not be worked on; their lines hold the reason", err=True)
        click.get_current_context().exit(_QUARANTINED)

"""``deid detect``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from deid.cli.options import run_request, source_options

_QUARANTINED = 3


@click.command("detect")
@click.argument("input_path", metavar="INPUT")
@source_options
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default: standard output.")
def command(out: Path | None, **options: Any) -> None:
    """Write the spans of PHI in INPUT as JSONL, one object a note, in input order; the notes stay as they are.

    A note that cannot be worked on has a reason in the place of spans; the exit code is then 3.

    \b
    Examples:
      deid detect sample_notes/notes.jsonl --policy safe-harbor
      cat notes.jsonl | deid detect - --policy my-policy.yaml --out spans.jsonl
    """
    from deid.formats.atomic import atomic_file
    from deid.run.spans import find_spans

    failed = 0
    records = find_spans(run_request(options, out=Path("-")))
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
    sys.exit(_QUARANTINED if failed else 0)

"""``deid policy preview``."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Any

import click

from deid.cli.options import column_options, columns_of, model_option


@click.command("preview")
@click.argument("policy")
@click.option("--notes", required=True, metavar="INPUT", help="Notes to try the policy on: file or folder.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="Notes shown.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; default: a free one.")
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@model_option
@column_options
def preview(policy: str, notes: str, *, model: Path | None, **options: Any) -> None:
    """Edit POLICY on a page of this machine, and see at once what it finds in notes.

    POLICY is the path of a policy file; a shipped policy can be tried and edited, but not saved. The page can
    be opened from this machine alone, with the secret address that is printed; Ctrl+C ends it. It shows the
    notes as they are: treat it like them.

    \b
    Examples:
      deid policy preview ours.yaml --notes sample_notes/txt
      deid policy preview safe-harbor --notes notes.jsonl --limit 5 --no-browser
    """
    from deid.authoring.preview import Preview, read_entries, serve
    from deid.formats.source import open_source

    source = open_source(
        notes,
        columns=columns_of(options),
        format=options["format"],
        schema=options["schema"],
        delimiter=options["delimiter"],
    )
    browser = sys.stderr.isatty() and not options["no_browser"]

    def announce(address: str) -> None:
        click.echo(f"{address}\nCtrl+C ends it.", err=True)
        if browser:
            webbrowser.open(address)

    serve(
        Preview(policy, read_entries(source, options["limit"]), model=model),
        port=options["port"],
        announce=announce,
    )

"""``deid audit verify``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.group("audit")
def command() -> None:
    """Check a run's audit log."""


@command.command("verify")
@click.argument("run_dir", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The secret the run was made with; default: the variable DEID_KEY.",
)
@click.option("--notes", "with_notes", is_flag=True, help="Also compare the texts in notes/ with the log.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify(run_dir: Path, *, key_file: Path | None, with_notes: bool, as_json: bool) -> None:
    """Check that the audit log of RUN_DIR is whole: nothing edited, deleted, inserted, moved; exit 5 if not.

    A log made with a secret can be checked only with it; nobody without it can have changed the log unseen.
    A log made without one shows accidents, and changes by somebody who cannot write the whole folder anew.

    \b
    Example:
      deid audit verify clean/ --notes --key-file ~/deid.key
    """
    from deid.audit.log import verify_log
    from deid.cli.run import read_keys
    from deid.errors import IntegrityError
    from deid.run.directory import output_texts

    keys = read_keys(key_file)
    check = verify_log(run_dir, keys=keys, texts=output_texts(run_dir) if with_notes else None)
    if as_json:
        click.echo(json.dumps({"ok": check.ok, **asdict(check)}, indent=2))
    elif check.ok:
        also = " and all output texts" if check.texts else ""
        click.echo(f"{run_dir}: {check.entries} entries{also} are as they were written ({check.algorithm})")
    if check.fault is not None:
        where = f"entry {check.fault.entry}: " if check.fault.entry is not None else ""
        raise IntegrityError(f"{run_dir}: {where}{check.fault.kind}: {check.fault.detail}")

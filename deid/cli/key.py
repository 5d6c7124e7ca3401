"""``deid key new``."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("key")
def command() -> None:
    """Make a secret for surrogates, date shifts and codes.

    Whoever holds the secret can link and, for some operators, reverse what was replaced: keep it apart
    from the notes.
    """


@command.command("new")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
def new(path: Path) -> None:
    """Write a new secret of 32 random bytes to PATH, readable by its owner only.

    \b
    Example:
      deid key new ~/deid.key
      deid run notes.jsonl --policy research-surrogates --key-file ~/deid.key --out clean/
    """
    from deid.keys import new_key_file

    new_key_file(path)
    click.echo(f"wrote {path}", err=True)

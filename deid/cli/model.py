"""``deid model info``."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group("model")
def command() -> None:
    """Say which encoder is used."""


@command.command("info")
@click.option("--model", type=click.Path(path_type=Path), help="A model folder; default: the shipped one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(model: Path | None, *, as_json: bool) -> None:
    """Print the encoder's digest, sizes and calibration.

    \b
    Example:
      deid model info --json
    """
    from deid.encoder.weights import model_info

    values = model_info(model)
    if as_json:
        click.echo(json.dumps(values, indent=2))
        return
    for key, value in values.items():
        click.echo(f"{key}: {value}")

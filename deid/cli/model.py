"""``deid model info``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click


@click.group("model")
def command() -> None:
    """Say which encoder is used."""


@command.command("info")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(folder: Path | None, *, as_json: bool) -> None:
    """Load the model of a FOLDER, or else the shipped one, and print what it is.

    Kind, digest, licence, sizes, runtime, thresholds, measured figures where there are some for these very
    weights, and where its card lies.

    \b
    Examples:
      deid model info
      deid model info openbioner-base/ --json
    """
    from deid.audit.evidence import figures_of
    from deid.encoder.load import model_info

    values = model_info(folder)
    found = figures_of(values["digest"])
    measured = (
        {key: found[key] for key in ("policy", "gold", "notes", "mentions", "figures")} if found else None
    )
    if as_json:
        click.echo(json.dumps({**values, "measured": measured}, indent=2))
        return
    for key, value in values.items():
        click.echo(f"{key.replace('_', ' ')}: {'not stated' if value is None else value}")
    click.echo(f"measured: {_in_words(measured) if measured else 'no figures for these weights'}")


def _in_words(measured: Mapping[str, Any]) -> str:
    names = ("recall", "notes_without_leak", "precision", "over_redaction", "typed_strict_f1")
    figures = ", ".join(
        f"{name.replace('_', ' ')} {measured['figures'][name]['value']:.3f}" for name in names
    )
    return f"{figures} under {measured['policy']['name']}, with rules, on {measured['notes']} notes"

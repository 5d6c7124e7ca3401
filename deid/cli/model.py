"""``deid model info`` and ``export``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

_PRECISIONS = {"fp32": "f32", "int8": "int8"}


@click.group("model")
def command() -> None:
    """Say which encoder is used, or export it."""


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


@command.command("export")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--to", type=click.Choice(["onnx"]), default="onnx", show_default=True, help="Format to write.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write; must be empty.")
@click.option(
    "--precision",
    type=click.Choice(list(_PRECISIONS)),
    default="fp32",
    show_default=True,
    help="How texts are multiplied; int8 needs weights trained for it, as the shipped ones are.",
)
def export(folder: Path | None, *, to: str, out: Path, precision: str) -> None:
    """Write the model of a FOLDER, or else the shipped one, for ONNX Runtime, and print the new digest.

    The graphs take the descriptions of types as an input: one export serves all policies. The folder written
    can be named wherever a model can be named; it needs `pip install 'clinical-deid[onnx]'`.

    \b
    Examples:
      deid model export --to onnx --precision int8 --out exported/
      deid run notes.jsonl --policy safe-harbor --model exported/ --out clean/
    """
    from deid.encoder.export import export_model

    del to  # there is one so far
    click.echo(export_model(folder, out, precision=_PRECISIONS[precision]).digest)

"""``deid sample``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("sample")
@click.argument("run_dir", type=click.Path(path_type=Path, file_okay=False))
@click.option("--notes", type=click.IntRange(1), default=300, show_default=True, help="How many to draw.")
@click.option("--stratify", default="", metavar="NAMES", help="Spread over kind, patient, or kind,patient.")
@click.option("--seed", type=int, default=1, show_default=True, help="Makes the draw.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the review sheet.")
def command(run_dir: Path, *, notes: int, stratify: str, seed: int, out: Path) -> None:
    """Draw notes of a run for people to read, and write a review sheet.

    Every note has the same chance. OUT gets a CSV sheet to fill in, and the same notes for doccano and Label
    Studio; `deid report RUN_DIR --review SHEET` then bounds the leak rate of the whole run. With 300 notes
    read and no leak found, fewer than 1 % leak, with a confidence of 95 %.

    \b
    Examples:
      deid sample clean/ --notes 300 --out review/
      deid sample clean/ --stratify kind,patient --seed 7 --out review/
    """
    from deid.audit.sample import draw, write_sample
    from deid.formats.atomic import reading

    by = tuple(filter(None, (name.strip() for name in stratify.split(","))))
    with reading(str(run_dir)):
        drawn = draw(run_dir, notes, by=by, seed=seed)
    write_sample(run_dir, drawn, out, seed=seed)
    click.echo(f"{len(drawn)} notes in {out}: nobody has read them yet, handle them like the originals")

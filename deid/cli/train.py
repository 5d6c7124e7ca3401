"""``deid train``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("train")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--device", default="auto", show_default=True, help="cpu, cuda or auto.")
@click.option("--threads", type=click.IntRange(1), help="Processor threads for torch; default: all.")
def command(config: Path, device: str, threads: int | None) -> None:
    """Train an encoder from a CONFIG file; resumes where it was stopped.

    \b
    Example:
      deid train benchmarks/training/broad.yaml
    """
    from deid.encoder.train import Progress, Trainer, read_spec

    trainer = Trainer(read_spec(config), config.parent, device=device, threads=threads)
    for corpus in trainer.corpora:
        click.echo(f"{corpus.name}: {len(corpus.texts)} texts, {len(corpus.labels)} types", err=True)

    def report(progress: Progress) -> None:
        click.echo(
            f"step {progress.step}/{progress.steps}  loss {progress.loss:.4f}  {progress.seconds:.0f} s",
            err=True,
        )

    folder = trainer.train(report)
    click.echo(f"wrote {folder.path} {folder.digest}", err=True)

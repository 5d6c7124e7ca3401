"""``deid train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from deid.encoder.adapt import Annotated
    from deid.encoder.train import Progress

_PATH = click.Path(path_type=Path)
_FEW_SHOT = ("gold", "policy", "out")


@click.command("train")
@click.argument("config", type=_PATH, required=False)
@click.option("--from", "base", help="Adapt this model folder, or default, to the notes of --gold.")
@click.option("--gold", type=_PATH, help="Annotated notes: 20 to 200 of them, in any gold format.")
@click.option("--policy", help="The policy whose types they are annotated with.")
@click.option("--out", type=_PATH, help="Model folder to write.")
@click.option("--steps", type=click.IntRange(1), help="Optimizer steps with --from; default: by the notes.")
@click.option("--seed", default=1, show_default=True, help="Makes every draw with --from.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda or auto, with CONFIG.")
@click.option("--threads", type=click.IntRange(1), help="Processor threads with CONFIG; default: all.")
def command(config: Path | None, **options: Any) -> None:
    """Train an encoder from a CONFIG file, resuming where it was stopped; or adapt one to annotated notes.

    \b
    Examples:
      deid train benchmarks/training/broad.yaml
      deid train --from default --gold my.jsonl --policy ours.yaml --out my-model/
      deid run notes.jsonl --policy ours.yaml --model my-model/ --out clean/
    """
    from deid.errors import UsageError

    given = [name for name in _FEW_SHOT if options[name] is not None]
    if config is not None and options["base"] is None and not given:
        _from_config(config, device=options["device"], threads=options["threads"])
    elif config is None and options["base"] is not None and len(given) == len(_FEW_SHOT):
        _from_gold(options)
    else:
        raise UsageError("give a CONFIG file, or --from with --gold, --policy and --out")


def _from_config(config: Path, *, device: str, threads: int | None) -> None:
    from deid.encoder.train import Trainer, read_spec

    trainer = Trainer(read_spec(config), config.parent, device=device, threads=threads)
    for corpus in trainer.corpora:
        click.echo(f"{corpus.name}: {len(corpus.texts)} texts, {len(corpus.labels)} types", err=True)
    folder = trainer.train(_report)
    click.echo(f"wrote {folder.path} {folder.digest}", err=True)


def _from_gold(options: dict[str, Any]) -> None:
    from deid.encoder.adapt import Plan, adapt
    from deid.encoder.weights import default_folder
    from deid.policy import load_policy

    base = default_folder() if options["base"] == "default" else Path(options["base"])
    types = {kind.name: kind for kind in load_policy(options["policy"]).types if "encoder" in kind.detect}
    plan = Plan(options["seed"], options["steps"], _report)
    adapted = adapt(base, _annotated(options["gold"]), types, options["out"], plan)
    before, after = adapted.before, adapted.after
    click.echo(f"learned from {adapted.texts} texts: {', '.join(adapted.learned)}")
    click.echo(
        f"in {adapted.held_out} texts held out, of {before.gold} mentions {before.found} were found before"
        f" and {after.found} now, with {before.wrong} false finds before and {after.wrong} now"
    )
    click.echo(f"other types: of what either model takes for one, both take {adapted.agreement:.1%}")
    click.echo(f"wrote {adapted.folder.path} {adapted.folder.digest}", err=True)


def _annotated(gold: Path) -> list[Annotated]:
    """Read annotated texts; a type that is marked anywhere is so in all of them, unless they say `only`."""
    from deid.encoder.adapt import Annotated
    from deid.encoder.corpus import TrainingText
    from deid.formats.gold import read_gold

    notes = list(read_gold(gold))
    marked = frozenset(mention.entity_type for _, mentions in notes for mention in mentions)
    return [
        Annotated(
            TrainingText(note.text, tuple((m.start, m.end, m.entity_type) for m in mentions)),
            frozenset(note.metadata["only"]) if "only" in note.metadata else marked,
        )
        for note, mentions in notes
    ]


def _report(progress: Progress) -> None:
    click.echo(
        f"step {progress.step}/{progress.steps}  loss {progress.loss:.4f}  {progress.seconds:.0f} s", err=True
    )

"""``deid evaluate``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deid.cli.options import model_option

if TYPE_CHECKING:
    from rich.table import Table

    from deid.audit.evaluate import Evaluation
    from deid.audit.gates import Gate
    from deid.audit.stress import Stressed

_GATE_FAILED = 1


@click.command("evaluate")
@click.argument("gold", type=click.Path(path_type=Path))
@click.option("--policy", required=True, help="Name of a shipped policy, or a path ending in .yaml.")
@click.option(
    "--format",
    help="jsonl, marked, i2b2, brat, token-tags, doccano or label-studio; default: by what GOLD holds.",
)
@click.option(
    "--gate",
    default="",
    metavar="LIMITS",
    help="Such as recall>=0.99,over_redaction<=0.004, beside the policy's own; exit 1 if missed.",
)
@click.option(
    "--stress", "stressed", is_flag=True, help="Also on perturbed copies: case, scans, name origins ..."
)
@click.option("--with-text", is_flag=True, help="Show leaks with their surroundings. That is PHI.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON on standard output.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Also write one HTML page.")
@model_option
def command(gold: Path, policy: str, **options: Any) -> None:
    """Measure a policy on GOLD: notes in which every mention is marked.

    Prints leaks, notes and patients without a leak, precision, clinical text taken along and typed F1, with
    bounds; by type, Safe Harbor item, kind of note and name origin with --json. Without --with-text no text
    of a note is shown: leaks are told by offsets and shapes.

    \b
    Examples:
      deid evaluate benchmarks/dataset/dev.jsonl --policy safe-harbor
      deid evaluate i2b2-test/ --policy safe-harbor --json > figures.json
      deid evaluate gold.jsonl --policy safe-harbor --stress --html evaluation.html
      deid evaluate gold.jsonl --policy mine.yaml --gate "recall>=0.99,recall:SSN>=1"
    """
    from deid.audit.evaluate import evaluate, gates_of
    from deid.audit.evaluation_page import evaluation_html
    from deid.audit.gates import read_gates
    from deid.audit.stress import as_json as stress_json
    from deid.audit.stress import stress
    from deid.formats.atomic import atomic_file
    from deid.formats.gold import read_gold
    from deid.policy import load_policy
    from deid.run.pipeline import Deidentifier

    wanted = read_gates(options["gate"])
    deidentifier = Deidentifier.for_detection(load_policy(policy), model=options["model"])
    golden = list(read_gold(gold, format=options["format"]))
    evaluation = evaluate(golden, deidentifier, with_text=options["with_text"])
    gates = gates_of(evaluation, {**deidentifier.policy.gates, **wanted})
    results = stress(golden, deidentifier, report=_tell) if options["stressed"] else ()
    if (html := options["html"]) is not None:
        page = evaluation_html(evaluation, gates=gates, stressed=results, with_text=options["with_text"])
        with atomic_file(html) as stream:
            stream.write(page.encode())
        click.echo(f"wrote {html}", err=True)
    if options["as_json"]:
        passed = [{"gate": each.name, "limit": each.limit, "holds": each.holds} for each in gates]
        more = {"stress": stress_json(results)} if results else {}
        click.echo(json.dumps(evaluation.as_json() | {"gates": passed} | more, indent=2))
    else:
        _show(evaluation, gates)
        if results:
            _show_stress(results)
    if not all(each.holds for each in gates):
        click.get_current_context().exit(_GATE_FAILED)


def _show(evaluation: Evaluation, gates: tuple[Gate, ...]) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    mentions = sum(len(note.mentions) for note in evaluation.notes)
    patients = len({note.group for note in evaluation.notes})
    console.print(f"policy  {evaluation.policy.name} {evaluation.policy.version}")
    console.print(f"gold    {len(evaluation.notes)} notes of {patients} patients, {mentions} mentions")
    if evaluation.quarantined:
        console.print(f"quarantined  {len(evaluation.quarantined)} notes; they count nowhere")
    console.print(_figures(evaluation))
    console.print(_types(evaluation))
    for problem in evaluation.problems:
        if problem.text and problem.kind == "leak":
            shown = " ".join(problem.text.split())
            console.print(f"{problem.note_id}:{problem.start}  {problem.entity_type}  {shown}", markup=False)
    for gate in gates:
        verdict = "holds" if gate.holds else "MISSED"
        console.print(f"gate {gate.name} {gate.limit:g}: {gate.value:.4f} {verdict}")


def _tell(perturbation: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{perturbation:<40}", nl=False, err=True)


def _show_stress(results: tuple[Stressed, ...]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from deid.audit.stress import largest_gap

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("perturbation")
    for name in ("recall", "lost", "lost, formatted"):
        table.add_column(name, justify="right")
    for each in results:
        table.add_row(
            each.perturbation, f"{each.recall:.4f}", f"{each.lost:+.4f}", f"{each.lost_formatted:+.4f}"
        )
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    console.print(f"largest gap between name origins  {largest_gap(results):.4f}")


def _figures(evaluation: Evaluation) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("95 %", justify="right")
    for name, value in evaluation.figures.items():
        low, high = evaluation.bounds[name]
        table.add_row(name.replace("_", " "), f"{value:.4f}", f"{low:.4f} to {high:.4f}")
    return table


def _types(evaluation: Evaluation) -> Table:
    from rich import box
    from rich.table import Table

    leaked = {name: total - found for name, (found, total) in evaluation.by_type.items()}
    table = Table(box=box.SIMPLE_HEAD)
    for name, justify in (
        ("entity type", "left"),
        ("mentions", "right"),
        ("leaks", "right"),
        ("recall", "right"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name in sorted(leaked, key=lambda each: (-leaked[each], each)):
        found, total = evaluation.by_type[name]
        table.add_row(name, str(total), str(leaked[name]), f"{found / total:.4f}")
    return table

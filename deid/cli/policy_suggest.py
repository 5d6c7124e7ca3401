"""``deid policy suggest``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deid.cli.options import column_options, columns_of, model_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from deid.authoring.suggest import Pool, Suggestion
    from deid.authoring.threshold import Decision
    from deid.policy import Policy

_FILE = click.Path(path_type=Path, dir_okay=False)
_KEYS = {"y": True, "n": False}


@click.command("suggest")
@click.argument("policy")
@click.argument("entity_type", metavar="TYPE")
@click.option("--notes", required=True, metavar="INPUT", help="Notes to look in: file or folder; - is JSONL.")
@click.option("--sheet", type=_FILE, help="Write the candidates to a CSV sheet, and ask nothing.")
@click.option("--answers", type=_FILE, help="Read the answers from a sheet, and ask nothing.")
@click.option("--gold", type=_FILE, help="Write what was judged as gold JSONL, for deid train.")
@click.option("--description", help="Look for this in the place of the policy's description; saves nothing.")
@click.option("--example", "examples", multiple=True, help="An invented surface form, with --description.")
@click.option("--count", type=click.IntRange(1, 200), default=20, show_default=True, help="Of each kind.")
@click.option(
    "--per-note", type=click.IntRange(1), default=3, show_default=True, help="Most of a kind a note."
)
@click.option("--limit", type=click.IntRange(1), default=500, show_default=True, help="Notes to draw.")
@click.option("--seed", type=int, default=1, show_default=True, help="Makes the draw.")
@click.option(
    "--recall",
    type=click.FloatRange(0.5, 1),
    default=0.98,
    show_default=True,
    help="Share of the accepted candidates to be found.",
)
@click.option("--dry-run", is_flag=True, help="Leave the policy file as it is.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: offsets and scores, no text.")
@model_option
@column_options
def suggest(policy: str, entity_type: str, **options: Any) -> None:
    """Show likely and uncertain mentions of TYPE in notes; the answers set its threshold in POLICY.

    POLICY is the path of a policy file. With a shipped policy or with --description the threshold is printed
    and not saved. Each candidate is shown with the words around it and is answered by one key: y, n, s to
    skip, b for back, q to stop. To answer in a spreadsheet, write a --sheet, put y or n into its column
    answer, and read it back with --answers; the other options must be the same.

    Sheet and gold hold words of the notes, and only their owner can open them: handle them like the notes.

    \b
    Examples:
      deid policy suggest ours.yaml DOCKET_NUMBER --notes notes.jsonl
      deid policy suggest ours.yaml DOCKET_NUMBER --notes notes.jsonl --sheet sheet.csv
      deid policy suggest ours.yaml DOCKET_NUMBER --notes notes.jsonl --answers sheet.csv --gold gold.jsonl
      deid policy suggest safe-harbor PET_NAME --description "The name of a pet." --notes notes.jsonl
    """
    from deid.authoring.answers import read_answers, write_passages, write_suggestions
    from deid.authoring.suggest import choose
    from deid.authoring.threshold import decide

    asking = not (options["sheet"] or options["answers"] or options["as_json"])
    _check(options, asking=asking)
    saved = _Saved.open(policy) if options["description"] is None and not options["dry_run"] else None
    pool = _find(_policy(policy, entity_type, options), entity_type, options)
    chosen = choose(pool, count=options["count"], per_note=options["per_note"])
    if not chosen and not options["as_json"]:
        raise _nothing_found(entity_type)
    if options["sheet"]:
        write_suggestions(options["sheet"], chosen)
        _tell(
            f"{len(chosen)} candidates in {options['sheet']}, with words of the notes; put y or n into answer"
        )
    decision = None
    if asking or options["answers"]:
        answers = read_answers(options["answers"], pool) if options["answers"] else _ask(pool, chosen)
        decision = decide(pool, answers, recall=options["recall"])
        if options["gold"]:
            passages = write_passages(options["gold"], pool, answers)
            _tell(f"{passages} passages in {options['gold']}, with words of the notes")
        if not options["as_json"]:
            _report(pool, decision)
        _save(saved, pool, decision, asking=asking)
    if options["as_json"]:
        click.echo(json.dumps(_as_json(pool, chosen, decision), indent=2))


@dataclass(frozen=True, slots=True)
class _Saved:
    """The policy file as it was when the command began."""

    path: Path
    text: str
    digest: str

    @classmethod
    def open(cls, policy: str) -> _Saved | None:
        """Read the file; None for a shipped policy."""
        from deid.authoring.edit import read_policy_text

        if not policy.endswith((".yaml", ".yml")) and "/" not in policy and "\\" not in policy:
            return None
        return cls(Path(policy), *read_policy_text(Path(policy)))


def _check(options: dict[str, Any], *, asking: bool) -> None:
    from deid.errors import UsageError

    if options["sheet"] and options["answers"]:
        raise UsageError("give --sheet to write a sheet or --answers to read one, not both")
    if options["gold"] and not (asking or options["answers"]):
        raise UsageError("--gold needs answers: give --answers SHEET, or answer in a terminal")
    if options["examples"] and options["description"] is None:
        raise UsageError("--example goes with --description")
    for name in ("sheet", "gold"):
        if options[name] and options[name].exists():
            raise UsageError(f"{options[name]} is there already: name another file for --{name}")
    if asking and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "answering needs a terminal; give --sheet FILE, and --answers FILE when it is filled in"
        )


def _policy(name: str, entity_type: str, options: dict[str, Any]) -> Policy:
    from deid.authoring.suggest import with_description
    from deid.policy import load_policy

    policy = load_policy(name)
    if options["description"] is None:
        return policy
    return with_description(policy, entity_type, options["description"], options["examples"])


def _find(policy: Policy, entity_type: str, options: dict[str, Any]) -> Pool:
    from rich.console import Console
    from rich.progress import Progress

    from deid.authoring.suggest import draw_notes, find_candidates
    from deid.formats.source import open_source

    policy.type(entity_type)  # an unknown type is told before notes are read
    source = open_source(
        options["notes"],
        columns=columns_of(options),
        format=options["format"],
        schema=options["schema"],
        delimiter=options["delimiter"],
        group_by=options["group_by"],
        order_by=options["order_by"],
    )
    drawn = draw_notes(source, options["limit"], seed=options["seed"])
    unreadable = f", {drawn.unreadable} records cannot be read" if drawn.unreadable else ""
    _tell(f"{len(drawn.notes)} of {drawn.total} notes{unreadable}")
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading notes", total=len(drawn.notes))
        return find_candidates(
            policy,
            entity_type,
            drawn.notes,
            model=options["model"],
            progress=lambda number: progress.advance(task, number),
        )


def _nothing_found(entity_type: str) -> Exception:
    from deid.authoring.suggest import LOWEST
    from deid.errors import UsageError

    return UsageError(
        f"{entity_type}: nothing in these notes scores {LOWEST} or more; "
        "word the description as the notes do, or take other notes"
    )


def _ask(pool: Pool, chosen: Sequence[Suggestion]) -> dict[str, bool]:
    """Show one candidate after the other on a screen that leaves nothing behind, and return the answers."""
    from rich.console import Console

    answers: dict[str, bool] = {}
    console = Console(highlight=False)
    at = 0
    with console.screen() as screen:
        while at < len(chosen):
            screen.update(_card(pool, chosen, at, answers))
            key = click.getchar().casefold()
            if key == "q":
                break
            if key == "b":
                at = max(at - 1, 0)
            elif key in _KEYS:
                answers[chosen[at].candidate.id] = _KEYS[key]
                at += 1
            elif key == "s":
                answers.pop(chosen[at].candidate.id, None)
                at += 1
    return answers


def _card(pool: Pool, chosen: Sequence[Suggestion], at: int, answers: dict[str, bool]) -> RenderableType:
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    from deid.authoring.suggest import context

    candidate, kind = chosen[at].candidate, chosen[at].kind
    around = context(candidate)
    text = Text.assemble(around.before, (around.surface, "bold black on yellow"), around.after)
    before = {True: "accepted", False: "rejected", None: "not answered"}[answers.get(candidate.id)]
    counts = f"{sum(answers.values())} accepted, {len(answers) - sum(answers.values())} rejected"
    about = f"{kind}, score {candidate.score:.3f}, threshold {pool.threshold:g}; {before}"
    return Group(
        Text(f"{pool.kind.name}  {at + 1} of {len(chosen)}", style="bold"),
        Text(pool.kind.description, style="dim"),
        Panel(text, title=Text(about), title_align="left"),
        Text(f"y accept   n reject   s skip   b back   q stop     {counts}"),
    )


def _report(pool: Pool, decision: Decision) -> None:
    from deid.authoring.suggest import LOWEST

    accepted, rejected = decision.accepted, decision.rejected
    click.echo(f"{pool.kind.name}: {accepted} accepted, {rejected} rejected")
    reason = f": {decision.reason}" if decision.reason else ""
    moved = f"{decision.previous:g} -> " if decision.changed else "stays "
    click.echo(f"threshold {moved}{decision.threshold:g}{reason}")
    if decision.bound is None:
        return
    found = f"{accepted - decision.missed} of {accepted} accepted"
    click.echo(f"finds {found} and {decision.wrongly_found} of {rejected} rejected")
    further = f"{decision.unseen_found} found, {decision.unseen_missed} not found"
    click.echo(f"further candidates that nobody judged, each surface once: {further}")
    click.echo(
        f"at most {decision.bound:.1%} of mentions like the accepted ones score lower (95 % confidence)"
    )
    click.echo(f"nothing is known of mentions that score below {LOWEST:g}")


def _save(saved: _Saved | None, pool: Pool, decision: Decision, *, asking: bool) -> None:
    from deid.authoring.edit import save_policy_text, with_threshold

    if not decision.changed:
        return
    if saved is None:
        _tell(f"not saved: write threshold: {decision.threshold:g} below {pool.kind.name} in your policy")
        return
    text = with_threshold(saved.text, pool.kind.name, decision.threshold, why=_why(pool, decision))
    if asking:
        click.echo(f"write it to {saved.path}? y or n ", err=True, nl=False)
        while (key := click.getchar(echo=False).casefold()) not in _KEYS:
            pass
        click.echo(key, err=True)
        if not _KEYS[key]:
            return
    save_policy_text(saved.path, text, base=saved.digest)
    _tell(f"wrote {saved.path}; next: deid policy test {saved.path}")


def _why(pool: Pool, decision: Decision) -> str:
    """Word the comment behind the threshold; it holds no text of the notes."""
    return (
        f"{decision.accepted} accepted, {decision.rejected} rejected, at most {decision.bound:.1%} "
        f"of such mentions missed; model {pool.model.removeprefix('sha256:')[:8]}"
    )


def _as_json(pool: Pool, chosen: Sequence[Suggestion], decision: Decision | None) -> dict[str, Any]:
    candidates = [
        {
            "id": each.candidate.id,
            "note_id": each.candidate.note.note_id,
            "start": each.candidate.start,
            "end": each.candidate.end,
            "score": each.candidate.score,
            "kind": each.kind,
        }
        for each in chosen
    ]
    return {
        "entity_type": pool.kind.name,
        "threshold": pool.threshold,
        "candidates": candidates,
        "decision": asdict(decision) if decision else None,
    }


def _tell(line: str) -> None:
    click.echo(line, err=True)

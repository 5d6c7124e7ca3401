"""``deid policy list | show | lint | test | diff | explain | new | preview | suggest | schema``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deid.cli.options import column_options, columns_of, model_option
from deid.cli.policy_suggest import suggest

if TYPE_CHECKING:
    from deid.authoring.compare import Change
    from deid.authoring.explain import Explanation
    from deid.authoring.new import NewType
    from deid.authoring.policy_tests import TestResult
    from deid.authoring.show import PolicySummary


@click.group("policy")
def command() -> None:
    """Write, show, check, test and explain policies.

    A policy says in plain language what counts as identifying and what is done about it. NAME is a shipped
    policy, such as safe-harbor, or the path of a policy file.

    \b
    Example:
      deid policy lint my-policy.yaml
    """


command.add_command(suggest)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(*, as_json: bool) -> None:
    """List the shipped policies.

    \b
    Example:
      deid policy list
    """
    from deid.authoring.show import list_policies

    policies = list_policies()
    if as_json:
        click.echo(json.dumps([asdict(policy) for policy in policies], indent=2))
    elif sys.stdout.isatty():
        _print_table(policies)
    else:
        for policy in policies:
            click.echo(f"{policy.name}\t{policy.method}\t{policy.types} types\t{policy.description}")


def _print_table(policies: tuple[PolicySummary, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("policy", "version", "method", "types", "what it does", box=None)
    for policy in policies:
        table.add_row(policy.name, policy.version, policy.method, str(policy.types), policy.description)
    Console().print(table)


@command.command("show")
@click.argument("name")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: digest, files, policy, origin of every key."
)
def show(name: str, *, as_json: bool) -> None:
    """Print a policy with its parents merged in.

    The YAML says for each type which files it comes from, and can be loaded again.

    \b
    Example:
      deid policy show safe-harbor
      deid policy show my-policy.yaml --json
    """
    from deid.authoring.show import policy_as_json, render_policy
    from deid.policy import resolve_policy

    resolved = resolve_policy(name)
    if as_json:
        click.echo(json.dumps(policy_as_json(resolved), indent=2, ensure_ascii=False))
    else:
        click.echo(render_policy(resolved), nl=False)


@command.command("lint")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--fix", is_flag=True, help="Mend in the file what needs no decision; print a diff of it.")
@click.option("--dry-run", is_flag=True, help="With --fix: print the diff, and leave the file as it is.")
@click.option("--no-encoder", is_flag=True, help="Leave out what is measured by the encoder; takes no time.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@model_option
def lint_command(names: tuple[str, ...], *, model: Path | None, **flags: bool) -> None:
    """Say what is wrong or unsafe in policies.

    Every finding names the paragraph behind it and a way to mend it. New and reworded types are tried on the
    encoder, which takes some seconds. Exits with 1 if anything is an error.

    --fix changes values that a finding leaves one choice for, and misspelled keys. Comments and other lines
    stay. A shipped policy is not changed.

    \b
    Examples:
      deid policy lint safe-harbor my-policy.yaml
      deid policy lint my-policy.yaml --fix --dry-run
      deid policy lint my-policy.yaml --no-encoder --json
    """
    from deid.authoring.lint import lint
    from deid.errors import UsageError

    if flags["dry_run"] and not flags["fix"]:
        raise UsageError("--dry-run goes with --fix: it shows what --fix would change")
    if flags["fix"]:
        _mend(names, dry_run=flags["dry_run"], err=flags["as_json"])
    findings = [
        finding for name in names for finding in lint(name, encoder=not flags["no_encoder"], model=model)
    ]
    errors = sum(finding.severity == "error" for finding in findings)
    if flags["as_json"]:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.place}: {finding.severity} {finding.code}: {finding.reason}")
            click.echo(f"    {finding.source}; {finding.fix}")
        click.echo(f"errors: {errors}, warnings: {len(findings) - errors}", err=True)
    click.get_current_context().exit(1 if errors else 0)


def _mend(names: tuple[str, ...], *, dry_run: bool, err: bool) -> None:
    """Mend policy files, all of them or, where one cannot be, none; print what changes."""
    from deid.authoring.lint_fix import mend

    mended = [mend(name) for name in names]
    for each in mended:
        click.echo(each.diff, nl=False, err=err)
        if not dry_run:
            each.save()
        told = "would be mended" if dry_run else "mended"
        click.echo(f"{each.path}: {len(each.done)} {told}", err=True)


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema of policy files, for editors.

    \b
    Example:
      deid policy schema > policy.schema.json
    """
    from deid.policy import policy_schema

    click.echo(json.dumps(policy_schema(), indent=2))


@command.command("test")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Also write JUnit XML.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@model_option
@click.pass_context
def test_command(
    ctx: click.Context, names: tuple[str, ...], *, junit: Path | None, as_json: bool, model: Path | None
) -> None:
    """Run the tests that stand beside policies: NAME.tests.yaml beside NAME.yaml.

    Every marked mention must be found as its type, and nothing else; a test with known_miss: true must go
    wrong. Faults are told by type, offsets and shape, never by text. Exits with 1 if a test fails.

    \b
    Examples:
      deid policy test safe-harbor
      deid policy test my-policy.yaml --junit report.xml
    """
    from deid.authoring.policy_tests import find_tests, read_tests, run_tests
    from deid.authoring.policy_tests import junit as as_junit
    from deid.formats.atomic import atomic_file
    from deid.policy import load_policy

    results: dict[str, tuple[TestResult, ...]] = {}
    for name in names:
        path = find_tests(name)
        policy, tests = read_tests(path)
        loaded = load_policy(policy)
        results[loaded.name] = run_tests(tests, loaded, model=model)
    if junit is not None:
        with atomic_file(junit) as stream:
            stream.write(as_junit(results))
    if as_json:
        click.echo(
            json.dumps({name: list(map(_result_json, own)) for name, own in results.items()}, indent=2)
        )
    else:
        for name, own in results.items():
            _print_tests(name, own)
    ctx.exit(0 if all(result.passed for own in results.values() for result in own) else 1)


def _result_json(result: TestResult) -> dict[str, object]:
    faults = [asdict(fault) for fault in result.faults]
    test = result.test
    about = {"name": test.name, "line": test.line, "passed": result.passed, "known_miss": test.known_miss}
    return {**about, "found": dict(result.found), "faults": faults, "failure": result.failure}


def _print_tests(name: str, results: tuple[TestResult, ...]) -> None:
    from collections import Counter

    found, wrong = Counter[str](), Counter[tuple[str, str]]()
    for result in results:
        found.update(result.found)
        wrong.update((fault.entity_type, fault.kind) for fault in result.faults)
        if result.told:
            what = "known miss" if result.passed else "FAILED"
            click.echo(f"{what} {name}: line {result.test.line}: {result.test.name}")
            for each in result.told:
                click.echo(f"    {each}")
    for kind in sorted(found.keys() | {kind for kind, _ in wrong}):
        faults = ", ".join(
            f"{number} {what}" for (each, what), number in sorted(wrong.items()) if each == kind
        )
        click.echo(f"{name}: {kind}: {found[kind]} found{', ' if faults else ''}{faults}")
    failed = sum(not result.passed for result in results)
    known = sum(result.passed and result.test.known_miss for result in results)
    misses = f", {known} of them known to miss something" if known else ""
    click.echo(f"{name}: {len(results) - failed} of {len(results)} tests pass{misses}", err=True)


@command.command("diff")
@click.argument("old")
@click.argument("new")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff(old: str, new: str, *, as_json: bool) -> None:
    """Say what differs between two policies, parents merged in; exits with 1 if anything does.

    \b
    Example:
      deid policy diff safe-harbor my-policy.yaml
    """
    from deid.authoring.compare import compare
    from deid.policy import load_policy

    changes = compare(load_policy(old), load_policy(new))
    if as_json:
        click.echo(json.dumps([asdict(change) for change in changes], indent=2))
    else:
        for change in changes:
            _print_change(change)
    click.get_current_context().exit(1 if changes else 0)


def _print_change(change: Change) -> None:
    for sign, value in (("-", change.old), ("+", change.new)):
        if value is not None:
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            click.secho(f"{sign} {change.key}: {shown}", fg="red" if sign == "-" else "green")


@command.command("explain")
@click.argument("text")
@click.option("--policy", required=True, help="Name of a shipped policy, or a path ending in .yaml.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@model_option
def explain_command(text: str, policy: str, *, as_json: bool, model: Path | None) -> None:
    """Say what a policy finds in TEXT, and why; and what it nearly found. - reads standard input.

    What it prints holds the text's own words: use invented text, or handle the output like a note.

    \b
    Examples:
      deid policy explain "Seen by Dr. Ana Lima in Keene." --policy safe-harbor
      deid policy explain - --policy my-policy.yaml < note.txt
    """
    from deid.authoring.explain import explain
    from deid.policy import load_policy

    explanation = explain(sys.stdin.read() if text == "-" else text, load_policy(policy), model=model)
    if as_json:
        click.echo(json.dumps(asdict(explanation), indent=2, ensure_ascii=False))
    else:
        _print_explanation(explanation)


def _print_explanation(explanation: Explanation) -> None:
    for each in explanation.found:
        click.secho(f"{each.surface!r}  ", nl=False, bold=True)
        click.echo(f"{each.entity_type}, {each.start}-{each.end} -> {each.operator}")
        for reason in each.reasons:
            limit = (
                f" (needs {each.threshold:.2f})" if reason.detector == "encoder" and each.threshold else ""
            )
            other = f" as {reason.entity_type}" if reason.entity_type != each.entity_type else ""
            rule = f" {reason.evidence}" if reason.evidence else ""
            click.echo(f"    {reason.detector}{rule}{other}: {reason.score:.2f}{limit}")
        if any(reason.detector == "encoder" for reason in each.reasons):
            click.echo(f"    by the description: {each.description}")
    if not explanation.found:
        click.echo("nothing found")
    if explanation.near:
        click.echo("nearly found:")
        for near in explanation.near:
            click.echo(
                f"    {near.surface!r}  {near.entity_type} {near.score:.2f} (needs {near.threshold:.2f})"
            )


@command.command("new")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--extends", default="safe-harbor", show_default=True, help="Parent policy; - for none.")
@click.option("--name", help="The policy's name; default: the file's.")
@click.option("--type", "types", multiple=True, metavar="NAME=DESCRIPTION", help="A type to add; repeatable.")
@click.option(
    "--example", "examples", multiple=True, metavar="NAME=SURFACE", help="An invented surface form."
)
def new(path: Path, **options: Any) -> None:
    """Write a new policy file, and a file of tests beside it; asks for types if none are given.

    \b
    Examples:
      deid policy new ours.yaml
      deid policy new ours.yaml --type "COURT_DOCKET=The number under which a court files a case." \\
          --example COURT_DOCKET=FC-20-5852-D
    """
    from deid.authoring.new import NewType, write_policy

    types = _types_given(options["types"], options["examples"])
    if not types and sys.stdin.isatty():
        while name := click.prompt("Type to add, such as COURT_DOCKET (empty: done)", default="", type=str):
            description = click.prompt("What is it, where does it stand, what surrounds it")
            listed = click.prompt("Invented examples, with ; between them", default="")
            surfaces = tuple(filter(None, map(str.strip, listed.split(";"))))
            types = (*types, NewType(name.strip().upper().replace(" ", "_"), description, surfaces))
    extends = None if options["extends"] == "-" else options["extends"]
    tests = write_policy(path, name=options["name"] or path.stem, extends=extends, types=types)
    click.echo(f"wrote {path} and {tests}; next: deid policy lint {path}; deid policy test {path}", err=True)


def _types_given(types: tuple[str, ...], examples: tuple[str, ...]) -> tuple[NewType, ...]:
    from deid.authoring.new import NewType
    from deid.errors import UsageError

    for each in (*types, *examples):
        if "=" not in each:
            raise UsageError("write --type NAME=DESCRIPTION and --example NAME=SURFACE")
    surfaces = [each.split("=", 1) for each in examples]
    made = []
    for each in types:
        name, description = each.split("=", 1)
        own = tuple(surface for kind, surface in surfaces if kind == name)
        made.append(NewType(name, description, own))
    return tuple(made)


@command.command("preview")
@click.argument("policy")
@click.option("--notes", required=True, metavar="INPUT", help="Notes to try the policy on: file or folder.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="Notes shown.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; default: a free one.")
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@model_option
@column_options
def preview(policy: str, notes: str, *, model: Path | None, **options: Any) -> None:
    """Edit POLICY on a page of this machine, and see at once what it finds in notes.

    POLICY is the path of a policy file; a shipped policy can be tried and edited, but not saved. The page can
    be opened from this machine alone, with the secret address that is printed; Ctrl+C ends it. It shows the
    notes as they are: treat it like them.

    \b
    Examples:
      deid policy preview ours.yaml --notes sample_notes/txt
      deid policy preview safe-harbor --notes notes.jsonl --limit 5 --no-browser
    """
    import webbrowser

    from deid.authoring.preview import Preview, read_entries
    from deid.authoring.preview_server import serve
    from deid.formats.source import open_source

    source = open_source(
        notes,
        columns=columns_of(options),
        format=options["format"],
        schema=options["schema"],
        delimiter=options["delimiter"],
    )
    browser = sys.stderr.isatty() and not options["no_browser"]

    def announce(address: str) -> None:
        click.echo(f"{address}\nCtrl+C ends it.", err=True)
        if browser:
            webbrowser.open(address)

    serve(
        Preview(policy, read_entries(source, options["limit"]), model=model),
        port=options["port"],
        announce=announce,
    )

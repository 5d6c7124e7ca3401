"""``deid policy list | show | lint | schema``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from deid.authoring.show import PolicySummary


@click.group("policy")
def command() -> None:
    """List, show and check policies.

    A policy says in plain language what counts as identifying and what is done about it. NAME is a shipped
    policy, such as safe-harbor, or the path of a policy file.

    \b
    Example:
      deid policy lint my-policy.yaml
    """


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
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def lint_command(ctx: click.Context, names: tuple[str, ...], *, as_json: bool) -> None:
    """Say what is wrong or unsafe in policies.

    Every finding names the paragraph behind it and a way to mend it. Exits with 1 if anything is an error.

    \b
    Example:
      deid policy lint safe-harbor my-policy.yaml
      deid policy lint my-policy.yaml --json
    """
    from deid.authoring.lint import lint

    findings = [finding for name in names for finding in lint(name)]
    errors = sum(finding.severity == "error" for finding in findings)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.place}: {finding.severity} {finding.code}: {finding.reason}")
            click.echo(f"    {finding.source}; {finding.fix}")
        click.echo(f"errors: {errors}, warnings: {len(findings) - errors}", err=True)
    ctx.exit(1 if errors else 0)


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema of policy files, for editors.

    \b
    Example:
      deid policy schema > policy.schema.json
    """
    from deid.policy import policy_schema

    click.echo(json.dumps(policy_schema(), indent=2))

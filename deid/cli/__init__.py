"""The command line: one file per command, each a thin layer over something that can be imported."""

from __future__ import annotations

import sys
from importlib import import_module

import click

import deid
from deid.errors import DeidError, unknown_name

_COMMANDS = {
    "audit": "Check a run's audit log.",
    "detect": "Write the spans of PHI found, as JSONL.",
    "evaluate": "Measure a policy on notes in which every mention is marked.",
    "key": "Make a secret for surrogates, date shifts and codes.",
    "model": "Say which encoder is used, or export it.",
    "policy": "List, show and check policies.",
    "report": "Say what a run did: text, JSON or one HTML page.",
    "run": "De-identify a batch of notes.",
    "sample": "Draw notes of a run for people to read.",
    "train": "Train an encoder from a config file.",
}


class _LazyGroup(click.Group):
    """Imports a command's module when the command is called, and turns our errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names."""
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"deid.cli.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; name the closest one if there is none."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(unknown_name("command", args[0], _COMMANDS), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except DeidError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 ok, 1 gate failed, 2 usage or policy, 3 done with quarantined notes, "
    "4 input or output, 5 integrity.",
)
@click.version_option(deid.__version__, prog_name="deid")
def main() -> None:
    """De-identify clinical notes: find PHI by description, redact or replace it, keep the evidence.

    \b
    Example:
      deid run notes.jsonl --policy safe-harbor --out clean/
    """


if __name__ == "__main__":
    sys.exit(main())

"""spool: the operator's command. Its verbs stand in modules of their own, loaded when they are used."""

from __future__ import annotations

import difflib
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

import click

from spoold.cli.options import EX_USAGE, RejectedError, Session, exit_code, json_option, spool_option
from spoold.core.text import printable
from spoold.errors import SpooldError

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUPS: Final[dict[str, dict[str, str]]] = {
    "Try and submit": {
        "demo": "demo:demo",
        "validate": "submit:validate",
        "try": "trial:try_",
        "submit": "submit:submit",
    },
    "Watch": {
        "status": "show:status",
        "top": "top:top",
        "wait": "wait:wait",
        "tail": "tail:tail",
        "results": "show:results",
        "report": "report:report",
    },
    "See what failed, and mend it": {
        "failures": "show:failures",
        "explain": "explain:explain",
        "retry-failures": "change:retry_failures",
        "resolve": "resolve:resolve",
    },
    "Steer": {
        "pause": "change:pause",
        "resume": "change:resume",
        "cancel": "change:cancel",
        "scale": "change:scale",
    },
    "Keep house": {
        "verify": "verify:verify",
        "schema": "submit:schema",
    },
}
_VERBS: Final = {verb: place for verbs in GROUPS.values() for verb, place in verbs.items()}
_WIDTH: Final = max(map(len, _VERBS))
_MEANT: Final = {
    **dict.fromkeys(("add", "drop", "enqueue", "run", "start"), "submit"),
    **dict.fromkeys(("jobs", "list", "ls", "ps", "show"), "status"),
    **dict.fromkeys(("follow", "journal", "log", "logs"), "tail"),
    **dict.fromkeys(("watch", "live", "monitor"), "top"),
    **dict.fromkeys(("output", "get", "cat"), "results"),
    **dict.fromkeys(("errors", "failed"), "failures"),
    **dict.fromkeys(("why", "item"), "explain"),
    **dict.fromkeys(("retry", "rerun", "requeue"), "retry-failures"),
    **dict.fromkeys(("kill", "abort", "stop", "delete"), "cancel"),
    **dict.fromkeys(("hold", "suspend"), "pause"),
    **dict.fromkeys(("continue", "unpause", "release"), "resume"),
    **dict.fromkeys(("check", "lint"), "validate"),
    **dict.fromkeys(("fsck", "audit"), "verify"),
    **dict.fromkeys(("workers", "resize"), "scale"),
}
"""What other programs call these things."""
_HELP: Final = """Hand jobs to spoold, watch them, and get what came of them.

\b
  spool demo                     see it work
  spool try job.yaml             run the first items here, recording nothing
  spool submit job.yaml --wait   hand it to the daemon, and see it through
  spool failures job             what failed, and how to run it again

`spool VERB --help` has examples of each verb. JOB is a job's name; where it has run keys, job means the newest run and
job@run that one.
"""
_EPILOG: Final = """Exit: 0 done, 1 not all is well, 3 no such job, 64 usage, 65 rejected, 74 spool or journal can't be
used, 75 the daemon takes its time, 78 configuration; `spool wait --help` has its own.

\b
Shells complete verbs, options and names of jobs:
  bash, in ~/.bashrc:  eval "$(_SPOOL_COMPLETE=bash_source spool)"
  zsh, in ~/.zshrc:    eval "$(_SPOOL_COMPLETE=zsh_source spool)"
  fish, once:          _SPOOL_COMPLETE=fish_source spool > ~/.config/fish/completions/spool.fish
"""


class Verbs(click.Group):
    """The verbs by task; a misspelt one is answered with the nearest."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every verb."""
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Load a verb."""
        if cmd_name not in _VERBS:
            return None
        module, _, name = _VERBS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"spoold.cli.{module}"), name)
        command.help = (command.help or "").replace("\\b\n", "\b\n")  # what click wants is no escape in a raw docstring
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that is meant."""
        if args and args[0] not in _VERBS and not args[0].startswith("-"):
            near = _MEANT.get(args[0]) or next(iter(difflib.get_close_matches(args[0], _VERBS, n=1)), None)
            remedy = f"did you mean '{near}'?" if near else "`spool --help` lists the verbs"
            ctx.fail(f"there is no verb '{printable(args[0])}'; {remedy}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs by task."""
        for group, verbs in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl(list(self._lines(ctx, verbs)))

    def _lines(self, ctx: click.Context, verbs: dict[str, str]) -> Iterator[tuple[str, str]]:
        for verb in verbs:
            command = self.get_command(ctx, verb)
            assert command is not None
            yield f"{verb:<{_WIDTH}}", command.get_short_help_str(limit=70)


@click.group(cls=Verbs, help=_HELP, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@spool_option
@json_option
@click.version_option(package_name="spoold", prog_name="spool")
@click.pass_context
def cli(context: click.Context) -> None:
    """Make the session that the verbs share."""
    context.ensure_object(Session)


def main() -> None:
    """The console script."""
    if "_SPOOL_COMPLETE" in os.environ:
        from spoold.cli.completion import register  # noqa: PLC0415 - only for a shell that asks

        register()
    try:
        code = cli.main(prog_name="spool", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        code = EX_USAGE
    except click.exceptions.Exit as done:
        code = done.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except SpooldError as error:
        click.echo(f"spool: {'rejected: ' if isinstance(error, RejectedError) else ''}{error}", err=True)
        code = exit_code(error)
    sys.exit(code)

"""What all verbs of `spool` share: the spool that is meant, options, output, exit codes.

Data goes to stdout, talk to stderr. Whatever users wrote is shown escaped, so that it can't forge a terminal escape.
"""

from __future__ import annotations

import json
import os
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import click

from spoold.errors import ConfigError, ManifestError, SpooldError
from spoold.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

    from spoold.supervisor.config import Config

EX_USAGE: Final = 64
EX_DATA: Final = 65
EX_IOERR: Final = 74
EX_TEMPFAIL: Final = 75
EX_CONFIG: Final = 78
EX_NO_JOB: Final = 3

F = TypeVar("F", bound="Callable[..., Any]")


class NoSuchJobError(SpooldError):
    """No job has that name (exit 3)."""


class RejectedError(SpooldError):
    """The daemon did not take what was dropped, or would not (exit 65)."""


_CODES: Final[tuple[tuple[type[SpooldError], int], ...]] = (
    (NoSuchJobError, EX_NO_JOB),
    (RejectedError, EX_DATA),
    (ManifestError, EX_DATA),
    (ConfigError, EX_CONFIG),
)


def exit_code(error: SpooldError) -> int:
    """The exit code that an error means; 74 for one that is no user's mistake."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), EX_IOERR)


class Session:
    """One call of the command.

    Attributes:
        given: what --spool says.
        as_json: show JSON instead of text for people.
    """

    def __init__(self) -> None:
        self.given: str | None = None
        self.as_json = False

    @cached_property
    def spool(self) -> Spool:
        """The spool that is meant."""
        # imported here, because reading the configuration takes longer than most verbs
        from spoold.supervisor.where import find_spool  # noqa: PLC0415 - see above

        named = self.given or os.environ.get("SPOOLD_SPOOL")
        return Spool(find_spool(self.given, None if named or not _has_configuration() else self.config))

    @cached_property
    def config(self) -> Config:
        """The configuration.

        Raises:
            ConfigError: it is wrong.
        """
        from spoold.supervisor.config import load  # noqa: PLC0415 - as above

        return load()


def _has_configuration() -> bool:
    return bool(os.environ.get("SPOOLD_CONFIG")) or os.path.exists("/etc/spoold/spoold.yaml")


def _set_spool(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Session).given = value


def _set_json(context: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's way
    if value:
        context.ensure_object(Session).as_json = True


def spool_option(command: F) -> F:
    """Add --spool, which may stand before or after the verb."""
    return click.option(
        "--spool",
        metavar="DIR",
        type=click.Path(),
        callback=_set_spool,
        expose_value=False,
        is_eager=True,
        help="The spool. Default: $SPOOLD_SPOOL, the configuration's, ./spool if it is one, /var/spool/spoold.",
    )(command)


def json_option(command: F) -> F:
    """Add --json."""
    return click.option(
        "--json", is_flag=True, callback=_set_json, expose_value=False, is_eager=True, help="Show JSON."
    )(command)


def is_screen(stream: IO[str]) -> bool:
    """Whether something can be drawn there again and again; else there are only lines."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def quiet_option(command: F) -> F:
    """Add -q."""
    return click.option("-q", "--quiet", is_flag=True, help="Do not show how far it is.")(command)


def job_argument(name: str = "job", *, required: bool = True, many: bool = False) -> Callable[[F], F]:
    """Add the argument JOB, which shells complete."""
    metavar = "JOB..." if many else "JOB" if required else "[JOB]"
    return click.argument(
        name, metavar=metavar, required=required, nargs=-1 if many else 1, shell_complete=complete_job
    )


def complete_job(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The jobs whose name begins with what was typed; completion never fails loudly."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only for shells that complete

    root = context.find_root()
    session = root.obj if isinstance(root.obj, Session) else Session()
    session.given = session.given or context.params.get("spool") or root.params.get("spool")
    try:
        return [CompletionItem(name) for name in session.spool.job_names() if name.startswith(begun)]
    except (OSError, SpooldError):
        return []


def say(text: str) -> None:
    """Talk to whoever called."""
    click.echo(f"spool: {text}", err=True)


def show_json(value: Any) -> None:
    """Show a value as one line of JSON."""
    click.echo(safe_json(json.dumps(value, ensure_ascii=False)))


def safe_json(text: str) -> str:
    r"""The same JSON with every character that a terminal might act upon written as \uXXXX."""
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else json.dumps(char)[1:-1] for char in text)

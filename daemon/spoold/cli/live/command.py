"""What the live view lets one do with a job: a command is dropped, and what became of it is told in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from spoold.cli import state
from spoold.cli.change import put
from spoold.cli.drop import PATIENCE, taken
from spoold.errors import SpooldError

if TYPE_CHECKING:
    from spoold.cli.live.figures import Row
    from spoold.spool import Spool


class Command(NamedTuple):
    """A verb of the control folder, with what is said of it."""

    verb: str
    told: str
    asks: str = ""


COMMANDS: Final = {
    "pause": Command("pause", "pauses: items in flight finish"),
    "resume": Command("resume", "goes on", "{} has ended. Run what is not done?"),
    "cancel": Command("cancel", "is cancelled", "Cancel {}? Its items in flight get 5 s."),
    "retry": Command("retry-failures", "runs its failed items again"),
}


def question(name: str, row: Row) -> str | None:
    """What is to be asked before the command is given; None: nothing."""
    command = COMMANDS[name]
    if not command.asks or (name == "resume" and row["state"] not in state.ENDED):
        return None
    return command.asks.format(row["job"])


def give(spool: Spool, name: str, job: str) -> str:
    """Drop the command and wait until it is taken; what became of it."""
    command = COMMANDS[name]
    try:
        done = taken(spool, put(spool, command.verb, job))
    except SpooldError as error:
        return f"{command.verb} {job}: {error}"
    if done:
        return f"{job} {command.told}"
    if done is False:
        return f"no daemon runs: {command.verb} {job} will be obeyed at its start"
    return f"{command.verb} {job}: not obeyed within {PATIENCE:g} s"

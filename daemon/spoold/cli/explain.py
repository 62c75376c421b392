"""The verb that tells what happened to one item. It reads journal and log, so it works while no daemon runs, too."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from spoold.cli import state
from spoold.cli.item_log import lines_of
from spoold.cli.options import Session, job_argument, json_option, say, show_json, spool_option
from spoold.core.identity import IdentityError, id_text
from spoold.core.text import printable, shell_word
from spoold.journal.story import story

if TYPE_CHECKING:
    from spoold.spool import Spool

EX_NOTHING: Final = 1
_AGAIN: Final = {
    "failed": "spool retry-failures {job}",
    "quarantined": "spool retry-failures {job}",
    "in-doubt": "spool resolve {job} {id} ok|retry",
}


@click.command(short_help="Show every attempt of one item.", context_settings={"ignore_unknown_options": True})
@job_argument()
@click.argument("item", metavar="ID")
@json_option
@spool_option
@click.pass_obj
def explain(session: Session, job: str, item: str) -> int:
    r"""Show every attempt of the item with this ID: when, which worker, how long, what became of it, why, with the
    traceback; when the next one is due; and the item's lines of job.log. An ID is as `spool tail` and failures.jsonl
    show it.

    \b
    Examples:
      spool explain embed doc-613
      spool explain embed line:613 --json | jq .state

    Exit: 1 if nothing was recorded of such an item.
    """  # noqa: D205 - click shows it as one paragraph
    name = state.find_job(session.spool, job)
    item_id = meant(item)
    content = about(session.spool, name, item_id)
    found = bool(content["attempts"] or content["log"])
    if session.as_json:
        show_json(content)
    elif not found:
        say(f"{name}: no item '{printable(item_id)}': nothing was recorded of it (perhaps it has not run yet)")
    else:
        from spoold.report import item as screen  # noqa: PLC0415 - rich takes long, and --json needs none of it
        from spoold.report.terminal import console  # noqa: PLC0415 - as above

        console().print(screen.explained(content, time.time()))
        if content["state"] in _AGAIN:
            say(f"to go on with it: {_AGAIN[content['state']].format(job=name, id=shell_word(item_id))}")
    return 0 if found else EX_NOTHING


def meant(item: str) -> str:
    """The item's id as the journal has it.

    Raises:
        UsageError: no item can have this id.
    """
    try:
        return id_text(item.encode(errors="surrogateescape").decode(errors="backslashreplace"))
    except IdentityError as error:
        raise click.UsageError(f"ID: {error}") from error


def about(spool: Spool, name: str, item_id: str) -> dict[str, Any]:
    """What `spool explain --json` shows."""
    directory = spool.job(name)
    found = story(directory.journal, name, item_id)
    log, log_left_out = lines_of(directory.log, item_id)
    newest = found.winner
    return {
        "job": name,
        "job_state": state.job_state(spool, name),
        "id": item_id,
        "n": newest and newest.n,
        "state": found.state,
        "next": found.next,
        "attempts": [msgspec.to_builtins(step) for step in found.steps],
        "left_out": found.left_out,
        "log": log,
        "log_left_out": log_left_out,
    }

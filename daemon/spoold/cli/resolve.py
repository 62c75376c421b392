"""The verb by which a person decides what is true of an item in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from spoold.cli import state
from spoold.cli.change import order
from spoold.cli.explain import meant
from spoold.cli.options import (
    RejectedError,
    Session,
    job_argument,
    json_option,
    say,
    show_json,
    spool_option,
)
from spoold.core.text import printable, shell_word
from spoold.journal.story import story

if TYPE_CHECKING:
    from spoold.spool import Spool

_OUTCOMES: Final = {"ok": "counts as done", "retry": "runs again"}


@click.command(
    short_help="Decide on an item in doubt: done, or to run again.", context_settings={"ignore_unknown_options": True}
)
@job_argument()
@click.argument("item", metavar="ID")
@click.argument("outcome", metavar="ok|retry", type=click.Choice(list(_OUTCOMES)))
@json_option
@spool_option
@click.pass_obj
def resolve(session: Session, job: str, item: str, outcome: str) -> int:
    r"""Decide on an item in doubt: it began, and nobody recorded how it ended. See whether its effect is there: `ok`
    takes the item as done, without a result; `retry` runs it again. Of a job that ended, a new run does no more than
    that; a paused one does it when it goes on.

    \b
    Examples:
      spool failures mails
      spool resolve mails customer-613 ok

    Exit: 65 if the item is not in doubt.
    """  # noqa: D205 - click shows it as one paragraph
    name = state.find_job(session.spool, job)
    item_id = meant(item)
    _check(session.spool, name, item_id)
    code, row = order(session, "resolve", name, lambda _: True, id=item_id, outcome=outcome)
    if row is not None:
        later = f" when the job goes on: spool resume {name}" if row["state"] == "paused" else ""
        say(f"{row['job']}: item '{printable(item_id)}' {_OUTCOMES[outcome]}{later}")
        if session.as_json:
            show_json(row)
    return code


def _check(spool: Spool, name: str, item_id: str) -> None:
    """See that the item is in doubt.

    Raises:
        RejectedError: it is not.
    """
    found = story(spool.job(name).journal, name, item_id).state
    if found == "in-doubt":
        return
    shown = printable(item_id)
    if found is None:
        raise RejectedError(f"{name} has no item '{shown}' in doubt: nothing was recorded of it")
    remedy = f"`spool explain {name} {shell_word(item_id)}` tells why"
    raise RejectedError(f"item '{shown}' of {name} is not in doubt, it is {found}", remedy=remedy)

"""The verb that reads whole journals to see whether they are sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from spoold.cli import state
from spoold.cli.options import Session, job_argument, json_option, say, show_json, spool_option
from spoold.core.text import printable
from spoold.errors import JournalError
from spoold.journal.verify import verify as verify_journal

if TYPE_CHECKING:
    from spoold.spool import Spool


@click.command(short_help="Look for damage in journals.")
@job_argument(required=False)
@json_option
@spool_option
@click.pass_obj
def verify(session: Session, job: str | None) -> int:
    r"""Check every record of a job's journal, or of all; exit 1 when one is damaged or missing.

    Each damage is named by its file and byte; only what stands there is void, and its item runs again when the job
    starts next.

    \b
    Examples:
      spool verify
      spool verify embed --json | jq '.[].damage'
    """
    spool = session.spool
    names = state.job_names(spool) if job is None else [state.find_job(spool, job)]
    found = [_check(spool, name) for name in names]
    if session.as_json:
        show_json(found)
    for one in found:
        for damage in one["damage"] if not session.as_json else ():
            place = f"{damage['path']}: byte {damage['offset']}"
            click.echo(printable(f"{place}: {damage['kind']}: {damage['detail']}", 8192))
        read = f"{one['records']:,} records in {one['segments']} segments"
        say(f"{one['job']}: {read}, {len(one['damage'])} damaged places")
    return 1 if any(one["damage"] for one in found) else 0


def _check(spool: Spool, name: str) -> dict[str, Any]:
    """What is wrong with a job's journal; the last record of one that is being written may be incomplete."""
    path = spool.job(name).journal
    told = state.read_status(spool)
    writing = told is not None and any(row["job"] == name and row["workers"]["now"] for row in told["jobs"])
    try:
        report = verify_journal(path, job=name)
    except JournalError as error:
        damage = [{"path": path, "offset": 0, "kind": "no journal", "detail": error.what, "size": 0}]
        return {"job": name, "records": 0, "segments": 0, "damage": damage}
    damage = [
        {"path": one.path, "offset": one.offset, "kind": one.kind, "detail": one.detail, "size": one.size}
        for one in report.damage
        if not (writing and one.kind == "torn tail")
    ]
    return {"job": name, "records": report.records, "segments": report.segments, "damage": damage}

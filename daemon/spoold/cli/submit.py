"""Verbs that hand manifests to the daemon, or say whether it would take them: submit, validate, schema."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from spoold.cli import state, waiting
from spoold.cli.drop import PATIENCE, Dropped, accepted_as, drop, taken
from spoold.cli.manifest_text import with_keys
from spoold.cli.options import (
    EX_DATA,
    EX_TEMPFAIL,
    RejectedError,
    Session,
    json_option,
    quiet_option,
    say,
    show_json,
    spool_option,
)
from spoold.cli.progress import Display, display
from spoold.core.text import printable
from spoold.errors import ManifestError, SpooldError
from spoold.supervisor import config as configuration
from spoold.supervisor import manifests
from spoold.supervisor.drop import takeable
from spoold.supervisor.manifests import stem_of

if TYPE_CHECKING:
    from spoold.core.manifest import Manifest
    from spoold.spool import Spool

_SHOWN: Final = 5.0  # seconds that status is given to show what was taken
_FILES: Final = click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())


@dataclass(frozen=True, slots=True)
class Prepared:
    """A manifest that is ready to be dropped."""

    path: str
    name: str
    data: bytes
    manifest: Manifest


def read(session: Session, path: str) -> tuple[bytes, Manifest]:
    """A manifest's bytes and what they say.

    Raises:
        ManifestError: it can't be read, or the daemon would not take it.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(session.config.limits.manifest + 1)
    except OSError as error:
        raise ManifestError(f"can't be read: {error.strerror}", name=printable(path)) from error
    name = os.path.basename(path)
    return data, manifests.parse(data, path, limits=session.config.limits, stem=stem_of(name))


def prepare(session: Session, path: str, run: str | None) -> Prepared:
    """A manifest as it is to be dropped: `cwd` is its own folder if it names none, `run` is the given one.

    Raises:
        ManifestError: as `read`; or its name is not one that the daemon takes.
    """
    name = os.path.basename(path)
    if not takeable(name):
        remedy = "rename it to end in .yaml, .yml or .json, without a dot in front"
        raise ManifestError("the daemon leaves files of this name alone", name=printable(path), remedy=remedy)
    data, manifest = read(session, path)
    keys = {} if run is None else {"run": run}
    if manifest.cwd is None:
        keys["cwd"] = os.path.dirname(os.path.abspath(path))
    data = with_keys(data, path, keys)
    return Prepared(path, name, data, manifests.parse(data, path, limits=session.config.limits, stem=stem_of(name)))


def put(spool: Spool, ready: Prepared) -> Dropped:
    """Drop a manifest; where one of its name waits already, under another name, with the job's name written into it.

    Raises:
        SpoolError: it can't be dropped.
    """
    if not os.path.isdir(spool.incoming):
        spool.create()
    name, data = ready.name, ready.data
    while True:
        try:
            return drop(spool.incoming, name, data)
        except FileExistsError:
            stem = stem_of(ready.name)
            name = f"{stem[:150]}-{time.time_ns()}{ready.name.removeprefix(stem)}"
            data = with_keys(ready.data, ready.name, {"job": ready.manifest.job})


@click.command(short_help="Hand manifests to the daemon.")
@_FILES
@click.option("--run", metavar="KEY", help="Run key (also a strftime format): the same items again, as JOB@KEY.")
@click.option("--wait", is_flag=True, help="Wait for the end, and exit as `spool wait` does.")
@quiet_option
@json_option
@spool_option
@click.pass_obj
def submit(session: Session, files: tuple[str, ...], run: str | None, *, wait: bool, quiet: bool) -> int:
    r"""Hand manifests to the daemon: drop a copy of each FILE into incoming/.

    A manifest without `cwd` gets its own folder as `cwd`. Returns when the daemon has taken them (exit 0) or rejected
    one (exit 65, the reason on stderr). Without a daemon they are taken at its start.

    \b
    Examples:
      spool submit embed.yaml
      spool submit embed.yaml --run %Y-%m-%d --wait
    """
    handed = [_handed(session, path, run) for path in files]
    outcomes = [one if isinstance(one, dict) else _settled(session.spool, *one, stay=wait) for one in handed]
    code = max(one.pop("code") for one in outcomes)
    jobs = [one["job"] for one in outcomes if one["job"] is not None and one["error"] is None]
    if wait and jobs:
        rows = _see_through(session, jobs, display(quiet=quiet or session.as_json))
        code = code or waiting.code_of(rows.values())
        for one in outcomes:
            one["state"] = rows[one["job"]]["state"] if one["job"] in rows else one["state"]
    if session.as_json:
        show_json(outcomes)
    return int(code)


def _see_through(session: Session, jobs: list[str], shown: Display) -> dict[str, dict[str, Any]]:
    rows = waiting.ends(session.spool, jobs, None, shown)
    assert rows is not None
    for row in rows.values():
        say(waiting.ended_line(row))
    return rows


def _handed(session: Session, path: str, run: str | None) -> tuple[Prepared, Dropped] | dict[str, Any]:
    try:
        ready = prepare(session, path, run)
    except ManifestError as error:
        return _refused(path, None, str(error))
    return ready, put(session.spool, ready)


def _refused(path: str, job: str | None, reason: str) -> dict[str, Any]:
    say(f"rejected: {reason}")
    return {"file": path, "job": job, "state": None, "error": reason, "code": EX_DATA}


def _settled(spool: Spool, ready: Prepared, dropped: Dropped, *, stay: bool) -> dict[str, Any]:
    """Wait until the daemon has decided, and tell; with `stay`, wait for a daemon too."""
    try:
        done = taken(spool, dropped)
        if done is False:
            say(f"no daemon runs on {spool.root}: {printable(ready.name)} will be taken at its start")
        if not done and stay:
            done = taken(spool, dropped, stay=True)
    except RejectedError as error:
        return _refused(ready.path, ready.manifest.job, str(error))
    outcome: dict[str, Any] = {"file": ready.path, "job": ready.manifest.job, "state": None, "error": None, "code": 0}
    if done is None:
        say(f"the daemon has not taken {printable(ready.name)} in {PATIENCE:g} s; it still lies in {spool.incoming}")
        outcome["code"] = EX_TEMPFAIL
    elif done:
        job = accepted_as(spool, dropped, ready.manifest.job) or ready.manifest.job
        with suppress(SpooldError):
            outcome |= _told(spool, job)
    return outcome


def _told(spool: Spool, job: str) -> dict[str, Any]:
    """Say which state the job is in, once status shows it."""

    def look() -> dict[str, Any] | None:
        row = state.job_row(spool, job)
        waits = state.next_waits(spool, job)
        return None if waits and row["state"] in state.ENDED else row | {"waits": waits}

    row = waiting.until(look, [spool.root], _SHOWN) or state.job_row(spool, job) | {"waits": True}
    if row["waits"]:
        say(f"accepted: {job} is {row['state']}, the new manifest takes effect when this run ends")
    else:
        say(f"accepted: {job} is {row['state']}")
    return {"job": job, "state": row["state"]}


@click.command(short_help="Say whether manifests would be taken.")
@_FILES
@json_option
@spool_option
@click.pass_obj
def validate(session: Session, files: tuple[str, ...]) -> int:
    r"""Check manifests as the daemon would, and drop nothing; exit 65 if one is wrong.

    \b
    Example:
      spool validate *.yaml
    """
    found = []
    for path in files:
        try:
            _, manifest = read(session, path)
            found.append({"file": path, "job": manifest.job, "error": None})
        except ManifestError as error:
            found.append({"file": path, "job": None, "error": str(error)})
    if session.as_json:
        show_json(found)
    for one in found:
        if one["error"] is not None:
            click.echo(f"spool: {one['error']}", err=True)
        elif not session.as_json:
            click.echo(f"{printable(str(one['file']), 4096)}: good, job {one['job']}")
    return EX_DATA if any(one["error"] for one in found) else 0


@click.command(short_help="Print the JSON Schema of manifests or of the configuration.")
@click.argument("of", type=click.Choice(["manifest", "config"]), default="manifest")
@spool_option
def schema(of: str) -> int:
    r"""Print a JSON Schema, for editors and generators: of the manifest, or of the daemon's configuration.

    \b
    Examples:
      spool schema > manifest.schema.json
      spool schema config
    """
    click.echo(manifests.schema_text() if of == "manifest" else configuration.schema_text(), nl=False)
    return 0

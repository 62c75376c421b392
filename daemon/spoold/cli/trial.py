"""The verb that runs the first items of a manifest here and now: tracebacks on the screen, nothing recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from spoold.cli.options import Session, json_option, safe_json, say, show_json, spool_option
from spoold.cli.submit import read
from spoold.core.spec import JobSpec, encode_spec
from spoold.core.text import printable
from spoold.supervisor.brief import brief
from spoold.system.process import describe_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spoold.core.manifest import Manifest

_LONGEST: Final = 2000  # characters of a result that are shown to people


@click.command("try", short_help="Run the first items here, recording nothing.")
@click.argument("file", type=click.Path())
@click.option("-n", "--items", type=click.IntRange(min=1), default=3, show_default=True, help="How many items.")
@json_option
@spool_option
@click.pass_obj
def try_(session: Session, file: str, items: int) -> int:
    r"""Run the first items of the manifest FILE in the foreground, in a process that is prepared as a worker is.

    Shows what the handler returned, or the traceback; records nothing, needs no daemon. Exit 1 if an item failed.

    \b
    Example:
      spool try embed.yaml -n 10
    """
    _, manifest = read(session, file)
    spec = _spec(session, manifest, os.path.dirname(os.path.abspath(file)))
    read_end, write_end = os.pipe()
    command = [sys.executable, "-P", "-m", "spoold.cli.trial_child", str(write_end), str(items)]
    env = os.environ | {name: value.replace("{worker}", "0") for name, value in spec.env.items()}
    child = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[write_end], env=env)
    os.close(write_end)
    assert child.stdin is not None
    with child.stdin as pipe:
        pipe.write(encode_spec(spec))
    failed = tried = 0
    with open(read_end, encoding="utf-8") as told:
        for one in map(json.loads, told):
            tried += "id" in one
            failed += "result" not in one and one.get("status") != "skipped"
            _show(session, one)
    status = child.wait()
    if status not in (0, 1):
        say(f"the process ended in item {tried + 1}: {_how(status)}")
        return 1
    say(f"{tried} items tried, {failed} failed; nothing is recorded")
    return 1 if failed else 0


def _how(status: int) -> str:
    return describe_status(-status if status < 0 else status << 8)


def _spec(session: Session, manifest: Manifest, folder: str) -> JobSpec:
    """The job as a runner would be told it."""
    return brief(manifest, session.config, job=manifest.job, directory="", spool=session.spool.root, cwd=folder)


def _show(session: Session, one: dict[str, Any]) -> None:
    """An item's end, or why there is none."""
    if session.as_json:
        show_json(one)
        return
    if "source" in one:
        say(printable(one["source"], 4000))
    elif "load" in one:
        say("the handler can't be loaded:")
        _lines(one["load"])
    elif one.get("status") == "skipped":
        click.echo(f"{printable(one['id'])}: skipped{_took(one)}: {printable(one['error']['message'], 4000)}")
    elif "error" in one:
        again = f"; a job would try it again, {one['wait']:.3g} s later" if one["status"] == "retry" else ""
        click.echo(f"{printable(one['id'])}: failed{_took(one)}{again}")
        _lines(one["error"])
    else:
        text = safe_json(json.dumps(one["result"], ensure_ascii=False))
        more = f"… ({len(text)} characters)" if len(text) > _LONGEST else ""
        click.echo(f"{printable(one['id'])}: ok{_took(one)} {text[:_LONGEST]}{more}")


def _took(one: dict[str, Any]) -> str:
    return "" if one["ms"] is None else f" in {one['ms']:.2f} ms"


def _lines(error: dict[str, Any]) -> None:
    """A traceback, line by line, each made safe."""
    kind = f"{error['type']}: " if error["type"] else ""
    for line in _traceback(error.get("traceback") or f"{kind}{error['message']}"):
        click.echo(f"  {line}")


def _traceback(text: str) -> Iterator[str]:
    """Its lines, in which backslashes may stand as they are."""
    return (printable(line, 2000).replace("\\\\", "\\") for line in text.rstrip("\n").split("\n"))

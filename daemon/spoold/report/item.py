"""What happened to one item, on a terminal: its attempts, their tracebacks, its lines of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from spoold.core.text import printable
from spoold.core.units import format_duration, format_size
from spoold.report.moment import moment
from spoold.report.terminal import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_STYLES: Final = {
    "ok": "green",
    "kept": "green",
    "skipped": "green",
    "retry": "yellow",
    "waiting": "yellow",
    "in-doubt": "yellow",
    "failed": "red",
    "died": "red",
    "quarantined": "red",
}
_ROW: Final = "{:>3} {:>3}  {:<23}  {:>6}  {:>9}  {}"
_INDENT: Final = 9
_MESSAGE: Final = 2000  # characters
Step = dict[str, Any]


def explained(content: dict[str, Any], now: float) -> RenderableType:
    """The screen of `spool explain`.

    Args:
        content: what the verb shows as JSON.
        now: epoch seconds.
    """
    parts: list[RenderableType] = [_head(content, now)]
    if content["attempts"]:
        if content["left_out"]:
            parts.append(Text(f"({content['left_out']:,} older records are left out)"))
        parts += _steps(content["attempts"])
        parts.append(Text())
    for step in content["attempts"]:
        if step["error"] and step["error"]["traceback"]:
            parts.append(Text(f"run {step['run']}, attempt {step['try']}:", style="bold"))
            parts.append(_indented(step["error"]["traceback"].splitlines()))
            parts.append(Text())
    if content["log"]:
        older = f" ({content['log_left_out']:,} older lines are left out)" if content["log_left_out"] else ""
        parts.append(Text(f"job.log{older}:", style="bold"))
        parts.append(Group(*(Text(f"  {line}") for line in content["log"])))
    return Group(*parts)


def _head(content: dict[str, Any], now: float) -> Text:
    state = content["state"] or "nothing recorded yet"
    place = "" if content["n"] is None else f" (n {content['n']})"
    head = Text.assemble(
        text(content["id"]), f"{place} of {content['job']}: ", (state, f"bold {_STYLES.get(content['state'], '')}")
    )
    due = content["next"]
    if due is not None:
        left = f", in {format_duration(due - now)}" if due > now else ", as soon as a worker is free"
        head.append(f"; next attempt at {moment(due)}{left}")
    if content["state"] in ("waiting", "begun", None) and content["job_state"] != "running":
        head.append(f"; the job is {content['job_state']}")
    return head


def _steps(steps: Iterable[Step]) -> Iterator[RenderableType]:
    """A row for each step, and what there is to say of it below: a column for that would be narrow."""
    yield Text(_ROW.format("run", "try", "when", "worker", "took", "became"), style="bold")
    for step in steps:
        attempt, worker = ("" if step[name] is None else step[name] for name in ("try", "worker"))
        took = "" if step["ms"] is None else _took(step["ms"])
        row = Text(_ROW.format(step["run"], attempt, moment(step["t"]), worker, took, ""))
        yield row.append(step["status"], style=_STYLES.get(step["status"], ""))
        because = Text("; ").join(list(_because(step)))
        if because:
            yield Padding(because, (0, 0, 0, _INDENT), expand=False)


def _took(ms: float) -> str:
    return f"{ms:.2f} ms" if ms < 1000 else format_duration(ms / 1000)


def _because(step: Step) -> Iterator[Text]:
    """What there is to say of a step, most important first."""
    error = step["error"]
    if error is not None:
        said = [part for part in (error["type"], error["message"]) if part]
        yield text(": ".join(said), limit=_MESSAGE)
        if error["free"]:
            yield Text("it costs no attempt")
        if error["hold"]:
            yield Text("the job holds")
    if step["outcome"] is not None:
        yield text(f"an operator decided: {step['outcome']}")
    if step["once"] is not None:
        yield text(f"{step['once']} {_came(step['came'])}")
    if step["due"] is not None:
        yield Text(f"next attempt at {moment(step['due'])}")
    if step["times"] > 1:
        yield Text(f"{step['times']:,} times, this is the last")
    if step["size"] is not None:
        what = "state" if step["status"] == "save" else "result"
        yield Text(f"{what} of {format_size(step['size'])}")


def _came(came: str) -> str:
    return came if came in ("began", "returned") else f"raised {came}"


def _indented(lines: Iterable[str]) -> Group:
    return Group(*(Text(f"  {printable(line, _MESSAGE)}") for line in lines))

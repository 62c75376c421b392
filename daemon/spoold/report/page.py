"""report.html: a job's newest run as one page that needs nothing else, no script and no network.

Everything that users wrote is escaped twice over: what is not printable is written out, and the template escapes the
rest.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, Final

from spoold.core.messages import Counts
from spoold.core.text import shell_word
from spoold.journal.replay import replay
from spoold.report import series
from spoold.report.axis import Axis
from spoold.report.chronicle import Chronicle, chronicle
from spoold.report.findings import bounds, checks, first_looks, load_of, memory_limit
from spoold.report.moment import moment
from spoold.report.recipe import Recipe, read_recipe
from spoold.report.templates import Figure, render

if TYPE_CHECKING:
    from spoold.spool import JobDir

LONG: Final = 3.0
"""Seconds; a shorter run gets figures only when somebody asks for its page."""
_COLUMNS: Final = 4  # of time, below which a figure shows nothing
_KINDS: Final = 12
_WORKERS: Final = 64
_BARS: Final = 24


def page(directory: JobDir, *, figures: bool | None = None) -> str:
    """The page of a job's newest run, as far as its journal is.

    Args:
        directory: of the job.
        figures: whether figures are drawn, if matplotlib is there; None: of a run that took `LONG`.

    Raises:
        JournalError: the journal can't be read.
    """
    found = chronicle(directory.journal, directory.name)
    recipe = read_recipe(directory.manifest)
    counts = found.counts or _counted(directory, found)
    wanted = found.active >= LONG if figures is None else figures
    return render("report.html", **_content(directory, found, recipe, counts, figures=wanted))


def _counted(directory: JobDir, found: Chronicle) -> Counts:
    """The numbers of a run whose last record has none: it goes on, or was killed."""
    history = replay(directory.journal, job=found.job, processes=1)
    planned = found.last("planned")
    by = history.counts()
    return Counts(
        total=planned.fields.get("items") if planned else None,
        already_done=len(history.done - history.settled),
        ok=by["ok"] + by["kept"],
        failed=by["failed"],
        skipped=by["skipped"],
        quarantined=by["quarantined"],
        in_doubt=by["in-doubt"],
        duplicates=planned.fields.get("duplicates", 0) if planned else 0,
    )


def _content(directory: JobDir, found: Chronicle, recipe: Recipe, counts: Counts, *, figures: bool) -> dict[str, Any]:
    axis, load = Axis(found.bins), load_of(found, recipe)
    kinds = found.failures.rows()
    return {
        "job": found.job,
        "run": found.run,
        "runs": found.runs,
        "state": found.state or "unfinished",
        "error": next((str(one.says) for one in reversed(found.moments) if one.what == found.state), ""),
        "counts": counts,
        "found": found,
        "tally": found.tally,
        "quantiles": _quantiles(found),
        "bounds": bounds(found, recipe, load),
        "checks": checks(found),
        "first_looks": first_looks(found, counts),
        "rows": series.rows(axis, found.bins),
        "bars": series.bars(found.tally, _BARS),
        "workers": sorted(found.workers.items())[:_WORKERS],
        "workers_left_out": max(0, len(found.workers) - _WORKERS),
        "limit": memory_limit(recipe),
        "load": load,
        "kinds": kinds[:_KINDS],
        "kinds_left_out": max(0, len(kinds) - _KINDS),
        "retry": f"spool retry-failures {shlex.quote(found.job)}",
        "bad": counts.failed + counts.quarantined,
        "moments": found.moments,
        "facts": _facts(directory, found, recipe, load.workers),
        "recipe": recipe,
        "figures": _figures(axis, found, load.lanes // max(1, load.workers)) if figures else {},
        "word": shell_word,
    }


def _quantiles(found: Chronicle) -> dict[str, float]:
    shares = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
    return {name: value for name, share in shares.items() if (value := found.tally.percentile(share)) is not None}


def _figures(axis: Axis, found: Chronicle, capacity: int) -> dict[str, Figure]:
    """The figures by name; none without matplotlib."""
    from spoold.report import figures  # noqa: PLC0415 - an extra, and takes long

    if not figures.drawable():
        return {}
    drawn: dict[str, Figure] = {}
    marks = series.marks(axis, found.stretches)
    if axis.columns >= _COLUMNS:
        drawn["throughput"] = Figure(figures.throughput(axis, series.rates(axis, found.bins), marks))
        slots = sorted(slot for slot, worker in found.workers.items() if worker.busy or worker.deaths)
        if slots:
            lanes = series.lanes(axis, found.bins, slots, max(1, capacity))
            drawn["lanes"] = Figure(figures.lanes(axis, lanes, marks))
    bars = series.bars(found.tally)
    if bars:
        drawn["latency"] = Figure(figures.latency(bars, _quantiles(found)))
    return drawn


def _facts(directory: JobDir, found: Chronicle, recipe: Recipe, workers: int) -> list[tuple[str, str]]:
    """What ran, by name; what is not known is left out."""
    told = _told(directory.report, found.run)
    started = found.last("started")
    facts = [
        ("handler", recipe.text("handler") or recipe.text("command")),
        ("source", str(told.get("source") or recipe.text("source"))),
        ("run", f"{found.run} of {found.runs}" if found.runs > 1 else "1"),
        ("workers", str(workers) if workers else ""),
        *((name, recipe.text(name)) for name in ("concurrency", "batch", "rate", "retry", "timeout", "memory")),
        ("delivery", recipe.text("delivery")),
        ("host", str(told.get("host") or "")),
        ("Python", str(told.get("python") or "")),
        ("last start", moment(started.t) if started else ""),
        ("folder", directory.root),
    ]
    return [(name, value) for name, value in facts if value]


def _told(path: str, run: int) -> dict[str, Any]:
    """What report.json says of this run; nothing if there is none."""
    try:
        with open(path, "rb") as file:
            told = json.loads(file.read())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) and told.get("run") == run else {}

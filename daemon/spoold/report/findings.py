"""What the figures of a run mean, in plain words: what bounded it, how to verify it, what to look at first."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spoold.core.text import printable, shell_word
from spoold.core.units import format_duration, format_size, parse_rate, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spoold.core.messages import Counts
    from spoold.report.chronicle import Chronicle
    from spoold.report.recipe import Recipe

_BUSY: Final = 0.75  # of the workers' time: they were the bound
_MOSTLY: Final = 0.4
_NEAR: Final = 0.85  # of a limit: it was reached
_SHORT: Final = 1.0  # seconds; nothing can be said of less


@dataclass(frozen=True, slots=True)
class Advice:
    """A sentence, and a command that goes with it."""

    says: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """How a run used what it had.

    Attributes:
        workers: processes that it had at most.
        lanes: items that could be in flight at once.
        busy: share of that which was, while it ran; None: nothing was measured.
        cores: CPUs that its workers used at once, on average; None: not known.
        cpus: of the machine; None: not known.
    """

    workers: int
    lanes: int
    busy: float | None
    cores: float | None
    cpus: int | None


def load_of(found: Chronicle, recipe: Recipe) -> Load:
    """What the journal says of the use of workers and CPUs."""
    started = [record.fields.get("workers") for record in found.records if record.event == "started"]
    workers = max([len(found.workers), *(count for count in started if isinstance(count, int))], default=0)
    concurrency = recipe.settings.get("concurrency")
    lanes = workers * (concurrency if isinstance(concurrency, int) else 1)
    active, spent = found.active, sum(worker.busy for worker in found.workers.values()) / 1000
    busy = min(1.0, spent / (active * lanes)) if active > 0 and lanes and spent > 0 else None
    known = {one.t: cpu for one in found.records if isinstance(cpu := one.fields.get("cpu"), int | float)}
    measured = sum(one.stop - one.start for one in found.stretches if one.stop in known)
    cores = sum(known.values()) / measured if measured > 0 else None
    cpus = next((one for record in reversed(found.records) if isinstance(one := record.fields.get("cpus"), int)), None)
    return Load(workers, lanes, busy, cores, cpus)


def bounds(found: Chronicle, recipe: Recipe, load: Load) -> list[str]:
    """What kept the run from being quicker, most telling first."""
    if found.settled == 0:
        return ["Nothing ran: there was nothing to do, or the run ended before its first item."]
    if found.active < _SHORT:
        return [f"It took {format_duration(found.active)}: too short to say what bounded it."]
    said = [*_rate(found, recipe), *_memory(found, recipe), *_retries(found, load), *_tail(found, load)]
    return [*said, _work(load)]


def _rate(found: Chronicle, recipe: Recipe) -> Iterator[str]:
    given = recipe.settings.get("rate")
    if not isinstance(given, str):
        return
    try:
        limit = parse_rate(given)
    except ValueError:
        return
    reached = found.settled / found.active
    if reached >= _NEAR * limit:
        yield f"The rate limit: {_per_second(reached)} of the {given} that the manifest allows."


def _memory(found: Chronicle, recipe: Recipe) -> Iterator[str]:
    if found.starved:
        yield (
            f"Memory: attempts ran out of it {found.starved:,} times, each at the cost of a fresh worker. "
            "Give `memory` more, or run fewer workers."
        )
        return
    limit = memory_limit(recipe)
    peak = max((worker.peak or 0 for worker in found.workers.values()), default=0)
    if limit and peak >= _NEAR * limit:
        yield f"Memory was close to its limit: a worker used {format_size(peak)} of {format_size(limit)}."


def memory_limit(recipe: Recipe) -> int | None:
    """The bytes that the manifest allows a worker; None: it names none."""
    given = recipe.settings.get("memory")
    try:
        return parse_size(given) if isinstance(given, str | int) else None
    except ValueError:
        return None


def _retries(found: Chronicle, load: Load) -> Iterator[str]:
    if found.tally.retries == 0:
        return
    share = found.tally.retries / (found.tally.retries + found.settled)
    idle = load.busy is not None and load.busy < _BUSY
    if idle and found.waited > 0.25 * found.active:
        yield (
            f"Retries: {found.tally.retries:,} attempts had to be repeated and waited {format_duration(found.waited)} "
            "altogether for their turn, while workers were idle."
        )
    elif share > 0.1:
        yield f"Retries: {share:.0%} of all attempts ended in another one."


def _tail(found: Chronicle, load: Load) -> Iterator[str]:
    slowest = found.tally.slowest[0][0] / 1000 if found.tally.slowest else 0.0
    if load.workers > 1 and slowest > 0.5 * found.active:
        yield f"One item: the slowest alone took {format_duration(slowest)}, more than half of the run."


def _work(load: Load) -> str:
    if load.busy is None:
        return "How busy the workers were was not measured."
    busy = f"The workers were busy {load.busy:.0%} of the time"
    if load.busy < _BUSY and load.cpus and load.cores is not None and load.cores >= _MOSTLY * load.cpus:
        return (
            f"CPU: the workers used {load.cores:.1f} of {load.cpus} CPUs, mostly for what is done around an item, not "
            "in the handler. Larger items, or `batch`, would help."
        )
    if load.busy < _BUSY:
        return (
            f"{busy}: for the rest they waited for items, for retries or a limit, or were being started. If no limit "
            "is named here, the source is the first place to look: how fast can it be read?"
        )
    if load.cores is None:
        return f"{busy}: the handler's own work was the bound. More workers help as long as CPUs are idle."
    if load.cpus and load.cores >= _BUSY * load.cpus:
        return f"CPU: {busy.lower()} and used {load.cores:.1f} of {load.cpus} CPUs. More workers would not help."
    if load.cores >= _BUSY * load.lanes:
        return f"CPU: {busy.lower()}, each with a CPU of its own ({load.cores:.1f} in all). More workers would help."
    if load.cores >= _MOSTLY * load.lanes:
        return (
            f"CPU for the most part: {busy.lower()} and used {load.cores:.1f} CPUs in all; for the rest they waited "
            "for disk, network or other programs of this machine."
        )
    return (
        f"What the handler waits for (network, disk, another service): {busy.lower()}, yet used {load.cores:.1f} CPUs "
        f"in all. More `workers`, or `concurrency` for an `async def` handler, would help."
    )


def checks(found: Chronicle) -> list[Advice]:
    """How to see for oneself that the result is right."""
    job = shlex.quote(found.job)
    return [
        Advice("Every record of the journal against its checksum, none lost, none twice:", f"spool verify {job}"),
        Advice("What the handler returned, in source order, each item once:", f"spool results {job} | head"),
        Advice("All that was recorded of one item, attempt by attempt:", f"spool explain {job} ID"),
    ]


def first_looks(found: Chronicle, counts: Counts) -> list[Advice]:
    """Where to look first if the result seems wrong."""
    job, said = shlex.quote(found.job), list[Advice]()
    kinds = found.failures.rows()
    if kinds:
        one = kinds[0]
        about = f"{one.count:,} items ended with {printable(one.type, 80)}; the first, step by step:"
        said.append(Advice(about, f"spool explain {job} {shell_word(one.first.id, 200)}"))
    if found.damaged:
        said.append(Advice(f"{found.damaged} places of the journal are damaged:", f"spool verify {job}"))
    if counts.in_doubt:
        said.append(
            Advice(f"{counts.in_doubt:,} items may or may not have run; decide on each:", f"spool failures {job}")
        )
    if found.tally.died:
        about = f"Workers that died: {found.tally.died:,}; what they said stands in job.log, when they died here:"
        said.append(Advice(about, f"spool tail {job}"))
    if counts.already_done:
        about = f"{counts.already_done:,} items were done before this run and did not run again; `run` in the manifest "
        said.append(Advice(about + "makes it start anew."))
    if counts.duplicates:
        said.append(Advice(f"{counts.duplicates:,} items had the id of another one and did not run: is `id` right?"))
    if counts.total is not None:
        said.append(Advice(f"Is {counts.total:,} the number of items that the source should have?"))
    return [*said, Advice("The first items again, here, with tracebacks, nothing recorded:", "spool try MANIFEST -n 3")]


def _per_second(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"

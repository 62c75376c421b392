"""The daemon in numbers, as Prometheus reads them: in a file for its node exporter, or on a port of loopback.

Whoever asks gets what the daemon's loop last put together; no other thread looks at its jobs. Imported only where the
configuration has `metrics`. No label has more values than there are states, outcomes, causes, or `MOST_JOBS` jobs. The
label of a job is `job_name`: Prometheus calls what it scrapes `job`.
"""

from __future__ import annotations

from collections import Counter
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import start_http_server, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from spoold.core.histogram import BOUNDS
from spoold.core.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import Metric

    from spoold.supervisor.config import Metrics as Settings
    from spoold.supervisor.totals import Totals

MOST_JOBS: Final = 50
"""Jobs with numbers of their own: those that run, then those that ended last."""
EVERY: Final = 15.0
"""Seconds between two replacements of the file, unless a job changes its state."""
_OUTCOMES: Final = ("ok", "failed", "skipped", "quarantined", "in_doubt", "duplicates", "elsewhere")
_SETTLED: Final = ("ok", "failed", "skipped", "quarantined", "in_doubt")
_CAUSES: Final = ("death", "timeout", "memory", "load", "recycle")
Row = dict[str, Any]


class Picture:
    """What is told at a moment.

    Attributes:
        version: the daemon's.
        began: when it began, epoch seconds.
        running: whether it goes on.
        states: jobs by state.
        rows: of status, of jobs that have numbers of their own.
        draining: seconds since the drain began; 0 before it.
    """

    def __init__(
        self, version: str, began: float, states: Counter[str], rows: Iterable[Row], draining: float, *, running: bool
    ) -> None:
        self.version, self.began, self.running = version, began, running
        self.states = states
        self.rows = list(rows)[:MOST_JOBS]
        self.draining = draining


def families(picture: Picture, totals: Totals) -> Iterator[Metric]:
    """Every metric there is."""
    yield _info(picture)
    yield from _daemon(picture, totals)
    yield from _jobs(picture.rows)
    yield from _items(totals)


def _info(picture: Picture) -> Metric:
    found = GaugeMetricFamily("spoold_info", "The daemon's version; always 1.", labels=["version"])
    found.add_metric([picture.version], 1)
    return found


def _daemon(picture: Picture, totals: Totals) -> Iterator[Metric]:
    yield _gauge("spoold_running", "1 while the daemon runs; 0 in a file that it left behind.", int(picture.running))
    yield _gauge("spoold_start_time_seconds", "When the daemon began, epoch seconds.", picture.began)
    yield _gauge("spoold_metrics_time_seconds", "When these numbers were put together, epoch seconds.", time())
    yield _gauge("spoold_drain_seconds", "How long the daemon has been draining, or took to.", picture.draining)
    states = GaugeMetricFamily("spoold_jobs", "Jobs in the spool.", labels=["state"])
    for state in JobState:
        states.add_metric([str(state)], picture.states[str(state)])
    yield states
    ended = {str(state): totals.ends[str(state)] for state in JobState if state.ended}
    yield _counter("spoold_jobs_ended", "Runs of jobs that ended.", "state", ended)
    yield _counter("spoold_drops", "Manifests accepted; manifests and commands rejected.", "result", totals.drops)
    yield _counter("spoold_notifications", "Attempts to tell of the end of a job.", "result", totals.notices)
    yield CounterMetricFamily("spoold_runner_deaths", "Runners that died.", totals.runner_deaths)


def _jobs(rows: list[Row]) -> Iterator[Metric]:
    items = GaugeMetricFamily(
        "spoold_job_items", "Items of a running or recent job, as status shows them.", labels=["job_name", "outcome"]
    )
    for row in rows:
        for outcome in _OUTCOMES:
            items.add_metric([row["job"], outcome], row[outcome])
    yield items

    def gauge(name: str, text: str, value: Callable[[Row], float | None]) -> Metric:
        found = GaugeMetricFamily(f"spoold_job_{name}", text, labels=["job_name"])
        for row in rows:
            if (number := value(row)) is not None:
                found.add_metric([row["job"]], number)
        return found

    yield gauge("source_items", "Records of its source; absent while unknown.", lambda row: row["total"])
    yield gauge("remaining_items", "Items still to settle; absent while unknown.", lambda row: row["remaining"])
    yield gauge("in_flight_items", "Items that workers have.", lambda row: row["in_flight"])
    yield gauge("retrying_items", "Items that wait for another attempt.", lambda row: row["retrying"])
    yield gauge("items_per_second", "Items settled a second of late, while it runs.", lambda row: row["rate"])
    yield gauge("left_seconds", "Time left; absent while unknown.", lambda row: row["eta_s"])
    yield gauge("workers", "Its workers.", lambda row: row["workers"]["now"])
    yield gauge("workers_wanted", "Workers it asks for.", lambda row: row["workers"]["wanted"])
    yield gauge("start_time_seconds", "When its run started, epoch seconds.", lambda row: row["started"])


def _items(totals: Totals) -> Iterator[Metric]:
    ended = {name: totals.items[name] for name in _SETTLED}
    yield _counter("spoold_items", "Items of all jobs that ended, by outcome.", "outcome", ended)
    yield CounterMetricFamily("spoold_item_retries", "Attempts that another one followed.", totals.items["retried"])
    found = HistogramMetricFamily("spoold_item_duration_seconds", "How long the last attempt of an item took.")
    counts, buckets = 0, []
    for bound, count in zip((*BOUNDS, float("inf")), totals.hist, strict=True):
        counts += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), counts))
    found.add_metric([], buckets, sum_value=totals.seconds)
    yield found
    causes = {cause: totals.restarts[cause] for cause in _CAUSES}
    yield _counter("spoold_worker_restarts", "Workers that were replaced.", "cause", causes)
    yield CounterMetricFamily("spoold_journal_written_bytes", "Bytes that came to journals.", totals.written)
    yield CounterMetricFamily("spoold_journal_syncs", "Syncs of journals by runners.", totals.syncs)
    yield CounterMetricFamily("spoold_journal_sync_seconds", "Time that these syncs took.", totals.sync_seconds)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _counter(name: str, text: str, label: str, values: dict[str, int] | Counter[str]) -> Metric:
    found = CounterMetricFamily(name, text, labels=[label])
    for key, count in values.items():
        found.add_metric([key], count)
    return found


class _Last(Collector):
    """Gives whoever collects what was put together last."""

    def __init__(self) -> None:
        self.families: list[Metric] = []

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        return self.families


class Metrics:
    """Tells of the daemon where it was configured to.

    Args:
        settings: where.
        totals: what happened.
        warn: tells the log of what can't be done.
    """

    def __init__(self, settings: Settings, totals: Totals, warn: Callable[[str], None]) -> None:
        self._settings = settings
        self._totals = totals
        self._warn = warn
        self._last = _Last()
        self._registry = CollectorRegistry()
        self._registry.register(self._last)
        self._not_before = 0.0
        self._failed = False
        self._server: Any = None
        if settings.port is not None:
            try:
                self._server, self._thread = start_http_server(settings.port, "127.0.0.1", self._registry)
            except OSError as error:
                warn(f"no metrics on port {settings.port}: {error.strerror}; choose another `metrics.port`")

    def tell(self, picture: Picture, *, changed: bool) -> None:
        """Put the numbers together, for the port at once and for the file when it is time, or a state changed."""
        now = monotonic()
        due = self._settings.textfile is not None and (changed or now >= self._not_before)
        if self._server is None and not due:
            return
        self._last.families = list(families(picture, self._totals))
        if due:
            self._not_before = now + EVERY
            self._write(str(self._settings.textfile))

    def _write(self, path: str) -> None:
        try:
            write_to_textfile(path, self._registry)
            self._failed = False
        except OSError as error:
            if not self._failed:
                self._warn(f"no metrics in {path}: {error.strerror}; see that the daemon may write there")
            self._failed = True

    def close(self) -> None:
        """Give the port back."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

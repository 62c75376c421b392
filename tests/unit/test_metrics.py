"""The daemon in numbers, and what is made of them in config/."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from spoold.core.histogram import BOUNDS, coarse
from spoold.core.messages import Figures
from spoold.core.tally import Tally
from spoold.supervisor.config import Metrics as Settings
from spoold.supervisor.metrics import MOST_JOBS, Metrics, Picture
from spoold.supervisor.totals import Totals

CONFIG = Path(__file__).parents[2] / "config"
HOSTILE = 'a"\n\\x} 1'


def row(job: str, **changes: Any) -> dict[str, Any]:
    """A row of status."""
    counts = dict.fromkeys(("ok", "failed", "skipped", "quarantined", "in_doubt", "duplicates", "elsewhere"), 1)
    more = {"total": 9, "remaining": 2, "in_flight": 1, "retrying": 0, "rate": 2.5, "eta_s": None, "started": 5.0}
    return {"job": job, **counts, **more, "workers": {"now": 1, "wanted": 2}, **changes}


def told(tmp_path: Path, rows: list[dict[str, Any]], totals: Totals | None = None) -> dict[str, float]:
    """What stands in the textfile: name and labels to value."""
    path = tmp_path / "spoold.prom"
    metrics = Metrics(Settings(textfile=str(path)), totals or Totals(), pytest.fail)
    metrics.tell(Picture("1.0", 3.0, Counter(running=2), rows, 0.0, running=True), changed=True)
    families = text_string_to_metric_families(path.read_text())
    samples = [sample for family in families for sample in family.samples]
    return {f"{one.name} {_labels(one.labels)}": one.value for one in samples}


def _labels(labels: dict[str, str]) -> str:
    return " ".join(f"{key}={labels[key]}" for key in sorted(labels))


def test_running_jobs_have_numbers_of_their_own(tmp_path: Path) -> None:
    """Those of status; what is not known is absent, and a hostile name forges nothing."""
    found = told(tmp_path, [row("a"), row(HOSTILE, total=None)])
    assert found["spoold_jobs state=running"] == 2
    assert found["spoold_jobs state=paused"] == 0
    assert found["spoold_job_items job_name=a outcome=ok"] == 1
    assert found["spoold_job_source_items job_name=a"] == 9
    assert f"spoold_job_source_items job_name={HOSTILE}" not in found
    assert found[f"spoold_job_workers_wanted job_name={HOSTILE}"] == 2
    assert not any(name.startswith("spoold_job_left_seconds") for name in found)


def test_labels_are_bounded(tmp_path: Path) -> None:
    """Of thousands of jobs only so many have numbers of their own."""
    found = told(tmp_path, [row(f"job-{n}") for n in range(1000)])
    assert sum(name.startswith("spoold_job_workers ") for name in found) == MOST_JOBS


def test_what_runners_tell_adds_up(tmp_path: Path) -> None:
    """Each word counts from the beginning of a runner's life, so only what is new is added."""
    totals, tally = Totals(), Tally()
    first = Figures()
    for ms in (0.5, 30.0, 4_000_000.0):
        tally.add("ok", ms, 0, "a")
    hist, seconds = coarse(tally.hist, {})
    word = Figures({"ok": 3, "failed": 1}, hist, seconds, {"memory": 1}, 100, 2, 0.5)
    for before, now in ((first, word), (word, word), (first, word)):
        totals.add(before, now)
    found = told(tmp_path, [], totals)
    assert found["spoold_items_total outcome=ok"] == 6
    assert found["spoold_items_total outcome=skipped"] == 0
    assert found["spoold_item_duration_seconds_bucket le=0.001"] == 2
    assert found["spoold_item_duration_seconds_bucket le=0.05"] == 4
    assert found["spoold_item_duration_seconds_bucket le=1800.0"] == 4
    assert found["spoold_item_duration_seconds_count "] == 6
    assert found["spoold_item_duration_seconds_sum "] == pytest.approx(8000, rel=0.03)
    assert found["spoold_worker_restarts_total cause=memory"] == 2
    assert found["spoold_journal_written_bytes_total "] == 200
    assert found["spoold_journal_sync_seconds_total "] == 1.0


def test_durations_before_this_life_do_not_count() -> None:
    """A histogram is told from the beginning of a life on; what took longer than all bounds has its own bucket."""
    tally = Tally()
    tally.add("ok", 10.0, 0, "a")
    before = dict(tally.hist)
    tally.add("ok", 7_200_000.0, 1, "b")
    counts, seconds = coarse(tally.hist, before)
    assert counts == [0] * len(BOUNDS) + [1]
    assert seconds == pytest.approx(7200, rel=0.03)


def test_a_file_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    """The daemon goes on, and tries again."""
    said: list[str] = []
    path = tmp_path / "later" / "spoold.prom"
    metrics = Metrics(Settings(textfile=str(path)), Totals(), said.append)
    picture = Picture("1.0", 3.0, Counter(), [], 0.0, running=True)
    for _ in range(3):
        metrics.tell(picture, changed=True)
    assert len(said) == 1
    assert "No such file or directory" in said[0]
    path.parent.mkdir()
    metrics.tell(picture, changed=True)
    assert os.listdir(path.parent) == ["spoold.prom"]


def names_in(text: str) -> set[str]:
    """The metrics that a text speaks of."""
    found = set(re.findall(r"\bspoold_[a-z_]+[a-z]", text))
    return {re.sub(r"_(bucket|sum|count)$", "", name) if "duration" in name else name for name in found}


@pytest.mark.parametrize("name", ["grafana.json", "prometheus-rules.yaml"])
def test_dashboard_and_rules_speak_of_metrics_that_exist(name: str, tmp_path: Path) -> None:
    """Every name in them is one that the daemon tells, and most of what it tells is shown."""
    rows = [row("a", eta_s=1.0)]
    there = {names_in(one.split()[0]).pop() for one in told(tmp_path, rows)}
    named = names_in((CONFIG / name).read_text(encoding="utf-8"))
    assert named - there == set()
    assert len(named) > 5


def test_the_dashboard_is_json_with_an_expression_in_each_panel() -> None:
    """It can be imported: each panel has a place, a title and a target."""
    content = json.loads((CONFIG / "grafana.json").read_text(encoding="utf-8"))
    for panel in content["panels"]:
        assert panel["title"]
        assert panel["gridPos"].keys() == {"x", "y", "w", "h"}
        assert all(target["expr"] for target in panel["targets"])


def test_promtool_takes_the_rules() -> None:
    """Prometheus' own checker finds nothing wrong."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    rules = str(CONFIG / "prometheus-rules.yaml")
    done = subprocess.run([promtool, "check", "rules", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

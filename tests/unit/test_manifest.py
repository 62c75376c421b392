"""The manifest: what may stand in it, and how mistakes are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spoold.core.manifest import Manifest
from spoold.core.policy import FailureLimits, Recycling, RetryPolicy
from spoold.core.source import GlobSource
from spoold.errors import ManifestError
from spoold.supervisor.config import Limits
from spoold.supervisor.manifests import job_name, parse, schema_text

LEAST = "job: x\nhandler: pkg.mod:fn\nsource: {type: range, stop: 5}\n"
BARE = "handler: a:b\nsource: {type: "
CONFIG = Path(__file__).parents[2] / "config"


def manifest(text: str, name: str = "x.yaml") -> Manifest:
    """The manifest of a text."""
    return parse(text.encode(), name, limits=Limits(memory=2 << 30), workers=8)


def refused(text: str, name: str = "x.yaml") -> str:
    """The line that a text is refused with."""
    with pytest.raises(ManifestError) as caught:
        manifest(text, name)
    line = str(caught.value)
    assert line.isprintable()
    return line


def test_defaults() -> None:
    """What is left out has the contract's defaults."""
    spec = manifest(LEAST).spec()
    assert spec == json.loads(json.dumps(spec))
    assert (spec["workers"], spec["load_timeout"], spec["poison"], spec["preload"]) == ("auto", 600.0, 2, False)
    assert spec["checkpoint"] == {"type": "journal"}
    assert spec["source"] == {"type": "range", "start": 0, "stop": 5, "step": 1}
    assert (spec["memory"], spec["timeout"], spec["rate"], spec["delivery"]) == (None, None, None, "at-least-once")
    assert manifest(LEAST).failures.limits() == FailureLimits(most=None, share=None, streak=1000)
    assert manifest(LEAST).recycle.recycling() == Recycling()
    assert manifest(LEAST).retry is None


def test_everything() -> None:
    """Every key of this version, as the contract writes it."""
    text = """
        job: nightly-embeddings
        run: "%Y-%m-%d"
        handler: mypkg.handlers:embed
        params: {model: small, deep: {list: [1, 2.5, null, true]}}
        source: {type: glob, pattern: "**/*.py"}
        id: doc_id
        workers: 4
        memory: 512MiB
        timeout: 30s
        load_timeout: 10m
        retry: {attempts: 4, backoff: 250ms, max_backoff: 30s, jitter: 0, on: [OSError, "mypkg.sub:Rate.Limited"]}
        delivery: at-most-once
        failures: {max: 2.5%, after: 50, streak: 20}
        rate: 100/s
        recycle: {items: 10000, growth: 1GB}
        checkpoint: {type: journal}
        priority: -3
        after: [other-job, third@2024-01-01]
        env: {KEY: "value {worker}"}
        cwd: /srv/data
        pythonpath: [/srv/app]
        venv: /srv/app/.venv
        poison: 3
        preload: true
    """
    one = manifest(text)
    assert one.source == GlobSource(type="glob", pattern="**/*.py")
    assert (one.workers, one.priority, one.params["deep"]) == (4, -3, {"list": [1, 2.5, None, True]})
    assert (one.memory, one.timeout, one.rate, one.delivery) == (512 << 20, 30.0, 100.0, "at-most-once")
    assert one.retry is not None
    assert one.retry.policy() == RetryPolicy(
        attempts=4, backoff=0.25, max_backoff=30.0, jitter=0.0, on=("OSError", "mypkg.sub:Rate.Limited")
    )
    assert one.failures.limits() == FailureLimits(share=0.025, after=50, streak=20)
    assert one.recycle.recycling() == Recycling(items=10_000, growth=10**9)
    assert one.spec() == json.loads(json.dumps(one.spec()))


def test_retry_fills_in_what_it_does_not_say() -> None:
    """With attempts alone, the waits and the transient errors are the contract's."""
    one = manifest(LEAST + "retry: {attempts: 3}\n").retry
    assert one is not None
    assert one.policy() == RetryPolicy(
        attempts=3, backoff=0.5, max_backoff=60.0, jitter=0.3, on=("ConnectionError", "TimeoutError")
    )


@pytest.mark.parametrize(
    ("failures", "limits"),
    [
        ("{max: 0}", FailureLimits(most=0, after=0)),
        ("{max: 7, after: 3}", FailureLimits(most=7, after=3)),
        ("{max: 5%}", FailureLimits(share=0.05, after=100)),
        ("{max: 0%, after: 0}", FailureLimits(share=0.0, after=0)),
        ("{max: 100%}", FailureLimits(share=1.0, after=100)),
        ("{max: 29%}", FailureLimits(share=0.29, after=100)),
        ("{max: 0.1%}", FailureLimits(share=0.001, after=100)),
        ("{streak: 1}", FailureLimits(streak=1)),
        ("{after: 50}", FailureLimits(after=50)),
    ],
)
def test_failure_limits(failures: str, limits: FailureLimits) -> None:
    """A share is judged after a hundred items if the manifest says nothing else, a number at once."""
    assert manifest(f"{LEAST}failures: {failures}\n").failures.limits() == limits


@pytest.mark.parametrize(("text", "rate"), [("100/s", 100.0), ("2.5/s", 2.5), ("90/m", 1.5), ("1000/h", 1000 / 3600)])
def test_rate(text: str, rate: float) -> None:
    """A rate by the second, minute or hour is starts a second."""
    assert manifest(f"{LEAST}rate: {text}\n").spec()["rate"] == rate


@pytest.mark.parametrize(
    "source",
    [
        {"type": "jsonl", "path": "a.jsonl"},
        {"type": "csv", "path": "a.csv", "delimiter": ";", "header": ["a", "b"], "quotechar": None},
        {"type": "lines", "path": "a.txt.gz"},
        {"type": "items", "items": ["a", 1, {"id": 2}, None]},
        {"type": "range", "start": 10, "stop": 0, "step": -1},
        {"type": "glob", "pattern": "*.txt"},
    ],
)
def test_sources(source: dict[str, Any]) -> None:
    """Each source takes its options, in JSON as in YAML."""
    text = json.dumps({"handler": "a:b", "source": source}, indent="\t")
    read = manifest(text, "job-1.json").spec()
    assert read["job"] == "job-1"
    assert source.items() <= read["source"].items()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (LEAST + "wokers: 4\n", "x.yaml:4:1: unknown key 'wokers'; did you mean 'workers'?"),
        (LEAST + "zzz: 4\n", "x.yaml:4:1: unknown key 'zzz'; remove it"),
        (LEAST + "params:\n  a: &x 1\n", "x.yaml:5:6: an anchor (&x) can't be used; remove it"),
        (LEAST + "workers: 9\n", "x.yaml:4:10: `workers` asks for 9, the most here is 8; ask for fewer, or write auto"),
        (LEAST + "env: {A: 5}\n", "x.yaml:4:10: `env.A` must be text, found the number 5; put it in quotes"),
        (LEAST + "after: [a, 5]\n", "x.yaml:4:12: `after[1]` must be text, found the number 5; put it in quotes"),
        (BARE + "jsnol, path: x}\n", "x.yaml:2:16: unknown type 'jsnol' of `source`; did you mean 'jsonl'?"),
        (BARE + "jsonl, path: x, pth: y}\n", "x.yaml:2:32: unknown key 'pth'; did you mean 'path'?"),
        (BARE + "jsonl}\n", "x.yaml:2:9: `source.path` is missing; add it"),
        ("source: {type: range, stop: 1}\n",
         "x.yaml:1:1: `handler` is missing; add it, or `command` to run a program for each item"),
        (LEAST + "command: [ls]\n",
         "x.yaml:4:10: `command`: a job has a `handler` or a `command`, not both, found a list"),
        ("command: [ls]\nsource: {type: range, stop: 1}\nbatch: 2\n",
         "x.yaml:3:8: `batch`: it is for a `handler`, and this job has a `command`, found the number 2"),
        (LEAST + "checkpoint: {type: offset, path: x}\n",
         "x.yaml:4:13: `checkpoint`: an offset is kept for a source of `pages`, found a mapping"),
        (LEAST + "checkpoint: {type: redis, url: redis://h}\ndelivery: at-most-once\n",
         ("x.yaml:4:13: `checkpoint`: what a dead host had begun runs again on another, so `delivery` can't be "
          "at-most-once, found a mapping")),
        (LEAST + "retry: {atempts: 3}\n",
         "x.yaml:4:9: unknown key 'atempts' (and 1 more mistake); did you mean 'attempts'?"),
        (LEAST + "retry: {backoff: 1s}\n", "x.yaml:4:8: `retry.attempts` is missing; add it"),
        (LEAST + "retry:\n  attempts: 2\n  max_backoff: 1m\n  backoff: 2m\n",
         ("x.yaml:6:16: `retry.max_backoff`: the longest wait can't be shorter than `backoff`, the first (2m), "
          "found the text '1m'")),
        (LEAST + "retry: {attempts: 2, on: [requests.ConnectionError]}\n",
         ("x.yaml:4:27: `retry.on[0]` can't be the text 'requests.ConnectionError'; "
          "write a class's bare name, or `package.module:Class`")),
        (LEAST + "failures: {max: 101%}\n",
         ("x.yaml:4:17: `failures.max`: what may fail is a number of items from 0, or a share from 0% to 100%, "
          "found the text '101%'")),
        (LEAST + "rate: 100\n",
         ("x.yaml:4:7: `rate`: a rate is a number and a unit of time, such as 100/s, 30/m or 1000/h, "
          "found the number 100")),
        (LEAST + "memory: 512\n", "x.yaml:4:9: `memory`: no worker can do with less than 1MiB, found the number 512"),
        (LEAST + "memory: 3GiB\n", "x.yaml:4:9: `memory` asks for 3.0 GiB, the most here is 2.0 GiB; ask for less"),
    ],
)  # fmt: skip
def test_mistakes_in_their_place(text: str, line: str) -> None:
    """A mistake is told with file, line, column, what is wrong and how to mend it."""
    assert refused(text) == line


@pytest.mark.parametrize(
    "addition",
    ["workers: 0", "workers: -1", 'workers: "4"', "workers: 1.5", "workers: true", "poison: 0", "poison: many",
     "preload: 1", 'preload: "true"', "priority: 1.5", "load_timeout: 30", "load_timeout: -5s", "load_timeout: 0s",
     "load_timeout: 5 parsecs", "params: [1]", "env: [A]", 'env: {"A=B": x}', "env: {SPOOLD_JOB: x}", "after: x",
     'after: ["../x"]', "pythonpath: /srv", "id: 5", 'id: ""', "cwd: 5", "venv: [a]", "checkpoint: {type: redis}",
     "checkpoint: journal", 'run: "%Q"', 'run: "a/b"', "run: ''", "batch: 0", "concurrency: 0", "concurrency: 5000",
     "retry: 3",
     "retry: {}", "retry: {attempts: 0}", 'retry: {attempts: "3"}', "retry: {attempts: 2, backoff: -1s}",
     "retry: {attempts: 2, backoff: 2m}", "retry: {attempts: 2, backoff: 2d, max_backoff: 3d}",
     "retry: {attempts: 2, jitter: 1.1}", "retry: {attempts: 2, jitter: -0.1}", "retry: {attempts: 2, on: OSError}",
     'retry: {attempts: 2, on: ["a b"]}', 'retry: {attempts: 2, on: ["a:b:c"]}', 'retry: {attempts: 2, on: [""]}',
     "retry: {attempts: 2, on: [5]}", "delivery: once", "delivery: true", "failures: 5%", "failures: {max: -1}",
     "failures: {max: 2.5}", "failures: {max: true}", 'failures: {max: "5"}', "failures: {max: -5%}",
     "failures: {max: 100.1%}", "failures: {after: -1}", "failures: {after: 5%}", "failures: {streak: 0}",
     "failures: {streak: 1.5}", "rate: 0/s", "rate: -1/s", "rate: 5/d", "rate: 5", "rate: 1e3/s", "rate: 5 /s",
     "rate: 9999999999/s", "recycle: 100", "recycle: {items: 0}", "recycle: {growth: 0}", "recycle: {growth: 5 apples}",
     "timeout: 30", "timeout: 0s", "timeout: 0.5ms", "timeout: -5s", "memory: lots", "memory: true", "memory: -1",
     "memory: 0.5", "memory: 1023KiB"],
)  # fmt: skip
def test_wrong_values(addition: str) -> None:
    """A value of the wrong type or out of range, and a key that does not exist yet, are refused in the fourth line."""
    assert refused(LEAST + addition + "\n").startswith("x.yaml:4:")


@pytest.mark.parametrize("job", ["../x", "/abs", ".", "..", "a/b", "A", "-x", "a" * 300, "a b", "ä", "x@y"])
def test_names_that_are_no_jobs(job: str) -> None:
    """A job's name can't be a path, and is told how to look."""
    text = f'handler: a:b\nsource: {{type: range, stop: 1}}\njob: "{job}"\n'
    assert refused(text).startswith("x.yaml:3:6: `job`")


def test_name_from_the_file() -> None:
    """The job's name is the file's stem; one that is no name is refused with the key to add."""
    text = "handler: a:b\nsource: {type: range, stop: 1}\n"
    assert manifest(text, "night-1.yml").job == "night-1"
    assert "add `job: NAME`" in refused(text, "My Job.yaml")


def test_hostile_name_is_escaped() -> None:
    """The file's name can't forge a line or an escape sequence."""
    assert refused("", "a\n\x1b[31m\udcff\u202e.yaml").startswith("a\\n\\x1b[31m\\xff\\u202e.yaml:1:1: ")


def test_hostile_values_are_escaped() -> None:
    """What a manifest says can't either, wherever it is repeated."""
    refused(LEAST + '"k\\n\\tx": 1\n')
    refused(LEAST + 'workers: "a\\nb"\n')
    refused('handler: a:b\nsource: {type: "a\\nb"}\n')


def test_many_mistakes_are_counted() -> None:
    """The first in the file is told, the others are counted."""
    assert refused(LEAST + "poison: 0\nworkers: 0\n").startswith("x.yaml:4:9: `poison`")
    assert "(and 1 more mistake)" in refused(LEAST + "poison: 0\nworkers: 0\n")


def test_size_limit() -> None:
    """A manifest over the administrator's limit is refused unread."""
    with pytest.raises(ManifestError, match="larger than 100 bytes"):
        parse(b"#" * 101, "x.yaml", limits=Limits(manifest=100))


def test_workers_limit() -> None:
    """The administrator's limit of workers a job holds beside the daemon's own."""
    with pytest.raises(ManifestError, match="asks for 3, the most here is 2"):
        parse(f"{LEAST}workers: 3\n".encode(), "x.yaml", limits=Limits(workers=2), workers=8)


def test_memory_limit() -> None:
    """Without the administrator's limit a worker may ask for any memory."""
    one = parse(f"{LEAST}memory: 3GiB\n".encode(), "x.yaml", limits=Limits())
    assert one.memory == 3 << 30


def test_run_key() -> None:
    """The run key is the local time of the drop, so the same after a crash."""
    one = manifest(LEAST + 'run: "%Y-%m-%d"\n')
    assert job_name(one, 1_700_000_000.0).startswith("x@2023-11-1")
    assert job_name(manifest(LEAST), 0.0) == "x"


def test_schema_is_current() -> None:
    """config/manifest.schema.json is what the model says: `spool schema > config/manifest.schema.json`."""
    assert (CONFIG / "manifest.schema.json").read_text(encoding="utf-8") == schema_text()

"""The manifest: what may stand in it, and how mistakes are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spoold.core.manifest import GlobSource, Manifest
from spoold.errors import ManifestError
from spoold.supervisor.config import Limits
from spoold.supervisor.manifests import job_name, parse, schema_text

LEAST = "job: x\nhandler: pkg.mod:fn\nsource: {type: range, stop: 5}\n"
BARE = "handler: a:b\nsource: {type: "
CONFIG = Path(__file__).parents[2] / "config"


def manifest(text: str, name: str = "x.yaml") -> Manifest:
    """The manifest of a text."""
    return parse(text.encode(), name, limits=Limits(), workers=8)


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
        load_timeout: 10m
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
        ("source: {type: range, stop: 1}\n", "x.yaml:1:1: `handler` is missing; add it"),
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
     "checkpoint: journal", 'run: "%Q"', 'run: "a/b"', "run: ''", "retry: {attempts: 3}", "timeout: 30s", "batch: 2"],
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


def test_run_key() -> None:
    """The run key is the local time of the drop, so the same after a crash."""
    one = manifest(LEAST + 'run: "%Y-%m-%d"\n')
    assert job_name(one, 1_700_000_000.0).startswith("x@2023-11-1")
    assert job_name(manifest(LEAST), 0.0) == "x"


def test_schema_is_current() -> None:
    """config/manifest.schema.json is what the model says: `spool schema > config/manifest.schema.json`."""
    assert (CONFIG / "manifest.schema.json").read_text(encoding="utf-8") == schema_text()
